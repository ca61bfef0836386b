/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a ring: set up, started, enabled, stopped.
 *
 * Theory of operation: control keeps what the front-end said (num, base, vra); a queue has the ring
 * itself. Everything that changes a queue goes through vu_vring_run(), which runs a small function
 * in the queue's context while control waits; so control may read a queue's state afterwards, and
 * what a queue borrowed before that call it no longer uses after it.
 *
 *   stopped --SET_VRING_KICK--> started --GET_VRING_BASE--> stopping --last request done--> stopped
 *
 * "Enabled" is independent of that. After a start, an enable and a change of memory the ring is
 * looked at without waiting for a kick, once the message that caused it has been answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>

#include "virtq-internal.h"

static const char *const state_names[] = {
    [VU_VRING_STOPPED] = "stopped",
    [VU_VRING_STARTED] = "started",
    [VU_VRING_STOPPING] = "stopping",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == VU_VRING_STATE__MAX,
              "every state has a name");

void vu_vring_run(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque)
{
    if (dev->priv->io->run_on_queue) {
        dev->priv->io->run_on_queue(dev, vq, fn, opaque);
    } else {
        fn(dev, vq, opaque);
    }
}

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

void vu_vring_break(VuDev *dev, VuVirtq *vq, const char *reason)
{
    vq->broken = true;
    vu_count(&vq->stats.breaks);
    vu_trace(dev, VU_TRACE_QUEUE_BROKEN, vq->index, 0, 0, reason);
    vu_log_message(dev, "queue %u cannot go on: %s", vq->index, reason);
    vu_signal_fd(vq->err_fd, vq->err_is_eventfd);
}

VuVirtq *vu_get_queue(VuDev *dev, int qidx)
{
    assert(qidx >= 0 && qidx < dev->max_queues);
    return &dev->vq[qidx];
}

bool vu_queue_enabled(VuDev *dev, VuVirtq *vq)
{
    return vq->enable;
}

