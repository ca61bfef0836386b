/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes: from any range to what the driver can take.
 *
 * Theory of operation
 *
 * A request comes with any offset and length. If both are multiples of the node's request
 * alignment, it goes to the driver as it is, cut where the driver has a limit; this is the fast
 * path and takes neither lock nor memory. A request that is not aligned, whose memory is not, or
 * that has too many elements goes through a bounce buffer, piece by piece. An unaligned write reads
 * the blocks that it covers in part first; so that no other write to such a block gets lost in
 * between, writes to nodes with an alignment above one byte are tracked, and overlapping ones wait
 * (serialise.c).
 *
 * A node may be read past its end, where it reads as zeroes; BlockBackends do not let their users
 * do that.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "block/block_int.h"
#include "block/io.h"

/* The most that a bounce buffer holds, in bytes. */
#define BOUNCE_MAX (1024 * 1024)

int bdrv_check_request(int64_t offset, int64_t bytes, Error **errp)
{
    if (offset < 0) {
        error_setg(errp, "offset is negative: %" PRIi64, offset);
    } else if (bytes < 0) {
        error_setg(errp, "bytes is negative: %" PRIi64, bytes);
    } else if (bytes > BDRV_MAX_LENGTH || offset > BDRV_MAX_LENGTH - bytes) {
        error_setg(errp, "range of %" PRIi64 " bytes at %" PRIi64 " ends beyond the largest length",
                   bytes, offset);
    } else {
        return 0;
    }
    return -EIO;
}

static bool check_rw(int64_t offset, int64_t bytes, QEMUIOVector *qiov, size_t qiov_offset)
{
    if (unlikely(offset < 0 || bytes < 0 || bytes > BDRV_REQUEST_MAX_BYTES ||
                 offset > BDRV_MAX_LENGTH - bytes)) {
        return false;
    }
    return !qiov || (qiov_offset <= qiov->size && bytes <= qiov->size - qiov_offset);
}

static inline bool is_aligned(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    return ((offset | bytes) & (bs->bl.request_alignment - 1)) == 0;
}

static int coroutine_fn call_driver(BlockDriverState *bs, const BdrvSpan *s, QEMUIOVector *qiov)
{
    if (s->write) {
        return bs->drv->bdrv_co_pwritev(bs, s->offset, s->bytes, qiov,
                                        s->flags & bs->supported_write_flags);
    }
    return bs->drv->bdrv_co_preadv(bs, s->offset, s->bytes, qiov,
                                   s->flags & bs->supported_read_flags);
}

static bool needs_bounce(BlockDriverState *bs, QEMUIOVector *qiov)
{
    return (bs->bl.max_iov && qiov->niov > bs->bl.max_iov) ||
           (bs->bl.min_mem_alignment > 1 && !bdrv_qiov_is_aligned(bs, qiov));
}

/* An aligned span through a buffer that is aligned; at most BOUNCE_MAX. */
static int coroutine_fn bounce_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    QEMU_AUTO_VFREE void *buf = qemu_try_blockalign(bs, s->bytes);
    QEMUIOVector qiov;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    qemu_iovec_init_buf(&qiov, buf, s->bytes);
    if (s->write) {
        qemu_iovec_to_buf(s->qiov, s->qiov_offset, buf, s->bytes);
        return call_driver(bs, s, &qiov);
    }
    ret = call_driver(bs, s, &qiov);
    if (ret >= 0) {
        qemu_iovec_from_buf(s->qiov, s->qiov_offset, buf, s->bytes);
    }
    return ret;
}

