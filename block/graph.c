/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes and edges: who exists, who refers to whom.
 *
 * Theory of operation
 *
 * bdrv_new_node() puts a node into the list of all nodes; its creator holds the first reference.
 * Each edge to a node holds one more. When the last goes, the node is waited for, flushed, closed
 * by its driver, loses its children and is freed. Everything here is the main loop's.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/id.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/str-hash.h"
#include "block/aio-wait.h"
#include "block/block_int.h"
#include "block/node.h"
#include "block/prepare.h"
#include "system/block-backend.h"
#include "system/iothread.h"
#include "trace.h"

#define NODE_NAME_MAX 31

static QTAILQ_HEAD(, BlockDriverState) all_nodes = QTAILQ_HEAD_INITIALIZER(all_nodes);
static GHashTable *nodes_by_name; /* the same ones */
static QLIST_HEAD(, BlockDriver) all_drivers = QLIST_HEAD_INITIALIZER(all_drivers);

void bdrv_init(void)
{
    module_call_init(MODULE_INIT_BLOCK);
}

void bdrv_register(BlockDriver *drv)
{
    assert(drv->format_name && drv->bdrv_open && !bdrv_find_format(drv->format_name));
    QLIST_INSERT_HEAD(&all_drivers, drv, list);
}

BlockDriver *bdrv_find_format(const char *format_name)
{
    BlockDriver *drv;

    QLIST_FOREACH (drv, &all_drivers, list) {
        if (!strcmp(drv->format_name, format_name)) {
            return drv;
        }
    }
    return NULL;
}

/* Also finds a node that is just being opened. */
static BlockDriverState *node_named(const char *node_name)
{
    GLOBAL_STATE_CODE();
    return nodes_by_name ? g_hash_table_lookup(nodes_by_name, node_name) : NULL;
}

static void list_node(BlockDriverState *bs)
{
    if (!nodes_by_name) {
        nodes_by_name = str_table_new();
    }
    g_hash_table_insert(nodes_by_name, bs->node_name, bs);
    QTAILQ_INSERT_TAIL(&all_nodes, bs, node_list);
}

static void unlist_node(BlockDriverState *bs)
{
    QTAILQ_REMOVE(&all_nodes, bs, node_list);
    g_hash_table_remove(nodes_by_name, bs->node_name);
    if (QTAILQ_EMPTY(&all_nodes)) {
        g_clear_pointer(&nodes_by_name, g_hash_table_unref);
    }
}

BlockDriverState *bdrv_find_node(const char *node_name)
{
    BlockDriverState *bs = node_named(node_name);

    return bs && bs->opened ? bs : NULL;
}

BlockDriverState *bdrv_lookup_bs(const char *device, const char *node_name, Error **errp)
{
    BlockBackend *blk = device ? blk_by_name(device) : NULL;
    BlockDriverState *bs;

    if (blk) {
        bs = blk_bs(blk);
        if (!bs) {
            error_setg(errp, "Device '%s' has no medium", device);
        }
        return bs;
    }
    bs = node_name ? bdrv_find_node(node_name) : NULL;
    if (!bs) {
        error_setg(errp, "Cannot find device='%s' nor node-name='%s'", device ? device : "",
                   node_name ? node_name : "");
    }
    return bs;
}

BlockDriverState *bdrv_next_node(BlockDriverState *bs)
{
    GLOBAL_STATE_CODE();
    do {
        bs = bs ? QTAILQ_NEXT(bs, node_list) : QTAILQ_FIRST(&all_nodes);
    } while (bs && !bs->opened);
    return bs;
}

BlockDriverState *bdrv_next_all_states(BlockDriverState *bs)
{
    return bdrv_next_node(bs);
}

bool bdrv_has_blk(BlockDriverState *bs)
{
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (!c->klass->parent_is_bds) {
            return true;
        }
    }
    return false;
}

/* A name that is free, for a node whose creator gave none. */
static char *generated_node_name(void)
{
    for (;;) {
        char *name = id_generate(ID_BLOCK);

        if (!node_named(name)) {
            return name;
        }
        g_free(name);
    }
}

static bool check_node_name(const char *name, Error **errp)
{
    if (!id_wellformed(name)) {
        error_setg(errp, "Invalid node-name: '%s'", name);
    } else if (blk_by_name(name)) {
        error_setg(errp, "node-name=%s is conflicting with a device id", name);
    } else if (node_named(name)) {
        error_setg(errp, "Duplicate nodes with node-name='%s'", name);
    } else if (strlen(name) > NODE_NAME_MAX) {
        error_setg(errp, "Node name too long");
    } else {
        return true;
    }
    return false;
}

