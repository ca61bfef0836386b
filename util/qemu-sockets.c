/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets from SocketAddress, whatever its family; inherited descriptors. */
#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sockets.h"
#include "qemu/cutils.h"
#include "qemu/inherited-fds.h"
#include "qemu/sockets.h"
#include "util/qemu-sockets-internal.h"

#include <poll.h>
#include <linux/vm_sockets.h>

/*
 * A program with a monitor provides these, and a descriptor may then be given by a
 * name that the monitor's client chose.
 */
Monitor *monitor_cur(void) __attribute__((weak));
int monitor_get_fd(Monitor *mon, const char *fdname, Error **errp) __attribute__((weak));

int qemu_socket(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC, protocol);
}

int qemu_socketpair(int domain, int type, int protocol, int sv[2])
{
    return socketpair(domain, type | SOCK_CLOEXEC, protocol, sv);
}

int qemu_accept(int s, struct sockaddr *addr, socklen_t *addrlen)
{
    return accept4(s, addr, addrlen, SOCK_CLOEXEC);
}

int socket_set_cork(int fd, int v)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CORK, &v, sizeof(v));
}

int socket_set_nodelay(int fd)
{
    int v = 1;

    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v));
}

int socket_set_fast_reuse(int fd)
{
    int v = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v));
}

int socket_init(void)
{
    return 0;
}

bool fd_is_socket(int fd)
{
    int saved = errno;
    struct stat st;
    bool is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);

    errno = saved;
    return is_socket;
}

int socket_connect_retry(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };
    int err;
    socklen_t errlen = sizeof(err);

    if (connect(fd, addr, len) == 0) {
        return 0;
    }
    if (errno != EINTR) {
        return -1;
    }
    /* Interrupted, the connection goes on being made; a second connect() would fail. */
    while (poll(&pfd, 1, -1) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &errlen) < 0) {
        return -1;
    }
    errno = err;
    return err ? -1 : 0;
}

/* The socket that @fdstr names; *@owned: it was handed over by the monitor. */
static int socket_get_fd(const char *fdstr, bool *owned, Error **errp)
{
    Monitor *mon = monitor_cur ? monitor_cur() : NULL;
    int fd;

    *owned = mon && monitor_get_fd;
    if (*owned) {
        fd = monitor_get_fd(mon, fdstr, errp);
        if (fd < 0) {
            return -1;
        }
    } else {
        fd = inherited_fd_find(fdstr, errp);
        if (fd < 0) {
            return -1;
        }
    }
    if (!fd_is_socket(fd)) {
        error_setg(errp, "File descriptor '%s' is not a socket", fdstr);
        if (*owned) {
            close(fd);
        }
        return -1;
    }
    qemu_set_cloexec(fd);
    return fd;
}

static int fd_connect(FdSocketAddress *saddr, Error **errp)
{
    bool owned;
    int fd = socket_get_fd(saddr->str, &owned, errp);

    if (fd >= 0 && !owned) {
        inherited_fd_take(fd);
    }
    return fd;
}

static int fd_listen(FdSocketAddress *saddr, int num, Error **errp)
{
    bool owned;
    int fd = socket_get_fd(saddr->str, &owned, errp);

    if (fd >= 0 && listen(fd, num) < 0) {
        error_setg_errno(errp, errno, "Failed to listen on file descriptor '%s'", saddr->str);
        if (owned) {
            close(fd);
        }
        return -1;
    }
    if (fd >= 0 && !owned) {
        inherited_fd_take(fd);
    }
    return fd;
}

int socket_listen(SocketAddress *addr, int num, Error **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return inet_listen_saddr(&addr->u.inet, num, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return unix_listen_saddr(&addr->u.q_unix, num, errp);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return vsock_listen_saddr(&addr->u.vsock, num, errp);
    case SOCKET_ADDRESS_TYPE_FD:
        return fd_listen(&addr->u.fd, num, errp);
    default:
        g_assert_not_reached();
    }
}

int socket_connect(SocketAddress *addr, Error **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return inet_connect_saddr(&addr->u.inet, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return unix_connect_saddr(&addr->u.q_unix, errp);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return vsock_connect_saddr(&addr->u.vsock, errp);
    case SOCKET_ADDRESS_TYPE_FD:
        return fd_connect(&addr->u.fd, errp);
    default:
        g_assert_not_reached();
    }
}

int socket_dgram(SocketAddress *remote, SocketAddress *local, Error **errp)
{
    if (remote->type != SOCKET_ADDRESS_TYPE_INET ||
        (local && local->type != SOCKET_ADDRESS_TYPE_INET)) {
        error_setg(errp, "Only socket addresses of type 'inet' can be used for datagrams");
        return -1;
    }
    return inet_dgram_saddr(&remote->u.inet, local ? &local->u.inet : NULL, errp);
}

int socket_listen_cleanup(int fd, Error **errp)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query the address of socket %d", fd);
        return -1;
    }
    return sa.ss_family == AF_UNIX ? unix_listen_cleanup(fd, errp) : 0;
}

