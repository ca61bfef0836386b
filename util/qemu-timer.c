/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers: a heap for each list, ordered by expiry time and then by the order of arming.
 *
 * Theory of operation
 *
 * A list's lock protects its heap; the first expiry time is also kept in an atomic, so that a loop
 * without timers neither locks nor reads a clock.  Running takes one timer at a time off the heap
 * and calls it without the lock.  What a callback arms runs in the next round even if it is due
 * at once, so that the loop's other work has its turn.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include <poll.h>

#define NOT_PENDING   (-1)
#define NEVER         INT64_MAX
#define HEAP_CHILDREN 4

struct QEMUTimerList {
    QEMUClockType type;
    QEMUTimerListNotifyCB *notify_cb;
    void *notify_opaque;
    QLIST_ENTRY(QEMUTimerList) next; /* clocks_lock */

    int64_t first; /* atomic: expiry time of heap[0], or NEVER */

    QemuMutex lock;
    GPtrArray *heap; /* QEMUTimer */
    uint64_t seq;    /* of the last arming */
};

QEMUTimerListGroup main_loop_tlg;

static QemuMutex clocks_lock; /* the list below */
static QLIST_HEAD(, QEMUTimerList) clock_lists[QEMU_CLOCK_MAX];

static void __attribute__((constructor)) clocks_setup(void)
{
    qemu_mutex_init(&clocks_lock);
}

/* Clocks */

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

