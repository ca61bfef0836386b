/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vhost-user-blk front-end as small as it can be; see vub-client.h. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vub-client.h"

enum {
    MAX_FDS = 64
};

void vub_die(const char *what)
{
    fprintf(stderr, "vub: %s: %s\n", what, strerror(errno));
    exit(1);
}

double vub_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

int vub_connect(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
    if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        vub_die(path);
    }
    return sock;
}

/* ---- Messages ---- */

bool vub_send_fds(int sock, VubMessage *msg, uint32_t request, uint32_t size, const int *fds,
                  int nfds)
{
    struct iovec iov = { msg, VUB_HEADER + size };
    union {
        char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    msg->request = request;
    msg->flags = 1;
    msg->size = size;
    if (nfds > 0) {
        struct cmsghdr *cmsg = &control.align;

        hdr.msg_control = control.buf;
        hdr.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
    }
    n = sendmsg(sock, &hdr, MSG_NOSIGNAL);
    if (n < 0 && errno != EPIPE && errno != ECONNRESET) {
        vub_die("sendmsg");
    }
    return n == (ssize_t)iov.iov_len;
}

bool vub_send(int sock, VubMessage *msg, uint32_t request, uint32_t size, int fd)
{
    return vub_send_fds(sock, msg, request, size, &fd, fd >= 0);
}

bool vub_send_u64(int sock, uint32_t request, uint64_t value, int fd)
{
    VubMessage msg = { .u64 = value };

    return vub_send(sock, &msg, request, 8, fd);
}

bool vub_send_state(int sock, uint32_t request, uint32_t index, uint32_t num)
{
    VubMessage msg = { .state = { index, num } };

    return vub_send(sock, &msg, request, 8, -1);
}

bool vub_receive(int sock, VubMessage *msg)
{
    return recv(sock, msg, VUB_HEADER, MSG_WAITALL) == VUB_HEADER &&
           msg->size <= sizeof(*msg) - VUB_HEADER &&
           recv(sock, &msg->u64, msg->size, MSG_WAITALL) == (ssize_t)msg->size;
}

bool vub_ask_u64(int sock, uint32_t request, uint64_t *ret_value)
{
    VubMessage msg = { 0 };

    if (!vub_send(sock, &msg, request, 0, -1) || !vub_receive(sock, &msg)) {
        return false;
    }
    *ret_value = msg.u64;
    return true;
}

bool vub_negotiate(int sock, uint64_t wanted, uint64_t protocol)
{
    uint64_t features, offered;

    return vub_ask_u64(sock, VUB_GET_FEATURES, &features) &&
           vub_ask_u64(sock, VUB_GET_PROTOCOL_FEATURES, &offered) &&
           vub_send_u64(sock, VUB_SET_PROTOCOL_FEATURES, offered & protocol, -1) &&
           vub_send_u64(sock, VUB_SET_FEATURES, features & wanted, -1) &&
           vub_send(sock, &(VubMessage){ 0 }, VUB_SET_OWNER, 0, -1);
}

/* ---- Memory ---- */

void vub_memory_init(VubMemory *memory, size_t bytes)
{
    memory->bytes = (bytes + 0x1fffff) & ~(size_t)0x1fffff;
    memory->fd = memfd_create("vub", MFD_CLOEXEC);
    if (memory->fd < 0 || ftruncate(memory->fd, memory->bytes) < 0) {
        vub_die("memory");
    }
    memory->base = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
    if (memory->base == MAP_FAILED) {
        vub_die("mmap");
    }
}

void vub_memory_done(VubMemory *memory)
{
    munmap(memory->base, memory->bytes);
    close(memory->fd);
}

bool vub_memory_share(int sock, const VubMemory *memory)
{
    VubMessage msg = {
        .memory = { .count = 1, .size = memory->bytes, .uaddr = (uintptr_t)memory->base },
    };

    return vub_send(sock, &msg, VUB_SET_MEM_TABLE, 40, memory->fd);
}

/* ---- Rings ---- */

void vub_ring_init(VubRing *ring, const VubMemory *memory, unsigned index, unsigned num,
                   size_t offset)
{
    *ring = (VubRing){
        .index = index,
        .kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    if (ring->kick < 0 || ring->call < 0) {
        vub_die("eventfd");
    }
    vring_init(&ring->vring, num, memory->base + offset, 4096);
}

void vub_ring_done(VubRing *ring)
{
    close(ring->kick);
    close(ring->call);
}

bool vub_ring_start(int sock, const VubRing *ring)
{
    VubMessage addr = {
        .addr = {
            .index = ring->index,
            .desc = (uintptr_t)ring->vring.desc,
            .used = (uintptr_t)ring->vring.used,
            .avail = (uintptr_t)ring->vring.avail,
        },
    };

    return vub_send_state(sock, VUB_SET_VRING_NUM, ring->index, ring->vring.num) &&
           vub_send_state(sock, VUB_SET_VRING_BASE, ring->index, ring->avail_idx) &&
           vub_send(sock, &addr, VUB_SET_VRING_ADDR, 40, -1) &&
           vub_send_u64(sock, VUB_SET_VRING_CALL, ring->index, ring->call) &&
           vub_send_u64(sock, VUB_SET_VRING_KICK, ring->index, ring->kick) &&
           vub_send_state(sock, VUB_SET_VRING_ENABLE, ring->index, 1);
}

void vub_ring_publish(VubRing *ring)
{
    atomic_store_explicit((_Atomic uint16_t *)&ring->vring.avail->idx, ring->avail_idx,
                          memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
}

void vub_ring_kick(const VubRing *ring)
{
    uint64_t one = 1;

    /* A full counter is a kick that has not been heard yet. */
    if (write(ring->kick, &one, sizeof(one)) < 0 && errno != EAGAIN) {
        vub_die("kick");
    }
}

uint16_t vub_ring_used(const VubRing *ring)
{
    return atomic_load_explicit((_Atomic uint16_t *)&ring->vring.used->idx, memory_order_acquire);
}
