/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading, writing and flushing files: by io_uring, or by threads.
 *
 * Theory of operation
 *
 * A request is a RawOp on its coroutine's stack. With io_uring it queues one entry in the thread's
 * own ring and yields; the loop enters all requests of one iteration together and wakes the
 * coroutine. Otherwise a thread of the pool makes the system call. Both give one result for one
 * attempt, and the loop around it goes on after short transfers; it takes neither lock nor memory
 * unless there was one.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "block/thread-pool.h"
#include "trace.h"

/*
 * A transfer larger than this is left to the kernel's threads: what is in the page cache would be
 * copied within the system call that submits it, and the event loop would stand still meanwhile.
 */
#define INLINE_MAX (512 * 1024)

typedef enum RawOpType {
    RAW_OP_READ,
    RAW_OP_WRITE,
    RAW_OP_FLUSH,
} RawOpType;

/* One attempt at a transfer. */
typedef struct RawOp {
    RawOpType type;
    int fd;
    /* RWF_* of preadv2(2). */
    int rw_flags;
    int niov;
    struct iovec *iov;
    int64_t offset;
    size_t bytes;
} RawOp;

static int raw_op_thread(void *opaque)
{
    RawOp *op = opaque;
    ssize_t ret;

    switch (op->type) {
    case RAW_OP_READ:
        ret = RETRY_ON_EINTR(preadv(op->fd, op->iov, op->niov, op->offset));
        break;
    case RAW_OP_WRITE:
        ret = RETRY_ON_EINTR(pwritev2(op->fd, op->iov, op->niov, op->offset, op->rw_flags));
        break;
    default:
        ret = RETRY_ON_EINTR(fdatasync(op->fd));
        break;
    }
    return ret < 0 ? -errno : (int)ret;
}

#ifdef CONFIG_LINUX_IO_URING
typedef struct RawUringOp {
    RawOp *op;
    Coroutine *co;
    int ret;
    CqeHandler cqe_handler;
} RawUringOp;

static void raw_prep_sqe(struct io_uring_sqe *sqe, void *opaque)
{
    RawOp *op = opaque;

    switch (op->type) {
    case RAW_OP_READ:
        if (op->niov == 1) {
            io_uring_prep_read(sqe, op->fd, op->iov->iov_base, op->iov->iov_len, op->offset);
        } else {
            io_uring_prep_readv(sqe, op->fd, op->iov, op->niov, op->offset);
        }
        break;
    case RAW_OP_WRITE:
        if (op->niov == 1) {
            io_uring_prep_write(sqe, op->fd, op->iov->iov_base, op->iov->iov_len, op->offset);
        } else {
            io_uring_prep_writev(sqe, op->fd, op->iov, op->niov, op->offset);
        }
        sqe->rw_flags = op->rw_flags;
        break;
    default:
        io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
        break;
    }
    if (op->bytes > INLINE_MAX) {
        sqe->flags |= IOSQE_ASYNC;
    }
}

static void raw_cqe_done(CqeHandler *handler)
{
    RawUringOp *u = container_of(handler, RawUringOp, cqe_handler);

    u->ret = handler->cqe.res;
    aio_co_wake(u->co);
}

static int coroutine_fn raw_co_uring(RawOp *op)
{
    RawUringOp u = { .op = op, .co = qemu_coroutine_self(), .cqe_handler.cb = raw_cqe_done };

    do {
        aio_add_sqe(raw_prep_sqe, op, &u.cqe_handler);
        qemu_coroutine_yield();
    } while (u.ret == -EINTR || u.ret == -EAGAIN);
    return u.ret;
}
#endif

static int coroutine_fn raw_co_submit(BDRVRawState *s, RawOp *op)
{
    /* Those that synchronise take long, and the kernel may do several at once. */
    if (op->type == RAW_OP_WRITE && !op->rw_flags && raw_writes_batched(s)) {
        return raw_co_write_batched(s, op->iov, op->niov, op->offset, op->bytes);
    }
#ifdef CONFIG_LINUX_IO_URING
    if (s->use_io_uring && aio_has_io_uring()) {
        return raw_co_uring(op);
    }
#endif
    return thread_pool_submit_co(raw_op_thread, op);
}

static int raw_ask_length(void *opaque)
{
    RawOp *op = opaque;

    op->offset = raw_fd_length(op->fd);
    return 0;
}

/*
 * Does the file end at @pos, where a read has stopped? Within the last sector, and in a block
 * beyond it, the rest of a read is zeroes. The length that is known may be older than somebody's
 * write or truncation. 1: yes; 0: no, it goes on; -EIO: yes, since somebody has cut it short.
 */
