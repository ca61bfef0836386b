/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AioContext: bottom halves, notifications, timers and the GSource. */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"

static AioContext *new_context(void)
{
    AioContext *ctx = aio_context_new(&error_abort);

    while (aio_poll(ctx, false)) {
    }
    return ctx;
}

/* Bottom halves */

typedef struct {
    AioContext *ctx;
    QEMUBH *bh;
    int calls;
    int max;
    GString *log;
    char letter;
} BHData;

static void bh_count(void *opaque)
{
    BHData *data = opaque;

    data->calls++;
    if (data->log) {
        g_string_append_c(data->log, data->letter);
    }
}

static void bh_again(void *opaque)
{
    BHData *data = opaque;

    if (++data->calls < data->max) {
        qemu_bh_schedule(data->bh);
    }
}

static void bh_delete_self(void *opaque)
{
    BHData *data = opaque;

    data->calls++;
    qemu_bh_delete(data->bh);
    data->bh = NULL;
}

static void bh_nested(void *opaque)
{
    BHData *data = opaque;

    bh_count(data);
    while (aio_poll(data->ctx, false)) {
    }
    g_string_append_c(data->log, '.');
}

static void test_bh_runs_once(void)
{
    AioContext *ctx = new_context();
    BHData data = { 0 };

    data.bh = aio_bh_new(ctx, bh_count, &data);
    qemu_bh_schedule(data.bh);
    qemu_bh_schedule(data.bh);
    g_assert_cmpint(data.calls, ==, 0);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(data.calls, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(data.calls, ==, 1);
    qemu_bh_delete(data.bh);
    aio_context_unref(ctx);
}

static void test_bh_self_scheduling_runs_once_an_iteration(void)
{
    AioContext *ctx = new_context();
    BHData data = { .max = 5 };

    data.bh = aio_bh_new(ctx, bh_again, &data);
    qemu_bh_schedule(data.bh);
    for (int i = 1; i <= 5; i++) {
        g_assert_true(aio_poll(ctx, false));
        g_assert_cmpint(data.calls, ==, i);
    }
    g_assert_false(aio_poll(ctx, false));
    qemu_bh_delete(data.bh);
    aio_context_unref(ctx);
}

static void test_bh_cancelled_does_not_run(void)
{
    AioContext *ctx = new_context();
    BHData data = { 0 };

    data.bh = aio_bh_new(ctx, bh_count, &data);
    qemu_bh_schedule(data.bh);
    qemu_bh_cancel(data.bh);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(data.calls, ==, 0);
    qemu_bh_schedule(data.bh);
    g_assert_true(aio_poll(ctx, false));
    g_assert_cmpint(data.calls, ==, 1);
    qemu_bh_delete(data.bh);
    aio_context_unref(ctx);
}

static void test_bh_deleted_does_not_run(void)
{
    AioContext *ctx = new_context();
    BHData scheduled = { 0 }, self = { 0 };

    scheduled.bh = aio_bh_new(ctx, bh_count, &scheduled);
    qemu_bh_schedule(scheduled.bh);
    qemu_bh_delete(scheduled.bh);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(scheduled.calls, ==, 0);

    self.bh = aio_bh_new(ctx, bh_delete_self, &self);
    qemu_bh_schedule(self.bh);
    g_assert_true(aio_poll(ctx, false));
    g_assert_cmpint(self.calls, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    qemu_bh_delete(NULL);
    aio_context_unref(ctx);
}

static void test_bh_order_is_that_of_scheduling(void)
{
    AioContext *ctx = new_context();
    g_autoptr(GString) log = g_string_new("");
    BHData data[4];

    for (int i = 0; i < 4; i++) {
        data[i] = (BHData){ .log = log, .letter = 'a' + i };
        aio_bh_schedule_oneshot(ctx, bh_count, &data[i]);
    }
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpstr(log->str, ==, "abcd");
    aio_context_unref(ctx);
}

static void test_bh_nested_loop_runs_the_rest(void)
{
    AioContext *ctx = new_context();
    g_autoptr(GString) log = g_string_new("");
    BHData a = { .ctx = ctx, .log = log, .letter = 'a' }, b = a, c = a;

    b.letter = 'b';
    c.letter = 'c';
    aio_bh_schedule_oneshot(ctx, bh_nested, &a);
    aio_bh_schedule_oneshot(ctx, bh_nested, &b);
    aio_bh_schedule_oneshot(ctx, bh_count, &c);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpstr(log->str, ==, "abc..");
    aio_context_unref(ctx);
}

static void test_bh_idle_is_no_progress(void)
{
    AioContext *ctx = new_context();
    BHData data = { 0 };
    int64_t timeout;

    data.bh = aio_bh_new(ctx, bh_count, &data);
    qemu_bh_schedule_idle(data.bh);
    timeout = aio_compute_timeout(ctx);
    g_assert_cmpint(timeout, >, 0);
    g_assert_cmpint(timeout, <=, 10 * SCALE_MS);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(data.calls, ==, 1);
    g_assert_cmpint(aio_compute_timeout(ctx), ==, -1);
    qemu_bh_delete(data.bh);
    aio_context_unref(ctx);
}

static void bh_engaged(void *opaque)
{
    MemReentrancyGuard *guard = opaque;

    g_assert_true(guard->engaged_in_io);
}

static void test_bh_guard_is_engaged_in_the_callback(void)
{
    AioContext *ctx = new_context();
    MemReentrancyGuard guard = { false };
    QEMUBH *bh = aio_bh_new_guarded(ctx, bh_engaged, &guard, &guard);

    qemu_bh_schedule(bh);
    g_assert_true(aio_poll(ctx, true));
    g_assert_false(guard.engaged_in_io);
    qemu_bh_delete(bh);
    aio_context_unref(ctx);
}

/* Notifications */

static void test_notify_ends_the_wait_without_progress(void)
{
    AioContext *ctx = new_context();

    aio_notify(ctx);
    g_assert_false(aio_poll(ctx, true));
    g_assert_false(aio_poll(ctx, false));
    aio_context_unref(ctx);
}

static void test_notify_of_a_loop_awake_writes_nothing(void)
{
    AioContext *ctx = new_context();

    for (int i = 0; i < 10; i++) {
        aio_notify(ctx);
    }
    g_assert_cmpint(event_notifier_test_and_clear(&ctx->notifier), ==, 0);
    g_assert_false(aio_poll(ctx, true));
    aio_context_unref(ctx);
}

static void *notify_when_asleep(void *opaque)
{
    AioContext *ctx = opaque;

    while (!qatomic_read(&ctx->notify_me)) {
        g_thread_yield();
    }
    aio_notify(ctx);
    return NULL;
}

static void test_notify_wakes_a_sleeping_loop(void)
{
    AioContext *ctx = new_context();
    QemuThread thread;

    for (int i = 0; i < 100; i++) {
        qemu_thread_create(&thread, "notify", notify_when_asleep, ctx, QEMU_THREAD_JOINABLE);
        g_assert_false(aio_poll(ctx, true));
        qemu_thread_join(&thread);
    }
    aio_context_unref(ctx);
}

/* Timers */

typedef struct {
    QEMUTimer timer;
    int calls;
    int64_t delay_ns;
    int max;
} TimerData;

static void timer_again(void *opaque)
{
    TimerData *data = opaque;

    if (++data->calls < data->max) {
        timer_mod(&data->timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + data->delay_ns);
    }
}

static void test_timer_ends_the_wait(void)
{
    AioContext *ctx = new_context();
    TimerData data = { .delay_ns = 2 * SCALE_MS, .max = 3 };
    int64_t start = get_clock();

    aio_timer_init(ctx, &data.timer, QEMU_CLOCK_REALTIME, SCALE_NS, timer_again, &data);
    timer_mod(&data.timer, start + data.delay_ns);
    while (data.calls < 3) {
        aio_poll(ctx, true);
    }
    g_assert_cmpint(get_clock() - start, >=, 3 * data.delay_ns);
    g_assert_false(timer_pending(&data.timer));
    timer_deinit(&data.timer);
    aio_context_unref(ctx);
}

static void *arm_when_asleep(void *opaque)
{
    TimerData *data = opaque;

    timer_mod(&data->timer, 0);
    return NULL;
}

static void test_timer_armed_by_another_thread_ends_the_wait(void)
{
    AioContext *ctx = new_context();
    TimerData data = { .max = 0 };
    QemuThread thread;

    aio_timer_init(ctx, &data.timer, QEMU_CLOCK_REALTIME, SCALE_NS, timer_again, &data);
    qemu_thread_create(&thread, "timer", arm_when_asleep, &data, QEMU_THREAD_JOINABLE);
    while (!data.calls) {
        aio_poll(ctx, true);
    }
    qemu_thread_join(&thread);
    timer_del(&data.timer);
    aio_context_unref(ctx);
}

static void test_timer_always_due_does_not_hold_the_loop(void)
{
    AioContext *ctx = new_context();
    TimerData data = { .delay_ns = -SCALE_MS, .max = INT_MAX };

    aio_timer_init(ctx, &data.timer, QEMU_CLOCK_REALTIME, SCALE_NS, timer_again, &data);
    timer_mod(&data.timer, 0);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(data.calls, ==, 1);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(data.calls, ==, 2);
    timer_del(&data.timer);
    aio_context_unref(ctx);
}

/* Busy polling */

typedef struct VainPoll {
    EventNotifier notifier;
    int64_t last; /* own_time() of the last look in this wait; 0: none */
    int64_t sum;  /* ns between looks */
} VainPoll;

/* What the thread has had of its processor, in ns: others may have it during a look. */
static int64_t own_time(void)
{
    struct timespec ts;

    g_assert_cmpint(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), ==, 0);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static bool look_in_vain(void *opaque)
{
    VainPoll *vain = container_of(opaque, VainPoll, notifier);
    int64_t now = own_time();

    vain->sum += vain->last ? now - vain->last : 0;
    vain->last = now;
    return false;
}

static void never_ready(EventNotifier *notifier)
{
    g_assert_not_reached();
}

/* Each wait ends by a timer, too late for the polling before it. */
static void test_polling_in_vain_takes_a_small_part_of_the_time(void)
{
    AioContext *ctx = new_context();
    TimerData data = { .delay_ns = SCALE_MS, .max = 200 };
    VainPoll vain = { .sum = 0 };
    int64_t start = get_clock();

    g_assert_cmpint(event_notifier_init(&vain.notifier, false), ==, 0);
    aio_set_event_notifier(ctx, &vain.notifier, never_ready, look_in_vain, never_ready);
    aio_context_set_poll_params(ctx, 100 * SCALE_MS, 0, 0, &error_abort);
    aio_timer_init(ctx, &data.timer, QEMU_CLOCK_REALTIME, SCALE_NS, timer_again, &data);
    timer_mod(&data.timer, start + data.delay_ns);
    while (data.calls < 200) {
        vain.last = 0;
        aio_poll(ctx, true);
    }
    g_assert_cmpint(vain.sum, >, 0);
    g_assert_cmpint(vain.sum, <, (get_clock() - start) / 4);
    timer_deinit(&data.timer);
    aio_set_event_notifier(ctx, &vain.notifier, NULL, NULL, NULL);
    event_notifier_cleanup(&vain.notifier);
    aio_context_unref(ctx);
}

/* GSource */

static GMainContext *attach(AioContext *ctx)
{
    GMainContext *context = g_main_context_new();
    g_autoptr(GSource) source = aio_get_g_source(ctx);

    g_source_attach(source, context);
    while (g_main_context_iteration(context, FALSE)) {
    }
    return context;
}

static void detach(AioContext *ctx, GMainContext *context)
{
    g_source_destroy(&ctx->source);
    g_main_context_unref(context);
    aio_context_unref(ctx);
}

static void test_source_runs_bottom_halves(void)
{
    AioContext *ctx = new_context();
    GMainContext *context = attach(ctx);
    BHData data = { .max = 3 };

    data.bh = aio_bh_new(ctx, bh_again, &data);
    qemu_bh_schedule(data.bh);
    while (data.calls < 3) {
        g_main_context_iteration(context, TRUE);
    }
    g_assert_false(g_main_context_iteration(context, FALSE));
    qemu_bh_delete(data.bh);
    detach(ctx, context);
}

static void test_source_runs_timers(void)
{
    AioContext *ctx = new_context();
    GMainContext *context = attach(ctx);
    TimerData data = { .delay_ns = SCALE_MS, .max = 3 };

    aio_timer_init(ctx, &data.timer, QEMU_CLOCK_REALTIME, SCALE_NS, timer_again, &data);
    timer_mod(&data.timer, get_clock() + data.delay_ns);
    while (data.calls < 3) {
        g_main_context_iteration(context, TRUE);
    }
    detach(ctx, context);
}

static void *bh_when_asleep(void *opaque)
{
    BHData *data = opaque;

    while (!qatomic_read(&data->ctx->notify_me)) {
        g_thread_yield();
    }
    qemu_bh_schedule(data->bh);
    return NULL;
}

static void test_source_is_woken_by_another_thread(void)
{
    AioContext *ctx = new_context();
    GMainContext *context = attach(ctx);
    BHData data = { .ctx = ctx };
    QemuThread thread;

    data.bh = aio_bh_new(ctx, bh_count, &data);
    for (int i = 1; i <= 100; i++) {
        qemu_thread_create(&thread, "wake", bh_when_asleep, &data, QEMU_THREAD_JOINABLE);
        while (data.calls < i) {
            g_main_context_iteration(context, TRUE);
        }
        qemu_thread_join(&thread);
    }
    qemu_bh_delete(data.bh);
    detach(ctx, context);
}

static void test_parameters_are_checked(void)
{
    AioContext *ctx = new_context();
    Error *err = NULL;

    aio_context_set_poll_params(ctx, -1, 0, 0, &err);
    error_free_or_abort(&err);
    aio_context_set_poll_params(ctx, 1000, 2, 2, &error_abort);
    aio_context_set_poll_weight(ctx, 32, &err);
    error_free_or_abort(&err);
    aio_context_set_thread_pool_params(ctx, 2, 1, &err);
    error_free_or_abort(&err);
    aio_context_set_thread_pool_params(ctx, 0, 0, &err);
    error_free_or_abort(&err);
    aio_context_set_thread_pool_params(ctx, 0, 1, &error_abort);
    aio_context_unref(ctx);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    harness_add("/aio/bh/runs_once_however_often_scheduled", test_bh_runs_once);
    harness_add("/aio/bh/self_scheduling_runs_once_an_iteration",
                test_bh_self_scheduling_runs_once_an_iteration);
    harness_add("/aio/bh/cancelled_does_not_run", test_bh_cancelled_does_not_run);
    harness_add("/aio/bh/deleted_does_not_run", test_bh_deleted_does_not_run);
    harness_add("/aio/bh/order_is_that_of_scheduling", test_bh_order_is_that_of_scheduling);
    harness_add("/aio/bh/nested_loop_runs_the_rest", test_bh_nested_loop_runs_the_rest);
    harness_add("/aio/bh/idle_is_no_progress", test_bh_idle_is_no_progress);
    harness_add("/aio/bh/guard_is_engaged_in_the_callback",
                test_bh_guard_is_engaged_in_the_callback);
    harness_add("/aio/notify/ends_the_wait_without_progress",
                test_notify_ends_the_wait_without_progress);
    harness_add("/aio/notify/of_a_loop_awake_writes_nothing",
                test_notify_of_a_loop_awake_writes_nothing);
    harness_add("/aio/notify/wakes_a_sleeping_loop", test_notify_wakes_a_sleeping_loop);
    harness_add("/aio/timer/ends_the_wait", test_timer_ends_the_wait);
    harness_add("/aio/timer/armed_by_another_thread_ends_the_wait",
                test_timer_armed_by_another_thread_ends_the_wait);
    harness_add("/aio/timer/always_due_does_not_hold_the_loop",
                test_timer_always_due_does_not_hold_the_loop);
    harness_add("/aio/poll/in_vain_takes_a_small_part_of_the_time",
                test_polling_in_vain_takes_a_small_part_of_the_time);
    harness_add("/aio/source/runs_bottom_halves", test_source_runs_bottom_halves);
    harness_add("/aio/source/runs_timers", test_source_runs_timers);
    harness_add("/aio/source/is_woken_by_another_thread", test_source_is_woken_by_another_thread);
    harness_add("/aio/parameters_are_checked", test_parameters_are_checked);
    return harness_run();
}
