/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtio-blk request: read the header, look its type up in a table, check
 * the range, have the block layer do it, write the status (virtio 1.2, 5.2.6).
 *
 * The memory behind the vectors is the guest's and may change at any time, so
 * headers and segments are copied once and only the copies are looked at.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "block/block-common.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "block/medium.h"
#include "block/try-io.h"
#endif
#include "virtio-blk-handler.h"
#include "standard-headers/linux/virtio_blk.h"

/* Segments of one discard request that are copied to the stack. */
#define SEGMENTS_AT_ONCE 32

uint64_t virtio_blk_capacity(const VirtioBlkHandler *handler, uint64_t sectors)
{
    uint64_t align = handler->logical_block_size;

    if (handler->writable) {
        align = MAX(align, blk_get_request_alignment(handler->blk));
    }
    return sectors & ~((align >> VIRTIO_BLK_SECTOR_BITS) - 1);
}

/* Is [offset, offset + bytes) made of whole blocks inside the disk? Sectors are 512 bytes. */
static bool coroutine_fn blk_request_in_range(VirtioBlkHandler *handler, int64_t offset,
                                              uint64_t bytes)
{
    uint64_t sectors;
    uint64_t block_mask = handler->logical_block_size - 1;

    if (offset < 0 || bytes % VIRTIO_BLK_SECTOR_SIZE || (offset & block_mask) ||
        bytes >> VIRTIO_BLK_SECTOR_BITS > BDRV_REQUEST_MAX_SECTORS) {
        return false;
    }
    blk_co_get_geometry(handler->blk, &sectors);
    return (offset + bytes) >> VIRTIO_BLK_SECTOR_BITS <= virtio_blk_capacity(handler, sectors);
}

/* What the block layer has answered. */
static uint8_t blk_status(VirtioBlkReq *req, int ret)
{
    req->error = MIN(ret, 0);
    return ret < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t coroutine_fn blk_request_read(VirtioBlkReq *req)
{
    QEMUIOVector qiov;
    int ret;

    if (!blk_request_in_range(req->handler, req->offset, req->in_size)) {
        return VIRTIO_BLK_S_IOERR;
    }
    qemu_iovec_init_external(&qiov, req->in_iov, req->in_num);
    ret = blk_co_preadv(req->handler->blk, req->offset, req->in_size, &qiov, 0);
    req->written = ret < 0 ? 0 : req->in_size;
    return blk_status(req, ret);
}

static uint8_t coroutine_fn blk_request_write(VirtioBlkReq *req)
{
    QEMUIOVector qiov;

    if (!req->handler->writable ||
        !blk_request_in_range(req->handler, req->offset, req->out_size)) {
        return VIRTIO_BLK_S_IOERR;
    }
    qemu_iovec_init_external(&qiov, req->out_iov, req->out_num);
    return blk_status(req, blk_co_pwritev(req->handler->blk, req->offset, req->out_size, &qiov, 0));
}

static uint8_t coroutine_fn blk_request_flush(VirtioBlkReq *req)
{
    return blk_status(req, blk_co_flush(req->handler->blk));
}

static uint8_t coroutine_fn blk_request_get_id(VirtioBlkReq *req)
{
    char id[VIRTIO_BLK_SERIAL_BYTES] = { 0 };

    if (req->handler->serial) {
        memcpy(id, req->handler->serial, strnlen(req->handler->serial, sizeof(id)));
    }
    req->written = iov_from_buf(req->in_iov, req->in_num, 0, id, MIN(sizeof(id), req->in_size));
    return VIRTIO_BLK_S_OK;
}

/* What distinguishes the requests that are made of segments. */
typedef struct SegmentRules {
    uint32_t max_segments; /* 0 counts as 1 */
    uint32_t max_sectors;  /* of one segment */
    uint32_t alignment;    /* sectors; 0: none but the disk's */
    uint32_t allowed_flags;
    int coroutine_fn (*run)(BlockBackend *blk, int64_t offset, int64_t bytes, uint32_t flags);
} SegmentRules;

static int coroutine_fn run_discard(BlockBackend *blk, int64_t offset, int64_t bytes,
                                    uint32_t flags)
{
    return blk_co_pdiscard(blk, offset, bytes);
}

static int coroutine_fn run_write_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                                         uint32_t flags)
{
    bool unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

    return blk_co_pwrite_zeroes(blk, offset, bytes, unmap ? BDRV_REQ_MAY_UNMAP : 0);
}

