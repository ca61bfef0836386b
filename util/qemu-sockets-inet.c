/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internet sockets from InetSocketAddress. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/access-denied.h"
#include "util/qemu-sockets-internal.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int inet_ai_family_from_address(InetSocketAddress *addr, Error **errp)
{
    /* A family that is not mentioned is wanted unless the other one alone was asked for. */
    bool want4 = addr->has_ipv4 ? addr->ipv4 : !(addr->has_ipv6 && addr->ipv6);
    bool want6 = addr->has_ipv6 ? addr->ipv6 : !(addr->has_ipv4 && addr->ipv4);

    if (!want4 && !want6) {
        error_setg(errp, "Cannot disable IPv4 and IPv6 at same time");
        return PF_UNSPEC;
    }
    return want4 && want6 ? PF_UNSPEC : want4 ? PF_INET : PF_INET6;
}

/* Whether one IPv6 socket shall serve both families: all of them, and both on request. */
static bool is_dual(InetSocketAddress *addr)
{
    return addr->has_ipv4 && addr->ipv4 && addr->has_ipv6 && addr->ipv6 &&
           (!addr->host || !*addr->host);
}

static const char *printable(const char *text)
{
    return text ? text : "";
}

struct addrinfo *inet_lookup(InetSocketAddress *addr, InetLookup how, int socktype, Error **errp)
{
    ERRP_GUARD();
    struct addrinfo hints = { .ai_socktype = socktype }, *list;
    bool listening = how == INET_LOOKUP_LISTEN;
    const char *host = addr->host && *addr->host ? addr->host : NULL;
    const char *port = addr->port && *addr->port ? addr->port : listening ? "0" : NULL;
    int rc;

    if (!listening && (!host || !port)) {
        error_setg(errp, "host and/or port not specified");
        return NULL;
    }
    hints.ai_family = inet_ai_family_from_address(addr, errp);
    if (*errp) {
        return NULL;
    }
    if (listening) {
        hints.ai_flags |= AI_PASSIVE;
        hints.ai_family = is_dual(addr) ? PF_INET6 : hints.ai_family;
    }
    if (addr->has_numeric && addr->numeric) {
        hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    }
    rc = getaddrinfo(host, port, &hints, &list);
    if (rc) {
        error_setg(errp, "address resolution failed for %s:%s: %s", printable(host),
                   printable(port), gai_strerror(rc));
        return NULL;
    }
    return list;
}

static int make_socket(const struct addrinfo *ai, InetSocketAddress *saddr)
{
    bool mptcp = saddr->has_mptcp && saddr->mptcp && ai->ai_socktype == SOCK_STREAM;

    return qemu_socket(ai->ai_family, ai->ai_socktype, mptcp ? IPPROTO_MPTCP : ai->ai_protocol);
}

static bool set_keep_alive(int fd, InetSocketAddress *saddr, Error **errp)
{
    const struct {
        const char *name;
        bool wanted;
        int level, option;
        uint32_t value;
    } options[] = {
        { "keep-alive", saddr->has_keep_alive && saddr->keep_alive, SOL_SOCKET, SO_KEEPALIVE, 1 },
        { "keep-alive-count", saddr->has_keep_alive_count && saddr->keep_alive_count, IPPROTO_TCP,
          TCP_KEEPCNT, saddr->keep_alive_count },
        { "keep-alive-idle", saddr->has_keep_alive_idle && saddr->keep_alive_idle, IPPROTO_TCP,
          TCP_KEEPIDLE, saddr->keep_alive_idle },
        { "keep-alive-interval", saddr->has_keep_alive_interval && saddr->keep_alive_interval,
          IPPROTO_TCP, TCP_KEEPINTVL, saddr->keep_alive_interval },
    };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        int value = options[i].value;

        if (options[i].wanted &&
            setsockopt(fd, options[i].level, options[i].option, &value, sizeof(value)) < 0) {
            error_setg_errno(errp, errno, "Unable to set option '%s' to %d", options[i].name,
                             value);
            return false;
        }
    }
    return true;
}

static int close_keep_errno(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
}

static void set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET) {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    }
}

static uint16_t get_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET ? ((const struct sockaddr_in *)sa)->sin_port
                                          : ((const struct sockaddr_in6 *)sa)->sin6_port);
}

/* A listening socket at exactly @ai; -1 with errno. */
static int listen_at(const struct addrinfo *ai, InetSocketAddress *saddr, int num)
{
    int v6only = !is_dual(saddr);
    int fd = make_socket(ai, saddr);

    if (fd < 0) {
        return -1;
    }
    socket_set_fast_reuse(fd);
    if (ai->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0) {
        return close_keep_errno(fd);
    }
    /* Two sockets may both bind a port; listening tells. */
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, num) < 0) {
        return close_keep_errno(fd);
    }
    return fd;
}

