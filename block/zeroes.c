/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests without data: write zeroes, discard, flush, truncate.
 *
 * Zero writes go to the driver where it knows a cheap way, and become writes of a zeroed buffer
 * where it does not. Discards are advice: what no driver can use is left out.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "block/io.h"
#include "trace.h"

/* The buffer of zeroes that a driver without zero writes gets; bytes. */
#define ZERO_BUFFER_MAX (1024 * 1024)

static int coroutine_fn write_zero_buffer(BlockDriverState *bs, const BdrvSpan *s)
{
    return bdrv_write_unaligned(bs, s);
}

static int coroutine_fn driver_zeroes(BlockDriverState *bs, const BdrvSpan *s)
{
    return bs->drv->bdrv_co_pwrite_zeroes(bs, s->offset, s->bytes,
                                          s->flags & bs->supported_zero_flags);
}

/* Cuts @s at the first and the last multiple of @align inside it; parts may be empty. */
static void cut_in_three(const BdrvSpan *s, int64_t align, BdrvSpan part[3])
{
    int64_t end = s->offset + s->bytes;
    int64_t mid_start = MIN(QEMU_ALIGN_UP(s->offset, align), end);
    int64_t mid_end = MAX(QEMU_ALIGN_DOWN(end, align), mid_start);

    part[0] = part[1] = part[2] = *s;
    part[0].bytes = mid_start - s->offset;
    part[1].offset = mid_start;
    part[1].bytes = mid_end - mid_start;
    part[2].offset = mid_end;
    part[2].bytes = end - mid_end;
}

/* @outer for the ends of @s that are not aligned to @align, @inner for what is between. */
static int coroutine_fn zero_in_three(BlockDriverState *bs, const BdrvSpan *s, int64_t align,
                                      BdrvSpanFunc *outer, BdrvSpanFunc *inner)
{
    BdrvSpan part[3];
    int ret = 0;

    cut_in_three(s, align, part);
    for (int i = 0; i < 3 && ret >= 0; i++) {
        if (part[i].bytes) {
            ret = (i == 1 ? inner : outer)(bs, &part[i]);
        }
    }
    return ret;
}

/* A range that is aligned to the request alignment, as data. */
static int coroutine_fn zero_by_buffer(BlockDriverState *bs, const BdrvSpan *s)
{
    if (s->flags & BDRV_REQ_NO_FALLBACK) {
        return -ENOTSUP;
    }
    return bdrv_span_split(bs, s, ZERO_BUFFER_MAX, write_zero_buffer);
}

/* A range that is aligned as the driver's zero writes like it. */
static int coroutine_fn zero_by_driver(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t max = MIN_NON_ZERO(bs->bl.max_pwrite_zeroes, (int64_t)BDRV_REQUEST_MAX_BYTES);
    int ret = -ENOTSUP;

    if (bs->drv->bdrv_co_pwrite_zeroes) {
        ret = bdrv_span_split(bs, s, max, driver_zeroes);
    }
    return ret == -ENOTSUP ? zero_by_buffer(bs, s) : ret;
}

/* A range that is aligned to the request alignment. */
static int coroutine_fn zero_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t align = MAX(bs->bl.pwrite_zeroes_alignment, bs->bl.request_alignment);

    return zero_in_three(bs, s, align, zero_by_buffer, zero_by_driver);
}

/* Any range: partial blocks at its ends are read, modified and written. */
static int coroutine_fn zero_any(BlockDriverState *bs, const BdrvSpan *s)
{
    return zero_in_three(bs, s, bs->bl.request_alignment, bdrv_write_unaligned, zero_aligned);
}

int coroutine_fn bdrv_co_pwrite_zeroes(BdrvChild *child, int64_t offset, int64_t bytes,
                                       BdrvRequestFlags flags)
{
    BlockDriverState *bs = child->bs;
    BdrvSpan s = { .offset = offset, .bytes = bytes, .flags = flags, .write = true };
    int ret = bdrv_check_request(offset, bytes, NULL);

    if (ret == 0) {
        ret = bdrv_check_write_perm(child, offset + bytes);
    }
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (!(bs->open_flags & BDRV_O_UNMAP)) {
        s.flags &= ~BDRV_REQ_MAY_UNMAP;
    }
    ret = bdrv_write_span(bs, &s, zero_any);
    /* Parts may have gone either way; only a flush is right for all of them. */
    if (ret == 0 && (flags & BDRV_REQ_FUA) &&
        !(bs->supported_zero_flags & bs->supported_write_flags & BDRV_REQ_FUA)) {
        ret = bdrv_co_flush(bs);
    }
    return ret;
}

