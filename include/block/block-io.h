/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to a node, and what may be asked of it in any thread.
 *
 * `_co_` functions run in a coroutine, in any thread, and yield until the request has completed;
 * the caller's buffers stay untouched by others until then. Offsets and lengths are in bytes.
 * Functions return 0 or a positive count, else -errno. A caller that does not come through a
 * BlockBackend holds bdrv_inc_in_flight() or is the main loop's thread.
 */
#ifndef BLOCK_IO_H
#define BLOCK_IO_H

#include "block/block-common.h"

/* Reads into or writes from @qiov, at most BDRV_REQUEST_MAX_BYTES. Alignment is free. */
int coroutine_fn GRAPH_RDLOCK bdrv_co_preadv(BdrvChild *child, int64_t offset, int64_t bytes,
                                             QEMUIOVector *qiov, BdrvRequestFlags flags);
int coroutine_fn GRAPH_RDLOCK bdrv_co_pwritev(BdrvChild *child, int64_t offset, int64_t bytes,
                                              QEMUIOVector *qiov, BdrvRequestFlags flags);
/* The same on the part of @qiov that begins at @qiov_offset and is @bytes long. */
int coroutine_fn GRAPH_RDLOCK bdrv_co_preadv_part(BdrvChild *child, int64_t offset, int64_t bytes,
                                                  QEMUIOVector *qiov, size_t qiov_offset,
                                                  BdrvRequestFlags flags);
int coroutine_fn GRAPH_RDLOCK bdrv_co_pwritev_part(BdrvChild *child, int64_t offset, int64_t bytes,
                                                   QEMUIOVector *qiov, size_t qiov_offset,
                                                   BdrvRequestFlags flags);
/* The same with one plain buffer. */
int coroutine_fn GRAPH_RDLOCK bdrv_co_pread(BdrvChild *child, int64_t offset, int64_t bytes,
                                            void *buf, BdrvRequestFlags flags);
int coroutine_fn GRAPH_RDLOCK bdrv_co_pwrite(BdrvChild *child, int64_t offset, int64_t bytes,
                                             const void *buf, BdrvRequestFlags flags);
/*
 * Makes the range read as zeroes, by the cheapest way; with BDRV_REQ_MAY_UNMAP it may be
 * deallocated. Longer than BDRV_REQUEST_MAX_BYTES is fine.
 */
int coroutine_fn GRAPH_RDLOCK bdrv_co_pwrite_zeroes(BdrvChild *child, int64_t offset, int64_t bytes,
                                                    BdrvRequestFlags flags);
/* Says that the range's content is no longer needed. 0 also where the node ignores it. */
int coroutine_fn GRAPH_RDLOCK bdrv_co_pdiscard(BdrvChild *child, int64_t offset, int64_t bytes);
/* Makes all writes that have completed durable, down to the lowest node. */
int coroutine_fn GRAPH_RDLOCK bdrv_co_flush(BlockDriverState *bs);
/*
 * Sets the length to @offset bytes; @exact false allows a longer result. Tells the parents. With
 * BDRV_REQ_ZERO_WRITE new space reads as zeroes. 0, or -errno with @errp.
 */
int coroutine_fn GRAPH_RDLOCK bdrv_co_truncate(BdrvChild *child, int64_t offset, bool exact,
                                               PreallocMode prealloc, BdrvRequestFlags flags,
                                               Error **errp);

/* The length in bytes, a multiple of BDRV_SECTOR_SIZE, or -errno. Any thread; does not yield. */
int64_t bdrv_getlength(BlockDriverState *bs);
int64_t bdrv_nb_sectors(BlockDriverState *bs);
int64_t coroutine_fn bdrv_co_getlength(BlockDriverState *bs);
int64_t coroutine_fn bdrv_co_nb_sectors(BlockDriverState *bs);
void bdrv_get_geometry(BlockDriverState *bs, uint64_t *nb_sectors_ptr);
/* Asks the driver for the length again. 0 or -errno. Outside a coroutine: main loop, polls. */
int coroutine_mixed_fn bdrv_refresh_total_sectors(BlockDriverState *bs);

const char *bdrv_get_node_name(const BlockDriverState *bs);
/* The BlockBackend's name where there is a named one above @bs, else the node name. */
const char *bdrv_get_device_or_node_name(const BlockDriverState *bs);
const char *bdrv_get_format_name(BlockDriverState *bs);
int bdrv_get_flags(BlockDriverState *bs);
bool bdrv_is_read_only(BlockDriverState *bs);
/* What kept @bs, or what is below it, from being opened for writing; NULL: the user's wish. */
const char *bdrv_read_only_reason(BlockDriverState *bs);
bool bdrv_is_inserted(BlockDriverState *bs);
/* Whether zero writes with BDRV_REQ_MAY_UNMAP may deallocate. */
bool bdrv_can_write_zeroes_with_unmap(BlockDriverState *bs);

/* The home of control callbacks. Any thread while a request is in flight; else main loop. */
AioContext *bdrv_get_aio_context(BlockDriverState *bs);
AioContext *child_of_bds_get_parent_aio_context(BdrvChild *c);
AioContext *bdrv_child_get_parent_aio_context(BdrvChild *c);

/* Keeps a drain of @bs from completing. Any thread. */
void bdrv_inc_in_flight(BlockDriverState *bs);
void bdrv_dec_in_flight(BlockDriverState *bs);
/* Lets a drain that waits look again. Any thread. */
void bdrv_wakeup(BlockDriverState *bs);

/* The alignment in bytes that buffers need (min) or like (opt). */
size_t bdrv_min_mem_align(BlockDriverState *bs);
size_t bdrv_opt_mem_align(BlockDriverState *bs);
/* Whether each element of @qiov has bdrv_min_mem_align() in address and length. */
bool bdrv_qiov_is_aligned(BlockDriverState *bs, QEMUIOVector *qiov);
/* Buffers with bdrv_opt_mem_align(); free by qemu_vfree(). The try variants may return NULL. */
void *qemu_blockalign(BlockDriverState *bs, size_t size);
void *qemu_blockalign0(BlockDriverState *bs, size_t size);
void *qemu_try_blockalign(BlockDriverState *bs, size_t size);
void *qemu_try_blockalign0(BlockDriverState *bs, size_t size);

/* As the `_co_` functions, outside coroutines: main loop's thread, poll until done. */
int bdrv_flush(BlockDriverState *bs);
int bdrv_pread(BdrvChild *child, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags);
int bdrv_pwrite(BdrvChild *child, int64_t offset, int64_t bytes, const void *buf,
                BdrvRequestFlags flags);
int bdrv_pwrite_zeroes(BdrvChild *child, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int bdrv_pdiscard(BdrvChild *child, int64_t offset, int64_t bytes);
int bdrv_truncate(BdrvChild *child, int64_t offset, bool exact, PreallocMode prealloc,
                  BdrvRequestFlags flags, Error **errp);

/* Checks a request's numbers, whoever gave them: 0, or -EIO when negative or beyond the limits. */
int bdrv_check_request(int64_t offset, int64_t bytes, Error **errp);

/* Asks for cancellation; the completion comes later, possibly with success. */
void bdrv_aio_cancel_async(BlockAIOCB *acb);

#endif
