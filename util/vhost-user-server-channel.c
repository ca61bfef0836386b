/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: the channel on which the back-end asks.
 *
 * Its descriptor is libvhost-user's; here it is watched, in the home context,
 * as long as kicks are. Answers are read as they come, whatever the trip is
 * doing. What they bring about is the trip's to do, before its next message;
 * so it is woken if it waits for one.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "vhost-user-server-private.h"

static void vu_channel_readable(void *opaque)
{
    VuServer *server = opaque;

    vu_channel_ready(&server->vu_dev);
    if (vu_has_answers(&server->vu_dev)) {
        qio_channel_wake_read(server->ioc);
    }
}

void vu_server_channel_sync(VuServer *server)
{
    int fd = qatomic_read(&server->watching) ? server->channel_fd : -1;

    if (fd == server->channel_installed) {
        return;
    }
    trace_vu_server_channel(server, server->trip_ctx, fd);
    if (server->channel_installed >= 0) {
        aio_set_fd_handler(server->channel_ctx, server->channel_installed, NULL, NULL, NULL, NULL,
                           NULL);
    }
    server->channel_installed = fd;
    server->channel_ctx = server->trip_ctx;
    if (fd >= 0) {
        aio_set_fd_handler(server->channel_ctx, fd, vu_channel_readable, NULL, NULL, NULL, server);
    }
}

void vu_server_watch_channel(VuDev *vu_dev, int fd)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    server->channel_fd = fd;
    vu_server_channel_sync(server);
}
