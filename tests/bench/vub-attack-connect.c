/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile connections of every kind: what comes too much, half, or is left behind. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vub-attack.h"

typedef void (*Connection)(Attack *a);

static void garbage(Attack *a)
{
    uint64_t noise[64];

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        noise[i] = attack_random(a);
    }
    send(a->sock, noise, sizeof(noise), MSG_NOSIGNAL);
}

static void half_header(Attack *a)
{
    uint32_t header[3] = { VUB_SET_FEATURES, 1, 8 };

    send(a->sock, header, 1 + attack_random(a) % 11, MSG_NOSIGNAL);
}

/* A message whose header promises more than comes, with descriptors. */
static void half_message(Attack *a)
{
    int fds[8];
    VubMessage msg = { .memory = { .count = 8 } };

    for (int i = 0; i < 8; i++) {
        fds[i] = a->memory.fd;
    }
    vub_send_fds(a->sock, &msg, VUB_SET_MEM_TABLE, 8, fds, 8);
}

static void too_many_fds(Attack *a)
{
    int fds[32];

    for (int i = 0; i < 32; i++) {
        fds[i] = a->ring.call;
    }
    vub_send_fds(a->sock, &(VubMessage){ 0 }, VUB_SET_OWNER, 0, fds, 1 + attack_random(a) % 32);
}

static void too_many_regions(Attack *a)
{
    VubMessage msg = { .memory = { .count = 40, .size = a->memory.bytes } };

    vub_send(a->sock, &msg, VUB_SET_MEM_TABLE, 40, a->memory.fd);
}

/* Descriptors for everything that takes one, and nothing started. */
static void abandoned_fds(Attack *a)
{
    VubMessage log = { .log = { .size = 1 << 20 } };
    int pair[2];

    if (!vub_negotiate(a->sock, 1ull << VUB_F_VERSION_1 | 1ull << VUB_F_PROTOCOL,
                       1 << VUB_PROTOCOL_F_MQ | 1 << VUB_PROTOCOL_F_LOG_SHMFD |
                           1 << VUB_PROTOCOL_F_BACKEND_REQ)) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        vub_send_u64(a->sock, VUB_SET_VRING_CALL, 0, a->ring.call);
        vub_send_u64(a->sock, VUB_SET_VRING_ERR, 0, a->ring.call);
        vub_memory_share(a->sock, &a->memory);
        vub_send(a->sock, &log, VUB_SET_LOG_BASE, 16, a->memory.fd);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
            vub_send_u64(a->sock, VUB_SET_BACKEND_REQ_FD, 0, pair[1]);
            vub_send(a->sock, &(VubMessage){ 0 }, VUB_SET_BACKEND_REQ_FD, 0, pair[1]);
            close(pair[0]);
            close(pair[1]);
        }
    }
}

/* Started as it should be, with requests on their way; nobody waits for them. */
static void leave_requests(Attack *a)
{
    if (attack_requests_begin(a)) {
        attack_requests(a);
    }
}

static void leave_noise(Attack *a)
{
    if (!attack_ring_begin(a)) {
        return;
    }
    for (size_t i = 0; i < ATTACK_HEADERS / sizeof(uint64_t); i++) {
        ((uint64_t *)a->memory.base)[i] = attack_random(a) & 0x0001ffff000fffff;
    }
    a->ring.avail_idx = a->ring.vring.avail->idx;
    vub_ring_kick(&a->ring);
}

/* The memory's file is cut off under a running ring. */
static void drop_memory(Attack *a)
{
    uint64_t features;

    if (attack_requests_begin(a)) {
        if (ftruncate(a->memory.fd, 0) == 0) {
            vub_ring_kick(&a->ring);
            vub_ask_u64(a->sock, VUB_GET_FEATURES, &features);
        }
        if (ftruncate(a->memory.fd, a->memory.bytes) < 0) {
            vub_die("ftruncate");
        }
    }
}

/* Away with the table that the ring lies in. */
static void empty_table(Attack *a)
{
    if (attack_requests_begin(a)) {
        vub_send(a->sock, &(VubMessage){ 0 }, VUB_SET_MEM_TABLE, 8, -1);
        attack_requests(a);
    }
}

static void stop_twice(Attack *a)
{
    VubMessage msg;

    if (attack_requests_begin(a)) {
        vub_ring_kick(&a->ring);
        vub_send_state(a->sock, VUB_GET_VRING_BASE, 0, 0);
        vub_send_state(a->sock, VUB_GET_VRING_BASE, 0, 0);
        vub_receive(a->sock, &msg);
    }
}

static void nothing(Attack *a)
{
}

static const Connection connections[] = {
    nothing,       garbage,        half_header, half_message, too_many_fds, too_many_regions,
    abandoned_fds, leave_requests, leave_noise, drop_memory,  empty_table,  stop_twice,
};

bool attack_mix(Attack *a)
{
    connections[a->steps % (sizeof(connections) / sizeof(connections[0]))](a);
    return false;
}
