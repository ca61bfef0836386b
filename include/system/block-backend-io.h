/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests through a BlockBackend.
 *
 * The blk_co_ functions run in a coroutine, in any thread, yield until the request has completed
 * and return 0 or -errno: -ENOMEDIUM without a node, -EIO for a range that is negative or not
 * inside the length, -EPERM for a write without BLK_PERM_WRITE. Offsets and lengths are in bytes;
 * alignment is free. A request that arrives while the node is drained waits until the drain ends,
 * unless blk_set_disable_request_queuing() says otherwise. Counters are kept: block/accounting.h.
 */
#ifndef BLOCK_BACKEND_IO_H
#define BLOCK_BACKEND_IO_H

#include "system/block-backend-common.h"
#include "block/accounting.h"

int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset, int64_t bytes, QEMUIOVector *qiov,
                               BdrvRequestFlags flags);
int coroutine_fn blk_co_preadv_part(BlockBackend *blk, int64_t offset, int64_t bytes,
                                    QEMUIOVector *qiov, size_t qiov_offset, BdrvRequestFlags flags);
int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf,
                              BdrvRequestFlags flags);
int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, BdrvRequestFlags flags);
int coroutine_fn blk_co_pwritev_part(BlockBackend *blk, int64_t offset, int64_t bytes,
                                     QEMUIOVector *qiov, size_t qiov_offset,
                                     BdrvRequestFlags flags);
int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf,
                               BdrvRequestFlags flags);
/* The two may be longer than BDRV_REQUEST_MAX_BYTES. */
int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                                      BdrvRequestFlags flags);
int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes);
/* Makes the writes that have completed durable. */
int coroutine_fn blk_co_flush(BlockBackend *blk);
/* Needs BLK_PERM_RESIZE. @exact false allows a longer result. -errno with @errp. */
int coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t offset, bool exact,
                                 PreallocMode prealloc, BdrvRequestFlags flags, Error **errp);

/* The same from outside a coroutine: main loop's thread, poll until done. */
int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags);
int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf,
               BdrvRequestFlags flags);
int blk_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int blk_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes);
int blk_flush(BlockBackend *blk);
int blk_truncate(BlockBackend *blk, int64_t offset, bool exact, PreallocMode prealloc,
                 BdrvRequestFlags flags, Error **errp);

/* Length in bytes (or -errno), in sectors (0 when unknown). Any thread. */
int64_t blk_getlength(BlockBackend *blk);
int64_t coroutine_fn blk_co_getlength(BlockBackend *blk);
int64_t blk_nb_sectors(BlockBackend *blk);
int64_t coroutine_fn blk_co_nb_sectors(BlockBackend *blk);
void blk_get_geometry(BlockBackend *blk, uint64_t *nb_sectors_ptr);
void coroutine_fn blk_co_get_geometry(BlockBackend *blk, uint64_t *nb_sectors_ptr);

/* The node, or NULL. Any thread while a request is in flight; else main loop. */
BlockDriverState *blk_bs(BlockBackend *blk);
/* "" when it has none. */
const char *blk_name(const BlockBackend *blk);
bool blk_is_inserted(BlockBackend *blk);
bool blk_is_available(BlockBackend *blk);
bool blk_is_writable(BlockBackend *blk);
/* Whether the node below takes writes at all. */
bool blk_supports_write_perm(BlockBackend *blk);
bool blk_enable_write_cache(BlockBackend *blk);
/* Limits of the node in bytes and elements, for those who advertise them; never 0. */
uint32_t blk_get_request_alignment(BlockBackend *blk);
uint32_t blk_get_max_transfer(BlockBackend *blk);
int blk_get_max_iov(BlockBackend *blk);
void *blk_blockalign(BlockBackend *blk, size_t size);
void *blk_try_blockalign(BlockBackend *blk, size_t size);

/* The home of @blk's control callbacks. Any thread. */
AioContext *blk_get_aio_context(BlockBackend *blk);
BlockAcctStats *blk_get_stats(BlockBackend *blk);

/* Keeps a drain from completing while the user works for a request outside the block layer. */
void blk_inc_in_flight(BlockBackend *blk);
void blk_dec_in_flight(BlockBackend *blk);

/* Remembers a failed request, @error being a positive errno, where that is enabled. */
void blk_iostatus_set_err(BlockBackend *blk, int error);

#endif
