/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaky buckets, their configuration and their timers. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/throttle.h"

#define SECOND NANOSECONDS_PER_SECOND

static void assert_near(double a, double b)
{
    g_assert_cmpfloat_with_epsilon(a, b, 0.000001);
}

static void test_bucket_leaks_at_its_rate(void)
{
    LeakyBucket bkt = { .avg = 150, .max = 15, .level = 1.5, .burst_length = 1 };

    throttle_leak_bucket(&bkt, SECOND / 150);
    assert_near(bkt.level, 0.5);
    throttle_leak_bucket(&bkt, SECOND / 150);
    assert_near(bkt.level, 0);
    throttle_leak_bucket(&bkt, SECOND);
    assert_near(bkt.level, 0);

    bkt.burst_level = 6;
    bkt.max = 250;
    throttle_leak_bucket(&bkt, SECOND / 100);
    assert_near(bkt.burst_level, 6);
    bkt.burst_length = 2;
    throttle_leak_bucket(&bkt, SECOND / 100);
    assert_near(bkt.burst_level, 3.5);
    throttle_leak_bucket(&bkt, SECOND);
    assert_near(bkt.burst_level, 0);
}

static void test_wait_is_for_what_is_too_much(void)
{
    LeakyBucket bkt = { .max = 15, .level = 1.5, .burst_length = 1 };

    g_assert_cmpint(throttle_compute_wait(&bkt), ==, 0);
    bkt.avg = 150;
    bkt.level = 15;
    g_assert_cmpint(throttle_compute_wait(&bkt), ==, 0);
    bkt.level = 15.5;
    g_assert_cmpint(throttle_compute_wait(&bkt), ==, SECOND / 150 / 2);
    /* Without a burst a tenth of a second's worth fits. */
    bkt.max = 0;
    bkt.level = 15;
    g_assert_cmpint(throttle_compute_wait(&bkt), ==, 0);
    bkt.level = 30;
    g_assert_cmpint(throttle_compute_wait(&bkt), ==, SECOND / 10);
}

static void test_burst_lasts_as_long_as_configured(void)
{
    LeakyBucket bkt = { .avg = 10, .max = 200, .burst_length = 2 };

    for (int tenth = 0; tenth < 22; tenth++) {
        bkt.level += 20;
        bkt.burst_level += 20;
        throttle_leak_bucket(&bkt, SECOND / 10);
        assert_near(bkt.level, (tenth + 1) * 19.0);
        /* 100 ms more than two seconds, because the bucket leaked meanwhile. */
        g_assert_cmpint(throttle_compute_wait(&bkt), ==, tenth < 21 ? 0 : SECOND / 10 * 18);
    }
}

static void test_burst_is_bounded_by_its_own_rate(void)
{
    LeakyBucket bkt = { .avg = 10, .max = 200, .burst_length = 5, .burst_level = 40 };

    g_assert_cmpint(throttle_compute_wait(&bkt), ==, SECOND / 10);
}

static ThrottleConfig valid_config(void)
{
    ThrottleConfig cfg;

    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_BPS_TOTAL].avg = 100;
    cfg.buckets[THROTTLE_BPS_TOTAL].max = 200;
    return cfg;
}

typedef struct {
    const char *what;
    BucketType bucket;
    LeakyBucket value;
    uint64_t op_size;
    const char *error;
} WrongConfig;

static const WrongConfig wrong_configs[] = {
    { "total and part", THROTTLE_BPS_READ, { .avg = 1, .burst_length = 1 }, 0, "same time" },
    { "burst of total and part", THROTTLE_BPS_WRITE, { .max = 1, .burst_length = 1 }, 0, "same" },
    { "too large",
      THROTTLE_OPS_READ,
      { .avg = THROTTLE_VALUE_MAX + 1, .burst_length = 1 },
      0,
      "within" },
    { "no burst length", THROTTLE_OPS_READ, { .avg = 1 }, 0, "cannot be 0" },
    { "length without burst", THROTTLE_OPS_READ, { .avg = 1, .burst_length = 2 }, 0, "without" },
    { "burst too long",
      THROTTLE_OPS_READ,
      { .avg = 1, .max = THROTTLE_VALUE_MAX, .burst_length = 2 },
      0,
      "too high" },
    { "burst without limit", THROTTLE_OPS_READ, { .max = 1, .burst_length = 1 }, 0, "require" },
    { "burst below limit",
      THROTTLE_OPS_READ,
      { .avg = 2, .max = 1, .burst_length = 1 },
      0,
      "lower" },
    { "size without operations", THROTTLE_OPS_READ, { .burst_length = 1 }, 4096, "iops size" },
};

static void test_impossible_configuration_is_refused(void)
{
    ThrottleConfig cfg = valid_config();

    g_assert_true(throttle_is_valid(&cfg, &error_abort));
    for (size_t i = 0; i < ARRAY_SIZE(wrong_configs); i++) {
        const WrongConfig *wrong = &wrong_configs[i];
        Error *err = NULL;

        cfg = valid_config();
        cfg.buckets[wrong->bucket] = wrong->value;
        cfg.op_size = wrong->op_size;
        g_test_message("%s", wrong->what);
        g_assert_false(throttle_is_valid(&cfg, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), wrong->error));
        error_free(err);
    }
}

