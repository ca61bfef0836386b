/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors that stand for a signal: kick, call, err.
 *
 * They are the client's: none may block whoever writes or reads, or end the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "vu-internal.h"

/*
 * Eventfds (anonymous inodes have no type), pipes and sockets. What else there is may block whoever
 * writes, or is readable for ever.
 */
int vu_signal_fd_prepare(int fd, bool *ret_eventfd)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    if ((st.st_mode & S_IFMT) != 0 && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) {
        return -EINVAL;
    }
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return -errno;
    }
    *ret_eventfd = (st.st_mode & S_IFMT) == 0;
    return 0;
}

/*
 * Will write() return at once? The description of the descriptor is the front-end's as well, who
 * may have made it blocking again since.
 */
static bool has_room(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return (fcntl(fd, F_GETFL) & O_NONBLOCK) || (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT));
}

static ssize_t write_pipe_now(int fd, const struct iovec *iov)
{
    ssize_t n;

    do {
        n = pwritev2(fd, iov, 1, -1, RWF_NOWAIT);
        if (n < 0 && errno == EOPNOTSUPP && has_room(fd)) {
            n = writev(fd, iov, 1);
        }
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t send_now(int fd, const uint64_t *one)
{
    ssize_t n;

    do {
        n = send(fd, one, sizeof(*one), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* A full counter is a signal that has not been heard yet; one that was interrupted is none. */
static void signal_eventfd(int fd, const uint64_t *one)
{
    ssize_t n;

    do {
        n = has_room(fd) ? write(fd, one, sizeof(*one)) : 0;
    } while (n < 0 && errno == EINTR);
}

/* A pipe whose reader is gone must not end the process. */
static void signal_pipe(int fd, const struct iovec *iov)
{
    sigset_t pipe_set, pending, old;
    bool was_pending;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    if (write_pipe_now(fd, iov) < 0 && errno == EPIPE && !was_pending) {
        const struct timespec now = { 0 };

        while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void vu_signal_fd(int fd, bool is_eventfd)
{
    uint64_t one = 1;
    const struct iovec iov = { .iov_base = &one, .iov_len = sizeof(one) };

    if (fd < 0) {
        return;
    }
    if (!is_eventfd) {
        if (send_now(fd, &one) < 0 && errno == ENOTSOCK) {
            signal_pipe(fd, &iov);
        }
    } else {
        signal_eventfd(fd, &one);
    }
}

ssize_t vu_read_fd_now(int fd, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

    return n < 0 && errno == EOPNOTSUPP ? read(fd, buf, len) : n;
}
