/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flag that a poll loop can wait for. */
#include "qemu/osdep.h"
#include "qemu/event_notifier.h"
#include <sys/eventfd.h>

void event_notifier_init_fd(EventNotifier *e, int fd)
{
    e->rfd = fd;
    e->wfd = fd;
    e->initialized = true;
}

static int init_pipe(EventNotifier *e)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -errno;
    }
    e->rfd = fds[0];
    e->wfd = fds[1];
    return 0;
}

int event_notifier_init(EventNotifier *e, int active)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int ret = 0;

    if (fd >= 0) {
        event_notifier_init_fd(e, fd);
    } else {
        /* Only for want of the system call; want of descriptors would hit the pipe as well. */
        ret = errno == ENOSYS ? init_pipe(e) : -errno;
        if (ret < 0) {
            return ret;
        }
        e->initialized = true;
    }
    return active ? event_notifier_set(e) : 0;
}

void event_notifier_cleanup(EventNotifier *e)
{
    if (!e->initialized) {
        return;
    }
    if (e->wfd != e->rfd) {
        close(e->wfd);
    }
    close(e->rfd);
    e->rfd = -1;
    e->wfd = -1;
    e->initialized = false;
}

int event_notifier_get_fd(const EventNotifier *e)
{
    return e->rfd;
}

int event_notifier_get_wfd(const EventNotifier *e)
{
    return e->wfd;
}

int event_notifier_set(EventNotifier *e)
{
    static const uint64_t one = 1;
    ssize_t ret;

    if (!e->initialized) {
        return -1;
    }
    ret = RETRY_ON_EINTR(write(e->wfd, &one, sizeof(one)));
    /* Full means set. */
    return ret < 0 && errno != EAGAIN ? -errno : 0;
}

int event_notifier_test_and_clear(EventNotifier *e)
{
    char buffer[512];
    bool was_set = false;
    ssize_t len;

    if (!e->initialized) {
        return 0;
    }
    /* An eventfd is empty after one read; a pipe may hold more than one buffer. */
    do {
        len = RETRY_ON_EINTR(read(e->rfd, buffer, sizeof(buffer)));
        was_set |= len > 0;
    } while (len == sizeof(buffer));
    return was_set;
}
