/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMUIOVector: an iovec array that knows its size and can grow. */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/cutils.h"

void qemu_iovec_init(QEMUIOVector *qiov, int alloc_hint)
{
    *qiov = (QEMUIOVector){
        .iov = g_new(struct iovec, alloc_hint),
        .nalloc = alloc_hint,
    };
}

void qemu_iovec_init_external(QEMUIOVector *qiov, struct iovec *iov, int niov)
{
    *qiov = (QEMUIOVector){
        .iov = iov,
        .niov = niov,
        .nalloc = -1,
        .size = iov_size(iov, niov),
    };
}

void qemu_iovec_add(QEMUIOVector *qiov, void *base, size_t len)
{
    assert(qiov->nalloc != -1);
    if (qiov->niov == qiov->nalloc) {
        qiov->nalloc = 2 * qiov->nalloc + 1;
        qiov->iov = g_renew(struct iovec, qiov->iov, qiov->nalloc);
    }
    qiov->iov[qiov->niov++] = (struct iovec){ .iov_base = base, .iov_len = len };
    qiov->size += len;
}

size_t qemu_iovec_concat_iov(QEMUIOVector *dst, struct iovec *src_iov, unsigned int src_cnt,
                             size_t soffset, size_t sbytes)
{
    size_t done = 0;

    for (unsigned i = 0; i < src_cnt && done < sbytes; i++) {
        size_t len;

        if (soffset >= src_iov[i].iov_len) {
            soffset -= src_iov[i].iov_len;
            continue;
        }
        len = MIN(src_iov[i].iov_len - soffset, sbytes - done);
        qemu_iovec_add(dst, (char *)src_iov[i].iov_base + soffset, len);
        done += len;
        soffset = 0;
    }
    assert(soffset == 0 || sbytes == 0);
    return done;
}

void qemu_iovec_concat(QEMUIOVector *dst, QEMUIOVector *src, size_t soffset, size_t sbytes)
{
    qemu_iovec_concat_iov(dst, src->iov, src->niov, soffset, sbytes);
}

struct iovec *qemu_iovec_slice(QEMUIOVector *qiov, size_t offset, size_t len, size_t *head,
                               size_t *tail, int *niov)
{
    struct iovec *first = qiov->iov;
    struct iovec *last;
    size_t left;

    assert(offset <= qiov->size && len <= qiov->size - offset);

    /* An empty slice at the end has no element to start in. */
    while (offset > 0 && offset >= first->iov_len) {
        offset -= first->iov_len;
        first++;
    }
    last = first;
    left = offset + len;
    while (left > 0 && left >= last->iov_len) {
        left -= last->iov_len;
        last++;
    }
    *head = offset;
    *tail = left ? last->iov_len - left : 0;
    *niov = last - first + (left ? 1 : 0);
    return first;
}

int qemu_iovec_subvec_niov(QEMUIOVector *qiov, size_t offset, size_t len)
{
    size_t head, tail;
    int niov;

    qemu_iovec_slice(qiov, offset, len, &head, &tail, &niov);
    return niov;
}

void qemu_iovec_init_extended(QEMUIOVector *qiov, void *head_buf, size_t head_len,
                              QEMUIOVector *mid_qiov, size_t mid_offset, size_t mid_len,
                              void *tail_buf, size_t tail_len)
{
    int mid_niov = mid_len ? qemu_iovec_subvec_niov(mid_qiov, mid_offset, mid_len) : 0;

    assert(head_len + tail_len >= head_len && mid_len <= SIZE_MAX - head_len - tail_len);
    qemu_iovec_init(qiov, !!head_len + mid_niov + !!tail_len);
    if (head_len) {
        qemu_iovec_add(qiov, head_buf, head_len);
    }
    if (mid_len) {
        qemu_iovec_concat(qiov, mid_qiov, mid_offset, mid_len);
    }
    if (tail_len) {
        qemu_iovec_add(qiov, tail_buf, tail_len);
    }
}

void qemu_iovec_init_slice(QEMUIOVector *qiov, QEMUIOVector *source, size_t offset, size_t len)
{
    qemu_iovec_init_extended(qiov, NULL, 0, source, offset, len, NULL, 0);
}

bool qemu_iovec_is_zero(QEMUIOVector *qiov, size_t qiov_offset, size_t bytes)
{
    assert(qiov_offset <= qiov->size && bytes <= qiov->size - qiov_offset);
    for (int i = 0; bytes; i++) {
        size_t len = qiov->iov[i].iov_len;

        if (qiov_offset >= len) {
            qiov_offset -= len;
            continue;
        }
        len = MIN(len - qiov_offset, bytes);
        if (!buffer_is_zero((char *)qiov->iov[i].iov_base + qiov_offset, len)) {
            return false;
        }
        bytes -= len;
        qiov_offset = 0;
    }
    return true;
}

void qemu_iovec_destroy(QEMUIOVector *qiov)
{
    if (qiov->nalloc != -1) {
        g_free(qiov->iov);
    }
    *qiov = (QEMUIOVector){ 0 };
}

void qemu_iovec_reset(QEMUIOVector *qiov)
{
    assert(qiov->nalloc != -1);
    qiov->niov = 0;
    qiov->size = 0;
}

size_t qemu_iovec_to_buf(QEMUIOVector *qiov, size_t offset, void *buf, size_t bytes)
{
    return iov_to_buf(qiov->iov, qiov->niov, offset, buf, bytes);
}

size_t qemu_iovec_from_buf(QEMUIOVector *qiov, size_t offset, const void *buf, size_t bytes)
{
    return iov_from_buf(qiov->iov, qiov->niov, offset, buf, bytes);
}

size_t qemu_iovec_memset(QEMUIOVector *qiov, size_t offset, int fillc, size_t bytes)
{
    return iov_memset(qiov->iov, qiov->niov, offset, fillc, bytes);
}

size_t qemu_iovec_discard_back(QEMUIOVector *qiov, size_t bytes)
{
    unsigned niov = qiov->niov;
    size_t total = iov_discard_back(qiov->iov, &niov, bytes);

    qiov->niov = niov;
    qiov->size -= total;
    return total;
}
