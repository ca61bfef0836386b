/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening nodes from their typed options.
 *
 * Theory of operation
 *
 * BlockdevOptions come checked from a visitor. The options that all drivers share become open
 * flags; what an inline child leaves open it inherits from its parent. Then the driver opens the
 * node, and its children through bdrv_open_child(). A node can be found by name only after all of
 * that went well; if something fails, the node and the children that it opened are gone again.
 * What a driver has to wait for has happened before (prepare.h).
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "block/io.h"
#include "block/node.h"
#include "block/prepare.h"
#include "system/block-backend.h"
#include "trace.h"

static void set_flag(int *flags, int flag, bool on)
{
    *flags = on ? *flags | flag : *flags & ~flag;
}

int bdrv_flags_of_options(const BlockdevOptions *o, int inherited)
{
    int flags = inherited;

    if (o->has_read_only) {
        set_flag(&flags, BDRV_O_RDWR, !o->read_only);
    }
    if (o->has_auto_read_only) {
        set_flag(&flags, BDRV_O_AUTO_RDONLY, o->auto_read_only);
    }
    if (o->has_discard) {
        set_flag(&flags, BDRV_O_UNMAP, o->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP);
    }
    if (o->cache && o->cache->has_direct) {
        set_flag(&flags, BDRV_O_NOCACHE, o->cache->direct);
    }
    if (o->cache && o->cache->has_no_flush) {
        set_flag(&flags, BDRV_O_NO_FLUSH, o->cache->no_flush);
    }
    if (o->has_force_share) {
        set_flag(&flags, BDRV_O_FORCE_SHARE, o->force_share);
    }
    return flags;
}

static bool check_common_options(const BlockdevOptions *o, int flags, Error **errp)
{
    if (o->has_active && !o->active) {
        error_setg(errp, "Parameter 'active' must be on: nodes cannot be inactive");
        return false;
    }
    if ((flags & BDRV_O_FORCE_SHARE) && (flags & BDRV_O_RDWR)) {
        error_setg(errp, "force-share=on can only be used with read-only images");
        return false;
    }
    if (o->has_detect_zeroes && o->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP &&
        !(flags & BDRV_O_UNMAP)) {
        error_setg(errp, "setting detect-zeroes to unmap is not allowed without setting discard "
                         "operation to unmap");
        return false;
    }
    return true;
}

int bdrv_flags_for_child(int flags)
{
    /* The parent has already decided about discards; they must get through. */
    return (flags | BDRV_O_UNMAP) & ~(BDRV_O_NATIVE_AIO | BDRV_O_IO_URING);
}

static void set_open_error(int ret, const BlockdevOptions *o, Error *reason, Error **errp)
{
    if (reason) {
        error_propagate(errp, reason);
    } else {
        error_setg_errno(errp, -ret, "Could not open %s node", BlockdevDriver_str(o->driver));
    }
}

static int open_driver(BlockDriverState *bs, BlockdevOptions *o, int flags, Error **errp)
{
    Error *local_err = NULL;
    int ret;

    bs->open_flags = flags;
    bs->force_share = flags & BDRV_O_FORCE_SHARE;
    bs->detect_zeroes =
        o->has_detect_zeroes ? o->detect_zeroes : BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF;
    ret = bs->drv->bdrv_open(bs, o, flags, &local_err);
    if (ret < 0) {
        set_open_error(ret, o, local_err, errp);
        return ret;
    }
    assert(!local_err);
    if ((flags & BDRV_O_AUTO_RDONLY) && bs->file && bdrv_is_read_only(bs->file->bs)) {
        bs->open_flags &= ~BDRV_O_RDWR;
    }

    ret = bdrv_refresh_total_sectors(bs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not refresh total sector count");
    } else {
        bdrv_refresh_limits(bs, &local_err);
        ret = local_err ? -EINVAL : 0;
        error_propagate(errp, local_err);
    }
    if (ret < 0 && bs->drv->bdrv_close) {
        bs->drv->bdrv_close(bs);
    }
    return ret;
}

BlockDriverState *bdrv_open_inherit(BlockdevOptions *options, int parent_flags, Error **errp)
{
    BlockDriver *drv = bdrv_find_format(BlockdevDriver_str(options->driver));
    int flags = bdrv_flags_of_options(options, parent_flags);
    void *prepared = NULL;
    BlockDriverState *bs;

    GLOBAL_STATE_CODE();
    if (!drv) {
        error_setg(errp, "Unknown driver '%s'", BlockdevDriver_str(options->driver));
        return NULL;
    }
    if (!check_common_options(options, flags, errp)) {
        return NULL;
    }
    if (drv->bdrv_prepare && !(prepared = bdrv_take_prepared(drv, options, flags, errp))) {
        return NULL;
    }
    bs = bdrv_new_node(drv, options->node_name, errp);
    if (!bs) {
        bdrv_drop_prepared(drv, prepared);
        return NULL;
    }
    bs->prepared = prepared;
    if (open_driver(bs, options, flags, errp) < 0) {
        bdrv_free_node(bs);
        return NULL;
    }
    bdrv_driver_complete(bs);
    trace_bdrv_open_node(bs, bs->node_name, drv->format_name, bs->open_flags);
    return bs;
}

