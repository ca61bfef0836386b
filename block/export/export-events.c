/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "block/block.h"
#include "block/aio.h"
#include "export-events.h"
#include "qapi/qapi-events-block-export.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/block-backend.h"

enum {
    CLIENT_QUIET_MS = 100,  /* between two looks at who is connected */
    ERROR_QUIET_MS = 60000, /* between two events about errors */
};

/* Who is connected. */
typedef struct ClientState {
    bool connected;
    pid_t pid; /* 0: unknown */
} ClientState;

struct BlockExportEvents {
    BlockExport *exp; /* constant */

    /* Main loop. */
    ClientState told, now;
    QEMUTimer *look_again; /* pending: something was told a moment ago */

    /* Any thread, atomic. */
    int64_t quiet_until; /* ms of the real-time clock: no event about an error before that */
    uint64_t errors;     /* since the last event */
};

static bool same_client(const ClientState *a, const ClientState *b)
{
    return a->connected == b->connected && (!a->connected || a->pid == b->pid);
}

static void tell_client(BlockExportEvents *events)
{
    const char *id = events->exp->id;

    if (same_client(&events->told, &events->now)) {
        return;
    }
    if (events->told.connected) {
        qapi_event_send_block_export_client_disconnected(id, events->told.pid > 0,
                                                         events->told.pid);
    }
    if (events->now.connected) {
        qapi_event_send_block_export_client_connected(id, events->now.pid > 0, events->now.pid);
    }
    events->told = events->now;
    timer_mod(events->look_again, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + CLIENT_QUIET_MS);
}

static void look_again(void *opaque)
{
    tell_client(opaque);
}

BlockExportEvents *blk_exp_events_new(BlockExport *exp)
{
    BlockExportEvents *events = g_new0(BlockExportEvents, 1);

    events->exp = exp;
    events->look_again = timer_new_ms(QEMU_CLOCK_REALTIME, look_again, events);
    return events;
}

void blk_exp_events_free(BlockExportEvents *events)
{
    events->now.connected = false;
    tell_client(events);
    timer_free(events->look_again);
    g_free(events);
}

void blk_exp_client_is(BlockExport *exp, bool connected, pid_t pid)
{
    BlockExportEvents *events = exp->events;

    events->now = (ClientState){ connected, pid };
    if (!timer_pending(events->look_again)) {
        tell_client(events);
    }
}

/* On its way to the main loop. */
typedef struct ErrorReport {
    BlockExport *exp; /* held */
    BlockExportIoError error;
    uint64_t count;
} ErrorReport;

static void report_bh(void *opaque)
{
    ErrorReport *report = opaque;
    const BlockExportIoError *e = &report->error;

    qapi_event_send_block_export_io_error(
        report->exp->id, bdrv_get_node_name(blk_bs(report->exp->blk)), e->operation, e->sector >= 0,
        e->sector, e->error, strerror(e->error), e->error == ENOSPC || e->error == EDQUOT,
        report->count);
    blk_exp_unref(report->exp);
    g_free(report);
}

void blk_exp_io_error(BlockExport *exp, const BlockExportIoError *error)
{
    BlockExportEvents *events = exp->events;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    int64_t until = qatomic_read(&events->quiet_until);
    ErrorReport *report;

    qatomic_inc(&events->errors);
    if (now < until ||
        qatomic_cmpxchg(&events->quiet_until, until, now + ERROR_QUIET_MS) != until) {
        return;
    }
    report = g_new(ErrorReport, 1);
    *report = (ErrorReport){ exp, *error, qatomic_xchg(&events->errors, 0) };
    blk_exp_ref(exp);
    aio_bh_schedule_oneshot(qemu_get_aio_context(), report_bh, report);
}
