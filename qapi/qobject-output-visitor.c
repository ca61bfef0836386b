/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C values to QObjects. */

#include "qemu/osdep.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/visitor-impl.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

typedef struct QObjectOutputVisitor {
    Visitor visitor;
    GPtrArray *open; /* dictionaries and lists that are being filled; owned by what holds them */
    QObject *root;
    QObject **result;
} QObjectOutputVisitor;

static QObjectOutputVisitor *to_qov(Visitor *v)
{
    return container_of(v, QObjectOutputVisitor, visitor);
}

/* Takes over @value. */
static void output_add(QObjectOutputVisitor *qov, const char *name, QObject *value)
{
    QObject *top = qov->open->len ? g_ptr_array_index(qov->open, qov->open->len - 1) : NULL;

    if (!top) {
        assert(!qov->root);
        qov->root = value;
    } else if (qobject_type(top) == QTYPE_QDICT) {
        assert(name);
        qdict_put_obj(qobject_to(QDict, top), name, value);
    } else {
        assert(!name);
        qlist_append_obj(qobject_to(QList, top), value);
    }
}

static void output_open(QObjectOutputVisitor *qov, const char *name, QObject *value)
{
    output_add(qov, name, value);
    g_ptr_array_add(qov->open, value);
}

static void output_close(QObjectOutputVisitor *qov)
{
    assert(qov->open->len);
    g_ptr_array_set_size(qov->open, qov->open->len - 1);
}

static bool output_start_struct(Visitor *v, const char *name, void **obj, size_t size, Error **errp)
{
    output_open(to_qov(v), name, QOBJECT(qdict_new()));
    return true;
}

static void output_end_struct(Visitor *v, void **obj)
{
    output_close(to_qov(v));
}

static bool output_start_list(Visitor *v, const char *name, GenericList **list, size_t size,
                              Error **errp)
{
    output_open(to_qov(v), name, QOBJECT(qlist_new()));
    return true;
}

static GenericList *output_next_list(Visitor *v, GenericList *tail, size_t size)
{
    return tail->next;
}

static void output_end_list(Visitor *v, void **list)
{
    output_close(to_qov(v));
}

static bool output_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qnum_from_int(*obj)));
    return true;
}

static bool output_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qnum_from_uint(*obj)));
    return true;
}

static bool output_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qbool_from_bool(*obj)));
    return true;
}

static bool output_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qstring_from_str(*obj ? *obj : "")));
    return true;
}

static bool output_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qnum_from_double(*obj)));
    return true;
}

static bool output_any(Visitor *v, const char *name, QObject **obj, Error **errp)
{
    output_add(to_qov(v), name, qobject_ref(*obj));
    return true;
}

static bool output_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    output_add(to_qov(v), name, QOBJECT(qnull()));
    return true;
}

static void output_complete(Visitor *v, void *opaque)
{
    QObjectOutputVisitor *qov = to_qov(v);

    assert(qov->root && !qov->open->len && opaque == qov->result);
    *qov->result = qobject_ref(qov->root);
    qov->result = NULL;
}

static void output_free(Visitor *v)
{
    QObjectOutputVisitor *qov = to_qov(v);

    g_ptr_array_free(qov->open, true);
    qobject_unref(qov->root);
    g_free(qov);
}

Visitor *qobject_output_visitor_new(QObject **result)
{
    QObjectOutputVisitor *qov = g_new0(QObjectOutputVisitor, 1);

    qov->visitor = (Visitor){
        .type = VISITOR_OUTPUT,
        .start_struct = output_start_struct,
        .end_struct = output_end_struct,
        .start_list = output_start_list,
        .next_list = output_next_list,
        .end_list = output_end_list,
        .type_int64 = output_int64,
        .type_uint64 = output_uint64,
        .type_bool = output_bool,
        .type_str = output_str,
        .type_number = output_number,
        .type_any = output_any,
        .type_null = output_null,
        .complete = output_complete,
        .free = output_free,
    };
    qov->open = g_ptr_array_new();
    *result = NULL;
    qov->result = result;
    return &qov->visitor;
}
