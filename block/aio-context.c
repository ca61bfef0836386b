/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving nodes between AioContexts.
 *
 * Theory of operation
 *
 * Everything connected by edges lives in one AioContext. A move first walks the connected part in
 * both directions, collects its nodes and the parents that are no nodes, and asks each of the
 * latter; one refusal ends it with nothing changed. Then all nodes are drained, told to leave the
 * old context, given the new one and told so, and the drains end. Notifiers (exports have one) run
 * together with the nodes' own callbacks, in the main loop's thread. A node that is being opened
 * follows its first child; its driver is not told, and asks for the context once all are attached.
 *
 * A node in the context of an IOThread object is a user of that object. When a parent leaves, the
 * nodes go back to the main loop, unless another parent that is no node stays with them or the
 * monitor has put them where they are.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/block_int.h"
#include "block/node.h"
#include "system/iothread.h"
#include "trace.h"

typedef struct ContextMove {
    AioContext *ctx;
    BdrvChild *ignore;
    /* Of BlockDriverState, and of the edges whose parents are no nodes. */
    GPtrArray *nodes;
    GPtrArray *root_edges;
} ContextMove;

static bool move_collect(ContextMove *m, BlockDriverState *bs, Error **errp);

static bool move_collect_parent(ContextMove *m, BdrvChild *c, Error **errp)
{
    if (c == m->ignore) {
        return true;
    }
    if (c->klass->parent_is_bds) {
        return move_collect(m, c->opaque, errp);
    }
    g_ptr_array_add(m->root_edges, c);
    return c->klass->can_change_aio_ctx(c, m->ctx, errp);
}

static bool move_collect(ContextMove *m, BlockDriverState *bs, Error **errp)
{
    BdrvChild *c;

    if (g_ptr_array_find(m->nodes, bs, NULL)) {
        return true;
    }
    g_ptr_array_add(m->nodes, bs);
    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (!move_collect_parent(m, c, errp)) {
            return false;
        }
    }
    QLIST_FOREACH (c, &bs->children, next) {
        if (!move_collect(m, c->bs, errp)) {
            return false;
        }
    }
    return true;
}

static void bdrv_detach_aio_context(BlockDriverState *bs)
{
    BdrvAioNotifier *n, *next;

    bs->walking_aio_notifiers = true;
    QLIST_FOREACH_SAFE (n, &bs->aio_notifiers, list, next) {
        n->detach_aio_context(n->opaque);
    }
    bs->walking_aio_notifiers = false;
    if (bs->opened && bs->drv->bdrv_detach_aio_context) {
        bs->drv->bdrv_detach_aio_context(bs);
    }
}

static void bdrv_attach_aio_context(BlockDriverState *bs)
{
    BdrvAioNotifier *n, *next;

    if (bs->opened && bs->drv->bdrv_attach_aio_context) {
        bs->drv->bdrv_attach_aio_context(bs, bs->aio_context);
    }
    bs->walking_aio_notifiers = true;
    QLIST_FOREACH_SAFE (n, &bs->aio_notifiers, list, next) {
        n->attached_aio_context(bs->aio_context, n->opaque);
    }
    bs->walking_aio_notifiers = false;
}

static bool move_busy(ContextMove *m)
{
    for (guint i = 0; i < m->nodes->len; i++) {
        if (bdrv_drain_poll(m->nodes->pdata[i], NULL)) {
            return true;
        }
    }
    return false;
}

/* No context goes while a node is in it, whoever brought the node there. */
static void node_set_context(BlockDriverState *bs, AioContext *ctx)
{
    IOThread *iothread = iothread_by_aio_context(ctx);

    trace_bdrv_move(bs, bs->node_name, bs->aio_context, ctx);
    aio_context_ref(ctx);
    aio_context_unref(bs->aio_context);
    bs->aio_context = ctx;
    bs->placed = false;
    if (iothread) {
        iothread_get_user(iothread);
    }
    g_clear_pointer(&bs->iothread, iothread_put_user);
    bs->iothread = iothread;
}

static void move_carry_out(ContextMove *m)
{
    guint i;

    for (i = 0; i < m->nodes->len; i++) {
        bdrv_do_drained_begin_quiesce(m->nodes->pdata[i], NULL);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, move_busy(m));

    for (i = 0; i < m->nodes->len; i++) {
        bdrv_detach_aio_context(m->nodes->pdata[i]);
    }
    for (i = 0; i < m->nodes->len; i++) {
        node_set_context(m->nodes->pdata[i], m->ctx);
    }
    for (i = 0; i < m->root_edges->len; i++) {
        BdrvChild *c = m->root_edges->pdata[i];

        c->klass->set_aio_ctx(c, m->ctx);
    }
    for (i = 0; i < m->nodes->len; i++) {
        bdrv_attach_aio_context(m->nodes->pdata[i]);
    }
    for (i = 0; i < m->nodes->len; i++) {
        bdrv_drained_end(m->nodes->pdata[i]);
    }
}

