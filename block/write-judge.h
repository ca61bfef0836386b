/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May a write to the page cache be done by the thread that others wait for? The judgement alone,
 * with a clock that the caller brings (ns, never going back).
 *
 * Theory of operation
 *
 * Most writes to the page cache take microseconds, less than it takes to hand them to another
 * thread. Now and then one waits: for pages to be cleaned, a journal, a disk that is slow or full.
 * Nothing tells beforehand, but such writes come together. So each write is timed, whoever does it:
 * after WRITE_JUDGE_QUICK of them in a row, and a while in which none was slow, the loop's own
 * thread may write; after the first slow one it may not. The while gets longer each time that the
 * loop's thread was the one to wait, and is short again when it has not for long.
 *
 * Any thread; its words are atomic, and a lost count is only a later judgement.
 */
#ifndef BLOCK_WRITE_JUDGE_H
#define BLOCK_WRITE_JUDGE_H

enum {
    WRITE_JUDGE_QUICK = 64,          /* writes */
    WRITE_JUDGE_SLOW_NS = 1000000,   /* longer than this is a wait, for WRITE_JUDGE_MAX_BYTES too */
    WRITE_JUDGE_MAX_BYTES = 65536,   /* of a write that the loop's thread may do */
    WRITE_JUDGE_REST_MS = 200,       /* the shortest while without a slow one */
    WRITE_JUDGE_REST_MAX_MS = 60000, /* the longest */
};

typedef struct WriteJudge {
    int64_t slow_at; /* the end of the last slow write; 0: there was none */
    int64_t rest_ns; /* how long none may have been slow; 0: WRITE_JUDGE_REST_MS */
    unsigned quick;  /* in a row, up to WRITE_JUDGE_QUICK */
} WriteJudge;

/** write_judge_allows: Whether the loop's thread may write @bytes now. */
bool write_judge_allows(const WriteJudge *judge, int64_t bytes, int64_t now);

/** write_judge_note: A write took from @begin to @end; @by_loop: it was the loop's thread's. */
void write_judge_note(WriteJudge *judge, int64_t begin, int64_t end, bool by_loop);

#endif