int64_t get_clock(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t get_clock_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t qemu_clock_get_ns(QEMUClockType type)
{
    return type == QEMU_CLOCK_HOST ? get_clock_realtime() : get_clock();
}

void qemu_init_clocks(QEMUTimerListNotifyCB *notify_cb)
{
    timerlistgroup_init(&main_loop_tlg, notify_cb, NULL);
}

bool qemu_clock_has_timers(QEMUClockType type)
{
    return timerlist_has_timers(main_loop_tlg.tl[type]);
}

bool qemu_clock_run_timers(QEMUClockType type)
{
    return timerlist_run_timers(main_loop_tlg.tl[type]);
}

bool qemu_clock_run_all_timers(void)
{
    return timerlistgroup_run_timers(&main_loop_tlg);
}

int64_t qemu_clock_deadline_ns_all(QEMUClockType type, int attr_mask)
{
    int64_t deadline = -1;
    QEMUTimerList *list;

    QEMU_LOCK_GUARD(&clocks_lock);
    QLIST_FOREACH (list, &clock_lists[type], next) {
        deadline = qemu_soonest_timeout(deadline, timerlist_deadline_ns(list));
    }
    return deadline;
}

void qemu_clock_notify(QEMUClockType type)
{
    QEMUTimerList *list;

    QEMU_LOCK_GUARD(&clocks_lock);
    QLIST_FOREACH (list, &clock_lists[type], next) {
        timerlist_notify(list);
    }
}

/* The heap.  Under the list's lock. */

static bool fires_before(const QEMUTimer *a, const QEMUTimer *b)
{
    return a->expire_time != b->expire_time ? a->expire_time < b->expire_time : a->seq < b->seq;
}

static void heap_put(QEMUTimerList *list, size_t slot, QEMUTimer *ts)
{
    g_ptr_array_index(list->heap, slot) = ts;
    ts->heap_slot = slot;
}

static QEMUTimer *heap_at(QEMUTimerList *list, size_t slot)
{
    return g_ptr_array_index(list->heap, slot);
}

static void heap_rise(QEMUTimerList *list, QEMUTimer *ts)
{
    size_t slot = ts->heap_slot;

    while (slot > 0) {
        size_t parent = (slot - 1) / HEAP_CHILDREN;

        if (!fires_before(ts, heap_at(list, parent))) {
            break;
        }
        heap_put(list, slot, heap_at(list, parent));
        slot = parent;
    }
    heap_put(list, slot, ts);
}

static size_t heap_first_child(QEMUTimerList *list, size_t slot)
{
    size_t first = slot * HEAP_CHILDREN + 1, best = first;
    size_t end = MIN(first + HEAP_CHILDREN, (size_t)list->heap->len);

    for (size_t i = first + 1; i < end; i++) {
        if (fires_before(heap_at(list, i), heap_at(list, best))) {
            best = i;
        }
    }
    return best;
}

static void heap_sink(QEMUTimerList *list, QEMUTimer *ts)
{
    size_t slot = ts->heap_slot;

    for (;;) {
        size_t child = heap_first_child(list, slot);

        if (child >= list->heap->len || !fires_before(heap_at(list, child), ts)) {
            break;
        }
        heap_put(list, slot, heap_at(list, child));
        slot = child;
    }
    heap_put(list, slot, ts);
}

static void list_update_first(QEMUTimerList *list)
{
    qatomic_set(&list->first, list->heap->len ? heap_at(list, 0)->expire_time : NEVER);
}

static void list_remove(QEMUTimerList *list, QEMUTimer *ts)
{
    QEMUTimer *last = heap_at(list, list->heap->len - 1);

    if (ts->expire_time == NOT_PENDING) {
        return;
    }
    g_ptr_array_set_size(list->heap, list->heap->len - 1);
    if (last != ts) {
        last->heap_slot = ts->heap_slot;
        heap_rise(list, last);
        heap_sink(list, last);
    }
    qatomic_set(&ts->expire_time, NOT_PENDING);
    list_update_first(list);
}

/* True if @ts is now the first to fire. */
static bool list_insert(QEMUTimerList *list, QEMUTimer *ts, int64_t expire_time)
{
    qatomic_set(&ts->expire_time, MAX(expire_time, 0));
    ts->seq = ++list->seq;
    ts->heap_slot = list->heap->len;
    g_ptr_array_add(list->heap, ts);
    heap_rise(list, ts);
    list_update_first(list);
    return ts->heap_slot == 0;
}

/* Lists */

QEMUTimerList *timerlist_new(QEMUClockType type, QEMUTimerListNotifyCB *cb, void *opaque)
{
    QEMUTimerList *list = g_new0(QEMUTimerList, 1);

    list->type = type;
    list->notify_cb = cb;
    list->notify_opaque = opaque;
    list->first = NEVER;
    list->heap = g_ptr_array_new();
    qemu_mutex_init(&list->lock);
    QEMU_LOCK_GUARD(&clocks_lock);
    QLIST_INSERT_HEAD(&clock_lists[type], list, next);
    return list;
}

void timerlist_free(QEMUTimerList *list)
{
    assert(!timerlist_has_timers(list));
    WITH_QEMU_LOCK_GUARD (&clocks_lock) {
        QLIST_REMOVE(list, next);
    }
    qemu_mutex_destroy(&list->lock);
    g_ptr_array_free(list->heap, TRUE);
    g_free(list);
}

bool timerlist_has_timers(QEMUTimerList *list)
{
    return qatomic_read(&list->first) != NEVER;
}

bool timerlist_expired(QEMUTimerList *list)
{
    return timerlist_deadline_ns(list) == 0;
}

int64_t timerlist_deadline_ns(QEMUTimerList *list)
{
    int64_t first = qatomic_read(&list->first);

    return first == NEVER ? -1 : MAX(first - qemu_clock_get_ns(list->type), 0);
}

void timerlist_notify(QEMUTimerList *list)
{
    if (list->notify_cb) {
        list->notify_cb(list->notify_opaque, list->type);
    }
}

/* What a timer does. */
typedef struct Expired {
    QEMUTimerCB *cb;
    void *opaque;
} Expired;

/*
 * Takes the first timer off the list if it is due at @now and was armed up to @last. Another thread
 * may free it as soon as the lock is gone.
 */
static bool take_expired(QEMUTimerList *list, int64_t now, uint64_t last, Expired *ret_expired)
{
    QEMUTimer *ts;

    QEMU_LOCK_GUARD(&list->lock);
    ts = list->heap->len ? heap_at(list, 0) : NULL;
    if (!ts || ts->expire_time > now || ts->seq > last) {
        return false;
    }
    *ret_expired = (Expired){ ts->cb, ts->opaque };
    list_remove(list, ts);
    return true;
}

bool timerlist_run_timers(QEMUTimerList *list)
{
    bool progress = false;
    Expired expired;
    uint64_t last;
    int64_t now;

    if (!timerlist_has_timers(list)) {
        return false;
    }
    now = qemu_clock_get_ns(list->type);
    WITH_QEMU_LOCK_GUARD (&list->lock) {
        last = list->seq;
    }
    while (take_expired(list, now, last, &expired)) {
        expired.cb(expired.opaque);
        progress = true;
    }
    return progress;
}

void timerlistgroup_init(QEMUTimerListGroup *tlg, QEMUTimerListNotifyCB *cb, void *opaque)
{
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        tlg->tl[type] = timerlist_new(type, cb, opaque);
    }
}