/* An aligned span that is no longer than the driver's limit. */
static int coroutine_fn rw_piece(BlockDriverState *bs, const BdrvSpan *s)
{
    QEMUIOVector slice;
    int ret;

    if (s->qiov_offset == 0 && s->bytes == s->qiov->size) {
        if (likely(!needs_bounce(bs, s->qiov))) {
            return call_driver(bs, s, s->qiov);
        }
        return bdrv_span_split(bs, s, BOUNCE_MAX, bounce_aligned);
    }
    qemu_iovec_init_slice(&slice, s->qiov, s->qiov_offset, s->bytes);
    if (needs_bounce(bs, &slice)) {
        ret = bdrv_span_split(bs, s, BOUNCE_MAX, bounce_aligned);
    } else {
        ret = call_driver(bs, s, &slice);
    }
    qemu_iovec_destroy(&slice);
    return ret;
}

int coroutine_fn bdrv_span_split(BlockDriverState *bs, const BdrvSpan *s, int64_t max,
                                 BdrvSpanFunc *func)
{
    BdrvSpan piece = *s;
    int64_t done;
    int ret;

    /* Pieces end at multiples of the limit's aligned part, so that all but the last stay aligned.
     */
    max = MAX(QEMU_ALIGN_DOWN(max, (int64_t)bs->bl.request_alignment),
              (int64_t)bs->bl.request_alignment);
    for (done = 0; done < s->bytes; done += piece.bytes) {
        int64_t into_block = (s->offset + done) & (bs->bl.request_alignment - 1);

        piece.offset = s->offset + done;
        piece.bytes = MIN(s->bytes - done, max - into_block);
        piece.qiov_offset = s->qiov_offset + done;
        ret = func(bs, &piece);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Any aligned span. */
static int coroutine_fn rw_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    if (likely(!bs->bl.max_transfer || s->bytes <= bs->bl.max_transfer)) {
        return rw_piece(bs, s);
    }
    return bdrv_span_split(bs, s, bs->bl.max_transfer, rw_piece);
}

/* Reads the aligned block at @offset, which may lie partly or wholly past the end, into @buf. */
static int coroutine_fn read_block(BlockDriverState *bs, int64_t offset, void *buf)
{
    int64_t align = bs->bl.request_alignment;
    QEMUIOVector qiov;
    BdrvSpan s = { .offset = offset, .bytes = align, .qiov = &qiov };

    qemu_iovec_init_buf(&qiov, buf, align);
    return bdrv_read_aligned(bs, &s);
}

int coroutine_fn bdrv_read_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t align = bs->bl.request_alignment;
    int64_t end = ROUND_UP(bdrv_getlength(bs), align);
    BdrvSpan inside = *s;
    int ret;

    if (likely(s->offset + s->bytes <= end)) {
        return rw_aligned(bs, s);
    }
    inside.bytes = MAX(0, end - s->offset);
    if (inside.bytes > 0) {
        ret = rw_aligned(bs, &inside);
        if (ret < 0) {
            return ret;
        }
    }
    qemu_iovec_memset(s->qiov, s->qiov_offset + inside.bytes, 0, s->bytes - inside.bytes);
    return 0;
}

/* At most BOUNCE_MAX bytes and two blocks more, any offset and length. */
static int coroutine_fn read_unaligned(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t align = bs->bl.request_alignment;
    int64_t start = ROUND_DOWN(s->offset, align);
    int64_t bytes = ROUND_UP(s->offset + s->bytes, align) - start;
    QEMU_AUTO_VFREE void *buf = qemu_try_blockalign(bs, bytes);
    QEMUIOVector qiov;
    BdrvSpan whole = { .offset = start, .bytes = bytes, .qiov = &qiov, .flags = s->flags };
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    qemu_iovec_init_buf(&qiov, buf, bytes);
    ret = bdrv_read_aligned(bs, &whole);
    if (ret >= 0) {
        qemu_iovec_from_buf(s->qiov, s->qiov_offset, (char *)buf + (s->offset - start), s->bytes);
    }
    return ret;
}

static void coroutine_fn debug_event(BlockDriverState *bs, BlkdebugEvent event)
{
    if (bs->drv->bdrv_co_debug_event) {
        bs->drv->bdrv_co_debug_event(bs, event);
    }
}