bool vu_queue_started(const VuDev *dev, const VuVirtq *vq)
{
    return vq->state == VU_VRING_STARTED;
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

/* A base means something else in the other layout. */
static void choose_layout(VuDev *dev, VuVirtq *vq)
{
    const VirtqOps *ops =
        vu_has_feature(dev, VIRTIO_F_RING_PACKED) ? &virtq_packed_ops : &virtq_split_ops;

    if (ops != vq->ops) {
        vq->ops = ops;
        vq->have_base = false;
    }
}

int vu_vrings_check_features(VuDev *dev, uint64_t features)
{
    const uint64_t fixed = 1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER;

    if (!((features ^ dev->features) & fixed)) {
        return 0;
    }
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (dev->vq[i].state != VU_VRING_STOPPED) {
            return vu_refuse(dev, EBUSY, "the layout cannot change while queue %u is %s", i,
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
            choose_layout(dev, vq);
        } else {
            remap_for_features(dev, vq);
            vu_vring_run(dev, vq, queue_refresh, NULL);
        }
    }
}

/* Queue context. */
static void drop_ring(VuVirtq *vq)
{
    vq->vring.desc = NULL;
    vq->vring.avail = NULL;
    vq->vring.used = NULL;
    vu_map_use_unref(vq->ring_use);
    vq->ring_use = NULL;
}

/*
 * A ring that the new memory does not hold is kept, with the old memory, until the last element
 * that is out has been pushed; meanwhile and afterwards nothing is popped.
 */
static void queue_set_memory(VuDev *dev, VuVirtq *vq, void *opaque)
{
    VuMapUse *use = opaque;
    bool event_idx = vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
    VuRing ring;

    vu_map_use_unref(vq->use);
    vq->use = use;
    vq->unmapped = !vq->ops->map(vq, use->map, event_idx, &ring);
    if (!vq->unmapped) {
        vq->vring = ring;
        vu_map_use_unref(vq->ring_use);
        vq->ring_use = vu_map_use_ref(use);
    } else if (vq->inuse == 0) {
        drop_ring(vq);
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
        drop_ring(vq);
    }
    if (vq->state == VU_VRING_STOPPING) {
        vu_wake(dev);
    }
}

/* ---- Start ---- */

typedef struct StartArgs {
    VuRing ring;
    VuMapUse *use;
    VirtqSlot *slots;
    VirtqUsed *batch;
    uint16_t *popped;
    uint16_t *bad;
    uint32_t base;
    bool in_order;
} StartArgs;

/* Queue context. */
static void queue_start(VuDev *dev, VuVirtq *vq, void *opaque)
{
    const StartArgs *args = opaque;

    vq->vring = args->ring;
    vq->use = args->use;
    vq->ring_use = vu_map_use_ref(args->use);
    vq->slots = args->slots;
    vq->batch = args->batch;
    vq->popped = args->popped;
    vq->pop_at = 0;
    vq->bad = args->bad;
    vq->nbad = 0;
    vq->filled = 0;
    vq->published = false;
    vq->order_lost = false;
    vq->broken = false;
    vq->unmapped = false;
    vq->notification = true;
    vq->signalled_used_valid = false;
    vq->armed = false;
    queue_refresh(dev, vq, NULL);
    vq->ops->start(vq, args->base, args->in_order);
    /* An earlier back-end may have died while it wanted no kicks. */
    vq->ops->set_notification(vq, true, virtq_place(vq));
    vu_trace(dev, VU_TRACE_QUEUE_LAYOUT, vq->index, 0, vq->vring.num, vq->ops->name);
    set_state(dev, vq, VU_VRING_STARTED);
}

static void start_args_free(StartArgs *args)
{
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

static int vring_start(VuDev *dev, VuVirtq *vq)
{
    const VuDevIface *iface = dev->iface;
    bool event_idx = vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
    StartArgs args = { 0 };
    int rc = check_set_up(dev, vq);

    if (rc < 0) {
        return rc;
    }
    if (!vq->ops->map(vq, dev->priv->map, event_idx, &args.ring)) {
        return vu_refuse(dev, EFAULT,
                         "the ring of queue %u is misaligned or does not lie in guest memory",
                         vq->index);
    }
    args.base = vq->have_base ? vq->base : vq->ops->fresh_base;
    if (!start_args_alloc(dev, vq, &args)) {
        start_args_free(&args);
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

/* Queue context; elements that are still out are dropped for good. */
static void queue_stopped(VuDev *dev, VuVirtq *vq, void *opaque)
{
    /* The device may not have come to announce the last ones. */
    vu_queue_notify(dev, vq);
    vq->base = vq->ops->base(vq);
    vq->have_base = true;
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
    drop_ring(vq);
    vu_map_use_unref(vq->use);
    vq->use = NULL;
    vq->log = NULL;
    __atomic_store_n(&vq->inuse, 0, __ATOMIC_RELEASE);
    set_state(dev, vq, VU_VRING_STOPPED);
}

static void vring_stop_begin(VuDev *dev, VuVirtq *vq)
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

/* ---- Descriptors ---- */

typedef struct SwapFd {
    int *where; /* in the queue */
    bool *is_eventfd;
    int fd; /* in: the new one, out: the old one */
    bool fd_is_eventfd;
} SwapFd;

/* Queue context. */
static void queue_swap_fd(VuDev *dev, VuVirtq *vq, void *opaque)
{
    SwapFd *swap = opaque;
    int old = *swap->where;

    *swap->where = swap->fd;
    if (swap->is_eventfd) {
        *swap->is_eventfd = swap->fd_is_eventfd;
    }
    swap->fd = old;
}

/* Replace a descriptor of the queue by @fd, which may be -1, and close the old one. */
static void replace_fd(VuDev *dev, VuVirtq *vq, int *where, bool *is_eventfd, int fd,
                       bool fd_is_eventfd)
{
    SwapFd swap = { where, is_eventfd, fd, fd_is_eventfd };

    vu_vring_run(dev, vq, queue_swap_fd, &swap);
    vu_close_fd(&swap.fd);
}

static int vring_stop_finish(VuDev *dev, VhostUserMsg *msg, void *opaque)
{
    VuVirtq *vq = opaque;

    if (vq->state == VU_VRING_STOPPING) {
        vu_vring_run(dev, vq, queue_stopped, NULL);
    }
    replace_fd(dev, vq, &vq->kick_fd, NULL, -1, false);
    replace_fd(dev, vq, &vq->call_fd, &vq->call_is_eventfd, -1, false);
    msg->payload.state.index = vq->index;
    msg->payload.state.num = vq->have_base ? vq->base : vq->ops->fresh_base;
    msg->size = sizeof(msg->payload.state);
    return VU_REPLY;
}

static bool vring_is_idle(VuDev *dev, void *opaque)
{
    return vu_queue_inuse(opaque) == 0;
}

/* ---- Life ---- */

void vu_vring_init(VuDev *dev, VuVirtq *vq, unsigned int index)
{
    memset(vq, 0, sizeof(*vq));
    vq->index = index;
    vq->kick_fd = -1;
    vq->call_fd = -1;
    vq->err_fd = -1;
    vq->notification = true;
    vq->ops = &virtq_split_ops;
}

void vu_vring_done(VuDev *dev, VuVirtq *vq)
{
    vring_stop_begin(dev, vq);
    if (vq->state == VU_VRING_STOPPING) {
        vu_vring_run(dev, vq, queue_stopped, NULL);
    }
    vu_close_fd(&vq->kick_fd);
    vu_close_fd(&vq->call_fd);
    vu_close_fd(&vq->err_fd);
}

/* ---- Requests; their queue index has been checked ---- */

static VuVirtq *queue_of_state(VuDev *dev, const VhostUserMsg *msg)
{
    return vu_get_queue(dev, msg->payload.state.index);
}

static VuVirtq *queue_of_file(VuDev *dev, const VhostUserMsg *msg)
{
    return vu_get_queue(dev, msg->payload.u64 & VHOST_USER_VRING_IDX_MASK);
}

static int check_stopped(VuDev *dev, const VuVirtq *vq)
{
    return vq->state == VU_VRING_STOPPED
               ? 0
               : vu_refuse(dev, EBUSY, "queue %u is %s", vq->index, state_names[vq->state]);
}

int vu_set_vring_num(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);
    unsigned int num = msg->payload.state.num;
    int rc = check_stopped(dev, vq);

    if (rc < 0) {
        return rc;
    }
    if (num > dev->priv->max_queue_size || !vq->ops->num_ok(num)) {
        return vu_refuse(dev, EINVAL, "queue %u cannot have %u entries, only %s up to %u",
                         vq->index, num,
                         vq->ops == &virtq_packed_ops ? "a number" : "a power of two",
                         dev->priv->max_queue_size);
    }
    vq->num = num;
    return VU_DONE;
}

int vu_set_vring_base(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);
    uint32_t base = msg->payload.state.num;
    int rc = check_stopped(dev, vq);

    if (rc < 0) {
        return rc;
    }
    if (!vq->ops->base_ok(base, vq->num)) {
        return vu_refuse(dev, EINVAL, "queue %u cannot begin at %#x", vq->index, base);
    }
    vq->base = base;
    vq->have_base = true;
    return VU_DONE;
}

/* Queue context. */
static void queue_set_logging(VuDev *dev, VuVirtq *vq, void *opaque)
{
    vq->vring.flags = vq->vra.flags;
    vq->vring.log_guest_addr = vq->vra.log_guest_addr;
}

static bool same_ring(const struct vhost_vring_addr *a, const struct vhost_vring_addr *b)
{
    return a->desc_user_addr == b->desc_user_addr && a->avail_user_addr == b->avail_user_addr &&
           a->used_user_addr == b->used_user_addr;
}

/* Addresses may come before the memory or the size; then the start checks them. */
static bool addr_acceptable(VuDev *dev, VuVirtq *vq, const struct vhost_vring_addr *addr)
{
    const struct vhost_vring_addr old = vq->vra;
    bool event_idx = vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
    VuRing ring;
    bool ok;

    if (vq->num == 0 || dev->priv->map->n == 0) {
        return true;
    }
    vq->vra = *addr;
    ok = vq->ops->map(vq, dev->priv->map, event_idx, &ring);
    vq->vra = old;
    return ok;
}

int vu_set_vring_addr(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = vu_get_queue(dev, msg->payload.addr.index);
    const struct vhost_vring_addr addr = msg->payload.addr;

    if (vq->state != VU_VRING_STOPPED) {
        if (!same_ring(&addr, &vq->vra)) {
            return vu_refuse(dev, EBUSY, "the ring of queue %u cannot move while it is %s",
                             vq->index, state_names[vq->state]);
        }
        vq->vra = addr;
        vu_vring_run(dev, vq, queue_set_logging, NULL);
        return VU_DONE;
    }
    if (!addr_acceptable(dev, vq, &addr)) {
        return vu_refuse(dev, EFAULT,
                         "the ring of queue %u is misaligned, does not lie in guest memory, or "
                         "one part of it lies over another",
                         vq->index);
    }
    vq->vra = addr;
    vq->have_addr = true;
    return VU_DONE;
}

int vu_get_vring_base(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);

    vring_stop_begin(dev, vq);
    return vu_wait_for(dev, vring_is_idle, vring_stop_finish, vq);
}

/* The descriptor of @msg, ready for use; -1 in @ret_fd if it says that there is none. */
static int take_signal_fd(VuDev *dev, VhostUserMsg *msg, int *ret_fd, bool *ret_eventfd)
{
    int rc;

    *ret_fd = -1;
    *ret_eventfd = false;
    if (msg->payload.u64 & VHOST_USER_VRING_NOFD_MASK) {
        return 0;
    }
    rc = vu_signal_fd_prepare(msg->fds[0], ret_eventfd);
    if (rc < 0) {
        return vu_refuse(dev, -rc, "the descriptor cannot be used: %s", strerror(-rc));
    }
    *ret_fd = vu_message_take_fd(msg, 0);
    return 0;
}

int vu_set_vring_kick(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_file(dev, msg);
    bool starts = vq->state == VU_VRING_STOPPED;
    bool is_eventfd;
    int fd, rc;

    if (vq->state == VU_VRING_STOPPING) {
        return check_stopped(dev, vq);
    }
    rc = take_signal_fd(dev, msg, &fd, &is_eventfd);
    if (rc == 0 && fd < 0) {
        fd = vu_kick_timer_new();
        rc = fd < 0 ? vu_refuse(dev, errno, "no timer to poll queue %u", vq->index) : 0;
    }
    if (rc == 0 && starts) {
        rc = vring_start(dev, vq);
    }
    if (rc < 0) {
        vu_close_fd(&fd);
        return rc;
    }
    vu_kick_unwatch(dev, vq);
    replace_fd(dev, vq, &vq->kick_fd, NULL, fd, is_eventfd);
    if (starts && dev->iface->queue_set_started) {
        dev->iface->queue_set_started(dev, vq->index, true);
    }
    vu_kick_update_watch(dev, vq);
    vu_kick_want_look(dev, vq);
    return VU_DONE;
}

int vu_set_vring_call(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_file(dev, msg);
    bool is_eventfd;
    int fd, rc = take_signal_fd(dev, msg, &fd, &is_eventfd);

    if (rc < 0) {
        return rc;
    }
    replace_fd(dev, vq, &vq->call_fd, &vq->call_is_eventfd, fd, is_eventfd);
    /* What was completed while there was no way to say so. */
    vu_signal_fd(fd, is_eventfd);
    return VU_DONE;
}

int vu_set_vring_err(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_file(dev, msg);
    bool is_eventfd;
    int fd, rc = take_signal_fd(dev, msg, &fd, &is_eventfd);

    if (rc < 0) {
        return rc;
    }
    replace_fd(dev, vq, &vq->err_fd, &vq->err_is_eventfd, fd, is_eventfd);
    return VU_DONE;
}

/* Queue context. */
static void queue_enable(VuDev *dev, VuVirtq *vq, void *opaque)
{
    vq->enable = *(bool *)opaque;
    vu_trace(dev, VU_TRACE_QUEUE_ENABLED, vq->index, 0, vq->enable, NULL);
}

static void vring_enable(VuDev *dev, VuVirtq *vq, bool enable)
{
    if (vq->enable == enable) {
        return;
    }
    vu_vring_run(dev, vq, queue_enable, &enable);
    if (enable) {
        vu_kick_want_look(dev, vq);
    }
}

void vu_vrings_enable_all(VuDev *dev, bool enable)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        vring_enable(dev, &dev->vq[i], enable);
    }
}

int vu_set_vring_enable(VuDev *dev, VhostUserMsg *msg)
{
    vring_enable(dev, queue_of_state(dev, msg), msg->payload.state.num != 0);
    return VU_DONE;
}

int vu_reset_owner(VuDev *dev, VhostUserMsg *msg)
{
    vu_vrings_enable_all(dev, false);
    return VU_DONE;
}
