/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queues of a vhost-user-blk export: from a kick to the notification that requests are done. */
#ifndef VHOST_USER_BLK_QUEUE_H
#define VHOST_USER_BLK_QUEUE_H

#include "block/export.h"
#include "qemu/vhost-user-server.h"
#include "virtio-blk-handler.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "export-stats.h"
#endif

/* A queue's own; its context only, but for the counters. */
typedef struct VuBlkQueue {
    /* Constant. */
    BlockExport *export;
    VuServer *server;
    VirtioBlkHandler *handler;
    unsigned index;

    unsigned busy;      /* requests not yet announced, and who else needs the queue to stay */
    unsigned completed; /* of the requests: pushed, but the guest has not been told */
    unsigned at_once;   /* others that are done, without having been busy; not announced either */
    unsigned filled;    /* of them: entries that wait for the next flush */
    bool popping;       /* the kick handler announces what completes meanwhile */
    bool deferred;      /* vu_blk_announce_deferred() will run */
    void *spare;        /* memory for the next request, or NULL */
#ifdef CONFIG_DEVICE_BACKENDS
    BlockExportCounters counters;
    QEMUTimer *pause; /* counts as busy; NULL: the queue is not held up */
#endif
    char pad[96]; /* no two queues' in one cache line, or in a pair of them */
} VuBlkQueue;

/** vu_blk_queue_new: Queue @index of @export, whose requests @handler executes. Any context. */
VuBlkQueue *vu_blk_queue_new(BlockExport *export, VuServer *server, VirtioBlkHandler *handler,
                             unsigned index);

/** vu_blk_queue_free: Free what vu_blk_queue_new() gave; NULL is fine. No request is out. */
void vu_blk_queue_free(VuBlkQueue *queue);

/**
 * vu_blk_queue_process: Take what waits in the ring, a limited part of it at once, and have it
 * done. The queue's context.
 */
void vu_blk_queue_process(VuBlkQueue *queue);

#endif /* VHOST_USER_BLK_QUEUE_H */
