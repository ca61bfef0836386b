/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on a socket: transfers, with the descriptors that go along (unix(7)). */
#include "qemu/osdep.h"
#include "io/channel-socket.h"
#include "qapi/error.h"

#include "channel-socket-msg.h"
#include "trace.h"

/* The most descriptors that Linux passes with one message (its SCM_MAX_FD). */
#define MAX_FDS 253

typedef union FdControl {
    char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct cmsghdr align;
} FdControl;

/* Take the descriptors out of @msg. The kernel installs no more than the buffer holds. */
static void collect_fds(struct msghdr *msg, int **fds, size_t *nfds)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        size_t n;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
            cmsg->cmsg_len < CMSG_LEN(sizeof(int))) {
            continue;
        }
        n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        *fds = g_renew(int, *fds, *nfds + n);
        memcpy(*fds + *nfds, CMSG_DATA(cmsg), n * sizeof(int));
        *nfds += n;
    }
}

static void drop_fds(int **fds, size_t *nfds)
{
    for (size_t i = 0; i < *nfds; i++) {
        close((*fds)[i]);
    }
    g_clear_pointer(fds, g_free);
    *nfds = 0;
}

/* The kernel does not say why it has kept some back; mostly there may be no more in the process. */
static void report_lost_fds(QIOChannel *ioc, Error **errp)
{
    static const char what[] = "Unable to receive all file descriptors that came with the data";
    int one_more = fcntl(QIO_CHANNEL_SOCKET(ioc)->fd, F_DUPFD_CLOEXEC, 0);

    if (one_more < 0) {
        error_setg_errno(errp, errno, "%s", what);
    } else {
        close(one_more);
        error_setg(errp, "%s", what);
    }
}

/* What the caller was promised about descriptors; all of them or none. */
static bool settle_fds(QIOChannel *ioc, int **fds, size_t *nfds, bool truncated, int flags,
                       Error **errp)
{
    bool ok = !truncated;

    if (truncated) {
        report_lost_fds(ioc, errp);
    }
    if (!(flags & QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING)) {
        for (size_t i = 0; ok && i < *nfds; i++) {
            ok = qemu_set_blocking((*fds)[i], true, errp);
        }
    }
    if (!ok) {
        trace_qio_channel_socket_fds_lost(ioc, *nfds);
        drop_fds(fds, nfds);
    }
    return ok;
}

ssize_t qio_channel_socket_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                                 size_t *nfds, int flags, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    int sflags = (flags & QIO_CHANNEL_READ_FLAG_MSG_PEEK) ? MSG_PEEK : 0;
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = MIN(niov, IOV_MAX) };
    FdControl control;
    ssize_t len;

    /* Without room for them the kernel closes descriptors itself. */
    if (fds) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control.buf);
        sflags |= MSG_CMSG_CLOEXEC;
    }
    len = RETRY_ON_EINTR(recvmsg(sioc->fd, &msg, sflags));
    if (len < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return QIO_CHANNEL_ERR_BLOCK;
        }
        error_setg_errno(errp, errno, "Unable to read from socket");
        return -1;
    }
    if (fds) {
        collect_fds(&msg, fds, nfds);
        if (!settle_fds(ioc, fds, nfds, msg.msg_flags & MSG_CTRUNC, flags, errp)) {
            return -1;
        }
    }
    return len;
}

ssize_t qio_channel_socket_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                                  size_t nfds, int flags, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = MIN(niov, IOV_MAX) };
    FdControl control;
    ssize_t len;

    if (nfds > MAX_FDS) {
        error_setg(errp, "Only %d file descriptors can be sent at once, got %zu", MAX_FDS, nfds);
        return -1;
    }
    if (nfds) {
        struct cmsghdr *cmsg = &control.align;
        size_t size = nfds * sizeof(int);

        memset(control.buf, 0, CMSG_SPACE(size));
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(size);
        cmsg->cmsg_len = CMSG_LEN(size);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(cmsg), fds, size);
    }
    len = RETRY_ON_EINTR(sendmsg(sioc->fd, &msg, MSG_NOSIGNAL));
    if (len < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return QIO_CHANNEL_ERR_BLOCK;
        }
        error_setg_errno(errp, errno, "Unable to write to socket");
        return -1;
    }
    return len;
}
