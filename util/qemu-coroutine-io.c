/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines that wait for descriptors. */
#include "qemu/osdep.h"
#include "qemu/coroutine.h"
#include "qemu/iov.h"
#include "block/aio.h"

static void wake_cb(void *opaque)
{
    aio_co_wake(opaque);
}

/* Yields until @fd is ready in the one direction. */
static void coroutine_fn co_wait_for_fd(int fd, bool for_write)
{
    AioContext *ctx = qemu_get_current_aio_context();
    Coroutine *self = qemu_coroutine_self();

    aio_set_fd_handler(ctx, fd, for_write ? NULL : wake_cb, for_write ? wake_cb : NULL, NULL, NULL,
                       self);
    qemu_coroutine_yield();
    aio_set_fd_handler(ctx, fd, NULL, NULL, NULL, NULL, NULL);
}

void coroutine_fn yield_until_fd_readable(int fd)
{
    co_wait_for_fd(fd, false);
}

ssize_t coroutine_fn qemu_co_sendv_recvv(int sockfd, struct iovec *iov, unsigned iov_cnt,
                                         size_t offset, size_t bytes, bool do_send)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t ret = iov_send_recv(sockfd, iov, iov_cnt, offset + done, bytes - done, do_send);

        if (ret > 0) {
            done += ret;
        } else if (ret < 0 && errno == EAGAIN) {
            co_wait_for_fd(sockfd, do_send);
        } else if (ret < 0 && done == 0) {
            return -errno;
        } else {
            break;
        }
    }
    return done;
}

ssize_t coroutine_fn qemu_co_send_recv(int sockfd, void *buf, size_t bytes, bool do_send)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };

    return qemu_co_sendv_recvv(sockfd, &iov, 1, 0, bytes, do_send);
}
