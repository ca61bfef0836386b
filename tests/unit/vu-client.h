/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted vhost-user front-end with a guest's memory and a guest's rings, for tests.
 *
 * It speaks to any socket: a device in this process (tests/unit/vu-rig.h) or a daemon. Every step
 * is a step of the test; nothing happens by itself. What fails fails the test.
 */
#ifndef TESTS_UNIT_VU_CLIENT_H
#define TESTS_UNIT_VU_CLIENT_H

#include "libvhost-user.h"

/* Where the guest sees its memory; nothing lies below, so that mixed-up addresses are found. */
#define VU_CLIENT_GPA 0x10000000ull

typedef struct VuClient {
    int sock;
    int mem_fd;
    uint8_t *mem; /* our view of the guest's memory; also what the protocol calls uaddr */
    size_t mem_size;
} VuClient;

/* Takes @sock. @mem_size: bytes of guest memory, a multiple of the page size. */
void vu_client_init(VuClient *c, int sock, size_t mem_size);
void vu_client_done(VuClient *c);

static inline uint64_t vu_client_gpa(const VuClient *c, const void *p)
{
    return VU_CLIENT_GPA + ((const uint8_t *)p - c->mem);
}

/* ---- Messages ---- */

/* A request to send. @flags are added to the version; @fds stay the caller's. */
typedef struct VuClientMsg {
    uint32_t request;
    uint32_t flags;
    const void *payload;
    uint32_t size;
    const int *fds;
    int nfds;
} VuClientMsg;

void vu_client_send_msg(VuClient *c, const VuClientMsg *msg);
/* With NEED_REPLY, and @fd if it is not -1. */
void vu_client_send(VuClient *c, uint32_t request, const void *payload, uint32_t size, int fd);
void vu_client_send_u64(VuClient *c, uint32_t request, uint64_t value);
void vu_client_send_state(VuClient *c, uint32_t request, uint32_t index, uint32_t num);
/* A kick, call or err descriptor, -1 for none. */
void vu_client_send_file(VuClient *c, uint32_t request, uint32_t index, int fd);
/* One region: @size bytes at @offset of the guest's memory. */
VhostUserMemoryRegion vu_client_region(const VuClient *c, uint64_t offset, uint64_t size);
/* SET_MEM_TABLE with all of the guest's memory as one region. */
void vu_client_send_mem_table(VuClient *c);

/* Read a reply to @request; its flags must be exactly those of a reply. */
void vu_client_recv(VuClient *c, uint32_t request, VhostUserMsg *ret_msg);
/* The same with the descriptor that comes along, or -1. */
int vu_client_recv_fd(VuClient *c, uint32_t request, VhostUserMsg *ret_msg);
uint64_t vu_client_recv_u64(VuClient *c, uint32_t request);
/* There is nothing to read now. */
bool vu_client_silent(VuClient *c);
/* The other side has closed or shut down. */
bool vu_client_closed(VuClient *c);

/* ---- A split ring ---- */

typedef struct VuGuestRing {
    VuClient *c;
    unsigned int index;
    unsigned int num;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t avail_idx;
    uint16_t last_used;
    int kick;
    int call;
    int err;
} VuGuestRing;

/* Lay a ring of @num entries at @offset of the guest's memory, and make its descriptors. */
void vu_ring_init(VuGuestRing *r, VuClient *c, unsigned int index, unsigned int num, size_t offset);
void vu_ring_done(VuGuestRing *r);
/* Bytes a ring of @num entries takes. */
size_t vu_ring_bytes(unsigned int num);
struct vhost_vring_addr vu_ring_addr(const VuGuestRing *r);

void vu_ring_desc(VuGuestRing *r, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
                  uint16_t next);
/* Make the chain at @head available. */
void vu_ring_offer(VuGuestRing *r, uint16_t head);
void vu_ring_kick(VuGuestRing *r);
/* Whether and what was used next. */
bool vu_ring_reap(VuGuestRing *r, uint32_t *ret_id, uint32_t *ret_len);
/* How often the descriptor was signalled since the last look. */
uint64_t vu_ring_take_signal(int fd);
uint16_t *vu_ring_used_event(VuGuestRing *r);
uint16_t *vu_ring_avail_event(VuGuestRing *r);

#endif
