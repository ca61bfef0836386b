/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file accessed by io_uring in batches: what has completed is asked for anew together, as a
 * daemon can do with what a guest publishes.
 */
#include <liburing.h>
#include <sys/uio.h>

#include "vub-limit.h"

static struct io_uring ring;
static int in_flight;

static void check(int ret)
{
    if (ret < 0) {
        vub_limit_die("io_uring", -ret);
    }
}

static void prepare(VubLimit *limit, uint64_t slot)
{
    static const uint8_t operations[2][2] = {
        { IORING_OP_READ, IORING_OP_WRITE },
        { IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED },
    };
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    bool write;
    uint64_t offset = vub_pattern_next(&limit->pattern, &write) * limit->block_bytes;

    io_uring_prep_rw(operations[limit->fixed][write], sqe, 0,
                     limit->buffers + slot * limit->block_bytes, limit->block_bytes, offset);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = slot;
    in_flight++;
}

static void uring_start(VubLimit *limit)
{
    struct iovec iov = { limit->buffers, (size_t)limit->depth * limit->block_bytes };
    int ret = io_uring_queue_init(limit->depth, &ring,
                                  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

    if (ret < 0) { /* before Linux 6.1 */
        check(io_uring_queue_init(limit->depth, &ring, 0));
    }
    check(io_uring_register_files(&ring, &limit->fd, 1));
    if (limit->fixed) {
        check(io_uring_register_buffers(&ring, &iov, 1));
    }
    for (int slot = 0; slot < limit->depth; slot++) {
        prepare(limit, slot);
    }
}

/* Submit what is prepared, take what has completed, at least one. */
static void turn(VubLimit *limit, bool again)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;

    check(io_uring_submit_and_wait(&ring, 1));
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        if (cqe->res != (int)limit->block_bytes) {
            vub_limit_die("io_uring", cqe->res < 0 ? -cqe->res : 0);
        }
        seen++;
        in_flight--;
        if (again) {
            prepare(limit, cqe->user_data);
        }
    }
    io_uring_cq_advance(&ring, seen);
    limit->done += seen;
}

static void uring_step(VubLimit *limit)
{
    turn(limit, true);
}

static void uring_end(VubLimit *limit)
{
    while (in_flight) {
        turn(limit, false);
    }
}

const VubLimitWay vub_limit_uring = { "uring", uring_start, uring_step, uring_end };
