/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's own state on its way to another back-end, through a pipe of the front-end's.
 */
#include <errno.h>

#include "vu-internal.h"

static bool all_stopped(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        if (dev->vq[i].state != VU_VRING_STOPPED) {
            return false;
        }
    }
    return true;
}

int vu_set_device_state_fd(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserTransferState transfer = msg->payload.transfer;
    int fd = -1;

    if (transfer.direction >= VHOST_USER_TRANSFER_DIRECTION__MAX ||
        transfer.phase >= VHOST_USER_TRANSFER_PHASE__MAX) {
        return vu_refuse(dev, EINVAL, "no transfer is of direction %u in phase %u",
                         transfer.direction, transfer.phase);
    }
    if (!all_stopped(dev)) {
        return vu_refuse(dev, EBUSY, "the state cannot be moved while a ring runs");
    }
    if (!dev->iface->set_device_state_fd ||
        dev->iface->set_device_state_fd(dev, transfer.direction, transfer.phase, msg->fds[0],
                                        &fd) != 0) {
        return vu_refuse(dev, EIO, "the device does not move its state");
    }
    vu_message_take_fd(msg, 0);
    vu_reply_u64(msg, fd < 0 ? VHOST_USER_STATE_NOFD_MASK : 0);
    msg->fd_num = fd < 0 ? 0 : 1;
    msg->fds[0] = fd;
    return VU_REPLY;
}

int vu_check_device_state(VuDev *dev, VhostUserMsg *msg)
{
    if (!dev->iface->check_device_state || dev->iface->check_device_state(dev) != 0) {
        return vu_refuse(dev, EIO, "the state was not moved");
    }
    return vu_reply_u64(msg, 0);
}
