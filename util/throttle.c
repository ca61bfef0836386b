/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits on I/O by leaky buckets: the arithmetic, the rules for a configuration, and the timers.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/throttle.h"

/* The buckets that a request of one direction fills. */
typedef struct {
    BucketType bytes[2];
    BucketType operations[2];
} BucketsOf;

static const BucketsOf buckets_of[THROTTLE_MAX] = {
    [THROTTLE_READ] = { { THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ },
                        { THROTTLE_OPS_TOTAL, THROTTLE_OPS_READ } },
    [THROTTLE_WRITE] = { { THROTTLE_BPS_TOTAL, THROTTLE_BPS_WRITE },
                         { THROTTLE_OPS_TOTAL, THROTTLE_OPS_WRITE } },
};

/* One bucket */

static double leaked(uint64_t rate, int64_t delta_ns)
{
    return (double)rate * delta_ns / NANOSECONDS_PER_SECOND;
}

void throttle_leak_bucket(LeakyBucket *bkt, int64_t delta_ns)
{
    bkt->level = MAX(bkt->level - leaked(bkt->avg, delta_ns), 0.0);
    /* A burst of one second is bounded by level alone. */
    if (bkt->burst_length > 1) {
        bkt->burst_level = MAX(bkt->burst_level - leaked(bkt->max, delta_ns), 0.0);
    }
}

/* ns until @level has leaked down to @size at @rate. */
static int64_t time_to_leak(double level, double size, uint64_t rate)
{
    return level > size ? (level - size) * NANOSECONDS_PER_SECOND / rate : 0;
}

int64_t throttle_compute_wait(LeakyBucket *bkt)
{
    int64_t wait;

    if (!bkt->avg) {
        return 0;
    }
    if (!bkt->max) {
        return time_to_leak(bkt->level, bkt->avg / 10.0, bkt->avg);
    }
    wait = time_to_leak(bkt->level, (double)bkt->max * bkt->burst_length, bkt->avg);
    if (!wait && bkt->burst_length > 1) {
        wait = time_to_leak(bkt->burst_level, bkt->max / 10.0, bkt->max);
    }
    return wait;
}

/* The state */

static void throttle_do_leak(ThrottleState *ts, int64_t now)
{
    int64_t delta_ns = now - ts->previous_leak;

    ts->previous_leak = now;
    if (delta_ns <= 0) {
        return;
    }
    for (int i = 0; i < BUCKETS_COUNT; i++) {
        throttle_leak_bucket(&ts->cfg.buckets[i], delta_ns);
    }
}

static int64_t throttle_wait_for(ThrottleState *ts, ThrottleDirection direction)
{
    const BucketsOf *of = &buckets_of[direction];
    int64_t wait = 0;

    for (int i = 0; i < 2; i++) {
        wait = MAX(wait, throttle_compute_wait(&ts->cfg.buckets[of->bytes[i]]));
        wait = MAX(wait, throttle_compute_wait(&ts->cfg.buckets[of->operations[i]]));
    }
    return wait;
}

bool throttle_schedule_timer(ThrottleState *ts, ThrottleTimers *tt, ThrottleDirection direction)
{
    int64_t now = qemu_clock_get_ns(tt->clock_type), wait;
    QEMUTimer *timer = tt->timers[direction];

    assert(direction < THROTTLE_MAX && timer);
    throttle_do_leak(ts, now);
    wait = throttle_wait_for(ts, direction);
    if (wait > 0 && !timer_pending(timer)) {
        timer_mod(timer, now + wait);
    }
    return wait > 0;
}

static void fill(LeakyBucket *bkt, double units)
{
    bkt->level += units;
    if (bkt->burst_length > 1) {
        bkt->burst_level += units;
    }
}

void throttle_account(ThrottleState *ts, ThrottleDirection direction, uint64_t size)
{
    const BucketsOf *of = &buckets_of[direction];
    double operations = 1.0;

    assert(direction < THROTTLE_MAX);
    if (ts->cfg.op_size && size > ts->cfg.op_size) {
        operations = (double)size / ts->cfg.op_size;
    }
    for (int i = 0; i < 2; i++) {
        fill(&ts->cfg.buckets[of->bytes[i]], size);
        fill(&ts->cfg.buckets[of->operations[i]], operations);
    }
}

void throttle_init(ThrottleState *ts)
{
    memset(ts, 0, sizeof(*ts));
    throttle_config_init(&ts->cfg);
}

/* Timers */

void throttle_timers_attach_aio_context(ThrottleTimers *tt, AioContext *new_context)
{
    for (int i = 0; i < THROTTLE_MAX; i++) {
        if (tt->timer_cb[i]) {
            tt->timers[i] = aio_timer_new(new_context, tt->clock_type, SCALE_NS, tt->timer_cb[i],
                                          tt->timer_opaque);
        }
    }
}

