/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control side of BlockBackends: life, node, permissions, drain, AioContext.
 *
 * Theory of operation
 *
 * A BlockBackend is a parent of its node: an edge leads from it (root). Through that edge the node
 * tells it about drains (a counter that requests look at, and the user's dev_ops), new lengths and
 * moves to another AioContext. Everything here is the main loop's; backend-io.c is for any thread.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/id.h"
#include "qemu/main-loop.h"
#include "qemu/str-hash.h"
#include "block/aio-wait.h"
#include "block/backend.h"

static QTAILQ_HEAD(, BlockBackend) block_backends = QTAILQ_HEAD_INITIALIZER(block_backends);
static GHashTable *backends_by_name; /* those that have one */

/* As the parent of a node */

static char *blk_root_get_parent_desc(BdrvChild *child)
{
    BlockBackend *blk = child->opaque;

    return blk->name ? g_strdup_printf("block device '%s'", blk->name)
                     : g_strdup("an unnamed block device");
}

static void blk_root_resize(BdrvChild *child)
{
    BlockBackend *blk = child->opaque;

    if (blk->dev_ops && blk->dev_ops->resize_cb) {
        blk->dev_ops->resize_cb(blk->dev_opaque);
    }
}

static void blk_drained_begin(BlockBackend *blk)
{
    ThrottleGroupMember *tgm = &blk->public.throttle_group_member;

    if (qatomic_fetch_inc(&blk->quiesce_counter) > 0) {
        return;
    }
    if (blk->dev_ops && blk->dev_ops->drained_begin) {
        blk->dev_ops->drained_begin(blk->dev_opaque);
    }
    /* Who waits for the limits is in flight; a drain does not wait that long. */
    qatomic_inc(&tgm->io_limits_disabled);
    throttle_group_restart_tgm(tgm);
}

static bool blk_drained_poll(BlockBackend *blk)
{
    bool busy = false;

    if (blk->dev_ops && blk->dev_ops->drained_poll) {
        busy = blk->dev_ops->drained_poll(blk->dev_opaque);
    }
    return busy || blk_has_in_flight(blk);
}

static void blk_drained_end(BlockBackend *blk)
{
    assert(qatomic_read(&blk->quiesce_counter) > 0);
    if (qatomic_fetch_dec(&blk->quiesce_counter) > 1) {
        return;
    }
    qatomic_dec(&blk->public.throttle_group_member.io_limits_disabled);
    if (blk->dev_ops && blk->dev_ops->drained_end) {
        blk->dev_ops->drained_end(blk->dev_opaque);
    }
    blk_wake_queued_requests(blk);
}

static void blk_root_drained_begin(BdrvChild *child)
{
    blk_drained_begin(child->opaque);
}

static bool blk_root_drained_poll(BdrvChild *child)
{
    return blk_drained_poll(child->opaque);
}

static void blk_root_drained_end(BdrvChild *child)
{
    blk_drained_end(child->opaque);
}

static bool blk_root_can_change_aio_ctx(BdrvChild *child, AioContext *ctx, Error **errp)
{
    BlockBackend *blk = child->opaque;

    /* One that the monitor made and nobody uses has no opinion. */
    if (blk->allow_aio_context_change || (blk->name && !blk->dev_ops)) {
        return true;
    }
    error_setg(errp, "Cannot change iothread of active block backend");
    return false;
}

static void blk_set_home(BlockBackend *blk, AioContext *ctx)
{
    ThrottleGroupMember *tgm = &blk->public.throttle_group_member;

    qatomic_set(&blk->ctx, ctx);
    if (tgm->throttle_state) {
        throttle_group_detach_aio_context(tgm);
        throttle_group_attach_aio_context(tgm, ctx);
    }
}

static void blk_root_set_aio_ctx(BdrvChild *child, AioContext *ctx)
{
    blk_set_home(child->opaque, ctx);
}

static AioContext *blk_root_get_parent_aio_context(BdrvChild *child)
{
    return blk_get_aio_context(child->opaque);
}

static const BdrvChildClass child_root = {
    .resize = blk_root_resize,
    .get_parent_desc = blk_root_get_parent_desc,
    .drained_begin = blk_root_drained_begin,
    .drained_poll = blk_root_drained_poll,
    .drained_end = blk_root_drained_end,
    .can_change_aio_ctx = blk_root_can_change_aio_ctx,
    .set_aio_ctx = blk_root_set_aio_ctx,
    .get_parent_aio_context = blk_root_get_parent_aio_context,
};

/* Life */

BlockBackend *blk_new(AioContext *ctx, uint64_t perm, uint64_t shared_perm)
{
    BlockBackend *blk = qemu_memalign(__alignof__(BlockBackend), sizeof(*blk));

    GLOBAL_STATE_CODE();
    memset(blk, 0, sizeof(*blk));
    blk->refcnt = 1;
    blk->ctx = ctx ? ctx : qemu_get_aio_context();
    blk->perm = perm;
    blk->shared_perm = shared_perm;
    blk->enable_write_cache = true;
    qemu_mutex_init(&blk->queue_lock);
    qemu_co_queue_init(&blk->queued_requests);
    QLIST_INIT(&blk->aio_notifiers);
    block_acct_init(&blk->stats);
    QTAILQ_INSERT_TAIL(&block_backends, blk, link);
    return blk;
}

BlockBackend *blk_new_with_bs(BlockDriverState *bs, uint64_t perm, uint64_t shared_perm,
                              Error **errp)
{
    BlockBackend *blk = blk_new(bdrv_get_aio_context(bs), perm, shared_perm);

    if (blk_insert_bs(blk, bs, errp) < 0) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

/* Holds back the requests of @blk alone, until blk_drained_end(), and waits for those in flight. */
static void blk_settle_begin(BlockBackend *blk)
{
    blk_drained_begin(blk);
    AIO_WAIT_WHILE_UNLOCKED(NULL, blk_drained_poll(blk));
}

static void blk_settle(BlockBackend *blk)
{
    blk_settle_begin(blk);
    blk_drained_end(blk);
}

static void blk_delete(BlockBackend *blk)
{
    if (blk->root) {
        blk_remove_bs(blk);
    }
    blk_settle(blk);
    throttle_group_unregister_tgm(&blk->public.throttle_group_member);
    assert(!blk->name && QLIST_EMPTY(&blk->aio_notifiers));
    assert(qemu_co_queue_empty(&blk->queued_requests));
    QTAILQ_REMOVE(&block_backends, blk, link);
    block_acct_cleanup(&blk->stats);
    qemu_mutex_destroy(&blk->queue_lock);
    qemu_vfree(blk);
}

int blk_get_refcnt(BlockBackend *blk)
{
    return blk ? blk->refcnt : 0;
}

void blk_ref(BlockBackend *blk)
{
    GLOBAL_STATE_CODE();
    assert(blk->refcnt > 0);
    blk->refcnt++;
}

void blk_unref(BlockBackend *blk)
{
    if (!blk) {
        return;
    }
    GLOBAL_STATE_CODE();
    assert(blk->refcnt > 0);
    if (blk->refcnt == 1) {
        blk_settle(blk);
        blk_delete(blk);
    } else {
        blk->refcnt--;
    }
}

/* The node */

static void add_notifiers_to_node(BlockBackend *blk)
{
    BlkAioNotifier *n;

    QLIST_FOREACH (n, &blk->aio_notifiers, list) {
        bdrv_add_aio_context_notifier(blk->root->bs, n->attached_aio_context, n->detach_aio_context,
                                      n->opaque);
    }
}

static void remove_notifiers_from_node(BlockBackend *blk)
{
    BlkAioNotifier *n;

    QLIST_FOREACH (n, &blk->aio_notifiers, list) {
        bdrv_remove_aio_context_notifier(blk->root->bs, n->attached_aio_context,
                                         n->detach_aio_context, n->opaque);
    }
}

int blk_insert_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp)
{
    BdrvRootParent parent = {
        .klass = &child_root,
        .opaque = blk,
        .child_name = "root",
        .role = BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY,
        .perms = { blk->perm, blk->shared_perm },
    };
    BdrvChild *root;

    GLOBAL_STATE_CODE();
    assert(!blk->root);
    bdrv_ref(bs);
    root = bdrv_root_attach_child(bs, &parent, errp);
    if (!root) {
        return -EPERM;
    }
    qatomic_set(&blk->root, root);
    add_notifiers_to_node(blk);
    return 0;
}

void blk_remove_bs(BlockBackend *blk)
{
    BdrvChild *root = blk->root;
    BlockDriverState *bs = blk_bs(blk);

    GLOBAL_STATE_CODE();
    assert(root);
    remove_notifiers_from_node(blk);
    /*
     * Keeps new requests out until they can see that there is no node. Those of others may go on:
     * they need not end at all.
     */
    bdrv_ref(bs);
    blk_settle_begin(blk);
    qatomic_set(&blk->root, NULL);
    bdrv_root_unref_child(root);
    blk_drained_end(blk);
    bdrv_unref(bs);
}

int blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared_perm, Error **errp)
{
    GLOBAL_STATE_CODE();
    if (blk->root) {
        int ret = bdrv_child_try_set_perm(blk->root, perm, shared_perm, errp);

        if (ret < 0) {
            return ret;
        }
    }
    blk->perm = perm;
    blk->shared_perm = shared_perm;
    return 0;
}