static void test_any_limit_enables(void)
{
    ThrottleConfig cfg;

    for (int i = 0; i < BUCKETS_COUNT; i++) {
        throttle_config_init(&cfg);
        g_assert_false(throttle_enabled(&cfg));
        cfg.buckets[i].avg = 1;
        g_assert_true(throttle_enabled(&cfg));
    }
}

static void test_accounting_fills_the_right_buckets(void)
{
    ThrottleConfig cfg = valid_config();
    ThrottleState ts;

    cfg.op_size = 512;
    throttle_init(&ts);
    cfg.buckets[THROTTLE_BPS_READ].level = 1000;
    throttle_config(&ts, QEMU_CLOCK_REALTIME, &cfg);
    throttle_account(&ts, THROTTLE_READ, 1024);
    throttle_account(&ts, THROTTLE_WRITE, 100);
    assert_near(ts.cfg.buckets[THROTTLE_BPS_TOTAL].level, 1124);
    assert_near(ts.cfg.buckets[THROTTLE_BPS_READ].level, 1024);
    assert_near(ts.cfg.buckets[THROTTLE_BPS_WRITE].level, 100);
    assert_near(ts.cfg.buckets[THROTTLE_OPS_TOTAL].level, 3);
    assert_near(ts.cfg.buckets[THROTTLE_OPS_READ].level, 2);
    assert_near(ts.cfg.buckets[THROTTLE_OPS_WRITE].level, 1);
    throttle_get_config(&ts, &cfg);
    g_assert_cmpint(cfg.op_size, ==, 512);
    g_assert_cmpint(cfg.buckets[THROTTLE_BPS_TOTAL].max, ==, 200);
}

static void count(void *opaque)
{
    (*(int *)opaque)++;
}

static void test_timer_resumes_who_waits(void)
{
    ThrottleConfig cfg;
    ThrottleTimers tt;
    ThrottleState ts;
    int calls = 0;

    throttle_timers_init(&tt, qemu_get_aio_context(), QEMU_CLOCK_REALTIME, count, count, &calls);
    throttle_init(&ts);
    throttle_config_init(&cfg);
    cfg.buckets[THROTTLE_OPS_WRITE].avg = 1000;
    throttle_config(&ts, QEMU_CLOCK_REALTIME, &cfg);
    g_assert_false(throttle_schedule_timer(&ts, &tt, THROTTLE_WRITE));
    for (int i = 0; i < 110; i++) {
        throttle_account(&ts, THROTTLE_WRITE, 1);
    }
    g_assert_false(throttle_schedule_timer(&ts, &tt, THROTTLE_READ));
    g_assert_true(throttle_schedule_timer(&ts, &tt, THROTTLE_WRITE));
    g_assert_true(timer_pending(tt.timers[THROTTLE_WRITE]));
    while (!calls) {
        aio_poll(qemu_get_aio_context(), true);
    }
    g_assert_false(throttle_schedule_timer(&ts, &tt, THROTTLE_WRITE));
    throttle_timers_destroy(&tt);
}

static void test_timers_move_to_another_context(void)
{
    AioContext *ctx = aio_context_new(&error_abort);
    ThrottleTimers tt;
    int calls = 0;

    throttle_timers_init(&tt, qemu_get_aio_context(), QEMU_CLOCK_VIRTUAL, count, NULL, &calls);
    g_assert_nonnull(tt.timers[THROTTLE_READ]);
    g_assert_null(tt.timers[THROTTLE_WRITE]);
    g_assert_true(throttle_timers_are_initialized(&tt));
    throttle_timers_detach_aio_context(&tt);
    g_assert_false(throttle_timers_are_initialized(&tt));
    throttle_timers_attach_aio_context(&tt, ctx);
    timer_mod(tt.timers[THROTTLE_READ], 0);
    while (!calls) {
        aio_poll(ctx, true);
    }
    throttle_timers_destroy(&tt);
    g_assert_false(throttle_timers_are_initialized(&tt));
    aio_context_unref(ctx);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    harness_add("/throttle/bucket_leaks_at_its_rate", test_bucket_leaks_at_its_rate);
    harness_add("/throttle/wait_is_for_what_is_too_much", test_wait_is_for_what_is_too_much);
    harness_add("/throttle/burst_lasts_as_long_as_configured",
                test_burst_lasts_as_long_as_configured);
    harness_add("/throttle/burst_is_bounded_by_its_own_rate",
                test_burst_is_bounded_by_its_own_rate);
    harness_add("/throttle/impossible_configuration_is_refused",
                test_impossible_configuration_is_refused);
    harness_add("/throttle/any_limit_enables", test_any_limit_enables);
    harness_add("/throttle/accounting_fills_the_right_buckets",
                test_accounting_fills_the_right_buckets);
    harness_add("/throttle/timer_resumes_who_waits", test_timer_resumes_who_waits);
    harness_add("/throttle/timers_move_to_another_context", test_timers_move_to_another_context);
    return harness_run();
}
