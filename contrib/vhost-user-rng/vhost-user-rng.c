/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A random number generator (virtio 1.2, section 5.4) for a guest, out of a file or device.
 *
 * Requests wait while the budget of the present period is used up, or while the source has nothing
 * to give; a timer or the source itself has the queue looked at again.
 */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "contrib/vhost-user-common/vhost-user-backend.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/timer.h"

#define MAX_IOV 64

typedef struct VuRng {
    VuBackend backend;
    int fd;
    QEMUTimer *timer; /* runs from the first byte of a period to its end */
    int64_t budget;   /* bytes that this period has left; queue's thread */
    bool watching;    /* the source has to be waited for; queue's thread */
} VuRng;

static char *opt_filename;
static gint64 opt_max_bytes = INT64_MAX;
static int opt_period_ms = 1000;

static const GOptionEntry rng_options[] = {
    { "filename", 0, 0, G_OPTION_ARG_FILENAME, &opt_filename,
      "where the random bytes come from (default /dev/urandom)", "PATH" },
    { "max-bytes", 0, 0, G_OPTION_ARG_INT64, &opt_max_bytes,
      "give the guest no more than this in a period (default: any number)", "BYTES" },
    { "period", 0, 0, G_OPTION_ARG_INT, &opt_period_ms, "the length of a period (default 1000)",
      "MS" },
    {}
};

/* The source has something again, or a new period has begun. */
static void rng_again(VuRng *rng)
{
    vu_backend_kick_queue(&rng->backend, 0);
}

static void rng_source_ready(void *opaque)
{
    VuRng *rng = opaque;

    aio_set_fd_handler(qemu_get_current_aio_context(), rng->fd, NULL, NULL, NULL, NULL, NULL);
    rng->watching = false;
    rng_again(rng);
}

static void rng_period_over(void *opaque)
{
    VuRng *rng = opaque;

    rng->budget = opt_max_bytes;
    rng_again(rng);
}

static void rng_spend(VuRng *rng, ssize_t bytes)
{
    rng->budget -= bytes;
    if (opt_max_bytes != INT64_MAX && !timer_pending(rng->timer)) {
        timer_mod(rng->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + opt_period_ms);
    }
}

/* Bytes written to the request, or -errno. */
static ssize_t rng_fill(VuRng *rng, const VuVirtqElement *elem)
{
    struct iovec iov[MAX_IOV];
    unsigned n = iov_copy(iov, MAX_IOV, elem->in_sg, elem->in_num, 0, rng->budget);
    ssize_t ret = n ? RETRY_ON_EINTR(readv(rng->fd, iov, n)) : 0;

    return ret < 0 ? -errno : ret;
}

static void rng_handle_queue(VuBackend *backend, VuVirtq *vq)
{
    VuRng *rng = container_of(backend, VuRng, backend);
    VuDev *dev = &backend->server.vu_dev;
    VuVirtqElement *elem;

    while (rng->budget > 0 && !rng->watching && (elem = vu_queue_pop(dev, vq, sizeof(*elem)))) {
        ssize_t ret = rng_fill(rng, elem);

        if (ret == -EAGAIN) {
            vu_queue_unpop(dev, vq, elem, 0);
            rng->watching = true;
            aio_set_fd_handler(qemu_get_current_aio_context(), rng->fd, rng_source_ready, NULL,
                               NULL, NULL, rng);
        } else {
            if (ret < 0) {
                error_report_once("cannot read random bytes: %s", strerror(-ret));
            }
            vu_queue_push(dev, vq, elem, MAX(ret, 0));
            rng_spend(rng, MAX(ret, 0));
        }
        free(elem);
    }
    vu_queue_notify(dev, vq);
}

static bool rng_realize(VuBackend *backend, Error **errp)
{
    VuRng *rng = container_of(backend, VuRng, backend);
    const char *filename = opt_filename ?: "/dev/urandom";

    if (opt_max_bytes <= 0 || opt_period_ms <= 0) {
        error_setg(errp, "--max-bytes=%" PRId64 " --period=%d: both must be above 0", opt_max_bytes,
                   opt_period_ms);
        return false;
    }
    rng->fd = qemu_open(filename, O_RDONLY | O_NONBLOCK, errp);
    if (rng->fd < 0) {
        return false;
    }
    rng->budget = opt_max_bytes;
    rng->timer = aio_timer_new(vu_backend_queue_context(backend, 0), QEMU_CLOCK_REALTIME, SCALE_MS,
                               rng_period_over, rng);
    return true;
}

static void rng_stop_bh(void *opaque)
{
    VuRng *rng = opaque;

    aio_set_fd_handler(qemu_get_current_aio_context(), rng->fd, NULL, NULL, NULL, NULL, NULL);
    timer_free(rng->timer);
}

static void rng_unrealize(VuBackend *backend)
{
    VuRng *rng = container_of(backend, VuRng, backend);

    aio_wait_bh_oneshot(vu_backend_queue_context(backend, 0), rng_stop_bh, rng);
    close(rng->fd);
}

static const VuBackendClass rng_class = {
    .type = "rng",
    .summary = "A random number generator for a virtual machine, by vhost-user.",
    .options = rng_options,
    .num_queues = 1,
    .handle_queue = rng_handle_queue,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
};

int main(int argc, char **argv)
{
    static VuRng rng;

    return vu_backend_main(argc, argv, &rng_class, &rng.backend);
}
