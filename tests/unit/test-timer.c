/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks, timer lists, timers. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qemu/timer.h"

static int notified;

static void count_notify(void *opaque, QEMUClockType type)
{
    g_assert_cmpint(type, ==, QEMU_CLOCK_REALTIME);
    notified++;
}

typedef struct {
    QEMUTimer timer;
    QEMUTimer *other; /* to arm in the callback, at the time 0 */
    GString *log;
    char letter;
} TestTimer;

static void fired(void *opaque)
{
    TestTimer *t = opaque;

    g_string_append_c(t->log, t->letter);
    if (t->other) {
        timer_mod(t->other, 0);
    }
}

static QEMUTimerListGroup group;

static void group_begin(void)
{
    notified = 0;
    timerlistgroup_init(&group, NULL, NULL);
    timerlist_free(group.tl[QEMU_CLOCK_REALTIME]);
    group.tl[QEMU_CLOCK_REALTIME] = timerlist_new(QEMU_CLOCK_REALTIME, count_notify, NULL);
}

static void test_timer_init(TestTimer *t, GString *log, char letter)
{
    *t = (TestTimer){ .log = log, .letter = letter };
    timer_init_full(&t->timer, &group, QEMU_CLOCK_REALTIME, SCALE_NS, 0, fired, t);
}

static void test_clocks_go_forward(void)
{
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        int64_t first = qemu_clock_get_ns(type);

        g_assert_cmpint(first, >, 0);
        g_assert_cmpint(qemu_clock_get_ns(type), >=, first);
        g_assert_cmpint(qemu_clock_get_us(type), >=, first / 1000);
        g_assert_cmpint(qemu_clock_get_ms(type), >=, first / 1000000);
    }
    g_assert_cmpint(ABS(qemu_clock_get_ms(QEMU_CLOCK_HOST) - g_get_real_time() / 1000), <, 10000);
}

static void test_fire_in_order(void)
{
    g_autoptr(GString) log = g_string_new("");
    TestTimer t[5];
    const int64_t when[5] = { 50, 10, 30, 10, 40 };

    group_begin();
    for (int i = 0; i < 5; i++) {
        test_timer_init(&t[i], log, 'a' + i);
        timer_mod(&t[i].timer, when[i]);
    }
    g_assert_true(timerlistgroup_run_timers(&group));
    g_assert_cmpstr(log->str, ==, "bdcea");
    g_assert_false(timerlistgroup_run_timers(&group));
    timerlistgroup_deinit(&group);
}

/* Against the simplest model: an array that is searched. */
static void test_heap_keeps_order_under_changes(void)
{
    enum {
        N = 200
    };
    int64_t base = get_clock() + 1000 * NANOSECONDS_PER_SECOND;
    g_autofree TestTimer *t = g_new(TestTimer, N);
    int64_t when[N];

    group_begin();
    for (int i = 0; i < N; i++) {
        test_timer_init(&t[i], NULL, 0);
        when[i] = INT64_MAX;
    }
    for (int step = 0; step < 5000; step++) {
        int i = g_test_rand_int_range(0, N);
        int64_t first = INT64_MAX, before, deadline;

        if (g_test_rand_bit()) {
            when[i] = base + g_test_rand_int_range(0, 100) * NANOSECONDS_PER_SECOND;
            timer_mod(&t[i].timer, when[i]);
        } else {
            when[i] = INT64_MAX;
            timer_del(&t[i].timer);
        }
        g_assert_cmpint(timer_pending(&t[i].timer), ==, when[i] != INT64_MAX);
        for (int j = 0; j < N; j++) {
            first = MIN(first, when[j]);
        }
        before = get_clock();
        deadline = timerlistgroup_deadline_ns(&group);
        if (first == INT64_MAX) {
            g_assert_cmpint(deadline, ==, -1);
        } else {
            g_assert_cmpint(deadline, <=, first - before);
            g_assert_cmpint(deadline, >=, first - get_clock());
        }
    }
    for (int i = 0; i < N; i++) {
        timer_del(&t[i].timer);
    }
    timerlistgroup_deinit(&group);
}

static void test_notifies_only_for_a_new_first(void)
{
    g_autoptr(GString) log = g_string_new("");
    int64_t later = get_clock() + 1000 * NANOSECONDS_PER_SECOND;
    TestTimer a, b;

    group_begin();
    test_timer_init(&a, log, 'a');
    test_timer_init(&b, log, 'b');
    timer_mod(&a.timer, later);
    g_assert_cmpint(notified, ==, 1);
    timer_mod(&b.timer, later + 1);
    g_assert_cmpint(notified, ==, 1);
    timer_mod(&b.timer, later - 1);
    g_assert_cmpint(notified, ==, 2);
    timer_del(&a.timer);
    timer_del(&b.timer);
    g_assert_cmpint(notified, ==, 2);
    timerlistgroup_deinit(&group);
}

