/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that are done at once or not at all: no coroutine, no waiting for what takes its time.
 *
 * Theory of operation
 *
 * Data that is in memory already needs neither a coroutine nor the kernel. Whoever has a batch of
 * requests tries each first; what gives -EAGAIN has not happened and goes the ordinary way
 * (blk_co_preadv() and its like), which also tells what is wrong with a request. A driver that can
 * do a request at once has bdrv_try_preadv or bdrv_try_pwritev; one that passes requests on hands
 * them to its child. Limits, drains, alignment, and whatever else takes time or thought give
 * -EAGAIN.
 *
 * A driver that has someone else write (a thread, many writes together) may take a write and call
 * back when it is done: -EINPROGRESS. If that fails, the write goes the ordinary way too, and
 * happens once more.
 *
 * A batch is counted and its time taken once, at its end.
 */
#ifndef BLOCK_TRY_IO_H
#define BLOCK_TRY_IO_H

#include "block/block-common.h"
#include "qemu/queue.h"
#include "system/block-backend.h"

/* A write that may outlive its batch: a part of the caller's request. */
typedef struct BlkTryWrite {
    /*
     * Set by the caller. Called from the event loop of the thread that began the write. @ret: 0, or
     * -errno: some of it may have been written.
     */
    void (*cb)(struct BlkTryWrite *write, int ret);

    /* The BlockBackend's. */
    BlockBackend *blk;
    int64_t begun; /* ns of the real-time clock */
    /* Of the driver that has taken it; @offset is a place in that. @cb may look at @bytes. */
    const struct iovec *iov;
    int niov;
    int64_t offset;
    int64_t bytes;
    int ret;
    QSIMPLEQ_ENTRY(BlkTryWrite) next;
} BlkTryWrite;

/* On the stack of one turn of one thread; no yield and no event loop between begin and end. */
typedef struct BlkTryBatch {
    BlockBackend *blk;
    BdrvChild *root; /* NULL: nothing can be done at once */
    int64_t length;  /* bytes */
    int64_t begun;   /* ns of the real-time clock; 0: nothing was done yet */
    uint64_t reads;
    uint64_t read_bytes;
    uint64_t writes;
    uint64_t written_bytes;
} BlkTryBatch;

/**
 * blk_try_begin: Begin a batch of requests.
 *
 * Any thread. The caller keeps drains waiting until blk_try_end(), and until each write that is in
 * progress has called back, by its BlockDevOps.drained_poll or by blk_inc_in_flight().
 */
void blk_try_begin(BlkTryBatch *batch, BlockBackend *blk);

/**
 * blk_try_preadv: Read @bytes, the size of @iov together, at @offset.
 *
 * Returns 0 if it was done; -EAGAIN if not: @iov may have been written to.
 */
int blk_try_preadv(BlkTryBatch *batch, int64_t offset, int64_t bytes, const struct iovec *iov,
                   int niov);

/**
 * blk_try_pwritev: Write.
 * @write: NULL: at once or not at all
 *
 * Returns 0 if it was done; -EAGAIN if nothing happened; -EINPROGRESS if @write's callback will
 * tell: it, @iov and what that points to must stay until then.
 */
int blk_try_pwritev(BlkTryBatch *batch, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov, BlkTryWrite *write);

/** blk_try_write_done: Count a write that was in progress; from its callback, if it succeeded. */
void blk_try_write_done(const BlkTryWrite *write);

/** blk_try_end: End the batch and count what was done. */
void blk_try_end(BlkTryBatch *batch);

/* The same for drivers that pass requests on. The range is inside the length of the child. */
int bdrv_try_preadv(BdrvChild *child, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov);
int bdrv_try_pwritev(BdrvChild *child, int64_t offset, int64_t bytes, const struct iovec *iov,
                     int niov, BlkTryWrite *write);

#endif /* BLOCK_TRY_IO_H */