BlockDriverState *bdrv_new_node(BlockDriver *drv, const char *node_name, Error **errp)
{
    BlockDriverState *bs;

    GLOBAL_STATE_CODE();
    if (node_name && !check_node_name(node_name, errp)) {
        return NULL;
    }
    bs = g_new0(BlockDriverState, 1);
    bs->drv = drv;
    bs->node_name = node_name ? g_strdup(node_name) : generated_node_name();
    bs->filename = g_strdup("");
    bs->opaque = g_malloc0(MAX(drv->instance_size, (size_t)1));
    bs->refcnt = 1;
    bs->total_sectors = -ENOMEDIUM;
    bs->bl.request_alignment = 1;
    bs->bl.min_mem_alignment = 1;
    bs->bl.opt_mem_alignment = qemu_real_host_page_size();
    bs->aio_context = qemu_get_aio_context();
    aio_context_ref(bs->aio_context);
    qemu_mutex_init(&bs->reqs_lock);
    qemu_co_queue_init(&bs->serialising_waiting);
    QLIST_INIT(&bs->children);
    QLIST_INIT(&bs->parents);
    QLIST_INIT(&bs->aio_notifiers);
    list_node(bs);
    return bs;
}

static void remove_children(BlockDriverState *bs)
{
    BdrvChild *c, *next;

    QLIST_FOREACH_SAFE (c, &bs->children, next, next) {
        bdrv_unref_child(bs, c);
    }
}

void bdrv_free_node(BlockDriverState *bs)
{
    assert(QLIST_EMPTY(&bs->parents) && QLIST_EMPTY(&bs->aio_notifiers));
    remove_children(bs);
    bdrv_drop_prepared(bs->drv, bs->prepared);
    if (!bs->closing) {
        unlist_node(bs);
    }
    qemu_mutex_destroy(&bs->reqs_lock);
    aio_context_unref(bs->aio_context);
    g_clear_pointer(&bs->iothread, iothread_put_user);
    g_free(bs->opaque);
    g_free(bs->node_name);
    g_free(bs->filename);
    g_free(bs->read_only_reason);
    g_free(bs);
}

/* All nodes have been flushed, and nobody writes to them any more. */
static bool closing_all;

static void bdrv_close(BlockDriverState *bs)
{
    int ret = 0;

    /* Nobody may find the node by name and bring it back to life while the flush polls. */
    assert(bs->refcnt == 0);
    trace_bdrv_close(bs, bs->node_name);
    bs->closing = true;
    unlist_node(bs);
    bdrv_drained_begin(bs);
    if (closing_all && bs->flushed) {
        ret = bs->flush_result;
    } else if (!closing_all && !bdrv_is_read_only(bs)) {
        ret = bdrv_flush(bs);
    }
    if (ret < 0) {
        error_report("node '%s': flush at close failed: %s", bs->node_name, strerror(-ret));
    }
    bs->opened = false;
    if (bs->drv->bdrv_close) {
        bs->drv->bdrv_close(bs);
    }
    bdrv_drained_end(bs);
}

void bdrv_ref(BlockDriverState *bs)
{
    GLOBAL_STATE_CODE();
    bs->refcnt++;
}

void bdrv_unref(BlockDriverState *bs)
{
    if (!bs) {
        return;
    }
    GLOBAL_STATE_CODE();
    assert(bs->refcnt > 0);
    if (--bs->refcnt == 0) {
        bdrv_close(bs);
        bdrv_free_node(bs);
    }
}

/* A node that is being opened has no requests yet, so it follows its child rather than disturb it.
 */
static bool parent_follows(BdrvChild *c)
{
    BlockDriverState *parent = c->klass->parent_is_bds ? c->opaque : NULL;

    return parent && !parent->opened &&
           bdrv_try_change_aio_context(parent, c->bs->aio_context, NULL, NULL) == 0;
}

/* Either the child goes to the parent's AioContext or the parent to the child's. */
static int join_aio_contexts(BdrvChild *c, Error **errp)
{
    AioContext *parent_ctx = bdrv_child_get_parent_aio_context(c);
    Error *local_err = NULL;
    int ret;

    if (c->bs->aio_context == parent_ctx || parent_follows(c)) {
        return 0;
    }
    ret = bdrv_try_change_aio_context(c->bs, parent_ctx, NULL, &local_err);
    if (ret == 0) {
        return 0;
    }
    if (c->klass->parent_is_bds) {
        ret = bdrv_try_change_aio_context(c->opaque, c->bs->aio_context, NULL, NULL);
    } else if (c->klass->can_change_aio_ctx(c, c->bs->aio_context, NULL)) {
        c->klass->set_aio_ctx(c, c->bs->aio_context);
        ret = 0;
    }
    if (ret == 0) {
        error_free(local_err);
    } else {
        error_propagate(errp, local_err);
    }
    return ret;
}

