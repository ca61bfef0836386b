/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits on I/O that several users share: the groups, and whose turn it is.
 *
 * The turn of a direction belongs to a member from the moment its timer is armed until the request
 * that was let go has been counted; somebody has it exactly as long as a request waits. A request
 * that is let go by other means (disabled limits) returns its member's turn too.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/queue.h"
#include "qemu/str-hash.h"
#include "qemu/thread.h"
#include "block/aio-wait.h"
#include "block/throttle-groups.h"

struct ThrottleGroup {
    /* Constant. */
    char *name;
    QEMUClockType clock_type;
    /* Under groups_lock. */
    unsigned int refcnt;
    /* Under lock. */
    QemuMutex lock;
    ThrottleState ts;
    unsigned int members;
    ThrottleGroupMember *turn[THROTTLE_MAX]; /* NULL: nobody waits */
    /* Those with requests that wait, in the order of their turns. */
    QTAILQ_HEAD(, ThrottleGroupMember) waiting[THROTTLE_MAX];
};

static GHashTable *groups; /* by name; under groups_lock; NULL: none */
static QemuMutex groups_lock;

static void __attribute__((constructor)) throttle_groups_init(void)
{
    qemu_mutex_init(&groups_lock);
}

/* Groups */

static ThrottleGroup *group_of(ThrottleGroupMember *tgm)
{
    return container_of(tgm->throttle_state, ThrottleGroup, ts);
}

/* Under groups_lock. */
static ThrottleGroup *group_find(const char *name)
{
    return groups ? g_hash_table_lookup(groups, name) : NULL;
}

static ThrottleGroup *group_new(const char *name)
{
    ThrottleGroup *tg = g_new0(ThrottleGroup, 1);

    tg->name = g_strdup(name);
    tg->clock_type = QEMU_CLOCK_REALTIME;
    qemu_mutex_init(&tg->lock);
    throttle_init(&tg->ts);
    for (int i = 0; i < THROTTLE_MAX; i++) {
        QTAILQ_INIT(&tg->waiting[i]);
    }
    if (!groups) {
        groups = str_table_new();
    }
    g_hash_table_insert(groups, tg->name, tg);
    return tg;
}

static ThrottleGroup *group_get(const char *name)
{
    ThrottleGroup *tg;

    QEMU_LOCK_GUARD(&groups_lock);
    tg = group_find(name) ?: group_new(name);
    tg->refcnt++;
    return tg;
}

static void group_ref(ThrottleGroup *tg)
{
    QEMU_LOCK_GUARD(&groups_lock);
    tg->refcnt++;
}

static void group_unref(ThrottleGroup *tg)
{
    WITH_QEMU_LOCK_GUARD (&groups_lock) {
        if (--tg->refcnt > 0) {
            return;
        }
        g_hash_table_remove(groups, tg->name);
        if (!g_hash_table_size(groups)) {
            g_clear_pointer(&groups, g_hash_table_unref);
        }
    }
    assert(!tg->members);
    qemu_mutex_destroy(&tg->lock);
    g_free(tg->name);
    g_free(tg);
}

/* Turns; under the group's lock */

static void look_now(ThrottleGroup *tg, ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    timer_mod(tgm->throttle_timers.timers[direction], qemu_clock_get_ns(tg->clock_type));
}

static void give_turn(ThrottleGroup *tg, ThrottleDirection direction)
{
    ThrottleGroupMember *tgm;

    if (tg->turn[direction]) {
        return;
    }
    tgm = QTAILQ_FIRST(&tg->waiting[direction]);
    tg->turn[direction] = tgm;
    if (tgm && !throttle_schedule_timer(&tg->ts, &tgm->throttle_timers, direction)) {
        /* It is for the member's own context to let the request go. */
        look_now(tg, tgm, direction);
    }
}

static void return_turn(ThrottleGroup *tg, ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    if (tg->turn[direction] == tgm) {
        timer_del(tgm->throttle_timers.timers[direction]);
        tg->turn[direction] = NULL;
        if (tgm->pending_reqs[direction]) {
            QTAILQ_REMOVE(&tg->waiting[direction], tgm, waiting[direction]);
            QTAILQ_INSERT_TAIL(&tg->waiting[direction], tgm, waiting[direction]);
        }
    }
}

