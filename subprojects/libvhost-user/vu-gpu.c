/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket between a graphics device and the front-end's display.
 */
#include <errno.h>
#include <sys/socket.h>

#include "vu-internal.h"

int vu_gpu_set_socket(VuDev *dev, VhostUserMsg *msg)
{
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(msg->fds[0], SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM) {
        return vu_refuse(dev, EINVAL, "the display's descriptor is no stream socket");
    }
    if (!dev->iface->set_gpu_socket || dev->iface->set_gpu_socket(dev, msg->fds[0]) != 0) {
        return vu_refuse(dev, EOPNOTSUPP, "the device has no use for a display");
    }
    vu_message_take_fd(msg, 0);
    return VU_DONE;
}
