/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings for a process that takes its own rights away: io_uring-guard.h says how. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "util/io_uring-guard.h"
#include <sys/syscall.h>

typedef struct StoredRing {
    struct io_uring ring;
    struct io_uring_params params;
    unsigned flags; /* as asked for */
    QSIMPLEQ_ENTRY(StoredRing) next;
} StoredRing;

/* What waits (fdmon-io_uring.c) and what moves data (block/file-posix-aio.c), and no more. */
static const uint8_t allowed_ops[] = {
    IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_READ,  IORING_OP_READV,
    IORING_OP_WRITE,    IORING_OP_WRITEV,      IORING_OP_FSYNC,
};

/* Large requests are moved by the kernel's own threads. */
#define ALLOWED_FLAGS IOSQE_ASYNC

static bool guarded;
static QemuMutex store_lock;
static QSIMPLEQ_HEAD(, StoredRing) store = QSIMPLEQ_HEAD_INITIALIZER(store);

static void __attribute__((constructor)) store_init(void)
{
    qemu_mutex_init(&store_lock);
}

void uring_guard_begin(void)
{
    qatomic_set(&guarded, true);
}

bool uring_guard_active(void)
{
    return qatomic_read(&guarded);
}

/* Flags of a request and operations of io_uring_register() that are not named are forbidden. */
static int restrict_ring(int fd)
{
    struct io_uring_restriction rows[ARRAY_SIZE(allowed_ops) + 1] = {
        { .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = ALLOWED_FLAGS },
    };

    for (size_t i = 0; i < ARRAY_SIZE(allowed_ops); i++) {
        rows[i + 1].opcode = IORING_RESTRICTION_SQE_OP;
        rows[i + 1].sqe_op = allowed_ops[i];
    }
    return syscall(__NR_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS, rows,
                   ARRAY_SIZE(rows)) < 0
               ? -errno
               : 0;
}

static int make_guarded(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    int ret;

    params->flags |= IORING_SETUP_R_DISABLED;
    ret = io_uring_queue_init_params(entries, ring, params);
    if (ret < 0) {
        return ret;
    }
    ret = restrict_ring(ring->ring_fd);
    if (ret < 0) {
        io_uring_queue_exit(ring);
    }
    return ret;
}

static StoredRing *take_from_store(unsigned flags)
{
    StoredRing *stored;

    QEMU_LOCK_GUARD(&store_lock);
    QSIMPLEQ_FOREACH (stored, &store, next) {
        if (stored->flags == flags) {
            QSIMPLEQ_REMOVE(&store, stored, StoredRing, next);
            break;
        }
    }
    return stored;
}

int uring_guard_init(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    const unsigned flags = params->flags;
    StoredRing *stored;
    int ret;

    if (!uring_guard_active()) {
        return io_uring_queue_init_params(entries, ring, params);
    }
    ret = make_guarded(entries, ring, params);
    if (ret != -EPERM && ret != -ENOSYS) {
        return ret;
    }
    stored = take_from_store(flags);
    if (!stored) {
        return ret;
    }
    *ring = stored->ring;
    *params = stored->params;
    g_free(stored);
    return 0;
}

int uring_guard_store(unsigned count, unsigned entries, const struct io_uring_params *params)
{
    while (count--) {
        StoredRing *stored = g_new0(StoredRing, 1);
        int ret;

        stored->params = *params;
        stored->flags = params->flags;
        ret = make_guarded(entries, &stored->ring, &stored->params);
        if (ret < 0) {
            g_free(stored);
            return ret;
        }
        QEMU_LOCK_GUARD(&store_lock);
        QSIMPLEQ_INSERT_TAIL(&store, stored, next);
    }
    return 0;
}
