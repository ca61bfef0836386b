/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw: another node as it is, or a window into it.
 *
 * Without offset and size every request goes through unchanged, and the length follows the other
 * node's. With offset (and size) requests are moved into the window. A window with a fixed size
 * keeps it for as long as the other node is long enough. It holds whole sectors: what is left over
 * at the end of the other node could be read, but a write of it would have to go past that end.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/module.h"
#include "block/block_int.h"
#include "block/medium.h"
#include "block/try-io.h"

typedef struct BDRVRawState {
    /* Constant; bytes. */
    int64_t offset;
    bool has_size;
    /* Atomic; bytes. Only with has_size. */
    int64_t size;
} BDRVRawState;

/* The length that the window has in a node of @file_length bytes, or -errno. */
static int64_t raw_window(BDRVRawState *s, int64_t file_length)
{
    int64_t size = qatomic_read(&s->size);

    if (file_length < 0) {
        return file_length;
    }
    if (file_length < s->offset) {
        return 0;
    }
    file_length = QEMU_ALIGN_DOWN(file_length - s->offset, (int64_t)BDRV_SECTOR_SIZE);
    return s->has_size ? MIN(size, file_length) : file_length;
}

static int raw_check_window(BlockDriverState *bs, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    int64_t length = bdrv_getlength(bs->file->bs);

    if (length < 0) {
        error_setg_errno(errp, -length, "Could not get image size");
        return length;
    }
    if (length < s->offset) {
        error_setg(errp,
                   "Offset (%" PRIi64 ") cannot be greater than size of the containing file "
                   "(%" PRIi64 ")",
                   s->offset, length);
        return -EINVAL;
    }
    if (s->has_size && s->size > length - s->offset) {
        error_setg(errp,
                   "The sum of offset (%" PRIi64 ") and size (%" PRIi64 ") has to be smaller "
                   "or equal to the  actual size of the containing file (%" PRIi64 ")",
                   s->offset, s->size, length);
        return -EINVAL;
    }
    return 0;
}

static int raw_options(BDRVRawState *s, const BlockdevOptionsRaw *o, Error **errp)
{
    s->offset = o->has_offset ? o->offset : 0;
    s->has_size = o->has_size;
    s->size = o->has_size ? o->size : 0;
    if (s->offset < 0 || s->size < 0) {
        error_setg(errp, "Parameter '%s' must not be negative", s->offset < 0 ? "offset" : "size");
        return -EINVAL;
    }
    if (s->has_size && !QEMU_IS_ALIGNED(s->size, (int64_t)BDRV_SECTOR_SIZE)) {
        error_setg(errp, "Specified size is not multiple of %llu",
                   (unsigned long long)BDRV_SECTOR_SIZE);
        return -EINVAL;
    }
    return 0;
}

/* A raw image has nothing of its own. */
static struct ImageInfoSpecific *raw_get_specific_info(BlockDriverState *bs)
{
    BlockDriverState *file = bs->file->bs;

    return file->drv->bdrv_get_specific_info ? file->drv->bdrv_get_specific_info(file) : NULL;
}

static BlockdevRef *raw_file_ref(const BlockdevOptions *opts)
{
    return opts->u.raw.file;
}

static int raw_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    int ret = raw_options(s, &opts->u.raw, errp);

    if (ret < 0) {
        return ret;
    }
    ret = bdrv_open_file_child(bs, opts->u.raw.file, "file", BDRV_CHILD_FILTERED, errp);
    if (ret < 0) {
        return ret;
    }
    g_free(bs->filename);
    bs->filename = g_strdup(bs->file->bs->filename);
    bs->supported_read_flags = bs->file->bs->supported_read_flags;
    bs->supported_write_flags = bs->file->bs->supported_write_flags;
    bs->supported_zero_flags = bs->file->bs->supported_zero_flags | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = bs->file->bs->supported_truncate_flags;
    return raw_check_window(bs, errp);
}

/* The place in the other node; -EINVAL when that would be outside the window. */
static int64_t raw_place(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    BDRVRawState *s = bs->opaque;

    if (s->has_size &&
        (offset > qatomic_read(&s->size) || bytes > qatomic_read(&s->size) - offset)) {
        return -EINVAL;
    }
    if (offset > BDRV_MAX_LENGTH - s->offset - bytes) {
        return -EINVAL;
    }
    return offset + s->offset;
}

static int coroutine_fn raw_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                      QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? place : bdrv_co_preadv(bs->file, place, bytes, qiov, flags);
}

