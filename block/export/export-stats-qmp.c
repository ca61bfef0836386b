/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What exports have done: the commands that tell it. Main loop. */
#include "qemu/osdep.h"
#include "block/block.h"
#include "block/command-wait.h"
#include "block/export.h"
#include "export-stats.h"
#include "openmetrics.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-export-stats.h"
#include "system/block-backend.h"

#define MAX_BOUNDARIES 1000

/* Sums, of one queue or of several. */
typedef struct Sum {
    BlockExportOpCounters ops[BLOCK_EXPORT_OPERATION__MAX]; /* bins are owned */
    const BlockExportCounters *like; /* any queue: its boundaries are all's */
} Sum;

static void sum_add(Sum *sum, const BlockExportCounters *s)
{
    sum->like = s;
    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        const BlockExportOpCounters *from = &s->ops[i];
        BlockExportOpCounters *to = &sum->ops[i];

        to->requests += qatomic_read(&from->requests);
        to->failed += qatomic_read(&from->failed);
        to->bytes += qatomic_read(&from->bytes);
        to->measured += qatomic_read(&from->measured);
        to->total_ns += qatomic_read(&from->total_ns);
        if (s->measuring && !to->bins) {
            to->bins = g_new0(uint64_t, s->nbounds + 1);
        }
        for (unsigned bin = 0; s->measuring && bin <= s->nbounds; bin++) {
            to->bins[bin] += qatomic_read(&from->bins[bin]);
        }
    }
}

static void sum_done(Sum *sum)
{
    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        g_free(sum->ops[i].bins);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sum, sum_done)

static uint64List *list_of(const uint64_t *values, unsigned n)
{
    uint64List *head = NULL, **tail = &head;

    for (unsigned i = 0; i < n; i++) {
        QAPI_LIST_APPEND(tail, values[i]);
    }
    return head;
}

static BlockExportHistogram *histogram_of(const Sum *sum, const BlockExportOpCounters *c)
{
    BlockExportHistogram *h = g_new0(BlockExportHistogram, 1);

    h->boundaries = list_of(sum->like->bounds, sum->like->nbounds);
    h->bins = list_of(c->bins, sum->like->nbounds + 1);
    return h;
}

static BlockExportOperationStatsList *operations_of(const Sum *sum)
{
    BlockExportOperationStatsList *head = NULL, **tail = &head;

    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        const BlockExportOpCounters *c = &sum->ops[i];
        BlockExportOperationStats *stats;

        if (!c->requests) {
            continue;
        }
        stats = g_new0(BlockExportOperationStats, 1);
        *stats = (BlockExportOperationStats){
            .operation = i,
            .requests = c->requests,
            .failed = c->failed,
            .bytes = c->bytes,
        };
        if (c->bins) {
            stats->has_measured = true;
            stats->measured = c->measured;
            stats->has_total_time_ns = true;
            stats->total_time_ns = c->total_ns;
            stats->histogram = histogram_of(sum, c);
        }
        QAPI_LIST_APPEND(tail, stats);
    }
    return head;
}

static BlockExportQueueStats *queue_stats(unsigned queue, const BlockExportCounters *s)
{
    BlockExportQueueStats *stats = g_new0(BlockExportQueueStats, 1);
    /* Read in this order, so that the difference is not below 0. */
    uint64_t done = qatomic_load_acquire(&s->done);
    g_auto(Sum) sum = {};

    sum_add(&sum, s);
    *stats = (BlockExportQueueStats){
        .queue = queue,
        .turns = qatomic_read(&s->turns),
        .notifications = qatomic_read(&s->told),
        .at_once = qatomic_read(&s->at_once),
        .in_flight = qatomic_read(&s->taken) - done,
        .operations = operations_of(&sum),
    };
    return stats;
}

static BlockExportStats *export_stats(BlockExport *exp, bool queues)
{
    BlockExportStats *stats = g_new0(BlockExportStats, 1);
    BlockExportQueueStatsList **tail = &stats->queues;
    g_auto(Sum) sum = {};

    stats->id = g_strdup(exp->id);
    stats->node_name = g_strdup(bdrv_get_node_name(blk_bs(exp->blk)));
    stats->has_queues = queues;
    for (unsigned i = 0; exp->drv->counters && i < exp->num_queues; i++) {
        const BlockExportCounters *s = exp->drv->counters(exp, i, false);

        if (!s) {
            continue;
        }
        sum_add(&sum, s);
        if (queues && qatomic_read(&s->turns)) {
            QAPI_LIST_APPEND(tail, queue_stats(i, s));
        }
    }
    stats->operations = operations_of(&sum);
    return stats;
}

