/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * null-co and null-aio: no storage at all, for measurements and tests.
 *
 * Writes vanish and reads leave the buffer as it is, or zero it with read-zeroes=on. Both complete
 * at once, or after latency-ns; null-aio completes no request before its caller has gone back to
 * the event loop.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/atomic.h"
#include "block/block_int.h"

#define NULL_DEFAULT_SIZE (INT64_C(1) << 30)

typedef struct BDRVNullState {
    int64_t size; /* atomic; bytes */
    uint64_t latency_ns;
    bool read_zeroes;
    bool later;
} BDRVNullState;

static int null_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    BDRVNullState *s = bs->opaque;
    BlockdevOptionsNull *o =
        opts->driver == BLOCKDEV_DRIVER_NULL_AIO ? &opts->u.null_aio : &opts->u.null_co;

    s->later = opts->driver == BLOCKDEV_DRIVER_NULL_AIO;
    s->size = o->has_size ? o->size : NULL_DEFAULT_SIZE;
    s->latency_ns = o->has_latency_ns ? o->latency_ns : 0;
    s->read_zeroes = o->has_read_zeroes && o->read_zeroes;
    if (s->size < 0) {
        error_setg(errp, "size is invalid");
        return -EINVAL;
    }
    if (s->latency_ns > INT64_MAX) {
        error_setg(errp, "latency-ns is invalid");
        return -EINVAL;
    }
    bs->supported_write_flags = BDRV_REQ_FUA;
    bs->supported_zero_flags = BDRV_REQ_FUA | BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    return 0;
}

static int coroutine_fn null_co_complete(BlockDriverState *bs)
{
    BDRVNullState *s = bs->opaque;

    if (s->latency_ns) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, s->latency_ns);
    } else if (s->later) {
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    return 0;
}

static bool null_done_at_once(const BDRVNullState *s)
{
    return !s->latency_ns && !s->later;
}

static int null_try_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                           const struct iovec *iov, int niov)
{
    BDRVNullState *s = bs->opaque;

    if (!null_done_at_once(s)) {
        return -EAGAIN;
    }
    for (int i = 0; s->read_zeroes && i < niov; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    }
    return 0;
}

static int null_try_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                            const struct iovec *iov, int niov, struct BlkTryWrite *write)
{
    return null_done_at_once(bs->opaque) ? 0 : -EAGAIN;
}

static int coroutine_fn null_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                       QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    BDRVNullState *s = bs->opaque;

    if (s->read_zeroes) {
        qemu_iovec_memset(qiov, 0, 0, bytes);
    }
    return null_co_complete(bs);
}

static int coroutine_fn null_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                        QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    return null_co_complete(bs);
}

static int coroutine_fn null_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                              BdrvRequestFlags flags)
{
    return null_co_complete(bs);
}

static int coroutine_fn null_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    return null_co_complete(bs);
}

static int coroutine_fn null_co_flush(BlockDriverState *bs)
{
    return null_co_complete(bs);
}

static int64_t coroutine_fn null_co_getlength(BlockDriverState *bs)
{
    BDRVNullState *s = bs->opaque;

    return qatomic_read(&s->size);
}

static int coroutine_fn null_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                         PreallocMode prealloc, BdrvRequestFlags flags,
                                         Error **errp)
{
    BDRVNullState *s = bs->opaque;

    qatomic_set(&s->size, offset);
    return 0;
}

static int64_t null_allocated_file_size(BlockDriverState *bs)
{
    return 0;
}

#define NULL_DRIVER(name)                                                                     \
    {                                                                                         \
        .format_name = name, .instance_size = sizeof(BDRVNullState), .bdrv_open = null_open,  \
        .bdrv_co_preadv = null_co_preadv, .bdrv_co_pwritev = null_co_pwritev,                 \
        .bdrv_try_preadv = null_try_preadv, .bdrv_try_pwritev = null_try_pwritev,             \
        .bdrv_co_pwrite_zeroes = null_co_pwrite_zeroes, .bdrv_co_pdiscard = null_co_pdiscard, \
        .bdrv_co_flush_to_disk = null_co_flush, .bdrv_co_getlength = null_co_getlength,       \
        .bdrv_co_truncate = null_co_truncate,                                                 \
        .bdrv_get_allocated_file_size = null_allocated_file_size,                             \
    }

static BlockDriver null_drivers[] = { NULL_DRIVER("null-co"), NULL_DRIVER("null-aio") };

static void null_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(null_drivers); i++) {
        bdrv_register(&null_drivers[i]);
    }
}
block_init(null_init);
