/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front-end that does not kick: a timer kicks in its stead.
 *
 * The library has no thread of its own that could look at a ring all the time, so polling means to
 * look often: every 250 us while there is something to do. After some looks in vain the interval
 * doubles again and again, so that an idle ring costs next to nothing; the price is that the first
 * request after a pause may wait for as long as the longest interval. A front-end that cares
 * should kick.
 */
#include <errno.h>
#include <sys/timerfd.h>

#include "vu-internal.h"

#define INTERVAL_MIN_NS (250 * 1000)
#define INTERVAL_MAX_NS (128 * INTERVAL_MIN_NS)
/* Looks in vain at one interval. */
#define PATIENCE 8

static int set_interval(int fd, long ns)
{
    const struct itimerspec each = { .it_interval.tv_nsec = ns, .it_value.tv_nsec = ns };

    return timerfd_settime(fd, 0, &each, NULL);
}

int vu_poll_timer_new(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd >= 0 && set_interval(fd, INTERVAL_MIN_NS) < 0) {
        vu_close_fd(&fd);
    }
    return fd;
}

void vu_poll_looked(VuVirtq *vq, bool found)
{
    uint32_t interval = vq->poll_interval_ns ? vq->poll_interval_ns : INTERVAL_MIN_NS;

    if (found) {
        interval = INTERVAL_MIN_NS;
        vq->poll_vain = 0;
    } else if (++vq->poll_vain >= PATIENCE && interval < INTERVAL_MAX_NS) {
        interval *= 2;
        vq->poll_vain = 0;
    }
    if (interval != vq->poll_interval_ns) {
        vq->poll_interval_ns = interval;
        set_interval(vq->kick_fd, interval);
    }
}
