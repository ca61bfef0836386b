/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a ring comes into a queue's hands and leaves them: layout, memory, start, stop.
 *
 * Theory of operation: control finds the ring and allocates what a run needs; the queue takes that
 * over, and gives it back when the ring has stopped. A change of memory, or of what the guest's
 * IOMMU shows, makes the queue find its ring anew. A ring that is not to be found (any more, or
 * yet: the front-end may still have to tell where it is) is "unmapped": nothing is popped from it.
 * Where the ring begins is looked up when it is found for the first time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "virtq-internal.h"

static const char *const state_names[] = {
    [VU_VRING_STOPPED] = "stopped",
    [VU_VRING_STARTED] = "started",
    [VU_VRING_STOPPING] = "stopping",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == VU_VRING_STATE__MAX,
              "every state has a name");

/* Queue context. */
static void set_state(VuDev *dev, VuVirtq *vq, VuVringState to)
{
    static const VuVringState next[VU_VRING_STATE__MAX] = {
        [VU_VRING_STOPPED] = VU_VRING_STARTED,
        [VU_VRING_STARTED] = VU_VRING_STOPPING,
        [VU_VRING_STOPPING] = VU_VRING_STOPPED,
    };

    assert(next[vq->state] == to);
    vq->state = to;
    vu_trace(dev, VU_TRACE_QUEUE_STATE, vq->index, 0, to, state_names[to]);
}

const char *vu_vring_state_name(const VuVirtq *vq)
{
    return state_names[vq->state];
}

/* ---- What a queue takes over from the device ---- */

/* Queue context. */
static void queue_refresh(VuDev *dev, VuVirtq *vq, void *opaque)
{
    bool event_idx = vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);

    if (event_idx != vq->event_idx) {
        vq->event_idx = event_idx;
        vq->signalled_used_valid = false;
        vq->armed = false;
    }
    vq->indirect = vu_has_feature(dev, VIRTIO_RING_F_INDIRECT_DESC);
    vq->in_order = vu_has_feature(dev, VIRTIO_F_IN_ORDER);
    vq->notify_on_empty = vu_has_feature(dev, VIRTIO_F_NOTIFY_ON_EMPTY);
    vq->log = dev->priv->dirty_log;
    vq->log_fd = dev->priv->log_call_fd;
    vq->log_fd_is_eventfd = dev->priv->log_call_is_eventfd;
    vq->log_buffers = vu_has_feature(dev, VHOST_F_LOG_ALL);
}

/* The ring must hold the event indices from now on: find it anew. */
static void remap_for_features(VuDev *dev, VuVirtq *vq)
{
    if (vq->event_idx != vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX)) {
        VuMapUse *use = vu_map_use_new(dev->priv->map);

        if (use) {
            vu_vring_set_memory(dev, vq, use);
        } else {
            vu_panic(dev, "no memory for a ring");
        }
    }
}

static const VirtqOps *layout_of(VuDev *dev, VuVirtq *vq)
{
    if (vu_has_feature(dev, VIRTIO_F_RING_PACKED)) {
        return &virtq_packed_ops;
    }
    /* Modern guests are little-endian, whatever was said. */
    return vq->big_endian && !vu_has_feature(dev, VIRTIO_F_VERSION_1) ? &virtq_split_be_ops
                                                                      : &virtq_split_ops;
}

void vu_vring_choose_layout(VuDev *dev, VuVirtq *vq)
{
    const VirtqOps *ops = layout_of(dev, vq);

    /* A base means something else in the other layout. */
    if ((ops == &virtq_packed_ops) != (vq->ops == &virtq_packed_ops)) {
        vq->have_base = false;
        vq->base_is_ours = false;
        vq->was_reset = false;
    }
    vq->ops = ops;
}

int vu_vrings_check_features(VuDev *dev, uint64_t features)
{
    const uint64_t fixed =
        1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER | 1ull << VIRTIO_F_IOMMU_PLATFORM;

    if (!((features ^ dev->features) & fixed)) {
        return 0;
    }
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (dev->vq[i].state != VU_VRING_STOPPED) {
            return vu_refuse(dev, EBUSY,
                             "the rings cannot change their nature while queue %u is %s", i,
                             state_names[dev->vq[i].state]);
        }
    }
    return 0;
}

void vu_vrings_refresh(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];

        if (vq->state == VU_VRING_STOPPED) {
            vu_vring_choose_layout(dev, vq);
        } else {
            remap_for_features(dev, vq);
            vu_vring_run(dev, vq, queue_refresh, NULL);
        }
    }
}

/* ---- Finding the ring ---- */

static int map_ring(VuDev *dev, VuVirtq *vq, const VuMemMap *map, VuRing *ret_ring,
                    VuPins **ret_pins)
{
    VuXlate x;
    int rc;

    vu_xlate_begin(&x, dev, vq, map, true);
    rc = vq->ops->map(vq, &x, vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX), ret_ring);
    *ret_pins = vu_xlate_end(&x, rc == 0);
    return rc;
}

