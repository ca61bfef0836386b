/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Around requests to nodes: their length, and the memory that they like. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
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
        if (qiov->iov[i].iov_len &&
            (((uintptr_t)qiov->iov[i].iov_base & mask) || (qiov->iov[i].iov_len & length_mask))) {
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
