/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scattered memory: struct iovec arrays and QEMUIOVector.
 *
 * Theory of operation: everything that touches bytes walks by IOVWalk, which yields one contiguous
 * piece after the other of a range of an array.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/cutils.h"
#include <sys/socket.h>

size_t iov_size(const struct iovec *iov, const unsigned int iov_cnt)
{
    size_t size = 0;

    for (unsigned i = 0; i < iov_cnt; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

typedef struct IOVWalk {
    const struct iovec *iov;
    const struct iovec *end;
    size_t skip; /* bytes of *iov that lie before the range */
    size_t left; /* bytes of the range */
} IOVWalk;

/* @offset may not lie past the end. */
static IOVWalk iov_walk(const struct iovec *iov, unsigned cnt, size_t offset, size_t bytes)
{
    IOVWalk w = { .iov = iov, .end = iov + cnt, .skip = offset, .left = bytes };

    while (w.iov < w.end && w.skip >= w.iov->iov_len) {
        w.skip -= w.iov->iov_len;
        w.iov++;
    }
    assert(w.skip == 0 || w.iov < w.end);
    return w;
}

/* The next piece; its length is 0 at the end. */
static struct iovec iov_walk_next(IOVWalk *w)
{
    struct iovec piece = { 0 };

    while (w->left && piece.iov_len == 0 && w->iov < w->end) {
        piece.iov_base = (char *)w->iov->iov_base + w->skip;
        piece.iov_len = MIN(w->iov->iov_len - w->skip, w->left);
        w->left -= piece.iov_len;
        w->skip = 0;
        w->iov++;
    }
    return piece;
}

size_t iov_from_buf_full(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                         const void *buf, size_t bytes)
{
    IOVWalk w = iov_walk(iov, iov_cnt, offset, bytes);
    struct iovec piece;
    size_t done = 0;

    while ((piece = iov_walk_next(&w)).iov_len) {
        memcpy(piece.iov_base, (const char *)buf + done, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t iov_to_buf_full(const struct iovec *iov, const unsigned int iov_cnt, size_t offset,
                       void *buf, size_t bytes)
{
    IOVWalk w = iov_walk(iov, iov_cnt, offset, bytes);
    struct iovec piece;
    size_t done = 0;

    while ((piece = iov_walk_next(&w)).iov_len) {
        memcpy((char *)buf + done, piece.iov_base, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t iov_memset(const struct iovec *iov, const unsigned int iov_cnt, size_t offset, int fillc,
                  size_t bytes)
{
    IOVWalk w = iov_walk(iov, iov_cnt, offset, bytes);
    struct iovec piece;
    size_t done = 0;

    while ((piece = iov_walk_next(&w)).iov_len) {
        memset(piece.iov_base, fillc, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

unsigned iov_copy(struct iovec *dst_iov, unsigned int dst_iov_cnt, const struct iovec *iov,
                  unsigned int iov_cnt, size_t offset, size_t bytes)
{
    IOVWalk w = iov_walk(iov, iov_cnt, offset, bytes);
    unsigned n = 0;

    while (n < dst_iov_cnt && (dst_iov[n] = iov_walk_next(&w)).iov_len) {
        n++;
    }
    return n;
}

/* One sendmsg() or recvmsg() of as much of the range as one call takes. */
static ssize_t transfer_once(int sockfd, IOVWalk w, bool do_send)
{
    struct iovec local[64];
    struct msghdr msg = { .msg_iov = local };

    while (msg.msg_iovlen < ARRAY_SIZE(local) &&
           (local[msg.msg_iovlen] = iov_walk_next(&w)).iov_len) {
        msg.msg_iovlen++;
    }
    return RETRY_ON_EINTR(do_send ? sendmsg(sockfd, &msg, 0) : recvmsg(sockfd, &msg, 0));
}

ssize_t iov_send_recv(int sockfd, const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                      size_t bytes, bool do_send)
{
    size_t total = 0;

    while (total < bytes) {
        IOVWalk w = iov_walk(iov, iov_cnt, offset + total, bytes - total);
        ssize_t ret;

        if (w.iov == w.end) {
            break;
        }
        ret = transfer_once(sockfd, w, do_send);
        if (ret < 0 && total == 0) {
            return -1;
        }
        if (ret <= 0) {
            break;
        }
        total += ret;
    }
    return total;
}

void iov_hexdump(const struct iovec *iov, const unsigned int iov_cnt, FILE *fp, const char *prefix,
                 size_t limit)
{
    size_t size = MIN(iov_size(iov, iov_cnt), limit);
    g_autofree char *buf = g_malloc(size);

    iov_to_buf(iov, iov_cnt, 0, buf, size);
    qemu_hexdump(fp, prefix, buf, size);
}

/* Notes in @undo (may be NULL) what @elem was before it is changed. */
static void note_for_undo(IOVDiscardUndo *undo, struct iovec *elem)
{
    if (undo) {
        undo->modified_iov = elem;
        undo->orig = *elem;
    }
}

size_t iov_discard_front_undoable(struct iovec **iov, unsigned int *iov_cnt, size_t bytes,
                                  IOVDiscardUndo *undo)
{
    size_t total = 0;

    if (undo) {
        undo->modified_iov = NULL;
    }
    while (*iov_cnt && bytes - total >= (*iov)->iov_len) {
        total += (*iov)->iov_len;
        (*iov)++;
        (*iov_cnt)--;
    }
    if (*iov_cnt && total < bytes) {
        note_for_undo(undo, *iov);
        (*iov)->iov_base = (char *)(*iov)->iov_base + (bytes - total);
        (*iov)->iov_len -= bytes - total;
        total = bytes;
    }
    return total;
}

size_t iov_discard_front(struct iovec **iov, unsigned int *iov_cnt, size_t bytes)
{
    return iov_discard_front_undoable(iov, iov_cnt, bytes, NULL);
}

size_t iov_discard_back_undoable(struct iovec *iov, unsigned int *iov_cnt, size_t bytes,
                                 IOVDiscardUndo *undo)
{
    size_t total = 0;

    if (undo) {
        undo->modified_iov = NULL;
    }
    while (*iov_cnt && bytes - total >= iov[*iov_cnt - 1].iov_len) {
        total += iov[--*iov_cnt].iov_len;
    }
    if (*iov_cnt && total < bytes) {
        note_for_undo(undo, &iov[*iov_cnt - 1]);
        iov[*iov_cnt - 1].iov_len -= bytes - total;
        total = bytes;
    }
    return total;
}

size_t iov_discard_back(struct iovec *iov, unsigned int *iov_cnt, size_t bytes)
{
    return iov_discard_back_undoable(iov, iov_cnt, bytes, NULL);
}

void iov_discard_undo(IOVDiscardUndo *undo)
{
    if (undo->modified_iov) {
        *undo->modified_iov = undo->orig;
    }
}
