/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIODNSResolver: from a SocketAddress with a host name to the numeric ones it means. */
#ifndef QIO_DNS_RESOLVER_H
#define QIO_DNS_RESOLVER_H

#include "io/task.h"
#include "qemu/sockets.h"

#define TYPE_QIO_DNS_RESOLVER "qio-dns-resolver"
OBJECT_DECLARE_SIMPLE_TYPE(QIODNSResolver, QIO_DNS_RESOLVER)

struct QIODNSResolver {
    Object parent;
};

/* The one resolver of the process; not a new reference. */
QIODNSResolver *qio_dns_resolver_get_instance(void);

/*
 * Look up @addr for listening; blocks. *@addrs becomes a new array of *@naddrs new
 * addresses (free each and the array). Addresses that are no host names are copied.
 * 0, or -1.
 */
int qio_dns_resolver_lookup_sync(QIODNSResolver *resolver, SocketAddress *addr, size_t *naddrs,
                                 SocketAddress ***addrs, Error **errp);

/* The same in a thread; @func is called from the default context. @addr is copied. */
void qio_dns_resolver_lookup_async(QIODNSResolver *resolver, SocketAddress *addr, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify notify);

/* In @func of a look-up that succeeded: its addresses, which the caller frees. */
void qio_dns_resolver_lookup_result(QIODNSResolver *resolver, QIOTask *task, size_t *naddrs,
                                    SocketAddress ***addrs);

#endif /* QIO_DNS_RESOLVER_H */