static int coroutine_fn raw_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                       QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? place : bdrv_co_pwritev(bs->file, place, bytes, qiov, flags);
}

static int raw_try_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                          const struct iovec *iov, int niov)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? -EAGAIN : bdrv_try_preadv(bs->file, place, bytes, iov, niov);
}

static int raw_try_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                           const struct iovec *iov, int niov, BlkTryWrite *write)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? -EAGAIN : bdrv_try_pwritev(bs->file, place, bytes, iov, niov, write);
}

static int coroutine_fn raw_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                             BdrvRequestFlags flags)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? place : bdrv_co_pwrite_zeroes(bs->file, place, bytes, flags);
}

static int coroutine_fn raw_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? place : bdrv_co_pdiscard(bs->file, place, bytes);
}

static int coroutine_fn raw_co_secure_erase(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int64_t place = raw_place(bs, offset, bytes);

    return place < 0 ? place : bdrv_co_secure_erase(bs->file, place, bytes);
}

static int coroutine_fn raw_co_get_lifetime(BlockDriverState *bs, BlockLifetime *ret_lifetime)
{
    return bdrv_co_get_lifetime(bs->file, ret_lifetime);
}

static int64_t coroutine_fn raw_co_getlength(BlockDriverState *bs)
{
    return raw_window(bs->opaque, bdrv_getlength(bs->file->bs));
}

static int coroutine_fn raw_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                        PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    BDRVRawState *s = bs->opaque;

    if (s->has_size) {
        error_setg(errp, "Cannot resize fixed-size raw disks");
        return -ENOTSUP;
    }
    if (offset > BDRV_MAX_LENGTH - s->offset) {
        error_setg(errp, "Disk size too large for the chosen offset");
        return -EINVAL;
    }
    return bdrv_co_truncate(bs->file, offset + s->offset, exact, prealloc, flags, errp);
}

static void raw_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BDRVRawState *s = bs->opaque;

    /* Inside a window that begins in the middle of a block nothing is aligned there. */
    if (!QEMU_IS_ALIGNED(s->offset, (int64_t)bs->bl.request_alignment)) {
        bs->bl.request_alignment = 1;
        bs->bl.min_mem_alignment = 1;
    }
    if (bs->bl.max_secure_erase &&
        !QEMU_IS_ALIGNED(s->offset, (int64_t)bs->bl.secure_erase_alignment)) {
        bs->bl.max_secure_erase = 0;
    }
}

static BdrvPerms raw_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvPerms parents)
{
    BDRVRawState *s = bs->opaque;
    BdrvPerms needs = bdrv_default_perms(c->role, parents);

    /* Nobody may cut off the ground under a window. */
    if (s->offset || s->has_size) {
        needs.shared &= ~(uint64_t)BLK_PERM_RESIZE;
    }
    return needs;
}

static int64_t raw_get_allocated_file_size(BlockDriverState *bs)
{
    BlockDriverState *file = bs->file->bs;

    return file->drv->bdrv_get_allocated_file_size ? file->drv->bdrv_get_allocated_file_size(file)
                                                   : -ENOTSUP;
}

static BlockDriver bdrv_raw = {
    .format_name = "raw",
    .instance_size = sizeof(BDRVRawState),
    .bdrv_get_specific_info = raw_get_specific_info,
    .is_filter = true,
    .bdrv_file_ref = raw_file_ref,
    .bdrv_open = raw_open,
    .bdrv_refresh_limits = raw_refresh_limits,
    .bdrv_child_perm = raw_child_perm,
    .bdrv_co_preadv = raw_co_preadv,
    .bdrv_co_pwritev = raw_co_pwritev,
    .bdrv_try_preadv = raw_try_preadv,
    .bdrv_try_pwritev = raw_try_pwritev,
    .bdrv_co_pwrite_zeroes = raw_co_pwrite_zeroes,
    .bdrv_co_pdiscard = raw_co_pdiscard,
    .bdrv_co_secure_erase = raw_co_secure_erase,
    .bdrv_co_get_lifetime = raw_co_get_lifetime,
    .bdrv_co_getlength = raw_co_getlength,
    .bdrv_co_truncate = raw_co_truncate,
    .bdrv_get_allocated_file_size = raw_get_allocated_file_size,
};

static void bdrv_raw_init(void)
{
    bdrv_register(&bdrv_raw);
}
block_init(bdrv_raw_init);