/* The first port that is free, of those that @saddr allows; -1 with errno. */
static int listen_in_range(const struct addrinfo *ai, InetSocketAddress *saddr, int num)
{
    unsigned first = get_port(ai->ai_addr);
    unsigned last = first && saddr->has_to ? saddr->to : first;
    int fd = -1;

    errno = EADDRINUSE;
    for (unsigned port = first; fd < 0 && errno == EADDRINUSE && port <= last; port++) {
        set_port(ai->ai_addr, port);
        fd = listen_at(ai, saddr, num);
    }
    return fd;
}

int inet_listen_saddr(InetSocketAddress *saddr, int num, Error **errp)
{
    struct addrinfo *list = inet_lookup(saddr, INET_LOOKUP_LISTEN, SOCK_STREAM, errp);
    int fd = -1;
    int err = 0;

    if (!list) {
        return -1;
    }
    for (struct addrinfo *ai = list; fd < 0 && ai; ai = ai->ai_next) {
        fd = listen_in_range(ai, saddr, num);
        err = err ? err : errno;
    }
    freeaddrinfo(list);

    if (fd < 0 && err == EADDRINUSE) {
        error_setg_errno(errp, err, "Failed to find an available port");
    } else if (fd < 0) {
        error_setg(errp, "Failed to listen at '%s:%s': %s%s", printable(saddr->host),
                   printable(saddr->port), strerror(err),
                   access_denied_why(err, ACCESS_NETWORK, NULL));
    } else if (!set_keep_alive(fd, saddr, errp)) {
        return close_keep_errno(fd);
    }
    return fd;
}

int inet_connect_saddr(InetSocketAddress *saddr, Error **errp)
{
    struct addrinfo *list = inet_lookup(saddr, INET_LOOKUP_CONNECT, SOCK_STREAM, errp);
    int fd = -1;
    int err = 0;

    if (!list) {
        return -1;
    }
    for (struct addrinfo *ai = list; fd < 0 && ai; ai = ai->ai_next) {
        fd = make_socket(ai, saddr);
        if (fd >= 0 && socket_connect_retry(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
            fd = close_keep_errno(fd);
        }
        err = errno;
    }
    freeaddrinfo(list);

    if (fd < 0) {
        error_setg(errp, "Failed to connect to '%s:%s': %s%s", saddr->host, saddr->port,
                   strerror(err), access_denied_why(err, ACCESS_NETWORK, NULL));
        return -1;
    }
    return set_keep_alive(fd, saddr, errp) ? fd : close_keep_errno(fd);
}

/* A datagram socket bound to @local, if given, and connected to @peer; -1 with errno. */
static int dgram_to(const struct addrinfo *peer, const struct addrinfo *local,
                    InetSocketAddress *saddr)
{
    int fd = make_socket(peer, saddr);

    if (fd < 0) {
        return -1;
    }
    socket_set_fast_reuse(fd);
    if ((local && bind(fd, local->ai_addr, local->ai_addrlen) < 0) ||
        connect(fd, peer->ai_addr, peer->ai_addrlen) < 0) {
        return close_keep_errno(fd);
    }
    return fd;
}

int inet_dgram_saddr(InetSocketAddress *remote, InetSocketAddress *local, Error **errp)
{
    struct addrinfo *peer = inet_lookup(remote, INET_LOOKUP_CONNECT, SOCK_DGRAM, errp);
    struct addrinfo *mine = NULL, *ai;
    int fd = -1;

    if (!peer) {
        return -1;
    }
    if (local) {
        mine = inet_lookup(local, INET_LOOKUP_LISTEN, SOCK_DGRAM, errp);
        if (!mine) {
            freeaddrinfo(peer);
            return -1;
        }
    }
    /* A name may mean both families: take ours of the same family as the peer's. */
    for (ai = mine; ai && ai->ai_family != peer->ai_family; ai = ai->ai_next) {
        continue;
    }
    if (mine && !ai) {
        error_setg(errp, "Local and remote address are of different families");
    } else {
        fd = dgram_to(peer, ai, remote);
        if (fd < 0) {
            error_setg(errp, "Failed to make a datagram socket to '%s:%s': %s%s", remote->host,
                       remote->port, strerror(errno),
                       access_denied_why(errno, ACCESS_NETWORK, NULL));
        }
    }
    freeaddrinfo(peer);
    if (mine) {
        freeaddrinfo(mine);
    }
    return fd;
}