static void free_child(BdrvChild *c)
{
    g_free(c->name);
    g_free(c);
}

static void link_child(BdrvChild *c)
{
    QLIST_INSERT_HEAD(&c->bs->parents, c, next_parent);
    if (qatomic_read(&c->bs->quiesce_counter)) {
        bdrv_parent_drained_begin_single(c);
    }
}

static void unlink_child(BdrvChild *c)
{
    if (c->quiesced_parent) {
        bdrv_parent_drained_end_single(c);
    }
    QLIST_REMOVE(c, next_parent);
}

static BdrvChild *attach_child(BdrvChild *c, Error **errp)
{
    BlockDriverState *bs = c->bs;

    if (join_aio_contexts(c, errp) < 0) {
        free_child(c);
        bdrv_unref(bs);
        return NULL;
    }
    link_child(c);
    if (bdrv_refresh_perms(bs, errp) < 0) {
        unlink_child(c);
        free_child(c);
        bdrv_come_home(bs);
        bdrv_unref(bs);
        return NULL;
    }
    return c;
}

static void detach_child(BdrvChild *c)
{
    BlockDriverState *bs = c->bs;

    /* Only this parent's requests have to end: those of others may take for ever. */
    if (!c->quiesced_parent) {
        bdrv_parent_drained_begin_single(c);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, c->klass->drained_poll(c));
    unlink_child(c);
    /* Less is done and more is allowed than before, which nobody refuses. */
    bdrv_refresh_perms(bs, NULL);
    bdrv_come_home(bs);
    free_child(c);
    bdrv_unref(bs);
}

BdrvChild *bdrv_root_attach_child(BlockDriverState *child_bs, const BdrvRootParent *parent,
                                  Error **errp)
{
    BdrvChild *c = g_new0(BdrvChild, 1);

    GLOBAL_STATE_CODE();
    c->bs = child_bs;
    c->name = g_strdup(parent->child_name);
    c->klass = parent->klass;
    c->role = parent->role;
    c->perm = parent->perms.perm;
    c->shared_perm = parent->perms.shared;
    c->opaque = parent->opaque;
    return attach_child(c, errp);
}

void bdrv_root_unref_child(BdrvChild *child)
{
    GLOBAL_STATE_CODE();
    detach_child(child);
}

BdrvChild *bdrv_attach_child(BlockDriverState *parent_bs, BlockDriverState *child_bs,
                             const char *child_name, BdrvChildRole child_role, Error **errp)
{
    BdrvChild *c = g_new0(BdrvChild, 1);
    BdrvPerms parents;

    GLOBAL_STATE_CODE();
    c->bs = child_bs;
    c->name = g_strdup(child_name);
    c->klass = &child_of_bds;
    c->role = child_role;
    c->opaque = parent_bs;
    bdrv_get_cumulative_perm(parent_bs, &parents.perm, &parents.shared);
    bdrv_child_needs(parent_bs, c, parents);

    c = attach_child(c, errp);
    if (c) {
        QLIST_INSERT_HEAD(&parent_bs->children, c, next);
    }
    return c;
}

void bdrv_unref_child(BlockDriverState *parent, BdrvChild *child)
{
    if (!child) {
        return;
    }
    GLOBAL_STATE_CODE();
    assert(child->opaque == parent);
    QLIST_REMOVE(child, next);
    if (parent->file == child) {
        parent->file = NULL;
    }
    detach_child(child);
}

static BlockDriverState *first_node_of_monitor(void)
{
    BlockDriverState *bs;

    QTAILQ_FOREACH (bs, &all_nodes, node_list) {
        if (bs->monitor_owned) {
            return bs;
        }
    }
    return NULL;
}

void bdrv_close_all(void)
{
    BlockDriverState *bs;

    GLOBAL_STATE_CODE();
    /* One after the other would take too long. */
    bdrv_flush_all();
    closing_all = true;
    while ((bs = first_node_of_monitor()) != NULL) {
        bs->monitor_owned = false;
        bdrv_unref(bs);
    }
    closing_all = false;
}