bool vu_vring_addr_ok(VuDev *dev, VuVirtq *vq)
{
    VuPins *pins;
    VuRing ring;

    /* They may come before the memory, the size or the translations; then the start checks them. */
    if (vq->num == 0 || dev->priv->map->n == 0 || vu_has_feature(dev, VIRTIO_F_IOMMU_PLATFORM)) {
        return true;
    }
    return map_ring(dev, vq, dev->priv->map, &ring, &pins) == 0;
}

/* Queue context. */
static void drop_ring(VuDev *dev, VuVirtq *vq)
{
    /* Without it nobody could tell later whether the guest wants to hear of what was pushed. */
    vu_queue_notify(dev, vq);
    vq->vring.desc = NULL;
    vq->vring.avail = NULL;
    vq->vring.used = NULL;
    vu_pins_free(vq->ring_pins);
    vq->ring_pins = NULL;
    vu_map_use_unref(vq->ring_use);
    vq->ring_use = NULL;
}

/* The ring was found for the first time in this run. Queue context. */
static void ring_begin(VuDev *dev, VuVirtq *vq)
{
    vq->begun = true;
    if (!vq->start_trusted && !vq->ops->base_fits(&vq->vring, vq->start_base)) {
        vu_vring_break(dev, vq, "it does not stand where it is said to");
    }
    vq->ops->start(vq, vq->start_base, vq->start_in_order);
    /* An earlier back-end may have died while it wanted no kicks. */
    vq->ops->set_notification(vq, true, virtq_place(vq));
}

/* The ring is where @ring says, in memory of @use. Queue context. */
static void ring_take(VuDev *dev, VuVirtq *vq, const VuRing *ring, VuPins *pins, VuMapUse *use)
{
    VuPins *old = vq->ring_pins;

    vq->vring = *ring;
    vq->ring_pins = pins;
    vu_pins_free(old);
    vu_map_use_unref(vq->ring_use);
    vq->ring_use = vu_map_use_ref(use);
    if (!vq->begun) {
        ring_begin(dev, vq);
    }
}

/*
 * A ring that the new memory does not hold is kept, with the old memory, until the last element
 * that is out has been pushed; meanwhile and afterwards nothing is popped.
 */
static void queue_set_memory(VuDev *dev, VuVirtq *vq, void *opaque)
{
    VuMapUse *use = opaque;
    VuPins *pins;
    VuRing ring;
    int rc;

    vu_map_use_unref(vq->use);
    vq->use = use;
    rc = map_ring(dev, vq, use->map, &ring, &pins);
    vq->unmapped = rc < 0;
    if (!vq->unmapped) {
        ring_take(dev, vq, &ring, pins, use);
        return;
    }
    if (vq->inuse == 0) {
        drop_ring(dev, vq);
    }
    /* The guest's IOMMU denies it; memory, on the other hand, may come back. */
    if (rc == -EFAULT && vu_has_feature(dev, VIRTIO_F_IOMMU_PLATFORM) && !vq->broken) {
        vu_vring_break(dev, vq, "it is not where it was said to be");
    } else if (rc == -ENOMEM && !vq->broken) {
        vu_vring_break(dev, vq, "there is no memory to put its pages in order");
    }
}

void vu_vring_set_memory(VuDev *dev, VuVirtq *vq, VuMapUse *use)
{
    vu_vring_run(dev, vq, queue_set_memory, use);
    vu_kick_want_look(dev, vq);
}

void vu_vring_idle(VuDev *dev, VuVirtq *vq)
{
    if (vq->unmapped) {
        drop_ring(dev, vq);
    }
    if (vq->state == VU_VRING_STOPPING) {
        vu_wake(dev);
    }
}

/* ---- Start ---- */

typedef struct StartArgs {
    VuRing ring;
    VuPins *pins;
    bool unmapped; /* the front-end has been asked where it is */
    VuMapUse *use;
    VirtqSlot *slots;
    VirtqUsed *batch;
    uint16_t *popped;
    uint16_t *bad;
    uint32_t base;
    bool trust_base;
    bool in_order;
} StartArgs;

/* Queue context. */
static void queue_start(VuDev *dev, VuVirtq *vq, void *opaque)
{
    const StartArgs *args = opaque;

    vq->vring = (VuRing){ .num = vq->num };
    vq->use = args->use;
    vq->slots = args->slots;
    vq->batch = args->batch;
    vq->popped = args->popped;
    vq->pop_at = 0;
    vq->bad_run = 0;
    vq->paused = false;
    virtq_limit_start(dev, vq);
    vq->bad = args->bad;
    vq->nbad = 0;
    vq->filled = 0;
    vq->published = false;
    vq->order_lost = false;
    vq->broken = false;
    vq->unmapped = args->unmapped;
    vq->begun = false;
    vq->start_base = args->base;
    vq->start_in_order = args->in_order;
    vq->start_trusted = args->trust_base || !args->unmapped;
    vq->notification = true;
    vq->signalled_used_valid = false;
    vq->armed = false;
    queue_refresh(dev, vq, NULL);
    if (!vq->unmapped) {
        ring_take(dev, vq, &args->ring, args->pins, args->use);
    }
    vu_trace(dev, VU_TRACE_QUEUE_LAYOUT, vq->index, 0, vq->num, vq->ops->name);
    set_state(dev, vq, VU_VRING_STARTED);
}

