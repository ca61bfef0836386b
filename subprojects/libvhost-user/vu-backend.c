/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel on which the back-end asks and the front-end answers: what is sent there.
 *
 * Any context may write a notice, so the descriptor and what is written to it are under a mutex,
 * which is held for the length of a system call that does not wait. A request that has an answer
 * waits for it, in the control context; meanwhile notices go on, and where VuIoOps.wait_answer
 * yields, other requests. What is asked while a message is obeyed must not be needed for the
 * answer: the front-end may itself be waiting, for us. Answers are read in vu-channel.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vu-internal.h"

/* The front-end may be busy, but a set-up request that it never answers must end. */
#define ANSWER_TIMEOUT_MS 5000

int vu_backend_init(VuDev *dev)
{
    int rc = vu_channel_init(dev);

    if (rc == 0) {
        pthread_mutex_init(&dev->priv->backend_mutex, NULL);
    }
    return rc;
}

void vu_backend_done(VuDev *dev)
{
    vu_channel_set(dev, -1);
    vu_channel_done(dev);
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
    if (!is_unix_stream(msg->fds[0])) {
        return vu_refuse(dev, EINVAL, "the back-end channel is no UNIX stream socket");
    }
    vu_channel_set(dev, vu_message_take_fd(msg, 0));
    vu_iotlb_ask_anew(dev);
    if (dev->iface->set_backend_channel) {
        dev->iface->set_backend_channel(dev);
    }
    return VU_DONE;
}

/* Send now or not at all. Under the mutex. */
static int send_now(VuDev *dev, VhostUserMsg *msg)
{
    return dev->backend_fd >= 0 ? vu_message_send(dev->backend_fd, msg, MSG_DONTWAIT) : -ENOTCONN;
}

int vu_backend_notify(VuDev *dev, VhostUserMsg *msg)
{
    int rc;

    msg->flags = VHOST_USER_VERSION;
    pthread_mutex_lock(&dev->priv->backend_mutex);
    rc = send_now(dev, msg);
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return rc;
}

int vu_backend_question(VuDev *dev, VhostUserMsg *msg, const VuQuestion *question)
{
    bool ack =
        vu_channel_watched(dev) && vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK);
    int rc;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    ack = ack && vu_channel_may_question(dev);
    msg->flags = VHOST_USER_VERSION | (ack ? VHOST_USER_NEED_REPLY_MASK : 0);
    rc = send_now(dev, msg);
    if (rc == 0 && ack) {
        vu_channel_questioned(dev, question);
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

/* ---- Requests that are waited for ---- */

/* A vu_ready_cb: send what is not sent yet; is there nothing more to wait for? */
static bool ask_ready(VuDev *dev, void *opaque)
{
    VuAsk *ask = opaque;
    int rc;

    if (ask->done || ask->sent) {
        return ask->done;
    }
    pthread_mutex_lock(&dev->priv->backend_mutex);
    rc = send_now(dev, ask->msg);
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    if (rc == -EAGAIN) {
        return false;
    }
    ask->sent = true;
    if (rc == 0 && ask->wait) {
        vu_channel_expect(dev, ask);
        return false;
    }
    ask->rc = rc < 0 ? rc : 1;
    ask->done = true;
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Wait for the front-end and for nothing else. */
static void block_until_ready(VuDev *dev, VuAsk *ask)
{
    const int64_t deadline = now_ms() + ANSWER_TIMEOUT_MS;

    while (!ask_ready(dev, ask)) {
        struct pollfd p = { .fd = dev->backend_fd, .events = ask->sent ? POLLIN : POLLOUT };
        int64_t left = deadline - now_ms();

        if (left <= 0 || (poll(&p, 1, left) < 0 && errno != EINTR)) {
            return;
        }
        vu_channel_ready(dev);
    }
}

static void wait_until_ready(VuDev *dev, VuAsk *ask)
{
    const VuIoOps *io = dev->priv->io;

    if (!io->wait_answer || !io->wait_answer(dev, ask_ready, ask, ANSWER_TIMEOUT_MS)) {
        block_until_ready(dev, ask);
    }
    vu_channel_forget(dev, ask);
}

bool vu_backend_request(VuDev *dev, unsigned int feature, VhostUserMsg *msg, int *ret_fd)
{
    bool wait = ret_fd || vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK);
    VuAsk ask = { .msg = msg, .wait = wait, .fd = -1 };
    char why[80];

    if (!vu_has_protocol_feature(dev, feature)) {
        return false;
    }
    msg->flags = VHOST_USER_VERSION | (wait ? VHOST_USER_NEED_REPLY_MASK : 0);
    wait_until_ready(dev, &ask);
    if (!ask.done || (ask.rc < 0 && ask.rc != -ENOTCONN)) {
        snprintf(why, sizeof(why), "it gave no answer to request %d", msg->request);
        vu_channel_drop(dev, why);
    }
    if (ret_fd) {
        *ret_fd = ask.fd;
    } else {
        vu_close_fd(&ask.fd);
    }
    return ask.done && ask.rc > 0;
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
