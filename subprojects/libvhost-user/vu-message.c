/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One message in or out; the message owns its descriptors.
 *
 * Theory of operation: a reader fills VhostUserMsg.fds, a handler takes the ones it wants with
 * vu_message_take_fd(), vu_message_done() closes the rest, once. The descriptors of a message
 * travel with its first byte, so only the read of the header makes room for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vu-internal.h"

/* Room for more than a message may carry, to tell too many from just enough. */
#define FDS_MAX  VHOST_MEMORY_BASELINE_NREGIONS
#define FDS_ROOM (2 * FDS_MAX)

void vu_close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

int vu_message_take_fd(VhostUserMsg *msg, int i)
{
    int fd;

    if (i >= msg->fd_num) {
        return -1;
    }
    fd = msg->fds[i];
    msg->fds[i] = -1;
    return fd;
}

void vu_message_done(VhostUserMsg *msg)
{
    for (int i = 0; i < msg->fd_num; i++) {
        if (msg->fds[i] >= 0) {
            close(msg->fds[i]);
        }
    }
    msg->fd_num = 0;
    free(msg->data);
    msg->data = NULL;
}

/* Returns false if there were more than a message may have; those are closed. */
static bool collect_fds(struct msghdr *mh, VhostUserMsg *msg)
{
    bool fits = !(mh->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (msg->fd_num < FDS_MAX) {
                msg->fds[msg->fd_num++] = fd;
            } else {
                close(fd);
                fits = false;
            }
        }
    }
    return fits;
}

/* Wait until @fd can do @events after a call that returned -1. False: the call's error stands. */
static bool wait_again(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    if (errno == EINTR) {
        return true;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return false;
    }
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

ssize_t vu_message_receive(int fd, struct iovec *iov, VhostUserMsg *msg, int flags, bool *ret_fits)
{
    union {
        char buf[CMSG_SPACE(FDS_ROOM * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr mh = { .msg_iov = iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof(control.buf) };
    ssize_t n = recvmsg(fd, &mh, flags | MSG_CMSG_CLOEXEC);

    if (n >= 0 && !collect_fds(&mh, msg)) {
        *ret_fits = false;
    }
    return n;
}

/* Returns how many of @len bytes came before the end of the stream, or -errno. */
static ssize_t receive_all(int fd, void *buf, size_t len, VhostUserMsg *msg, bool *ret_fits)
{
    size_t have = 0;

    while (have < len) {
        struct iovec iov = { .iov_base = (char *)buf + have, .iov_len = len - have };
        ssize_t n = vu_message_receive(fd, &iov, msg, 0, ret_fits);

        if (n == 0) {
            break;
        }
        if (n > 0) {
            have += n;
        } else if (!wait_again(fd, POLLIN)) {
            return -errno;
        }
    }
    return have;
}

bool vu_message_read_default(VuDev *dev, int conn_fd, VhostUserMsg *vmsg)
{
    bool fits = true;
    ssize_t n;

    memset(vmsg, 0, sizeof(*vmsg));
    n = receive_all(conn_fd, vmsg, VHOST_USER_HDR_SIZE, vmsg, &fits);
    if (n == 0) {
        goto fail;
    }
    if (n != (ssize_t)VHOST_USER_HDR_SIZE) {
        vu_panic(dev, "the front-end went away in the middle of a header (%zd)", n);
        goto fail;
    }
    if (vmsg->size > sizeof(vmsg->payload)) {
        vu_panic(dev, "a payload of %u bytes is larger than any message's", vmsg->size);
        goto fail;
    }
    n = receive_all(conn_fd, &vmsg->payload, vmsg->size, vmsg, &fits);
    if (n != (ssize_t)vmsg->size) {
        vu_panic(dev, "the front-end went away in the middle of a payload (%zd)", n);
        goto fail;
    }
    if (!fits) {
        vu_panic(dev, "a message came with more than %d descriptors", FDS_MAX);
        goto fail;
    }
    return true;

fail:
    vu_message_done(vmsg);
    return false;
}

static void attach_fds(struct msghdr *mh, VhostUserMsg *msg)
{
    size_t bytes = msg->fd_num * sizeof(int);
    struct cmsghdr *c;

    mh->msg_controllen = CMSG_SPACE(bytes);
    memset(mh->msg_control, 0, mh->msg_controllen);
    c = CMSG_FIRSTHDR(mh);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(c), msg->fds, bytes);
}

int vu_message_send(int sock, VhostUserMsg *msg, int flags)
{
    union {
        char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    void *payload = msg->data ? (void *)msg->data : (void *)&msg->payload;
    struct iovec iov[2] = { { .iov_base = msg, .iov_len = VHOST_USER_HDR_SIZE },
                            { .iov_base = payload, .iov_len = msg->size } };
    struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.buf };
    size_t left = VHOST_USER_HDR_SIZE + msg->size;

    assert(msg->fd_num <= FDS_MAX);
    if (msg->fd_num > 0) {
        attach_fds(&mh, msg);
    }
    while (left > 0) {
        ssize_t n = sendmsg(sock, &mh, flags | MSG_NOSIGNAL);
        size_t step;

        if (n < 0) {
            if (((flags & MSG_DONTWAIT) && errno == EAGAIN) || !wait_again(sock, POLLOUT)) {
                return -errno;
            }
            continue;
        }
        left -= n;
        mh.msg_controllen = 0;
        step = (size_t)n < iov[0].iov_len ? (size_t)n : iov[0].iov_len;
        iov[0].iov_base = (char *)iov[0].iov_base + step;
        iov[0].iov_len -= step;
        iov[1].iov_base = (char *)iov[1].iov_base + (n - step);
        iov[1].iov_len -= n - step;
        /* A frame that has begun must be finished. */
        flags &= ~MSG_DONTWAIT;
    }
    return 0;
}

bool vu_message_reply(VuDev *dev, VhostUserMsg *msg)
{
    int rc;

    msg->flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
    vu_trace(dev, VU_TRACE_REPLY, -1, msg->request, msg->size ? msg->payload.u64 : 0,
             vu_request_name(msg->request));
    if (dev->priv->io->write_msg) {
        rc = dev->priv->io->write_msg(dev, dev->sock, msg) ? 0 : -EPIPE;
    } else {
        rc = vu_message_send(dev->sock, msg, 0);
    }
    if (rc < 0) {
        vu_panic(dev, "could not answer %s: %s", vu_request_name(msg->request), strerror(-rc));
    }
    return rc == 0;
}
