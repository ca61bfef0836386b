/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel on which the back-end asks and the front-end answers.
 *
 * Any context may write a notice, so the descriptor and what is written to it are under a mutex,
 * which is held for the length of a system call; a notice never waits. A request that has an answer
 * (the host notifier) is for set-up: it waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vu-internal.h"

/* The front-end may be busy, but a set-up request that it never answers must end. */
#define ANSWER_TIMEOUT_MS 5000

void vu_backend_init(VuDev *dev)
{
    pthread_mutex_init(&dev->priv->backend_mutex, NULL);
}

void vu_backend_done(VuDev *dev)
{
    vu_close_fd(&dev->backend_fd);
    pthread_mutex_destroy(&dev->priv->backend_mutex);
}

int vu_set_backend_req_fd(VuDev *dev, VhostUserMsg *msg)
{
    int fd = vu_message_take_fd(msg, 0);

    pthread_mutex_lock(&dev->priv->backend_mutex);
    vu_close_fd(&dev->backend_fd);
    dev->backend_fd = fd;
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return VU_DONE;
}

static void send_config_change(VuDev *dev)
{
    VhostUserMsg msg = {
        .request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG,
        .flags = VHOST_USER_VERSION,
    };
    int rc = 0;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    if (dev->backend_fd >= 0) {
        rc = vu_message_send(dev->backend_fd, &msg, MSG_DONTWAIT);
    }
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    if (rc == -EAGAIN) {
        __atomic_store_n(&dev->priv->config_change_lost, true, __ATOMIC_RELAXED);
    } else if (rc < 0) {
        vu_log_message(dev, "could not announce a config change: %s", strerror(-rc));
    }
}

void vu_config_change_msg(VuDev *dev)
{
    if (vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_CONFIG)) {
        send_config_change(dev);
    }
}

void vu_backend_retry(VuDev *dev)
{
    if (VU_UNLIKELY(__atomic_load_n(&dev->priv->config_change_lost, __ATOMIC_RELAXED))) {
        __atomic_store_n(&dev->priv->config_change_lost, false, __ATOMIC_RELAXED);
        send_config_change(dev);
    }
}

/* Read @len bytes within the time that is left; false: it is over. */
static bool receive_answer(int fd, void *buf, size_t len)
{
    char *at = buf;

    while (len > 0) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n = recv(fd, at, len, MSG_DONTWAIT);

        if (n > 0) {
            at += n;
            len -= n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
                   poll(&p, 1, ANSWER_TIMEOUT_MS) == 0) {
            return false;
        }
    }
    return true;
}

/* Send @msg and hear what the front-end says to it. */
static bool request_and_wait(int fd, VhostUserMsg *msg)
{
    VhostUserMsg reply;
    const uint32_t flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;

    msg->flags |= VHOST_USER_NEED_REPLY_MASK;
    if (vu_message_send(fd, msg, 0) < 0 || !receive_answer(fd, &reply, VHOST_USER_HDR_SIZE) ||
        reply.request != msg->request || reply.flags != flags || reply.size != sizeof(uint64_t) ||
        !receive_answer(fd, &reply.payload, sizeof(uint64_t))) {
        return false;
    }
    return reply.payload.u64 == 0;
}

bool vu_set_queue_host_notifier(VuDev *dev, VuVirtq *vq, int fd, int size, int offset)
{
    VhostUserMsg msg = {
        .request = VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG,
        .flags = VHOST_USER_VERSION,
        .size = sizeof(msg.payload.area),
        .payload.area = { .u64 = vq->index, .size = size, .offset = offset },
        .fds = { fd },
        .fd_num = 1,
    };
    bool ok = false;

    if (fd < 0) {
        msg.fd_num = 0;
        msg.payload.area.u64 |= VHOST_USER_VRING_NOFD_MASK;
    }
    if (!vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_HOST_NOTIFIER)) {
        return false;
    }
    pthread_mutex_lock(&dev->priv->backend_mutex);
    if (dev->backend_fd >= 0) {
        ok = vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK)
                 ? request_and_wait(dev->backend_fd, &msg)
                 : vu_message_send(dev->backend_fd, &msg, 0) == 0;
    }
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return ok;
}