int socket_address_parse_named_fd(SocketAddress *addr, Error **errp)
{
    bool owned;
    int fd;

    if (addr->type != SOCKET_ADDRESS_TYPE_FD) {
        return 0;
    }
    fd = socket_get_fd(addr->u.fd.str, &owned, errp);
    if (fd < 0) {
        return -1;
    }
    g_free(addr->u.fd.str);
    addr->u.fd.str = g_strdup_printf("%d", fd);
    return 0;
}

SocketAddress *socket_address_flatten(SocketAddressLegacy *legacy)
{
    SocketAddress *addr;

    if (!legacy) {
        return NULL;
    }
    addr = g_new0(SocketAddress, 1);
    addr->type = legacy->type;
    switch (legacy->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        QAPI_CLONE_MEMBERS(InetSocketAddress, &addr->u.inet, legacy->u.inet.data);
        break;
    case SOCKET_ADDRESS_TYPE_UNIX:
        QAPI_CLONE_MEMBERS(UnixSocketAddress, &addr->u.q_unix, legacy->u.q_unix.data);
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        QAPI_CLONE_MEMBERS(VsockSocketAddress, &addr->u.vsock, legacy->u.vsock.data);
        break;
    case SOCKET_ADDRESS_TYPE_FD:
        QAPI_CLONE_MEMBERS(FdSocketAddress, &addr->u.fd, legacy->u.fd.data);
        break;
    default:
        g_assert_not_reached();
    }
    return addr;
}

static bool inet_from_sockaddr(SocketAddress *addr, struct sockaddr_storage *sa, socklen_t salen,
                               Error **errp)
{
    InetSocketAddress *inet = &addr->u.inet;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int rc = getnameinfo((struct sockaddr *)sa, salen, host, sizeof(host), port, sizeof(port),
                         NI_NUMERICHOST | NI_NUMERICSERV);

    if (rc) {
        error_setg(errp, "Cannot format numeric socket address: %s", gai_strerror(rc));
        return false;
    }
    addr->type = SOCKET_ADDRESS_TYPE_INET;
    inet->host = g_strdup(host);
    inet->port = g_strdup(port);
    inet->has_ipv4 = inet->ipv4 = sa->ss_family == AF_INET;
    inet->has_ipv6 = inet->ipv6 = sa->ss_family == AF_INET6;
    return true;
}

static bool unix_from_sockaddr(SocketAddress *addr, struct sockaddr_storage *sa, socklen_t salen,
                               Error **errp)
{
    struct sockaddr_un *su = (struct sockaddr_un *)sa;
    UnixSocketAddress *un = &addr->u.q_unix;
    size_t len = salen > offsetof(struct sockaddr_un, sun_path)
                     ? salen - offsetof(struct sockaddr_un, sun_path)
                     : 0;

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    if (len && !su->sun_path[0]) {
        un->has_abstract = un->abstract = true;
        un->has_tight = true;
        un->tight = salen < sizeof(*su);
        un->path = g_strndup(su->sun_path + 1, len - 1);
    } else {
        un->path = g_strndup(su->sun_path, len);
    }
    return true;
}

static bool vsock_from_sockaddr(SocketAddress *addr, struct sockaddr_storage *sa, socklen_t salen,
                                Error **errp)
{
    struct sockaddr_vm *svm = (struct sockaddr_vm *)sa;

    addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
    addr->u.vsock.cid = g_strdup_printf("%u", svm->svm_cid);
    addr->u.vsock.port = g_strdup_printf("%u", svm->svm_port);
    return true;
}

SocketAddress *socket_sockaddr_to_address(struct sockaddr_storage *sa, socklen_t salen,
                                          Error **errp)
{
    static const struct {
        int family;
        bool (*convert)(SocketAddress *addr, struct sockaddr_storage *sa, socklen_t salen,
                        Error **errp);
    } families[] = {
        { AF_INET, inet_from_sockaddr },
        { AF_INET6, inet_from_sockaddr },
        { AF_UNIX, unix_from_sockaddr },
        { AF_VSOCK, vsock_from_sockaddr },
    };
    g_autofree SocketAddress *addr = g_new0(SocketAddress, 1);

    for (size_t i = 0; salen && i < ARRAY_SIZE(families); i++) {
        if (families[i].family == sa->ss_family) {
            return families[i].convert(addr, sa, salen, errp) ? g_steal_pointer(&addr) : NULL;
        }
    }
    if (!salen) {
        error_setg(errp, "Socket has no such address");
    } else {
        error_setg(errp, "Socket family %d is not supported", sa->ss_family);
    }
    return NULL;
}

SocketAddress *socket_local_address(int fd, Error **errp)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query local socket address");
        return NULL;
    }
    return socket_sockaddr_to_address(&sa, len, errp);
}

SocketAddress *socket_remote_address(int fd, Error **errp)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);

    if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query remote socket address");
        return NULL;
    }
    return socket_sockaddr_to_address(&sa, len, errp);
}
