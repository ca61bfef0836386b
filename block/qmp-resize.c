/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's command that resizes a node. Main loop. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-core.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "block/command-wait.h"
#include "qemu/storage-call.h"
#include "system/block-backend.h"

/* What a resize holds. Once the command has given it up it is its own owner. */
typedef struct Resize {
    BlockDriverState *bs;
    int64_t size;
    BlockBackend *blk; /* NULL with err: it may not be resized */
    BdrvSettled *settled;
    Error *err;
} Resize;

static void resize_begin(void *opaque)
{
    Resize *resize = opaque;

    resize->blk = blk_new_with_bs(resize->bs, BLK_PERM_RESIZE, BLK_PERM_ALL, &resize->err);
    if (resize->blk) {
        blk_set_allow_aio_context_change(resize->blk, true);
        bdrv_drained_begin(resize->bs);
    }
}

static void resize_truncate(void *opaque)
{
    Resize *resize = opaque;

    blk_truncate(resize->blk, resize->size, false, PREALLOC_MODE_OFF, 0, &resize->err);
}

static void resize_end(void *opaque)
{
    Resize *resize = opaque;

    if (resize->blk) {
        bdrv_drained_end(resize->bs);
        blk_unref(resize->blk);
    }
    bdrv_unsettle(resize->settled);
}

static void resize_free(Resize *resize, Error **errp)
{
    error_propagate(errp, resize->err);
    g_free(resize);
}

/* Is not done in time, but now. */
static void resize_late_bh(void *opaque)
{
    Resize *resize = opaque;
    Error *err = NULL;

    resize_end(resize);
    resize_free(resize, &err);
    if (err) {
        error_reportf_err(err, "a resize that took too long failed: ");
    }
}

static void resize_late(void *opaque)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), resize_late_bh, opaque);
}

static void coroutine_fn co_resize(Resize *resize, Error **errp)
{
    resize->settled = bdrv_co_settle(resize->bs, &resize->err);
    if (resize->settled) {
        bdrv_co_leave(resize_begin, resize);
    }
    if (resize->blk &&
        !bdrv_co_within(resize->bs, resize_truncate, resize, STORAGE_SLOW_MS, resize_late, errp)) {
        return;
    }
    bdrv_co_leave(resize_end, resize);
    resize_free(resize, errp);
}

void coroutine_mixed_fn qmp_block_resize(const char *device, const char *node_name, int64_t size,
                                         Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(device, node_name, errp);
    Resize *resize;

    if (!bs) {
        return;
    }
    if (size < 0) {
        error_setg(errp, "Parameter 'size' expects a >0 size");
        return;
    }
    resize = g_new0(Resize, 1);
    resize->bs = bs;
    resize->size = size;
    if (qemu_in_coroutine()) {
        assert_coroutine_role();
        co_resize(resize, errp);
        return;
    }
    resize_begin(resize);
    if (resize->blk) {
        resize_truncate(resize);
    }
    resize_end(resize);
    resize_free(resize, errp);
}
