/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constants and small types that every user of the block layer shares. */
#ifndef BLOCK_COMMON_H
#define BLOCK_COMMON_H

#include "qapi/qapi-types-block-core.h"
#include "qemu/iov.h"
#include "block/aio.h"
#include "block/graph-lock.h"

typedef struct BlockDriver BlockDriver;
typedef struct BdrvChild BdrvChild;
typedef struct BdrvChildClass BdrvChildClass;

/* Lengths are reported in whole sectors of this many bytes. */
#define BDRV_SECTOR_BITS 9
#define BDRV_SECTOR_SIZE (1ULL << BDRV_SECTOR_BITS)

/* The largest request, in sectors and in bytes: fits in an int and is aligned to any block size. */
#define BDRV_REQUEST_MAX_SECTORS \
    MIN_CONST((uint64_t)(SIZE_MAX >> BDRV_SECTOR_BITS), (uint64_t)(INT_MAX >> BDRV_SECTOR_BITS))
#define BDRV_REQUEST_MAX_BYTES (BDRV_REQUEST_MAX_SECTORS << BDRV_SECTOR_BITS)

/* No request alignment of a node is larger, in bytes. */
#define BDRV_MAX_ALIGNMENT (1LL << 30)
/* The largest length of a node in bytes: rounding it up to any alignment does not overflow. */
#define BDRV_MAX_LENGTH (INT64_MAX - (INT64_MAX % BDRV_MAX_ALIGNMENT))

/* How a request may or must be carried out. */
typedef enum {
    /* Zero writes may deallocate the range. */
    BDRV_REQ_MAY_UNMAP = 0x4,
    /* The data is on stable storage when the request completes. */
    BDRV_REQ_FUA = 0x10,
    /* Content seen by the guest does not change: only BLK_PERM_WRITE_UNCHANGED is needed. */
    BDRV_REQ_WRITE_UNCHANGED = 0x40,
    /* Zero writes: fail with -ENOTSUP rather than write zeroes out of a buffer. */
    BDRV_REQ_NO_FALLBACK = 0x100,
    /* The buffers were registered; a hint that drivers may ignore. */
    BDRV_REQ_REGISTERED_BUF = 0x800,
    /* Inside the block layer: write zeroes; there is no buffer. */
    BDRV_REQ_ZERO_WRITE = 0x2,
} BdrvRequestFlags;

/* How a node is opened; what the options read-only, cache.* and their like come to. */
#define BDRV_O_RDWR        0x0002
#define BDRV_O_NOCACHE     0x0020 /* cache.direct=on */
#define BDRV_O_NATIVE_AIO  0x0080
#define BDRV_O_NO_FLUSH    0x0200 /* cache.no-flush=on */
#define BDRV_O_UNMAP       0x4000 /* discard=unmap */
#define BDRV_O_IO_URING    0x10000
#define BDRV_O_AUTO_RDONLY 0x20000
#define BDRV_O_FORCE_SHARE 0x40000 /* let others do anything meanwhile */
#define BDRV_O_CACHE_MASK  (BDRV_O_NOCACHE | BDRV_O_NO_FLUSH)

/* What a parent does to a node (perm), and what it lets others do meanwhile (shared_perm). */
enum {
    BLK_PERM_CONSISTENT_READ = 0x01,
    BLK_PERM_WRITE = 0x02,
    /* Writes that do not change what a reader sees. */
    BLK_PERM_WRITE_UNCHANGED = 0x04,
    BLK_PERM_RESIZE = 0x08,

    BLK_PERM_ALL = 0x0f,
};

/* What a child is to its parent. */
typedef enum BdrvChildRoleBits {
    BDRV_CHILD_DATA = (1 << 0),
    BDRV_CHILD_METADATA = (1 << 1),
    /* The parent passes this child's data through. */
    BDRV_CHILD_FILTERED = (1 << 2),
    BDRV_CHILD_COW = (1 << 3),
    /* The child that stands for the parent where a driver has one main child. */
    BDRV_CHILD_PRIMARY = (1 << 4),

    BDRV_CHILD_IMAGE = BDRV_CHILD_DATA | BDRV_CHILD_METADATA | BDRV_CHILD_PRIMARY,
} BdrvChildRoleBits;
typedef unsigned int BdrvChildRole;

/* Comma-separated names of the permissions in @perm; the caller frees it. Any thread. */
char *bdrv_perm_names(uint64_t perm);

#endif
