/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines that wait for time. */
#include "qemu/osdep.h"
#include "qemu/coroutine_int.h"
#include "qemu/timer.h"
#include "block/aio.h"

/* What a sleeping coroutine is scheduled by: nobody else may enter it. */
static const char sleep_scheduled[] = "qemu_co_sleep";

void qemu_co_sleep_wake(QemuCoSleep *w)
{
    Coroutine *co = qatomic_xchg(&w->to_wake, NULL);

    if (co) {
        /* @w lies on the stack of @co, perhaps, and is gone when it runs. */
        const char *scheduled = qatomic_xchg(&co->scheduled, NULL);

        assert(scheduled == sleep_scheduled);
        aio_co_wake(co);
    }
}

void coroutine_fn qemu_co_sleep(QemuCoSleep *w)
{
    Coroutine *co = qemu_coroutine_self();
    const char *scheduled = qatomic_cmpxchg(&co->scheduled, NULL, sleep_scheduled);

    if (scheduled) {
        fprintf(stderr, "%s: coroutine was already scheduled by '%s'\n", __func__, scheduled);
        abort();
    }
    assert(!qatomic_read(&w->to_wake));
    qatomic_set_mb(&w->to_wake, co);
    qemu_coroutine_yield();
}

static void sleep_timer_cb(void *opaque)
{
    qemu_co_sleep_wake(opaque);
}

void coroutine_fn qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns)
{
    AioContext *ctx = qemu_get_current_aio_context();
    QEMUTimer timer;

    aio_timer_init(ctx, &timer, type, SCALE_NS, sleep_timer_cb, w);
    /* It goes off in this thread, that is, after the yield. */
    timer_mod(&timer, qemu_clock_get_ns(type) + ns);
    qemu_co_sleep(w);
    timer_del(&timer);
}

/* Two coroutines know it: the one that waits and the one that runs the entry function. */
typedef struct CoTimeout {
    CoroutineEntry *entry;
    void *opaque;
    CleanupFunc *clean;
    QemuCoSleep sleep;
    bool done;
    bool timed_out;
} CoTimeout;

static void coroutine_fn co_timeout_entry(void *opaque)
{
    CoTimeout *t = opaque;

    t->entry(t->opaque);
    if (t->timed_out) {
        if (t->clean) {
            t->clean(t->opaque);
        }
        g_free(t);
        return;
    }
    t->done = true;
    qemu_co_sleep_wake(&t->sleep);
}

int coroutine_fn qemu_co_timeout(CoroutineEntry *entry, void *opaque, uint64_t timeout_ns,
                                 CleanupFunc clean)
{
    CoTimeout *t = g_new0(CoTimeout, 1);

    t->entry = entry;
    t->opaque = opaque;
    t->clean = clean;
    qemu_coroutine_enter(qemu_coroutine_create(co_timeout_entry, t));
    if (!t->done) {
        qemu_co_sleep_ns_wakeable(&t->sleep, QEMU_CLOCK_REALTIME, timeout_ns);
    }
    if (!t->done) {
        t->timed_out = true;
        return -ETIMEDOUT;
    }
    g_free(t);
    return 0;
}
