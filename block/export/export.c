/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of exports: ids, references, creation and removal. Main loop,
 * except where the header says otherwise.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/id.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/block.h"
#include "block/export.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-export.h"
#include "qapi/qapi-events-block-export.h"
#include "system/block-backend.h"
#include "system/iothread.h"
#include "vhost-user-blk-server.h"

static const BlockExportDriver *const blk_exp_drivers[] = {
    &blk_exp_vhost_user_blk,
};

/* The newest first. */
static QLIST_HEAD(, BlockExport) block_exports = QLIST_HEAD_INITIALIZER(block_exports);

BlockExport *blk_exp_find(const char *id)
{
    BlockExport *exp;

    QLIST_FOREACH (exp, &block_exports, next) {
        if (strcmp(id, exp->id) == 0) {
            return exp;
        }
    }
    return NULL;
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

static void blk_exp_put_iothread(gpointer iothread)
{
    iothread_put_user(iothread);
}

/* Have the thread @id join @threads, kept in use. */
static bool blk_exp_take_iothread(GPtrArray *threads, const char *id, Error **errp)
{
    IOThread *iothread = iothread_by_id(id);

    if (!iothread) {
        error_setg(errp, "iothread \"%s\" not found", id);
        return false;
    }
    if (g_ptr_array_find(threads, iothread, NULL)) {
        error_setg(errp, "iothread \"%s\" is named more than once", id);
        return false;
    }
    iothread_get_user(iothread);
    g_ptr_array_add(threads, iothread);
    return true;
}

/* The threads that @export names, kept in use, in their order; NULL with @errp set. */
static GPtrArray *blk_exp_take_iothreads(const BlockExportOptions *export,
                                         const BlockExportDriver *drv, Error **errp)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new_with_free_func(blk_exp_put_iothread);
    const BlockExportIothreads *iothreads = export->iothread;
    const strList *entry;

    if (!iothreads) {
        return g_steal_pointer(&threads);
    }
    if (iothreads->type == QTYPE_QSTRING) {
        return blk_exp_take_iothread(threads, iothreads->u.single, errp) ? g_steal_pointer(&threads)
                                                                         : NULL;
    }
    if (!iothreads->u.multi) {
        error_setg(errp, "The set of I/O threads must not be empty");
        return NULL;
    }
    if (iothreads->u.multi->next && !drv->supports_multithreading) {
        error_setg(errp, "%s export does not support multi-threading",
                   BlockExportType_str(export->type));
        return NULL;
    }
    for (entry = iothreads->u.multi; entry; entry = entry->next) {
        if (!blk_exp_take_iothread(threads, entry->value, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&threads);
}

/*
 * Move the node to the first thread that was asked for. Returns false with
 * @errp set when the user insists on it and the node cannot go there.
 */
static bool blk_exp_move_node(BlockDriverState *bs, const BlockExportOptions *export,
                              const GPtrArray *threads, Error **errp)
{
    Error *local_err = NULL;

    if (!threads->len) {
        return true;
    }
    if (bdrv_try_change_aio_context(bs, iothread_get_aio_context(threads->pdata[0]), NULL,
                                    &local_err) < 0) {
        if (export->fixed_iothread) {
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
    return true;
}

/* The node that @export names, as far as it can be exported, or NULL with @errp set. */
static BlockDriverState *blk_exp_lookup_node(const BlockExportOptions *export, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(NULL, export->node_name, errp);

    if (bs && export->writable && bdrv_is_read_only(bs)) {
        error_setg(errp, "Cannot export read-only node as writable");
        return NULL;
    }
    return bs;
}

static BlockExport *blk_exp_new(BlockExportOptions *export, const BlockExportDriver *drv,
                                BlockDriverState *bs, GPtrArray *threads, Error **errp)
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
        .iothreads = g_ptr_array_ref(threads),
        .refcount = 1,
        .user_owned = true,
        .ctx = blk_get_aio_context(blk),
        .blk = blk,
    };
    if (drv->create(exp, export, errp) < 0) {
        blk_unref(blk);
        g_ptr_array_unref(exp->iothreads);
        g_free(exp->id);
        g_free(exp);
        return NULL;
    }
    QLIST_INSERT_HEAD(&block_exports, exp, next);
    return exp;
}

BlockExport *blk_exp_add(BlockExportOptions *export, Error **errp)
{
    g_autoptr(GPtrArray) threads = NULL;
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
    threads = blk_exp_take_iothreads(export, drv, errp);
    if (!threads || !blk_exp_move_node(bs, export, threads, errp)) {
        return NULL;
    }
    exp = blk_exp_new(export, drv, bs, threads, errp);
    if (!exp) {
        /* Those who use the node already go on where they were. */
        bdrv_try_change_aio_context(bs, old_ctx, NULL, NULL);
    }
    return exp;
}

AioContext *blk_exp_queue_context(BlockExport *exp, unsigned queue)
{
    const GPtrArray *threads = exp->iothreads;

    return threads->len < 2 ? NULL : iothread_get_aio_context(threads->pdata[queue % threads->len]);
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
    QLIST_REMOVE(exp, next);
    exp->drv->delete (exp);
    blk_unref(exp->blk);
    g_ptr_array_unref(exp->iothreads);
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

void blk_exp_request_shutdown(BlockExport *exp)
{
    if (!exp->user_owned) {
        return;
    }
    exp->user_owned = false;
    exp->drv->request_shutdown(exp);
    blk_exp_unref(exp);
}

static BlockExport *blk_exp_first_user_owned(void)
{
    BlockExport *exp;

    QLIST_FOREACH (exp, &block_exports, next) {
        if (exp->user_owned) {
            return exp;
        }
    }
    return NULL;
}

void blk_exp_close_all(void)
{
    BlockExport *exp;

    /* A shutdown may poll, and what is polled may change the list. */
    while ((exp = blk_exp_first_user_owned())) {
        blk_exp_request_shutdown(exp);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, !QLIST_EMPTY(&block_exports));
}

/* Has the export @id no reference left, so that a bottom half is about to free it? */
static bool blk_exp_is_going(const char *id)
{
    BlockExport *exp = blk_exp_find(id);

    return exp && !qatomic_read(&exp->refcount);
}

void qmp_block_export_add(BlockExportOptions *export, Error **errp)
{
    blk_exp_add(export, errp);
}

void qmp_block_export_del(const char *id, bool has_mode, BlockExportRemoveMode mode, Error **errp)
{
    BlockExport *exp = blk_exp_find(id);
    g_autofree char *client = NULL;

    if (!exp) {
        error_setg(errp, "Export '%s' is not found", id);
        return;
    }
    if (!exp->user_owned) {
        error_setg(errp, "Export '%s' is already shutting down", id);
        return;
    }
    if (exp->drv->describe_client) {
        client = exp->drv->describe_client(exp);
    }
    if (client && (!has_mode || mode == BLOCK_EXPORT_REMOVE_MODE_SAFE)) {
        error_setg(errp, "export '%s' still in use by its client, %s", id, client);
        error_append_hint(errp, "Use mode='hard' to force client disconnect\n");
        return;
    }
    blk_exp_request_shutdown(exp);
    /* Have the event go out before the reply. */
    AIO_WAIT_WHILE_UNLOCKED(NULL, blk_exp_is_going(id));
}

BlockExportInfoList *qmp_query_block_exports(Error **errp)
{
    BlockExportInfoList *head = NULL, **tail = &head;
    BlockExport *exp;

    QLIST_FOREACH (exp, &block_exports, next) {
        BlockExportInfo *info = g_new(BlockExportInfo, 1);

        *info = (BlockExportInfo){
            .id = g_strdup(exp->id),
            .type = exp->drv->type,
            .node_name = g_strdup(bdrv_get_node_name(blk_bs(exp->blk))),
            .shutting_down = !exp->user_owned,
        };
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}
