/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: the channel on which the back-end asks.
 *
 * Its descriptor is libvhost-user's; here it is watched, in the home context,
 * as long as kicks are, or as somebody waits for an answer. Answers are read as
 * they come, whatever the trip is doing. What they bring about is the trip's to
 * do, before its next message; so it is woken if it waits for one.
 *
 * Who waits for an answer is the trip, in the middle of a message, or a request
 * of the device that is counted in flight. So a drain ends no wait, and comes to
 * its end when the answer has come or is overdue; the end of the connection
 * does. A trip that waits for an answer does not read its socket: it looks now
 * and then whether the client is there yet.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include "qemu/main-loop.h"
#include "vhost-user-server-private.h"

/* How long a wait does not notice that the client has hung up, or takes no bytes. */
#define VU_ANSWER_LOOK_MS 50

/* Somebody who waits; lies on his stack. */
struct VuAnswerWait {
    QemuCoSleep sleep;
    QLIST_ENTRY(VuAnswerWait) next;
};

void vu_server_wake_waits(VuServer *server)
{
    VuAnswerWait *wait, *next;

    /* After the last one the server may be gone. */
    QLIST_FOREACH_SAFE (wait, &server->answer_waits, next, next) {
        qemu_co_sleep_wake(&wait->sleep);
    }
}

static void vu_channel_readable(void *opaque)
{
    VuServer *server = opaque;

    vu_channel_ready(&server->vu_dev);
    if (vu_has_answers(&server->vu_dev)) {
        qio_channel_wake_read(server->ioc);
        vu_trip_wake(server);
    }
    vu_server_wake_waits(server);
}

void vu_server_channel_sync(VuServer *server)
{
    bool on = qatomic_read(&server->watching) || !QLIST_EMPTY(&server->answer_waits);
    int fd = on ? server->channel_fd : -1;

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

static bool vu_client_is_there(VuServer *server)
{
    struct pollfd pfd = { .fd = server->sioc->fd, .events = POLLRDHUP };

    return vu_server_serving(server) && !qatomic_read(&server->vu_dev.broken) &&
           poll(&pfd, 1, 0) == 0;
}

static int64_t vu_now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

static void coroutine_fn vu_co_wait_answer(VuServer *server, vu_ready_cb ready, void *opaque,
                                           int64_t deadline)
{
    bool trip = qemu_coroutine_self() == qatomic_read(&server->co_trip);
    VuAnswerWait wait = { 0 };

    QLIST_INSERT_HEAD(&server->answer_waits, &wait, next);
    vu_server_channel_sync(server);
    while (!ready(&server->vu_dev, opaque) && vu_client_is_there(server)) {
        int64_t left = deadline - vu_now_ms();

        if (left <= 0) {
            break;
        }
        if (trip) {
            vu_work_pause(server);
        }
        qemu_co_sleep_ns_wakeable(&wait.sleep, QEMU_CLOCK_REALTIME,
                                  MIN(left, VU_ANSWER_LOOK_MS) * 1000000);
        if (trip) {
            vu_work_resume(server);
        }
    }
    QLIST_REMOVE(&wait, next);
    vu_server_channel_sync(server);
}

bool vu_server_wait_answer(VuDev *vu_dev, vu_ready_cb ready, void *opaque, int timeout_ms)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    if (!qemu_in_coroutine()) {
        return false;
    }
#ifdef CONFIG_DEVICE_BACKENDS
    assert_coroutine_role();
#endif
    vu_co_wait_answer(server, ready, opaque, vu_now_ms() + timeout_ms);
    return true;
}

void vu_server_watch_channel(VuDev *vu_dev, int fd)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);

    server->channel_fd = fd;
    vu_server_channel_sync(server);
}