/* The blocks at the ends of a write of @bytes that it covers only in part, into @buf. */
static int coroutine_fn read_partial_blocks(BlockDriverState *bs, const BdrvSpan *s, int64_t start,
                                            int64_t bytes, char *buf)
{
    int64_t align = bs->bl.request_alignment;
    bool head = start != s->offset;
    bool tail = start + bytes != s->offset + s->bytes;
    int ret = 0;

    if (head) {
        debug_event(bs, BLKDEBUG_EVENT_PWRITEV_RMW_HEAD);
        ret = read_block(bs, start, buf);
        debug_event(bs, BLKDEBUG_EVENT_PWRITEV_RMW_AFTER_HEAD);
    }
    if (ret >= 0 && tail && !(head && bytes == align)) {
        debug_event(bs, BLKDEBUG_EVENT_PWRITEV_RMW_TAIL);
        ret = read_block(bs, start + bytes - align, buf + bytes - align);
        debug_event(bs, BLKDEBUG_EVENT_PWRITEV_RMW_AFTER_TAIL);
    }
    return ret;
}

int coroutine_fn bdrv_write_unaligned(BlockDriverState *bs, const BdrvSpan *s)
{
    int64_t align = bs->bl.request_alignment;
    int64_t start = ROUND_DOWN(s->offset, align);
    int64_t bytes = ROUND_UP(s->offset + s->bytes, align) - start;
    QEMU_AUTO_VFREE char *buf = qemu_try_blockalign(bs, bytes);
    QEMUIOVector qiov;
    BdrvSpan whole = *s;
    int ret = buf ? read_partial_blocks(bs, s, start, bytes, buf) : -ENOMEM;

    if (ret < 0) {
        return ret;
    }
    if (s->qiov) {
        qemu_iovec_to_buf(s->qiov, s->qiov_offset, buf + (s->offset - start), s->bytes);
    } else {
        memset(buf + (s->offset - start), 0, s->bytes);
    }
    qemu_iovec_init_buf(&qiov, buf, bytes);
    whole.offset = start;
    whole.bytes = bytes;
    whole.qiov = &qiov;
    whole.qiov_offset = 0;
    return rw_aligned(bs, &whole);
}

int coroutine_fn bdrv_co_preadv_part(BdrvChild *child, int64_t offset, int64_t bytes,
                                     QEMUIOVector *qiov, size_t qiov_offset, BdrvRequestFlags flags)
{
    BlockDriverState *bs = child->bs;
    BdrvSpan s = {
        .offset = offset, .bytes = bytes, .qiov = qiov, .qiov_offset = qiov_offset, .flags = flags
    };

    if (!check_rw(offset, bytes, qiov, qiov_offset)) {
        return -EIO;
    }
    if (bytes == 0) {
        return 0;
    }
    if (likely(is_aligned(bs, offset, bytes))) {
        return bdrv_read_aligned(bs, &s);
    }
    return bdrv_span_split(bs, &s, BOUNCE_MAX, read_unaligned);
}

static int coroutine_fn write_data(BlockDriverState *bs, const BdrvSpan *s)
{
    if (likely(is_aligned(bs, s->offset, s->bytes))) {
        return rw_aligned(bs, s);
    }
    return bdrv_span_split(bs, s, BOUNCE_MAX, bdrv_write_unaligned);
}

static int coroutine_fn write_tracked(BlockDriverState *bs, const BdrvSpan *s, BdrvSpanFunc *func)
{
    BdrvTrackedRequest req;
    int ret;

    bdrv_tracked_request_begin(&req, bs, s->offset, s->bytes);
    if (is_aligned(bs, s->offset, s->bytes)) {
        bdrv_wait_serialising_requests(&req);
    } else {
        bdrv_make_request_serialising(&req, bs->bl.request_alignment);
    }
    ret = func(bs, s);
    bdrv_tracked_request_end(&req);
    return ret;
}