BlockDriverState *bdrv_open_node(BlockdevOptions *options, Error **errp)
{
    return bdrv_open_inherit(options, BDRV_O_RDWR, errp);
}

BdrvChild *bdrv_open_child(BlockDriverState *parent, BlockdevRef *ref, const char *name,
                           BdrvChildRole role, Error **errp)
{
    BlockDriverState *bs;

    if (ref->type == QTYPE_QSTRING) {
        bs = bdrv_lookup_bs(ref->u.reference, ref->u.reference, errp);
        if (bs) {
            bdrv_ref(bs);
        }
    } else {
        bs = bdrv_open_inherit(&ref->u.definition, bdrv_flags_for_child(parent->open_flags), errp);
    }
    return bs ? bdrv_attach_child(parent, bs, name, role, errp) : NULL;
}

int bdrv_open_file_child(BlockDriverState *parent, BlockdevRef *ref, const char *name,
                         BdrvChildRole role, Error **errp)
{
    parent->file = bdrv_open_child(parent, ref, name, role | BDRV_CHILD_PRIMARY, errp);
    return parent->file ? 0 : -EINVAL;
}

/* The smaller limit wins, 0 being none; alignments take the larger. */
static void merge_limits(BlockLimits *dst, const BlockLimits *src)
{
    dst->request_alignment = MAX(dst->request_alignment, src->request_alignment);
    dst->max_transfer = MIN_NON_ZERO(dst->max_transfer, src->max_transfer);
    dst->opt_transfer = MAX(dst->opt_transfer, src->opt_transfer);
    dst->min_mem_alignment = MAX(dst->min_mem_alignment, src->min_mem_alignment);
    dst->opt_mem_alignment = MAX(dst->opt_mem_alignment, src->opt_mem_alignment);
    dst->max_iov = MIN_NON_ZERO(dst->max_iov, src->max_iov);
}

void bdrv_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BdrvChild *c;

    GLOBAL_STATE_CODE();
    bs->bl = (BlockLimits){
        .request_alignment = 1,
        .min_mem_alignment = 1,
        .opt_mem_alignment = qemu_real_host_page_size(),
    };
    QLIST_FOREACH (c, &bs->children, next) {
        merge_limits(&bs->bl, &c->bs->bl);
    }
    if (bs->drv->is_filter && bs->file) {
        bs->bl.max_secure_erase = bs->file->bs->bl.max_secure_erase;
        bs->bl.secure_erase_alignment = bs->file->bs->bl.secure_erase_alignment;
        bs->bl.has_lifetime = bs->file->bs->bl.has_lifetime;
    }
    if (bs->drv->bdrv_refresh_limits) {
        bs->drv->bdrv_refresh_limits(bs, errp);
    }
    bdrv_refresh_medium_limits(bs);
    assert(is_power_of_2(bs->bl.request_alignment));
}

const char *bdrv_get_node_name(const BlockDriverState *bs)
{
    return bs ? bs->node_name : "";
}

const char *bdrv_get_device_or_node_name(const BlockDriverState *bs)
{
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (!c->klass->parent_is_bds && *blk_name(c->opaque)) {
            return blk_name(c->opaque);
        }
    }
    return bs->node_name;
}

const char *bdrv_get_format_name(BlockDriverState *bs)
{
    return bs->drv->format_name;
}

int bdrv_get_flags(BlockDriverState *bs)
{
    return bs->open_flags;
}

bool bdrv_is_read_only(BlockDriverState *bs)
{
    return !(bs->open_flags & BDRV_O_RDWR);
}

const char *bdrv_read_only_reason(BlockDriverState *bs)
{
    for (; bs; bs = child_bs(bs->file)) {
        if (bs->read_only_reason) {
            return bs->read_only_reason;
        }
    }
    return NULL;
}

bool bdrv_is_inserted(BlockDriverState *bs)
{
    return bs->opened;
}

bool bdrv_can_write_zeroes_with_unmap(BlockDriverState *bs)
{
    return (bs->open_flags & BDRV_O_UNMAP) && (bs->supported_zero_flags & BDRV_REQ_MAY_UNMAP);
}