static int coroutine_fn raw_co_at_end(BDRVRawState *s, int64_t pos)
{
    RawOp op = { .fd = s->fd };

    thread_pool_submit_co(raw_ask_length, &op);
    if (op.offset < 0 || pos < op.offset) {
        return op.offset < 0 ? (int)op.offset : 0;
    }
    return pos < qatomic_read(&s->length) ? -EIO : 1;
}

/* What is left of a transfer of which @done bytes are done: one attempt. */
static int coroutine_fn raw_co_rest(BDRVRawState *s, RawOp *op, QEMUIOVector *qiov, int64_t offset,
                                    size_t done)
{
    QEMUIOVector rest;
    int ret;

    qemu_iovec_init_slice(&rest, qiov, done, qiov->size - done);
    op->iov = rest.iov;
    op->niov = rest.niov;
    op->offset = offset + done;
    op->bytes = qiov->size - done;
    ret = raw_co_submit(s, op);
    qemu_iovec_destroy(&rest);
    return ret;
}

/*
 * A transfer was short, @done bytes are done. 0: it is done after all; 1: one may go on from there;
 * or -errno. @stuck: the last attempt did nothing.
 */
static int coroutine_fn raw_co_short(BDRVRawState *s, RawOp *op, QEMUIOVector *qiov, int64_t offset,
                                     size_t done, bool stuck)
{
    int at_end;

    if (op->type == RAW_OP_WRITE) {
        return stuck ? -ENOSPC : 1;
    }
    /* The end of a file is not aligned, and what is direct may not be asked for from there. */
    if (!stuck && (!s->direct || QEMU_IS_ALIGNED(done, s->dio_offset_align))) {
        return 1;
    }
    at_end = raw_co_at_end(s, offset + done);
    if (at_end == 1) {
        qemu_iovec_memset(qiov, done, 0, qiov->size - done);
        return 0;
    }
    return at_end < 0 ? at_end : 1;
}

static int coroutine_fn raw_co_transfer(BlockDriverState *bs, RawOp *op, int64_t offset,
                                        QEMUIOVector *qiov)
{
    BDRVRawState *s = bs->opaque;
    bool was_stuck = false;
    size_t done = 0;
    int ret, go_on;

    op->fd = s->fd;
    op->iov = qiov->iov;
    op->niov = qiov->niov;
    op->offset = offset;
    op->bytes = qiov->size;
    ret = raw_co_submit(s, op);
    while (ret >= 0) {
        done += ret;
        if (likely(done >= qiov->size)) {
            return 0;
        }
        go_on = raw_co_short(s, op, qiov, offset, done, ret == 0);
        if (go_on <= 0) {
            return go_on;
        }
        /* It may have been written to since; if not, its file system has nothing to give. */
        if (ret == 0 && was_stuck) {
            return -EIO;
        }
        was_stuck = ret == 0;
        ret = raw_co_rest(s, op, qiov, offset, done);
    }
    return ret;
}

int coroutine_fn raw_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                               QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    RawOp op = { .type = RAW_OP_READ };

    return raw_co_transfer(bs, &op, offset, qiov);
}

int coroutine_fn raw_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    BDRVRawState *s = bs->opaque;
    RawOp op = { .type = RAW_OP_WRITE };
    bool fua = flags & BDRV_REQ_FUA;
    int ret;

    if (fua && !(bs->open_flags & BDRV_O_NO_FLUSH) && !qatomic_read(&s->no_dsync_writes)) {
        op.rw_flags = RWF_DSYNC;
    }
    ret = raw_co_transfer(bs, &op, offset, qiov);
    if (ret == -EOPNOTSUPP && op.rw_flags) {
        qatomic_set(&s->no_dsync_writes, true);
        op.rw_flags = 0;
        ret = raw_co_transfer(bs, &op, offset, qiov);
    }
    if (ret == 0 && fua && !op.rw_flags && !(bs->open_flags & BDRV_O_NO_FLUSH)) {
        ret = raw_co_flush_to_disk(bs);
    }
    return ret;
}

int coroutine_fn raw_co_flush_to_disk(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;
    RawOp op = { .type = RAW_OP_FLUSH, .fd = s->fd };
    int ret;

    /*
     * After a failure the kernel forgets which pages were dirty; a second call would say "fine".
     * What goes past the page cache has no such pages.
     */
    if (qatomic_read(&s->flush_failed)) {
        return -EIO;
    }
    ret = raw_co_submit(s, &op);
    if (ret < 0 && ret != -EINVAL && ret != -EROFS) {
        trace_file_flush_failed(bs->filename, ret);
        qatomic_set(&s->flush_failed, !s->direct);
    }
    /* What cannot be synchronised (a pipe, a special file) has nothing to lose. */
    return ret == -EINVAL || ret == -EROFS ? 0 : ret;
}
