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
 *
 * This file has the requests and the descriptors; vu-start.c what they do to the ring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>

#include "virtq-internal.h"

void vu_vring_run(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque)
{
    if (dev->priv->io->run_on_queue) {
        dev->priv->io->run_on_queue(dev, vq, fn, opaque);
    } else {
        fn(dev, vq, opaque);
    }
}

void vu_vring_break(VuDev *dev, VuVirtq *vq, const char *reason)
{
    vq->broken = true;
    vu_count(&vq->stats.breaks);
    vu_trace(dev, VU_TRACE_QUEUE_BROKEN, vq->index, 0, 0, reason);
    vu_log_message(dev, "queue %u cannot go on: %s", vq->index, reason);
    vu_signal_err(dev, vq);
    vu_status_needs_reset(dev);
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

bool vu_queue_big_endian(const VuDev *dev, const VuVirtq *vq)
{
    return vq->ops == &virtq_split_be_ops;
}

bool vu_queue_started(const VuDev *dev, const VuVirtq *vq)
{
    return vq->state == VU_VRING_STARTED;
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
    vq->poll_interval_ns = 0;
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

/* With the last ring goes what is known of the guest's IOMMU: it is not told of changes now. */
static void forget_translations(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (dev->vq[i].state != VU_VRING_STOPPED) {
            return;
        }
    }
    vu_iotlb_flush(dev);
}

/* The ring and the descriptors of this run are let go. */
static void vring_stop_end(VuDev *dev, VuVirtq *vq)
{
    if (vq->state == VU_VRING_STOPPING) {
        vu_vring_run(dev, vq, vu_vring_stopped, NULL);
    }
    replace_fd(dev, vq, &vq->kick_fd, NULL, -1, false);
    replace_fd(dev, vq, &vq->call_fd, &vq->call_is_eventfd, -1, false);
}

static int vring_stop_finish(VuDev *dev, VhostUserMsg *msg, void *opaque)
{
    VuVirtq *vq = opaque;

    vring_stop_end(dev, vq);
    forget_translations(dev);
    msg->payload.state.index = vq->index;
    msg->payload.state.num = vq->have_base || vq->was_reset ? vq->base : vq->ops->fresh_base;
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
    vu_vring_stop_begin(dev, vq);
    if (vq->state == VU_VRING_STOPPING) {
        vu_vring_run(dev, vq, vu_vring_stopped, NULL);
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
               : vu_refuse(dev, EBUSY, "queue %u is %s", vq->index, vu_vring_state_name(vq));
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
    vq->base_is_ours = vq->base_is_ours && base == vq->base;
    vq->base = base;
    vq->have_base = true;
    vq->was_reset = false;
    return VU_DONE;
}

int vu_set_vring_endian(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);
    int rc = check_stopped(dev, vq);

    if (rc < 0) {
        return rc;
    }
    if (msg->payload.state.num > VHOST_USER_VRING_BIG_ENDIAN) {
        return vu_refuse(dev, EINVAL, "queue %u cannot have byte order %u", vq->index,
                         msg->payload.state.num);
    }
    vq->big_endian = msg->payload.state.num == VHOST_USER_VRING_BIG_ENDIAN;
    vu_vring_choose_layout(dev, vq);
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

int vu_set_vring_addr(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = vu_get_queue(dev, msg->payload.addr.index);
    const struct vhost_vring_addr addr = msg->payload.addr;
    const struct vhost_vring_addr old = vq->vra;

    if (vq->state != VU_VRING_STOPPED) {
        if (!same_ring(&addr, &vq->vra)) {
            return vu_refuse(dev, EBUSY, "the ring of queue %u cannot move while it is %s",
                             vq->index, vu_vring_state_name(vq));
        }
        vq->vra = addr;
        vu_vring_run(dev, vq, queue_set_logging, NULL);
        return VU_DONE;
    }
    vq->vra = addr;
    if (!vu_vring_addr_ok(dev, vq)) {
        vq->vra = old;
        return vu_refuse(dev, EFAULT,
                         "the ring of queue %u is misaligned, does not lie in guest memory, or "
                         "one part of it lies over another",
                         vq->index);
    }
    vq->have_addr = true;
    return VU_DONE;
}

int vu_get_vring_base(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);

    vu_vring_stop_begin(dev, vq);
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

static void tell_started(VuDev *dev, VuVirtq *vq)
{
    if (dev->iface->queue_set_started) {
        dev->iface->queue_set_started(dev, vq->index, true);
    }
}

int vu_set_vring_kick(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_file(dev, msg);
    bool starts = vq->state == VU_VRING_STOPPED;
    bool is_eventfd, is_timer = false;
    int fd, rc;

    if (vq->state == VU_VRING_STOPPING) {
        return check_stopped(dev, vq);
    }
    rc = take_signal_fd(dev, msg, &fd, &is_eventfd);
    if (rc == 0 && fd < 0 && !vu_inband(dev)) {
        fd = vu_poll_timer_new();
        is_timer = true;
        rc = fd < 0 ? vu_refuse(dev, errno, "no timer to poll queue %u", vq->index) : 0;
    }
    if (rc == 0 && starts) {
        rc = vu_vring_start(dev, vq);
    }
    if (rc < 0) {
        vu_close_fd(&fd);
        return rc;
    }
    vu_kick_unwatch(dev, vq);
    replace_fd(dev, vq, &vq->kick_fd, &vq->kick_is_timer, fd, is_timer);
    if (starts) {
        tell_started(dev, vq);
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

/* What broke while there was no way to say so. Queue context. */
static void queue_repeat_err(VuDev *dev, VuVirtq *vq, void *opaque)
{
    if (vq->broken) {
        vu_signal_err(dev, vq);
    }
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
    if (vq->state != VU_VRING_STOPPED) {
        vu_vring_run(dev, vq, queue_repeat_err, NULL);
    }
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

/* A ring that is about to stop is not looked at any more, whoever kicks. */
int vu_vring_kick(VuDev *dev, VhostUserMsg *msg)
{
    VuVirtq *vq = queue_of_state(dev, msg);
    bool starts = vq->state == VU_VRING_STOPPED;
    int rc = 0;

    if (msg->payload.state.num != 0) {
        return vu_refuse(dev, EINVAL, "a kick of queue %u with %u", vq->index,
                         msg->payload.state.num);
    }
    if (starts) {
        rc = vu_vring_start(dev, vq);
    }
    if (rc == 0 && starts) {
        tell_started(dev, vq);
    }
    if (rc == 0) {
        vu_count(&vq->stats.kicks);
        vu_kick_want_look(dev, vq);
    }
    return rc;
}

/* ---- Reset ---- */

/*
 * What was said about the ring. The descriptors of a ring that did not run stay, and so does where
 * it was stopped: QEMU 7.2 sets the status to 0 before it asks for the bases, to go on from there.
 */
static void vring_forget(VuVirtq *vq)
{
    vq->num = 0;
    vq->big_endian = false;
    vq->was_reset |= vq->have_base;
    vq->have_base = false;
    vq->base_is_ours = false;
    vq->have_addr = false;
    memset(&vq->vra, 0, sizeof(vq->vra));
}

void vu_vrings_reset_begin(VuDev *dev)
{
    vu_vrings_enable_all(dev, false);
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];

        vu_vring_stop_begin(dev, vq);
        if (vq->state == VU_VRING_STOPPED) {
            vring_forget(vq);
        }
    }
}

bool vu_vrings_are_idle(VuDev *dev, void *opaque)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (vu_queue_inuse(&dev->vq[i]) > 0) {
            return false;
        }
    }
    return true;
}

void vu_vrings_reset_end(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];

        if (vq->state == VU_VRING_STOPPING) {
            vring_stop_end(dev, vq);
            vring_forget(vq);
        }
    }
}
