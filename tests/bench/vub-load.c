/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A load on a vhost-user-blk socket: a small front-end and driver in one.
 *
 * usage: vub-load SOCKET read|write DEPTH SECONDS [BLOCK-BYTES [REQUESTS]]
 *
 * Ends after SECONDS, or after about REQUESTS if that is sooner (to count instructions).
 * Sets up one split ring with EVENT_IDX, keeps DEPTH random requests in flight,
 * sleeps on the call descriptor when nothing has completed, and prints one line
 * of JSON: requests, seconds, iops, kicks, sleeps.
 */
#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_SIZE = 1024,
    DESCS_PER_REQUEST = 3,
    MAX_DEPTH = RING_SIZE / DESCS_PER_REQUEST,
    RING_BYTES = 64 * 1024,
    HEADER_AREA = RING_BYTES,
    DATA_AREA = HEADER_AREA + 64 * 1024,
    F_EVENT_IDX = 29,
    F_PROTOCOL = 30,
    F_VERSION_1 = 32,
};

enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    SET_VRING_ENABLE = 18,
    GET_CONFIG = 24,
    PROTOCOL_F_CONFIG = 9,
    PROTOCOL_F_MQ = 0,
};

typedef struct Message {
    uint32_t request, flags, size;
    union {
        uint64_t u64;
        struct {
            uint32_t index, num;
        } state;
        struct {
            uint32_t index, flags;
            uint64_t desc, used, avail, log;
        } addr;
        struct {
            uint32_t count, pad;
            uint64_t gpa, size, uaddr, offset;
        } memory;
        struct {
            uint32_t offset, size, flags;
            struct virtio_blk_config blk;
        } config;
    } __attribute__((packed));
} __attribute__((packed)) Message;

typedef struct RequestSlot {
    struct virtio_blk_outhdr header;
    uint8_t status;
    uint8_t pad[47];
} RequestSlot;

typedef struct Load {
    int sock, memory_fd, kick_fd, call_fd;
    uint8_t *memory;
    size_t memory_bytes;
    struct vring ring;
    uint16_t avail_idx, used_idx;
    RequestSlot *slots;
    uint32_t block_bytes;
    uint64_t blocks; /* of the disk */
    int depth;
    uint32_t type;
    uint64_t random;
    uint64_t done, kicks, sleeps;
} Load;

