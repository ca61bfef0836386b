/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user front-end made of an input's bytes.
 *
 * A message on the tape: u8 request, u8 form; then, as the form says, a request and a size of four
 * bytes, the kinds of its descriptors, a payload with its length in front.
 */
#include "qemu/osdep.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "fuzz-vu.h"

/* More than a message may carry, and than a reader makes room for. */
#define FDS_MAX     15
#define PAYLOAD_MAX 1200

enum MessageForm {
    FORM_NEED_REPLY = 1,
    FORM_FLAGS = 2,   /* a byte of flags follows */
    FORM_SIZE = 4,    /* the size that the header says follows */
    FORM_REQUEST = 8, /* a request of four bytes follows */
    FORM_FDS = 16,    /* a number of descriptors, and their kinds, follow */
    FORM_SPLIT = 32,  /* where to cut the message in two follows */
};

static int mem_fd = -1;
static uint8_t *mem;

void fuzz_front_setup(void)
{
    mem_fd = memfd_create("fuzz", MFD_CLOEXEC);
    g_assert(mem_fd >= 0 && ftruncate(mem_fd, FUZZ_MEM_SIZE) == 0);
    mem = mmap(NULL, FUZZ_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
    g_assert(mem != MAP_FAILED);
}

uint8_t *fuzz_memory(void)
{
    return mem;
}

void fuzz_front_init(FuzzFront *front, int sock)
{
    *front = (FuzzFront){ .sock = sock, .socket_end = -1 };
    for (int i = 0; i < FUZZ_FD__MAX; i++) {
        front->fds[i] = -1;
    }
    front->fds[FUZZ_FD_MEMORY] = mem_fd;
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void fuzz_front_done(FuzzFront *front)
{
    front->fds[FUZZ_FD_MEMORY] = -1;
    for (int i = 0; i < FUZZ_FD__MAX; i++) {
        close_one(&front->fds[i]);
    }
    close_one(&front->socket_end);
    close_one(&front->sock);
    memset(mem, 0, FUZZ_MEM_SIZE);
}

/* ---- Descriptors ---- */

static void make_pipe(FuzzFront *front)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        front->fds[FUZZ_FD_PIPE_READ] = ends[0];
        front->fds[FUZZ_FD_PIPE_WRITE] = ends[1];
    }
}

static void make_socket(FuzzFront *front)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
        front->fds[FUZZ_FD_SOCKET] = ends[0];
        front->socket_end = ends[1];
    }
}

static int make_small(void)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    g_assert(fd >= 0 && ftruncate(fd, 4096) == 0);
    return fd;
}

