/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of exports: ids, references, creation and removal. Main loop,
 * except where the header says otherwise.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/id.h"
#include "qemu/main-loop.h"
#include "qemu/str-hash.h"
#include "block/aio-wait.h"
#include "block/block.h"
#include "block/block_int-common.h"
#include "block/export.h"
#include "export-events.h"
#include "export-stats.h"
#include "export-threads.h"
#include "qapi/error.h"
#include "qapi/qapi-events-block-export.h"
#include "system/block-backend.h"
#include "vhost-user-blk-server.h"

static const BlockExportDriver *const blk_exp_drivers[] = {
    &blk_exp_vhost_user_blk,
};

/* The newest first. */
static QLIST_HEAD(, BlockExport) block_exports = QLIST_HEAD_INITIALIZER(block_exports);
static QLIST_HEAD(, BlockExport) owned_exports = QLIST_HEAD_INITIALIZER(owned_exports);
static GHashTable *exports_by_id; /* all of them */

BlockExport *blk_exp_find(const char *id)
{
    return exports_by_id ? g_hash_table_lookup(exports_by_id, id) : NULL;
}

static void blk_exp_list(BlockExport *exp)
{
    if (!exports_by_id) {
        exports_by_id = str_table_new();
    }
    g_hash_table_insert(exports_by_id, exp->id, exp);
    QLIST_INSERT_HEAD(&block_exports, exp, next);
    QLIST_INSERT_HEAD(&owned_exports, exp, next_owned);
}

static void blk_exp_unlist(BlockExport *exp)
{
    QLIST_REMOVE(exp, next);
    g_hash_table_remove(exports_by_id, exp->id);
    if (QLIST_EMPTY(&block_exports)) {
        g_clear_pointer(&exports_by_id, g_hash_table_unref);
    }
}

void blk_exp_foreach(void (*fn)(BlockExport *exp, void *opaque), void *opaque)
{
    BlockExport *exp;

    QLIST_FOREACH (exp, &block_exports, next) {
        fn(exp, opaque);
    }
}

static const BlockExportDriver *blk_exp_find_driver(BlockExportType type)
{
    for (size_t i = 0; i < ARRAY_SIZE(blk_exp_drivers); i++) {
        if (blk_exp_drivers[i]->type == type) {
            return blk_exp_drivers[i];
        }
    }
    return NULL;
}

/*
 * Move the node to the first thread that was asked for. Returns false with
 * @errp set when the user insists on it and the node cannot go there.
 */
static bool blk_exp_move_node(BlockDriverState *bs, const BlockExportThreads *threads, bool insist,
                              Error **errp)
{
    AioContext *home = blk_exp_threads_home(threads);
    Error *local_err = NULL;

    if (home && bdrv_try_change_aio_context(bs, home, NULL, &local_err) < 0) {
        if (insist) {
            error_propagate(errp, local_err);
            return false;
        }
        error_free(local_err);
    }
    return true;
}

/* A BlockBackend on @bs with what this export needs, or NULL with @errp set. */
static BlockBackend *blk_exp_new_backend(BlockDriverState *bs, const BlockExportOptions *export,
                                         Error **errp)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | (export->writable ? BLK_PERM_WRITE : 0);
    BlockBackend *blk = blk_new(bdrv_get_aio_context(bs), perm, BLK_PERM_ALL);

    blk_set_allow_aio_context_change(blk, !export->fixed_iothread);
    if (blk_insert_bs(blk, bs, errp) < 0) {
        blk_unref(blk);
        return NULL;
    }
    blk_set_enable_write_cache(blk, !export->writethrough);
    return blk;
}

/* What can be said against @export before anything is touched. */
static bool blk_exp_check(const BlockExportOptions *export, const BlockExportDriver **ret_drv,
                          Error **errp)
{
    if (!id_wellformed(export->id)) {
        error_setg(errp, "Invalid block export id");
        return false;
    }
    if (blk_exp_find(export->id)) {
        error_setg(errp, "Block export id '%s' is already in use", export->id);
        return false;
    }
    *ret_drv = blk_exp_find_driver(export->type);
    if (!*ret_drv) {
        error_setg(errp, "No driver found for the requested export type");
        return false;
    }
    if (export->allow_inactive && !(*ret_drv)->supports_inactive) {
        error_setg(errp, "Export type does not support inactive exports");
        return false;
    }
    return blk_exp_check_boundaries(export->latency_boundaries, errp);
}

/* The node that @export names, as far as it can be exported, or NULL with @errp set. */
static BlockDriverState *blk_exp_lookup_node(const BlockExportOptions *export, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(NULL, export->node_name, errp);

    if (bs && export->writable && bdrv_is_read_only(bs)) {
        const char *reason = bdrv_read_only_reason(bs);

        error_setg(errp, "Cannot export read-only node as writable%s%s", reason ? ": " : "",
                   reason ?: "");
        return NULL;
    }
    return bs;
}

