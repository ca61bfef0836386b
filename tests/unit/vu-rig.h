/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device and its front-end in one process and one thread, for tests of libvhost-user.
 *
 * The test sends with the client, lets the device read with vu_dispatch(), and receives. Watches
 * are kept in a table and served when the test asks for it.
 */
#ifndef TESTS_UNIT_VU_RIG_H
#define TESTS_UNIT_VU_RIG_H

#include "vu-client.h"
#include "vu-packed.h"

#define VU_RIG_QUEUES  4
#define VU_RIG_MEM     (1u << 20)
#define VU_RIG_WATCHES 64

typedef struct VuRigWatch {
    int fd;
    vu_watch_cb cb;
    void *data;
} VuRigWatch;

typedef struct VuRig {
    VuDev dev;
    VuClient client;
    VuGuestRing ring[VU_RIG_QUEUES];
    VuRigWatch watches[VU_RIG_WATCHES];
    int nwatches;
    GString *panic;                /* what the panic callback heard, empty: nothing */
    GString *log;                  /* what the log callback heard last */
    uint64_t trace[VU_TRACE__MAX]; /* how often */
    bool started[VU_RIG_QUEUES];   /* what queue_set_started said */
    int handled[VU_RIG_QUEUES];    /* how often the handler ran */
    bool in_order;
    uint64_t features; /* what set_features said */
    uint64_t offers;   /* features of the device's own; set before vu_rig_negotiate() */
    uint8_t config[64];
    uint32_t config_flags;
    vu_queue_handler_cb handler; /* set on start; NULL: one that only counts */
} VuRig;

/* A connected device with VU_RIG_QUEUES queues and no message exchanged. */
void vu_rig_init(VuRig *rig);
/* The same with another interface and number of queues. */
void vu_rig_init_iface(VuRig *rig, uint16_t queues, const VuDevIface *iface);
void vu_rig_done(VuRig *rig);
extern const VuDevIface vu_rig_iface;

/* Accept @features (and bit 30) and @protocol (and REPLY_ACK). */
void vu_rig_negotiate(VuRig *rig, uint64_t features, uint64_t protocol);
/* What was sent must be acknowledged with 0, or with something else. */
void vu_rig_accepted(VuRig *rig, uint32_t request);
void vu_rig_refused(VuRig *rig, uint32_t request);
/* What was sent must end the connection, with a reason that holds @word. */
void vu_rig_dropped(VuRig *rig, const char *word);
/* Negotiated as usual, memory given. */
void vu_rig_ready(VuRig *rig, uint64_t features);
/* Ring @index set up with @num entries, started and enabled. */
void vu_rig_start(VuRig *rig, unsigned int index, unsigned int num);
/* All of that for ring 0. */
void vu_rig_begin(VuRig *rig, uint64_t features, unsigned int num);
/* The same with a packed ring at the same place, not yet used; the caller owns @ring. */
void vu_rig_start_packed(VuRig *rig, VuPackedRing *ring, unsigned int index, unsigned int num);
/* Messages that start a ring which lies at @addr, and the first interrupt that follows. */
typedef struct VuRigStart {
    unsigned int num;
    uint32_t base;
    struct vhost_vring_addr addr;
    int kick;
    int call;
    int err;
} VuRigStart;
void vu_rig_start_ring(VuRig *rig, const VuRigStart *start);
/* Where the ring with that number lies in the guest's memory. */
size_t vu_rig_ring_offset(unsigned int index);
/* Make a chain of one readable buffer of @len bytes available on ring 0. */
void vu_rig_offer(VuRig *rig, unsigned int head, uint32_t len);
/* The next used entry of ring 0 must be this. */
void vu_rig_assert_used(VuRig *rig, uint32_t id, uint32_t len);
/* GET_VRING_BASE answered at once; returns the base. */
uint32_t vu_rig_stop(VuRig *rig, unsigned int index);
/* Serve the watches that are ready; returns how many there were. */
int vu_rig_poll(VuRig *rig);
/* Where the test may put buffers: behind all rings. */
uint8_t *vu_rig_buffer(VuRig *rig, size_t offset);

#endif
