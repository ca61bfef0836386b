/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which IOThreads an export uses, and which queue runs in which. Main loop. */
#ifndef BLOCK_EXPORT_THREADS_H
#define BLOCK_EXPORT_THREADS_H

#include "block/export.h"

/* While it lives, none of its threads can be deleted. */
typedef struct BlockExportThreads BlockExportThreads;

/* What the user said about threads; at most one member is set. */
typedef struct BlockExportThreadOptions {
    const BlockExportIothreads *iothread;
    const IOThreadVirtQueueMappingList *mapping;
} BlockExportThreadOptions;

/**
 * blk_exp_threads_new: Look the threads up and keep them in use.
 * @drv: whether several are possible
 *
 * Returns NULL with @errp set, and nothing in use, if they cannot be had.
 */
BlockExportThreads *blk_exp_threads_new(const BlockExportDriver *drv,
                                        const BlockExportThreadOptions *options, Error **errp);

/** blk_exp_threads_free: Let go of the threads; NULL is fine. */
void blk_exp_threads_free(BlockExportThreads *threads);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockExportThreads, blk_exp_threads_free)

/**
 * blk_exp_threads_fit: Does a mapping name each of @num_queues queues, and no other? False with
 * @errp set.
 */
bool blk_exp_threads_fit(const BlockExportThreads *threads, unsigned num_queues, Error **errp);

/** blk_exp_threads_names: Their ids, in the user's order; the caller frees the list. */
strList *blk_exp_threads_names(const BlockExportThreads *threads);

/** blk_exp_threads_home: The first one's context; NULL: the user named none. */
AioContext *blk_exp_threads_home(const BlockExportThreads *threads);

/** blk_exp_threads_queue: The context of @queue; NULL: the home. */
AioContext *blk_exp_threads_queue(const BlockExportThreads *threads, unsigned queue);

/**
 * blk_exp_change_threads: Have the queues of @exp run in @threads, which become the export's, while
 * no request runs. False with @errp set: all is as it was. In export.c.
 */
bool blk_exp_change_threads(BlockExport *exp, BlockExportThreads *threads, Error **errp);

#endif
