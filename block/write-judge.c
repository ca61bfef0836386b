/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "block/write-judge.h"

#define NS_PER_MS INT64_C(1000000)

static int64_t rest_of(const WriteJudge *judge)
{
    return qatomic_read(&judge->rest_ns) ?: WRITE_JUDGE_REST_MS * NS_PER_MS;
}

bool write_judge_allows(const WriteJudge *judge, int64_t bytes, int64_t now)
{
    int64_t slow_at = qatomic_read(&judge->slow_at);

    return bytes <= WRITE_JUDGE_MAX_BYTES && qatomic_read(&judge->quick) >= WRITE_JUDGE_QUICK &&
           (!slow_at || now - slow_at >= rest_of(judge));
}

static void note_slow(WriteJudge *judge, int64_t end, bool by_loop)
{
    int64_t rest = rest_of(judge);

    qatomic_set(&judge->quick, 0);
    qatomic_set(&judge->slow_at, end);
    if (by_loop) {
        qatomic_set(&judge->rest_ns, MIN(2 * rest, WRITE_JUDGE_REST_MAX_MS * NS_PER_MS));
    }
}

void write_judge_note(WriteJudge *judge, int64_t begin, int64_t end, bool by_loop)
{
    unsigned quick = qatomic_read(&judge->quick);
    int64_t slow_at;

    if (end - begin > WRITE_JUDGE_SLOW_NS) {
        note_slow(judge, end, by_loop);
        return;
    }
    if (quick < WRITE_JUDGE_QUICK) {
        qatomic_set(&judge->quick, quick + 1);
        return;
    }
    slow_at = qatomic_read(&judge->slow_at);
    if (slow_at && end - slow_at > 8 * rest_of(judge)) {
        qatomic_set(&judge->rest_ns, 0);
        qatomic_set(&judge->slow_at, 0);
    }
}