static void die(const char *what)
{
    fprintf(stderr, "vub-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void send_message(Load *load, Message *msg, uint32_t request, uint32_t size, int fd)
{
    struct iovec iov = { msg, 12 + size };
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

    msg->request = request;
    msg->flags = 1;
    msg->size = size;
    if (fd >= 0) {
        hdr.msg_control = control.buf;
        hdr.msg_controllen = sizeof(control.buf);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    }
    if (sendmsg(load->sock, &hdr, 0) != (ssize_t)iov.iov_len) {
        die("sendmsg");
    }
}

static void send_u64(Load *load, uint32_t request, uint64_t value, int fd)
{
    Message msg = { .u64 = value };

    send_message(load, &msg, request, 8, fd);
}

static void receive(Load *load, Message *msg)
{
    if (recv(load->sock, msg, 12, MSG_WAITALL) != 12 || msg->size > sizeof(*msg) - 12 ||
        !msg->size || recv(load->sock, &msg->u64, msg->size, MSG_WAITALL) != (ssize_t)msg->size) {
        die("answer");
    }
}

static uint64_t ask_u64(Load *load, uint32_t request)
{
    Message msg = { 0 };

    send_message(load, &msg, request, 0, -1);
    receive(load, &msg);
    return msg.u64;
}

static void connect_to(Load *load, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
    load->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (load->sock < 0 || connect(load->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        die(path);
    }
}

static void negotiate(Load *load)
{
    uint64_t wanted =
        1ull << F_VERSION_1 | 1ull << F_EVENT_IDX | 1ull << F_PROTOCOL | 1ull << VIRTIO_BLK_F_FLUSH;
    uint64_t features = ask_u64(load, GET_FEATURES);
    /* As much of the config space as every peer has. */
    const uint32_t config_bytes = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
    Message msg = { .config = { .size = config_bytes } };

    ask_u64(load, GET_PROTOCOL_FEATURES);
    send_u64(load, SET_PROTOCOL_FEATURES, 1 << PROTOCOL_F_CONFIG | 1 << PROTOCOL_F_MQ, -1);
    send_u64(load, SET_FEATURES, features & wanted, -1);
    send_message(load, &(Message){ 0 }, SET_OWNER, 0, -1);
    send_message(load, &msg, GET_CONFIG, 12 + config_bytes, -1);
    receive(load, &msg);
    load->blocks = msg.config.blk.capacity * 512 / load->block_bytes;
}

static void share_memory(Load *load)
{
    Message msg = { .memory = { .count = 1 } };

    load->memory_bytes = DATA_AREA + (size_t)load->depth * load->block_bytes;
    load->memory_bytes = (load->memory_bytes + 0x1fffff) & ~(size_t)0x1fffff;
    load->memory_fd = memfd_create("vub-load", MFD_CLOEXEC);
    if (load->memory_fd < 0 || ftruncate(load->memory_fd, load->memory_bytes) < 0) {
        die("memory");
    }
    load->memory =
        mmap(NULL, load->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, load->memory_fd, 0);
    if (load->memory == MAP_FAILED) {
        die("mmap");
    }
    memset(load->memory, 0, load->memory_bytes);
    msg.memory.size = load->memory_bytes;
    msg.memory.uaddr = (uintptr_t)load->memory;
    send_message(load, &msg, SET_MEM_TABLE, 40, load->memory_fd);
}

static void start_ring(Load *load)
{
    Message num = { .state = { 0, RING_SIZE } }, base = { 0 }, enable = { .state = { 0, 1 } };
    Message addr = { 0 };

    vring_init(&load->ring, RING_SIZE, load->memory, 4096);
    load->slots = (RequestSlot *)(load->memory + HEADER_AREA);
    load->kick_fd = eventfd(0, EFD_CLOEXEC);
    load->call_fd = eventfd(0, EFD_CLOEXEC);
    addr.addr.desc = (uintptr_t)load->ring.desc;
    addr.addr.avail = (uintptr_t)load->ring.avail;
    addr.addr.used = (uintptr_t)load->ring.used;
    send_message(load, &num, SET_VRING_NUM, 8, -1);
    send_message(load, &base, SET_VRING_BASE, 8, -1);
    send_message(load, &addr, SET_VRING_ADDR, 40, -1);
    send_u64(load, SET_VRING_CALL, 0, load->call_fd);
    send_u64(load, SET_VRING_KICK, 0, load->kick_fd);
    send_message(load, &enable, SET_VRING_ENABLE, 8, -1);
    ask_u64(load, GET_FEATURES); /* everything before it has been obeyed */
}

static void describe(Load *load, int slot, int part, uint64_t address, uint32_t bytes, bool writes)
{
    int index = slot * DESCS_PER_REQUEST + part;

    load->ring.desc[index] = (struct vring_desc){
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

static void submit(Load *load, int slot)
{
    load->random = load->random * 6364136223846793005ull + 1442695040888963407ull;
    load->slots[slot].header.type = load->type;
    load->slots[slot].header.sector =
        (load->random >> 24) % load->blocks * (load->block_bytes / 512);
    load->slots[slot].status = 0xff;
    load->ring.avail->ring[load->avail_idx++ % RING_SIZE] = slot * DESCS_PER_REQUEST;
}

/* Publish what was submitted since @old, and kick if the device wants to hear of it. */
static void publish(Load *load, uint16_t old)
{
    atomic_store_explicit((_Atomic uint16_t *)&load->ring.avail->idx, load->avail_idx,
                          memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (vring_need_event(vring_avail_event(&load->ring), load->avail_idx, old)) {
        uint64_t one = 1;

        load->kicks++;
        if (write(load->kick_fd, &one, sizeof(one)) < 0) {
            die("kick");
        }
    }
}

static uint16_t used_now(Load *load)
{
    return atomic_load_explicit((_Atomic uint16_t *)&load->ring.used->idx, memory_order_acquire);
}

static void sleep_until_used(Load *load)
{
    uint64_t count;

    vring_used_event(&load->ring) = load->used_idx;
    atomic_thread_fence(memory_order_seq_cst);
    while (used_now(load) == load->used_idx) {
        /* The back-end may have made the descriptor non-blocking: it is one open file. */
        struct pollfd pfd = { .fd = load->call_fd, .events = POLLIN };

        load->sleeps++;
        if (poll(&pfd, 1, -1) < 0 || read(load->call_fd, &count, sizeof(count)) < 0) {
            die("call");
        }
    }
}

/* Take the completions there are, at least one; submit each slot anew if @again. */
static void reap(Load *load, bool again)
{
    sleep_until_used(load);
    for (uint16_t used = used_now(load); load->used_idx != used; load->used_idx++) {
        int slot = load->ring.used->ring[load->used_idx % RING_SIZE].id / DESCS_PER_REQUEST;

        if (load->slots[slot].status != VIRTIO_BLK_S_OK) {
            fprintf(stderr, "vub-load: status %d\n", load->slots[slot].status);
            exit(1);
        }
        load->done++;
        if (again) {
            submit(load, slot);
        }
    }
}

static void run(Load *load, double seconds, uint64_t requests)
{
    double end = now() + seconds;
    uint16_t old = load->avail_idx;

    for (int slot = 0; slot < load->depth; slot++) {
        prepare_slot(load, slot);
        submit(load, slot);
    }
    publish(load, old);
    while (load->done < requests && now() < end) {
        old = load->avail_idx;
        reap(load, true);
        publish(load, old);
    }
}

/* Some back-ends do not survive a client that leaves with requests in flight. */
static void finish(Load *load)
{
    while (load->used_idx != load->avail_idx) {
        reap(load, false);
    }
}

int main(int argc, char **argv)
{
    Load load = { .block_bytes = 4096, .random = 1 };
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
    connect_to(&load, argv[1]);
    negotiate(&load);
    share_memory(&load);
    start_ring(&load);
    start = now();
    run(&load, seconds, argc > 6 ? strtoull(argv[6], NULL, 10) : UINT64_MAX);
    finish(&load);
    seconds = now() - start;
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"iops\": %.0f, \"kicks\": %llu, "
           "\"sleeps\": %llu}\n",
           (unsigned long long)load.done, seconds, load.done / seconds,
           (unsigned long long)load.kicks, (unsigned long long)load.sleeps);
    return 0;
}
