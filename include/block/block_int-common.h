/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The insides of a node, an edge and a driver: for the block layer and its drivers.
 *
 * Theory of operation
 *
 * A node (BlockDriverState) is one open image or filter. It is made by bdrv_open_node(), which
 * calls the driver's bdrv_open; the driver opens its children there. It lives until the last
 * reference is dropped, is then drained, flushed and closed. An edge (BdrvChild) leads from a
 * parent, which is a node or a BlockBackend, to a child node, and carries the permissions that the
 * parent has on it.
 *
 * Requests come in any thread. The graph and all other state belong to the main loop's thread,
 * which changes what requests read only while the node is drained (see block/graph-lock.h).
 */
#ifndef BLOCK_INT_COMMON_H
#define BLOCK_INT_COMMON_H

#include "block/block-common.h"
#include "qemu/coroutine.h"
#include "qemu/interval-tree.h"
#include "qemu/queue.h"
#include "qemu/thread.h"

struct BlkTryWrite;
struct BlockStatsSpecific;
struct ImageInfoSpecific;
struct BlockLifetime;

/* What requests may look like when they reach the driver; lengths and alignments in bytes. */
typedef struct BlockLimits {
    /* Power of two; offset and length of reads and writes are multiples. At least 1. */
    uint32_t request_alignment;
    /* Largest discard, and the granularity that it needs to have an effect; 0: no limit. */
    int64_t max_pdiscard;
    uint32_t pdiscard_alignment;
    int64_t max_pwrite_zeroes;
    uint32_t pwrite_zeroes_alignment;
    /* Longest secure erase, and its alignment, a power of two; 0: the medium has none. */
    int64_t max_secure_erase;
    uint32_t secure_erase_alignment;
    /* The medium can tell how worn it is. */
    bool has_lifetime;
    /* Best and largest read or write; 0: no limit. */
    uint32_t opt_transfer;
    uint32_t max_transfer;
    /* What memory needs and likes. */
    size_t min_mem_alignment;
    size_t opt_mem_alignment;
    /* Elements of an I/O vector; 0: no limit. */
    int max_iov;
} BlockLimits;

/* A write that overlapping writes may have to wait for. */
typedef struct BdrvTrackedRequest {
    /* Constant from when it waits until its end. */
    BlockDriverState *bs;
    bool serialising;
    uint64_t number; /* how many came before it */
    /* The range touched, rounded to the alignment when the request is serialising; bytes. */
    IntervalTreeNode range;
    /* Under the node's reqs_lock: how many before it overlap and have not ended. */
    unsigned int waits_for;
    CoQueue wait_queue;
} BdrvTrackedRequest;

/* What somebody does to a node and lets others do to it; BLK_PERM_*. */
typedef struct BdrvPerms {
    uint64_t perm;
    uint64_t shared;
} BdrvPerms;

struct BlockDriver {
    /* Constant. */
    const char *format_name;
    /* Bytes of bs->opaque; zeroed before bdrv_open. */
    size_t instance_size;
    /* Passes requests through to bs->file. */
    bool is_filter;

    /* The option that says what bs->file is. NULL: a driver without one. */
    BlockdevRef *(*bdrv_file_ref)(const BlockdevOptions *options);

    /*
     * What has to wait for storage before bdrv_open, NULL if there is nothing. Any thread; touches
     * nothing but @options, whose children it leaves alone. What it returns, or NULL with @errp, is
     * in bs->prepared when bdrv_open is called, which takes it from there.
     */
    void *(*bdrv_prepare)(const BlockdevOptions *options, int flags, Error **errp);
    /* Frees what nobody has taken. Any thread; waits for storage. */
    void (*bdrv_unprepare)(void *prepared);
    /* 0 if the storage answers to a question at all; a thread; waits. NULL: it always does. */
    int (*bdrv_probe)(const BlockdevOptions *options);

    /* -ETIMEDOUT if the storage does not answer, in time, to a question. A command's coroutine. */
    int coroutine_fn (*bdrv_co_ping)(BlockDriverState *bs);
    /*
     * Asks, for @ms milliseconds at most, what bdrv_get_allocated_file_size then tells. Likewise;
     * @bs may be gone afterwards.
     */
    int coroutine_fn (*bdrv_co_refresh_info)(BlockDriverState *bs, int ms);

