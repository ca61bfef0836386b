/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server: messages in and out, in as many pieces as the socket
 * gives or takes, across drains.
 *
 * Everything here runs in the trip; what has come or gone of a message stays in
 * rx and tx when the trip ends in a drain, and the next one goes on there.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "vhost-user-server-private.h"

/* Messages in */

static void vu_message_close_fds(VhostUserMsg *msg)
{
    for (int i = 0; i < msg->fd_num; i++) {
        close(msg->fds[i]);
    }
    msg->fd_num = 0;
}

/* Take over descriptors that came with the header; false with a reason logged. */
static bool vu_rx_take_fds(VuServer *server, int *fds, size_t nfds)
{
    VhostUserMsg *msg = &server->rx.msg;
    bool ok = true;

    for (size_t i = 0; i < nfds; i++) {
        Error *local_err = NULL;

        if (msg->fd_num < ARRAY_SIZE(msg->fds) && qemu_set_blocking(fds[i], false, &local_err)) {
            msg->fds[msg->fd_num++] = fds[i];
            continue;
        }
        if (ok && vu_server_may_log(server)) {
            error_report("%s: dropped the client: %s", server->name,
                         local_err ? error_get_pretty(local_err)
                                   : "more file descriptors than a message can carry");
        }
        error_free(local_err);
        close(fds[i]);
        ok = false;
    }
    return ok;
}

/* Bytes that the message has, as far as is known by now. */
static size_t vu_rx_wanted(const VuServerTransfer *rx)
{
    return rx->done < VHOST_USER_HDR_SIZE ? VHOST_USER_HDR_SIZE
                                          : VHOST_USER_HDR_SIZE + rx->msg.size;
}

/* Read what there is: 1 some bytes, 0 the end, -errno; -EAGAIN nothing now. */
static int vu_rx_some(VuServer *server)
{
    VuServerTransfer *rx = &server->rx;
    bool header = rx->done < VHOST_USER_HDR_SIZE;
    struct iovec iov = {
        .iov_base = (char *)&rx->msg + rx->done,
        .iov_len = vu_rx_wanted(rx) - rx->done,
    };
    Error *local_err = NULL;
    g_autofree int *fds = NULL;
    size_t nfds = 0;
    ssize_t n;

    n = qio_channel_readv_full(server->ioc, &iov, 1, header ? &fds : NULL, header ? &nfds : NULL, 0,
                               &local_err);
    if (!vu_rx_take_fds(server, fds, nfds)) {
        error_free(local_err);
        return -EMFILE;
    }
    if (n == QIO_CHANNEL_ERR_BLOCK) {
        return -EAGAIN;
    }
    if (n < 0) {
        if (vu_server_may_log(server)) {
            error_report("%s: dropped the client: %s", server->name, error_get_pretty(local_err));
        }
        error_free(local_err);
        return -EIO;
    }
    if (n == 0) {
        if (rx->done && vu_server_may_log(server)) {
            error_report("%s: the client left in the middle of a message (%zu of %zu bytes)",
                         server->name, rx->done, vu_rx_wanted(rx));
        }
        return 0;
    }
    rx->done += n;
    if (header && rx->done == VHOST_USER_HDR_SIZE && rx->msg.size > sizeof(rx->msg.payload)) {
        if (vu_server_may_log(server)) {
            error_report("%s: dropped the client: message %u has %u bytes of payload, "
                         "at most %zu fit",
                         server->name, (unsigned)rx->msg.request, rx->msg.size,
                         sizeof(rx->msg.payload));
        }
        return -EMSGSIZE;
    }
    return 1;
}

/* Does it come as often as requests do? */
static bool vu_is_for_ring(const VhostUserMsg *msg)
{
    return msg->request == VHOST_USER_IOTLB_MSG || msg->request == VHOST_USER_VRING_KICK;
}

/*
 * libvhost-user's vu_read_msg_cb. False with rx_paused set means: no message
 * now, ask again in the next trip; what has come by now is kept in rx.
 */
