/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file and host_device drivers' insides, shared by the files file-posix*.c. */
#ifndef BLOCK_FILE_POSIX_H
#define BLOCK_FILE_POSIX_H

#include "block/block_int.h"
#include "block/write-judge.h"

struct BlockLifetime;

/* How writes through the page cache are done (file-posix-write.c). */
typedef enum RawWrites {
    RAW_WRITES_UNKNOWN, /* in a batch, which finds it out */
    RAW_WRITES_BATCHED,
    RAW_WRITES_NOWAIT, /* by io_uring, if it may be used */
} RawWrites;

typedef struct BDRVRawState {
    /* Constant after the open. */
    int fd;
    bool is_device;
    bool direct;
    bool use_io_uring;
    bool use_map;
    bool batch_writes;
    /* No server is asked where the file is: what needs no data does not wait. */
    bool is_local;
    /* Of questions that may outlive the node; counted (g_atomic_rc_box). */
    struct RawAnswers *answers;
    /* A device: bytes that can be erased at once, or 0; what they are aligned by, or 0. */
    uint64_t max_secure_erase;
    uint32_t secure_erase_alignment;
    bool has_lifetime;
    /* The opening's question for the length is answered already. */
    bool length_is_new;
    /* 0: regular files have no limit. Bytes. */
    uint32_t dio_mem_align;
    uint32_t dio_offset_align;
    /* Bytes; -1: its file system knows none. */
    int64_t extent_size_hint;

    /* Atomic. */
    /* The exact length in bytes when it was last asked for. */
    int64_t length;
    /* A flush has failed: what was written before may be lost, so no later one can succeed. */
    bool flush_failed;
    /* Discards. */
    uint64_t discards_ok;
    uint64_t discards_failed;
    uint64_t discarded_bytes;
    /* What the file system has turned out not to know. */
    bool no_dsync_writes;
    bool no_zero_range;
    bool no_punch_hole;
    bool no_blkzeroout;
    bool no_blkdiscard;
    RawWrites writes;
    /* May the loop's own thread write to the page cache? */
    WriteJudge write_judge;

    /* file-posix-map.c; atomic. The newest mapping, or NULL. */
    struct RawMap *map;
    /* Reads since there is none. */
    unsigned map_reads;
    /* None can be had. */
    bool map_closed;
    /* A thread is changing the mappings; another one wants those that are old to be looked at. */
    bool map_busy;
    bool map_unswept;
    /* Of the thread that has set map_busy. Replaced; unmapped; how many, and why. */
    struct RawMap *map_old;
    struct RawMap *map_spare;
    unsigned map_made;
    unsigned map_cuts;

    /* Main loop's thread. */
    bool use_lock;
    /* The last change had no answer in time: the next one does not wait for it again. */
    bool lock_late;
    /* What parents do and share, as of the last set; and what the locks on fd say. */
    uint64_t perm;
    uint64_t shared_perm;
    uint64_t locked_perm;
    uint64_t locked_shared_perm;
} BDRVRawState;

/* Of a server, about a file. Atomic. */
typedef struct RawAnswers {
    /* A question is on its way, or has had no answer in time, and has none yet. */
    bool asked;
    /* To be closed when it has; -1: nothing. */
    int close_fd;
    /* Bytes that the file takes up, as of the last answer; -errno. */
    int64_t allocated;
} RawAnswers;

/* What an opening needs to know of a file; becomes the node's state. */
typedef struct RawPrepared {
    BDRVRawState s;
    char *read_only_reason;
} RawPrepared;

static inline const BlockdevOptionsFile *raw_options(const BlockdevOptions *opts)
{
    return opts->driver == BLOCKDEV_DRIVER_HOST_DEVICE ? &opts->u.host_device : &opts->u.file;
}

/* file-posix-prepare.c: BlockDriver.bdrv_prepare and so on; any thread */
void *raw_prepare(const BlockdevOptions *opts, int flags, Error **errp);
void raw_unprepare(void *prepared);
int raw_probe(const BlockdevOptions *opts);
/*
 * Nobody asks twice: a new reference for a question, NULL while another one has no answer. Whoever
 * has asked lets go of it as soon as there is an answer; *@answers, which may be NULL, becomes
 * NULL. Any thread.
 */
RawAnswers *raw_answers_claim(RawAnswers *answers);
void raw_answers_release(RawAnswers **answers);
/* As raw_answers_claim(), for somebody who can wait @ms milliseconds. */
RawAnswers *raw_answers_claim_soon(RawAnswers *answers, int ms);
/* Closes @fd when nobody asks about it, and drops the node's reference. Main loop's thread. */
void raw_answers_close(RawAnswers *answers, int fd);
int coroutine_fn raw_co_ping(BlockDriverState *bs);
int coroutine_fn raw_co_refresh_info(BlockDriverState *bs, int ms);
/* Bytes that @fd takes up on its file system; -errno. Waits for a server. */
int64_t raw_fd_allocated(int fd);