    /*
     * Main loop's thread. @flags: BDRV_O_* that the options came to. Opens children, fills
     * bs->opaque. 0, or -errno with @errp and nothing left but children, which the caller removes.
     * A child may bring the node into another AioContext, and into a drain: ask for the context
     * after the last child is attached; of a drain the driver hears when it is complete.
     */
    int (*bdrv_open)(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp);
    /* Drained, flushed; children are still there. */
    void (*bdrv_close)(BlockDriverState *bs);
    /* Fills bs->bl, which holds the defaults merged from bs->file. */
    void (*bdrv_refresh_limits)(BlockDriverState *bs, Error **errp);

    /*
     * Permissions: check (may refuse with -errno and @errp), then exactly one of set and abort.
     * bdrv_child_perm says what this driver needs on @c when its own parents do and share @parents;
     * NULL: what the child's role needs.
     */
    int (*bdrv_check_perm)(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp);
    void (*bdrv_set_perm)(BlockDriverState *bs, uint64_t perm, uint64_t shared);
    void (*bdrv_abort_perm_update)(BlockDriverState *bs);
    BdrvPerms (*bdrv_child_perm)(BlockDriverState *bs, BdrvChild *c, BdrvPerms parents);

    /* Main loop's thread, drained, around a change of bs->aio_context; complete drivers only. */
    void (*bdrv_detach_aio_context)(BlockDriverState *bs);
    void (*bdrv_attach_aio_context)(BlockDriverState *bs, AioContext *new_context);
    /*
     * Main loop's thread: stop and resume what the driver does by itself; complete drivers only. No
     * end comes for a drain in which the node is closed.
     */
    void (*bdrv_drain_begin)(BlockDriverState *bs);
    void (*bdrv_drain_end)(BlockDriverState *bs);

    /* For query-named-block-nodes and query-blockstats; NULL, or the caller's. Main loop's thread.
     */
    struct ImageInfoSpecific *(*bdrv_get_specific_info)(BlockDriverState *bs);
    struct BlockStatsSpecific *(*bdrv_get_specific_stats)(BlockDriverState *bs);

    /* The space taken on the host in bytes, or -errno. Main loop's thread. */
    int64_t (*bdrv_get_allocated_file_size)(BlockDriverState *bs);

    /*
     * Requests: any thread, in a coroutine. Aligned to bs->bl, inside the length, at most
     * BDRV_REQUEST_MAX_BYTES. @qiov->size is @bytes. @flags only such as bs->supported_*_flags
     * names.
     */
    int coroutine_fn (*bdrv_co_preadv)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                       QEMUIOVector *qiov, BdrvRequestFlags flags);
    int coroutine_fn (*bdrv_co_pwritev)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                        QEMUIOVector *qiov, BdrvRequestFlags flags);
    /*
     * The same at once, or -EAGAIN; @write may be NULL. See block/try-io.h. Any thread, no
     * coroutine.
     */
    int (*bdrv_try_preadv)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                           const struct iovec *iov, int niov);
    int (*bdrv_try_pwritev)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                            const struct iovec *iov, int niov, struct BlkTryWrite *write);
    /* -ENOTSUP: the block layer writes a buffer of zeroes. */
    int coroutine_fn (*bdrv_co_pwrite_zeroes)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                              BdrvRequestFlags flags);
    /* -ENOTSUP counts as success. */
    int coroutine_fn (*bdrv_co_pdiscard)(BlockDriverState *bs, int64_t offset, int64_t bytes);
    /* Only where bl.max_secure_erase and bl.has_lifetime say so; see block/medium.h. */
    int coroutine_fn (*bdrv_co_secure_erase)(BlockDriverState *bs, int64_t offset, int64_t bytes);
    int coroutine_fn (*bdrv_co_get_lifetime)(BlockDriverState *bs, struct BlockLifetime *lifetime);
    /* Makes completed writes durable as far as this node is concerned; bs->file comes after it. */
    int coroutine_fn (*bdrv_co_flush_to_disk)(BlockDriverState *bs);
    /* The length in bytes, or -errno. NULL: that of bs->file. */
    int64_t coroutine_fn (*bdrv_co_getlength)(BlockDriverState *bs);
    int coroutine_fn (*bdrv_co_truncate)(BlockDriverState *bs, int64_t offset, bool exact,
                                         PreallocMode prealloc, BdrvRequestFlags flags,
                                         Error **errp);

    /* A moment in the life of a request, for drivers that inject faults; may yield. */
    void coroutine_fn (*bdrv_co_debug_event)(BlockDriverState *bs, BlkdebugEvent event);

    /* Main loop's thread. */
    QLIST_ENTRY(BlockDriver) list;
};

