/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A load on a vhost-user-blk socket: a small front-end and driver in one.
 *
 * usage: vub-load SOCKET read|write DEPTH SECONDS [BLOCK-BYTES [REQUESTS]]
 *
 * Ends after SECONDS, or after about REQUESTS if that is sooner (to count instructions).
 * Sets up one split ring with EVENT_IDX, keeps DEPTH random requests in flight,
 * sleeps on the call descriptor when nothing has completed, and prints one line
 * of JSON: requests, seconds, iops, kicks, sleeps, and how long a request took
 * from its publication to the moment its completion was seen: median and other
 * quantiles, and the longest, in microseconds.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vub-client.h"

enum {
    RING_SIZE = 1024,
    DESCS_PER_REQUEST = 3,
    MAX_DEPTH = RING_SIZE / DESCS_PER_REQUEST,
    RING_BYTES = 64 * 1024,
    HEADER_AREA = RING_BYTES,
    DATA_AREA = HEADER_AREA + 64 * 1024,
    /* The histogram: 32 steps for each power of two nanoseconds. */
    STEP_BITS = 5,
    STEPS = (65 - STEP_BITS) << STEP_BITS,
};

typedef struct RequestSlot {
    struct virtio_blk_outhdr header;
    uint8_t status;
    uint8_t pad[47];
} RequestSlot;

typedef struct Load {
    int sock;
    VubMemory memory;
    VubRing ring;
    RequestSlot *slots;
    uint32_t block_bytes;
    uint64_t blocks; /* of the disk */
    int depth;
    uint32_t type;
    uint64_t random;
    uint64_t done, kicks, sleeps;
    double began[MAX_DEPTH];
    uint64_t histogram[STEPS];
    double longest;
} Load;

/* ---- How long requests take ---- */

static unsigned step_of(uint64_t ns)
{
    unsigned log2 = 63 - __builtin_clzll(ns | 1);

    if (log2 < STEP_BITS) {
        return ns;
    }
    return ((log2 - STEP_BITS) << STEP_BITS) + (ns >> (log2 - STEP_BITS));
}

/* The smallest number of that step. */
static uint64_t ns_of(unsigned step)
{
    unsigned shift = step >> STEP_BITS;

    if (shift == 0) {
        return step;
    }
    return (uint64_t)((step & ((1 << STEP_BITS) - 1)) | 1 << STEP_BITS) << (shift - 1);
}

static void took(Load *load, double seconds)
{
    load->histogram[step_of(seconds * 1e9)]++;
    if (seconds > load->longest) {
        load->longest = seconds;
    }
}

/* Microseconds that a part of all requests did not exceed. */
static double quantile(const Load *load, double part)
{
    uint64_t left = part * load->done;
    unsigned step = 0;

    while (step < STEPS - 1 && load->histogram[step] <= left) {
        left -= load->histogram[step++];
    }
    return ns_of(step) / 1e3;
}

/* ---- The front-end ---- */

static void check(bool ok)
{
    if (!ok) {
        fprintf(stderr, "vub-load: the daemon has hung up\n");
        exit(1);
    }
}

static void set_up(Load *load)
{
    /* As much of the config space as every peer has. */
    const uint32_t config_bytes = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
    VubMessage msg = { .config = { .size = config_bytes } };
    uint64_t features;

    check(vub_negotiate(load->sock,
                        1ull << VUB_F_VERSION_1 | 1ull << VUB_F_EVENT_IDX | 1ull << VUB_F_PROTOCOL |
                            1ull << VIRTIO_BLK_F_FLUSH,
                        1 << VUB_PROTOCOL_F_CONFIG | 1 << VUB_PROTOCOL_F_MQ));
    check(vub_send(load->sock, &msg, VUB_GET_CONFIG, 12 + config_bytes, -1));
    check(vub_receive(load->sock, &msg));
    load->blocks = msg.config.blk.capacity * 512 / load->block_bytes;

    vub_memory_init(&load->memory, DATA_AREA + (size_t)load->depth * load->block_bytes);
    memset(load->memory.base, 0, load->memory.bytes);
    check(vub_memory_share(load->sock, &load->memory));
    vub_ring_init(&load->ring, &load->memory, 0, RING_SIZE, 0);
    load->slots = (RequestSlot *)(load->memory.base + HEADER_AREA);
    check(vub_ring_start(load->sock, &load->ring));
    check(vub_ask_u64(load->sock, VUB_GET_FEATURES, &features)); /* all of it has been obeyed */
}

/* ---- The driver ---- */

static void describe(Load *load, int slot, int part, uint64_t address, uint32_t bytes, bool writes)
{
    int index = slot * DESCS_PER_REQUEST + part;

    load->ring.vring.desc[index] = (struct vring_desc){
        .addr = address,
        .len = bytes,
        .flags = (part < DESCS_PER_REQUEST - 1 ? VRING_DESC_F_NEXT : 0) |
                 (writes ? VRING_DESC_F_WRITE : 0),
        .next = index + 1,
    };
}

