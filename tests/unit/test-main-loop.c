/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main loop: GLib's sources and ours, together. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"

static void settle(void)
{
    for (int i = 0; i < 5; i++) {
        main_loop_wait(true);
    }
}

static void count(void *opaque)
{
    (*(int *)opaque)++;
}

static void *look_from_outside(void *opaque)
{
    bool *in_main_thread = opaque;

    *in_main_thread = qemu_in_main_thread();
    return NULL;
}

static void test_main_thread_is_known(void)
{
    bool elsewhere = true;
    QemuThread thread;

    GLOBAL_STATE_CODE();
    g_assert_true(qemu_in_main_thread());
    qemu_thread_create(&thread, "other", look_from_outside, &elsewhere, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    g_assert_false(elsewhere);
}

static void test_bottom_half_runs(void)
{
    int calls = 0;
    QEMUBH *bh = qemu_bh_new(count, &calls);

    qemu_bh_schedule(bh);
    main_loop_wait(false);
    g_assert_cmpint(calls, ==, 1);
    qemu_bh_delete(bh);
    settle();
}

static void test_timers_end_the_sleep(void)
{
    int calls = 0;
    int64_t start = get_clock();
    QEMUTimer *own = timer_new_ns(QEMU_CLOCK_REALTIME, count, &calls);
    QEMUTimer *aio =
        aio_timer_new(qemu_get_aio_context(), QEMU_CLOCK_REALTIME, SCALE_NS, count, &calls);

    timer_mod(own, start + 300000);
    timer_mod(aio, start + 600000);
    while (calls < 2) {
        main_loop_wait(false);
    }
    g_assert_cmpint(get_clock() - start, >=, 600000);
    timer_free(own);
    timer_free(aio);
}

static void read_byte(void *opaque)
{
    int *fds = opaque;
    char c;

    g_assert_cmpint(read(fds[0], &c, 1), ==, 1);
    fds[2]++;
}

static void test_fd_handler_runs_in_the_main_loop_only(void)
{
    int fds[3] = { 0 };

    g_assert_cmpint(qemu_pipe(fds), ==, 0);
    qemu_set_fd_handler(fds[0], read_byte, NULL, fds);
    settle();
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    /* A nested wait for the block layer's sake leaves it alone. */
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
    g_assert_cmpint(fds[2], ==, 0);
    while (fds[2] == 0) {
        main_loop_wait(false);
    }
    qemu_set_fd_handler(fds[0], NULL, NULL, NULL);
    settle();
    close(fds[0]);
    close(fds[1]);
}

static void busy_bh(void *opaque)
{
    qemu_bh_schedule(*(QEMUBH **)opaque);
}

static void test_fd_handler_runs_beside_endless_work(void)
{
    QEMUBH *bh;
    int fds[3] = { 0 };

    bh = qemu_bh_new(busy_bh, &bh);
    g_assert_cmpint(qemu_pipe(fds), ==, 0);
    qemu_set_fd_handler(fds[0], read_byte, NULL, fds);
    qemu_bh_schedule(bh);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    while (fds[2] == 0) {
        main_loop_wait(false);
    }
    qemu_bh_delete(bh);
    qemu_set_fd_handler(fds[0], NULL, NULL, NULL);
    settle();
    close(fds[0]);
    close(fds[1]);
}

static EventNotifier *seen_notifier;

static void clear_notifier(EventNotifier *e)
{
    event_notifier_test_and_clear(e);
    seen_notifier = e;
}

static void test_event_notifier_handler_runs(void)
{
    EventNotifier e;

    g_assert_cmpint(event_notifier_init(&e, 0), ==, 0);
    event_notifier_set_handler(&e, clear_notifier);
    event_notifier_set(&e);
    while (!seen_notifier) {
        main_loop_wait(false);
    }
    g_assert_true(seen_notifier == &e);
    event_notifier_set_handler(&e, NULL);
    settle();
    event_notifier_cleanup(&e);
}

static gboolean count_source(gpointer opaque)
{
    count(opaque);
    return G_SOURCE_REMOVE;
}

static void test_glib_sources_run(void)
{
    int calls = 0;

    g_idle_add(count_source, &calls);
    g_timeout_add(1, count_source, &calls);
    while (calls < 2) {
        main_loop_wait(false);
    }
}

static void *notify_when_asleep(void *opaque)
{
    while (!qatomic_read(&qemu_get_aio_context()->notify_me)) {
        g_thread_yield();
    }
    qemu_notify_event();
    return NULL;
}

static void test_notify_event_ends_the_sleep(void)
{
    QemuThread thread;

    settle();
    for (int i = 0; i < 50; i++) {
        qemu_thread_create(&thread, "notify", notify_when_asleep, NULL, QEMU_THREAD_JOINABLE);
        main_loop_wait(false);
        qemu_thread_join(&thread);
        settle();
    }
}

static void test_idle_loop_does_not_wake_up(void)
{
    int fired = 0, waits = 0;
    QEMUTimer *timer = timer_new_ns(QEMU_CLOCK_REALTIME, count, &fired);

    settle();
    timer_mod(timer, get_clock() + 50 * SCALE_MS);
    settle();
    while (!fired) {
        main_loop_wait(false);
        waits++;
    }
    g_assert_cmpint(waits, <=, 2);
    timer_free(timer);
}

/* Sleeps until a timer has fired. */
static void one_event(int64_t after_ns)
{
    AioContext *ctx = qemu_get_aio_context();
    int fired = 0;
    QEMUTimer *timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count, &fired);

    timer_mod(timer, get_clock() + after_ns);
    while (!fired) {
        main_loop_wait(false);
    }
    timer_free(timer);
}