static int coroutine_fn driver_discard(BlockDriverState *bs, const BdrvSpan *s)
{
    int ret = bs->drv->bdrv_co_pdiscard(bs, s->offset, s->bytes);

    return ret == -ENOTSUP ? 0 : ret;
}

static int coroutine_fn discard_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t max = MIN_NON_ZERO(bs->bl.max_pdiscard, (int64_t)BDRV_REQUEST_MAX_BYTES);

    return bdrv_span_split(bs, s, max, driver_discard);
}

int coroutine_fn bdrv_co_pdiscard(BdrvChild *child, int64_t offset, int64_t bytes)
{
    BlockDriverState *bs = child->bs;
    int64_t align = MAX(bs->bl.request_alignment, bs->bl.pdiscard_alignment);
    int ret = bdrv_check_request(offset, bytes, NULL);
    BdrvSpan s = { .write = true };
    int64_t end;

    if (ret == 0) {
        ret = bdrv_check_write_perm(child, offset + bytes);
    }
    if (ret < 0) {
        return ret;
    }
    s.offset = QEMU_ALIGN_UP(offset, align);
    end = QEMU_ALIGN_DOWN(offset + bytes, align);
    s.bytes = end - s.offset;
    if (s.bytes <= 0 || !(bs->open_flags & BDRV_O_UNMAP) || !bs->drv->bdrv_co_pdiscard) {
        return 0;
    }
    return bdrv_write_span(bs, &s, discard_aligned);
}

int coroutine_fn bdrv_co_flush(BlockDriverState *bs)
{
    int ret = 0;

    if (bdrv_is_read_only(bs)) {
        return 0;
    }
    if (bs->drv->bdrv_co_flush_to_disk && !(bs->open_flags & BDRV_O_NO_FLUSH)) {
        ret = bs->drv->bdrv_co_flush_to_disk(bs);
    }
    if (ret == 0 && bs->file) {
        ret = bdrv_co_flush(bs->file->bs);
    }
    return ret;
}

void bdrv_parent_cb_resize(BlockDriverState *bs)
{
    BdrvChild *c;

    GLOBAL_STATE_CODE();
    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (c->klass->resize) {
            c->klass->resize(c);
        }
    }
}

static void resize_bh(void *opaque)
{
    BlockDriverState *bs = opaque;

    bdrv_parent_cb_resize(bs);
    bdrv_dec_in_flight(bs);
}

/* The parents are told in the main loop, outside coroutines, since telling may poll. */
static void coroutine_fn schedule_resize_cb(BlockDriverState *bs)
{
    bdrv_inc_in_flight(bs);
    aio_bh_schedule_oneshot(qemu_get_aio_context(), resize_bh, bs);
}

static bool check_truncate(BdrvChild *child, int64_t offset, Error **errp)
{
    if (offset < 0) {
        error_setg(errp, "Image size cannot be negative");
    } else if (bdrv_check_request(offset, 0, errp) < 0) {
        return false;
    } else if (bdrv_is_read_only(child->bs)) {
        error_setg(errp, "Image is read-only");
    } else if (!(child->perm & BLK_PERM_RESIZE)) {
        error_setg(errp, "No permission to resize node '%s'", child->bs->node_name);
    } else if (!child->bs->drv->bdrv_co_truncate) {
        error_setg(errp, "Image format driver does not support resize");
    } else {
        return true;
    }
    return false;
}

int coroutine_fn bdrv_co_truncate(BdrvChild *child, int64_t offset, bool exact,
                                  PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    BlockDriverState *bs = child->bs;
    int64_t old_length = bdrv_getlength(bs);
    int ret;

    if (!check_truncate(child, offset, errp)) {
        return -EINVAL;
    }
    bdrv_inc_in_flight(bs);
    ret = bs->drv->bdrv_co_truncate(bs, offset, exact, prealloc,
                                    flags & bs->supported_truncate_flags, errp);
    if (ret == 0) {
        ret = bdrv_co_refresh_total_sectors(bs);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not refresh total sector count");
        }
    }
    if (ret == 0 && bdrv_getlength(bs) != old_length) {
        schedule_resize_cb(bs);
    }
    trace_bdrv_co_truncate(bs, old_length, offset, ret);
    bdrv_dec_in_flight(bs);
    return ret;
}
