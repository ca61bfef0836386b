/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls and errors of rings as messages on the back-end channel, for a front-end without eventfds.
 *
 * A descriptor that was set for a ring wins over messages. Nobody waits for an answer, so a queue
 * never waits for the front-end. A channel that is full holds older messages that the front-end has
 * yet to read; what got lost behind them is repeated when the next message comes on the main
 * socket.
 */
#include <errno.h>
#include <string.h>

#include "vu-internal.h"

static void inband_send(VuDev *dev, VuVirtq *vq, VhostUserBackendRequest request)
{
    VhostUserMsg msg = {
        .request = request,
        .size = sizeof(msg.payload.state),
        .payload.state = { .index = vq->index },
    };
    int rc = vu_backend_notify(dev, &msg);

    if (rc == -EAGAIN || rc == -ENOTCONN) {
        __atomic_fetch_or(&vq->notices_lost, 1u << request, __ATOMIC_RELAXED);
        __atomic_store_n(&dev->priv->notice_lost, true, __ATOMIC_RELEASE);
    } else if (rc < 0) {
        vu_log_message(dev, "queue %u could not be announced: %s", vq->index, strerror(-rc));
    }
}

void vu_inband_notify(VuDev *dev, VuVirtq *vq, VhostUserBackendRequest request)
{
    if (vu_inband(dev)) {
        inband_send(dev, vq, request);
    }
}

void vu_inband_retry(VuDev *dev)
{
    static const VhostUserBackendRequest notices[] = { VHOST_USER_BACKEND_VRING_CALL,
                                                       VHOST_USER_BACKEND_VRING_ERR };

    if (VU_LIKELY(!__atomic_exchange_n(&dev->priv->notice_lost, false, __ATOMIC_ACQUIRE))) {
        return;
    }
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        VuVirtq *vq = &dev->vq[i];
        uint8_t lost = __atomic_exchange_n(&vq->notices_lost, 0, __ATOMIC_RELAXED);

        for (size_t n = 0; n < sizeof(notices) / sizeof(notices[0]); n++) {
            if (lost & (1u << notices[n])) {
                inband_send(dev, vq, notices[n]);
            }
        }
    }
}
