/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a mapping worth it? The judgement alone, with a clock that the caller brings.
 *
 * Theory of operation
 *
 * Whoever reads from a mapping has to ask now and then which pages are resident, and reads from
 * what the answer covers until the answer is too old. An answer that is used for few reads costs
 * more than it saves. The judge is called when an epoch of answers is over, by the first who asks
 * after that, and weighs reads against answers, the newest epoch as much as all before together.
 *
 * An epoch that ended in a pause says little: its answers were given for reads that did not come.
 * It counts, but only several of them in a row, or one without a pause, lead to a judgement. A
 * mapping that rests is told how much is read without it, and ends its rest when that has become so
 * much that the same number of answers would have been worth it.
 *
 * Not locked: the caller has one thread judge at a time.
 */
#ifndef BLOCK_MAP_JUDGE_H
#define BLOCK_MAP_JUDGE_H

enum {
    MAP_JUDGE_EPOCH_MS = 512,   /* how long an answer is believed */
    MAP_JUDGE_PAUSE_MS = 64,    /* without a read: the load has stopped meanwhile */
    MAP_JUDGE_PAUSES = 4,       /* epochs that ended in one, and are judged all the same */
    MAP_JUDGE_MIN_READS = 8,    /* that an answer is worth asking for */
    MAP_JUDGE_MIN_ANSWERS = 16, /* in an epoch; fewer cost nothing */
    MAP_JUDGE_MAX_FAULTS = 4,   /* in an epoch: reads that had to wait for the disk */
    MAP_JUDGE_REST_MS = 5000,
};

typedef struct MapJudge {
    uint64_t reads;
    uint64_t answers;
    uint64_t rested_for; /* answers, in the epoch for which the mapping rests; 0: for faults */
    unsigned pauses;
} MapJudge;

/* What happened since the judge was called last. */
typedef struct MapEpoch {
    unsigned reads;
    unsigned answers;
    unsigned faults;
    int64_t silence_ms; /* since the last read before this one */
} MapEpoch;

/** map_judge_epoch: Whether the mapping shall rest now, for MAP_JUDGE_REST_MS at most. */
bool map_judge_epoch(MapJudge *judge, const MapEpoch *epoch);

/**
 * map_judge_rest_over: Whether a rest is over.
 * @reads: in the last @ms of it
 * @rested_ms: how long it has lasted
 */
bool map_judge_rest_over(const MapJudge *judge, uint64_t reads, int64_t ms, int64_t rested_ms);

#endif
