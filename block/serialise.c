/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Overlapping writes: who waits for whom.
 *
 * Theory of operation
 *
 * A write to a node with a request alignment is in one of the node's two trees from before its
 * first access until after its last. A request that reads, modifies and writes a block is
 * serialising: it waits for every overlapping request before it, and every overlapping request
 * after it waits for it. Plain requests wait only for serialising ones.
 *
 * A request counts what it has to wait for when it comes; what ends counts down those that came
 * after it, and wakes whoever is left with nothing. Each waits only for what came before it, so
 * there are no circles. Nobody is woken to look again, and at most SERIALISING_MAX serialising
 * requests are in the trees at once (more wait for a place, in order), so a request is counted by
 * so many at most: a guest's overlapping writes cost each what one costs.
 *
 * All is the node's, under reqs_lock; waiting and waking work between threads.
 */
#include "qemu/osdep.h"
#include "block/block_int.h"

enum {
    SERIALISING_MAX = 64
};

void coroutine_fn bdrv_tracked_request_begin(BdrvTrackedRequest *req, BlockDriverState *bs,
                                             int64_t offset, int64_t bytes)
{
    *req = (BdrvTrackedRequest){
        .bs = bs,
        .range.start = offset,
        .range.last = offset + MAX(bytes, 1) - 1,
    };
    qemu_co_queue_init(&req->wait_queue);
}

static BdrvTrackedRequest *next_overlapping(IntervalTreeRoot *tree, const BdrvTrackedRequest *req,
                                            BdrvTrackedRequest *before)
{
    uint64_t start = req->range.start, last = req->range.last;
    IntervalTreeNode *node = before ? interval_tree_iter_next(&before->range, start, last)
                                    : interval_tree_iter_first(tree, start, last);

    return node ? container_of(node, BdrvTrackedRequest, range) : NULL;
}

static unsigned int count_overlapping(IntervalTreeRoot *tree, const BdrvTrackedRequest *req)
{
    unsigned int count = 0;

    for (BdrvTrackedRequest *r = NULL; (r = next_overlapping(tree, req, r)) != NULL;) {
        count++;
    }
    return count;
}

/* @req, which is in no tree any more, has ended: for those that came after it. */
static void coroutine_fn count_down_later(IntervalTreeRoot *tree, const BdrvTrackedRequest *req)
{
    for (BdrvTrackedRequest *r = NULL; (r = next_overlapping(tree, req, r)) != NULL;) {
        if (r->number > req->number && --r->waits_for == 0) {
            qemu_co_queue_next(&r->wait_queue);
        }
    }
}

static IntervalTreeRoot *tree_of(const BdrvTrackedRequest *req)
{
    return req->serialising ? &req->bs->serialising_writes : &req->bs->plain_writes;
}

/* With reqs_lock, which is released while waiting. */
static void coroutine_fn enter(BdrvTrackedRequest *req)
{
    BlockDriverState *bs = req->bs;

    req->number = bs->writes_entered++;
    req->waits_for = count_overlapping(&bs->serialising_writes, req);
    if (req->serialising) {
        req->waits_for += count_overlapping(&bs->plain_writes, req);
    }
    interval_tree_insert(&req->range, tree_of(req));
    if (req->waits_for > 0) {
        qemu_co_queue_wait(&req->wait_queue, &bs->reqs_lock);
    }
}

/* With reqs_lock. Whoever leaves a place that others wait for hands it on. */
static void coroutine_fn take_place(BlockDriverState *bs)
{
    if (bs->serialising_in_flight < SERIALISING_MAX) {
        bs->serialising_in_flight++;
    } else {
        qemu_co_queue_wait(&bs->serialising_waiting, &bs->reqs_lock);
    }
}

static void coroutine_fn leave_place(BlockDriverState *bs)
{
    if (!qemu_co_queue_next(&bs->serialising_waiting)) {
        bs->serialising_in_flight--;
    }
}

void coroutine_fn bdrv_tracked_request_end(BdrvTrackedRequest *req)
{
    BlockDriverState *bs = req->bs;

    qemu_mutex_lock(&bs->reqs_lock);
    interval_tree_remove(&req->range, tree_of(req));
    count_down_later(&bs->serialising_writes, req);
    if (req->serialising) {
        count_down_later(&bs->plain_writes, req);
        leave_place(bs);
    }
    qemu_mutex_unlock(&bs->reqs_lock);
}

void coroutine_fn bdrv_make_request_serialising(BdrvTrackedRequest *req, uint64_t align)
{
    BlockDriverState *bs = req->bs;

    req->serialising = true;
    req->range.start = ROUND_DOWN(req->range.start, align);
    req->range.last = ROUND_UP(req->range.last + 1, align) - 1;
    qemu_mutex_lock(&bs->reqs_lock);
    take_place(bs);
    enter(req);
    qemu_mutex_unlock(&bs->reqs_lock);
}

void coroutine_fn bdrv_wait_serialising_requests(BdrvTrackedRequest *req)
{
    BlockDriverState *bs = req->bs;

    qemu_mutex_lock(&bs->reqs_lock);
    enter(req);
    qemu_mutex_unlock(&bs->reqs_lock);
}
