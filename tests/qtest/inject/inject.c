/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library to preload into a daemon: its system calls are interrupted, would block, and do less
 * than they were asked for, at random and no other than a kernel could.
 *
 * Theory of operation: each function here has the name of one of libc's or liburing's, throws dice,
 * and calls the real one or does not. Descriptors are looked at first: only what does not block may
 * say EAGAIN, an event counter that cannot be written to is one that is full, and only streams and
 * files are transferred in part.
 *
 * INJECT_SEED chooses the sequence of dice, INJECT_RATE=N has every Nth call fail, and
 * INJECT_COUNTERS is a file of 64-bit numbers that tell how often that happened: interrupted, would
 * block, short, in a ring; then, how many writes to files were an IOThread's own, and how many
 * other threads'. Such a write takes INJECT_SLOW_US microseconds more while there is a file of the
 * name INJECT_SLOW_FILE; those of other threads than IOThreads wait while there is one of the name
 * INJECT_HELD_FILE. INJECT_FSYNC_FAILURES=N has the first N calls of fdatasync() fail with
 * EIO.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    INTERRUPTED,
    WOULD_BLOCK,
    SHORT,
    IN_RING,
    LOOP_WRITES,
    OTHER_WRITES,
    COUNTERS
};

static _Atomic uint64_t spare_counters[COUNTERS];
static _Atomic uint64_t *counters = spare_counters;
static _Atomic uint64_t dice;
static _Atomic long fsync_failures;
static unsigned long rate;
static unsigned long slow_us;
static const char *slow_file;
static const char *held_file;

static unsigned long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : 0;
}

