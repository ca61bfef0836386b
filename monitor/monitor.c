/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of monitors: making them from options, bringing events to them, ending them.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "monitor-internal.h"
#include "qapi/qapi-emit-events.h"
#include "qapi/qapi-visit-control.h"
#include "qapi/qmp-event.h"
#include "qapi/qobject-input-visitor.h"

/* How long the end of the program waits for a client that does not read. */
#define FLUSH_TIMEOUT_MS 1000

MonitorList mon_list = QTAILQ_HEAD_INITIALIZER(mon_list);
static Monitor *current;

Monitor *monitor_cur(void)
{
    return qemu_in_main_thread() ? current : NULL;
}

void monitor_set_cur(Monitor *mon)
{
    current = mon;
}

bool monitor_cur_is_qmp(void)
{
    return monitor_cur();
}

static void send_event_bh(void *opaque)
{
    QDict *event = opaque;

    monitor_qmp_send_event(event);
    qobject_unref(event);
}

static void emit_event(unsigned event, QDict *qdict)
{
    if (qemu_in_main_thread()) {
        monitor_qmp_send_event(qdict);
    } else {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), send_event_bh, qobject_ref(qdict));
    }
}

void monitor_init_globals(void (*register_commands)(QmpCommandList *cmds))
{
    register_commands(&qmp_commands);
    qmp_init_negotiation();
    qapi_event_set_emitter(emit_event);
}

int monitor_init(MonitorOptions *opts, bool allow_hmp, Error **errp)
{
    MonitorMode mode = opts->has_mode ? opts->mode : MONITOR_MODE_CONTROL;
    Chardev *chr = qemu_chr_find(opts->chardev);
    Monitor *mon;

    assert(!allow_hmp);
    if (!chr) {
        error_setg(errp, "chardev \"%s\" not found", opts->chardev);
        return -1;
    }
    if (mode == MONITOR_MODE_READLINE) {
        error_setg(errp, "Only QMP is supported");
        return -1;
    }
    mon = monitor_qmp_new(chr, opts->id, opts->has_pretty && opts->pretty, errp);
    if (!mon) {
        return -1;
    }
    QTAILQ_INSERT_TAIL(&mon_list, mon, entry);
    return 0;
}

bool monitor_init_from_str(const char *text, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_str(text, "chardev", errp);
    g_autoptr(MonitorOptions) opts = NULL;

    if (!v) {
        return false;
    }
    visit_type_MonitorOptions(v, NULL, &opts, errp);
    visit_free(v);
    return opts && monitor_init(opts, false, errp) == 0;
}

void monitor_cleanup(void)
{
    Monitor *mon;

    qapi_event_set_emitter(NULL);
    while ((mon = QTAILQ_FIRST(&mon_list))) {
        QTAILQ_REMOVE(&mon_list, mon, entry);
        monitor_output_flush(&mon->out, FLUSH_TIMEOUT_MS);
        monitor_qmp_free(mon);
    }
    qmp_free_commands(&qmp_commands);
    qmp_free_commands(&qmp_cap_negotiation_commands);
}