/* Check one segment; on VIRTIO_BLK_S_OK its offset and length in bytes are given. */
static uint8_t coroutine_fn segment_check(VirtioBlkHandler *handler, const SegmentRules *rules,
                                          const struct virtio_blk_discard_write_zeroes *raw,
                                          int64_t *ret_offset, int64_t *ret_bytes)
{
    uint64_t sector = le64_to_cpu(raw->sector);
    uint32_t sectors = le32_to_cpu(raw->num_sectors);

    if (le32_to_cpu(raw->flags) & ~rules->allowed_flags) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (sectors > rules->max_sectors || sector > INT64_MAX >> VIRTIO_BLK_SECTOR_BITS) {
        return VIRTIO_BLK_S_IOERR;
    }
    *ret_offset = sector << VIRTIO_BLK_SECTOR_BITS;
    *ret_bytes = (int64_t)sectors << VIRTIO_BLK_SECTOR_BITS;
    if (!blk_request_in_range(handler, *ret_offset, *ret_bytes) ||
        (rules->alignment && (sector % rules->alignment || sectors % rules->alignment))) {
        return VIRTIO_BLK_S_IOERR;
    }
    return VIRTIO_BLK_S_OK;
}

/* Copy, check and run up to SEGMENTS_AT_ONCE segments, which begin at byte @done. */
static uint8_t coroutine_fn segments_run(VirtioBlkReq *req, const SegmentRules *rules, size_t done,
                                         size_t bytes)
{
    struct virtio_blk_discard_write_zeroes raw[SEGMENTS_AT_ONCE];
    int64_t offset, length;
    uint8_t status;

    if (iov_to_buf(req->out_iov, req->out_num, done, raw, bytes) != bytes) {
        return VIRTIO_BLK_S_IOERR;
    }
    for (size_t i = 0; i < bytes / sizeof(raw[0]); i++) {
        status = segment_check(req->handler, rules, &raw[i], &offset, &length);
        if (status != VIRTIO_BLK_S_OK) {
            return status;
        }
        status = blk_status(
            req, rules->run(req->handler->blk, offset, length, le32_to_cpu(raw[i].flags)));
        if (status != VIRTIO_BLK_S_OK) {
            req->offset = offset;
            return status;
        }
    }
    return VIRTIO_BLK_S_OK;
}