void blk_get_perm(BlockBackend *blk, uint64_t *perm, uint64_t *shared_perm)
{
    *perm = blk->perm;
    *shared_perm = blk->shared_perm;
}

/* Names */

bool monitor_add_blk(BlockBackend *blk, const char *name, Error **errp)
{
    GLOBAL_STATE_CODE();
    assert(!blk->name);
    if (!id_wellformed(name)) {
        error_setg(errp, "Invalid device name");
    } else if (blk_by_name(name)) {
        error_setg(errp, "Device with id '%s' already exists", name);
    } else if (bdrv_find_node(name)) {
        error_setg(errp, "Device name '%s' conflicts with an existing node name", name);
    } else {
        blk->name = g_strdup(name);
        if (!backends_by_name) {
            backends_by_name = str_table_new();
        }
        g_hash_table_insert(backends_by_name, blk->name, blk);
        return true;
    }
    return false;
}

void monitor_remove_blk(BlockBackend *blk)
{
    GLOBAL_STATE_CODE();
    if (!blk->name) {
        return;
    }
    g_hash_table_remove(backends_by_name, blk->name);
    if (!g_hash_table_size(backends_by_name)) {
        g_clear_pointer(&backends_by_name, g_hash_table_unref);
    }
    g_clear_pointer(&blk->name, g_free);
}

