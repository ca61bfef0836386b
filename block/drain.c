/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drains: hold back new requests, wait for those in flight.
 *
 * Theory of operation
 *
 * A drain of a node first quiesces: each parent is told not to send requests any more, and a parent
 * that is a node quiesces its own parents in turn, so the wave ends at the BlockBackends, which
 * hold requests or let their users do it. Then the main loop runs until no parent is busy. Requests
 * are counted where they enter, in the BlockBackends; a node counts only what begins in itself.
 *
 * A node that is being opened, or closed, may be drained by what happens to its children; its
 * driver does not hear of it before it is complete, and then at once.
 *
 * Quiescing nests by a counter in each node. An edge remembers whether its parent was told
 * (quiesced_parent), so that edges made or removed inside a drain keep the counts right.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/block_int.h"
#include "block/node.h"
#include "trace.h"

void bdrv_parent_drained_begin_single(BdrvChild *c)
{
    assert(!c->quiesced_parent);
    c->quiesced_parent = true;
    c->klass->drained_begin(c);
}

void bdrv_parent_drained_end_single(BdrvChild *c)
{
    assert(c->quiesced_parent);
    c->quiesced_parent = false;
    c->klass->drained_end(c);
}

void bdrv_do_drained_begin_quiesce(BlockDriverState *bs, BdrvChild *parent)
{
    BdrvChild *c, *next;

    GLOBAL_STATE_CODE();
    if (qatomic_fetch_inc(&bs->quiesce_counter) > 0) {
        return;
    }
    trace_bdrv_drained_begin(bs, bs->node_name);
    QLIST_FOREACH_SAFE (c, &bs->parents, next_parent, next) {
        if (c != parent) {
            bdrv_parent_drained_begin_single(c);
        }
    }
    if (bs->opened && bs->drv->bdrv_drain_begin) {
        bs->drv->bdrv_drain_begin(bs);
    }
}

void bdrv_driver_complete(BlockDriverState *bs)
{
    GLOBAL_STATE_CODE();
    assert(!bs->opened);
    bs->opened = true;
    if (qatomic_read(&bs->quiesce_counter) && bs->drv->bdrv_drain_begin) {
        bs->drv->bdrv_drain_begin(bs);
    }
}

bool bdrv_drain_poll(BlockDriverState *bs, BdrvChild *ignore)
{
    BdrvChild *c, *next;

    if (qatomic_read(&bs->in_flight)) {
        return true;
    }
    QLIST_FOREACH_SAFE (c, &bs->parents, next_parent, next) {
        if (c != ignore && c->klass->drained_poll(c)) {
            return true;
        }
    }
    return false;
}

void bdrv_drained_begin(BlockDriverState *bs)
{
    assert(!qemu_in_coroutine());
    bdrv_do_drained_begin_quiesce(bs, NULL);
    AIO_WAIT_WHILE_UNLOCKED(NULL, bdrv_drain_poll(bs, NULL));
}

void bdrv_drained_end(BlockDriverState *bs)
{
    BdrvChild *c, *next;

    GLOBAL_STATE_CODE();
    assert(qatomic_read(&bs->quiesce_counter) > 0);
    if (qatomic_fetch_dec(&bs->quiesce_counter) > 1) {
        return;
    }
    trace_bdrv_drained_end(bs, bs->node_name);
    if (bs->opened && bs->drv->bdrv_drain_end) {
        bs->drv->bdrv_drain_end(bs);
    }
    QLIST_FOREACH_SAFE (c, &bs->parents, next_parent, next) {
        if (c->quiesced_parent) {
            bdrv_parent_drained_end_single(c);
        }
    }
}

void bdrv_drain(BlockDriverState *bs)
{
    bdrv_drained_begin(bs);
    bdrv_drained_end(bs);
}

/* Nodes that come to life inside bdrv_drain_all_begin() are no part of it: hence the list. */
static GSList *drained_all;

static bool drain_all_poll(void)
{
    for (GSList *i = drained_all; i; i = i->next) {
        if (bdrv_drain_poll(i->data, NULL)) {
            return true;
        }
    }
    return false;
}

void bdrv_drain_all_begin(void)
{
    GLOBAL_STATE_CODE();
    assert(!drained_all && !qemu_in_coroutine());
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        bdrv_ref(bs);
        drained_all = g_slist_prepend(drained_all, bs);
        bdrv_do_drained_begin_quiesce(bs, NULL);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, drain_all_poll());
}

void bdrv_drain_all_end(void)
{
    GSList *list = drained_all;

    GLOBAL_STATE_CODE();
    drained_all = NULL;
    for (GSList *i = list; i; i = i->next) {
        bdrv_drained_end(i->data);
    }
    for (GSList *i = list; i; i = i->next) {
        bdrv_unref(i->data);
    }
    g_slist_free(list);
}

void bdrv_drain_all(void)
{
    bdrv_drain_all_begin();
    bdrv_drain_all_end();
}

void bdrv_inc_in_flight(BlockDriverState *bs)
{
    qatomic_inc(&bs->in_flight);
}

void bdrv_wakeup(BlockDriverState *bs)
{
    aio_wait_kick();
}

void bdrv_dec_in_flight(BlockDriverState *bs)
{
    qatomic_dec(&bs->in_flight);
    aio_wait_kick();
}

/* A node as the parent of a node. */

static void child_of_bds_drained_begin(BdrvChild *c)
{
    bdrv_do_drained_begin_quiesce(c->opaque, NULL);
}

static bool child_of_bds_drained_poll(BdrvChild *c)
{
    return bdrv_drain_poll(c->opaque, NULL);
}

static void child_of_bds_drained_end(BdrvChild *c)
{
    bdrv_drained_end(c->opaque);
}

static char *child_of_bds_get_parent_desc(BdrvChild *c)
{
    BlockDriverState *parent = c->opaque;

    return g_strdup_printf("node '%s'", bdrv_get_node_name(parent));
}

static void child_of_bds_resize(BdrvChild *c)
{
    BlockDriverState *parent = c->opaque;
    int64_t before = bdrv_getlength(parent);

    /* A driver that has not finished its bdrv_open has no length to follow. */
    if (before >= 0 && bdrv_refresh_total_sectors(parent) == 0 &&
        bdrv_getlength(parent) != before) {
        bdrv_parent_cb_resize(parent);
    }
}

AioContext *child_of_bds_get_parent_aio_context(BdrvChild *c)
{
    return bdrv_get_aio_context(c->opaque);
}

const BdrvChildClass child_of_bds = {
    .parent_is_bds = true,
    .resize = child_of_bds_resize,
    .get_parent_desc = child_of_bds_get_parent_desc,
    .drained_begin = child_of_bds_drained_begin,
    .drained_poll = child_of_bds_drained_poll,
    .drained_end = child_of_bds_drained_end,
    .get_parent_aio_context = child_of_bds_get_parent_aio_context,
};