static void start_args_free(StartArgs *args)
{
    vu_pins_free(args->pins);
    vu_map_use_unref(args->use);
    free(args->slots);
    free(args->batch);
    free(args->popped);
    free(args->bad);
}

static bool start_args_alloc(VuDev *dev, VuVirtq *vq, StartArgs *args)
{
    args->use = vu_map_use_new(dev->priv->map);
    args->slots = calloc(vq->num, sizeof(args->slots[0]));
    args->batch = calloc(vq->num, sizeof(args->batch[0]));
    args->popped = calloc(vq->num, sizeof(args->popped[0]));
    args->bad = calloc(vq->num, sizeof(args->bad[0]));
    return args->use && args->slots && args->batch && args->popped && args->bad;
}

/* The layout may have been chosen after the size or the base was given. */
static int check_set_up(VuDev *dev, VuVirtq *vq)
{
    if (vq->num == 0 || !vq->have_addr) {
        return vu_refuse(dev, EINVAL, "queue %u has no %s yet", vq->index,
                         vq->num == 0 ? "size" : "addresses");
    }
    if (!vq->ops->num_ok(vq->num)) {
        return vu_refuse(dev, EINVAL, "queue %u cannot have %u entries in the %s layout", vq->index,
                         vq->num, vq->ops->name);
    }
    if (vq->have_base && !vq->ops->base_ok(vq->base, vq->num)) {
        return vu_refuse(dev, EINVAL, "queue %u, with %u entries, cannot begin at %#x", vq->index,
                         vq->num, vq->base);
    }
    return 0;
}

int vu_vring_start(VuDev *dev, VuVirtq *vq)
{
    const VuDevIface *iface = dev->iface;
    StartArgs args = { 0 };
    int rc = check_set_up(dev, vq);

    if (rc < 0) {
        return rc;
    }
    rc = map_ring(dev, vq, dev->priv->map, &args.ring, &args.pins);
    if (rc < 0 && rc != -EAGAIN) {
        /* Another part of it may have been asked for. */
        vu_queue_forget_misses(dev, vq);
        return vu_refuse(dev, -rc,
                         "the ring of queue %u is misaligned or does not lie in guest memory%s",
                         vq->index,
                         dev->priv->map->n == 0 ? ", of which nothing is shared (in QEMU, a memory "
                                                  "backend with share=on does that)"
                                                : "");
    }
    args.unmapped = rc < 0;
    args.base = vq->have_base ? vq->base : vq->ops->fresh_base;
    args.trust_base = vq->have_base && vq->base_is_ours;
    if (!args.unmapped && !args.trust_base && !vq->ops->base_fits(&args.ring, args.base)) {
        vu_pins_free(args.pins);
        return vu_refuse(dev, EINVAL, "queue %u does not stand at %#x, says its ring", vq->index,
                         args.base);
    }
    if (!start_args_alloc(dev, vq, &args)) {
        start_args_free(&args);
        vu_queue_forget_misses(dev, vq);
        return vu_refuse(dev, ENOMEM, "no memory for queue %u", vq->index);
    }
    args.in_order =
        iface->queue_is_processed_in_order && iface->queue_is_processed_in_order(dev, vq->index);
    vu_vring_run(dev, vq, queue_start, &args);
    return 0;
}

/* ---- Stop ---- */

/* Queue context. */
static void queue_stop(VuDev *dev, VuVirtq *vq, void *opaque)
{
    set_state(dev, vq, VU_VRING_STOPPING);
}

void vu_vring_stopped(VuDev *dev, VuVirtq *vq, void *opaque)
{
    vq->base = vq->begun ? vq->ops->base(vq) : vq->start_base;
    vq->have_base = true;
    vq->base_is_ours = true;
    vu_queue_forget_misses(dev, vq);
    for (unsigned int i = 0; i < vq->vring.num; i++) {
        virtq_slot_release(vq, i);
    }
    free(vq->slots);
    free(vq->batch);
    free(vq->popped);
    free(vq->bad);
    vq->slots = NULL;
    vq->batch = NULL;
    vq->popped = NULL;
    vq->bad = NULL;
    virtq_limit_stop(dev, vq);
    drop_ring(dev, vq);
    vu_map_use_unref(vq->use);
    vq->use = NULL;
    vq->log = NULL;
    __atomic_store_n(&vq->inuse, 0, __ATOMIC_RELEASE);
    set_state(dev, vq, VU_VRING_STOPPED);
}

void vu_vring_stop_begin(VuDev *dev, VuVirtq *vq)
{
    if (vq->state != VU_VRING_STARTED) {
        return;
    }
    vu_kick_unwatch(dev, vq);
    vu_vring_run(dev, vq, queue_stop, NULL);
    if (dev->iface->queue_set_started) {
        dev->iface->queue_set_started(dev, vq->index, false);
    }
}