static void one_more_waits(ThrottleGroup *tg, ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    if (tgm->pending_reqs[direction]++ == 0) {
        QTAILQ_INSERT_TAIL(&tg->waiting[direction], tgm, waiting[direction]);
    }
}

static void one_goes_on(ThrottleGroup *tg, ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    if (--tgm->pending_reqs[direction] == 0) {
        QTAILQ_REMOVE(&tg->waiting[direction], tgm, waiting[direction]);
    }
    return_turn(tg, tgm, direction);
}

static bool limits_disabled(ThrottleGroupMember *tgm)
{
    return qatomic_read(&tgm->io_limits_disabled) > 0;
}

static bool must_wait(ThrottleGroup *tg, ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    if (limits_disabled(tgm)) {
        return false;
    }
    return tg->turn[direction] ||
           throttle_schedule_timer(&tg->ts, &tgm->throttle_timers, direction);
}

void coroutine_fn throttle_group_co_io_limits_intercept(ThrottleGroupMember *tgm, int64_t bytes,
                                                        ThrottleDirection direction)
{
    ThrottleGroup *tg = group_of(tgm);

    assert(bytes >= 0 && direction < THROTTLE_MAX);
    qemu_mutex_lock(&tg->lock);
    if (must_wait(tg, tgm, direction)) {
        one_more_waits(tg, tgm, direction);
        give_turn(tg, direction);
        qemu_co_queue_wait(&tgm->throttled_reqs[direction], &tg->lock);
        one_goes_on(tg, tgm, direction);
    }
    throttle_account(&tg->ts, direction, bytes);
    give_turn(tg, direction);
    qemu_mutex_unlock(&tg->lock);
}

/* Timers; the member's AioContext */

static void let_one_go(ThrottleGroupMember *tgm, ThrottleDirection direction)
{
    ThrottleGroup *tg = group_of(tgm);

    /* The request may be the last thing that keeps the member in the group. */
    group_ref(tg);
    qemu_mutex_lock(&tg->lock);
    if (tg->turn[direction] == tgm &&
        !throttle_schedule_timer(&tg->ts, &tgm->throttle_timers, direction)) {
        qemu_co_enter_next(&tgm->throttled_reqs[direction], &tg->lock);
    }
    qemu_mutex_unlock(&tg->lock);
    group_unref(tg);
}

static void read_timer_cb(void *opaque)
{
    let_one_go(opaque, THROTTLE_READ);
}

static void write_timer_cb(void *opaque)
{
    let_one_go(opaque, THROTTLE_WRITE);
}

/* Control */

void throttle_group_restart_tgm(ThrottleGroupMember *tgm)
{
    ThrottleGroup *tg;

    GLOBAL_STATE_CODE();
    if (!tgm->throttle_state) {
        return;
    }
    tg = group_of(tgm);
    QEMU_LOCK_GUARD(&tg->lock);
    for (int i = 0; i < THROTTLE_MAX; i++) {
        if (limits_disabled(tgm)) {
            qemu_co_enter_all(&tgm->throttled_reqs[i], &tg->lock);
        } else if (tg->turn[i]) {
            look_now(tg, tg->turn[i], i);
        }
    }
}

ThrottleGroup *throttle_group_new(const char *name)
{
    assert(!throttle_group_exists(name));
    return group_get(name);
}

void throttle_group_release(ThrottleGroup *tg)
{
    group_unref(tg);
}

bool throttle_group_exists(const char *name)
{
    QEMU_LOCK_GUARD(&groups_lock);
    return group_find(name);
}

bool throttle_group_has_members(ThrottleGroup *tg)
{
    QEMU_LOCK_GUARD(&tg->lock);
    return tg->members > 0;
}

void throttle_group_write_limits(ThrottleGroup *tg, ThrottleConfig *cfg)
{
    GLOBAL_STATE_CODE();
    QEMU_LOCK_GUARD(&tg->lock);
    throttle_config(&tg->ts, tg->clock_type, cfg);
    for (int i = 0; i < THROTTLE_MAX; i++) {
        if (tg->turn[i]) {
            look_now(tg, tg->turn[i], i);
        }
    }
}