/* What a kind of parent (a node, a BlockBackend) does when something happens to its child. */
struct BdrvChildClass {
    bool parent_is_bds;
    /* Main loop's thread, drained: the child's length changed. */
    void (*resize)(BdrvChild *child);
    /* Who the parent is, for messages ("node 'raw0'"); the caller frees it. */
    char *(*get_parent_desc)(BdrvChild *child);
    /* Main loop's thread. Stop sending requests; still busy?; go on. */
    void (*drained_begin)(BdrvChild *child);
    bool (*drained_poll)(BdrvChild *child);
    void (*drained_end)(BdrvChild *child);
    /* May the parent's AioContext become @ctx? false with @errp. */
    bool (*can_change_aio_ctx)(BdrvChild *child, AioContext *ctx, Error **errp);
    /* Drained: the parent's AioContext is @ctx now. Not called for nodes. */
    void (*set_aio_ctx)(BdrvChild *child, AioContext *ctx);
    AioContext *(*get_parent_aio_context)(BdrvChild *child);
};

extern const BdrvChildClass child_of_bds;

struct BdrvChild {
    /* Constant after creation. */
    BlockDriverState *bs;
    char *name;
    const BdrvChildClass *klass;
    BdrvChildRole role;
    /* The parent: a BlockDriverState or a BlockBackend. */
    void *opaque;

    /* Main loop's thread; perm is atomic, requests in flight read it. */
    uint64_t perm;
    uint64_t shared_perm;

    /* Main loop's thread. */
    /* The parent has been told that this child is drained. */
    bool quiesced_parent;
    QLIST_ENTRY(BdrvChild) next;
    QLIST_ENTRY(BdrvChild) next_parent;
};

/* Who wants to know when a node moves to another AioContext. */
typedef struct BdrvAioNotifier {
    void (*attached_aio_context)(AioContext *new_context, void *opaque);
    void (*detach_aio_context)(void *opaque);
    void *opaque;
    QLIST_ENTRY(BdrvAioNotifier) list;
} BdrvAioNotifier;

struct BlockDriverState {
    /* Constant after the open; requests read them. */
    BlockDriver *drv;
    void *opaque;
    char *node_name;
    /* The file name as the user gave it, "" where there is none. */
    char *filename;
    /* Why the driver has opened it read-only though it need not be; NULL: it has not. */
    char *read_only_reason;
    BdrvRequestFlags supported_read_flags;
    BdrvRequestFlags supported_write_flags;
    BdrvRequestFlags supported_zero_flags;
    BdrvRequestFlags supported_truncate_flags;
    BlockdevDetectZeroesOptions detect_zeroes;
    bool force_share;

    /* Main loop's thread, changed under a drain; requests read them. */
    int open_flags;
    BlockLimits bl;
    BdrvChild *file;
    AioContext *aio_context;

    /* Atomic. */
    int64_t total_sectors;
    /* Activities that no BlockBackend counts. */
    unsigned int in_flight;
    unsigned int quiesce_counter;
    /* The highest byte ever written, for query-blockstats. */
    uint64_t wr_highest_offset;

    /* Writes on nodes whose requests need an alignment; under reqs_lock. */
    QemuMutex reqs_lock;
    IntervalTreeRoot plain_writes;
    IntervalTreeRoot serialising_writes;
    uint64_t writes_entered;
    unsigned int serialising_in_flight; /* those in the tree, and those that may enter it */
    CoQueue serialising_waiting;        /* for that */

    /* Main loop's thread. */
    unsigned int refcnt;
    bool monitor_owned;
    /* The object whose context the node is in, if there is one: the node is a user of it. */
    IOThread *iothread;
    /* x-blockdev-set-iothread wants the node where it is, with parents or without. */
    bool placed;
    /*
     * The driver is complete, from the end of bdrv_open until bdrv_close begins: others can find
     * the node, and the driver hears of drains and moves.
     */
    bool opened;
    /* A command waits for its requests, or works on it without any (block/command-wait.h). */
    bool settling;
    /* By bdrv_flush_all(), with this result: 0 or -errno. */
    bool flushed;
    int flush_result;
    /* The last reference is gone: nobody can find it any more. */
    bool closing;
    /* From the driver's bdrv_prepare until its bdrv_open takes it. */
    void *prepared;
    bool walking_aio_notifiers;
    QLIST_HEAD(, BdrvChild) children;
    QLIST_HEAD(, BdrvChild) parents;
    QLIST_HEAD(, BdrvAioNotifier) aio_notifiers;
    QTAILQ_ENTRY(BlockDriverState) node_list;
};

/* The node at the end of @child, NULL when there is no edge. */
static inline BlockDriverState *child_bs(BdrvChild *child)
{
    return child ? child->bs : NULL;
}

#endif
