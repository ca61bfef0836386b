/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor's commands that make, delete and move nodes. Main loop. In a coroutine they
 * wait for storage first (block/command-wait.h), and outside of one where they have to.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-core.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "block/command-wait.h"
#include "block/prepare.h"
#include "block/storage-call.h"
#include "system/block-backend.h"
#include "system/iothread.h"

void coroutine_mixed_fn qmp_blockdev_add(BlockdevOptions *options, Error **errp)
{
    BlockDriverState *bs;

    if (!options->node_name) {
        error_setg(errp, "'node-name' must be specified for the root node");
        return;
    }
    if (qemu_in_coroutine()) {
        assert_coroutine_role();
        bs = bdrv_co_open_node(options, errp);
    } else {
        bs = bdrv_open_node(options, errp);
    }
    if (bs) {
        bs->monitor_owned = true;
    }
}

/* The node if it can be deleted. */
static BlockDriverState *find_deletable(const char *node_name, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(node_name);

    if (!bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", node_name);
    } else if (bdrv_has_blk(bs)) {
        error_setg(errp, "Node %s is in use", node_name);
    } else if (!bs->monitor_owned) {
        error_setg(errp, "Node %s is not owned by the monitor", node_name);
    } else if (bs->refcnt > 1) {
        error_setg(errp, "Block device %s is in use", node_name);
    } else {
        return bs;
    }
    return NULL;
}

static void delete_node(void *opaque)
{
    BlockDriverState *bs = opaque;

    bs->monitor_owned = false;
    bdrv_unref(bs);
}

static void coroutine_fn flush_entry(void *opaque)
{
    bdrv_co_flush(opaque);
}

static void unref_node(void *opaque)
{
    bdrv_unref(opaque);
}

static void flush_given_up(void *opaque)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), unref_node, opaque);
}

/* Nothing is left to wait for when @bs is closed; an error is told then. */
static bool coroutine_fn co_finish(BlockDriverState *bs, Error **errp)
{
    BdrvSettled *settled = bdrv_co_settle(bs, errp);
    bool done = settled;

    if (done && !bdrv_is_read_only(bs)) {
        bdrv_ref(bs);
        done = bdrv_co_within(bs, flush_entry, bs, STORAGE_SLOW_MS, flush_given_up, errp);
        if (done) {
            /* The monitor has a reference still: another command finds this one in use. */
            bdrv_unref(bs);
        }
    }
    bdrv_unsettle(settled);
    return done;
}

void coroutine_mixed_fn qmp_blockdev_del(const char *node_name, Error **errp)
{
    BlockDriverState *bs = find_deletable(node_name, errp);

    if (!bs) {
        return;
    }
    if (!qemu_in_coroutine()) {
        delete_node(bs);
        return;
    }
    assert_coroutine_role();
    if (co_finish(bs, errp) && (bs = find_deletable(node_name, errp))) {
        bdrv_co_leave(delete_node, bs);
    }
}

typedef struct Move {
    BlockDriverState *bs;
    AioContext *ctx;
    bool placed;
    Error **errp;
} Move;

static void move_node(void *opaque)
{
    Move *move = opaque;

    if (bdrv_try_change_aio_context(move->bs, move->ctx, NULL, move->errp) == 0) {
        move->bs->placed = move->placed;
    }
}

/* What is asked for; false with @errp. */
static bool find_move(Move *move, const char *node_name, const StrOrNull *iothread, bool force,
                      Error **errp)
{
    IOThread *object = NULL;

    *move = (Move){ .bs = bdrv_find_node(node_name), .errp = errp };
    if (!move->bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", node_name);
        return false;
    }
    if (!force && bdrv_has_blk(move->bs)) {
        error_setg(errp,
                   "Node %s is associated with a BlockBackend and could be in use (use "
                   "force=true to override this check)",
                   node_name);
        return false;
    }
    if (iothread->type == QTYPE_QSTRING) {
        object = iothread_by_id(iothread->u.s);
        if (!object) {
            error_setg(errp, "Cannot find iothread %s", iothread->u.s);
            return false;
        }
    }
    move->placed = object;
    move->ctx = object ? iothread_get_aio_context(object) : qemu_get_aio_context();
    return true;
}

void coroutine_mixed_fn qmp_x_blockdev_set_iothread(const char *node_name, StrOrNull *iothread,
                                                    bool has_force, bool force, Error **errp)
{
    BdrvSettled *settled;
    Move move;

    force = has_force && force;
    if (!find_move(&move, node_name, iothread, force, errp)) {
        return;
    }
    if (!qemu_in_coroutine()) {
        move_node(&move);
        return;
    }
    assert_coroutine_role();
    settled = bdrv_co_settle(move.bs, errp);
    /* The IOThread may have gone meanwhile; the node is ours. */
    if (settled && find_move(&move, node_name, iothread, force, errp)) {
        bdrv_co_leave(move_node, &move);
    }
    bdrv_unsettle(settled);
}
