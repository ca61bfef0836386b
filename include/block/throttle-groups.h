/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits on I/O (qemu/throttle.h) that several users share.
 *
 * Theory of operation
 *
 * A group is a name and one set of buckets; it lives as long as it has members, or as the object
 * that made it (throttle-group-object.c). A request of a
 * member asks before it is done: it goes on at once when no bucket is overfull and nobody waits,
 * otherwise it joins its member's queue. In each direction one of the members with waiting requests
 * has the turn: its timer is armed for the moment when the buckets allow a request, and lets one
 * go, in the member's AioContext. Then the turn goes to the next member, round and round, so
 * that a busy one cannot starve the others.
 *
 * While a member's limits are disabled (a drain), its requests are counted but do not wait.
 */
#ifndef THROTTLE_GROUPS_H
#define THROTTLE_GROUPS_H

#include "block/block_int.h"
#include "qemu/coroutine.h"
#include "qemu/throttle.h"
#include "qom/object.h"

typedef struct ThrottleGroup ThrottleGroup;

/* Embedded in the user, all zero at first. */
typedef struct ThrottleGroupMember {
    /* Main loop: the home of the timers; the group's state, NULL when in no group. */
    AioContext *aio_context;
    ThrottleState *throttle_state;
    ThrottleTimers throttle_timers;
    /* Atomic: the limits count while this is 0. Follow an increment by
     * throttle_group_restart_tgm().
     */
    unsigned int io_limits_disabled;
    /* Atomic: homes that the timers have left and whose threads have not been heard of since. */
    unsigned int homes_left;
    /* Under the group's lock: who waits, and how many have not yet gone on. */
    CoQueue throttled_reqs[THROTTLE_MAX];
    unsigned int pending_reqs[THROTTLE_MAX];
    QTAILQ_ENTRY(ThrottleGroupMember) waiting[THROTTLE_MAX]; /* while pending_reqs is not 0 */
} ThrottleGroupMember;

/*
 * The control side: main loop's thread.
 */

/**
 * throttle_group_register_tgm: make @tgm, which is in no group, a member of @groupname.
 * A group of that name is made when there is none, without limits. @ctx: where the timers run.
 */
void throttle_group_register_tgm(ThrottleGroupMember *tgm, const char *groupname, AioContext *ctx);

/**
 * throttle_group_unregister_tgm: leave the group; the last one takes it away.
 * Nothing waits any more (drain first). Polls until no other thread that the timers have ever run
 * in can still be in one of their callbacks; @tgm may be freed then. A member of
 * no group is ignored.
 */
void throttle_group_unregister_tgm(ThrottleGroupMember *tgm);

/**
 * throttle_group_new: a group without limits, kept until throttle_group_release(). No group has
 * that name yet.
 */
ThrottleGroup *throttle_group_new(const char *name);
void throttle_group_release(ThrottleGroup *tg);

/** throttle_group_exists: is there a group of that name? Any thread. */
bool throttle_group_exists(const char *name);

/** throttle_group_has_members: is anybody limited by it? */
bool throttle_group_has_members(ThrottleGroup *tg);

/**
 * throttle_group_write_limits, throttle_group_read_limits: as throttle_group_config() and
 * _get_config(), without a member.
 */
void throttle_group_write_limits(ThrottleGroup *tg, ThrottleConfig *cfg);
void throttle_group_read_limits(ThrottleGroup *tg, ThrottleConfig *cfg);

/** throttle_group_get_name: the group's name; NULL when in none. Lives as long as the group. */
const char *throttle_group_get_name(ThrottleGroupMember *tgm);

/** throttle_group_config: @cfg, a valid one, is every member's from now on; the buckets are empty.
 */
void throttle_group_config(ThrottleGroupMember *tgm, ThrottleConfig *cfg);

/** throttle_group_get_config: the group's limits and how full the buckets are. Any thread. */
void throttle_group_get_config(ThrottleGroupMember *tgm, ThrottleConfig *cfg);

/**
 * throttle_group_detach_aio_context, throttle_group_attach_aio_context: move the timers.
 * Nothing waits (drain first).
 */
void throttle_group_detach_aio_context(ThrottleGroupMember *tgm);
void throttle_group_attach_aio_context(ThrottleGroupMember *tgm, AioContext *new_context);

/**
 * throttle_group_restart_tgm: look again. When @tgm's limits are disabled all that wait go on,
 * else whoever has the turn looks at the buckets now. A member of no group is ignored.
 */
void throttle_group_restart_tgm(ThrottleGroupMember *tgm);

/**
 * throttle_group_co_io_limits_intercept: a request of @bytes bytes is about to be done.
 * Yields until the limits allow it, and counts it. Any thread; @tgm stays in its group meanwhile.
 */
void coroutine_fn throttle_group_co_io_limits_intercept(ThrottleGroupMember *tgm, int64_t bytes,
                                                        ThrottleDirection direction);

#endif
