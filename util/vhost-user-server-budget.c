/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: what a client's messages, and its coming and going,
 * may cost the others in the thread.
 *
 * The processor time of the trip is charged to the server, as if it took SHARE
 * times as long; when it is charged for more than BURST of work beyond what has
 * passed since, the trip sleeps before it reads on. So messages of one server
 * take no more than a part in SHARE of a thread for long (unless a single one
 * costs more than a 20th of a second: no sleep is longer than one); a front-end that sets
 * its device up, and talks now and then, never notices. Messages that belong to
 * the requests of a running ring (translations, kicks) are charged only beyond a
 * certain price.
 *
 * A connection is charged for being accepted, in the main loop, and for what is
 * torn down when it has gone. The next one pays for it: it is accepted, and its
 * trip sleeps before it reads the first message; those behind it wait in the
 * backlog. So a flood of connections is slowed down like one of messages, and
 * wherever the work is done: main loop and home together spend no more than the
 * part in SHARE on a server. Nothing waits but trips, so a drain or a stop finds
 * nothing else to end.
 *
 * What does not count is waiting: for bytes, requests, queues in other threads.
 * The trip's clock stands still while it yields.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "vhost-user-server-private.h"

#define VU_WORK_SHARE    20
#define VU_WORK_BURST_NS 100000000ll
/* For one message of a running ring. */
#define VU_WORK_RING_NS 20000
/* What a connection costs the listener, the loops and the kernel besides what is measured. */
#define VU_WORK_CONNECTION_NS 50000
/* No more is owed, whatever a message has cost: the next client has to pay it. */
#define VU_WORK_DEBT_MAX_NS 1000000000ll

static int64_t vu_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int64_t vu_now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

void vu_work_resume(VuServer *server)
{
    if (server->work_counted) {
        server->work_since = vu_cpu_ns();
    }
}

void vu_work_pause(VuServer *server)
{
    if (server->work_counted) {
        server->work_ns += vu_cpu_ns() - server->work_since;
    }
}

void vu_work_begin(VuServer *server)
{
    server->work_ns = 0;
    server->work_counted = true;
    vu_work_resume(server);
}

void vu_work_is_for_ring(VuServer *server)
{
    server->work_ns -= VU_WORK_RING_NS;
}

void vu_work_is_for_connection(VuServer *server)
{
    server->work_ns += VU_WORK_CONNECTION_NS;
}

void vu_work_end(VuServer *server)
{
    int64_t now = vu_now_ns();

    vu_work_pause(server);
    server->work_counted = false;
    if (server->work_ns > 0) {
        server->work_paid = MIN(MAX(server->work_paid, now) + server->work_ns * VU_WORK_SHARE,
                                now + VU_WORK_BURST_NS * VU_WORK_SHARE + VU_WORK_DEBT_MAX_NS);
    }
}

/* How long the trip has to sleep, if that is more than 0. */
static int64_t vu_work_ahead(VuServer *server)
{
    return server->work_paid - vu_now_ns() - VU_WORK_BURST_NS * VU_WORK_SHARE;
}

typedef struct VuSleep {
    VuServer *server;
    bool over;
} VuSleep;

static void vu_sleep_over(void *opaque)
{
    VuSleep *sleep = opaque;

    sleep->over = true;
    vu_trip_wake(sleep->server);
}

/* A vu_ready_cb. */
static bool vu_sleep_may_end(VuDev *vu_dev, void *opaque)
{
    VuSleep *sleep = opaque;
    VuServer *server = sleep->server;

    return sleep->over || !qatomic_read(&server->ctx) || qatomic_read(&server->quiescing) ||
           !vu_server_serving(server) || qatomic_read(&vu_dev->broken) || vu_has_answers(vu_dev);
}

bool coroutine_fn vu_work_afford(VuServer *server)
{
    int64_t ns = vu_work_ahead(server);
    VuSleep sleep = { .server = server };
    QEMUTimer *timer;

    if (ns <= 0) {
        return true;
    }
    trace_vu_server_sleep(server, ns);
    timer = aio_timer_new(server->trip_ctx, QEMU_CLOCK_REALTIME, SCALE_NS, vu_sleep_over, &sleep);
    timer_mod(timer, vu_now_ns() + ns);
    vu_trip_wait(server, vu_sleep_may_end, &sleep);
    timer_free(timer);
    return sleep.over;
}
