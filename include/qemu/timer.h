/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks and timers.
 *
 * Theory of operation
 *
 * A timer belongs to a list, a list to one clock and one AioContext (or to the main loop's group).
 * The context's loop sleeps no longer than its lists' next deadlines and runs what has expired;
 * arming a timer from another thread wakes it.  A timer fires once; its callback may arm it
 * again or free it.
 */
#ifndef QEMU_TIMER_H
#define QEMU_TIMER_H

#include "qemu/typedefs.h"

#define NANOSECONDS_PER_SECOND 1000000000LL

/* Units of a timer's expiry time, in nanoseconds. */
#define SCALE_MS 1000000
#define SCALE_US 1000
#define SCALE_NS 1

/**
 * QEMU_CLOCK_REALTIME: monotonic time of the host.  QEMU_CLOCK_VIRTUAL and _VIRTUAL_RT: time of
 * the device, which in a process without a guest never stops: monotonic as well.
 * QEMU_CLOCK_HOST: the wall clock, which may jump.
 */
typedef enum {
    QEMU_CLOCK_REALTIME = 0,
    QEMU_CLOCK_VIRTUAL = 1,
    QEMU_CLOCK_HOST = 2,
    QEMU_CLOCK_VIRTUAL_RT = 3,
    QEMU_CLOCK_MAX
} QEMUClockType;

/* Attributes that QEMU gives to timers; kept, without effect here. */
#define QEMU_TIMER_ATTR_EXTERNAL (1 << 0)
#define QEMU_TIMER_ATTR_ALL      0xffffffff

typedef struct QEMUTimerList QEMUTimerList;
typedef void QEMUTimerCB(void *opaque);
/* The first deadline of a list has moved forward: wake the loop.  Any thread. */
typedef void QEMUTimerListNotifyCB(void *opaque, QEMUClockType type);

struct QEMUTimerListGroup {
    QEMUTimerList *tl[QEMU_CLOCK_MAX];
};
typedef struct QEMUTimerListGroup QEMUTimerListGroup;

struct QEMUTimer {
    int64_t expire_time; /* ns; -1: not pending; atomic */
    QEMUTimerList *timer_list;
    QEMUTimerCB *cb;
    void *opaque;
    uint64_t seq;     /* order among equal expiry times; list lock */
    size_t heap_slot; /* where in the list's heap; list lock */
    int attributes;
    int scale;
};

/* The lists of timers without an AioContext of their own: the main loop's. */
extern QEMUTimerListGroup main_loop_tlg;

/* Clocks.  Any thread. */

/** qemu_clock_get_ns, _us, _ms: what time it is on @type. */
int64_t qemu_clock_get_ns(QEMUClockType type);

static inline int64_t qemu_clock_get_ms(QEMUClockType type)
{
    return qemu_clock_get_ns(type) / SCALE_MS;
}

static inline int64_t qemu_clock_get_us(QEMUClockType type)
{
    return qemu_clock_get_ns(type) / SCALE_US;
}

/** get_clock: monotonic ns.  get_clock_realtime: wall clock ns since 1970. */
int64_t get_clock(void);
int64_t get_clock_realtime(void);

/** qemu_init_clocks: make main_loop_tlg; @notify_cb wakes the main loop.  Once, main thread. */
void qemu_init_clocks(QEMUTimerListNotifyCB *notify_cb);

/** qemu_clock_has_timers: is a timer pending on the main loop's list of @type? */
bool qemu_clock_has_timers(QEMUClockType type);

/** qemu_clock_deadline_ns_all: ns to the first timer of @type over all lists; -1: none. */
int64_t qemu_clock_deadline_ns_all(QEMUClockType type, int attr_mask);

/** qemu_clock_notify: wake every loop that has a list of @type. */
void qemu_clock_notify(QEMUClockType type);

/** qemu_clock_run_timers: run what has expired on the main loop's list of @type. */
bool qemu_clock_run_timers(QEMUClockType type);
/** qemu_clock_run_all_timers: likewise for all clocks.  True if a callback ran. */
bool qemu_clock_run_all_timers(void);

/* Lists */

/** timerlist_new: a list of clock @type; @cb(@opaque) wakes its loop.  timerlist_free: no timer
 * may be pending. */
QEMUTimerList *timerlist_new(QEMUClockType type, QEMUTimerListNotifyCB *cb, void *opaque);
void timerlist_free(QEMUTimerList *timer_list);
/** timerlist_has_timers: one is pending.  timerlist_expired: one is due. */
bool timerlist_has_timers(QEMUTimerList *timer_list);
bool timerlist_expired(QEMUTimerList *timer_list);
/** timerlist_deadline_ns: ns to the first timer, 0 if due, -1 if none.  Any thread. */
int64_t timerlist_deadline_ns(QEMUTimerList *timer_list);
/** timerlist_run_timers: run what is due now; true if a callback ran.  The list's home thread. */
bool timerlist_run_timers(QEMUTimerList *timer_list);
/** timerlist_notify: wake the list's loop. */
void timerlist_notify(QEMUTimerList *timer_list);

/** timerlistgroup_init: one list of each clock.  The others work on each list in turn. */
void timerlistgroup_init(QEMUTimerListGroup *tlg, QEMUTimerListNotifyCB *cb, void *opaque);
void timerlistgroup_deinit(QEMUTimerListGroup *tlg);
bool timerlistgroup_run_timers(QEMUTimerListGroup *tlg);
int64_t timerlistgroup_deadline_ns(QEMUTimerListGroup *tlg);

/* Timers */

/**
 * timer_init_full: prepare @ts on @group's list of @type (NULL: the main loop's), not pending.
 * @scale: the unit of timer_mod()'s time, in ns.  Any thread.
 */
void timer_init_full(QEMUTimer *ts, QEMUTimerListGroup *group, QEMUClockType type, int scale,
                     int attributes, QEMUTimerCB *cb, void *opaque);

static inline void timer_init(QEMUTimer *ts, QEMUClockType type, int scale, QEMUTimerCB *cb,
                              void *opaque)
{
    timer_init_full(ts, NULL, type, scale, 0, cb, opaque);
}

static inline void timer_init_ns(QEMUTimer *ts, QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_NS, cb, opaque);
}