/* Whether nobody is left who wants these nodes where they are. */
static bool move_leaves_nobody(ContextMove *m)
{
    for (guint i = 0; i < m->nodes->len; i++) {
        BlockDriverState *bs = m->nodes->pdata[i];

        if (bs->placed) {
            return false;
        }
    }
    return m->root_edges->len == 0;
}

static int move_try(BlockDriverState *bs, ContextMove *m, bool (*wanted)(ContextMove *m),
                    Error **errp)
{
    int ret = 0;

    GLOBAL_STATE_CODE();
    if (bs->aio_context == m->ctx) {
        return 0;
    }
    m->nodes = g_ptr_array_new();
    m->root_edges = g_ptr_array_new();
    if (!move_collect(m, bs, errp)) {
        ret = -EPERM;
    } else if (!wanted || wanted(m)) {
        move_carry_out(m);
    }
    g_ptr_array_free(m->nodes, true);
    g_ptr_array_free(m->root_edges, true);
    return ret;
}

int bdrv_try_change_aio_context(BlockDriverState *bs, AioContext *ctx, BdrvChild *ignore_child,
                                Error **errp)
{
    ContextMove move = { .ctx = ctx, .ignore = ignore_child };

    return move_try(bs, &move, NULL, errp);
}

static void node_unref(gpointer bs)
{
    bdrv_unref(bs);
}

static void collect_connected(GHashTable *seen, BlockDriverState *bs)
{
    BdrvChild *c;

    if (!g_hash_table_add(seen, bs)) {
        return;
    }
    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (c->klass->parent_is_bds) {
            collect_connected(seen, c->opaque);
        }
    }
    QLIST_FOREACH (c, &bs->children, next) {
        collect_connected(seen, c->bs);
    }
}

GPtrArray *bdrv_connected_nodes(BlockDriverState *bs)
{
    GPtrArray *nodes = g_ptr_array_new_with_free_func(node_unref);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer node;

    GLOBAL_STATE_CODE();
    collect_connected(seen, bs);
    g_hash_table_iter_init(&iter, seen);
    while (g_hash_table_iter_next(&iter, &node, NULL)) {
        bdrv_ref(node);
        g_ptr_array_add(nodes, node);
    }
    return nodes;
}

GPtrArray *bdrv_placed_nodes(BlockDriverState *bs)
{
    GPtrArray *nodes = bdrv_connected_nodes(bs);

    for (guint i = nodes->len; i-- > 0;) {
        bs = nodes->pdata[i];
        if (!bs->placed) {
            g_ptr_array_remove_index_fast(nodes, i);
        }
    }
    return nodes;
}

void bdrv_place_again(const GPtrArray *nodes)
{
    GLOBAL_STATE_CODE();
    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = nodes->pdata[i];

        bs->placed = bs->aio_context != qemu_get_aio_context();
    }
}

void bdrv_come_home(BlockDriverState *bs)
{
    ContextMove move = { .ctx = qemu_get_aio_context() };

    move_try(bs, &move, move_leaves_nobody, NULL);
}

AioContext *bdrv_get_aio_context(BlockDriverState *bs)
{
    return bs ? bs->aio_context : qemu_get_aio_context();
}

AioContext *bdrv_child_get_parent_aio_context(BdrvChild *c)
{
    return c->klass->get_parent_aio_context(c);
}

void bdrv_add_aio_context_notifier(BlockDriverState *bs,
                                   void (*attached_aio_context)(AioContext *new_context,
                                                                void *opaque),
                                   void (*detach_aio_context)(void *opaque), void *opaque)
{
    BdrvAioNotifier *n = g_new(BdrvAioNotifier, 1);

    GLOBAL_STATE_CODE();
    assert(!bs->walking_aio_notifiers);
    *n = (BdrvAioNotifier){
        .attached_aio_context = attached_aio_context,
        .detach_aio_context = detach_aio_context,
        .opaque = opaque,
    };
    QLIST_INSERT_HEAD(&bs->aio_notifiers, n, list);
}

void bdrv_remove_aio_context_notifier(BlockDriverState *bs,
                                      void (*attached_aio_context)(AioContext *, void *),
                                      void (*detach_aio_context)(void *), void *opaque)
{
    BdrvAioNotifier *n;

    GLOBAL_STATE_CODE();
    assert(!bs->walking_aio_notifiers);
    QLIST_FOREACH (n, &bs->aio_notifiers, list) {
        if (n->attached_aio_context == attached_aio_context &&
            n->detach_aio_context == detach_aio_context && n->opaque == opaque) {
            QLIST_REMOVE(n, list);
            g_free(n);
            return;
        }
    }
    g_assert_not_reached();
}
