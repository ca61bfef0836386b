/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of qemu-sockets and the name resolver: one family of addresses
 * each. Conventions as in qemu/sockets.h.
 */
#ifndef UTIL_QEMU_SOCKETS_INTERNAL_H
#define UTIL_QEMU_SOCKETS_INTERNAL_H

#include "qemu/sockets.h"

/* What an internet address is for: an empty host and port mean "any" only here. */
typedef enum InetLookup {
    INET_LOOKUP_CONNECT,
    INET_LOOKUP_LISTEN,
} InetLookup;

/* All the addresses that @addr means, to be freed by freeaddrinfo(); NULL with *errp. */
struct addrinfo *inet_lookup(InetSocketAddress *addr, InetLookup how, int socktype, Error **errp);

int inet_listen_saddr(InetSocketAddress *saddr, int num, Error **errp);
int inet_dgram_saddr(InetSocketAddress *remote, InetSocketAddress *local, Error **errp);

int unix_listen_saddr(UnixSocketAddress *saddr, int num, Error **errp);
int unix_connect_saddr(UnixSocketAddress *saddr, Error **errp);
/* socket_listen_cleanup() of the UNIX socket @fd. */
int unix_listen_cleanup(int fd, Error **errp);

int vsock_listen_saddr(VsockSocketAddress *saddr, int num, Error **errp);
int vsock_connect_saddr(VsockSocketAddress *saddr, Error **errp);

/* connect(2) of a blocking socket that survives signals; 0, or -1 with errno. */
int socket_connect_retry(int fd, const struct sockaddr *addr, socklen_t len);

#endif /* UTIL_QEMU_SOCKETS_INTERNAL_H */
