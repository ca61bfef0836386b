/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user-blk front-end as small as it can be, for programs that load or attack a daemon.
 *
 * Functions that return bool return false when the back-end has hung up; what else fails ends the
 * program.
 */
#ifndef TESTS_BENCH_VUB_CLIENT_H
#define TESTS_BENCH_VUB_CLIENT_H

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VUB_GET_FEATURES = 1,
    VUB_SET_FEATURES = 2,
    VUB_SET_OWNER = 3,
    VUB_SET_MEM_TABLE = 5,
    VUB_SET_LOG_BASE = 6,
    VUB_SET_VRING_NUM = 8,
    VUB_SET_VRING_ADDR = 9,
    VUB_SET_VRING_BASE = 10,
    VUB_GET_VRING_BASE = 11,
    VUB_SET_VRING_KICK = 12,
    VUB_SET_VRING_CALL = 13,
    VUB_SET_VRING_ERR = 14,
    VUB_GET_PROTOCOL_FEATURES = 15,
    VUB_SET_PROTOCOL_FEATURES = 16,
    VUB_SET_VRING_ENABLE = 18,
    VUB_SET_BACKEND_REQ_FD = 21,
    VUB_GET_CONFIG = 24,
};

enum {
    VUB_F_INDIRECT = 28,
    VUB_F_EVENT_IDX = 29,
    VUB_F_PROTOCOL = 30,
    VUB_F_VERSION_1 = 32,
    VUB_PROTOCOL_F_MQ = 0,
    VUB_PROTOCOL_F_LOG_SHMFD = 1,
    VUB_PROTOCOL_F_BACKEND_REQ = 5,
    VUB_PROTOCOL_F_CONFIG = 9,
    VUB_NO_FD = 1 << 8,
};

#define VUB_HEADER 12

typedef struct VubMessage {
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
            uint64_t size, offset;
        } log;
        struct {
            uint32_t offset, size, flags;
            struct virtio_blk_config blk;
        } config;
    } __attribute__((packed));
} __attribute__((packed)) VubMessage;

/* Memory of the guest, which begins at guest address 0. */
typedef struct VubMemory {
    int fd;
    uint8_t *base;
    size_t bytes;
} VubMemory;

typedef struct VubRing {
    struct vring vring;
    unsigned index;
    int kick, call;
    uint16_t avail_idx, used_idx;
} VubRing;

_Noreturn void vub_die(const char *what);
double vub_now(void); /* seconds */

/* Connect, waiting while the backlog is full. */
int vub_connect(const char *path);
/* @msg's payload has @size bytes; @nfds descriptors travel along. */
bool vub_send_fds(int sock, VubMessage *msg, uint32_t request, uint32_t size, const int *fds,
                  int nfds);
/* The same with one, or none if @fd is -1. */
bool vub_send(int sock, VubMessage *msg, uint32_t request, uint32_t size, int fd);
bool vub_send_u64(int sock, uint32_t request, uint64_t value, int fd);
bool vub_send_state(int sock, uint32_t request, uint32_t index, uint32_t num);
/* An answer that fits. */
bool vub_receive(int sock, VubMessage *msg);
bool vub_ask_u64(int sock, uint32_t request, uint64_t *ret_value);

/* Accept those of the virtio and protocol features @wanted and @protocol that are offered. */
bool vub_negotiate(int sock, uint64_t wanted, uint64_t protocol);

/* Zeroed memory of at least @bytes. */
void vub_memory_init(VubMemory *memory, size_t bytes);
void vub_memory_done(VubMemory *memory);
bool vub_memory_share(int sock, const VubMemory *memory);

/* A ring of @num entries at @offset of the memory, with new descriptors. */
void vub_ring_init(VubRing *ring, const VubMemory *memory, unsigned index, unsigned num,
                   size_t offset);
void vub_ring_done(VubRing *ring);
/* Everything up to a ring that runs; the messages have been sent, not necessarily obeyed. */
bool vub_ring_start(int sock, const VubRing *ring);
/* Make all entries up to avail_idx available, as of now. */
void vub_ring_publish(VubRing *ring);
void vub_ring_kick(const VubRing *ring);
uint16_t vub_ring_used(const VubRing *ring);

#endif