static void prepare_slot(Load *load, int slot)
{
    uint64_t header = HEADER_AREA + (uint64_t)slot * sizeof(RequestSlot);

    describe(load, slot, 0, header, sizeof(struct virtio_blk_outhdr), false);
    describe(load, slot, 1, DATA_AREA + (uint64_t)slot * load->block_bytes, load->block_bytes,
             load->type == VIRTIO_BLK_T_IN);
    describe(load, slot, 2, header + offsetof(RequestSlot, status), 1, true);
}

static void submit(Load *load, int slot, double time)
{
    VubRing *ring = &load->ring;

    load->random = load->random * 6364136223846793005ull + 1442695040888963407ull;
    load->slots[slot].header.type = load->type;
    load->slots[slot].header.sector =
        (load->random >> 24) % load->blocks * (load->block_bytes / 512);
    load->slots[slot].status = 0xff;
    load->began[slot] = time;
    ring->vring.avail->ring[ring->avail_idx++ % RING_SIZE] = slot * DESCS_PER_REQUEST;
}

/* Publish what was submitted since @old, and kick if the device wants to hear of it. */
static void publish(Load *load, uint16_t old)
{
    VubRing *ring = &load->ring;

    vub_ring_publish(ring);
    if (vring_need_event(vring_avail_event(&ring->vring), ring->avail_idx, old)) {
        load->kicks++;
        vub_ring_kick(ring);
    }
}

static void sleep_until_used(Load *load)
{
    VubRing *ring = &load->ring;
    uint64_t count;

    vring_used_event(&ring->vring) = ring->used_idx;
    atomic_thread_fence(memory_order_seq_cst);
    while (vub_ring_used(ring) == ring->used_idx) {
        struct pollfd pfd = { .fd = ring->call, .events = POLLIN };

        load->sleeps++;
        if (poll(&pfd, 1, -1) < 0 ||
            (read(ring->call, &count, sizeof(count)) < 0 && errno != EAGAIN)) {
            vub_die("call");
        }
    }
}

/* Take the completions there are, at least one; submit each slot anew if @again. */
static void reap(Load *load, bool again)
{
    VubRing *ring = &load->ring;
    double time;

    sleep_until_used(load);
    time = vub_now();
    for (uint16_t used = vub_ring_used(ring); ring->used_idx != used; ring->used_idx++) {
        int slot = ring->vring.used->ring[ring->used_idx % RING_SIZE].id / DESCS_PER_REQUEST;

        if (load->slots[slot].status != VIRTIO_BLK_S_OK) {
            fprintf(stderr, "vub-load: status %d\n", load->slots[slot].status);
            exit(1);
        }
        took(load, time - load->began[slot]);
        load->done++;
        if (again) {
            submit(load, slot, time);
        }
    }
}

static void run(Load *load, double seconds, uint64_t requests)
{
    double begin = vub_now();
    uint16_t old = load->ring.avail_idx;

    for (int slot = 0; slot < load->depth; slot++) {
        prepare_slot(load, slot);
        submit(load, slot, begin);
    }
    publish(load, old);
    while (load->done < requests && vub_now() < begin + seconds) {
        old = load->ring.avail_idx;
        reap(load, true);
        publish(load, old);
    }
}

/* Some back-ends do not survive a client that leaves with requests in flight. */
static void finish(Load *load)
{
    while (load->ring.used_idx != load->ring.avail_idx) {
        reap(load, false);
    }
}

static void report(const Load *load, double seconds)
{
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"iops\": %.0f, \"kicks\": %llu, "
           "\"sleeps\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f}\n",
           (unsigned long long)load->done, seconds, load->done / seconds,
           (unsigned long long)load->kicks, (unsigned long long)load->sleeps, quantile(load, 0.5),
           quantile(load, 0.99), quantile(load, 0.999), load->longest * 1e6);
}

int main(int argc, char **argv)
{
    static Load load = { .block_bytes = 4096, .random = 1 };
    double start, seconds;

    if (argc < 5) {
        fprintf(stderr, "usage: vub-load SOCKET read|write DEPTH SECONDS "
                        "[BLOCK-BYTES [REQUESTS]]\n");
        return 2;
    }
    load.type = strcmp(argv[2], "write") ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
    load.depth = atoi(argv[3]);
    seconds = atof(argv[4]);
    if (argc > 5) {
        load.block_bytes = atoi(argv[5]);
    }
    if (load.depth < 1 || load.depth > MAX_DEPTH || load.block_bytes % 512 || !load.block_bytes) {
        fprintf(stderr, "vub-load: depth 1 to %d, block size a multiple of 512\n", MAX_DEPTH);
        return 2;
    }
    load.sock = vub_connect(argv[1]);
    set_up(&load);
    start = vub_now();
    run(&load, seconds, argc > 6 ? strtoull(argv[6], NULL, 10) : UINT64_MAX);
    finish(&load);
    report(&load, vub_now() - start);
    return 0;
}
