/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The insides of a BlockBackend, for backend.c (control side) and backend-io.c (requests). */
#ifndef BLOCK_BACKEND_PRIVATE_H
#define BLOCK_BACKEND_PRIVATE_H

#include "block/block_int.h"
#include "system/block-backend.h"

/* Requests in flight that were begun in one thread's slot; atomic. */
typedef struct BlkInFlight {
    unsigned int n;
} __attribute__((aligned(64))) BlkInFlight;

typedef struct BlkAioNotifier {
    void (*attached_aio_context)(AioContext *new_context, void *opaque);
    void (*detach_aio_context)(void *opaque);
    void *opaque;
    QLIST_ENTRY(BlkAioNotifier) list;
} BlkAioNotifier;

struct BlockBackend {
    /* Atomic. */
    BlkInFlight in_flight[BLOCK_ACCT_SLOTS];
    BlockAcctStats stats;
    /* NULL without a node. Changed by the main loop, drained. */
    BdrvChild *root;
    AioContext *ctx;
    unsigned int quiesce_counter;
    bool enable_write_cache;
    bool disable_request_queuing;
    BlockDeviceIoStatus iostatus;

    /* Requests that wait for the end of a drain; under queue_lock. */
    QemuMutex queue_lock;
    CoQueue queued_requests;

    /* Main loop's thread. */
    int refcnt;
    char *name;
    uint64_t perm;
    uint64_t shared_perm;
    bool allow_aio_context_change;
    bool iostatus_enabled;
    const BlockDevOps *dev_ops;
    void *dev_opaque;
    BlockBackendPublic public;
    QLIST_HEAD(, BlkAioNotifier) aio_notifiers;
    QTAILQ_ENTRY(BlockBackend) link;
};

/* Whether a request of @blk is in flight. Any thread. */
bool blk_has_in_flight(BlockBackend *blk);
/* How many are, about: some may come and go meanwhile. Any thread. */
unsigned blk_in_flight(BlockBackend *blk);
/* Lets the requests go on that a drain has held back. Main loop's thread. */
void blk_wake_queued_requests(BlockBackend *blk);

#endif
