/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vhost-user server: what clients may write into our log, and how much of it. Any thread. */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "vhost-user-server-private.h"

/* Complaints that one client may cause, besides the one that ends it. */
#define VU_SERVER_LOG_LINES 10
/* Lines that all clients of a server may cause at once, and the time after which one more. */
#define VU_SERVER_LOG_BURST       100
#define VU_SERVER_LOG_INTERVAL_MS 1000

bool vu_server_may_log(VuServer *server)
{
    const unsigned long full = VU_SERVER_LOG_BURST * VU_SERVER_LOG_INTERVAL_MS;
    unsigned long now = g_get_monotonic_time() / 1000;
    unsigned long old, debt;
    unsigned unshown;

    do {
        old = qatomic_read(&server->log_debt);
        /* More than full: it was paid long ago. */
        debt = old - now > full ? 0 : old - now;
        if (debt + VU_SERVER_LOG_INTERVAL_MS > full) {
            qatomic_inc(&server->log_unshown);
            return false;
        }
    } while (qatomic_cmpxchg(&server->log_debt, old, now + debt + VU_SERVER_LOG_INTERVAL_MS) !=
             old);
    unshown = qatomic_xchg(&server->log_unshown, 0);
    if (unshown) {
        warn_report("%s: %u lines about its clients were not shown", server->name, unshown);
    }
    return true;
}

void vu_server_panic(VuDev *vu_dev, const char *reason)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    if (qatomic_read(&server->life) != VU_SERVER_STOPPING && vu_server_may_log(server)) {
        error_report("%s: dropped the client: %s", server->name, reason);
    }
}

void vu_server_log(VuDev *vu_dev, const char *message)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    unsigned logged = qatomic_fetch_inc(&server->log_lines);

    if (logged < VU_SERVER_LOG_LINES && vu_server_may_log(server)) {
        warn_report("%s: %s%s", server->name, message,
                    logged == VU_SERVER_LOG_LINES - 1 ? " (no more of this client)" : "");
    }
}
