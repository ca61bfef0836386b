/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an export has done: counters and latencies of each of its queues.
 *
 * Theory of operation: a queue counts in its own context, without read-modify-write operations on
 * memory that others write; any thread may read. Latencies are measured only while somebody has
 * asked for a histogram, with one reading of the clock for a batch: from the beginning of the turn
 * in which a request was taken from its ring until the client is told that it is done.
 *
 * Histograms begin, change and end while the queues are drained.
 */
#ifndef BLOCK_EXPORT_STATS_H
#define BLOCK_EXPORT_STATS_H

#include "qemu/atomic.h"
#include "qemu/timer.h"
#include "qapi/qapi-types-block-export-stats.h"

/* Requests of one kind that were taken in one turn and are not yet told of. */
typedef struct BlockExportBatch {
    int64_t start; /* ns of the monotonic clock */
    unsigned n;
    BlockExportOperation op;
} BlockExportBatch;

/* Queue's context writes, any thread reads: atomic. */
typedef struct BlockExportOpCounters {
    uint64_t requests;
    uint64_t failed;
    uint64_t bytes;
    uint64_t measured;
    uint64_t total_ns;
    uint64_t *bins; /* nbounds + 1 of them, or NULL; changes in a drain */
} BlockExportOpCounters;

/* Of one queue. */
typedef struct BlockExportCounters {
    /* Queue's context writes, any thread reads: atomic. */
    uint64_t turns;
    uint64_t taken;
    uint64_t done;
    uint64_t told;
    uint64_t at_once;
    BlockExportOpCounters ops[BLOCK_EXPORT_OPERATION__MAX];
    /* Main loop, in a drain. */
    uint64_t *bounds; /* upper ends of all bins but the last, ascending; ns */
    unsigned nbounds;
    bool measuring;
    /* Queue's context. */
    int64_t turn; /* when it began; 0: not measuring */
    unsigned nbatches;
    BlockExportBatch batches[8];
} BlockExportCounters;

/* What is known of a request that is done. */
typedef struct BlockExportRequestInfo {
    int64_t start; /* BlockExportCounters.turn when it was taken */
    uint64_t bytes;
    BlockExportOperation op;
    bool failed;
} BlockExportRequestInfo;

void blk_exp_stats_turn_slow(BlockExportCounters *s);
void blk_exp_stats_measure(BlockExportCounters *s);

/** blk_exp_stats_turn: The queue is looked at for requests. Queue's context. */
static inline void blk_exp_stats_turn(BlockExportCounters *s)
{
    qatomic_set(&s->turns, s->turns + 1);
    if (s->measuring) {
        blk_exp_stats_turn_slow(s);
    } else {
        s->turn = 0;
    }
}

/** blk_exp_stats_taken: A request was taken from the ring. Queue's context. */
static inline void blk_exp_stats_taken(BlockExportCounters *s)
{
    qatomic_set(&s->taken, s->taken + 1);
}

/** blk_exp_stats_at_once: It needed no coroutine. Queue's context. */
static inline void blk_exp_stats_at_once(BlockExportCounters *s)
{
    qatomic_set(&s->at_once, s->at_once + 1);
}

/** blk_exp_stats_done: A request is completed; the client is not told yet. Queue's context. */
void blk_exp_stats_done(BlockExportCounters *s, const BlockExportRequestInfo *info);

/** blk_exp_stats_told: The client is told of all that is done. Queue's context. */
static inline void blk_exp_stats_told(BlockExportCounters *s)
{
    qatomic_set(&s->told, s->told + 1);
    if (s->nbatches) {
        blk_exp_stats_measure(s);
    }
}

/**
 * blk_exp_stats_set_bounds: Measure from now on, in empty bins.
 * @bounds: ascending, above 0; NULL: measure no more
 *
 * Main loop; the queue is drained.
 */
void blk_exp_stats_set_bounds(BlockExportCounters *s, const uint64List *bounds);

/** blk_exp_stats_free: Free what @s holds. Main loop; the queue is drained, or gone. */
void blk_exp_stats_free(BlockExportCounters *s);

struct BlockExport;

/** blk_exp_check_boundaries: Whether they ascend, and are not too many; else false with @errp. */
bool blk_exp_check_boundaries(const uint64List *boundaries, Error **errp);

/** blk_exp_measure: Measure @exp, which nobody uses yet; NULL: nothing. Main loop. */
void blk_exp_measure(struct BlockExport *exp, const uint64List *boundaries);

#endif
