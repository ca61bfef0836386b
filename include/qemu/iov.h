/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scattered memory: helpers on struct iovec arrays, and QEMUIOVector, an array that knows its size.
 *
 * Offsets and lengths are in bytes. A length that reaches past the end is cut short and the result
 * says how much was done; (size_t)-1 means "to the end". An offset past the end is a bug of the
 * caller. Any thread; nothing blocks but iov_send_recv() on a blocking socket.
 */
#ifndef IOV_H
#define IOV_H

/* Sum of the elements' lengths. */
size_t iov_size(const struct iovec *iov, const unsigned int iov_cnt);

size_t iov_from_buf_full(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                         const void *buf, size_t bytes);
size_t iov_to_buf_full(const struct iovec *iov, const unsigned int iov_cnt, size_t offset,
                       void *buf, size_t bytes);

/* Copy @bytes from @buf to offset @offset of the array, and the other way; the number copied. */
static inline size_t iov_from_buf(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                                  const void *buf, size_t bytes)
{
    if (__builtin_constant_p(bytes) && iov_cnt && offset <= iov[0].iov_len &&
        bytes <= iov[0].iov_len - offset) {
        memcpy((char *)iov[0].iov_base + offset, buf, bytes);
        return bytes;
    }
    return iov_from_buf_full(iov, iov_cnt, offset, buf, bytes);
}

static inline size_t iov_to_buf(const struct iovec *iov, const unsigned int iov_cnt, size_t offset,
                                void *buf, size_t bytes)
{
    if (__builtin_constant_p(bytes) && iov_cnt && offset <= iov[0].iov_len &&
        bytes <= iov[0].iov_len - offset) {
        memcpy(buf, (char *)iov[0].iov_base + offset, bytes);
        return bytes;
    }
    return iov_to_buf_full(iov, iov_cnt, offset, buf, bytes);
}

/* Fills @bytes at @offset with @fillc; the number filled. */
size_t iov_memset(const struct iovec *iov, const unsigned int iov_cnt, size_t offset, int fillc,
                  size_t bytes);

/*
 * Send (or receive) @bytes at @offset of the array over socket @sockfd, going on after partial
 * transfers and EINTR. The number of bytes, which is less than @bytes when the socket would block
 * or its end was reached after some; -1 with errno when nothing could be transferred.
 */
ssize_t iov_send_recv(int sockfd, const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                      size_t bytes, bool do_send);
#define iov_recv(sockfd, iov, iov_cnt, offset, bytes) \
    iov_send_recv(sockfd, iov, iov_cnt, offset, bytes, false)
#define iov_send(sockfd, iov, iov_cnt, offset, bytes) \
    iov_send_recv(sockfd, iov, iov_cnt, offset, bytes, true)

/* Prints the first @limit bytes in hexadecimal, each line after @prefix. */
void iov_hexdump(const struct iovec *iov, const unsigned int iov_cnt, FILE *fp, const char *prefix,
                 size_t limit);

/*
 * Describes @bytes at @offset of @iov in @dst_iov (memory is shared, not copied); the number of
 * elements of @dst_iov used. Stops when @dst_iov is full.
 */
unsigned iov_copy(struct iovec *dst_iov, unsigned int dst_iov_cnt, const struct iovec *iov,
                  unsigned int iov_cnt, size_t offset, size_t bytes);

/*
 * Take @bytes off the front (moves *@iov and shrinks *@iov_cnt) or the back; the number taken.
 * Elements are changed in place.
 */
size_t iov_discard_front(struct iovec **iov, unsigned int *iov_cnt, size_t bytes);
size_t iov_discard_back(struct iovec *iov, unsigned int *iov_cnt, size_t bytes);

/* The one element that a discard changed, to put it back. */
typedef struct IOVDiscardUndo {
    struct iovec *modified_iov;
    struct iovec orig;
} IOVDiscardUndo;

/* Restores the element's content (the caller restores its own pointer and count). */
void iov_discard_undo(IOVDiscardUndo *undo);
size_t iov_discard_front_undoable(struct iovec **iov, unsigned int *iov_cnt, size_t bytes,
                                  IOVDiscardUndo *undo);
