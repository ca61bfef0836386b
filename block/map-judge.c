/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "map-judge.h"

static bool rest(MapJudge *judge, uint64_t rested_for)
{
    *judge = (MapJudge){ .rested_for = rested_for };
    return true;
}

bool map_judge_epoch(MapJudge *judge, const MapEpoch *epoch)
{
    judge->reads = judge->reads / 2 + epoch->reads;
    judge->answers = judge->answers / 2 + epoch->answers;
    if (epoch->faults > MAP_JUDGE_MAX_FAULTS) {
        return rest(judge, 0);
    }
    if (epoch->silence_ms >= MAP_JUDGE_PAUSE_MS && ++judge->pauses < MAP_JUDGE_PAUSES) {
        return false;
    }
    judge->pauses = 0;
    if (judge->answers > MAP_JUDGE_MIN_ANSWERS &&
        judge->reads < MAP_JUDGE_MIN_READS * judge->answers) {
        return rest(judge, judge->answers);
    }
    return false;
}

bool map_judge_rest_over(const MapJudge *judge, uint64_t reads, int64_t ms, int64_t rested_ms)
{
    /* Twice what is needed, so that a load at the border does not go to and fro. */
    uint64_t needed = 2 * MAP_JUDGE_MIN_READS * judge->rested_for;

    return rested_ms >= MAP_JUDGE_REST_MS ||
           (judge->rested_for && ms > 0 && reads * MAP_JUDGE_EPOCH_MS >= needed * ms);
}
