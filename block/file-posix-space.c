/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zeroes, holes and lengths of files and block devices.
 *
 * These are rare and slow system calls, so threads of the pool make them. What a file system does
 * not know is asked for once and remembered.
 */
#include "qemu/osdep.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "block/thread-pool.h"

/* One call for a thread: a range of @s's file. */
typedef struct RawSpaceOp {
    BDRVRawState *s;
    int64_t offset;
    int64_t bytes;
    bool may_unmap;
    PreallocMode prealloc;
} RawSpaceOp;

/* The errno values by which file systems say that they do not know a call. */
static int translate(int err)
{
    if (err == EOPNOTSUPP || err == ENOSYS || err == ENODEV || err == ENOTTY || err == EINVAL) {
        return -ENOTSUP;
    }
    return -err;
}

/* As translate(), and remembers in *@unknown what will never be known. */
static int refused(int err, bool *unknown)
{
    int ret = translate(err);

    /* EINVAL may be about this range only: devices want whole blocks. */
    if (ret == -ENOTSUP && err != EINVAL) {
        qatomic_set(unknown, true);
    }
    return ret;
}

static int do_fallocate(RawSpaceOp *op, int mode, bool *unknown)
{
    if (qatomic_read(unknown)) {
        return -ENOTSUP;
    }
    if (RETRY_ON_EINTR(fallocate(op->s->fd, mode, op->offset, op->bytes)) < 0) {
        return refused(errno, unknown);
    }
    return 0;
}

static int punch_hole(RawSpaceOp *op)
{
    return do_fallocate(op, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, &op->s->no_punch_hole);
}

static int device_ioctl(RawSpaceOp *op, unsigned long request, bool *unknown)
{
    uint64_t range[2] = { op->offset, op->bytes };

    if (qatomic_read(unknown)) {
        return -ENOTSUP;
    }
    if (RETRY_ON_EINTR(ioctl(op->s->fd, request, range)) < 0) {
        return refused(errno, unknown);
    }
    return 0;
}

static int zero_device(RawSpaceOp *op)
{
    int ret = -ENOTSUP;

    /* The page cache of a device must not keep old data: fallocate cares for that. */
    if (op->may_unmap) {
        ret = punch_hole(op);
    }
    if (ret == -ENOTSUP) {
        ret = do_fallocate(op, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, &op->s->no_zero_range);
    }
    if (ret == -ENOTSUP) {
        ret = device_ioctl(op, BLKZEROOUT, &op->s->no_blkzeroout);
    }
    return ret;
}

/* Writes @bytes of zeroes at @offset, in pieces. */
static int write_zeroes_full(int fd, int64_t offset, int64_t bytes)
{
    enum {
        CHUNK = 1024 * 1024
    };
    /* O_DIRECT wants aligned memory. */
    QEMU_AUTO_VFREE char *buf =
        qemu_try_memalign(qemu_real_host_page_size(), MIN(bytes, (int64_t)CHUNK));
    int64_t end = offset + bytes;

    if (!buf) {
        return -ENOMEM;
    }
    memset(buf, 0, MIN(bytes, (int64_t)CHUNK));
    while (offset < end) {
        ssize_t n = RETRY_ON_EINTR(pwrite(fd, buf, MIN(end - offset, (int64_t)CHUNK), offset));

        if (n <= 0) {
            return n < 0 ? -errno : -ENOSPC;
        }
        offset += n;
    }
    return 0;
}

/*
 * Beyond the end the range reads as zeroes as soon as the file is long enough. Its last block is
 * ours to write; by ftruncate() we might cut off what somebody has added since we looked.
 */
static int zero_by_growing(RawSpaceOp *op)
{
    int64_t last = MIN(op->bytes, MAX((int64_t)op->s->dio_offset_align, 1));
    struct stat st;

    if (fstat(op->s->fd, &st) < 0) {
        return -errno;
    }
    if (op->offset < st.st_size) {
        return -ENOTSUP;
    }
    return write_zeroes_full(op->s->fd, op->offset + op->bytes - last, last);
}

static int zero_file(RawSpaceOp *op)
{
    int ret = -ENOTSUP;
    struct stat st;

    /* A hole is cheapest, but ends at the end of the file. */
    if (op->may_unmap && fstat(op->s->fd, &st) == 0 && op->offset + op->bytes <= st.st_size) {
        ret = punch_hole(op);
    }
    if (ret == -ENOTSUP) {
        ret = do_fallocate(op, FALLOC_FL_ZERO_RANGE, &op->s->no_zero_range);
    }
    if (ret == -ENOTSUP) {
        ret = zero_by_growing(op);
    }
    return ret;
}

static int zero_thread(void *opaque)
{
    RawSpaceOp *op = opaque;

    return op->s->is_device ? zero_device(op) : zero_file(op);
}

static int coroutine_fn space_change(RawSpaceOp *op, ThreadPoolFunc *func)
{
    int ret = thread_pool_submit_co(func, op);

    raw_map_forget(op->s, op->offset, op->bytes);
    return ret;
}

