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
#include "qemu/storage-call.h"
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
        bdrv_co_add_node(options, errp);
        return;
    }
    bs = bdrv_open_node(options, errp);
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

typedef struct Deletion {
    const char *node_name;
    Error **errp;
} Deletion;

/* Commands that wait may be overtaken: what is to be deleted is looked for only now. */
static void delete_node(void *opaque)
{
    Deletion *deletion = opaque;
    BlockDriverState *bs = find_deletable(deletion->node_name, deletion->errp);

    if (bs) {
        bs->monitor_owned = false;
        bdrv_unref(bs);
    }
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
    Deletion deletion = { node_name, errp };
    BlockDriverState *bs;

    if (!qemu_in_coroutine()) {
        delete_node(&deletion);
        return;
    }
    assert_coroutine_role();
    bs = find_deletable(node_name, errp);
    if (bs && co_finish(bs, errp)) {
        bdrv_co_leave(delete_node, &deletion);
    }
}

typedef struct Move {
    const char *node_name;
    const StrOrNull *iothread;
    bool force;
    Error **errp;
} Move;

static void move_node(void *opaque)
{
    Move *move = opaque;
    BlockDriverState *bs = bdrv_find_node(move->node_name);
    AioContext *ctx = qemu_get_aio_context();
    IOThread *object = NULL;

    if (!bs) {
        error_setg(move->errp, "Failed to find node with node-name='%s'", move->node_name);
        return;
    }
    if (!move->force && bdrv_has_blk(bs)) {
        error_setg(move->errp,
                   "Node %s is associated with a BlockBackend and could be in use (use "
                   "force=true to override this check)",
                   move->node_name);
        return;
    }
    if (move->iothread->type == QTYPE_QSTRING) {
        object = iothread_by_id(move->iothread->u.s);
        if (!object) {
            error_setg(move->errp, "Cannot find iothread %s", move->iothread->u.s);
            return;
        }
        ctx = iothread_get_aio_context(object);
    }
    if (bdrv_try_change_aio_context(bs, ctx, NULL, move->errp) == 0) {
        bs->placed = object;
    }
}

void coroutine_mixed_fn qmp_x_blockdev_set_iothread(const char *node_name, StrOrNull *iothread,
                                                    bool has_force, bool force, Error **errp)
{
    Move move = { node_name, iothread, has_force && force, errp };

    bdrv_command_settled(bdrv_find_node(node_name), move_node, &move, errp);
}
