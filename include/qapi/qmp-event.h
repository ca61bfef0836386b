/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From qapi_event_send_X() of the generated code to whoever carries events to clients. */
#ifndef QAPI_QMP_EVENT_H
#define QAPI_QMP_EVENT_H

#include "qapi/type-info.h"

/*
 * @event: a QAPIEvent. @qdict: {"timestamp", "event", "data"}, the sender's: take a reference to
 * keep it. Called in the thread that sent the event; it must not block.
 */
typedef void QapiEventEmitter(unsigned event, QDict *qdict);

/* From now on events go to @emitter, or nowhere if it is NULL. Main loop, before there are threads.
 */
void qapi_event_set_emitter(QapiEventEmitter *emitter);

/* For the generated code: send @event with the members of @arg, NULL if it has none. */
void qapi_event_emit(unsigned event, const char *name, void *arg, const QapiType *type);

/* {"event": @event, "timestamp": now}; the caller's. */
QDict *qmp_event_build_dict(const char *event_name);

#endif
