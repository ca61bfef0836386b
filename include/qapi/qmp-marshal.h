/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the generated code: from a request's arguments to a C call and back. */
#ifndef QAPI_QMP_MARSHAL_H
#define QAPI_QMP_MARSHAL_H

#include "qapi/type-info.h"

typedef struct QmpMarshal {
    const QapiType *arg;
    const QapiType *ret; /* NULL: nothing is answered */
    /* call the command with the members of @args; its answer goes to @ret unless *@errp gets set */
    void (*call)(void *args, void *ret, Error **errp);
} QmpMarshal;

/* A QmpCommandFunc but for @marshal. */
void qmp_marshal(const QmpMarshal *marshal, QDict *args, QObject **ret, Error **errp);

#endif
