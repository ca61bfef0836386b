/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters of a BlockBackend's requests, for query-blockstats.
 *
 * Theory of operation
 *
 * blk_co_preadv() and its like call block_acct_start() and block_acct_done() or block_acct_failed()
 * themselves. Any thread counts; each counts in a slot of its own (as far as the slots go), with
 * relaxed atomics, so that IOThreads do not fight for a cache line. Numbers of operations and bytes
 * are exact. Reading the clock twice would be felt by every request, so time is taken for one
 * request in BLOCK_ACCT_SAMPLE, beginning with the first, and scaled.
 */
#ifndef BLOCK_ACCOUNTING_H
#define BLOCK_ACCOUNTING_H

enum BlockAcctType {
    BLOCK_ACCT_NONE = 0,
    BLOCK_ACCT_READ,
    BLOCK_ACCT_WRITE,
    BLOCK_ACCT_FLUSH,
    BLOCK_ACCT_UNMAP,
    BLOCK_MAX_IOTYPE,
};

#define BLOCK_ACCT_SAMPLE 16
#define BLOCK_ACCT_SLOTS  8

/* One thread's part; atomic. */
typedef struct BlockAcctSlot {
    uint64_t started[BLOCK_MAX_IOTYPE];
    uint64_t nr_ops[BLOCK_MAX_IOTYPE];
    uint64_t nr_bytes[BLOCK_MAX_IOTYPE];
    uint64_t total_time_ns[BLOCK_MAX_IOTYPE];
    uint64_t failed_ops[BLOCK_MAX_IOTYPE];
    uint64_t invalid_ops[BLOCK_MAX_IOTYPE];
} __attribute__((aligned(64))) BlockAcctSlot;

typedef struct BlockAcctStats {
    BlockAcctSlot slots[BLOCK_ACCT_SLOTS];
    /* Clock time of the last request that was timed, in nanoseconds; 0: never. */
    int64_t last_access_time_ns;
} BlockAcctStats;

typedef struct BlockAcctCookie {
    int64_t bytes;
    /* 0: this request is not timed. */
    int64_t start_time_ns;
    enum BlockAcctType type;
} BlockAcctCookie;

/* Sums over the slots. */
typedef struct BlockAcctTotals {
    uint64_t nr_ops[BLOCK_MAX_IOTYPE];
    uint64_t nr_bytes[BLOCK_MAX_IOTYPE];
    uint64_t total_time_ns[BLOCK_MAX_IOTYPE];
    uint64_t failed_ops[BLOCK_MAX_IOTYPE];
    uint64_t invalid_ops[BLOCK_MAX_IOTYPE];
} BlockAcctTotals;

/* The calling thread's slot, below BLOCK_ACCT_SLOTS. Any thread. */
unsigned block_thread_slot(void);

/* @stats is zeroed memory, 64-byte aligned. Any thread, does not block. */
void block_acct_init(BlockAcctStats *stats);
void block_acct_cleanup(BlockAcctStats *stats);
void block_acct_start(BlockAcctStats *stats, BlockAcctCookie *cookie, int64_t bytes,
                      enum BlockAcctType type);
void block_acct_done(BlockAcctStats *stats, BlockAcctCookie *cookie);
void block_acct_failed(BlockAcctStats *stats, BlockAcctCookie *cookie);
/* @n requests of @bytes together that took @ns together, each begun when the one before had ended.
 */
void block_acct_add(BlockAcctStats *stats, enum BlockAcctType type, uint64_t n, uint64_t bytes,
                    uint64_t ns);
/* The last request ended at @now. */
void block_acct_touch(BlockAcctStats *stats, int64_t now);
/* A request that was refused before it was started. */
void block_acct_invalid(BlockAcctStats *stats, enum BlockAcctType type);
/* Adds the counters of @stats to *@totals. */
void block_acct_sum(BlockAcctStats *stats, BlockAcctTotals *totals);
/* Nanoseconds since the last request that was timed; 0 when there was none. */
int64_t block_acct_idle_time_ns(BlockAcctStats *stats);

#endif
