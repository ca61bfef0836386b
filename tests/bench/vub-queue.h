/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver of one queue of a vhost-user-blk device, which keeps a number of requests in flight.
 *
 * A thread that has set up a queue may give it to another one; from vub_queue_run() on only that
 * one touches it.
 */
#ifndef TESTS_BENCH_VUB_QUEUE_H
#define TESTS_BENCH_VUB_QUEUE_H

#include "vub-client.h"
#include "vub-histogram.h"
#include "vub-pattern.h"

enum {
    VUB_RING_SIZE = 1024,
    VUB_DESCS_PER_REQUEST = 3,
    VUB_MAX_DEPTH = VUB_RING_SIZE / VUB_DESCS_PER_REQUEST,
};

/* What is asked of each queue; constant. */
typedef struct VubPlan {
    VubOperation operation;
    bool sequential;
    uint32_t block_bytes;
    int depth; /* in flight in each queue */
    unsigned queues;
    uint64_t requests; /* of each queue, about */
    double seconds;
    double rate;      /* of each queue a second; 0: as many as it can */
    uint64_t poll_ns; /* look at the used index for so long before each sleep */
} VubPlan;

typedef struct VubSlot {
    struct virtio_blk_outhdr header;
    uint8_t status;
    uint8_t pad[47];
} VubSlot;

typedef struct VubQueue {
    const VubPlan *plan;
    VubRing ring;
    VubSlot *slots;
    VubPattern pattern;
    uint64_t done, kicks, sleeps;
    uint64_t began[VUB_MAX_DEPTH];
    VubHistogram times; /* from the publication until the completion was seen */
} VubQueue;

uint64_t vub_now_ns(void);

/* What one queue takes of the guest's memory. */
size_t vub_queue_bytes(const VubPlan *plan);
/* The queue @index of a disk of @blocks, in its part of the memory. */
void vub_queue_init(VubQueue *queue, const VubPlan *plan, const VubMemory *memory, unsigned index,
                    uint64_t blocks);
/* Blocks until the plan has been carried out; nothing is in flight any more then. */
void vub_queue_run(VubQueue *queue);

#endif
