/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vhost-user server that a test starts and drains, in the main loop. */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "harness.h"
#include "qapi/qapi-types-sockets.h"
#include "qemu/main-loop.h"
#include "vus-server.h"

void vus_server_start(VuServer *server, const char *name, AioContext *ctx, uint16_t queues,
                      const VuDevIface *iface)
{
    g_autofree char *path = harness_tmpfile(name);
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX, .u.q_unix.path = path };

    g_assert_true(vhost_user_server_start(server, &addr, ctx, queues, iface, &error_abort));
}

void vus_server_drain_begin(VuServer *server)
{
    qatomic_set(&server->quiescing, true);
    vhost_user_server_detach_aio_context(server);
}

bool vus_server_busy(VuServer *server)
{
    return vhost_user_server_has_trip(server) || vhost_user_server_has_in_flight(server);
}

void vus_server_drain_poll(VuServer *server)
{
    AIO_WAIT_WHILE(NULL, vus_server_busy(server));
}

void vus_server_drain_end(VuServer *server, AioContext *ctx)
{
    qatomic_set(&server->quiescing, false);
    vhost_user_server_attach_aio_context(server, ctx);
}

void vus_server_drain(VuServer *server)
{
    vus_server_drain_begin(server);
    vus_server_drain_poll(server);
}