static uint8_t coroutine_fn blk_request_segments(VirtioBlkReq *req, const SegmentRules *rules)
{
    const size_t segment = sizeof(struct virtio_blk_discard_write_zeroes);
    uint8_t status = VIRTIO_BLK_S_OK;

    if (!req->handler->writable || !req->out_size || req->out_size % segment) {
        return VIRTIO_BLK_S_IOERR;
    }
    if (req->out_size / segment > MAX(rules->max_segments, 1)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    for (size_t done = 0; done < req->out_size && status == VIRTIO_BLK_S_OK;) {
        size_t bytes = MIN(req->out_size - done, SEGMENTS_AT_ONCE * segment);

        status = segments_run(req, rules, done, bytes);
        done += bytes;
    }
    return status;
}

static uint8_t coroutine_fn blk_request_discard(VirtioBlkReq *req)
{
    const SegmentRules rules = {
        .max_segments = req->handler->max_discard_segments,
        .max_sectors = VIRTIO_BLK_MAX_DISCARD_SECTORS,
        .run = run_discard,
    };

    return blk_request_segments(req, &rules);
}

static uint8_t coroutine_fn blk_request_write_zeroes(VirtioBlkReq *req)
{
    const SegmentRules rules = {
        .max_segments = req->handler->max_write_zeroes_segments,
        .max_sectors = VIRTIO_BLK_MAX_WRITE_ZEROES_SECTORS,
        .allowed_flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
        .run = run_write_zeroes,
    };

    return blk_request_segments(req, &rules);
}

#ifdef CONFIG_DEVICE_BACKENDS
/* Ours: what QEMU's block layer cannot ask of a medium. */
static int coroutine_fn run_secure_erase(BlockBackend *blk, int64_t offset, int64_t bytes,
                                         uint32_t flags)
{
    return blk_co_secure_erase(blk, offset, bytes);
}

static uint8_t coroutine_fn blk_request_secure_erase(VirtioBlkReq *req)
{
    const SegmentRules rules = {
        .max_segments = req->handler->max_secure_erase_segments,
        .max_sectors = req->handler->max_secure_erase_sectors,
        .alignment = req->handler->secure_erase_alignment,
        .run = run_secure_erase,
    };

    return rules.max_sectors ? blk_request_segments(req, &rules) : VIRTIO_BLK_S_UNSUPP;
}

static uint8_t coroutine_fn blk_request_get_lifetime(VirtioBlkReq *req)
{
    uint16_t answer[VIRTIO_BLK_LIFETIME_BYTES / sizeof(uint16_t)] = { 0 };
    BlockLifetime lifetime;

    if (!req->handler->has_lifetime) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (blk_status(req, blk_co_get_lifetime(req->handler->blk, &lifetime)) != VIRTIO_BLK_S_OK) {
        return VIRTIO_BLK_S_IOERR;
    }
    answer[0] = cpu_to_le16(lifetime.pre_eol_info);
    answer[1] = cpu_to_le16(lifetime.est_typ_a);
    answer[2] = cpu_to_le16(lifetime.est_typ_b);
    req->written =
        iov_from_buf(req->in_iov, req->in_num, 0, answer, MIN(sizeof(answer), req->in_size));
    return VIRTIO_BLK_S_OK;
}
#endif

static uint8_t coroutine_fn (*const blk_request_types[])(VirtioBlkReq *req) = {
    [VIRTIO_BLK_T_IN] = blk_request_read,
    [VIRTIO_BLK_T_OUT] = blk_request_write,
    [VIRTIO_BLK_T_FLUSH] = blk_request_flush,
    [VIRTIO_BLK_T_GET_ID] = blk_request_get_id,
    [VIRTIO_BLK_T_DISCARD] = blk_request_discard,
    [VIRTIO_BLK_T_WRITE_ZEROES] = blk_request_write_zeroes,
#ifdef CONFIG_DEVICE_BACKENDS
    [VIRTIO_BLK_GET_LIFETIME] = blk_request_get_lifetime,
    [VIRTIO_BLK_SECURE_ERASE] = blk_request_secure_erase,
#endif
};

/* Where the status byte lies: the last byte that the device may write; NULL: nowhere. */
static uint8_t *blk_request_take_status(struct iovec *in_iov, unsigned *in_num)
{
    struct iovec *last;
    uint8_t *status;

    while (*in_num && !in_iov[*in_num - 1].iov_len) {
        (*in_num)--;
    }
    if (!*in_num) {
        return NULL;
    }
    last = &in_iov[*in_num - 1];
    last->iov_len--;
    status = (uint8_t *)last->iov_base + last->iov_len;
    /* An element without a length could still be misaligned, or one too many. */
    if (last->iov_len == 0) {
        (*in_num)--;
    }
    return status;
}

/* Eight bytes of the guest's at any address, read once. */
static uint64_t blk_read_word(const void *p)
{
    const volatile struct {
        uint64_t value;
    } QEMU_PACKED *word = p;

    return le64_to_cpu(word->value);
}

/* The header's 16 bytes as two numbers; false: there are fewer. */
static bool blk_request_take_header(VirtioBlkReq *req, uint64_t words[2])
{
    const size_t size = sizeof(struct virtio_blk_outhdr);
    struct iovec *first = req->out_iov;

    QEMU_BUILD_BUG_ON(sizeof(struct virtio_blk_outhdr) != 2 * sizeof(uint64_t));
    if (req->out_num && first->iov_len >= size) {
        words[0] = blk_read_word(first->iov_base);
        words[1] = blk_read_word((const char *)first->iov_base + sizeof(uint64_t));
    } else if (iov_to_buf(first, req->out_num, 0, words, size) == size) {
        words[0] = le64_to_cpu(words[0]);
        words[1] = le64_to_cpu(words[1]);
    } else {
        return false;
    }
    if (first->iov_len == size) {
        req->out_iov++;
        req->out_num--;
    } else {
        iov_discard_front(&req->out_iov, &req->out_num, size);
    }
    return true;
}

/* Most requests have one element, or none. */
static size_t blk_iov_size(const struct iovec *iov, unsigned num)
{
    return num == 0 ? 0 : num == 1 ? iov->iov_len : iov_size(iov, num);
}

bool virtio_blk_req_parse(VirtioBlkReq *req, VirtioBlkHandler *handler, VirtioBlkIov *iov)
{
    uint64_t words[2]; /* type and priority; sector */
    uint8_t *status = blk_request_take_status(iov->in, &iov->in_num);

    *req = (VirtioBlkReq){
        .handler = handler,
        .offset = -1,
        .in_iov = iov->in,
        .out_iov = iov->out,
        .in_num = iov->in_num,
        .out_num = iov->out_num,
        .status = status,
        .type = VIRTIO_BLK_TYPE_NONE,
    };
    if (!status) {
        return false;
    }
    if (blk_request_take_header(req, words)) {
        req->type = words[0] & ~VIRTIO_BLK_T_BARRIER;
        if (words[1] <= INT64_MAX >> VIRTIO_BLK_SECTOR_BITS) {
            req->offset = words[1] << VIRTIO_BLK_SECTOR_BITS;
        }
        req->in_size = blk_iov_size(req->in_iov, req->in_num);
        req->out_size = blk_iov_size(req->out_iov, req->out_num);
    }
    return true;
}

/* The status, for the guest, and what the request was. Bytes that were written. */
static int blk_request_end(VirtioBlkReq *req, uint8_t status, VirtioBlkReqInfo *ret_info)
{
    *req->status = status;
    *ret_info = (VirtioBlkReqInfo){
        .type = req->type,
        .status = status,
        .bytes = req->type == VIRTIO_BLK_T_OUT ? req->out_size : req->written,
        .error = req->error,
        .offset = req->type == VIRTIO_BLK_T_FLUSH ? -1 : req->offset,
    };
    return req->written + 1;
}

int coroutine_fn virtio_blk_req_run(VirtioBlkReq *req, VirtioBlkReqInfo *ret_info)
{
    uint8_t status = VIRTIO_BLK_S_UNSUPP;

    if (!req->status) {
        *ret_info = (VirtioBlkReqInfo){ .type = req->type, .status = VIRTIO_BLK_S_IOERR };
        return 0;
    }
    if (req->type == VIRTIO_BLK_TYPE_NONE) {
        status = VIRTIO_BLK_S_IOERR;
    } else if (req->type < ARRAY_SIZE(blk_request_types) && blk_request_types[req->type]) {
        status = blk_request_types[req->type](req);
    }
    return blk_request_end(req, status, ret_info);
}

int coroutine_fn virtio_blk_process_req(VirtioBlkHandler *handler, struct iovec *in_iov,
                                        struct iovec *out_iov, unsigned int in_num,
                                        unsigned int out_num)
{
    VirtioBlkIov iov = { in_iov, out_iov, in_num, out_num };
    VirtioBlkReqInfo info;
    VirtioBlkReq req;

    return virtio_blk_req_parse(&req, handler, &iov) ? virtio_blk_req_run(&req, &info) : -EINVAL;
}

#ifdef CONFIG_DEVICE_BACKENDS
/* Requests that are done at once */

static bool try_range(const VirtioBlkReq *req, const BlkTryBatch *batch, uint64_t bytes)
{
    return req->offset >= 0 && bytes && bytes % VIRTIO_BLK_SECTOR_SIZE == 0 &&
           !(req->offset & (req->handler->logical_block_size - 1)) &&
           bytes >> VIRTIO_BLK_SECTOR_BITS <= BDRV_REQUEST_MAX_SECTORS &&
           (req->offset + bytes) >> VIRTIO_BLK_SECTOR_BITS <=
               virtio_blk_capacity(req->handler, batch->length >> VIRTIO_BLK_SECTOR_BITS);
}

int virtio_blk_req_try_done(VirtioBlkReq *req, const BlkTryWrite *write, VirtioBlkReqInfo *ret_info)
{
    blk_try_write_done(write);
    return blk_request_end(req, VIRTIO_BLK_S_OK, ret_info);
}

int virtio_blk_req_try(VirtioBlkReq *req, BlkTryBatch *batch, VirtioBlkReqInfo *ret_info,
                       BlkTryWrite *write)
{
    int ret = -EAGAIN;

    if (req->type == VIRTIO_BLK_T_IN && try_range(req, batch, req->in_size)) {
        ret = blk_try_preadv(batch, req->offset, req->in_size, req->in_iov, req->in_num);
        req->written = ret < 0 ? 0 : req->in_size;
    } else if (req->type == VIRTIO_BLK_T_OUT && req->handler->writable &&
               try_range(req, batch, req->out_size)) {
        ret = blk_try_pwritev(batch, req->offset, req->out_size, req->out_iov, req->out_num, write);
    }
    return ret < 0 ? ret : blk_request_end(req, VIRTIO_BLK_S_OK, ret_info);
}
#endif
