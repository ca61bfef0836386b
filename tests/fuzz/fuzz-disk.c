/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small disk in memory, on the heap, so that a sanitizer sees every access beside it.
 */
#include "qemu/osdep.h"
#include "block/block_int.h"
#include "fuzz-disk.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-core.h"
#include "qemu/coroutine.h"

static uint8_t *data;
static bool holding;
static GQueue waiting = G_QUEUE_INIT;

/* A request may wait before and after the data moves. */
static void coroutine_fn pause_if_held(void)
{
    if (holding) {
        g_queue_push_tail(&waiting, qemu_coroutine_self());
        qemu_coroutine_yield();
    }
}

static void check(int64_t offset, int64_t bytes)
{
    g_assert(offset >= 0 && bytes >= 0 && offset + bytes <= FUZZ_DISK_SIZE);
}

static int coroutine_fn disk_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                    QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    check(offset, bytes);
    pause_if_held();
    qemu_iovec_from_buf(qiov, 0, data + offset, bytes);
    pause_if_held();
    return 0;
}

static int coroutine_fn disk_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                     QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    check(offset, bytes);
    pause_if_held();
    qemu_iovec_to_buf(qiov, 0, data + offset, bytes);
    pause_if_held();
    return 0;
}

static int coroutine_fn disk_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                           BdrvRequestFlags flags)
{
    check(offset, bytes);
    pause_if_held();
    memset(data + offset, 0, bytes);
    return 0;
}

static int coroutine_fn disk_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    check(offset, bytes);
    pause_if_held();
    return 0;
}

static int coroutine_fn disk_flush(BlockDriverState *bs)
{
    pause_if_held();
    return 0;
}

static BlockDriver disk_driver = {
    .format_name = "fuzz-disk",
    .bdrv_co_preadv = disk_preadv,
    .bdrv_co_pwritev = disk_pwritev,
    .bdrv_co_pwrite_zeroes = disk_pwrite_zeroes,
    .bdrv_co_pdiscard = disk_pdiscard,
    .bdrv_co_flush_to_disk = disk_flush,
};

void fuzz_disk_setup(const char *name)
{
    BlockdevOptions options = {
        .driver = BLOCKDEV_DRIVER_NULL_CO,
        .node_name = (char *)name,
        .u.null_co = { .has_size = true, .size = FUZZ_DISK_SIZE },
    };
    BlockDriverState *bs;

    data = g_malloc0(FUZZ_DISK_SIZE);
    qmp_blockdev_add(&options, &error_abort);
    bs = bdrv_find_node(name);
    bs->drv = &disk_driver;
}

void fuzz_disk_hold(bool hold)
{
    holding = hold;
}

void fuzz_disk_resume(unsigned n)
{
    while (n-- && !g_queue_is_empty(&waiting)) {
        qemu_coroutine_enter(g_queue_pop_head(&waiting));
    }
}

void fuzz_disk_reset(void)
{
    holding = false;
    while (!g_queue_is_empty(&waiting)) {
        fuzz_disk_resume(1);
    }
    memset(data, 0, FUZZ_DISK_SIZE);
}