int coroutine_fn raw_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                      BdrvRequestFlags flags)
{
    RawSpaceOp op = {
        .s = bs->opaque, .offset = offset, .bytes = bytes, .may_unmap = flags & BDRV_REQ_MAY_UNMAP
    };

    return space_change(&op, zero_thread);
}

static int discard_thread(void *opaque)
{
    RawSpaceOp *op = opaque;

    return op->s->is_device ? device_ioctl(op, BLKDISCARD, &op->s->no_blkdiscard) : punch_hole(op);
}

int coroutine_fn raw_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    BDRVRawState *s = bs->opaque;
    RawSpaceOp op = { .s = s, .offset = offset, .bytes = bytes };
    int ret = space_change(&op, discard_thread);

    if (ret < 0) {
        qatomic_inc(&s->discards_failed);
    } else {
        qatomic_inc(&s->discards_ok);
        qatomic_add(&s->discarded_bytes, (uint64_t)bytes);
    }
    return ret;
}

/* Length */

int64_t raw_fd_length(int fd)
{
    struct stat st;
    uint64_t size;
    off_t end;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (S_ISBLK(st.st_mode)) {
        return ioctl(fd, BLKGETSIZE64, &size) < 0 ? -errno
                                                  : (int64_t)MIN(size, (uint64_t)INT64_MAX);
    }
    if (S_ISREG(st.st_mode)) {
        return st.st_size;
    }
    end = lseek(fd, 0, SEEK_END);
    return end < 0 ? -errno : end;
}

typedef struct LengthOp {
    int fd;
    int64_t length;
} LengthOp;

static int length_thread(void *opaque)
{
    LengthOp *op = opaque;

    op->length = raw_fd_length(op->fd);
    return 0;
}

int64_t coroutine_fn raw_co_getlength(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;
    LengthOp op = { .fd = s->fd };

    if (s->length_is_new) {
        s->length_is_new = false;
        return qatomic_read(&s->length);
    }
    if (s->is_local) {
        length_thread(&op);
    } else {
        thread_pool_submit_co(length_thread, &op);
    }
    if (op.length >= 0) {
        qatomic_set(&s->length, op.length);
    }
    return op.length;
}

int64_t raw_fd_allocated(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512;
}

int64_t raw_get_allocated_file_size(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;

    return s->is_local ? raw_fd_allocated(s->fd) : qatomic_read(&s->answers->allocated);
}

/*
 * Grows to op->offset. The kernel's way to do so that cuts nothing off, should somebody have added
 * to the file meanwhile, allocates its last block; who does not know it has ftruncate().
 */
static int grow_sparse(RawSpaceOp *op)
{
    if (RETRY_ON_EINTR(fallocate(op->s->fd, 0, op->offset - 1, 1)) == 0) {
        return 0;
    }
    return RETRY_ON_EINTR(ftruncate(op->s->fd, op->offset)) < 0 ? -errno : 0;
}

/* Grows from op->bytes to op->offset, allocating as op->prealloc says. */
static int grow_allocated(RawSpaceOp *op)
{
    int64_t old = op->bytes;

    if (op->prealloc == PREALLOC_MODE_FALLOC) {
        /* With a hole in front the new part is allocated without touching what is there. */
        return RETRY_ON_EINTR(fallocate(op->s->fd, 0, old, op->offset - old)) < 0 ? -errno : 0;
    }
    return write_zeroes_full(op->s->fd, old, op->offset - old);
}

static int truncate_thread(void *opaque)
{
    RawSpaceOp *op = opaque;
    int64_t old = raw_fd_length(op->s->fd);
    int ret;

    if (old < 0) {
        return old;
    }
    op->bytes = old;
    if (op->offset <= old) {
        return RETRY_ON_EINTR(ftruncate(op->s->fd, op->offset)) < 0 ? -errno : 0;
    }
    if (op->prealloc == PREALLOC_MODE_OFF) {
        return grow_sparse(op);
    }
    ret = grow_allocated(op);
    if (ret < 0 && ftruncate(op->s->fd, old) < 0) {
        return -errno;
    }
    return ret;
}

static int coroutine_fn truncate_device(BlockDriverState *bs, int64_t offset, bool exact,
                                        Error **errp)
{
    BDRVRawState *s = bs->opaque;
    int64_t length = raw_fd_length(s->fd);

    /* Somebody else resizes devices; we take note. */
    if (length < 0) {
        error_setg_errno(errp, -length, "Could not get the size of '%s'", bs->filename);
        return length;
    }
    if (offset > length || (exact && offset != length)) {
        error_setg(errp,
                   offset > length ? "Cannot grow device files" : "Cannot resize device files");
        return -EINVAL;
    }
    return 0;
}

int coroutine_fn raw_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                 PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    RawSpaceOp op = { .s = s, .offset = offset, .prealloc = prealloc };
    int ret;

    if (prealloc == PREALLOC_MODE_METADATA || (s->is_device && prealloc != PREALLOC_MODE_OFF)) {
        error_setg(errp, "Unsupported preallocation mode '%s'", PreallocMode_str(prealloc));
        return -ENOTSUP;
    }
    if (s->is_device) {
        return truncate_device(bs, offset, exact, errp);
    }
    ret = thread_pool_submit_co(truncate_thread, &op);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to resize the file");
    }
    return ret;
}