void timerlistgroup_deinit(QEMUTimerListGroup *tlg)
{
    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        timerlist_free(tlg->tl[type]);
        tlg->tl[type] = NULL;
    }
}

bool timerlistgroup_run_timers(QEMUTimerListGroup *tlg)
{
    bool progress = false;

    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        progress |= timerlist_run_timers(tlg->tl[type]);
    }
    return progress;
}

int64_t timerlistgroup_deadline_ns(QEMUTimerListGroup *tlg)
{
    int64_t deadline = -1;

    for (int type = 0; type < QEMU_CLOCK_MAX; type++) {
        deadline = qemu_soonest_timeout(deadline, timerlist_deadline_ns(tlg->tl[type]));
    }
    return deadline;
}

/* Timers */

void timer_init_full(QEMUTimer *ts, QEMUTimerListGroup *group, QEMUClockType type, int scale,
                     int attributes, QEMUTimerCB *cb, void *opaque)
{
    *ts = (QEMUTimer){
        .timer_list = (group ?: &main_loop_tlg)->tl[type],
        .cb = cb,
        .opaque = opaque,
        .scale = scale,
        .attributes = attributes,
        .expire_time = NOT_PENDING,
    };
}

void timer_deinit(QEMUTimer *ts)
{
    assert(!timer_pending(ts));
    ts->timer_list = NULL;
}

void timer_del(QEMUTimer *ts)
{
    QEMUTimerList *list = ts->timer_list;

    if (list) {
        QEMU_LOCK_GUARD(&list->lock);
        if (ts->expire_time != NOT_PENDING) {
            list_remove(list, ts);
        }
    }
}

static void timer_arm(QEMUTimer *ts, int64_t expire_time, bool only_earlier)
{
    QEMUTimerList *list = ts->timer_list;
    bool first = false;

    WITH_QEMU_LOCK_GUARD (&list->lock) {
        bool pending = ts->expire_time != NOT_PENDING;

        if (pending && only_earlier && ts->expire_time <= expire_time) {
            return;
        }
        if (pending) {
            list_remove(list, ts);
        }
        first = list_insert(list, ts, expire_time);
    }
    if (first) {
        timerlist_notify(list);
    }
}

void timer_mod_ns(QEMUTimer *ts, int64_t expire_time)
{
    timer_arm(ts, expire_time, false);
}

void timer_mod_anticipate_ns(QEMUTimer *ts, int64_t expire_time)
{
    timer_arm(ts, expire_time, true);
}

static int64_t to_ns(const QEMUTimer *ts, int64_t time)
{
    return time > NEVER / ts->scale - 1 ? NEVER - 1 : time * ts->scale;
}

void timer_mod(QEMUTimer *ts, int64_t expire_time)
{
    timer_mod_ns(ts, to_ns(ts, expire_time));
}

void timer_mod_anticipate(QEMUTimer *ts, int64_t expire_time)
{
    timer_mod_anticipate_ns(ts, to_ns(ts, expire_time));
}

bool timer_pending(QEMUTimer *ts)
{
    return qatomic_read(&ts->expire_time) != NOT_PENDING;
}

bool timer_expired(QEMUTimer *ts, int64_t current_time)
{
    int64_t expire_time = qatomic_read(&ts->expire_time);

    return expire_time != NOT_PENDING && expire_time <= to_ns(ts, current_time);
}

uint64_t timer_expire_time_ns(QEMUTimer *ts)
{
    return qatomic_read(&ts->expire_time);
}

/* Sleeping */

int qemu_timeout_ns_to_ms(int64_t ns)
{
    if (ns < 0) {
        return -1;
    }
    return MIN(DIV_ROUND_UP(MIN(ns, NEVER - SCALE_MS), SCALE_MS), (int64_t)INT_MAX);
}

int qemu_poll_ns(GPollFD *fds, guint nfds, int64_t timeout)
{
    struct timespec ts = {
        .tv_sec = timeout / NANOSECONDS_PER_SECOND,
        .tv_nsec = timeout % NANOSECONDS_PER_SECOND,
    };

    return ppoll((struct pollfd *)fds, nfds, timeout < 0 ? NULL : &ts, NULL);
}