static inline void timer_init_us(QEMUTimer *ts, QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_US, cb, opaque);
}

static inline void timer_init_ms(QEMUTimer *ts, QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    timer_init(ts, type, SCALE_MS, cb, opaque);
}

/** timer_new_full: timer_init_full() on the heap; ended by timer_free(). */
static inline QEMUTimer *timer_new_full(QEMUTimerListGroup *group, QEMUClockType type, int scale,
                                        int attributes, QEMUTimerCB *cb, void *opaque)
{
    QEMUTimer *ts = g_new0(QEMUTimer, 1);

    timer_init_full(ts, group, type, scale, attributes, cb, opaque);
    return ts;
}

static inline QEMUTimer *timer_new(QEMUClockType type, int scale, QEMUTimerCB *cb, void *opaque)
{
    return timer_new_full(NULL, type, scale, 0, cb, opaque);
}

static inline QEMUTimer *timer_new_ns(QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    return timer_new(type, SCALE_NS, cb, opaque);
}

static inline QEMUTimer *timer_new_us(QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    return timer_new(type, SCALE_US, cb, opaque);
}

static inline QEMUTimer *timer_new_ms(QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    return timer_new(type, SCALE_MS, cb, opaque);
}

/** timer_deinit: forget the list; @ts is not pending. */
void timer_deinit(QEMUTimer *ts);

/** timer_del: not pending any more; a callback that has begun is not waited for.  Any thread. */
void timer_del(QEMUTimer *ts);

/** timer_free: timer_del() and free; NULL is ignored.  Any thread, likewise. */
static inline void timer_free(QEMUTimer *ts)
{
    if (ts) {
        timer_del(ts);
        g_free(ts);
    }
}

/** timer_mod_ns: fire when the clock reaches @expire_time ns, instead of before.  Any thread. */
void timer_mod_ns(QEMUTimer *ts, int64_t expire_time);

/** timer_mod_anticipate_ns: timer_mod_ns() unless already due earlier.  Any thread. */
void timer_mod_anticipate_ns(QEMUTimer *ts, int64_t expire_time);

/** timer_mod, timer_mod_anticipate: likewise in the timer's own unit. */
void timer_mod(QEMUTimer *ts, int64_t expire_time);
void timer_mod_anticipate(QEMUTimer *ts, int64_t expire_time);

/** timer_pending: is it armed?  timer_expired: is it due at @current_time (in its unit)? */
bool timer_pending(QEMUTimer *ts);
bool timer_expired(QEMUTimer *ts, int64_t current_time);

/** timer_expire_time_ns: when it fires; -1: not pending.  timer_expire_time_ms: likewise. */
uint64_t timer_expire_time_ns(QEMUTimer *ts);

/** qemu_soonest_timeout: the shorter of two times to sleep, where -1 is without end. */
static inline int64_t qemu_soonest_timeout(int64_t timeout1, int64_t timeout2)
{
    return (uint64_t)timeout1 < (uint64_t)timeout2 ? timeout1 : timeout2;
}

/** qemu_timeout_ns_to_ms: rounded up, so that no loop spins; -1 stays -1; at most INT_MAX. */
int qemu_timeout_ns_to_ms(int64_t ns);

/** qemu_poll_ns: ppoll() with a time in ns; -1: without end. */
int qemu_poll_ns(GPollFD *fds, guint nfds, int64_t timeout);

#endif
