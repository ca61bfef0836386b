/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be asked of a BlockBackend: its node, lengths, limits, and what to do on errors. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/backend.h"

BlockDriverState *blk_bs(BlockBackend *blk)
{
    BdrvChild *root = qatomic_read(&blk->root);

    return root ? root->bs : NULL;
}

const char *blk_name(const BlockBackend *blk)
{
    return blk->name ? blk->name : "";
}

AioContext *blk_get_aio_context(BlockBackend *blk)
{
    return blk ? qatomic_read(&blk->ctx) : qemu_get_aio_context();
}

BlockAcctStats *blk_get_stats(BlockBackend *blk)
{
    return &blk->stats;
}

int64_t blk_getlength(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? bdrv_getlength(bs) : -ENOMEDIUM;
}

int64_t coroutine_fn blk_co_getlength(BlockBackend *blk)
{
    return blk_getlength(blk);
}

int64_t blk_nb_sectors(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? bdrv_nb_sectors(bs) : -ENOMEDIUM;
}

int64_t coroutine_fn blk_co_nb_sectors(BlockBackend *blk)
{
    return blk_nb_sectors(blk);
}

void blk_get_geometry(BlockBackend *blk, uint64_t *nb_sectors_ptr)
{
    *nb_sectors_ptr = MAX(blk_nb_sectors(blk), (int64_t)0);
}

void coroutine_fn blk_co_get_geometry(BlockBackend *blk, uint64_t *nb_sectors_ptr)
{
    blk_get_geometry(blk, nb_sectors_ptr);
}

bool blk_is_inserted(BlockBackend *blk)
{
    return blk_bs(blk) != NULL;
}

bool blk_is_available(BlockBackend *blk)
{
    bool tray_open =
        blk->dev_ops && blk->dev_ops->is_tray_open && blk->dev_ops->is_tray_open(blk->dev_opaque);

    return blk_is_inserted(blk) && !tray_open;
}

bool blk_is_writable(BlockBackend *blk)
{
    return blk->perm & BLK_PERM_WRITE;
}

bool blk_supports_write_perm(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return !bs || !bdrv_is_read_only(bs);
}

bool blk_enable_write_cache(BlockBackend *blk)
{
    return qatomic_read(&blk->enable_write_cache);
}

uint32_t blk_get_request_alignment(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? bs->bl.request_alignment : BDRV_SECTOR_SIZE;
}

uint32_t blk_get_max_transfer(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);
    uint32_t max = bs ? bs->bl.max_transfer : 0;

    return QEMU_ALIGN_DOWN(MIN_NON_ZERO(max, (uint32_t)BDRV_REQUEST_MAX_BYTES),
                           blk_get_request_alignment(blk));
}

int blk_get_max_iov(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return MIN_NON_ZERO(bs ? bs->bl.max_iov : 0, IOV_MAX);
}

void *blk_blockalign(BlockBackend *blk, size_t size)
{
    return qemu_blockalign(blk_bs(blk), size);
}

void *blk_try_blockalign(BlockBackend *blk, size_t size)
{
    return qemu_try_blockalign(blk_bs(blk), size);
}

/* Errors */

void blk_iostatus_enable(BlockBackend *blk)
{
    GLOBAL_STATE_CODE();
    blk->iostatus_enabled = true;
    blk_iostatus_reset(blk);
}

void blk_iostatus_disable(BlockBackend *blk)
{
    GLOBAL_STATE_CODE();
    blk->iostatus_enabled = false;
}

bool blk_iostatus_is_enabled(const BlockBackend *blk)
{
    return blk->iostatus_enabled;
}

BlockDeviceIoStatus blk_iostatus(const BlockBackend *blk)
{
    return qatomic_read(&blk->iostatus);
}

void blk_iostatus_reset(BlockBackend *blk)
{
    qatomic_set(&blk->iostatus, BLOCK_DEVICE_IO_STATUS_OK);
}

void blk_iostatus_set_err(BlockBackend *blk, int error)
{
    if (blk->iostatus_enabled && qatomic_read(&blk->iostatus) == BLOCK_DEVICE_IO_STATUS_OK) {
        qatomic_set(&blk->iostatus, error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                                    : BLOCK_DEVICE_IO_STATUS_FAILED);
    }
}
