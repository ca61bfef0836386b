/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that are done at once or not at all; see the header. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/timer.h"
#include "block/backend.h"
#include "block/block_int.h"
#include "block/io.h"
#include "block/try-io.h"

int bdrv_try_preadv(BdrvChild *child, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov)
{
    BlockDriverState *bs = child->bs;

    if (!bs->drv->bdrv_try_preadv) {
        return -EAGAIN;
    }
    return bs->drv->bdrv_try_preadv(bs, offset, bytes, iov, niov);
}

/* Blocks that are written in part have to be read first, and zeroes to be looked for. */
static bool write_is_plain(BlockDriverState *bs)
{
    return bs->bl.request_alignment == 1 && bs->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF;
}

int bdrv_try_pwritev(BdrvChild *child, int64_t offset, int64_t bytes, const struct iovec *iov,
                     int niov, BlkTryWrite *write)
{
    BlockDriverState *bs = child->bs;
    int ret;

    if (!bs->drv->bdrv_try_pwritev || !write_is_plain(bs) ||
        bdrv_check_write_perm(child, offset + bytes) < 0) {
        return -EAGAIN;
    }
    ret = bs->drv->bdrv_try_pwritev(bs, offset, bytes, iov, niov, write);
    if (ret == 0 || ret == -EINPROGRESS) {
        bdrv_note_write_end(bs, offset + bytes);
    }
    return ret;
}

void blk_try_begin(BlkTryBatch *batch, BlockBackend *blk)
{
    *batch = (BlkTryBatch){ .blk = blk, .root = qatomic_read(&blk->root) };
    if (batch->root) {
        batch->length = bdrv_getlength(batch->root->bs);
        if (qatomic_read(&blk->public.throttle_group_member.throttle_state)) {
            batch->root = NULL;
        }
    }
}

/* The first of a batch looks at the clock; it has not been begun long before. */
static inline bool try_allowed(BlkTryBatch *batch, int64_t offset, int64_t bytes)
{
    if (unlikely(!batch->root || offset < 0 || bytes <= 0 || bytes > batch->length ||
                 offset > batch->length - bytes)) {
        return false;
    }
    if (unlikely(!batch->begun)) {
        batch->begun = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    }
    return true;
}

int blk_try_preadv(BlkTryBatch *batch, int64_t offset, int64_t bytes, const struct iovec *iov,
                   int niov)
{
    int ret;

    if (!try_allowed(batch, offset, bytes)) {
        return -EAGAIN;
    }
    ret = bdrv_try_preadv(batch->root, offset, bytes, iov, niov);
    if (ret == 0) {
        batch->reads++;
        batch->read_bytes += bytes;
    }
    return ret;
}

int blk_try_pwritev(BlkTryBatch *batch, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov, BlkTryWrite *write)
{
    int ret;

    /* Write-through needs a flush after each. */
    if (!try_allowed(batch, offset, bytes) || !qatomic_read(&batch->blk->enable_write_cache)) {
        return -EAGAIN;
    }
    ret = bdrv_try_pwritev(batch->root, offset, bytes, iov, niov, write);
    if (ret == 0) {
        batch->writes++;
        batch->written_bytes += bytes;
    } else if (ret == -EINPROGRESS) {
        write->blk = batch->blk;
        write->begun = batch->begun;
    }
    return ret;
}

void blk_try_write_done(const BlkTryWrite *write)
{
    BlockAcctStats *stats = &write->blk->stats;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    block_acct_add(stats, BLOCK_ACCT_WRITE, 1, write->bytes, now - write->begun);
    block_acct_touch(stats, now);
}

void blk_try_end(BlkTryBatch *batch)
{
    uint64_t n = batch->reads + batch->writes;
    BlockAcctStats *stats = &batch->blk->stats;
    int64_t now;

    if (n == 0) {
        return;
    }
    now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    if (batch->reads) {
        block_acct_add(stats, BLOCK_ACCT_READ, batch->reads, batch->read_bytes,
                       (now - batch->begun) * batch->reads / n);
    }
    if (batch->writes) {
        block_acct_add(stats, BLOCK_ACCT_WRITE, batch->writes, batch->written_bytes,
                       (now - batch->begun) * batch->writes / n);
    }
    block_acct_touch(stats, now);
}