/* file-posix-open.c */
/*
 * Opens @filename as BDRV_O_* @flags say. The descriptor, or -errno with @errp. It is read-only in
 * spite of @flags if they allow that and *@ret_read_only_reason, which the caller frees, was set.
 * Any thread; waits for the file system.
 */
int raw_open_file(const char *filename, int flags, char **ret_read_only_reason, Error **errp);

/* file-posix-lock.c: permissions, main loop's thread */
/* At the open: warns if somebody writes and locks do not keep us apart; says so for others, too. */
void raw_look_for_writers(BDRVRawState *s, const char *filename, bool writable);
int raw_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp);
void raw_set_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared);
void raw_abort_perm_update(BlockDriverState *bs);

/* file-posix-fs.c: ways of transferring data that a file system is known to do right */
enum {
    RAW_FS_IO_URING = 1 << 0,
    RAW_FS_MAP = 1 << 1,   /* a mapping and a write agree at once */
    RAW_FS_BATCH = 1 << 2, /* one thread writes for many, or RWF_NOWAIT */
};
/* RAW_FS_* of an f_type of statfs(2). */
unsigned raw_fs_type_abilities(uint64_t type);
/* RAW_FS_* of what @fd is open on. Any thread; waits for the file system. */
unsigned raw_fs_abilities(int fd);

/* file-posix-aio.c: data */
int coroutine_fn raw_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                               QEMUIOVector *qiov, BdrvRequestFlags flags);
int coroutine_fn raw_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, BdrvRequestFlags flags);
int coroutine_fn raw_co_flush_to_disk(BlockDriverState *bs);

/* file-posix-write.c: writing to the page cache */
/* Must writes that are neither direct nor synchronous be given to the following? */
bool raw_writes_batched(const BDRVRawState *s);
int raw_try_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov, struct BlkTryWrite *write);
/* One attempt: bytes, or -errno. */
int coroutine_fn raw_co_write_batched(BDRVRawState *s, const struct iovec *iov, int niov,
                                      int64_t offset, int64_t bytes);

/* file-posix-map.c: reading what is in the page cache */
int raw_try_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes, const struct iovec *iov,
                   int niov);
/*
 * The range is a hole now: reading it from the mapping could fill it again. Any thread; a read that
 * is being done meanwhile may still.
 */
void raw_map_forget(BDRVRawState *s, int64_t offset, int64_t bytes);
/* Main loop's thread; nothing is in flight. */
void raw_map_free(BDRVRawState *s);
/* For tests. Bytes of address space that all mappings take; what they may take. Any thread. */
int64_t raw_map_total(void);
void raw_map_set_limit(int64_t bytes);

/* file-posix-space.c: zeroes, discard, length */
int coroutine_fn raw_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                      BdrvRequestFlags flags);
int coroutine_fn raw_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes);
int coroutine_fn raw_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                 PreallocMode prealloc, BdrvRequestFlags flags, Error **errp);
int64_t coroutine_fn raw_co_getlength(BlockDriverState *bs);
int64_t raw_get_allocated_file_size(BlockDriverState *bs);
/* The exact length of @fd in bytes, or -errno. Any thread. */
int64_t raw_fd_length(int fd);

/* file-posix-info.c: what the monitor asks for; main loop's thread */
struct ImageInfoSpecific *raw_get_specific_info(BlockDriverState *bs);
struct BlockStatsSpecific *raw_get_specific_stats(BlockDriverState *bs);
/* The hint in bytes; -1: none is known. Any thread; waits for the file system. */
int64_t raw_fd_extent_size_hint(int fd);

/* file-posix-device.c: what only block devices have */
/* -errno with @errp for a device that can only be written zone by zone. Any thread; waits. */
int raw_device_check_zones(int fd, const char *filename, Error **errp);
/* Fills in what @s says of a device. Any thread; waits. */
void raw_device_ask(BDRVRawState *s);
int coroutine_fn raw_co_secure_erase(BlockDriverState *bs, int64_t offset, int64_t bytes);
int coroutine_fn raw_co_get_lifetime(BlockDriverState *bs, struct BlockLifetime *ret_lifetime);
/* Have a test's folder stand for /sys; it must live on. Main loop's thread, no node is open. */
void raw_device_set_sysfs(const char *folder);

#endif
