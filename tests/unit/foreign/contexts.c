/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines go round over threads that the test brings along; work for workers that nobody awaits.
 */
#include "qemu/osdep.h"
#include "block/block-global-state.h"
#include "block/thread-pool.h"
#include "iothread.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"

#ifndef CONFIG_COROUTINE_POOL
#error "there is a pool"
#endif

enum {
    THREADS = 3,
    LAPS = 300,
};

static IOThread *threads[THREADS];
static int laps;   /* atomic */
static int worked; /* atomic */

static int work(void *opaque)
{
    qatomic_inc(&worked);
    return 0;
}

static void coroutine_fn go_round(void *opaque)
{
    for (int i = 0; i < LAPS; i++) {
        AioContext *ctx = iothread_get_aio_context(threads[i % THREADS]);

        aio_co_reschedule_self(ctx);
        g_assert_true(qemu_get_current_aio_context() == ctx);
        WITH_RCU_READ_LOCK_GUARD()
        {
            qatomic_inc(&laps);
        }
    }
    g_assert_cmpint(thread_pool_submit_co(work, NULL), ==, 0);
    qemu_event_set(opaque);
}

static void test_contexts(void)
{
    QemuEvent done;

    qemu_event_init(&done, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = iothread_new();
    }
    aio_co_enter(iothread_get_aio_context(threads[0]), qemu_coroutine_create(go_round, &done));
    qemu_event_wait(&done);
    g_assert_cmpint(qatomic_read(&laps), ==, LAPS);
    for (int i = 0; i < THREADS; i++) {
        iothread_join(threads[i]);
    }
    qemu_event_destroy(&done);
}

static void test_nobody_waits_for_work(void)
{
    AioContext *ctx = qemu_get_aio_context();
    BlockAIOCB *last;
    int before = qatomic_read(&worked);

    for (int i = 0; i < 200; i++) {
        thread_pool_submit_aio(work, NULL, NULL, NULL);
    }
    while (qatomic_read(&worked) < before + 200) {
        aio_poll(ctx, false);
    }
    last = thread_pool_submit_aio(work, NULL, NULL, NULL);
    bdrv_aio_cancel(last);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    g_test_add_func("/foreign/contexts", test_contexts);
    g_test_add_func("/foreign/nobody_waits_for_work", test_nobody_waits_for_work);
    return g_test_run();
}
