/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What io.c and zeroes.c share: a part of a request, and how to cut it. */
#ifndef BLOCK_IO_PRIVATE_H
#define BLOCK_IO_PRIVATE_H

#include "block/block_int.h"

/* A range in bytes with its memory; a write with qiov NULL writes zeroes. */
typedef struct BdrvSpan {
    int64_t offset;
    int64_t bytes;
    QEMUIOVector *qiov;
    size_t qiov_offset;
    BdrvRequestFlags flags;
    bool write;
} BdrvSpan;

typedef int coroutine_fn BdrvSpanFunc(BlockDriverState *bs, const BdrvSpan *s);

/* Calls @func for pieces of @s of at most @max bytes, until one fails. 0 or -errno. */
int coroutine_fn bdrv_span_split(BlockDriverState *bs, const BdrvSpan *s, int64_t max,
                                 BdrvSpanFunc *func);
/* An aligned read that may reach past the end. */
int coroutine_fn bdrv_read_aligned(BlockDriverState *bs, const BdrvSpan *s);
/* Read, modify, write of one piece that begins or ends inside a block. */
int coroutine_fn bdrv_write_unaligned(BlockDriverState *bs, const BdrvSpan *s);
/* Runs @func for the checked write @s, tracked where the node needs it, and notes its end. */
/* medium.c: what of secure erase and lifetime a driver has said to offer is really offered. */
void bdrv_refresh_medium_limits(BlockDriverState *bs);
int coroutine_fn bdrv_write_span(BlockDriverState *bs, const BdrvSpan *s, BdrvSpanFunc *func);
/* 0; -EPERM without the permission to write; -EIO when @end is past the end without RESIZE. */
int bdrv_check_write_perm(BdrvChild *child, int64_t end);

#endif
