/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs to wake up a thread: hosts differ by a factor of twenty, with the processors' idle
 * states, and virtual machines whose processors halt.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/wakeup-cost.h"

enum {
    ROUNDS = 5,
    ASLEEP_US = 60, /* after that a thread that waits is asleep, and its processor idle */
};

typedef struct Sleeper {
    int wake_fd, done_fd;
    int64_t woken[ROUNDS]; /* ns of the clock, before wake_fd was written to */
    int64_t cost[ROUNDS];
} Sleeper;

static void *sleeper_run(void *opaque)
{
    Sleeper *s = opaque;
    uint64_t value;

    for (int i = 0; i < ROUNDS; i++) {
        if (RETRY_ON_EINTR(read(s->wake_fd, &value, sizeof(value))) < 0) {
            break;
        }
        s->cost[i] = get_clock() - qatomic_load_acquire(&s->woken[i]);
        value = 1;
        if (RETRY_ON_EINTR(write(s->done_fd, &value, sizeof(value))) < 0) {
            break;
        }
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t measure(Sleeper *s)
{
    QemuThread thread;
    uint64_t value;

    if (qemu_thread_try_create(&thread, "wakeup-cost", sleeper_run, s, QEMU_THREAD_JOINABLE) < 0) {
        return 0;
    }
    for (int i = 0; i < ROUNDS; i++) {
        g_usleep(ASLEEP_US);
        value = 1;
        qatomic_store_release(&s->woken[i], get_clock());
        if (RETRY_ON_EINTR(write(s->wake_fd, &value, sizeof(value))) < 0 ||
            RETRY_ON_EINTR(read(s->done_fd, &value, sizeof(value))) < 0) {
            break;
        }
    }
    qemu_thread_join(&thread);
    qsort(s->cost, ROUNDS, sizeof(s->cost[0]), by_size);
    return CLAMP(s->cost[ROUNDS / 2], 0, WAKEUP_COST_MAX_NS);
}

int64_t qemu_wakeup_cost_ns(void)
{
    static int64_t cost = -1;
    Sleeper s = {};

    if (cost < 0) {
        s.wake_fd = eventfd(0, EFD_CLOEXEC);
        s.done_fd = eventfd(0, EFD_CLOEXEC);
        cost = s.wake_fd >= 0 && s.done_fd >= 0 ? measure(&s) : 0;
        if (s.wake_fd >= 0) {
            close(s.wake_fd);
        }
        if (s.done_fd >= 0) {
            close(s.done_fd);
        }
    }
    return cost;
}