bool coroutine_fn vu_server_read_msg(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuServerTransfer *rx = &server->rx;

    while (rx->done < VHOST_USER_HDR_SIZE || rx->done < vu_rx_wanted(rx)) {
        int ret = vu_rx_some(server);

        if (ret == -EAGAIN) {
            if (!qatomic_read(&server->ctx) || vu_has_answers(vu_dev)) {
                server->rx_paused = true;
                return false;
            }
            server->rx_waited = true;
            vu_work_pause(server);
            qio_channel_yield(server->ioc, G_IO_IN);
            vu_work_resume(server);
        } else if (ret <= 0) {
            return false;
        }
    }
    trace_vu_server_message(server, vu_request_name(rx->msg.request), rx->msg.size, rx->msg.fd_num);
    if (vu_is_for_ring(&rx->msg)) {
        vu_work_is_for_ring(server);
    }
    *vmsg = rx->msg;
    memset(rx, 0, sizeof(*rx));
    return true;
}

/* Messages out */

static void vu_tx_ready(void *opaque)
{
    VuServer *server = opaque;

    server->tx_ready = true;
    vu_trip_wake(server);
}

static bool vu_tx_may_try(VuDev *vu_dev, void *opaque)
{
    VuServer *server = opaque;

    return server->tx_ready || !qatomic_read(&server->ctx) || !vu_server_serving(server);
}

/* Send what waits in tx: true when sent, or kept for the next trip; false: broken. */
bool coroutine_fn vu_server_flush(VuServer *server)
{
    VuServerTransfer *tx = &server->tx;

    while (tx->done < tx->total) {
        struct iovec iov = { (char *)&tx->msg + tx->done, tx->total - tx->done };
        int fds[ARRAY_SIZE(tx->msg.fds)]; /* the message itself is packed */
        size_t nfds = tx->msg.fd_num;
        AioContext *ctx = qatomic_read(&server->ctx);
        ssize_t n;

        memcpy(fds, tx->msg.fds, nfds * sizeof(fds[0]));
        n = qio_channel_writev_full(server->ioc, &iov, 1, nfds ? fds : NULL, nfds, 0, NULL);
        if (n >= 0) {
            tx->done += n;
            /* They went with the first piece. */
            vu_message_close_fds(&tx->msg);
        } else if (n != QIO_CHANNEL_ERR_BLOCK || !vu_server_serving(server)) {
            return false;
        } else if (!ctx) {
            return true;
        } else {
            server->tx_ready = false;
            aio_set_fd_handler(ctx, server->sioc->fd, NULL, vu_tx_ready, NULL, NULL, server);
            vu_trip_wait(server, vu_tx_may_try, server);
            aio_set_fd_handler(ctx, server->sioc->fd, NULL, NULL, NULL, NULL, NULL);
        }
    }
    tx->total = tx->done = 0;
    return true;
}

/*
 * VuIoOps: answers go out one at a time; the trip sends the rest before it
 * reads on. The rest may outlive this call, so its descriptors are duplicates.
 */
bool coroutine_fn vu_server_write_msg(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg)
{
    VuServer *server = container_of(vu_dev, VuServer, vu_dev);
    VuServerTransfer *tx = &server->tx;

    assert(!tx->total);
    assert(vmsg->size <= sizeof(tx->msg.payload));
    tx->msg = *vmsg;
    if (vmsg->data) {
        memcpy(&tx->msg.payload, vmsg->data, vmsg->size);
    }
    tx->total = VHOST_USER_HDR_SIZE + vmsg->size;
    for (int i = 0; i < vmsg->fd_num; i++) {
        tx->msg.fds[i] = fcntl(vmsg->fds[i], F_DUPFD_CLOEXEC, 0);
        if (tx->msg.fds[i] < 0) {
            const char *reason = strerror(errno);

            tx->msg.fd_num = i;
            vu_message_close_fds(&tx->msg);
            if (vu_server_may_log(server)) {
                error_report("%s: cannot answer the client: %s", server->name, reason);
            }
            return false;
        }
    }
    return vu_server_flush(server);
}

void vu_server_drop_transfers(VuServer *server)
{
    vu_message_close_fds(&server->rx.msg);
    vu_message_close_fds(&server->tx.msg);
    memset(&server->rx, 0, sizeof(server->rx));
    memset(&server->tx, 0, sizeof(server->tx));
}
