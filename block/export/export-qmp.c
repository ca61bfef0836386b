/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP: exports are added, moved and removed.
 *
 * A command that may have to wait for requests lets them settle first (block/command-wait.h); what
 * it names is looked for when it goes on, since it may have gone meanwhile.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/storage-call.h"
#include "block/aio-wait.h"
#include "block/block.h"
#include "block/block_int-common.h"
#include "block/command-wait.h"
#include "block/export.h"
#include "export-threads.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-export.h"
#include "system/block-backend.h"

typedef struct ExportAdd {
    BlockExportOptions *options;
    Error **errp;
} ExportAdd;

static void add_export(void *opaque)
{
    ExportAdd *add = opaque;

    blk_exp_add(add->options, add->errp);
}

void coroutine_mixed_fn qmp_block_export_add(BlockExportOptions *export, Error **errp)
{
    /* Whoever uses the node already may have to move with it. */
    BlockDriverState *bs =
        export->iothread || export->iothread_vq_mapping ? bdrv_find_node(export->node_name) : NULL;
    ExportAdd add = { export, errp };

    bdrv_command_settled(bs, add_export, &add, errp);
}

typedef struct ExportMove {
    const char *id;
    BlockExportThreadOptions options;
    Error **errp;
} ExportMove;

static void move_export(void *opaque)
{
    ExportMove *move = opaque;
    BlockExport *exp = blk_exp_find(move->id);
    g_autoptr(BlockExportThreads) threads = NULL;

    if (!exp || !exp->user_owned) {
        error_setg(move->errp,
                   exp ? "Export '%s' is already shutting down" : "Export '%s' is not found",
                   move->id);
        return;
    }
    threads = blk_exp_threads_new(exp->drv, &move->options, move->errp);
    if (!threads || !blk_exp_threads_fit(threads, exp->num_queues, move->errp)) {
        return;
    }
    if (!blk_exp_threads_home(threads)) {
        error_setg(move->errp, "either iothread or iothread-vq-mapping is needed");
        return;
    }
    if (blk_exp_change_threads(exp, threads, move->errp)) {
        threads = NULL;
    }
}

void coroutine_mixed_fn qmp_block_export_set_iothread(
    const char *id, BlockExportIothreads *iothread, bool has_iothread_vq_mapping,
    IOThreadVirtQueueMappingList *iothread_vq_mapping, Error **errp)
{
    ExportMove move = { id, { iothread, iothread_vq_mapping }, errp };
    BlockExport *exp = blk_exp_find(id);

    bdrv_command_settled(exp ? blk_bs(exp->blk) : NULL, move_export, &move, errp);
}

/* Most exports are gone at once, and whoever asked for it may rely on that. */
static void coroutine_fn wait_until_gone(const char *id)
{
    int64_t end = get_clock() + (int64_t)STORAGE_QUICK_MS * SCALE_MS, left;
    AioWaitCo wait = {};

    aio_wait_co_begin(&wait);
    while (blk_exp_find(id) && (left = end - get_clock()) > 0) {
        aio_wait_co(&wait, left);
    }
    aio_wait_co_end(&wait);
}

typedef struct ExportDeletion {
    const char *id;
    bool hard;
    Error **errp;
    bool done; /* it goes */
} ExportDeletion;

static void delete_export(void *opaque)
{
    ExportDeletion *deletion = opaque;
    const char *id = deletion->id;
    BlockExport *exp = blk_exp_find(id);
    g_autofree char *client = NULL;

    if (!exp) {
        error_setg(deletion->errp, "Export '%s' is not found", id);
        return;
    }
    if (!exp->user_owned) {
        error_setg(deletion->errp, "Export '%s' is already shutting down", id);
        return;
    }
    if (exp->drv->describe_client) {
        client = exp->drv->describe_client(exp);
    }
    if (client && !deletion->hard) {
        error_setg(deletion->errp, "export '%s' still in use by its client, %s", id, client);
        error_append_hint(deletion->errp, "Use mode='hard' to force client disconnect\n");
        return;
    }
    blk_exp_request_shutdown(exp);
    deletion->done = true;
}

void coroutine_mixed_fn qmp_block_export_del(const char *id, bool has_mode,
                                             BlockExportRemoveMode mode, Error **errp)
{
    ExportDeletion deletion = { id, has_mode && mode == BLOCK_EXPORT_REMOVE_MODE_HARD, errp };

    assert(qemu_in_coroutine());
    assert_coroutine_role();
    bdrv_co_leave(delete_export, &deletion);
    if (deletion.done) {
        /* Have the event go out before the reply. */
        wait_until_gone(id);
    }
}
