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

/* A request on its way through the table. */
typedef struct BlkRequest {
    VirtioBlkHandler *handler;
    int64_t offset;        /* bytes, from the header's sector; -1 when it does not fit */
    struct iovec *in_iov;  /* without the status byte */
    struct iovec *out_iov; /* without the header */
    unsigned in_num;
    unsigned out_num;
    size_t in_size;
    size_t out_size;
    size_t written; /* bytes of in_iov that are valid now */
    uint32_t type;  /* as the header has it; VIRTIO_BLK_TYPE_NONE: there is no whole header */
} BlkRequest;

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
    return (offset + bytes) >> VIRTIO_BLK_SECTOR_BITS <= sectors;
}

static uint8_t blk_status(int ret)
{
    return ret < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t coroutine_fn blk_request_read(BlkRequest *req)
{
    QEMUIOVector qiov;
    int ret;

    if (!blk_request_in_range(req->handler, req->offset, req->in_size)) {
        return VIRTIO_BLK_S_IOERR;
    }
    qemu_iovec_init_external(&qiov, req->in_iov, req->in_num);
    ret = blk_co_preadv(req->handler->blk, req->offset, req->in_size, &qiov, 0);
    req->written = ret < 0 ? 0 : req->in_size;
    return blk_status(ret);
}

static uint8_t coroutine_fn blk_request_write(BlkRequest *req)
{
    QEMUIOVector qiov;

    if (!req->handler->writable ||
        !blk_request_in_range(req->handler, req->offset, req->out_size)) {
        return VIRTIO_BLK_S_IOERR;
    }
    qemu_iovec_init_external(&qiov, req->out_iov, req->out_num);
    return blk_status(blk_co_pwritev(req->handler->blk, req->offset, req->out_size, &qiov, 0));
}

static uint8_t coroutine_fn blk_request_flush(BlkRequest *req)
{
    return blk_status(blk_co_flush(req->handler->blk));
}

static uint8_t coroutine_fn blk_request_get_id(BlkRequest *req)
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
static uint8_t coroutine_fn segments_run(BlkRequest *req, const SegmentRules *rules, size_t done,
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
        if (rules->run(req->handler->blk, offset, length, le32_to_cpu(raw[i].flags)) < 0) {
            return VIRTIO_BLK_S_IOERR;
        }
    }
    return VIRTIO_BLK_S_OK;
}

static uint8_t coroutine_fn blk_request_segments(BlkRequest *req, const SegmentRules *rules)
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

static uint8_t coroutine_fn blk_request_discard(BlkRequest *req)
{
    const SegmentRules rules = {
        .max_segments = req->handler->max_discard_segments,
        .max_sectors = VIRTIO_BLK_MAX_DISCARD_SECTORS,
        .run = run_discard,
    };

    return blk_request_segments(req, &rules);
}

static uint8_t coroutine_fn blk_request_write_zeroes(BlkRequest *req)
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

static uint8_t coroutine_fn blk_request_secure_erase(BlkRequest *req)
{
    const SegmentRules rules = {
        .max_segments = req->handler->max_secure_erase_segments,
        .max_sectors = req->handler->max_secure_erase_sectors,
        .alignment = req->handler->secure_erase_alignment,
        .run = run_secure_erase,
    };

    return rules.max_sectors ? blk_request_segments(req, &rules) : VIRTIO_BLK_S_UNSUPP;
}

