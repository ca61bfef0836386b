/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtio-blk request, whatever transport brought it (virtio 1.2, 5.2.6).
 */
#ifndef VIRTIO_BLK_HANDLER_H
#define VIRTIO_BLK_HANDLER_H

#include "system/block-backend.h"

#define VIRTIO_BLK_SECTOR_BITS 9
#define VIRTIO_BLK_SECTOR_SIZE (1ULL << VIRTIO_BLK_SECTOR_BITS)

/* Limits that the config space shall state. */
#define VIRTIO_BLK_MAX_DISCARD_SECTORS      32768
#define VIRTIO_BLK_MAX_WRITE_ZEROES_SECTORS 32768

/* Bytes of the answer to GET_ID. */
#define VIRTIO_BLK_SERIAL_BYTES 20

/* virtio 1.2, 5.2.3 and 5.2.6: what older headers do not name. */
#define VIRTIO_BLK_LIFETIME_BIT     15
#define VIRTIO_BLK_SECURE_ERASE_BIT 16
#define VIRTIO_BLK_GET_LIFETIME     10
#define VIRTIO_BLK_SECURE_ERASE     14
/* Bytes of the answer to GET_LIFETIME: three numbers of 16 bits, zeroes. */
#define VIRTIO_BLK_LIFETIME_BYTES 24

/* What requests need of their device. Constant while requests run. */
typedef struct VirtioBlkHandler {
    BlockBackend *blk;
    char *serial;                /* at most VIRTIO_BLK_SERIAL_BYTES are told to the guest */
    uint32_t logical_block_size; /* bytes; a power of two */
    bool writable;
    uint32_t max_discard_segments;      /* 0 counts as 1 */
    uint32_t max_write_zeroes_segments; /* 0 counts as 1 */
    uint32_t max_secure_erase_sectors;  /* of a segment; 0: the device has no secure erase */
    uint32_t max_secure_erase_segments; /* 0 counts as 1 */
    uint32_t secure_erase_alignment;    /* sectors; 0 counts as 1 */
    bool has_lifetime;
} VirtioBlkHandler;

/* Where a request's bytes lie. */
typedef struct VirtioBlkIov {
    struct iovec *in;  /* what the device may write: the data of a read, then the status byte */
    struct iovec *out; /* what it may read: the header, then the data of a write */
    unsigned int in_num;
    unsigned int out_num;
} VirtioBlkIov;

/* The type of a request whose header is not there. */
#define VIRTIO_BLK_TYPE_NONE UINT32_MAX

/*
 * A request whose header has been read, once: the guest may change it at any time, so everybody
 * looks at this copy. How it lay in the descriptors does not matter any more.
 */
typedef struct VirtioBlkReq {
    VirtioBlkHandler *handler;
    int64_t offset;        /* bytes, from the header's sector; -1 when it does not fit */
    struct iovec *in_iov;  /* what the device may write, without the status byte */
    struct iovec *out_iov; /* what it may read, without the header */
    unsigned in_num;
    unsigned out_num;
    size_t in_size;
    size_t out_size;
    size_t written;  /* bytes of in_iov that are valid now */
    uint8_t *status; /* where it goes: the last byte that the device may write */
    uint32_t type;   /* as the header has it; VIRTIO_BLK_TYPE_NONE: there is no whole header */
    int error;       /* -errno of the block layer, or 0 */
} VirtioBlkReq;

/* What a request was. */
typedef struct VirtioBlkReqInfo {
    uint32_t type;  /* VIRTIO_BLK_T_*, or whatever number the guest has put there */
    uint8_t status; /* VIRTIO_BLK_S_* */
    uint64_t bytes; /* data moved, if it succeeded */
    int error;      /* -errno of the block layer; 0: it did not fail there */
    int64_t offset; /* bytes; -1: of no place */
} VirtioBlkReqInfo;

/**
 * virtio_blk_capacity: How much of a disk of @sectors sectors (512 bytes) the guest may use.
 *
 * Whole logical blocks only; and of a writable disk nothing that would have to be written together
 * with what lies behind its end. Any thread.
 */
uint64_t virtio_blk_capacity(const VirtioBlkHandler *handler, uint64_t sectors);

/**
 * virtio_blk_process_req: Execute one request.
 * @handler: the device
 * @in_iov: what the device may write: the data of a read, then the status byte
 * @out_iov: what it may read: the header, then the data of a write
 * @in_num: elements of @in_iov, which is changed
 * @out_num: elements of @out_iov, which is changed
 *
 * Header, data and status may be split over elements in any way. Yields.
 * Returns the number of bytes written to @in_iov, the status included; or
 * -EINVAL when there was no room for a status: then nothing was done.
 */
int coroutine_fn virtio_blk_process_req(VirtioBlkHandler *handler, struct iovec *in_iov,
                                        struct iovec *out_iov, unsigned int in_num,
                                        unsigned int out_num);

/** virtio_blk_process_req_info: The same; it also tells what the request was. */
int coroutine_fn virtio_blk_process_req_info(VirtioBlkHandler *handler, struct iovec *in_iov,
                                             struct iovec *out_iov, unsigned int in_num,
                                             unsigned int out_num, VirtioBlkReqInfo *ret_info);

/**
 * virtio_blk_req_parse: Read the header and find the status byte.
 * @iov: changed; what it points to is @req's until that is done
 *
 * Header, data and status may be split over elements in any way, and lie at any address.
 * False: there is no room for a status, and nothing can be done.
 */
bool virtio_blk_req_parse(VirtioBlkReq *req, VirtioBlkHandler *handler, VirtioBlkIov *iov);

/**
 * virtio_blk_req_run: Execute a request that has been parsed. Yields.
 *
 * Returns the number of bytes written to what the device may write, the status included; 0 when
 * there is no room for a status.
 */
int coroutine_fn virtio_blk_req_run(VirtioBlkReq *req, VirtioBlkReqInfo *ret_info);

#ifdef CONFIG_DEVICE_BACKENDS
struct BlkTryBatch;
struct BlkTryWrite;

/**
 * virtio_blk_req_try: Execute a request at once, without a coroutine, if it is a read or write of
 * what needs no waiting.
 * @batch: of the handler's BlockBackend
 * @write: for one that takes its time; or NULL
 *
 * Returns what virtio_blk_req_run() does; or -EAGAIN: that has to do it, and tells what is wrong
 * with it; or -EINPROGRESS: @write's callback will be called, and calls virtio_blk_req_try_done()
 * unless the write has failed and virtio_blk_req_run() has to do it over.
 */
int virtio_blk_req_try(VirtioBlkReq *req, struct BlkTryBatch *batch, VirtioBlkReqInfo *ret_info,
                       struct BlkTryWrite *write);

/** virtio_blk_req_try_done: A write that was in progress has succeeded. The rest is as above. */
int virtio_blk_req_try_done(VirtioBlkReq *req, const struct BlkTryWrite *write,
                            VirtioBlkReqInfo *ret_info);
#endif

#endif /* VIRTIO_BLK_HANDLER_H */
