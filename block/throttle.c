/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle: hands requests on to another node, no faster than its throttle group may.
 *
 * The node is one member of the group, whichever threads its requests come in. While it is drained
 * its limits do not count: what waits is done, and not held back for longer than a drain may last.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "block/block_int.h"
#include "block/medium.h"
#include "block/throttle-groups.h"

static BlockdevRef *throttle_file_ref(const BlockdevOptions *opts)
{
    return opts->u.throttle.file;
}

static int throttle_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    const BlockdevOptionsThrottle *o = &opts->u.throttle;
    ThrottleGroupMember *tgm = bs->opaque;
    int ret;

    if (!throttle_group_exists(o->throttle_group)) {
        error_setg(errp, "Throttle group '%s' does not exist", o->throttle_group);
        return -EINVAL;
    }
    ret = bdrv_open_file_child(bs, o->file, "file", BDRV_CHILD_FILTERED, errp);
    if (ret < 0) {
        return ret;
    }
    g_free(bs->filename);
    bs->filename = g_strdup(bs->file->bs->filename);
    bs->supported_read_flags = bs->file->bs->supported_read_flags;
    bs->supported_write_flags = bs->file->bs->supported_write_flags;
    bs->supported_zero_flags = bs->file->bs->supported_zero_flags | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = bs->file->bs->supported_truncate_flags;
    throttle_group_register_tgm(tgm, o->throttle_group, bdrv_get_aio_context(bs));
    return 0;
}

static void throttle_close(BlockDriverState *bs)
{
    throttle_group_unregister_tgm(bs->opaque);
}

static int coroutine_fn throttle_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                           QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    throttle_group_co_io_limits_intercept(bs->opaque, bytes, THROTTLE_READ);
    return bdrv_co_preadv(bs->file, offset, bytes, qiov, flags);
}

static int coroutine_fn throttle_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                            QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    throttle_group_co_io_limits_intercept(bs->opaque, bytes, THROTTLE_WRITE);
    return bdrv_co_pwritev(bs->file, offset, bytes, qiov, flags);
}

static int coroutine_fn throttle_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset,
                                                  int64_t bytes, BdrvRequestFlags flags)
{
    throttle_group_co_io_limits_intercept(bs->opaque, bytes, THROTTLE_WRITE);
    return bdrv_co_pwrite_zeroes(bs->file, offset, bytes, flags);
}

static int coroutine_fn throttle_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    throttle_group_co_io_limits_intercept(bs->opaque, bytes, THROTTLE_WRITE);
    return bdrv_co_pdiscard(bs->file, offset, bytes);
}

static int coroutine_fn throttle_co_secure_erase(BlockDriverState *bs, int64_t offset,
                                                 int64_t bytes)
{
    throttle_group_co_io_limits_intercept(bs->opaque, bytes, THROTTLE_WRITE);
    return bdrv_co_secure_erase(bs->file, offset, bytes);
}

static int coroutine_fn throttle_co_get_lifetime(BlockDriverState *bs, BlockLifetime *ret_lifetime)
{
    return bdrv_co_get_lifetime(bs->file, ret_lifetime);
}

static int coroutine_fn throttle_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                             PreallocMode prealloc, BdrvRequestFlags flags,
                                             Error **errp)
{
    return bdrv_co_truncate(bs->file, offset, exact, prealloc, flags, errp);
}

static void throttle_drain_begin(BlockDriverState *bs)
{
    ThrottleGroupMember *tgm = bs->opaque;

    qatomic_inc(&tgm->io_limits_disabled);
    throttle_group_restart_tgm(tgm);
}

static void throttle_drain_end(BlockDriverState *bs)
{
    ThrottleGroupMember *tgm = bs->opaque;

    qatomic_dec(&tgm->io_limits_disabled);
}

static void throttle_detach_aio_context(BlockDriverState *bs)
{
    throttle_group_detach_aio_context(bs->opaque);
}

static void throttle_attach_aio_context(BlockDriverState *bs, AioContext *new_context)
{
    throttle_group_attach_aio_context(bs->opaque, new_context);
}

static int64_t throttle_get_allocated_file_size(BlockDriverState *bs)
{
    BlockDriverState *file = bs->file->bs;

    return file->drv->bdrv_get_allocated_file_size ? file->drv->bdrv_get_allocated_file_size(file)
                                                   : -ENOTSUP;
}

static BlockDriver bdrv_throttle = {
    .format_name = "throttle",
    .instance_size = sizeof(ThrottleGroupMember),
    .is_filter = true,
    .bdrv_file_ref = throttle_file_ref,
    .bdrv_open = throttle_open,
    .bdrv_close = throttle_close,
    .bdrv_co_preadv = throttle_co_preadv,
    .bdrv_co_pwritev = throttle_co_pwritev,
    .bdrv_co_pwrite_zeroes = throttle_co_pwrite_zeroes,
    .bdrv_co_pdiscard = throttle_co_pdiscard,
    .bdrv_co_secure_erase = throttle_co_secure_erase,
    .bdrv_co_get_lifetime = throttle_co_get_lifetime,
    .bdrv_co_truncate = throttle_co_truncate,
    .bdrv_drain_begin = throttle_drain_begin,
    .bdrv_drain_end = throttle_drain_end,
    .bdrv_detach_aio_context = throttle_detach_aio_context,
    .bdrv_attach_aio_context = throttle_attach_aio_context,
    .bdrv_get_allocated_file_size = throttle_get_allocated_file_size,
};

static void bdrv_throttle_init(void)
{
    bdrv_register(&bdrv_throttle);
}
block_init(bdrv_throttle_init);
