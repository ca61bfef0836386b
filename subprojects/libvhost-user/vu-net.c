/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only network devices are told: the guest's MTU, and where the guest is now.
 */
#include <errno.h>
#include <string.h>

#include "vu-internal.h"

/* IPv4's minimum, and what fits the 16 bits of virtio-net's config space. */
#define MTU_MIN 68
#define MTU_MAX 65535

int vu_send_rarp(VuDev *dev, VhostUserMsg *msg)
{
    uint8_t mac[VHOST_USER_MAC_LEN];

    memcpy(mac, &msg->payload, sizeof(mac));
    if (!dev->iface->send_rarp || dev->iface->send_rarp(dev, mac) != 0) {
        return vu_refuse(dev, EOPNOTSUPP, "the device does not announce the guest");
    }
    return VU_DONE;
}

int vu_set_mtu(VuDev *dev, VhostUserMsg *msg)
{
    uint64_t mtu = msg->payload.u64;

    if (mtu < MTU_MIN || mtu > MTU_MAX) {
        return vu_refuse(dev, EINVAL, "%llu is no MTU", (unsigned long long)mtu);
    }
    if (!dev->iface->set_mtu || dev->iface->set_mtu(dev, mtu) != 0) {
        return vu_refuse(dev, EINVAL, "the device does not take an MTU of %llu",
                         (unsigned long long)mtu);
    }
    return VU_DONE;
}
