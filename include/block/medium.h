/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request may ask of the medium that the data lies on: to forget for good, how worn it is.
 *
 * A node offers either only where its storage does: see BlockLimits.
 */
#ifndef BLOCK_MEDIUM_H
#define BLOCK_MEDIUM_H

#include "block/block-common.h"

/* How worn flash storage is, in the steps of the JEDEC standards for eMMC and UFS. */
typedef struct BlockLifetime {
    uint16_t pre_eol_info; /* spare blocks: 0 unknown, 1 normal, 2 80 % used, 3 90 % used */
    uint16_t est_typ_a;    /* used lifetime: 0 unknown, 1-10 in steps of 10 %, 11 over its end */
    uint16_t est_typ_b;
} BlockLifetime;

/**
 * bdrv_co_secure_erase: Make the range's contents unrecoverable, older copies that the medium keeps
 * of them included. What it reads as afterwards is undefined.
 *
 * Any thread; yields. The range is aligned to bl.secure_erase_alignment. Never does half of what
 * was asked without saying so. Returns 0, -ENOTSUP if the medium cannot, -EINVAL if the range is
 * not aligned, or another -errno.
 */
int coroutine_fn bdrv_co_secure_erase(BdrvChild *child, int64_t offset, int64_t bytes);

/** bdrv_co_get_lifetime: Any thread; yields. 0, or -errno and nothing in *@ret_lifetime. */
int coroutine_fn bdrv_co_get_lifetime(BdrvChild *child, BlockLifetime *ret_lifetime);

/** The same through a BlockBackend. */
int coroutine_fn blk_co_secure_erase(BlockBackend *blk, int64_t offset, int64_t bytes);
int coroutine_fn blk_co_get_lifetime(BlockBackend *blk, BlockLifetime *ret_lifetime);

/** blk_get_max_secure_erase: The longest secure erase in bytes; 0: there is none. Main loop. */
int64_t blk_get_max_secure_erase(BlockBackend *blk);
/** blk_get_secure_erase_alignment: In bytes; a power of two. Main loop. */
uint32_t blk_get_secure_erase_alignment(BlockBackend *blk);
/** blk_has_lifetime: Can the medium tell how worn it is? Main loop. */
bool blk_has_lifetime(BlockBackend *blk);

#endif /* BLOCK_MEDIUM_H */