static void test_anticipate_only_makes_it_earlier(void)
{
    g_autoptr(GString) log = g_string_new("");
    int64_t later = get_clock() + 1000 * NANOSECONDS_PER_SECOND;
    TestTimer t;

    group_begin();
    test_timer_init(&t, log, 't');
    timer_mod_anticipate(&t.timer, later);
    g_assert_cmpint(timer_expire_time_ns(&t.timer), ==, later);
    timer_mod_anticipate(&t.timer, later + 5);
    g_assert_cmpint(timer_expire_time_ns(&t.timer), ==, later);
    timer_mod_anticipate(&t.timer, later - 5);
    g_assert_cmpint(timer_expire_time_ns(&t.timer), ==, later - 5);
    g_assert_false(timer_expired(&t.timer, later - 6));
    g_assert_true(timer_expired(&t.timer, later - 5));
    timer_del(&t.timer);
    g_assert_false(timer_expired(&t.timer, later));
    timerlistgroup_deinit(&group);
}

static void test_armed_by_a_callback_fires_in_the_next_round(void)
{
    g_autoptr(GString) log = g_string_new("");
    TestTimer a, b;

    group_begin();
    test_timer_init(&a, log, 'a');
    test_timer_init(&b, log, 'b');
    a.other = &a.timer;
    timer_mod(&a.timer, 1);
    timer_mod(&b.timer, 2);
    g_assert_true(timerlistgroup_run_timers(&group));
    g_assert_true(timerlistgroup_run_timers(&group));
    g_assert_cmpint(log->str[0], ==, 'a');
    g_assert_nonnull(strchr(log->str + 1, 'a'));
    g_assert_cmpint(log->len, <=, 4);
    timer_del(&a.timer);
    timer_del(&b.timer);
    timerlistgroup_deinit(&group);
}

static void test_scale_and_overflow(void)
{
    g_autoptr(GString) log = g_string_new("");
    TestTimer t;

    group_begin();
    t.log = log;
    timer_init_full(&t.timer, &group, QEMU_CLOCK_REALTIME, SCALE_MS, 0, fired, &t);
    timer_mod(&t.timer, INT64_MAX / 2);
    g_assert_true(timer_pending(&t.timer));
    g_assert_cmpint(timerlistgroup_deadline_ns(&group), >, 0);
    timer_mod(&t.timer, 7000000000);
    g_assert_cmpint(timer_expire_time_ns(&t.timer), ==, 7000000000 * SCALE_MS);
    timer_mod(&t.timer, -5);
    g_assert_cmpint(timerlistgroup_deadline_ns(&group), ==, 0);
    timer_del(&t.timer);
    timer_deinit(&t.timer);
    timer_del(&t.timer);
    timerlistgroup_deinit(&group);
}

static void test_timeouts(void)
{
    g_assert_cmpint(qemu_soonest_timeout(-1, 5), ==, 5);
    g_assert_cmpint(qemu_soonest_timeout(5, -1), ==, 5);
    g_assert_cmpint(qemu_soonest_timeout(-1, -1), ==, -1);
    g_assert_cmpint(qemu_soonest_timeout(0, 5), ==, 0);
    g_assert_cmpint(qemu_timeout_ns_to_ms(-1), ==, -1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(0), ==, 0);
    g_assert_cmpint(qemu_timeout_ns_to_ms(1), ==, 1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(SCALE_MS), ==, 1);
    g_assert_cmpint(qemu_timeout_ns_to_ms(SCALE_MS + 1), ==, 2);
    g_assert_cmpint(qemu_timeout_ns_to_ms(INT64_MAX), ==, INT_MAX);
}

static void test_main_loop_lists(void)
{
    g_autoptr(GString) log = g_string_new("");
    TestTimer t = { .log = log, .letter = 'm' };
    QEMUTimer *timer;

    qemu_init_clocks(NULL);
    timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, fired, &t);
    g_assert_false(qemu_clock_has_timers(QEMU_CLOCK_VIRTUAL));
    g_assert_cmpint(qemu_clock_deadline_ns_all(QEMU_CLOCK_VIRTUAL, QEMU_TIMER_ATTR_ALL), ==, -1);
    timer_mod(timer, 1);
    g_assert_true(qemu_clock_has_timers(QEMU_CLOCK_VIRTUAL));
    g_assert_cmpint(qemu_clock_deadline_ns_all(QEMU_CLOCK_VIRTUAL, QEMU_TIMER_ATTR_ALL), ==, 0);
    g_assert_false(qemu_clock_run_timers(QEMU_CLOCK_HOST));
    g_assert_true(qemu_clock_run_all_timers());
    g_assert_cmpstr(log->str, ==, "m");
    timer_free(timer);
    timer_free(NULL);
    timerlistgroup_deinit(&main_loop_tlg);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/timer/clocks_go_forward", test_clocks_go_forward);
    harness_add("/timer/fire_in_order", test_fire_in_order);
    harness_add("/timer/heap_keeps_order_under_changes", test_heap_keeps_order_under_changes);
    harness_add("/timer/notifies_only_for_a_new_first", test_notifies_only_for_a_new_first);
    harness_add("/timer/anticipate_only_makes_it_earlier", test_anticipate_only_makes_it_earlier);
    harness_add("/timer/armed_by_a_callback_fires_in_the_next_round",
                test_armed_by_a_callback_fires_in_the_next_round);
    harness_add("/timer/scale_and_overflow", test_scale_and_overflow);
    harness_add("/timer/timeouts_round_up_and_know_infinity", test_timeouts);
    harness_add("/timer/main_loop_lists_are_run_together", test_main_loop_lists);
    return harness_run();
}
