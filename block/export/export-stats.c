/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an export has done: counting, in the queue's context. */
#include "qemu/osdep.h"
#include "export-stats.h"

/* Only one context writes: a relaxed load and store are enough. */
static void count(uint64_t *counter, uint64_t n)
{
    qatomic_set(counter, *counter + n);
}

void blk_exp_stats_turn_slow(BlockExportCounters *s)
{
    s->turn = get_clock();
}

static void remember(BlockExportCounters *s, const BlockExportRequestInfo *info)
{
    BlockExportBatch *last = s->nbatches ? &s->batches[s->nbatches - 1] : NULL;

    if (last && last->start == info->start && last->op == info->op) {
        last->n++;
        return;
    }
    if (s->nbatches == ARRAY_SIZE(s->batches)) {
        blk_exp_stats_measure(s);
    }
    s->batches[s->nbatches++] = (BlockExportBatch){ info->start, 1, info->op };
}

void blk_exp_stats_done(BlockExportCounters *s, const BlockExportRequestInfo *info)
{
    BlockExportOpCounters *c = &s->ops[info->op];

    count(&s->done, 1);
    count(&c->requests, 1);
    if (info->failed) {
        count(&c->failed, 1);
    } else {
        count(&c->bytes, info->bytes);
    }
    /* What was taken before measuring began has no start. */
    if (info->start && s->measuring) {
        remember(s, info);
    }
}

/* The first bin whose upper end is above @ns. */
static unsigned find_bin(const BlockExportCounters *s, uint64_t ns)
{
    unsigned low = 0, high = s->nbounds;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (ns < s->bounds[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void blk_exp_stats_measure(BlockExportCounters *s)
{
    int64_t now = get_clock();

    for (unsigned i = 0; i < s->nbatches; i++) {
        const BlockExportBatch *batch = &s->batches[i];
        BlockExportOpCounters *c = &s->ops[batch->op];
        uint64_t ns = now - batch->start;

        count(&c->measured, batch->n);
        count(&c->total_ns, ns * batch->n);
        count(&c->bins[find_bin(s, ns)], batch->n);
    }
    s->nbatches = 0;
}

void blk_exp_stats_set_bounds(BlockExportCounters *s, const uint64List *bounds)
{
    blk_exp_stats_free(s);
    s->measuring = bounds;
    for (const uint64List *b = bounds; b; b = b->next) {
        s->nbounds++;
    }
    s->bounds = g_new(uint64_t, s->nbounds);
    for (unsigned i = 0; i < s->nbounds; i++, bounds = bounds->next) {
        s->bounds[i] = bounds->value;
    }
    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        s->ops[i].measured = 0;
        s->ops[i].total_ns = 0;
        s->ops[i].bins = s->measuring ? g_new0(uint64_t, s->nbounds + 1) : NULL;
    }
}

void blk_exp_stats_free(BlockExportCounters *s)
{
    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        g_clear_pointer(&s->ops[i].bins, g_free);
    }
    g_clear_pointer(&s->bounds, g_free);
    s->nbounds = 0;
    s->nbatches = 0;
    s->measuring = false;
}
