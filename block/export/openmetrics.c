/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What exports have done, as OpenMetrics text (specification 1.0): all samples of a metric lie
 * together, below its type and meaning; times are in seconds; bins are cumulative. What did not
 * happen yet is there as zero, so that the first time is an increase: all kinds of requests of each
 * queue in use, and of queue 0 of an export that nobody has used.
 */
#include "qemu/osdep.h"
#include "openmetrics.h"

/* One sample's place: export, queue, kind of request. */
typedef struct Where {
    const BlockExportStats *export;
    const BlockExportQueueStats *queue;
    const BlockExportOperationStats *op; /* NULL: of the queue */
} Where;

typedef struct Metric {
    const char *name; /* without what is added for its type */
    const char *type;
    const char *unit;
    const char *help;
    void (*print)(GString *out, const char *name, const Where *where);
    bool of_queue; /* one for the queue, not one for each kind */
} Metric;

/* A label's value: backslash, quote and newline are escaped. */
static void put_escaped(GString *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n') {
            g_string_append(out, "\\n");
        } else {
            g_string_append_printf(out, *value == '\\' || *value == '"' ? "\\%c" : "%c", *value);
        }
    }
}

/* @more: another label, or NULL. */
static void put_sample(GString *out, const char *name, const char *suffix, const Where *where,
                       const char *more)
{
    g_string_append_printf(out, "%s%s{export=\"", name, suffix);
    put_escaped(out, where->export->id);
    g_string_append(out, "\",node=\"");
    put_escaped(out, where->export->node_name);
    g_string_append_printf(out, "\",queue=\"%u\"", where->queue->queue);
    if (where->op) {
        g_string_append_printf(out, ",operation=\"%s\"",
                               BlockExportOperation_str(where->op->operation));
    }
    g_string_append_printf(out, "%s} ", more ?: "");
}

static void put_total(GString *out, const char *name, const Where *where, uint64_t value)
{
    put_sample(out, name, "_total", where, NULL);
    g_string_append_printf(out, "%" PRIu64 "\n", value);
}

static void put_requests(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->op->requests);
}

static void put_failed(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->op->failed);
}

static void put_bytes(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->op->bytes);
}

static void put_turns(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->queue->turns);
}

static void put_notifications(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->queue->notifications);
}

static void put_at_once(GString *out, const char *name, const Where *where)
{
    put_total(out, name, where, where->queue->at_once);
}

static void put_in_flight(GString *out, const char *name, const Where *where)
{
    put_sample(out, name, "", where, NULL);
    g_string_append_printf(out, "%" PRIu64 "\n", where->queue->in_flight);
}

/* Nanoseconds as seconds; the form does not depend on the locale. */
static char *seconds(uint64_t ns)
{
    return g_strdup_printf("%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

static void put_latency(GString *out, const char *name, const Where *where)
{
    const BlockExportHistogram *h = where->op->histogram;
    const uint64List *bound = h ? h->boundaries : NULL;
    g_autofree char *sum = seconds(where->op->total_time_ns);
    uint64_t all = 0;

    if (!h) {
        return;
    }
    for (const uint64List *bin = h->bins; bin; bin = bin->next) {
        g_autofree char *end = bound ? seconds(bound->value) : g_strdup("+Inf");
        g_autofree char *label = g_strdup_printf(",le=\"%s\"", end);

        all += bin->value;
        put_sample(out, name, "_bucket", where, label);
        g_string_append_printf(out, "%" PRIu64 "\n", all);
        bound = bound ? bound->next : NULL;
    }
    put_sample(out, name, "_count", where, NULL);
    g_string_append_printf(out, "%" PRIu64 "\n", all);
    put_sample(out, name, "_sum", where, NULL);
    g_string_append_printf(out, "%s\n", sum);
}

static const Metric metrics[] = {
    { "block_export_requests", "counter", NULL, "Requests completed.", put_requests },
    { "block_export_failed_requests", "counter", NULL, "Requests that failed.", put_failed },
    { "block_export_bytes", "counter", "bytes", "Data moved.", put_bytes },
    { "block_export_latency_seconds", "histogram", "seconds",
      "From the turn in which a request is taken until the client is told.", put_latency },
    { "block_export_turns", "counter", NULL, "Times a queue was looked at.", put_turns, true },
    { "block_export_notifications", "counter", NULL, "Times completions were handed back.",
      put_notifications, true },
    { "block_export_at_once", "counter", NULL, "Requests that needed no waiting.", put_at_once,
      true },
    { "block_export_in_flight_requests", "gauge", NULL, "Requests taken and not completed.",
      put_in_flight, true },
};

static const BlockExportOperationStats *find_operation(const BlockExportQueueStats *queue,
                                                       BlockExportOperation operation)
{
    const BlockExportOperationStatsList *op = queue->operations;

    while (op && op->value->operation != operation) {
        op = op->next;
    }
    return op ? op->value : NULL;
}

static void put_queue(GString *out, const Metric *metric, Where *where)
{
    where->op = NULL;
    if (metric->of_queue) {
        metric->print(out, metric->name, where);
        return;
    }
    for (int i = 0; i < BLOCK_EXPORT_OPERATION__MAX; i++) {
        const BlockExportOperationStats none = { .operation = i };

        where->op = find_operation(where->queue, i) ?: &none;
        metric->print(out, metric->name, where);
    }
}

static void put_export(GString *out, const Metric *metric, const BlockExportStats *export)
{
    static const BlockExportQueueStats unused; /* number 0 */
    Where where = { export, &unused, NULL };

    if (!export->queues) {
        put_queue(out, metric, &where);
    }
    for (const BlockExportQueueStatsList *q = export->queues; q; q = q->next) {
        where.queue = q->value;
        put_queue(out, metric, &where);
    }
}

static void put_metric(GString *out, const Metric *metric, const BlockExportStatsList *stats)
{
    g_string_append_printf(out, "# TYPE %s %s\n", metric->name, metric->type);
    if (metric->unit) {
        g_string_append_printf(out, "# UNIT %s %s\n", metric->name, metric->unit);
    }
    g_string_append_printf(out, "# HELP %s %s\n", metric->name, metric->help);
    for (; stats; stats = stats->next) {
        put_export(out, metric, stats->value);
    }
}

char *openmetrics_of_exports(const BlockExportStatsList *stats)
{
    GString *out = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        put_metric(out, &metrics[i], stats);
    }
    g_string_append(out, "# EOF\n");
    return g_string_free(out, false);
}