void bdrv_note_write_end(BlockDriverState *bs, int64_t end)
{
    uint64_t highest = qatomic_read(&bs->wr_highest_offset);
    int64_t sectors = qatomic_read(&bs->total_sectors);
    int64_t needed = DIV_ROUND_UP(end, (int64_t)BDRV_SECTOR_SIZE);

    while (unlikely(highest < end)) {
        uint64_t seen = qatomic_cmpxchg(&bs->wr_highest_offset, highest, (uint64_t)end);

        highest = seen == highest ? end : seen;
    }
    while (unlikely(sectors < needed)) {
        int64_t seen = qatomic_cmpxchg(&bs->total_sectors, sectors, needed);

        sectors = seen == sectors ? needed : seen;
    }
}

int coroutine_fn bdrv_write_span(BlockDriverState *bs, const BdrvSpan *s, BdrvSpanFunc *func)
{
    int ret;

    if (bs->bl.request_alignment > 1) {
        ret = write_tracked(bs, s, func);
    } else {
        ret = func(bs, s);
    }
    if (ret >= 0) {
        bdrv_note_write_end(bs, s->offset + s->bytes);
        ret = 0;
    }
    return ret;
}

int bdrv_check_write_perm(BdrvChild *child, int64_t end)
{
    uint64_t perm = qatomic_read(&child->perm);

    if (unlikely(bdrv_is_read_only(child->bs))) {
        return -EPERM;
    }
    if (unlikely(!(perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)))) {
        return -EPERM;
    }
    if (unlikely(end > bdrv_getlength(child->bs) && !(perm & BLK_PERM_RESIZE))) {
        return -EIO;
    }
    return 0;
}

static bool write_is_zeroes(BlockDriverState *bs, const BdrvSpan *s)
{
    return bs->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF &&
           qemu_iovec_is_zero(s->qiov, s->qiov_offset, s->bytes);
}

int coroutine_fn bdrv_co_pwritev_part(BdrvChild *child, int64_t offset, int64_t bytes,
                                      QEMUIOVector *qiov, size_t qiov_offset,
                                      BdrvRequestFlags flags)
{
    BlockDriverState *bs = child->bs;
    BdrvSpan s = {
        .offset = offset,
        .bytes = bytes,
        .qiov = qiov,
        .qiov_offset = qiov_offset,
        .flags = flags,
        .write = true,
    };
    int ret;

    if (!check_rw(offset, bytes, qiov, qiov_offset)) {
        return -EIO;
    }
    ret = bdrv_check_write_perm(child, offset + bytes);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (unlikely(write_is_zeroes(bs, &s))) {
        if (bs->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP) {
            flags |= BDRV_REQ_MAY_UNMAP;
        }
        return bdrv_co_pwrite_zeroes(child, offset, bytes, flags);
    }
    ret = bdrv_write_span(bs, &s, write_data);
    if (ret == 0 && (flags & BDRV_REQ_FUA) && !(bs->supported_write_flags & BDRV_REQ_FUA)) {
        ret = bdrv_co_flush(bs);
    }
    return ret;
}

int coroutine_fn bdrv_co_preadv(BdrvChild *child, int64_t offset, int64_t bytes, QEMUIOVector *qiov,
                                BdrvRequestFlags flags)
{
    return bdrv_co_preadv_part(child, offset, bytes, qiov, 0, flags);
}

int coroutine_fn bdrv_co_pwritev(BdrvChild *child, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    return bdrv_co_pwritev_part(child, offset, bytes, qiov, 0, flags);
}

int coroutine_fn bdrv_co_pread(BdrvChild *child, int64_t offset, int64_t bytes, void *buf,
                               BdrvRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, bytes);

    return bdrv_co_preadv(child, offset, bytes, &qiov, flags);
}

int coroutine_fn bdrv_co_pwrite(BdrvChild *child, int64_t offset, int64_t bytes, const void *buf,
                                BdrvRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, bytes);

    return bdrv_co_pwritev(child, offset, bytes, &qiov, flags);
}
