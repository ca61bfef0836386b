/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets from SocketAddress: listen, connect, parse, print.
 *
 * Every descriptor that comes from here is close-on-exec and the caller's; the ones
 * that are made here are blocking.
 * Functions that return one, or 0, return -1 with *errp set on failure. Name look-ups
 * and connecting block. Any thread.
 */
#ifndef QEMU_SOCKETS_H
#define QEMU_SOCKETS_H

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <netdb.h>

#include "qapi/qapi-types-sockets.h"

/* ---- plain sockets; -1 with errno set on failure ---- */

/* socket(2), close-on-exec. */
int qemu_socket(int domain, int type, int protocol);

/* socketpair(2), both ends close-on-exec. */
int qemu_socketpair(int domain, int type, int protocol, int sv[2]);

/* accept(2), close-on-exec. */
int qemu_accept(int s, struct sockaddr *addr, socklen_t *addrlen);

/* Hold partial TCP segments back (@v != 0) or send them; 0 or -1. */
int socket_set_cork(int fd, int v);

/* Send small TCP segments at once; 0 or -1. */
int socket_set_nodelay(int fd);

/* Let a listener bind to a port whose last connections still linger. */
int socket_set_fast_reuse(int fd);

/* Nothing to do on POSIX hosts; 0. Kept because tests call it. */
int socket_init(void);

/* Whether @fd is an open socket. errno is kept. */
bool fd_is_socket(int fd);

/* ---- by address ---- */

/*
 * A socket that listens at @addr with a backlog of @num connections.
 *
 * inet: the first of the host's addresses, and of the ports from `port` to `to`, that
 * is free. unix: the file is made with `mode` and `group` if given and known to the program
 * (qapi_use_own_members(); never more open than that, not even for a moment; a group alone means
 * mode 0660); a file that no living socket is bound to is replaced; anything else at that path is
 * an error. fd: an inherited socket, bound or already listening, by its number; the descriptor
 * returned is the one named.
 */
int socket_listen(SocketAddress *addr, int num, Error **errp);

/* A socket connected to @addr. fd: the descriptor named. */
int socket_connect(SocketAddress *addr, Error **errp);

/* A datagram socket from @local (may be NULL) to @remote; inet only. */
int socket_dgram(SocketAddress *remote, SocketAddress *local, Error **errp);

/*
 * To be called before closing a descriptor of socket_listen(): removes the file of a
 * UNIX socket if socket_listen() made it and the path still leads to it. 0 or -1. What
 * was not cleaned up goes at exit().
 */
int socket_listen_cleanup(int fd, Error **errp);

/* Listen at, or connect to, the UNIX socket at @path. */
int unix_listen(const char *path, Error **errp);
int unix_connect(const char *path, Error **errp);

/* Connect to @saddr over TCP (or MPTCP). */
int inet_connect_saddr(InetSocketAddress *saddr, Error **errp);

/*
 * The address family that getaddrinfo() shall look for, from the ipv4 and ipv6
 * members; PF_UNSPEC if *errp was set because both are off.
 */
int inet_ai_family_from_address(InetSocketAddress *addr, Error **errp);

/*
 * Removes the files of all UNIX sockets that this process listens at. exit() does so too; for an
 * end that is not exit(). Any thread.
 */
void unix_listen_cleanup_all(void);

/* ---- text ---- */

/*
 * HOST:PORT or [IPV6]:PORT, then ,to=N ,ipv4[=on|off] ,ipv6[=on|off] ,numeric
 * ,keep-alive (and -count, -idle, -interval) ,mptcp. Fills the zeroed @addr; 0 or -1.
 * Free the members also after a failure.
 */
int inet_parse(InetSocketAddress *addr, const char *str, Error **errp);

/*
 * unix:PATH, fd:NUMBER, vsock:CID:PORT, tcp:HOST:PORT... or HOST:PORT... A new
 * address, or NULL with *errp set.
 */
SocketAddress *socket_parse(const char *str, Error **errp);

/* The reverse of socket_parse() for messages; a new string. */
char *socket_uri(SocketAddress *addr);

/*
 * If @addr names a descriptor by a name that the current monitor knows, or by its
 * number, check that and replace the name by the number. 0 or -1.
 */
int socket_address_parse_named_fd(SocketAddress *addr, Error **errp);

/* The modern form of @addr: a new address; NULL for NULL. */
SocketAddress *socket_address_flatten(SocketAddressLegacy *addr);

/* ---- addresses of sockets; a new address, or NULL with *errp set ---- */

SocketAddress *socket_sockaddr_to_address(struct sockaddr_storage *sa, socklen_t salen,
                                          Error **errp);
SocketAddress *socket_local_address(int fd, Error **errp);
SocketAddress *socket_remote_address(int fd, Error **errp);

#endif /* QEMU_SOCKETS_H */
