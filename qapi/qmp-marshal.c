/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request's arguments to a C struct, the call, and its answer to a value, by type descriptions.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qmp-marshal.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qdict.h"
#include "type-walk.h"

/* Any C value that a command may answer: a scalar, or a pointer to anything else. */
typedef union Answer {
    void *pointer;
    int64_t integer;
    double number;
    bool truth;
} Answer;

/* Free what an answer points to: answers are members of nothing, so put it into a struct of one. */
static void answer_free(Answer *answer, const QapiType *type)
{
    const QapiMember member = { .name = "return", .type = type };
    const QapiType holder = {
        .kind = QAPI_KIND_OBJECT, .size = sizeof(*answer), .members = &member, .n_members = 1
    };

    qapi_free_members(answer, &holder);
}

static void marshal_answer(Answer *answer, const QapiType *type, QObject **ret, Error **errp)
{
    QObject *result = NULL;
    Visitor *v = qobject_output_visitor_new(&result);

    if (qapi_visit_slot(v, "unused", answer, type, errp)) {
        visit_complete(v, &result);
        *ret = result;
    }
    visit_free(v);
    answer_free(answer, type);
}

static bool marshal_arguments(const QmpMarshal *marshal, QDict *args, void *arg, Error **errp)
{
    Visitor *v = qobject_input_visitor_new(QOBJECT(args));
    bool ok = visit_start_struct(v, NULL, NULL, 0, errp);

    if (ok) {
        ok = qapi_visit_members(v, arg, marshal->arg, errp) && visit_check_struct(v, errp);
        visit_end_struct(v, NULL);
    }
    visit_free(v);
    return ok;
}

void qmp_marshal(const QmpMarshal *marshal, QDict *args, QObject **ret, Error **errp)
{
    ERRP_GUARD();
    g_autofree void *arg = g_malloc0(marshal->arg->size);
    Answer answer = { .pointer = NULL };

    if (marshal_arguments(marshal, args, arg, errp)) {
        marshal->call(arg, &answer, errp);
        if (!*errp && marshal->ret) {
            marshal_answer(&answer, marshal->ret, ret, errp);
        }
    }
    qapi_free_members(arg, marshal->arg);
}
