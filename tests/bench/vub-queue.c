/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver of one queue of a vhost-user-blk device; see vub-queue.h. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vub-queue.h"

enum {
    RING_BYTES = 64 * 1024,
    SLOTS_BYTES = 64 * 1024,
    DATA_AREA = RING_BYTES + SLOTS_BYTES, /* from the beginning of the queue's part */
    /* Looks at the used index between two looks at the clock. */
    LOOKS = 64,
};

_Static_assert(VUB_MAX_DEPTH * sizeof(VubSlot) <= SLOTS_BYTES, "the slots fit");

uint64_t vub_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- Set-up ---- */

size_t vub_queue_bytes(const VubPlan *plan)
{
    return DATA_AREA + ((size_t)plan->depth * plan->block_bytes + 4095) / 4096 * 4096;
}

static void describe(VubQueue *queue, int slot, int part, uint64_t address, uint32_t bytes)
{
    int index = slot * VUB_DESCS_PER_REQUEST + part;

    queue->ring.vring.desc[index] = (struct vring_desc){
        .addr = address,
        .len = bytes,
        .flags = part < VUB_DESCS_PER_REQUEST - 1 ? VRING_DESC_F_NEXT : VRING_DESC_F_WRITE,
        .next = index + 1,
    };
}

static void prepare_slot(VubQueue *queue, int slot, uint64_t base)
{
    uint64_t header = base + RING_BYTES + (uint64_t)slot * sizeof(VubSlot);
    uint32_t bytes = queue->plan->block_bytes;

    describe(queue, slot, 0, header, sizeof(struct virtio_blk_outhdr));
    describe(queue, slot, 1, base + DATA_AREA + (uint64_t)slot * bytes, bytes);
    describe(queue, slot, 2, header + offsetof(VubSlot, status), 1);
}

void vub_queue_init(VubQueue *queue, const VubPlan *plan, const VubMemory *memory, unsigned index,
                    uint64_t blocks)
{
    size_t base = index * vub_queue_bytes(plan);

    *queue = (VubQueue){
        .plan = plan,
        .slots = (VubSlot *)(memory->base + base + RING_BYTES),
        .pattern = {
            .operation = plan->operation,
            .sequential = plan->sequential,
            .blocks = blocks,
            .next = blocks / plan->queues * index,
            .random = index + 1,
        },
    };
    vub_ring_init(&queue->ring, memory, index, VUB_RING_SIZE, base);
    for (int slot = 0; slot < plan->depth; slot++) {
        prepare_slot(queue, slot, base);
    }
}

/* ---- Requests ---- */

static void submit(VubQueue *queue, int slot, uint64_t now)
{
    VubRing *ring = &queue->ring;
    int head = slot * VUB_DESCS_PER_REQUEST;
    bool write;
    uint64_t block = vub_pattern_next(&queue->pattern, &write);

    queue->slots[slot].header.type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    queue->slots[slot].header.sector = block * (queue->plan->block_bytes / 512);
    queue->slots[slot].status = 0xff;
    ring->vring.desc[head + 1].flags = VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE);
    queue->began[slot] = now;
    ring->vring.avail->ring[ring->avail_idx++ % VUB_RING_SIZE] = head;
}

/* Publish what was submitted since @old, and kick if the device wants to hear of it. */
static void publish(VubQueue *queue, uint16_t old)
{
    VubRing *ring = &queue->ring;

    vub_ring_publish(ring);
    if (vring_need_event(vring_avail_event(&ring->vring), ring->avail_idx, old)) {
        queue->kicks++;
        vub_ring_kick(ring);
    }
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Whether something completes within the time that the plan gives. */
static bool poll_used(const VubQueue *queue)
{
    const VubRing *ring = &queue->ring;
    uint64_t end = vub_now_ns() + queue->plan->poll_ns;

    do {
        for (int look = 0; look < LOOKS; look++) {
            if (vub_ring_used(ring) != ring->used_idx) {
                return true;
            }
            relax();
        }
    } while (vub_now_ns() < end);
    return false;
}

/* The device is asked for an interrupt in any case, as by a guest that polls when it idles. */
static void wait_used(VubQueue *queue)
{
    VubRing *ring = &queue->ring;
    uint64_t count;

    vring_used_event(&ring->vring) = ring->used_idx;
    atomic_thread_fence(memory_order_seq_cst);
    if (queue->plan->poll_ns && poll_used(queue)) {
        return;
    }
    while (vub_ring_used(ring) == ring->used_idx) {
        struct pollfd pfd = { .fd = ring->call, .events = POLLIN };

        queue->sleeps++;
        if (poll(&pfd, 1, -1) < 0 ||
            (read(ring->call, &count, sizeof(count)) < 0 && errno != EAGAIN)) {
            vub_die("call");
        }
    }
}

/* Take the completions there are, at least one; submit each slot anew if @again. The time. */
static uint64_t reap(VubQueue *queue, bool again)
{
    VubRing *ring = &queue->ring;
    uint64_t now;

    wait_used(queue);
    now = vub_now_ns();
    for (uint16_t used = vub_ring_used(ring); ring->used_idx != used; ring->used_idx++) {
        struct vring_used_elem *elem = &ring->vring.used->ring[ring->used_idx % VUB_RING_SIZE];
        int slot = elem->id / VUB_DESCS_PER_REQUEST;

        if (queue->slots[slot].status != VIRTIO_BLK_S_OK) {
            fprintf(stderr, "vub-load: status %d\n", queue->slots[slot].status);
            exit(1);
        }
        vub_histogram_add(&queue->times, now - queue->began[slot]);
        queue->done++;
        if (again) {
            submit(queue, slot, now);
        }
    }
    return now;
}

/* Some back-ends do not survive a client that leaves with requests in flight. */
static void finish(VubQueue *queue)
{
    while (queue->ring.used_idx != queue->ring.avail_idx) {
        reap(queue, false);
    }
}

/* ---- The plan ---- */

static void submit_all(VubQueue *queue, uint64_t now)
{
    uint16_t old = queue->ring.avail_idx;

    for (int slot = 0; slot < queue->plan->depth; slot++) {
        submit(queue, slot, now);
    }
    publish(queue, old);
}

static void sleep_until(uint64_t ns)
{
    struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR) {
    }
}

/* All slots at once, again and again at their time. */
static void run_paced(VubQueue *queue, uint64_t end)
{
    uint64_t period = queue->plan->depth / queue->plan->rate * 1e9;
    uint64_t tick = vub_now_ns();

    while (queue->done < queue->plan->requests && tick < end) {
        submit_all(queue, vub_now_ns());
        finish(queue);
        tick += period;
        sleep_until(tick);
    }
}

void vub_queue_run(VubQueue *queue)
{
    uint64_t now = vub_now_ns();
    uint64_t end = now + queue->plan->seconds * 1e9;

    if (queue->plan->rate > 0) {
        run_paced(queue, end);
        return;
    }
    submit_all(queue, now);
    while (queue->done < queue->plan->requests && now < end) {
        uint16_t old = queue->ring.avail_idx;

        now = reap(queue, true);
        publish(queue, old);
    }
    finish(queue);
}
