/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's commands that make, delete, resize and move nodes. Main loop, outside coroutines.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-core.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "system/block-backend.h"
#include "system/iothread.h"

void qmp_blockdev_add(BlockdevOptions *options, Error **errp)
{
    BlockDriverState *bs;

    if (!options->node_name) {
        error_setg(errp, "'node-name' must be specified for the root node");
        return;
    }
    bs = bdrv_open_node(options, errp);
    if (bs) {
        bs->monitor_owned = true;
    }
}

void qmp_blockdev_del(const char *node_name, Error **errp)
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
        bs->monitor_owned = false;
        bdrv_unref(bs);
    }
}

void qmp_block_resize(const char *device, const char *node_name, int64_t size, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(device, node_name, errp);
    BlockBackend *blk;

    if (!bs) {
        return;
    }
    if (size < 0) {
        error_setg(errp, "Parameter 'size' expects a >0 size");
        return;
    }
    blk = blk_new_with_bs(bs, BLK_PERM_RESIZE, BLK_PERM_ALL, errp);
    if (!blk) {
        return;
    }
    blk_set_allow_aio_context_change(blk, true);
    bdrv_drained_begin(bs);
    blk_truncate(blk, size, false, PREALLOC_MODE_OFF, 0, errp);
    bdrv_drained_end(bs);
    blk_unref(blk);
}

void qmp_x_blockdev_set_iothread(const char *node_name, StrOrNull *iothread, bool has_force,
                                 bool force, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(node_name);
    IOThread *object = NULL;
    AioContext *ctx = qemu_get_aio_context();

    if (!bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", node_name);
        return;
    }
    if (!(has_force && force) && bdrv_has_blk(bs)) {
        error_setg(errp,
                   "Node %s is associated with a BlockBackend and could be in use (use "
                   "force=true to override this check)",
                   node_name);
        return;
    }
    if (iothread->type == QTYPE_QSTRING) {
        object = iothread_by_id(iothread->u.s);
        if (!object) {
            error_setg(errp, "Cannot find iothread %s", iothread->u.s);
            return;
        }
        ctx = iothread_get_aio_context(object);
    }
    if (bdrv_try_change_aio_context(bs, ctx, NULL, errp) == 0) {
        bs->placed = object != NULL;
    }
}