static int open_readonly(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", mem_fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void make_fd(FuzzFront *front, FuzzFdKind kind)
{
    int *fd = &front->fds[kind];

    switch (kind) {
    case FUZZ_FD_SMALL:
        *fd = make_small();
        break;
    case FUZZ_FD_PIPE_READ:
    case FUZZ_FD_PIPE_WRITE:
        make_pipe(front);
        break;
    case FUZZ_FD_SOCKET:
        make_socket(front);
        break;
    case FUZZ_FD_DGRAM:
        *fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        break;
    case FUZZ_FD_NULL:
        *fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        break;
    case FUZZ_FD_READONLY:
        *fd = open_readonly();
        break;
    case FUZZ_FD_FOLDER:
        *fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        break;
    case FUZZ_FD_EPOLL:
        *fd = epoll_create1(EPOLL_CLOEXEC);
        break;
    default:
        *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
}

int fuzz_front_fd(FuzzFront *front, FuzzFdKind kind)
{
    kind %= FUZZ_FD__MAX;
    if (front->fds[kind] < 0) {
        make_fd(front, kind);
    }
    g_assert(front->fds[kind] >= 0);
    return front->fds[kind];
}

/* ---- Messages ---- */

typedef struct Frame {
    uint8_t bytes[VHOST_USER_HDR_SIZE + PAYLOAD_MAX];
    size_t len;
    int fds[FDS_MAX];
    int nfds;
} Frame;

/* Descriptors go with the first byte. A peer that hung up is no error here. */
static void send_bytes(int sock, const uint8_t *bytes, size_t len, const int *fds, int nfds)
{
    char control[CMSG_SPACE(FDS_MAX * sizeof(int))] __attribute__((aligned(16))) = { 0 };
    struct iovec iov = { (void *)bytes, len };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (nfds) {
        struct cmsghdr *cm;

        mh.msg_control = control;
        mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        cm = CMSG_FIRSTHDR(&mh);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
    }
    if (len && sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        g_assert(errno == EPIPE || errno == ECONNRESET || errno == EAGAIN || errno == ETOOMANYREFS);
    }
}

static void send_frame(FuzzFront *front, const Frame *f, size_t cut)
{
    if (cut == 0 || cut >= f->len || !front->between) {
        send_bytes(front->sock, f->bytes, f->len, f->fds, f->nfds);
        return;
    }
    send_bytes(front->sock, f->bytes, cut, f->fds, f->nfds);
    front->between(front->opaque);
    send_bytes(front->sock, f->bytes + cut, f->len - cut, NULL, 0);
}

static void frame_header(Frame *f, uint32_t request, uint32_t flags, uint32_t size)
{
    const uint32_t header[3] = { request, flags, size };

    memcpy(f->bytes, header, sizeof(header));
    f->len = sizeof(header);
}

static void frame_init(Frame *f, uint32_t request, const void *payload, uint32_t size)
{
    g_assert(size <= PAYLOAD_MAX);
    f->nfds = 0;
    frame_header(f, request, VHOST_USER_VERSION, size);
    if (size) {
        memcpy(f->bytes + f->len, payload, size);
    }
    f->len += size;
}

void fuzz_front_send(FuzzFront *front, uint32_t request, const void *payload, uint32_t size, int fd)
{
    Frame f;

    frame_init(&f, request, payload, size);
    f.fds[0] = fd;
    f.nfds = fd >= 0;
    send_frame(front, &f, 0);
}

void fuzz_front_send_memory(FuzzFront *front, uint32_t request, const void *payload, uint32_t size,
                            int n)
{
    Frame f;

    frame_init(&f, request, payload, size);
    for (; f.nfds < n; f.nfds++) {
        f.fds[f.nfds] = mem_fd;
    }
    send_frame(front, &f, 0);
}

static void tape_fds(FuzzFront *front, FuzzTape *tape, Frame *f)
{
    f->nfds = fuzz_u8(tape) % (FDS_MAX + 1);
    for (int i = 0; i < f->nfds; i++) {
        f->fds[i] = fuzz_front_fd(front, fuzz_u8(tape));
    }
}

/* A length of one byte; 255 means that two more have it. */
static size_t tape_length(FuzzTape *tape)
{
    size_t len = fuzz_u8(tape);

    return len < 255 ? len : MIN(fuzz_u16(tape), PAYLOAD_MAX);
}

void fuzz_front_message(FuzzFront *front, FuzzTape *tape)
{
    Frame f = { .nfds = 0 };
    uint32_t request = fuzz_u8(tape);
    uint8_t form = fuzz_u8(tape);
    uint32_t flags = VHOST_USER_VERSION | (form & FORM_NEED_REPLY ? VHOST_USER_NEED_REPLY_MASK : 0);
    size_t cut = form & FORM_SPLIT ? fuzz_u8(tape) : 0;
    uint32_t size = 0;
    size_t len;

    request = form & FORM_REQUEST ? fuzz_u32(tape) : request;
    flags = form & FORM_FLAGS ? fuzz_u8(tape) : flags;
    if (form & FORM_SIZE) {
        size = fuzz_u32(tape);
    }
    if (form & FORM_FDS) {
        tape_fds(front, tape, &f);
    }
    len = tape_length(tape);
    size = form & FORM_SIZE ? size : len;
    frame_header(&f, request, flags, size);
    fuzz_bytes(tape, f.bytes + f.len, len);
    f.len += len;
    front->out_of_step = front->out_of_step || size != len;
    send_frame(front, &f, cut);
}

/* Each message of the back-end came at once. */
static void note_misses(FuzzFront *front, const uint8_t *bytes, size_t len)
{
    struct vhost_iotlb_msg miss;
    uint32_t header[3];

    while (len >= sizeof(header)) {
        memcpy(header, bytes, sizeof(header));
        if (header[2] > len - sizeof(header)) {
            return;
        }
        if (header[0] == VHOST_USER_BACKEND_IOTLB_MSG && header[2] == sizeof(miss)) {
            memcpy(&miss, bytes + sizeof(header), sizeof(miss));
            memmove(front->misses, front->misses + 1, sizeof(front->misses) - sizeof(miss.iova));
            front->misses[FUZZ_MISSES - 1] = miss.iova;
            front->nmisses = MIN(front->nmisses + 1, FUZZ_MISSES);
        }
        bytes += sizeof(header) + header[2];
        len -= sizeof(header) + header[2];
    }
}

/* Descriptors that come along are closed. Returns false when there is nothing (more) to read. */
static bool drain_some(FuzzFront *front, int sock)
{
    uint8_t bytes[4096];
    char control[CMSG_SPACE(32 * sizeof(int))] __attribute__((aligned(16)));
    struct iovec iov = { bytes, sizeof(bytes) };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n <= 0) {
        return false;
    }
    if (sock == front->socket_end) {
        note_misses(front, bytes, n);
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c)) {
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            close(fd);
        }
    }
    return true;
}

void fuzz_front_drain(FuzzFront *front)
{
    while (front->sock >= 0 && drain_some(front, front->sock)) {
    }
    while (front->socket_end >= 0 && drain_some(front, front->socket_end)) {
    }
}

/* ---- Deeds ---- */

static void deed_write(FuzzTape *tape)
{
    uint16_t offset = fuzz_u16(tape);
    size_t len = fuzz_u8(tape);

    fuzz_bytes(tape, mem + offset, MIN(len, FUZZ_MEM_SIZE - (size_t)offset));
}

static void deed_kick(FuzzFront *front, uint8_t kind)
{
    static const uint64_t one = 1;
    int fd = fuzz_front_fd(front, kind);

    kind %= FUZZ_FD__MAX;
    if (kind == FUZZ_FD_EVENT || kind == FUZZ_FD_EVENT2 || kind == FUZZ_FD_PIPE_WRITE) {
        if (write(fd, &one, sizeof(one)) < 0) {
            g_assert(errno == EAGAIN || errno == EPIPE);
        }
    }
}

void fuzz_front_deed(FuzzFront *front, FuzzDeed deed, FuzzTape *tape)
{
    uint64_t number;

    switch (deed) {
    case FUZZ_DEED_WRITE:
        deed_write(tape);
        break;
    case FUZZ_DEED_KICK:
        deed_kick(front, fuzz_u8(tape));
        break;
    case FUZZ_DEED_TRUNCATE:
        if (ftruncate(fuzz_front_fd(front, FUZZ_FD_SMALL), 0) < 0) {
            g_assert(errno == EPERM);
        }
        break;
    case FUZZ_DEED_ANSWER:
        number = fuzz_u64(tape);
        if (front->socket_end >= 0) {
            send_bytes(front->socket_end, (const uint8_t *)&number, sizeof(number), NULL, 0);
        }
        break;
    case FUZZ_DEED_HANGUP:
        close_one(&front->socket_end);
        break;
    default:
        break;
    }
}