static BlockExport *blk_exp_new(BlockExportOptions *export, const BlockExportDriver *drv,
                                BlockDriverState *bs, BlockExportThreads *threads, Error **errp)
{
    BlockBackend *blk = blk_exp_new_backend(bs, export, errp);
    BlockExport *exp;

    if (!blk) {
        return NULL;
    }
    exp = g_malloc0(drv->instance_size);
    *exp = (BlockExport){
        .drv = drv,
        .id = g_strdup(export->id),
        .threads = threads,
        .fixed_iothread = export->fixed_iothread,
        .writable = export->writable,
        .refcount = 1,
        .user_owned = true,
        .ctx = blk_get_aio_context(blk),
        .blk = blk,
    };
    exp->events = blk_exp_events_new(exp);
    if (drv->create(exp, export, errp) < 0) {
        blk_exp_events_free(exp->events);
        blk_unref(blk);
        g_free(exp->id);
        g_free(exp);
        return NULL;
    }
    blk_exp_measure(exp, export->latency_boundaries);
    blk_exp_list(exp);
    return exp;
}

BlockExport *blk_exp_add(BlockExportOptions *export, Error **errp)
{
    BlockExportThreadOptions options = { export->iothread, export->iothread_vq_mapping };
    g_autoptr(BlockExportThreads) threads = NULL;
    g_autoptr(GPtrArray) placed = NULL;
    const BlockExportDriver *drv;
    AioContext *old_ctx;
    BlockDriverState *bs;
    BlockExport *exp;

    if (!blk_exp_check(export, &drv, errp)) {
        return NULL;
    }
    bs = blk_exp_lookup_node(export, errp);
    if (!bs) {
        return NULL;
    }
    old_ctx = bdrv_get_aio_context(bs);
    threads = blk_exp_threads_new(drv, &options, errp);
    placed = bdrv_placed_nodes(bs);
    if (!threads || !blk_exp_move_node(bs, threads, export->fixed_iothread, errp)) {
        return NULL;
    }
    exp = blk_exp_new(export, drv, bs, threads, errp);
    if (!exp) {
        /* Those who use the node already go on where they were. */
        bdrv_try_change_aio_context(bs, old_ctx, NULL, NULL);
        bdrv_place_again(placed);
        return NULL;
    }
    threads = NULL; /* the export's now */
    return exp;
}

bool blk_exp_set_num_queues(BlockExport *exp, unsigned num_queues, Error **errp)
{
    exp->num_queues = num_queues;
    return blk_exp_threads_fit(exp->threads, num_queues, errp);
}

AioContext *blk_exp_queue_context(BlockExport *exp, unsigned queue)
{
    return blk_exp_threads_queue(exp->threads, queue);
}

void blk_exp_ref(BlockExport *exp)
{
    int old = qatomic_fetch_inc(&exp->refcount);

    assert(old > 0);
}

static void blk_exp_delete_bh(void *opaque)
{
    BlockExport *exp = opaque;

    assert(exp->refcount == 0);
    blk_exp_unlist(exp);
    blk_exp_resume_nodes(exp);
    exp->drv->delete (exp);
    blk_exp_events_free(exp->events);
    blk_unref(exp->blk);
    blk_exp_threads_free(exp->threads);
    qapi_event_send_block_export_deleted(exp->id);
    g_free(exp->id);
    g_free(exp);
    aio_wait_kick();
}

void blk_exp_unref(BlockExport *exp)
{
    if (qatomic_fetch_dec(&exp->refcount) == 1) {
        /* The caller may be in another thread, or in the export's own code. */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), blk_exp_delete_bh, exp);
    }
}

/* @bs and the nodes below it, each with a reference, quiesced. */
static void blk_exp_quiesce(BlockDriverState *bs, GPtrArray *nodes)
{
    BdrvChild *child;

    bdrv_ref(bs);
    g_ptr_array_add(nodes, bs);
    bdrv_do_drained_begin_quiesce(bs, NULL);
    QLIST_FOREACH (child, &bs->children, next) {
        blk_exp_quiesce(child->bs, nodes);
    }
}

static void blk_exp_unquiesce(gpointer bs)
{
    bdrv_drained_end(bs);
    bdrv_unref(bs);
}

void blk_exp_request_shutdown(BlockExport *exp)
{
    if (!exp->user_owned) {
        return;
    }
    exp->user_owned = false;
    QLIST_REMOVE(exp, next_owned);
    /* What waits for a limit is not to hold the end up. */
    exp->quiesced = g_ptr_array_new_with_free_func(blk_exp_unquiesce);
    blk_exp_quiesce(blk_bs(exp->blk), exp->quiesced);
    exp->drv->request_shutdown(exp);
    blk_exp_unref(exp);
}

void blk_exp_resume_nodes(BlockExport *exp)
{
    g_clear_pointer(&exp->quiesced, g_ptr_array_unref);
}

void blk_exp_close_all(void)
{
    BlockExport *exp;

    /* A shutdown may poll, and what is polled may change the list. */
    while ((exp = QLIST_FIRST(&owned_exports))) {
        blk_exp_request_shutdown(exp);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, !QLIST_EMPTY(&block_exports));
}

bool blk_exp_change_threads(BlockExport *exp, BlockExportThreads *threads, Error **errp)
{
    BlockDriverState *bs = blk_bs(exp->blk);
    bool moved;

    bdrv_drained_begin(bs);
    /* Who fixed the thread meant others, not himself. */
    blk_set_allow_aio_context_change(exp->blk, true);
    moved = blk_exp_move_node(bs, threads, true, errp);
    blk_set_allow_aio_context_change(exp->blk, !exp->fixed_iothread);
    if (moved) {
        blk_exp_threads_free(exp->threads);
        exp->threads = threads;
        if (exp->drv->threads_changed) {
            exp->drv->threads_changed(exp);
        }
    }
    bdrv_drained_end(bs);
    return moved;
}
