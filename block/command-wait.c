/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "block/aio-wait.h"
#include "block/backend.h"
#include "block/command-wait.h"
#include "qemu/storage-call.h"

struct BdrvSettled {
    GPtrArray *nodes; /* BlockDriverState with a reference, quiesced, bs->settling */
};

/* Settling */

static BlockDriverState *busy_node(const GPtrArray *nodes)
{
    for (guint i = 0; i < nodes->len; i++) {
        if (bdrv_drain_poll(nodes->pdata[i], NULL)) {
            return nodes->pdata[i];
        }
    }
    return NULL;
}

/* Falls with each request that ends, as far as they are counted. */
static uint64_t requests_of(const GPtrArray *nodes)
{
    uint64_t sum = 0;

    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = nodes->pdata[i];
        BdrvChild *c;

        sum += qatomic_read(&bs->in_flight);
        QLIST_FOREACH (c, &bs->parents, next_parent) {
            sum += c->klass->parent_is_bds ? 0 : blk_in_flight(c->opaque);
        }
    }
    return sum;
}

/* The node that is busy though nothing has ended for so long; NULL: none is busy. */
static BlockDriverState *coroutine_fn wait_for_requests(const GPtrArray *nodes)
{
    uint64_t before = requests_of(nodes), now;
    int64_t begin = get_clock(), left;
    AioWaitCo wait = {};
    BlockDriverState *bs;

    aio_wait_co_begin(&wait);
    while ((bs = busy_node(nodes))) {
        now = requests_of(nodes);
        if (now != before) {
            before = now;
            begin = get_clock();
        }
        left = begin + (int64_t)STORAGE_QUICK_MS * SCALE_MS - get_clock();
        if (left <= 0) {
            break;
        }
        aio_wait_co(&wait, left);
    }
    aio_wait_co_end(&wait);
    return bs;
}

static bool check_alone(const GPtrArray *nodes, Error **errp)
{
    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = nodes->pdata[i];

        if (bs->settling) {
            error_setg(errp, "Node '%s' is in use by another command, which waits for its storage",
                       bs->node_name);
            return false;
        }
    }
    return true;
}

static bool coroutine_fn check_answers(const GPtrArray *nodes, Error **errp)
{
    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = nodes->pdata[i];

        if (bs->drv->bdrv_co_ping && bs->opened && bs->drv->bdrv_co_ping(bs) == -ETIMEDOUT) {
            error_setg(errp, "Node '%s' does not answer; nothing was changed", bs->node_name);
            return false;
        }
    }
    return true;
}

static bool coroutine_fn settle(const GPtrArray *nodes, Error **errp)
{
    BlockDriverState *busy = wait_for_requests(nodes);

    if (busy) {
        error_setg(errp, "Node '%s' does not answer: its requests do not end; nothing was changed",
                   busy->node_name);
        return false;
    }
    return check_answers(nodes, errp);
}

BdrvSettled *coroutine_fn bdrv_co_settle(BlockDriverState *bs, Error **errp)
{
    g_autoptr(GPtrArray) nodes = bdrv_connected_nodes(bs);
    BdrvSettled *settled;

    GLOBAL_STATE_CODE();
    if (!check_alone(nodes, errp)) {
        return NULL;
    }
    for (guint i = 0; i < nodes->len; i++) {
        bs = nodes->pdata[i];
        bs->settling = true;
        bdrv_do_drained_begin_quiesce(bs, NULL);
    }
    settled = g_new(BdrvSettled, 1);
    settled->nodes = g_steal_pointer(&nodes);
    if (!settle(settled->nodes, errp)) {
        bdrv_unsettle(settled);
        return NULL;
    }
    return settled;
}

void bdrv_unsettle(BdrvSettled *settled)
{
    if (!settled) {
        return;
    }
    for (guint i = 0; i < settled->nodes->len; i++) {
        BlockDriverState *bs = settled->nodes->pdata[i];

        bs->settling = false;
        bdrv_drained_end(bs);
    }
    g_ptr_array_unref(settled->nodes);
    g_free(settled);
}

/* Other ways to wait */

bool coroutine_fn bdrv_co_within(BlockDriverState *bs, CoroutineEntry *entry, void *opaque, int ms,
                                 CleanupFunc *clean, Error **errp)
{
    g_autofree char *name = g_strdup(bs->node_name);

    if (qemu_co_timeout(entry, opaque, (int64_t)ms * SCALE_MS, clean) == 0) {
        return true;
    }
    error_setg(errp, "Node '%s' does not answer: what was begun may still happen", name);
    return false;
}

typedef struct Leave {
    void (*func)(void *opaque);
    void *opaque;
    Coroutine *co;
} Leave;

static void leave_bh(void *opaque)
{
    Leave *leave = opaque;

    leave->func(leave->opaque);
    aio_co_wake(leave->co);
}

void coroutine_fn bdrv_co_leave(void (*func)(void *opaque), void *opaque)
{
    Leave leave = { func, opaque, qemu_coroutine_self() };

    aio_bh_schedule_oneshot(iohandler_get_aio_context(), leave_bh, &leave);
    qemu_coroutine_yield();
}

bool coroutine_mixed_fn bdrv_command_settled(BlockDriverState *bs, void (*func)(void *opaque),
                                             void *opaque, Error **errp)
{
    BdrvSettled *settled = NULL;

    if (!qemu_in_coroutine()) {
        func(opaque);
        return true;
    }
    assert_coroutine_role();
    if (bs) {
        settled = bdrv_co_settle(bs, errp);
        if (!settled) {
            return false;
        }
    }
    bdrv_co_leave(func, opaque);
    bdrv_unsettle(settled);
    return true;
}
