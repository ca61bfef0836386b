/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A read that is done at once or not at all. */
#ifndef TESTS_UNIT_TRY_READ_H
#define TESTS_UNIT_TRY_READ_H

#include "block/try-io.h"

/* In two pieces; 0 or -errno as blk_try_preadv(). */
static inline int try_read(BlockBackend *blk, int64_t offset, void *buf, size_t bytes)
{
    size_t first = MIN(bytes / 2, 512);
    struct iovec iov[2] = { { buf, first }, { (char *)buf + first, bytes - first } };
    BlkTryBatch batch;
    int ret;

    blk_try_begin(&batch, blk);
    ret = blk_try_preadv(&batch, offset, bytes, iov, 2);
    blk_try_end(&batch);
    return ret;
}

#endif
