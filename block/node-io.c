/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Around requests to nodes: length, memory alignment, and calls from outside coroutines.
 *
 * The functions without `_co_` start a coroutine in the main loop's context and poll until it ends.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/block_int.h"

/* Length */

int coroutine_fn bdrv_co_refresh_total_sectors(BlockDriverState *bs)
{
    int64_t length;

    if (bs->drv->bdrv_co_getlength) {
        length = bs->drv->bdrv_co_getlength(bs);
    } else {
        length = bs->file ? bdrv_getlength(bs->file->bs) : -ENOMEDIUM;
    }
    if (length > BDRV_MAX_LENGTH) {
        length = -EFBIG;
    }
    if (length < 0) {
        return length;
    }
    qatomic_set(&bs->total_sectors, DIV_ROUND_UP(length, (int64_t)BDRV_SECTOR_SIZE));
    return 0;
}

int64_t bdrv_nb_sectors(BlockDriverState *bs)
{
    return qatomic_read(&bs->total_sectors);
}

int64_t bdrv_getlength(BlockDriverState *bs)
{
    int64_t sectors = bdrv_nb_sectors(bs);

    if (sectors > INT64_MAX / (int64_t)BDRV_SECTOR_SIZE) {
        return -EFBIG;
    }
    return sectors < 0 ? sectors : sectors * (int64_t)BDRV_SECTOR_SIZE;
}

int64_t coroutine_fn bdrv_co_nb_sectors(BlockDriverState *bs)
{
    return bdrv_nb_sectors(bs);
}

int64_t coroutine_fn bdrv_co_getlength(BlockDriverState *bs)
{
    return bdrv_getlength(bs);
}

void bdrv_get_geometry(BlockDriverState *bs, uint64_t *nb_sectors_ptr)
{
    *nb_sectors_ptr = MAX(bdrv_nb_sectors(bs), (int64_t)0);
}

/* Memory */

size_t bdrv_min_mem_align(BlockDriverState *bs)
{
    return bs ? bs->bl.min_mem_alignment : qemu_real_host_page_size();
}

size_t bdrv_opt_mem_align(BlockDriverState *bs)
{
    return MAX(bs ? bs->bl.opt_mem_alignment : 0, qemu_real_host_page_size());
}

bool bdrv_qiov_is_aligned(BlockDriverState *bs, QEMUIOVector *qiov)
{
    size_t mask = bdrv_min_mem_align(bs) - 1;
    size_t length_mask = mask | (bs->bl.request_alignment - 1);

    for (int i = 0; i < qiov->niov; i++) {
        if (((uintptr_t)qiov->iov[i].iov_base & mask) || (qiov->iov[i].iov_len & length_mask)) {
            return false;
        }
    }
    return true;
}

void *qemu_try_blockalign(BlockDriverState *bs, size_t size)
{
    return qemu_try_memalign(bdrv_opt_mem_align(bs), MAX(size, (size_t)1));
}

void *qemu_try_blockalign0(BlockDriverState *bs, size_t size)
{
    void *mem = qemu_try_blockalign(bs, size);

    return mem ? memset(mem, 0, size) : NULL;
}

void *qemu_blockalign(BlockDriverState *bs, size_t size)
{
    return qemu_memalign(bdrv_opt_mem_align(bs), MAX(size, (size_t)1));
}

void *qemu_blockalign0(BlockDriverState *bs, size_t size)
{
    return memset(qemu_blockalign(bs, size), 0, size);
}

/* Calls from outside coroutines */

void bdrv_run_co(CoroutineEntry *entry, void *opaque, const bool *done)
{
    GLOBAL_STATE_CODE();
    assert(!qemu_in_coroutine());
    aio_co_enter(qemu_get_aio_context(), qemu_coroutine_create(entry, opaque));
    AIO_WAIT_WHILE_UNLOCKED(NULL, !*done);
}

/* One call: what goes in and what comes out. */
typedef struct NodeCall {
    BlockDriverState *bs;
    BdrvChild *child;
    int64_t offset;
    int64_t bytes;
    void *buf;
    bool exact;
    PreallocMode prealloc;
    BdrvRequestFlags flags;
    Error **errp;
    int ret;
    bool done;
} NodeCall;

#define NODE_CALL_ENTRY(name, call)                     \
    static void coroutine_fn name##_entry(void *opaque) \
    {                                                   \
        NodeCall *n = opaque;                           \
                                                        \
        n->ret = call;                                  \
        n->done = true;                                 \
        aio_wait_kick();                                \
    }

NODE_CALL_ENTRY(refresh, bdrv_co_refresh_total_sectors(n->bs))
NODE_CALL_ENTRY(flush, bdrv_co_flush(n->bs))
NODE_CALL_ENTRY(pread, bdrv_co_pread(n->child, n->offset, n->bytes, n->buf, n->flags))
NODE_CALL_ENTRY(pwrite, bdrv_co_pwrite(n->child, n->offset, n->bytes, n->buf, n->flags))
NODE_CALL_ENTRY(zeroes, bdrv_co_pwrite_zeroes(n->child, n->offset, n->bytes, n->flags))
NODE_CALL_ENTRY(discard, bdrv_co_pdiscard(n->child, n->offset, n->bytes))
NODE_CALL_ENTRY(truncate,
                bdrv_co_truncate(n->child, n->offset, n->exact, n->prealloc, n->flags, n->errp))

static int node_call(CoroutineEntry *entry, NodeCall *n)
{
    if (qemu_in_coroutine()) {
        entry(n);
    } else {
        bdrv_run_co(entry, n, &n->done);
    }
    return n->ret;
}

int coroutine_mixed_fn bdrv_refresh_total_sectors(BlockDriverState *bs)
{
    NodeCall n = { .bs = bs };

    return node_call(refresh_entry, &n);
}

int bdrv_flush(BlockDriverState *bs)
{
    NodeCall n = { .bs = bs };

    return node_call(flush_entry, &n);
}

int bdrv_pread(BdrvChild *child, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags)
{
    NodeCall n = { .child = child, .offset = offset, .bytes = bytes, .buf = buf, .flags = flags };

    return node_call(pread_entry, &n);
}

int bdrv_pwrite(BdrvChild *child, int64_t offset, int64_t bytes, const void *buf,
                BdrvRequestFlags flags)
{
    NodeCall n = {
        .child = child, .offset = offset, .bytes = bytes, .buf = (void *)buf, .flags = flags
    };

    return node_call(pwrite_entry, &n);
}

int bdrv_pwrite_zeroes(BdrvChild *child, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    NodeCall n = { .child = child, .offset = offset, .bytes = bytes, .flags = flags };

    return node_call(zeroes_entry, &n);
}

int bdrv_pdiscard(BdrvChild *child, int64_t offset, int64_t bytes)
{
    NodeCall n = { .child = child, .offset = offset, .bytes = bytes };

    return node_call(discard_entry, &n);
}

int bdrv_truncate(BdrvChild *child, int64_t offset, bool exact, PreallocMode prealloc,
                  BdrvRequestFlags flags, Error **errp)
{
    NodeCall n = {
        .child = child,
        .offset = offset,
        .exact = exact,
        .prealloc = prealloc,
        .flags = flags,
        .errp = errp,
    };
    int ret = node_call(truncate_entry, &n);

    if (!qemu_in_coroutine()) {
        /* The parents learn of it in a bottom half, and the caller may rely on that. */
        AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&child->bs->in_flight));
    }
    return ret;
}

int bdrv_flush_all(void)
{
    int result = 0;

    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        int ret = bdrv_flush(bs);

        result = result ? result : ret;
    }
    return result;
}