static uint8_t coroutine_fn blk_request_get_lifetime(BlkRequest *req)
{
    uint16_t answer[VIRTIO_BLK_LIFETIME_BYTES / sizeof(uint16_t)] = { 0 };
    BlockLifetime lifetime;

    if (!req->handler->has_lifetime) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (blk_co_get_lifetime(req->handler->blk, &lifetime) < 0) {
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

static uint8_t coroutine_fn (*const blk_request_types[])(BlkRequest *req) = {
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

static uint8_t coroutine_fn blk_request_run(BlkRequest *req)
{
    struct virtio_blk_outhdr header;
    uint64_t sector;

    if (iov_to_buf(req->out_iov, req->out_num, 0, &header, sizeof(header)) != sizeof(header)) {
        return VIRTIO_BLK_S_IOERR;
    }
    iov_discard_front(&req->out_iov, &req->out_num, sizeof(header));
    req->type = le32_to_cpu(header.type) & ~VIRTIO_BLK_T_BARRIER;
    sector = le64_to_cpu(header.sector);
    req->offset =
        sector > INT64_MAX >> VIRTIO_BLK_SECTOR_BITS ? -1 : sector << VIRTIO_BLK_SECTOR_BITS;
    req->in_size = iov_size(req->in_iov, req->in_num);
    req->out_size = iov_size(req->out_iov, req->out_num);
    if (req->type >= ARRAY_SIZE(blk_request_types) || !blk_request_types[req->type]) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    return blk_request_types[req->type](req);
}

int coroutine_fn virtio_blk_process_req_info(VirtioBlkHandler *handler, struct iovec *in_iov,
                                             struct iovec *out_iov, unsigned int in_num,
                                             unsigned int out_num, VirtioBlkReqInfo *ret_info)
{
    uint8_t *status = blk_request_take_status(in_iov, &in_num);
    BlkRequest req = {
        .handler = handler,
        .in_iov = in_iov,
        .out_iov = out_iov,
        .in_num = in_num,
        .out_num = out_num,
        .type = VIRTIO_BLK_TYPE_NONE,
    };
    uint8_t result;

    if (!status) {
        *ret_info = (VirtioBlkReqInfo){ .type = req.type, .status = VIRTIO_BLK_S_IOERR };
        return -EINVAL;
    }
    result = blk_request_run(&req);
    *status = result;
    *ret_info = (VirtioBlkReqInfo){
        .type = req.type,
        .status = result,
        .bytes = req.type == VIRTIO_BLK_T_OUT ? req.out_size : req.written,
    };
    return req.written + 1;
}

int coroutine_fn virtio_blk_process_req(VirtioBlkHandler *handler, struct iovec *in_iov,
                                        struct iovec *out_iov, unsigned int in_num,
                                        unsigned int out_num)
{
    VirtioBlkReqInfo info;

    return virtio_blk_process_req_info(handler, in_iov, out_iov, in_num, out_num, &info);
}

#ifdef CONFIG_DEVICE_BACKENDS
/* Requests that are done at once */

/* The header, which the guest may change meanwhile: read once. False: not where it usually is. */
static bool try_read_header(const VirtioBlkIov *iov, uint32_t *ret_type, uint64_t *ret_sector)
{
    const uint64_t *words;
    uint64_t first;

    if (!iov->out_num || iov->out[0].iov_len != sizeof(struct virtio_blk_outhdr) ||
        (uintptr_t)iov->out[0].iov_base % sizeof(*words)) {
        return false;
    }
    words = iov->out[0].iov_base;
    first = le64_to_cpu(qatomic_read(&words[0]));
    *ret_sector = le64_to_cpu(qatomic_read(&words[1]));
    *ret_type = first & ~VIRTIO_BLK_T_BARRIER;
    return true;
}

/* What is allowed of the range but for the end of the disk. */
static bool try_range(const VirtioBlkHandler *handler, uint64_t sector, uint64_t bytes)
{
    return sector <= INT64_MAX >> VIRTIO_BLK_SECTOR_BITS && bytes % VIRTIO_BLK_SECTOR_SIZE == 0 &&
           !((sector << VIRTIO_BLK_SECTOR_BITS) & (handler->logical_block_size - 1)) &&
           bytes >> VIRTIO_BLK_SECTOR_BITS <= BDRV_REQUEST_MAX_SECTORS;
}

/* Bytes of @in that were written to. */
static int try_succeeded(const VirtioBlkIov *iov, uint32_t type, uint64_t bytes,
                         VirtioBlkReqInfo *ret_info)
{
    *(uint8_t *)iov->in[iov->in_num - 1].iov_base = VIRTIO_BLK_S_OK;
    *ret_info = (VirtioBlkReqInfo){ .type = type, .status = VIRTIO_BLK_S_OK, .bytes = bytes };
    return type == VIRTIO_BLK_T_IN ? bytes + 1 : 1;
}

int virtio_blk_try_done(const VirtioBlkIov *iov, const BlkTryWrite *write,
                        VirtioBlkReqInfo *ret_info)
{
    blk_try_write_done(write);
    return try_succeeded(iov, VIRTIO_BLK_T_OUT, write->bytes, ret_info);
}

int virtio_blk_try_req(const VirtioBlkHandler *handler, BlkTryBatch *batch, const VirtioBlkIov *iov,
                       VirtioBlkReqInfo *ret_info, BlkTryWrite *write)
{
    uint64_t sector, bytes;
    uint32_t type;
    int ret = -EAGAIN;

    if (!iov->in_num || iov->in[iov->in_num - 1].iov_len != 1 ||
        !try_read_header(iov, &type, &sector)) {
        return -EAGAIN;
    }
    if (type == VIRTIO_BLK_T_IN && iov->out_num == 1) {
        bytes = iov_size(iov->in, iov->in_num - 1);
        if (try_range(handler, sector, bytes)) {
            ret = blk_try_preadv(batch, sector << VIRTIO_BLK_SECTOR_BITS, bytes, iov->in,
                                 iov->in_num - 1);
        }
    } else if (type == VIRTIO_BLK_T_OUT && iov->in_num == 1 && handler->writable) {
        bytes = iov_size(iov->out + 1, iov->out_num - 1);
        if (try_range(handler, sector, bytes)) {
            ret = blk_try_pwritev(batch, sector << VIRTIO_BLK_SECTOR_BITS, bytes, iov->out + 1,
                                  iov->out_num - 1, write);
        }
    }
    return ret < 0 ? ret : try_succeeded(iov, type, bytes, ret_info);
}
#endif
