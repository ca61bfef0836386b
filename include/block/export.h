/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exports: a block node offered to someone outside the process.
 *
 * Theory of operation: an export is made by block-export-add (or --export) and
 * is owned by the user. Removing it drops that reference and asks the driver to
 * disconnect its clients; whoever still needs the export holds a reference of
 * its own. When the last one is dropped, the export is freed in the main loop
 * and BLOCK_EXPORT_DELETED is sent; only then its id is free.
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include "qapi/qapi-types-block-export.h"
#include "qemu/queue.h"

typedef struct BlockExport BlockExport;

/* A way to offer a node. Everything runs in the main loop. */
typedef struct BlockExportDriver {
    BlockExportType type;

    /* Bytes of the driver's own struct, which begins with a BlockExport. */
    size_t instance_size;

    /* May the node be inactive (an image that a migration will hand over)? */
    bool supports_inactive;

    /*
     * Can queues run in several threads? Then create() calls blk_exp_set_num_queues(), and it and
     * threads_changed() ask blk_exp_queue_context().
     */
    bool supports_multithreading;

    /*
     * Start offering exp->blk according to @opts. 0, or -errno with @errp set
     * and nothing left behind.
     */
    int (*create)(BlockExport *exp, BlockExportOptions *opts, Error **errp);

    /* Free what create() made; no client and no request is left. */
    void (*delete)(BlockExport *exp);

    /*
     * Disconnect clients and accept no more. May poll; when it cannot finish at
     * once, the driver holds a reference until it has.
     */
    void (*request_shutdown)(BlockExport *exp);

    /* Queues have other contexts from now on. The node is drained. Optional. */
    void (*threads_changed)(BlockExport *exp);

    /*
     * What a queue, below num_queues, has done. NULL: nothing ever, unless @make, which is for a
     * drain. Any thread may read it. Optional.
     */
    struct BlockExportCounters *(*counters)(BlockExport *exp, unsigned queue, bool make);

    /* Who is connected ("process 4711"), or NULL for nobody; the caller frees it. Optional. */
    char *(*describe_client)(BlockExport *exp);

    /* Fill in what is the driver's to know of: where it listens, and its client. Optional. */
    void (*query)(BlockExport *exp, BlockExportInfo *info);
} BlockExportDriver;

struct BlockExport {
    /* constant after creation */
    const BlockExportDriver *drv;
    char *id;
    unsigned num_queues; /* 0 if the driver does not say */
    bool fixed_iothread;
    bool writable;

    /* atomic */
    int refcount;

    /* main loop */
    bool user_owned;                    /* the user's reference has not been dropped */
    struct BlockExportThreads *threads; /* those that the user asked for; change only in a drain */
    AioContext *ctx;                    /* the home context; changes only in a drain */
    BlockBackend *blk;                  /* the node, with this export's permissions */
    struct BlockExportEvents *events;   /* constant; what of it is told to monitors */
    GPtrArray *quiesced;                /* nodes, while its last requests end; or NULL */
    QLIST_ENTRY(BlockExport) next;
    QLIST_ENTRY(BlockExport) next_owned; /* while user_owned */
};

/**
 * blk_exp_add: Make an export of the node that @export names.
 *
 * Main loop. Returns the export, owned by the user, or NULL with @errp set and
 * nothing changed.
 */
BlockExport *blk_exp_add(BlockExportOptions *export, Error **errp);

/**
 * blk_exp_resume_nodes: The last requests of @exp do not end, so let others go on that use the
 * same nodes. Main loop; for a driver after request_shutdown().
 */
void blk_exp_resume_nodes(BlockExport *exp);

/** blk_exp_find: The export @id, or NULL. Main loop. */
BlockExport *blk_exp_find(const char *id);

/** blk_exp_foreach: Call @fn for every export, the newest first. Main loop. */
void blk_exp_foreach(void (*fn)(BlockExport *exp, void *opaque), void *opaque);

/**
 * blk_exp_set_num_queues: How many queues there are.
 *
 * Main loop; once, in create(). False with @errp set if the user's mapping of queues to threads
 * does not name them all, or names others.
 */
bool blk_exp_set_num_queues(BlockExport *exp, unsigned num_queues, Error **errp);

/**
 * blk_exp_queue_context: Where a queue is to run, until threads_changed().
 *
 * Main loop; for a driver that supports multithreading. NULL: at home.
 */
AioContext *blk_exp_queue_context(BlockExport *exp, unsigned queue);

/** blk_exp_ref: Any thread. */
void blk_exp_ref(BlockExport *exp);

/** blk_exp_unref: Any thread; the last one frees in a bottom half of the main loop. */
void blk_exp_unref(BlockExport *exp);

/**
 * blk_exp_request_shutdown: Drop the user's reference and disconnect clients.
 *
 * Main loop; may poll. Does nothing the second time.
 */
void blk_exp_request_shutdown(BlockExport *exp);

/** blk_exp_close_all: Remove every export and wait until all are gone. Main loop; polls. */
void blk_exp_close_all(void);

#endif /* BLOCK_EXPORT_H */