static void test_rare_events_end_polling(void)
{
    AioContext *ctx = qemu_get_aio_context();

    ctx->poll.ns = ctx->poll_max_ns;
    ctx->poll.avg_ns = 0;
    g_assert_cmpint(ctx->poll.ns, >, 0);
    for (int i = 0; i < 20; i++) {
        one_event(SCALE_MS);
    }
    g_assert_cmpint(ctx->poll.ns, ==, 0);
}

static void test_frequent_events_start_polling(void)
{
    AioContext *ctx = qemu_get_aio_context();
    int64_t max_ns = ctx->poll_max_ns;

    /* A millisecond is soon for one that may poll for a minute. */
    aio_context_set_poll_params(ctx, 60 * NANOSECONDS_PER_SECOND, 0, 0, &error_abort);
    ctx->poll.ns = ctx->poll.avg_ns = 0;
    for (int i = 0; i < 20 && ctx->poll.ns == 0; i++) {
        one_event(SCALE_MS);
    }
    g_assert_cmpint(ctx->poll.ns, >, 0);
    aio_context_set_poll_params(ctx, max_ns, 0, 0, &error_abort);
}

static bool ready_by_poll(void *opaque)
{
    return *(int *)opaque == 0;
}

static void test_polled_handler_runs_without_its_descriptor(void)
{
    AioContext *ctx = qemu_get_aio_context();
    int fds[2], calls = 0;

    g_assert_cmpint(qemu_pipe(fds), ==, 0);
    aio_set_fd_handler(ctx, fds[0], count, NULL, ready_by_poll, count, &calls);
    ctx->poll.ns = ctx->poll_max_ns;
    ctx->poll.avg_ns = 0;
    while (calls == 0) {
        main_loop_wait(false);
    }
    g_assert_cmpint(calls, ==, 1);
    aio_set_fd_handler(ctx, fds[0], NULL, NULL, NULL, NULL, NULL);
    settle();
    close(fds[0]);
    close(fds[1]);
}

static void test_can_be_set_up_again(void)
{
    qemu_cleanup_main_loop();
    g_assert_null(qemu_get_aio_context());
    g_assert_null(qemu_get_current_aio_context());
    g_assert_cmpint(qemu_init_main_loop(&error_abort), ==, 0);
    settle();
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    settle();
    harness_add("/main-loop/main_thread_is_known", test_main_thread_is_known);
    harness_add("/main-loop/bottom_half_runs", test_bottom_half_runs);
    harness_add("/main-loop/timers_end_the_sleep", test_timers_end_the_sleep);
    harness_add("/main-loop/fd_handler_runs_in_the_main_loop_only",
                test_fd_handler_runs_in_the_main_loop_only);
    harness_add("/main-loop/fd_handler_runs_beside_endless_work",
                test_fd_handler_runs_beside_endless_work);
    harness_add("/main-loop/event_notifier_handler_runs", test_event_notifier_handler_runs);
    harness_add("/main-loop/glib_sources_run", test_glib_sources_run);
    harness_add("/main-loop/notify_event_ends_the_sleep", test_notify_event_ends_the_sleep);
    harness_add("/main-loop/idle_loop_does_not_wake_up", test_idle_loop_does_not_wake_up);
    harness_add("/main-loop/rare_events_end_polling", test_rare_events_end_polling);
    harness_add("/main-loop/frequent_events_start_polling", test_frequent_events_start_polling);
    harness_add("/main-loop/polled_handler_runs_without_its_descriptor",
                test_polled_handler_runs_without_its_descriptor);
    harness_add("/main-loop/can_be_set_up_again", test_can_be_set_up_again);
    return harness_run();
}