BlockBackend *blk_by_name(const char *name)
{
    GLOBAL_STATE_CODE();
    return backends_by_name ? g_hash_table_lookup(backends_by_name, name) : NULL;
}

BlockBackend *blk_all_next(BlockBackend *blk)
{
    GLOBAL_STATE_CODE();
    return blk ? QTAILQ_NEXT(blk, link) : QTAILQ_FIRST(&block_backends);
}

BlockBackend *blk_next(BlockBackend *blk)
{
    do {
        blk = blk_all_next(blk);
    } while (blk && !blk->name);
    return blk;
}

BlockBackendPublic *blk_get_public(BlockBackend *blk)
{
    return &blk->public;
}

/* The user */

void blk_set_dev_ops(BlockBackend *blk, const BlockDevOps *ops, void *opaque)
{
    GLOBAL_STATE_CODE();
    blk->dev_ops = ops;
    blk->dev_opaque = opaque;
    if (qatomic_read(&blk->quiesce_counter) && ops && ops->drained_begin) {
        ops->drained_begin(opaque);
    }
}

void blk_set_enable_write_cache(BlockBackend *blk, bool wce)
{
    qatomic_set(&blk->enable_write_cache, wce);
}

void blk_set_allow_aio_context_change(BlockBackend *blk, bool allow)
{
    GLOBAL_STATE_CODE();
    blk->allow_aio_context_change = allow;
}

void blk_set_disable_request_queuing(BlockBackend *blk, bool disable)
{
    qatomic_set(&blk->disable_request_queuing, disable);
}

/* AioContext */

int blk_set_aio_context(BlockBackend *blk, AioContext *new_context, Error **errp)
{
    BdrvChild *root = blk->root;
    int ret;

    GLOBAL_STATE_CODE();
    if (!root) {
        blk_set_home(blk, new_context);
        return 0;
    }
    bdrv_drained_begin(root->bs);
    ret = bdrv_try_change_aio_context(root->bs, new_context, root, errp);
    if (ret == 0) {
        blk_set_home(blk, new_context);
    }
    bdrv_drained_end(root->bs);
    return ret;
}

void blk_add_aio_context_notifier(BlockBackend *blk,
                                  void (*attached_aio_context)(AioContext *new_context,
                                                               void *opaque),
                                  void (*detach_aio_context)(void *opaque), void *opaque)
{
    BlkAioNotifier *n = g_new(BlkAioNotifier, 1);

    GLOBAL_STATE_CODE();
    *n = (BlkAioNotifier){
        .attached_aio_context = attached_aio_context,
        .detach_aio_context = detach_aio_context,
        .opaque = opaque,
    };
    QLIST_INSERT_HEAD(&blk->aio_notifiers, n, list);
    if (blk->root) {
        bdrv_add_aio_context_notifier(blk->root->bs, attached_aio_context, detach_aio_context,
                                      opaque);
    }
}

void blk_remove_aio_context_notifier(BlockBackend *blk,
                                     void (*attached_aio_context)(AioContext *, void *),
                                     void (*detach_aio_context)(void *), void *opaque)
{
    BlkAioNotifier *n;

    GLOBAL_STATE_CODE();
    QLIST_FOREACH (n, &blk->aio_notifiers, list) {
        if (n->attached_aio_context == attached_aio_context &&
            n->detach_aio_context == detach_aio_context && n->opaque == opaque) {
            break;
        }
    }
    assert(n);
    if (blk->root) {
        bdrv_remove_aio_context_notifier(blk->root->bs, attached_aio_context, detach_aio_context,
                                         opaque);
    }
    QLIST_REMOVE(n, list);
    g_free(n);
}

/* Drain */

void blk_drain(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    GLOBAL_STATE_CODE();
    if (bs) {
        bdrv_ref(bs);
        bdrv_drained_begin(bs);
    } else {
        blk_drained_begin(blk);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, blk_drained_poll(blk));
    if (bs) {
        bdrv_drained_end(bs);
        bdrv_unref(bs);
    } else {
        blk_drained_end(blk);
    }
}

void blk_drain_all(void)
{
    bdrv_drain_all_begin();
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (!blk->root) {
            blk_drain(blk);
        }
    }
    bdrv_drain_all_end();
}

bool blk_in_drain(BlockBackend *blk)
{
    return qatomic_read(&blk->quiesce_counter) > 0;
}

int blk_flush_all(void)
{
    int result = 0;

    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        int ret = blk->root ? blk_flush(blk) : 0;

        result = result ? result : ret;
    }
    return result;
}
