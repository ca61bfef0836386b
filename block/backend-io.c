/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests through BlockBackends, in any thread.
 *
 * Theory of operation
 *
 * A request first counts itself in flight in the slot of its thread and then looks whether the node
 * is drained; the main loop first marks the BlockBackend drained and then looks at the counts. So
 * either the request sees the drain and steps back into the queue, or the drain sees the request
 * and waits. A request leaves the slot that it entered, wherever it ends, so each slot's number is
 * exact.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/backend.h"
#include "block/medium.h"

/* In flight */

static inline void blk_slot_inc(BlockBackend *blk, unsigned slot)
{
    qatomic_inc(&blk->in_flight[slot].n);
    smp_mb__after_rmw();
}

static inline void blk_slot_dec(BlockBackend *blk, unsigned slot)
{
    qatomic_dec(&blk->in_flight[slot].n);
    smp_mb__after_rmw();
    if (unlikely(qatomic_read(&blk->quiesce_counter))) {
        aio_wait_kick();
    }
}

void blk_inc_in_flight(BlockBackend *blk)
{
    blk_slot_inc(blk, 0);
}

void blk_dec_in_flight(BlockBackend *blk)
{
    blk_slot_dec(blk, 0);
}

bool blk_has_in_flight(BlockBackend *blk)
{
    smp_mb();
    for (int i = 0; i < BLOCK_ACCT_SLOTS; i++) {
        if (qatomic_load_acquire(&blk->in_flight[i].n)) {
            return true;
        }
    }
    return false;
}

unsigned blk_in_flight(BlockBackend *blk)
{
    unsigned sum = 0;

    for (int i = 0; i < BLOCK_ACCT_SLOTS; i++) {
        sum += qatomic_read(&blk->in_flight[i].n);
    }
    return sum;
}

void blk_wake_queued_requests(BlockBackend *blk)
{
    qemu_mutex_lock(&blk->queue_lock);
    while (qemu_co_enter_next(&blk->queued_requests, &blk->queue_lock)) {
        /* Each goes on in the context where it waits. */
    }
    qemu_mutex_unlock(&blk->queue_lock);
}

static inline bool blk_held_back(BlockBackend *blk)
{
    return unlikely(qatomic_read(&blk->quiesce_counter)) &&
           !qatomic_read(&blk->disable_request_queuing);
}

/* Counts a request in, after the end of a drain if there is one. The slot to leave. */
static unsigned coroutine_fn blk_enter(BlockBackend *blk)
{
    unsigned slot = block_thread_slot();

    blk_slot_inc(blk, slot);
    while (blk_held_back(blk)) {
        blk_slot_dec(blk, slot);
        qemu_mutex_lock(&blk->queue_lock);
        if (blk_held_back(blk)) {
            qemu_co_queue_wait(&blk->queued_requests, &blk->queue_lock);
        }
        qemu_mutex_unlock(&blk->queue_lock);
        blk_slot_inc(blk, slot);
    }
    return slot;
}

/* What a request may not be: 0 or -errno. */
static int check_range(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    BdrvChild *root = qatomic_read(&blk->root);
    int64_t length;

    if (unlikely(!root)) {
        return -ENOMEDIUM;
    }
    length = bdrv_getlength(root->bs);
    if (unlikely(length < 0)) {
        return length;
    }
    if (unlikely(offset < 0 || bytes < 0 || offset > length || bytes > length - offset)) {
        return -EIO;
    }
    return 0;
}

/* One request on its way through: blk_begin(), the node's function if that gave 0, blk_finish(). */
typedef struct BlkRequest {
    BlockBackend *blk;
    unsigned slot;
    bool counted;
    BlockAcctCookie acct;
} BlkRequest;

/* Holds a request back until the limits allow it, if @blk has any. */
static void coroutine_fn blk_throttle(BlockBackend *blk, int64_t bytes, enum BlockAcctType type)
{
    ThrottleGroupMember *tgm = &blk->public.throttle_group_member;

    if (unlikely(qatomic_read(&tgm->throttle_state)) && type != BLOCK_ACCT_FLUSH) {
        throttle_group_co_io_limits_intercept(
            tgm, bytes, type == BLOCK_ACCT_READ ? THROTTLE_READ : THROTTLE_WRITE);
    }
}

