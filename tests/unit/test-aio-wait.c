/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AIO_WAIT_WHILE and its kicks. */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"

static int flag; /* atomic */

static void set_flag(void *opaque)
{
    qatomic_set(&flag, 1);
}

static void *set_flag_and_kick(void *opaque)
{
    /* Half of the times the waiter sleeps by now. */
    while (opaque && !qatomic_read(&qemu_get_aio_context()->notify_me)) {
        g_thread_yield();
    }
    qatomic_set(&flag, 1);
    aio_wait_kick();
    return NULL;
}

static void test_true_at_once_does_not_wait(void)
{
    g_assert_false(AIO_WAIT_WHILE_UNLOCKED(NULL, false));
    g_assert_cmpint(global_aio_wait.num_waiters, ==, 0);
}

static void test_home_context_is_run(void)
{
    flag = 0;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), set_flag, NULL);
    g_assert_true(AIO_WAIT_WHILE(qemu_get_aio_context(), !qatomic_read(&flag)));
    g_assert_cmpint(global_aio_wait.num_waiters, ==, 0);
}

static void test_kick_by_another_thread_is_not_lost(void)
{
    for (int i = 0; i < 200; i++) {
        QemuThread thread;

        flag = 0;
        qemu_thread_create(&thread, "kick", set_flag_and_kick, i & 1 ? &flag : NULL,
                           QEMU_THREAD_JOINABLE);
        AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_read(&flag));
        qemu_thread_join(&thread);
    }
}

static void test_kick_for_nobody_wakes_nobody(void)
{
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
    g_assert_false(qatomic_read(&qemu_get_aio_context()->notified));
    aio_wait_kick();
    g_assert_false(qatomic_read(&qemu_get_aio_context()->notified));
}

typedef struct {
    AioContext *ctx;
    AioContext *seen;
    bool stop;
} Other;

static void note_context(void *opaque)
{
    Other *other = opaque;

    other->seen = qemu_get_current_aio_context();
}

static void stop(void *opaque)
{
    Other *other = opaque;

    other->stop = true;
}

static void *run_other(void *opaque)
{
    Other *other = opaque;

    qemu_set_current_aio_context(other->ctx);
    while (!other->stop) {
        aio_poll(other->ctx, true);
    }
    return NULL;
}

static void test_bh_oneshot_has_run_when_it_returns(void)
{
    Other other = { .ctx = aio_context_new(&error_abort) };
    QemuThread thread;

    qemu_thread_create(&thread, "other", run_other, &other, QEMU_THREAD_JOINABLE);
    for (int i = 0; i < 200; i++) {
        other.seen = NULL;
        aio_wait_bh_oneshot(other.ctx, note_context, &other);
        g_assert_true(other.seen == other.ctx);
    }
    aio_wait_bh_oneshot(other.ctx, stop, &other);
    qemu_thread_join(&thread);
    aio_context_unref(other.ctx);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    harness_add("/aio-wait/true_at_once_does_not_wait", test_true_at_once_does_not_wait);
    harness_add("/aio-wait/home_context_is_run", test_home_context_is_run);
    harness_add("/aio-wait/kick_by_another_thread_is_not_lost",
                test_kick_by_another_thread_is_not_lost);
    harness_add("/aio-wait/kick_for_nobody_wakes_nobody", test_kick_for_nobody_wakes_nobody);
    harness_add("/aio-wait/bh_oneshot_has_run_when_it_returns",
                test_bh_oneshot_has_run_when_it_returns);
    return harness_run();
}
