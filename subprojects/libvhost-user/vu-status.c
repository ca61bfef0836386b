/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device status, and the way back to its beginning.
 *
 * Theory of operation: a reset disables and stops every ring, waits as GET_VRING_BASE does until
 * nothing of them is in flight, and only then tells the device and answers. Features and status are
 * gone at once, so that what the front-end sends behind the reset is not lost. Memory, the dirty
 * log, the back-end channel, ownership and the protocol features stay, and so do the call and err
 * descriptors of rings that did not run: front-ends give those once and reset afterwards.
 *
 * A driver that sets FEATURES_OK reads the status again to see whether the device has taken its
 * features (virtio, 3.1.1); a refusal is the bit that is missing then, not an error.
 */
#include <errno.h>

#include "vu-internal.h"

/* ---- Reset ---- */

static void reset_begin(VuDev *dev)
{
    /* As long as a ring runs, the features tell what its addresses mean. */
    vu_vrings_reset_begin(dev);
    __atomic_store_n(&dev->features, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&dev->priv->status, 0, __ATOMIC_RELAXED);
    dev->priv->features_refused = false;
}

static void reset_end(VuDev *dev)
{
    vu_vrings_reset_end(dev);
    vu_iotlb_flush(dev);
}

static int device_was_reset(VuDev *dev, VhostUserMsg *msg, void *opaque)
{
    reset_end(dev);
    if (dev->iface->reset_device) {
        dev->iface->reset_device(dev);
    }
    return VU_DONE;
}

int vu_reset_device(VuDev *dev, VhostUserMsg *msg)
{
    reset_begin(dev);
    return vu_wait_for(dev, vu_vrings_are_idle, device_was_reset, NULL);
}

/* ---- Status ---- */

static int status_was_reset(VuDev *dev, VhostUserMsg *msg, void *opaque)
{
    reset_end(dev);
    if (dev->iface->set_status) {
        dev->iface->set_status(dev, 0);
    }
    if (dev->iface->reset_device &&
        !vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_RESET_DEVICE)) {
        dev->iface->reset_device(dev);
    }
    return VU_DONE;
}

/* What becomes of the driver's wish @status. */
static uint8_t status_taken(VuDev *dev, uint8_t status)
{
    if (dev->priv->features_refused) {
        status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    if (dev->iface->set_status) {
        status &= dev->iface->set_status(dev, status) | ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    return status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
}

int vu_set_status(VuDev *dev, VhostUserMsg *msg)
{
    uint64_t wish = msg->payload.u64;
    uint8_t old, taken;

    if (wish > UINT8_MAX) {
        return vu_refuse(dev, EINVAL, "%#llx is no status", (unsigned long long)wish);
    }
    if (wish == 0) {
        reset_begin(dev);
        return vu_wait_for(dev, vu_vrings_are_idle, status_was_reset, NULL);
    }
    taken = status_taken(dev, wish);
    old = __atomic_load_n(&dev->priv->status, __ATOMIC_RELAXED);
    /* A queue may break meanwhile, and only a reset takes that back. */
    while (!__atomic_compare_exchange_n(&dev->priv->status, &old,
                                        taken | (old & VIRTIO_CONFIG_S_NEEDS_RESET), false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return VU_DONE;
}

int vu_get_status(VuDev *dev, VhostUserMsg *msg)
{
    uint8_t status = __atomic_load_n(&dev->priv->status, __ATOMIC_RELAXED);

    return vu_reply_u64(msg, dev->iface->get_status ? dev->iface->get_status(dev, status) : status);
}

void vu_status_needs_reset(VuDev *dev)
{
    uint8_t old =
        __atomic_fetch_or(&dev->priv->status, VIRTIO_CONFIG_S_NEEDS_RESET, __ATOMIC_RELAXED);

    /* A driver that is at work hears of it as of a change of the config space (virtio, 2.1.2). */
    if ((old & VIRTIO_CONFIG_S_DRIVER_OK) && !(old & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        vu_config_change_msg(dev);
    }
}
