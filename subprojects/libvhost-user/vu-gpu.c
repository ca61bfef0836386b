/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket between a graphics device and the front-end's display.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vu-gpu.h"
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

/* ---- Messages ---- */

/* A message under way: head, payload in up to two parts, a descriptor or -1. */
typedef struct GpuMessage {
    VuGpuHeader head;
    struct iovec iov[3];
    int fd;
} GpuMessage;

static int wait_for_socket(int sock, short events, int timeout_ms)
{
    struct pollfd p = { .fd = sock, .events = events };
    int n = poll(&p, 1, timeout_ms);

    if (n < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    return n == 0 ? -ETIMEDOUT : 0;
}

static void attach_fd(struct msghdr *mh, int fd)
{
    struct cmsghdr *c;

    mh->msg_controllen = CMSG_SPACE(sizeof(fd));
    memset(mh->msg_control, 0, mh->msg_controllen);
    c = CMSG_FIRSTHDR(mh);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

/* Take @n bytes off the front of what is to be sent. */
static void advance(struct msghdr *mh, size_t n)
{
    while (mh->msg_iovlen > 0 && n >= mh->msg_iov->iov_len) {
        n -= mh->msg_iov->iov_len;
        mh->msg_iov++;
        mh->msg_iovlen--;
    }
    if (mh->msg_iovlen > 0) {
        mh->msg_iov->iov_base = (char *)mh->msg_iov->iov_base + n;
        mh->msg_iov->iov_len -= n;
    }
}

static int gpu_send(int sock, GpuMessage *m)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr mh = { .msg_iov = m->iov, .msg_iovlen = 3, .msg_control = control.buf };

    m->head.size = m->iov[1].iov_len + m->iov[2].iov_len;
    m->iov[0] = (struct iovec){ &m->head, sizeof(m->head) };
    if (m->fd >= 0) {
        attach_fd(&mh, m->fd);
    }
    while (mh.msg_iovlen > 0) {
        ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL);
        int rc = 0;

        if (n >= 0) {
            mh.msg_controllen = 0;
            advance(&mh, n);
        } else if (errno == EAGAIN) {
            rc = wait_for_socket(sock, POLLOUT, -1);
        } else if (errno != EINTR) {
            rc = -errno;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int receive(int sock, void *buf, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = recv(sock, (char *)buf + have, len - have, MSG_DONTWAIT);
        int rc = 0;

        if (n > 0) {
            have += n;
        } else if (n == 0) {
            return -EPIPE;
        } else if (errno == EAGAIN) {
            rc = wait_for_socket(sock, POLLIN, VU_GPU_ANSWER_TIMEOUT_MS);
        } else if (errno != EINTR) {
            rc = -errno;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Send, and read an answer of exactly @len bytes of payload. */
static int gpu_ask(int sock, GpuMessage *m, void *ret_answer, size_t len)
{
    VuGpuHeader head;
    int rc = gpu_send(sock, m);

    if (rc == 0) {
        rc = receive(sock, &head, sizeof(head));
    }
    if (rc == 0 && (head.request != m->head.request || !(head.flags & VU_GPU_REPLY_MASK) ||
                    head.size != len)) {
        rc = -EPROTO;
    }
    return rc == 0 ? receive(sock, ret_answer, len) : rc;
}

/* A message of @len bytes of payload, without descriptor. */
static GpuMessage gpu_message(VuGpuRequest request, const void *payload, size_t len)
{
    return (GpuMessage){
        .head = { .request = request },
        .iov = { [1] = { (void *)payload, len } },
        .fd = -1,
    };
}

static int gpu_tell(int sock, VuGpuRequest request, const void *payload, size_t len)
{
    GpuMessage m = gpu_message(request, payload, len);

    return gpu_send(sock, &m);
}

/* ---- What a device says ---- */

int vu_gpu_get_protocol_features(int sock, uint64_t *ret_features)
{
    GpuMessage m = gpu_message(VU_GPU_GET_PROTOCOL_FEATURES, NULL, 0);

    return gpu_ask(sock, &m, ret_features, sizeof(*ret_features));
}

int vu_gpu_set_protocol_features(int sock, uint64_t features)
{
    return gpu_tell(sock, VU_GPU_SET_PROTOCOL_FEATURES, &features, sizeof(features));
}

int vu_gpu_get_display_info(int sock, struct virtio_gpu_resp_display_info *ret_info)
{
    GpuMessage m = gpu_message(VU_GPU_GET_DISPLAY_INFO, NULL, 0);

    return gpu_ask(sock, &m, ret_info, sizeof(*ret_info));
}

int vu_gpu_get_edid(int sock, uint32_t scanout_id, struct virtio_gpu_resp_edid *ret_edid)
{
    GpuMessage m = gpu_message(VU_GPU_GET_EDID, &scanout_id, sizeof(scanout_id));

    return gpu_ask(sock, &m, ret_edid, sizeof(*ret_edid));
}

int vu_gpu_cursor_pos(int sock, const VuGpuCursorPos *pos)
{
    return gpu_tell(sock, VU_GPU_CURSOR_POS, pos, sizeof(*pos));
}

int vu_gpu_cursor_pos_hide(int sock, const VuGpuCursorPos *pos)
{
    return gpu_tell(sock, VU_GPU_CURSOR_POS_HIDE, pos, sizeof(*pos));
}

int vu_gpu_cursor_update(int sock, const VuGpuCursor *cursor)
{
    return gpu_tell(sock, VU_GPU_CURSOR_UPDATE, cursor, sizeof(*cursor));
}

int vu_gpu_scanout(int sock, const VuGpuScanout *scanout)
{
    return gpu_tell(sock, VU_GPU_SCANOUT, scanout, sizeof(*scanout));
}

int vu_gpu_update(int sock, const VuGpuArea *area, const void *pixels)
{
    GpuMessage m = gpu_message(VU_GPU_UPDATE, area, sizeof(*area));
    uint32_t bytes;

    if (__builtin_mul_overflow(area->width, area->height, &bytes) ||
        __builtin_mul_overflow(bytes, 4u, &bytes) || bytes > UINT32_MAX - sizeof(*area)) {
        return -EINVAL;
    }
    m.iov[2] = (struct iovec){ (void *)pixels, bytes };
    return gpu_send(sock, &m);
}

int vu_gpu_dmabuf_scanout(int sock, const VuGpuDmabuf *dmabuf, int fd)
{
    GpuMessage m = gpu_message(VU_GPU_DMABUF_SCANOUT, dmabuf, sizeof(*dmabuf));

    m.fd = fd;
    return gpu_send(sock, &m);
}

int vu_gpu_dmabuf_scanout2(int sock, const VuGpuDmabuf *dmabuf, uint64_t modifier, int fd)
{
    GpuMessage m = gpu_message(VU_GPU_DMABUF_SCANOUT2, dmabuf, sizeof(*dmabuf));

    m.iov[2] = (struct iovec){ &modifier, sizeof(modifier) };
    m.fd = fd;
    return gpu_send(sock, &m);
}

int vu_gpu_dmabuf_update(int sock, const VuGpuArea *area)
{
    GpuMessage m = gpu_message(VU_GPU_DMABUF_UPDATE, area, sizeof(*area));

    return gpu_ask(sock, &m, NULL, 0);
}