size_t iov_discard_back_undoable(struct iovec *iov, unsigned int *iov_cnt, size_t bytes,
                                 IOVDiscardUndo *undo);

/* @niov elements with @size bytes in all; @nalloc -1: the array is not ours and cannot grow. */
struct QEMUIOVector {
    struct iovec *iov;
    size_t size;
    int niov;
    int nalloc;
    struct iovec local_iov; /* what iov points to in a vector made by qemu_iovec_init_buf() */
};

#define QEMU_IOVEC_INIT_BUF(self, buf, len)                                              \
    {                                                                                    \
        .iov = &(self).local_iov, .size = (len), .niov = 1, .nalloc = -1, .local_iov = { \
            .iov_base = (void *)(buf),                                                   \
            .iov_len = (len),                                                            \
        }                                                                                \
    }

/* A vector of one caller-owned buffer; needs no destroy. */
static inline void qemu_iovec_init_buf(QEMUIOVector *qiov, void *buf, size_t len)
{
    qiov->iov = &qiov->local_iov;
    qiov->size = len;
    qiov->niov = 1;
    qiov->nalloc = -1;
    qiov->local_iov.iov_base = buf;
    qiov->local_iov.iov_len = len;
}

static inline void *qemu_iovec_buf(QEMUIOVector *qiov)
{
    assert(qiov->niov == 1);
    return qiov->iov[0].iov_base;
}

/* An empty growing vector with room for @alloc_hint elements; qemu_iovec_destroy() frees it. */
void qemu_iovec_init(QEMUIOVector *qiov, int alloc_hint);
/* A vector of the caller's array, which must outlive it; needs no destroy. */
void qemu_iovec_init_external(QEMUIOVector *qiov, struct iovec *iov, int niov);
/* A growing vector that describes @len bytes at @offset of @source (shared memory). */
void qemu_iovec_init_slice(QEMUIOVector *qiov, QEMUIOVector *source, size_t offset, size_t len);
/*
 * A growing vector of the head buffer, @mid_len bytes at @mid_offset of @mid_qiov and the tail
 * buffer; empty parts are left out.
 */
void qemu_iovec_init_extended(QEMUIOVector *qiov, void *head_buf, size_t head_len,
                              QEMUIOVector *mid_qiov, size_t mid_offset, size_t mid_len,
                              void *tail_buf, size_t tail_len);
/*
 * The elements of @qiov that hold @len bytes at @offset: the first one; *@head bytes of it and
 * *@tail bytes of the last are outside; *@niov elements. @offset + @len must lie inside.
 */
struct iovec *qemu_iovec_slice(QEMUIOVector *qiov, size_t offset, size_t len, size_t *head,
                               size_t *tail, int *niov);
/* How many elements qemu_iovec_slice() would give. */
int qemu_iovec_subvec_niov(QEMUIOVector *qiov, size_t offset, size_t len);
/* Append one buffer; @len bytes at offset @soffset of @src; the same of an array. */
void qemu_iovec_add(QEMUIOVector *qiov, void *base, size_t len);
void qemu_iovec_concat(QEMUIOVector *dst, QEMUIOVector *src, size_t soffset, size_t sbytes);
size_t qemu_iovec_concat_iov(QEMUIOVector *dst, struct iovec *src_iov, unsigned int src_cnt,
                             size_t soffset, size_t sbytes);
/* Whether @bytes at @offset are all zero. */
bool qemu_iovec_is_zero(QEMUIOVector *qiov, size_t qiov_offset, size_t bytes);
/* Frees the array, not the buffers. */
void qemu_iovec_destroy(QEMUIOVector *qiov);
/* Empties a growing vector. */
void qemu_iovec_reset(QEMUIOVector *qiov);
size_t qemu_iovec_to_buf(QEMUIOVector *qiov, size_t offset, void *buf, size_t bytes);
size_t qemu_iovec_from_buf(QEMUIOVector *qiov, size_t offset, const void *buf, size_t bytes);
size_t qemu_iovec_memset(QEMUIOVector *qiov, size_t offset, int fillc, size_t bytes);
/* Takes @bytes off the back; the number taken. */
size_t qemu_iovec_discard_back(QEMUIOVector *qiov, size_t bytes);

#endif
