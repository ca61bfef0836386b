/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits on I/O by leaky buckets.
 *
 * Theory of operation
 *
 * Each of six buckets (bytes and operations; total, read, write) fills with what is done and
 * leaks at its average rate.  A request must wait while a bucket of its kind is overfull.
 *   level        leaks at avg units a second and holds max * burst_length units
 *                (a tenth of a second of avg if max is 0);
 *   burst_level  leaks at max units a second and holds a tenth of a second of max; it bounds the
 *                rate of a burst that lasts longer than one second.
 * A timer for each direction resumes who waits.  The caller serialises access.
 */
#ifndef THROTTLE_H
#define THROTTLE_H

#include "block/aio.h"
#include "qemu/timer.h"

/* The largest limit: sums and products below stay exact enough in a double. */
#define THROTTLE_VALUE_MAX 1000000000000000LL

typedef enum {
    THROTTLE_BPS_TOTAL = 0,
    THROTTLE_BPS_READ = 1,
    THROTTLE_BPS_WRITE = 2,
    THROTTLE_OPS_TOTAL = 3,
    THROTTLE_OPS_READ = 4,
    THROTTLE_OPS_WRITE = 5,
    BUCKETS_COUNT = 6,
} BucketType;

typedef enum {
    THROTTLE_READ = 0,
    THROTTLE_WRITE,
    THROTTLE_MAX
} ThrottleDirection;

typedef struct LeakyBucket {
    uint64_t avg;          /* units a second in the long run; 0: no limit */
    uint64_t max;          /* units a second in a burst; 0: no burst */
    double level;          /* units done and not yet leaked */
    double burst_level;    /* likewise, leaking at max */
    uint64_t burst_length; /* seconds that a burst at max may last, at least 1 */
} LeakyBucket;

typedef struct ThrottleConfig {
    LeakyBucket buckets[BUCKETS_COUNT];
    uint64_t op_size; /* bytes that count as one operation; 0: a request is one */
} ThrottleConfig;

typedef struct ThrottleState {
    ThrottleConfig cfg;
    int64_t previous_leak; /* ns on the timers' clock */
} ThrottleState;

typedef struct ThrottleTimers {
    QEMUTimer *timers[THROTTLE_MAX]; /* NULL: detached, or no callback */
    QEMUClockType clock_type;
    QEMUTimerCB *timer_cb[THROTTLE_MAX];
    void *timer_opaque;
} ThrottleTimers;

/** throttle_leak_bucket: let @delta_ns pass.  The levels do not go below 0. */
void throttle_leak_bucket(LeakyBucket *bkt, int64_t delta_ns);

/** throttle_compute_wait: ns until @bkt is not overfull; 0: now. */
int64_t throttle_compute_wait(LeakyBucket *bkt);

/** throttle_init: no limits. */
void throttle_init(ThrottleState *ts);

/** throttle_timers_init: callbacks for reads and writes that may go on; NULL: no such timer. */
void throttle_timers_init(ThrottleTimers *tt, AioContext *aio_context, QEMUClockType clock_type,
                          QEMUTimerCB *read_timer_cb, QEMUTimerCB *write_timer_cb,
                          void *timer_opaque);
/** throttle_timers_destroy: free the timers. */
void throttle_timers_destroy(ThrottleTimers *tt);
/** throttle_timers_detach_aio_context, _attach_: move to another loop; pending timers are lost. */
void throttle_timers_detach_aio_context(ThrottleTimers *tt);
void throttle_timers_attach_aio_context(ThrottleTimers *tt, AioContext *new_context);
/** throttle_timers_are_initialized: is any timer there? */
bool throttle_timers_are_initialized(ThrottleTimers *tt);

/** throttle_config_init: no limits, bursts of one second. */
void throttle_config_init(ThrottleConfig *cfg);
/** throttle_enabled: does @cfg limit anything? */
bool throttle_enabled(ThrottleConfig *cfg);
/** throttle_is_valid: can @cfg be obeyed?  False and @errp set if not. */
bool throttle_is_valid(ThrottleConfig *cfg, Error **errp);
/** throttle_config: @cfg from now on, buckets empty.  throttle_get_config: what is set. */
void throttle_config(ThrottleState *ts, QEMUClockType clock_type, ThrottleConfig *cfg);
void throttle_get_config(ThrottleState *ts, ThrottleConfig *cfg);

/**
 * throttle_schedule_timer: must a request of @direction wait?  Then its timer is armed (unless it
 * was) and true is returned.
 */
bool throttle_schedule_timer(ThrottleState *ts, ThrottleTimers *tt, ThrottleDirection direction);

/** throttle_account: a request of @size bytes is being done. */
void throttle_account(ThrottleState *ts, ThrottleDirection direction, uint64_t size);

#endif