typedef struct Answer {
    BlockExportStatsList **tail;
    bool queues;
} Answer;

static void answer_for(BlockExport *exp, void *opaque)
{
    Answer *answer = opaque;

    QAPI_LIST_APPEND(answer->tail, export_stats(exp, answer->queues));
}

BlockExportStatsList *qmp_query_block_export_stats(const char *id, bool has_queues, bool queues,
                                                   Error **errp)
{
    BlockExport *exp = id ? blk_exp_find(id) : NULL;
    BlockExportStatsList *head = NULL;
    Answer answer = { &head, has_queues && queues };

    if (id && !exp) {
        error_setg(errp, "Export '%s' is not found", id);
        return NULL;
    }
    if (exp) {
        answer_for(exp, &answer);
    } else {
        blk_exp_foreach(answer_for, &answer);
    }
    return head;
}

/* Of a drained export, whose driver counts. */
static void set_bounds(BlockExport *exp, const uint64List *boundaries)
{
    for (unsigned i = 0; i < exp->num_queues; i++) {
        BlockExportCounters *s = exp->drv->counters(exp, i, boundaries);

        if (s) {
            blk_exp_stats_set_bounds(s, boundaries);
        }
    }
}

bool blk_exp_check_boundaries(const uint64List *boundaries, Error **errp)
{
    uint64_t last = 0;
    unsigned n = 0;

    for (; boundaries; boundaries = boundaries->next, n++) {
        if (boundaries->value <= last) {
            error_setg(errp, "boundaries must ascend, and be above 0: %" PRIu64 " after %" PRIu64,
                       boundaries->value, last);
            return false;
        }
        last = boundaries->value;
    }
    if (n > MAX_BOUNDARIES) {
        error_setg(errp, "%u boundaries, but no more than %d are possible", n, MAX_BOUNDARIES);
        return false;
    }
    return true;
}

void blk_exp_measure(BlockExport *exp, const uint64List *boundaries)
{
    if (boundaries && exp->drv->counters) {
        set_bounds(exp, boundaries);
    }
}

typedef struct BoundsChange {
    const char *id;
    uint64List *boundaries;
    Error **errp;
} BoundsChange;

static void change_bounds(void *opaque)
{
    BoundsChange *change = opaque;
    BlockExport *exp = blk_exp_find(change->id);

    if (!exp || !exp->user_owned) {
        error_setg(change->errp, exp ? "Export '%s' is being removed" : "Export '%s' is not found",
                   change->id);
        return;
    }
    if (!exp->drv->counters) {
        error_setg(change->errp, "Export '%s' of type '%s' counts nothing", change->id,
                   BlockExportType_str(exp->drv->type));
        return;
    }
    bdrv_drained_begin(blk_bs(exp->blk));
    set_bounds(exp, change->boundaries);
    bdrv_drained_end(blk_bs(exp->blk));
}

void coroutine_mixed_fn qmp_block_export_latency_histogram_set(const char *id, bool has_boundaries,
                                                               uint64List *boundaries, Error **errp)
{
    BlockExport *exp = blk_exp_find(id);
    BoundsChange change = { id, boundaries, errp };

    if (has_boundaries && !boundaries) {
        error_setg(errp, "boundaries must not be empty");
        return;
    }
    if (blk_exp_check_boundaries(boundaries, errp)) {
        bdrv_command_settled(exp ? blk_bs(exp->blk) : NULL, change_bounds, &change, errp);
    }
}

OpenMetrics *qmp_query_openmetrics(Error **errp)
{
    BlockExportStatsList *stats = qmp_query_block_export_stats(NULL, true, true, &error_abort);
    OpenMetrics *metrics = g_new0(OpenMetrics, 1);

    metrics->text = openmetrics_of_exports(stats);
    qapi_free_BlockExportStatsList(stats);
    return metrics;
}
