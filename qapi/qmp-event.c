/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events on their way to whoever carries them to clients. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qmp-event.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qdict.h"
#include "type-walk.h"

static QapiEventEmitter *event_emitter;

void qapi_event_set_emitter(QapiEventEmitter *emitter)
{
    event_emitter = emitter;
}

QDict *qmp_event_build_dict(const char *event_name)
{
    int64_t now = g_get_real_time();
    QDict *timestamp = qdict_new();
    QDict *event = qdict_new();

    qdict_put_int(timestamp, "seconds", now / G_USEC_PER_SEC);
    qdict_put_int(timestamp, "microseconds", now % G_USEC_PER_SEC);
    qdict_put(event, "timestamp", timestamp);
    qdict_put_str(event, "event", event_name);
    return event;
}

static void put_data(QDict *event, void *arg, const QapiType *type)
{
    QObject *data = NULL;
    Visitor *v = qobject_output_visitor_new(&data);

    visit_start_struct(v, "data", NULL, 0, &error_abort);
    qapi_visit_members(v, arg, type, &error_abort);
    visit_check_struct(v, &error_abort);
    visit_end_struct(v, NULL);
    visit_complete(v, &data);
    visit_free(v);
    qdict_put_obj(event, "data", data);
}

void qapi_event_emit(unsigned event, const char *name, void *arg, const QapiType *type)
{
    g_autoptr(QDict) qdict = NULL;

    if (!event_emitter) {
        return;
    }
    qdict = qmp_event_build_dict(name);
    if (type) {
        put_data(qdict, arg, type);
    }
    event_emitter(event, qdict);
}
