/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the medium itself: secure erase, lifetime.
 *
 * Neither has a fallback: zeroes written over old data do not erase it from flash, and a lifetime
 * cannot be guessed. What the driver does not do is refused.
 */
#include "qemu/osdep.h"
#include "block/block_int.h"
#include "block/io.h"
#include "block/medium.h"
#include "system/block-backend.h"

static int coroutine_fn driver_secure_erase(BlockDriverState *bs, const BdrvSpan *s)
{
    return bs->drv->bdrv_co_secure_erase(bs, s->offset, s->bytes);
}

static int coroutine_fn secure_erase_aligned(BlockDriverState *bs, const BdrvSpan *s)
{
    return bdrv_span_split(bs, s, bs->bl.max_secure_erase, driver_secure_erase);
}

int coroutine_fn bdrv_co_secure_erase(BdrvChild *child, int64_t offset, int64_t bytes)
{
    BlockDriverState *bs = child->bs;
    BdrvSpan s = { .offset = offset, .bytes = bytes, .write = true };
    int ret = bdrv_check_request(offset, bytes, NULL);

    if (ret == 0) {
        ret = bdrv_check_write_perm(child, offset + bytes);
    }
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (!bs->bl.max_secure_erase) {
        return -ENOTSUP;
    }
    if (!QEMU_IS_ALIGNED(offset | bytes, (int64_t)bs->bl.secure_erase_alignment)) {
        return -EINVAL;
    }
    return bdrv_write_span(bs, &s, secure_erase_aligned);
}

int coroutine_fn bdrv_co_get_lifetime(BdrvChild *child, BlockLifetime *ret_lifetime)
{
    BlockDriverState *bs = child->bs;
    int ret = -ENOTSUP;

    if (bs->bl.has_lifetime) {
        bdrv_inc_in_flight(bs);
        ret = bs->drv->bdrv_co_get_lifetime(bs, ret_lifetime);
        bdrv_dec_in_flight(bs);
    }
    return ret;
}

void bdrv_refresh_medium_limits(BlockDriverState *bs)
{
    BlockLimits *bl = &bs->bl;
    bool may_erase = !bdrv_is_read_only(bs) && (bs->open_flags & BDRV_O_UNMAP);

    if (!bs->drv->bdrv_co_secure_erase || !may_erase) {
        bl->max_secure_erase = 0;
    }
    bl->secure_erase_alignment = MAX(bl->secure_erase_alignment, (uint32_t)BDRV_SECTOR_SIZE);
    bl->max_secure_erase =
        QEMU_ALIGN_DOWN(bl->max_secure_erase, (int64_t)bl->secure_erase_alignment);
    bl->has_lifetime = bl->has_lifetime && bs->drv->bdrv_co_get_lifetime;
}

int64_t blk_get_max_secure_erase(BlockBackend *blk)
{
    return blk_bs(blk)->bl.max_secure_erase;
}

uint32_t blk_get_secure_erase_alignment(BlockBackend *blk)
{
    return blk_bs(blk)->bl.secure_erase_alignment;
}

bool blk_has_lifetime(BlockBackend *blk)
{
    return blk_bs(blk)->bl.has_lifetime;
}
