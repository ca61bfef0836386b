/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Overlapping writes: who waits for whom.
 *
 * Theory of operation
 *
 * A write to a node with a request alignment is in the node's list from before its first access
 * until after its last. A request that reads, modifies and writes a block is serialising: it waits
 * for every overlapping request before it, and every overlapping request after it waits for it.
 * Plain requests wait only for serialising ones. A request that is itself waiting for us is not
 * waited for, which breaks the circle of two serialising requests that arrived at once.
 *
 * The list is the node's, under reqs_lock; waiting and waking work between threads.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "block/block_int.h"

void coroutine_fn bdrv_tracked_request_begin(BdrvTrackedRequest *req, BlockDriverState *bs,
                                             int64_t offset, int64_t bytes)
{
    *req = (BdrvTrackedRequest){
        .bs = bs,
        .overlap_offset = offset,
        .overlap_bytes = bytes,
        .co = qemu_coroutine_self(),
    };
    qemu_co_queue_init(&req->wait_queue);
    qemu_mutex_lock(&bs->reqs_lock);
    QLIST_INSERT_HEAD(&bs->tracked_requests, req, list);
    qemu_mutex_unlock(&bs->reqs_lock);
}

void coroutine_fn bdrv_tracked_request_end(BdrvTrackedRequest *req)
{
    BlockDriverState *bs = req->bs;

    qemu_mutex_lock(&bs->reqs_lock);
    if (req->serialising) {
        bs->serialising_in_flight--;
    }
    QLIST_REMOVE(req, list);
    qemu_co_queue_restart_all(&req->wait_queue);
    qemu_mutex_unlock(&bs->reqs_lock);
}

static bool overlaps(const BdrvTrackedRequest *a, const BdrvTrackedRequest *b)
{
    return a->overlap_offset < b->overlap_offset + b->overlap_bytes &&
           b->overlap_offset < a->overlap_offset + a->overlap_bytes;
}

/* With reqs_lock: a request that @self has to wait for, or NULL. */
static BdrvTrackedRequest *find_conflict(BdrvTrackedRequest *self)
{
    BdrvTrackedRequest *req;

    QLIST_FOREACH (req, &self->bs->tracked_requests, list) {
        if (req != self && (req->serialising || self->serialising) && overlaps(req, self) &&
            !req->waiting_for) {
            return req;
        }
    }
    return NULL;
}

/* With reqs_lock, which is released while waiting. */
static void coroutine_fn wait_for_conflicts(BdrvTrackedRequest *self)
{
    BdrvTrackedRequest *req;

    while ((req = find_conflict(self)) != NULL) {
        self->waiting_for = req;
        qemu_co_queue_wait(&req->wait_queue, &self->bs->reqs_lock);
        self->waiting_for = NULL;
    }
}

void coroutine_fn bdrv_make_request_serialising(BdrvTrackedRequest *req, uint64_t align)
{
    BlockDriverState *bs = req->bs;
    int64_t start = ROUND_DOWN(req->overlap_offset, (int64_t)align);
    int64_t end = ROUND_UP(req->overlap_offset + req->overlap_bytes, (int64_t)align);

    qemu_mutex_lock(&bs->reqs_lock);
    if (!req->serialising) {
        req->serialising = true;
        bs->serialising_in_flight++;
    }
    req->overlap_offset = start;
    req->overlap_bytes = end - start;
    wait_for_conflicts(req);
    qemu_mutex_unlock(&bs->reqs_lock);
}

void coroutine_fn bdrv_wait_serialising_requests(BdrvTrackedRequest *req)
{
    BlockDriverState *bs = req->bs;

    qemu_mutex_lock(&bs->reqs_lock);
    if (bs->serialising_in_flight) {
        wait_for_conflicts(req);
    }
    qemu_mutex_unlock(&bs->reqs_lock);
}
