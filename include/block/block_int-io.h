/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drivers and the block layer's own files need of the request path. */
#ifndef BLOCK_INT_IO_H
#define BLOCK_INT_IO_H

#include "block/block_int-common.h"

/* Asks @drv for its length and stores it. In a coroutine. 0 or -errno. */
int coroutine_fn bdrv_co_refresh_total_sectors(BlockDriverState *bs);

/* Runs @entry(@opaque) in a coroutine and polls the main loop until *@done. Main loop's thread. */
void bdrv_run_co(CoroutineEntry *entry, void *opaque, const bool *done);

/*
 * A write of @bytes at @offset to @bs, in a coroutine: begin; then, once and before any access,
 * make it serialising or wait for those that are; end, when the last access has ended.
 */
void coroutine_fn bdrv_tracked_request_begin(BdrvTrackedRequest *req, BlockDriverState *bs,
                                             int64_t offset, int64_t bytes);
void coroutine_fn bdrv_tracked_request_end(BdrvTrackedRequest *req);
/* Widens @req to @align, makes it serialising and waits for overlapping requests. */
void coroutine_fn bdrv_make_request_serialising(BdrvTrackedRequest *req, uint64_t align);
/* Waits until no serialising request overlaps @req. */
void coroutine_fn bdrv_wait_serialising_requests(BdrvTrackedRequest *req);

/* Raises bs->total_sectors after a write that ended at @end bytes; tells nobody. Any thread. */
void bdrv_note_write_end(BlockDriverState *bs, int64_t end);

#endif