static void __attribute__((constructor)) init(void)
{
    const char *path = getenv("INJECT_COUNTERS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    dice = number("INJECT_SEED");
    fsync_failures = number("INJECT_FSYNC_FAILURES");
    if (fd >= 0) {
        void *p = mmap(NULL, sizeof(spare_counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        counters = p == MAP_FAILED ? spare_counters : p;
        close(fd);
    }
    rate = number("INJECT_RATE");
    slow_us = number("INJECT_SLOW_US");
    slow_file = getenv("INJECT_SLOW_FILE");
    held_file = getenv("INJECT_HELD_FILE");
}

/* A number that looks random; the next one is another. */
static uint64_t throw(void)
{
    uint64_t x = atomic_fetch_add(&dice, 0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static bool hit(void)
{
    return rate && throw() % rate == 0;
}

static void count(int what)
{
    atomic_fetch_add(&counters[what], 1);
}

static bool fails(int what, int error)
{
    if (!hit()) {
        return false;
    }
    count(what);
    errno = error;
    return true;
}

/* By the name that a daemon's thread has. */
static void file_write(void)
{
    char name[16] = "";
    bool loop;

    prctl(PR_GET_NAME, name);
    loop = strncmp(name, "IO ", 3) == 0;
    count(loop ? LOOP_WRITES : OTHER_WRITES);
    while (!loop && held_file && access(held_file, F_OK) == 0) {
        usleep(1000);
    }
    if (slow_file && access(slow_file, F_OK) == 0) {
        usleep(slow_us);
    }
}

static bool interrupted(void)
{
    return fails(INTERRUPTED, EINTR);
}

static bool would_block(int fd)
{
    int flags = rate ? fcntl(fd, F_GETFL) : -1;

    return flags >= 0 && (flags & O_NONBLOCK) && fails(WOULD_BLOCK, EAGAIN);
}

/* May @fd transfer a part of what it is asked for? */
static bool can_be_short(int fd)
{
    struct stat st;

    return rate && fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
}

static bool is_socket(int fd)
{
    struct stat st;

    return rate && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* How much of @len to ask for: at least 1, and what direct I/O can do if it was such a length. */
static size_t shortened(int fd, size_t len)
{
    size_t unit = len % 4096 ? 1 : 4096, part;

    if (len <= unit || !can_be_short(fd) || !hit()) {
        return len;
    }
    count(SHORT);
    part = throw() % len;
    part -= part % unit;
    return part ? part : unit;
}

/* A copy of the first bytes of @iov, @n buffers at most; how many buffers there are. */
static int shortened_iov(int fd, const struct iovec *iov, int n, struct iovec *copy)
{
    size_t total = 0, part;
    int i;

    for (i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    part = shortened(fd, total);
    for (i = 0; i < n && part > 0; i++) {
        copy[i] = iov[i];
        if (copy[i].iov_len > part) {
            copy[i].iov_len = part;
        }
        part -= copy[i].iov_len;
    }
    return total ? i : n;
}

#define REAL(name)                                                 \
    static __typeof__(&name) real;                                 \
    if (!real) {                                                   \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, NAME_OF(name)); \
    }
/* With 64-bit offsets libc's names have them too. */
#define NAME_OF(name) #name

ssize_t read(int fd, void *buf, size_t len)
{
    REAL(read);
    if (interrupted() || would_block(fd)) {
        return -1;
    }
    return real(fd, buf, shortened(fd, len));
}

ssize_t write(int fd, const void *buf, size_t len)
{
    REAL(write);
    if (interrupted() || (is_socket(fd) && would_block(fd))) {
        return -1;
    }
    return real(fd, buf, shortened(fd, len));
}

ssize_t readv(int fd, const struct iovec *iov, int n)
{
    struct iovec copy[IOV_MAX];

    REAL(readv);
    if (interrupted() || would_block(fd)) {
        return -1;
    }
    n = n > 0 && n <= IOV_MAX ? shortened_iov(fd, iov, n, copy) : n;
    return real(fd, n > 0 && n <= IOV_MAX ? copy : iov, n);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    struct iovec copy[IOV_MAX];

    REAL(writev);
    if (interrupted() || (is_socket(fd) && would_block(fd))) {
        return -1;
    }
    n = n > 0 && n <= IOV_MAX ? shortened_iov(fd, iov, n, copy) : n;
    return real(fd, n > 0 && n <= IOV_MAX ? copy : iov, n);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    REAL(send);
    if (interrupted() || would_block(fd)) {
        return -1;
    }
    return real(fd, buf, shortened(fd, len), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct iovec copy[IOV_MAX];
    struct msghdr part = *msg;

    REAL(sendmsg);
    if (interrupted() || would_block(fd)) {
        return -1;
    }
    part.msg_iovlen = shortened_iov(fd, msg->msg_iov, msg->msg_iovlen, copy);
    part.msg_iov = copy;
    return real(fd, &part, flags);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct iovec copy[IOV_MAX], *iov = msg->msg_iov;
    size_t n = msg->msg_iovlen;
    ssize_t ret;

    REAL(recvmsg);
    if (interrupted() || would_block(fd)) {
        return -1;
    }
    msg->msg_iovlen = shortened_iov(fd, iov, n, copy);
    msg->msg_iov = copy;
    ret = real(fd, msg, flags);
    msg->msg_iov = iov;
    msg->msg_iovlen = n;
    return ret;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    REAL(accept4);
    return interrupted() || would_block(fd) ? -1 : real(fd, addr, len, flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    REAL(poll);
    return interrupted() ? -1 : real(fds, n, timeout);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    REAL(ppoll);
    return interrupted() ? -1 : real(fds, n, timeout, mask);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    REAL(epoll_wait);
    return interrupted() ? -1 : real(fd, events, n, timeout);
}

#undef NAME_OF
#define NAME_OF(name) #name "64"

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
    REAL(pread);
    return interrupted() ? -1 : real(fd, buf, shortened(fd, len), offset);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    REAL(pwrite);
    file_write();
    return interrupted() ? -1 : real(fd, buf, shortened(fd, len), offset);
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
    struct iovec copy[IOV_MAX];

    REAL(preadv);
    if (interrupted()) {
        return -1;
    }
    n = shortened_iov(fd, iov, n, copy);
    return real(fd, copy, n, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    REAL(fallocate);
    return interrupted() ? -1 : real(fd, mode, offset, len);
}

#undef NAME_OF
#define NAME_OF(name) "pwritev64v2"

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    struct iovec copy[IOV_MAX];

    REAL(pwritev2);
    file_write();
    if (interrupted()) {
        return -1;
    }
    n = shortened_iov(fd, iov, n, copy);
    return real(fd, copy, n, offset, flags);
}

#undef NAME_OF
#define NAME_OF(name) #name

int fdatasync(int fd)
{
    REAL(fdatasync);
    if (fsync_failures > 0 && atomic_fetch_sub(&fsync_failures, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return interrupted() ? -1 : real(fd);
}

#ifdef CONFIG_LINUX_IO_URING
#include <liburing.h>

/* Has some of the requests that are about to be submitted transfer less. */
static void shorten_requests(struct io_uring *ring)
{
    unsigned mask = *ring->sq.kring_mask;

    for (unsigned head = ring->sq.sqe_head; head != ring->sq.sqe_tail; head++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[head & mask];
        bool vector = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;

        if (vector && sqe->len > 1 && sqe->len <= IOV_MAX) {
            /* Buffers of a direct transfer are whole blocks each. */
            sqe->len = hit() ? (count(IN_RING), sqe->len / 2) : sqe->len;
        } else if (sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_WRITE) {
            size_t part = shortened(sqe->fd, sqe->len);

            if (part != sqe->len) {
                count(IN_RING);
                sqe->len = part;
            }
        }
    }
}

static bool ring_fails(struct io_uring *ring, int *ret)
{
    if (hit()) {
        count(IN_RING);
        *ret = throw() % 2 ? -EINTR : -EAGAIN;
        return true;
    }
    shorten_requests(ring);
    return false;
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    int ret;

    REAL(io_uring_submit_and_wait);
    return ring_fails(ring, &ret) ? ret : real(ring, n);
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
    int ret;

    REAL(io_uring_submit_and_get_events);
    return ring_fails(ring, &ret) ? ret : real(ring);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
                                     struct __kernel_timespec *ts, sigset_t *mask)
{
    int ret;

    REAL(io_uring_submit_and_wait_timeout);
    return ring_fails(ring, &ret) ? ret : real(ring, cqe, n, ts, mask);
}
#endif