void throttle_group_read_limits(ThrottleGroup *tg, ThrottleConfig *cfg)
{
    QEMU_LOCK_GUARD(&tg->lock);
    throttle_get_config(&tg->ts, cfg);
}

void throttle_group_config(ThrottleGroupMember *tgm, ThrottleConfig *cfg)
{
    ThrottleGroup *tg = group_of(tgm);

    GLOBAL_STATE_CODE();
    WITH_QEMU_LOCK_GUARD (&tg->lock) {
        throttle_config(&tg->ts, tg->clock_type, cfg);
    }
    throttle_group_restart_tgm(tgm);
}

void throttle_group_get_config(ThrottleGroupMember *tgm, ThrottleConfig *cfg)
{
    ThrottleGroup *tg = group_of(tgm);

    QEMU_LOCK_GUARD(&tg->lock);
    throttle_get_config(&tg->ts, cfg);
}

const char *throttle_group_get_name(ThrottleGroupMember *tgm)
{
    return tgm->throttle_state ? group_of(tgm)->name : NULL;
}

static void assert_nothing_waits(ThrottleGroupMember *tgm)
{
    for (int i = 0; i < THROTTLE_MAX; i++) {
        assert(!tgm->pending_reqs[i] && qemu_co_queue_empty(&tgm->throttled_reqs[i]));
    }
}

void throttle_group_register_tgm(ThrottleGroupMember *tgm, const char *groupname, AioContext *ctx)
{
    ThrottleGroup *tg = group_get(groupname);

    GLOBAL_STATE_CODE();
    assert(!tgm->throttle_state);
    tgm->aio_context = ctx;
    throttle_timers_init(&tgm->throttle_timers, ctx, tg->clock_type, read_timer_cb, write_timer_cb,
                         tgm);
    for (int i = 0; i < THROTTLE_MAX; i++) {
        qemu_co_queue_init(&tgm->throttled_reqs[i]);
        tgm->pending_reqs[i] = 0;
    }
    WITH_QEMU_LOCK_GUARD (&tg->lock) {
        tg->members++;
    }
    qatomic_set(&tgm->throttle_state, &tg->ts);
}

/* In a home that was left: a timer's callback that had begun by then ends before this. */
static void left_bh(void *opaque)
{
    ThrottleGroupMember *tgm = opaque;

    qatomic_dec(&tgm->homes_left);
    aio_wait_kick();
}

static void leave_home(ThrottleGroupMember *tgm)
{
    if (!in_aio_context_home_thread(tgm->aio_context)) {
        qatomic_inc(&tgm->homes_left);
        aio_bh_schedule_oneshot(tgm->aio_context, left_bh, tgm);
    }
    tgm->aio_context = NULL;
}

void throttle_group_unregister_tgm(ThrottleGroupMember *tgm)
{
    ThrottleGroup *tg;

    GLOBAL_STATE_CODE();
    if (!tgm->throttle_state) {
        return;
    }
    tg = group_of(tgm);
    WITH_QEMU_LOCK_GUARD (&tg->lock) {
        assert_nothing_waits(tgm);
        for (int i = 0; i < THROTTLE_MAX; i++) {
            assert(tg->turn[i] != tgm);
        }
        tg->members--;
        throttle_timers_destroy(&tgm->throttle_timers);
    }
    leave_home(tgm);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&tgm->homes_left));
    qatomic_set(&tgm->throttle_state, NULL);
    group_unref(tg);
}

void throttle_group_detach_aio_context(ThrottleGroupMember *tgm)
{
    ThrottleGroup *tg = group_of(tgm);

    GLOBAL_STATE_CODE();
    QEMU_LOCK_GUARD(&tg->lock);
    assert_nothing_waits(tgm);
    throttle_timers_detach_aio_context(&tgm->throttle_timers);
    leave_home(tgm);
}

void throttle_group_attach_aio_context(ThrottleGroupMember *tgm, AioContext *new_context)
{
    ThrottleGroup *tg = group_of(tgm);

    GLOBAL_STATE_CODE();
    QEMU_LOCK_GUARD(&tg->lock);
    throttle_timers_attach_aio_context(&tgm->throttle_timers, new_context);
    tgm->aio_context = new_context;
}