static int coroutine_fn blk_begin(BlkRequest *r, int64_t offset, int64_t bytes,
                                  enum BlockAcctType type)
{
    int ret;

    r->slot = blk_enter(r->blk);
    ret = check_range(r->blk, offset, bytes);
    r->counted = ret == 0;
    if (likely(r->counted)) {
        block_acct_start(&r->blk->stats, &r->acct, bytes, type);
        blk_throttle(r->blk, bytes, type);
    } else {
        block_acct_invalid(&r->blk->stats, type);
    }
    return ret;
}

static int coroutine_fn blk_finish(BlkRequest *r, int ret)
{
    if (likely(ret >= 0)) {
        block_acct_done(&r->blk->stats, &r->acct);
        ret = 0;
    } else if (r->counted) {
        block_acct_failed(&r->blk->stats, &r->acct);
    }
    blk_slot_dec(r->blk, r->slot);
    return ret;
}

static BdrvRequestFlags write_flags(BlockBackend *blk, BdrvRequestFlags flags)
{
    return likely(qatomic_read(&blk->enable_write_cache)) ? flags : flags | BDRV_REQ_FUA;
}

int coroutine_fn blk_co_preadv_part(BlockBackend *blk, int64_t offset, int64_t bytes,
                                    QEMUIOVector *qiov, size_t qiov_offset, BdrvRequestFlags flags)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, offset, bytes, BLOCK_ACCT_READ);

    if (ret == 0) {
        ret = bdrv_co_preadv_part(blk->root, offset, bytes, qiov, qiov_offset, flags);
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset, int64_t bytes, QEMUIOVector *qiov,
                               BdrvRequestFlags flags)
{
    return blk_co_preadv_part(blk, offset, bytes, qiov, 0, flags);
}

int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf,
                              BdrvRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, bytes);

    return blk_co_preadv_part(blk, offset, bytes, &qiov, 0, flags);
}

int coroutine_fn blk_co_pwritev_part(BlockBackend *blk, int64_t offset, int64_t bytes,
                                     QEMUIOVector *qiov, size_t qiov_offset, BdrvRequestFlags flags)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, offset, bytes, BLOCK_ACCT_WRITE);

    if (ret == 0) {
        ret = bdrv_co_pwritev_part(blk->root, offset, bytes, qiov, qiov_offset,
                                   write_flags(blk, flags));
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    return blk_co_pwritev_part(blk, offset, bytes, qiov, 0, flags);
}

int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf,
                               BdrvRequestFlags flags)
{
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, bytes);

    return blk_co_pwritev_part(blk, offset, bytes, &qiov, 0, flags);
}

int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                                      BdrvRequestFlags flags)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, offset, bytes, BLOCK_ACCT_WRITE);

    if (ret == 0) {
        ret = bdrv_co_pwrite_zeroes(blk->root, offset, bytes, write_flags(blk, flags));
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, offset, bytes, BLOCK_ACCT_UNMAP);

    if (ret == 0) {
        ret = bdrv_co_pdiscard(blk->root, offset, bytes);
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_secure_erase(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, offset, bytes, BLOCK_ACCT_UNMAP);

    if (ret == 0) {
        ret = bdrv_co_secure_erase(blk->root, offset, bytes);
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_get_lifetime(BlockBackend *blk, BlockLifetime *ret_lifetime)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, 0, 0, BLOCK_ACCT_NONE);

    if (ret == 0) {
        ret = bdrv_co_get_lifetime(blk->root, ret_lifetime);
    }
    return blk_finish(&r, ret);
}

int coroutine_fn blk_co_flush(BlockBackend *blk)
{
    BlkRequest r = { .blk = blk };
    int ret = blk_begin(&r, 0, 0, BLOCK_ACCT_FLUSH);

    if (ret == 0) {
        ret = bdrv_co_flush(blk->root->bs);
    }
    return blk_finish(&r, ret);
}

/* Not held back by a drain: whoever resizes has usually drained the node himself. */
int coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t offset, bool exact,
                                 PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    BdrvChild *root = qatomic_read(&blk->root);
    unsigned slot = block_thread_slot();
    int ret;

    if (!root) {
        error_setg(errp, "No medium inserted");
        return -ENOMEDIUM;
    }
    blk_slot_inc(blk, slot);
    ret = bdrv_co_truncate(root, offset, exact, prealloc, flags, errp);
    blk_slot_dec(blk, slot);
    return ret;
}