void throttle_timers_detach_aio_context(ThrottleTimers *tt)
{
    for (int i = 0; i < THROTTLE_MAX; i++) {
        timer_free(tt->timers[i]);
        tt->timers[i] = NULL;
    }
}

void throttle_timers_init(ThrottleTimers *tt, AioContext *aio_context, QEMUClockType clock_type,
                          QEMUTimerCB *read_timer_cb, QEMUTimerCB *write_timer_cb,
                          void *timer_opaque)
{
    *tt = (ThrottleTimers){
        .clock_type = clock_type,
        .timer_cb = { [THROTTLE_READ] = read_timer_cb, [THROTTLE_WRITE] = write_timer_cb },
        .timer_opaque = timer_opaque,
    };
    assert(read_timer_cb || write_timer_cb);
    throttle_timers_attach_aio_context(tt, aio_context);
}

void throttle_timers_destroy(ThrottleTimers *tt)
{
    throttle_timers_detach_aio_context(tt);
}

bool throttle_timers_are_initialized(ThrottleTimers *tt)
{
    return tt->timers[THROTTLE_READ] || tt->timers[THROTTLE_WRITE];
}

/* Configuration */

void throttle_config_init(ThrottleConfig *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    for (int i = 0; i < BUCKETS_COUNT; i++) {
        cfg->buckets[i].burst_length = 1;
    }
}

bool throttle_enabled(ThrottleConfig *cfg)
{
    for (int i = 0; i < BUCKETS_COUNT; i++) {
        if (cfg->buckets[i].avg > 0) {
            return true;
        }
    }
    return false;
}

/* A total and one of its parts, or their bursts, are both limited. */
static bool limits_twice(const ThrottleConfig *cfg, BucketType total)
{
    const LeakyBucket *t = &cfg->buckets[total];
    const LeakyBucket *r = &cfg->buckets[total + 1], *w = &cfg->buckets[total + 2];

    return (t->avg && (r->avg || w->avg)) || (t->max && (r->max || w->max));
}

static bool bucket_is_valid(const LeakyBucket *bkt, Error **errp)
{
    if (bkt->avg > THROTTLE_VALUE_MAX || bkt->max > THROTTLE_VALUE_MAX) {
        error_setg(errp, "bps/iops/max values must be within [0, %lld]", THROTTLE_VALUE_MAX);
        return false;
    }
    if (!bkt->burst_length) {
        error_setg(errp, "the burst length cannot be 0");
        return false;
    }
    if (bkt->burst_length > 1 && !bkt->max) {
        error_setg(errp, "burst length set without burst rate");
        return false;
    }
    if (bkt->max && bkt->burst_length > THROTTLE_VALUE_MAX / bkt->max) {
        error_setg(errp, "burst length too high for this burst rate");
        return false;
    }
    if (bkt->max && !bkt->avg) {
        error_setg(errp, "bps_max/iops_max require corresponding bps/iops values");
        return false;
    }
    if (bkt->max && bkt->max < bkt->avg) {
        error_setg(errp, "bps_max/iops_max cannot be lower than bps/iops");
        return false;
    }
    return true;
}

bool throttle_is_valid(ThrottleConfig *cfg, Error **errp)
{
    bool ops = cfg->buckets[THROTTLE_OPS_TOTAL].avg || cfg->buckets[THROTTLE_OPS_READ].avg ||
               cfg->buckets[THROTTLE_OPS_WRITE].avg;

    if (limits_twice(cfg, THROTTLE_BPS_TOTAL) || limits_twice(cfg, THROTTLE_OPS_TOTAL)) {
        error_setg(errp, "bps/iops/max total values and read/write values"
                         " cannot be used at the same time");
        return false;
    }
    if (cfg->op_size && !ops) {
        error_setg(errp, "iops size requires an iops value to be set");
        return false;
    }
    for (int i = 0; i < BUCKETS_COUNT; i++) {
        if (!bucket_is_valid(&cfg->buckets[i], errp)) {
            return false;
        }
    }
    return true;
}

void throttle_config(ThrottleState *ts, QEMUClockType clock_type, ThrottleConfig *cfg)
{
    ts->cfg = *cfg;
    for (int i = 0; i < BUCKETS_COUNT; i++) {
        ts->cfg.buckets[i].level = 0;
        ts->cfg.buckets[i].burst_level = 0;
    }
    ts->previous_leak = qemu_clock_get_ns(clock_type);
}

void throttle_get_config(ThrottleState *ts, ThrottleConfig *cfg)
{
    *cfg = ts->cfg;
}
