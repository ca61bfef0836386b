/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIODNSResolver: from a SocketAddress with a host name to the numeric ones it means. */
#include "qemu/osdep.h"
#include "io/dns-resolver.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/qemu-sockets-internal.h"

QIODNSResolver *qio_dns_resolver_get_instance(void)
{
    static gsize instance;

    if (g_once_init_enter(&instance)) {
        g_once_init_leave(&instance, (gsize)object_new(TYPE_QIO_DNS_RESOLVER));
    }
    return QIO_DNS_RESOLVER((void *)instance);
}

/* @addr with the numeric host and port of @ai instead of its own. */
static SocketAddress *numeric_address(SocketAddress *addr, const struct addrinfo *ai, Error **errp)
{
    g_autoptr(SocketAddress) numeric = NULL;
    InetSocketAddress *inet;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int rc = getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port, sizeof(port),
                         NI_NUMERICHOST | NI_NUMERICSERV);

    if (rc) {
        error_setg(errp, "Unable to print an address of '%s': %s", addr->u.inet.host,
                   gai_strerror(rc));
        return NULL;
    }
    numeric = QAPI_CLONE(SocketAddress, addr);
    inet = &numeric->u.inet;
    g_free(inet->host);
    g_free(inet->port);
    inet->host = g_strdup(host);
    inet->port = g_strdup(port);
    inet->has_numeric = inet->numeric = true;
    /* An IPv6 socket must not take the port of the IPv4 one beside it. */
    inet->has_ipv4 = inet->has_ipv6 = true;
    inet->ipv4 = ai->ai_family == AF_INET;
    inet->ipv6 = ai->ai_family == AF_INET6;
    return g_steal_pointer(&numeric);
}

static void free_addresses(SocketAddress **addrs, size_t naddrs)
{
    for (size_t i = 0; i < naddrs; i++) {
        qapi_free_SocketAddress(addrs[i]);
    }
    g_free(addrs);
}

static int lookup_inet(SocketAddress *addr, size_t *naddrs, SocketAddress ***addrs, Error **errp)
{
    struct addrinfo *list;
    SocketAddress **found = NULL;
    size_t n = 0;

    list = inet_lookup(&addr->u.inet, INET_LOOKUP_LISTEN, SOCK_STREAM, errp);
    if (!list) {
        return -1;
    }
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        SocketAddress *numeric = numeric_address(addr, ai, errp);

        if (!numeric) {
            free_addresses(found, n);
            freeaddrinfo(list);
            return -1;
        }
        found = g_renew(SocketAddress *, found, n + 1);
        found[n++] = numeric;
    }
    freeaddrinfo(list);
    *addrs = found;
    *naddrs = n;
    return 0;
}

int qio_dns_resolver_lookup_sync(QIODNSResolver *resolver, SocketAddress *addr, size_t *naddrs,
                                 SocketAddress ***addrs, Error **errp)
{
    if (addr->type == SOCKET_ADDRESS_TYPE_INET) {
        return lookup_inet(addr, naddrs, addrs, errp);
    }
    *addrs = g_new(SocketAddress *, 1);
    (*addrs)[0] = QAPI_CLONE(SocketAddress, addr);
    *naddrs = 1;
    return 0;
}

typedef struct Lookup {
    SocketAddress *addr;
    size_t naddrs;
    SocketAddress **addrs;
} Lookup;

static void lookup_free(gpointer opaque)
{
    Lookup *lookup = opaque;

    free_addresses(lookup->addrs, lookup->naddrs);
    qapi_free_SocketAddress(lookup->addr);
    g_free(lookup);
}

static void lookup_worker(QIOTask *task, gpointer opaque)
{
    Lookup *lookup = opaque;
    Error *err = NULL;

    qio_dns_resolver_lookup_sync(qio_dns_resolver_get_instance(), lookup->addr, &lookup->naddrs,
                                 &lookup->addrs, &err);
    qio_task_set_error(task, err);
}

void qio_dns_resolver_lookup_async(QIODNSResolver *resolver, SocketAddress *addr, QIOTaskFunc func,
                                   gpointer opaque, GDestroyNotify notify)
{
    QIOTask *task = qio_task_new(OBJECT(resolver), func, opaque, notify);
    Lookup *lookup = g_new0(Lookup, 1);

    lookup->addr = QAPI_CLONE(SocketAddress, addr);
    qio_task_set_result_pointer(task, lookup, lookup_free);
    qio_task_run_in_thread(task, lookup_worker, lookup, NULL, NULL);
}

void qio_dns_resolver_lookup_result(QIODNSResolver *resolver, QIOTask *task, size_t *naddrs,
                                    SocketAddress ***addrs)
{
    Lookup *lookup = qio_task_get_result_pointer(task);

    *naddrs = lookup->naddrs;
    *addrs = g_steal_pointer(&lookup->addrs);
    lookup->naddrs = 0;
}

static const TypeInfo resolver_types[] = {
    {
        .name = TYPE_QIO_DNS_RESOLVER,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(QIODNSResolver),
    },
};

DEFINE_TYPES(resolver_types)
