/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of monitor/ share.
 */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "chardev/char-fe.h"
#include "monitor/monitor.h"
#include "qemu/queue.h"
#include "qemu/units.h"
#include "qobject/json-parser.h"

/* Output to one client that it has not taken yet. */
typedef struct MonitorOutput {
    CharFrontend *fe;
    GByteArray *bytes;
    size_t done;
    guint watch;
    /* The backlog went below MONITOR_OUTPUT_LOW after having been above it. */
    void (*drained)(void *opaque);
    void *opaque;
} MonitorOutput;

/* No further request is read while more than this waits to be sent. */
#define MONITOR_OUTPUT_LOW (64 * KiB)
/* A client with a longer backlog gets no event but is cut off. */
#define MONITOR_OUTPUT_MAX (4 * MiB)

void monitor_output_init(MonitorOutput *out, CharFrontend *fe, void (*drained)(void *opaque),
                         void *opaque);
void monitor_output_done(MonitorOutput *out);
/* Send @text, or keep it until the client takes it. */
void monitor_output_put(MonitorOutput *out, const char *text, size_t len);
/* Bytes that wait. */
size_t monitor_output_pending(const MonitorOutput *out);
/* Forget what waits: it was for a client that is gone. */
void monitor_output_clear(MonitorOutput *out);
/* Block until nothing waits, or until @timeout_ms passed without progress. */
void monitor_output_flush(MonitorOutput *out, int timeout_ms);

/* One thing that the client sent. Exactly one of the two is set. */
typedef struct MonitorRequest {
    QObject *json;
    Error *err;
} MonitorRequest;

struct Monitor {
    /* Constant after creation. */
    char *id;
    bool pretty;
    /* Main loop. */
    CharFrontend chr;
    MonitorOutput out;
    JSONMessageParser parser;
    GQueue requests;
    QEMUBH *dispatch_bh;
    /* One that yields is being executed; the next request waits for it. */
    struct MonitorCommand *command;
    /* qmp_commands after the negotiation. */
    const QmpCommandList *commands;
    /* Its client may have commands executed out of order. */
    bool oob;
    QTAILQ_ENTRY(Monitor) entry;
};

typedef QTAILQ_HEAD(MonitorList, Monitor) MonitorList;
extern MonitorList mon_list;
void monitor_set_cur(Monitor *mon);
/* Fill qmp_cap_negotiation_commands from qmp_commands. */
void qmp_init_negotiation(void);

/* A QMP session on @chr; NULL with @errp set when the chardev has a frontend already. */
Monitor *monitor_qmp_new(Chardev *chr, const char *id, bool pretty, Error **errp);
void monitor_qmp_free(Monitor *mon);
/* Send one event to every session that wants events. */
void monitor_qmp_send_event(QDict *event);

#endif /* MONITOR_INTERNAL_H */
