/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel on which the back-end asks and the front-end answers.
 *
 * Any context may write a notice, so the descriptor and what is written to it are under a mutex,
 * which is held for the length of a system call; a notice never waits. A request that has an answer
 * waits for it, in the control context; meanwhile notices go on. Nothing that a running ring needs
 * may be such a request: the front-end may itself be waiting, for an answer on the main socket.
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

/* Other sockets may take a part of a notice, whose rest would have to be waited for. */
static bool is_unix_stream(int fd)
{
    int domain = 0, type = 0;
    socklen_t len = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int vu_set_backend_req_fd(VuDev *dev, VhostUserMsg *msg)
{
    int fd;

    if (!is_unix_stream(msg->fds[0])) {
        return vu_refuse(dev, EINVAL, "the back-end channel is no UNIX stream socket");
    }
    fd = vu_message_take_fd(msg, 0);
    pthread_mutex_lock(&dev->priv->backend_mutex);
    vu_close_fd(&dev->backend_fd);
    dev->backend_fd = fd;
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    if (dev->iface->set_backend_channel) {
        dev->iface->set_backend_channel(dev);
    }
    return VU_DONE;
}

int vu_backend_notify(VuDev *dev, VhostUserMsg *msg)
{
    int rc = -ENOTCONN;

    msg->flags = VHOST_USER_VERSION;
    pthread_mutex_lock(&dev->priv->backend_mutex);
    if (dev->backend_fd >= 0) {
        rc = vu_message_send(dev->backend_fd, msg, MSG_DONTWAIT);
    }
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return rc;
}

static void send_config_change(VuDev *dev)
{
    VhostUserMsg msg = { .request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG };
    int rc = vu_backend_notify(dev, &msg);

    if (rc == -EAGAIN) {
        __atomic_store_n(&dev->priv->config_change_lost, true, __ATOMIC_RELAXED);
    } else if (rc < 0 && rc != -ENOTCONN) {
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
    vu_inband_retry(dev);
    if (VU_UNLIKELY(__atomic_load_n(&dev->priv->config_change_lost, __ATOMIC_RELAXED))) {
        __atomic_store_n(&dev->priv->config_change_lost, false, __ATOMIC_RELAXED);
        send_config_change(dev);
    }
    vu_iotlb_retry(dev);
}

/* Read @len bytes of @msg from @at on, as long as they keep coming. */
static bool receive_answer(int fd, VhostUserMsg *msg, size_t at, size_t len)
{
    bool fits = true;

    while (len > 0) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct iovec iov = { .iov_base = (char *)msg + at, .iov_len = len };
        ssize_t n = vu_message_receive(fd, &iov, msg, MSG_DONTWAIT, &fits);

        if (n > 0) {
            at += n;
            len -= n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
                   poll(&p, 1, ANSWER_TIMEOUT_MS) == 0) {
            return false;
        }
    }
    return fits;
}

/*
 * Read the front-end's answer to @msg. 1: it is 0, and the descriptor that came with it is in
 * @ret_fd (-1: none); 0: it is another number; -errno: the channel is out of step.
 */
static int receive_verdict(int fd, const VhostUserMsg *msg, int *ret_fd)
{
    const uint32_t flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
    const size_t len = sizeof(msg->payload.u64);
    VhostUserMsg answer = { 0 };
    int rc = receive_answer(fd, &answer, 0, VHOST_USER_HDR_SIZE) &&
                     answer.request == msg->request && answer.flags == flags &&
                     answer.size == len && receive_answer(fd, &answer, VHOST_USER_HDR_SIZE, len)
                 ? answer.payload.u64 == 0
                 : -EPROTO;

    *ret_fd = rc == 1 ? vu_message_take_fd(&answer, 0) : -1;
    vu_message_done(&answer);
    return rc;
}

/* As long as an answer is outstanding only control reads, and nobody replaces the descriptor. */
static int send_request(VuDev *dev, VhostUserMsg *msg)
{
    int rc = -ENOTCONN;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    if (dev->backend_fd >= 0) {
        rc = vu_message_send(dev->backend_fd, msg, 0);
    }
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return rc;
}

static void close_channel(VuDev *dev, const VhostUserMsg *msg, int err)
{
    pthread_mutex_lock(&dev->priv->backend_mutex);
    vu_close_fd(&dev->backend_fd);
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    vu_log_message(dev, "closed the back-end channel, which gave no answer to request %d: %s",
                   msg->request, strerror(err));
}

bool vu_backend_request(VuDev *dev, unsigned int feature, VhostUserMsg *msg, int *ret_fd)
{
    bool wait = ret_fd || vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK);
    int fd = -1, rc;

    if (!vu_has_protocol_feature(dev, feature)) {
        return false;
    }
    msg->flags = VHOST_USER_VERSION | (wait ? VHOST_USER_NEED_REPLY_MASK : 0);
    rc = send_request(dev, msg);
    if (rc == 0) {
        rc = wait ? receive_verdict(dev->backend_fd, msg, &fd) : 1;
    }
    if (rc < 0 && rc != -ENOTCONN) {
        close_channel(dev, msg, -rc);
    }
    if (ret_fd) {
        *ret_fd = fd;
    } else {
        vu_close_fd(&fd);
    }
    return rc > 0;
}

bool vu_set_queue_host_notifier(VuDev *dev, VuVirtq *vq, int fd, int size, int offset)
{
    VhostUserMsg msg = {
        .request = VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG,
        .size = sizeof(msg.payload.area),
        .payload.area = { .u64 = vq->index, .size = size, .offset = offset },
        .fds = { fd },
        .fd_num = 1,
    };

    if (fd < 0) {
        msg.fd_num = 0;
        msg.payload.area.u64 |= VHOST_USER_VRING_NOFD_MASK;
    }
    return vu_backend_request(dev, VHOST_USER_PROTOCOL_F_HOST_NOTIFIER, &msg, NULL);
}
