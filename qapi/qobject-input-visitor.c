/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * C values from QObjects.
 *
 * Theory of operation
 *
 * A stack has a frame for each struct and list that the visit is in. A dictionary's frame knows
 * which members nobody has asked for yet, so that what is left at the end is an error; a list's
 * frame knows the element that comes next. The names in the frames make the full names in messages.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/visitor-impl.h"
#include "qemu/cutils.h"
#include "qemu/keyval.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

typedef struct Frame {
    const char *name; /* in the frame below; NULL for a list's element */
    QObject *obj;
    GHashTable *left;        /* dictionary: members not asked for */
    const QListEntry *entry; /* list: the next element */
    unsigned index;          /* list: elements taken so far */
} Frame;

typedef struct QObjectInputVisitor {
    Visitor visitor;
    QObject *root;
    bool keyval;   /* every scalar is a string */
    GArray *stack; /* of Frame */
} QObjectInputVisitor;

static QObjectInputVisitor *to_qiv(Visitor *v)
{
    return container_of(v, QObjectInputVisitor, visitor);
}

static Frame *top_frame(QObjectInputVisitor *qiv)
{
    return qiv->stack->len ? &g_array_index(qiv->stack, Frame, qiv->stack->len - 1) : NULL;
}

static void append_name(QObjectInputVisitor *qiv, GString *path, const char *name,
                        const Frame *parent)
{
    if (qobject_type(parent->obj) == QTYPE_QLIST) {
        g_string_append_printf(path, qiv->keyval ? ".%u" : "[%u]", parent->index - 1);
        return;
    }
    g_string_append_printf(path, "%s%s", path->len ? "." : "", name);
}

/* The name of member @name of the value that we are in, from the root on; the caller's. */
static char *full_name(QObjectInputVisitor *qiv, const char *name)
{
    GString *path = g_string_new(NULL);

    for (guint i = 0; i < qiv->stack->len; i++) {
        const Frame *frame = &g_array_index(qiv->stack, Frame, i);
        const Frame *above = i + 1 < qiv->stack->len ? frame + 1 : NULL;

        append_name(qiv, path, above ? above->name : name, frame);
    }
    if (!qiv->stack->len) {
        g_string_append(path, name ? name : "<anonymous>");
    }
    return g_string_free(path, false);
}

static void error_with_name(QObjectInputVisitor *qiv, const char *name, Error **errp,
                            const char *before, const char *after)
{
    g_autofree char *full = full_name(qiv, name);

    error_setg(errp, "%s%s%s", before, full, after);
}

static bool error_missing(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    error_with_name(qiv, name, errp, "Parameter '", "' is missing");
    return false;
}

static bool error_type(QObjectInputVisitor *qiv, const char *name, const char *expected,
                       Error **errp)
{
    g_autofree char *after = g_strdup_printf("', expected: %s", expected);

    error_with_name(qiv, name, errp, "Invalid parameter type for '", after);
    return false;
}

static bool error_value(QObjectInputVisitor *qiv, const char *name, const char *expected,
                        Error **errp)
{
    g_autofree char *after = g_strdup_printf("' expects %s", expected);

    error_with_name(qiv, name, errp, "Parameter '", after);
    return false;
}

/* The value that comes next, or has that name; NULL if there is none. Taken: it is asked for now.
 */
static QObject *peek_value(QObjectInputVisitor *qiv, const char *name, bool take)
{
    Frame *top = top_frame(qiv);
    QObject *value;

    if (!top) {
        return qiv->root;
    }
    if (qobject_type(top->obj) == QTYPE_QDICT) {
        assert(name);
        value = qdict_get(qobject_to(QDict, top->obj), name);
        if (value && take) {
            g_hash_table_remove(top->left, name);
        }
        return value;
    }
    assert(!name);
    value = top->entry ? qlist_entry_obj(top->entry) : NULL;
    if (value && take) {
        top->entry = qlist_next(top->entry);
        top->index++;
    }
    return value;
}

static QObject *get_value(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    QObject *value = peek_value(qiv, name, true);

    if (!value) {
        error_missing(qiv, name, errp);
    }
    return value;
}

/* The text of a scalar of the command line. */
static const char *get_keyval(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    QObject *value = get_value(qiv, name, errp);
    QString *qstr = qobject_to(QString, value);

    if (value && !qstr) {
        error_with_name(qiv, name, errp, "Parameters '", ".*' are unexpected");
    }
    return qstring_get_try_str(qstr);
}

static void push_frame(QObjectInputVisitor *qiv, const char *name, QObject *obj)
{
    Frame frame = { .name = name, .obj = obj };
    QDict *qdict = qobject_to(QDict, obj);

    if (qdict) {
        frame.left = g_hash_table_new(g_str_hash, g_str_equal);
        for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
            g_hash_table_add(frame.left, e->key);
        }
    } else {
        frame.entry = qlist_first(qobject_to(QList, obj));
    }
    g_array_append_val(qiv->stack, frame);
}

static void pop_frame(QObjectInputVisitor *qiv)
{
    Frame *top = top_frame(qiv);

    assert(top);
    if (top->left) {
        g_hash_table_destroy(top->left);
    }
    g_array_set_size(qiv->stack, qiv->stack->len - 1);
}

static bool input_start_struct(Visitor *v, const char *name, void **obj, size_t size, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);

    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QDICT) {
        return error_type(qiv, name, "object", errp);
    }
    push_frame(qiv, name, value);
    if (obj) {
        *obj = g_malloc0(size);
    }
    return true;
}

static bool input_check_struct(Visitor *v, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    Frame *top = top_frame(qiv);
    QDict *qdict = qobject_to(QDict, top->obj);

    for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
        if (g_hash_table_contains(top->left, e->key)) {
            error_with_name(qiv, e->key, errp, "Parameter '", "' is unexpected");
            return false;
        }
    }
    return true;
}

static void input_end_struct(Visitor *v, void **obj)
{
    pop_frame(to_qiv(v));
}

static bool input_start_list(Visitor *v, const char *name, GenericList **list, size_t size,
                             Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);

    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QLIST) {
        return error_type(qiv, name, "array", errp);
    }
    push_frame(qiv, name, value);
    if (list) {
        *list = top_frame(qiv)->entry ? g_malloc0(size) : NULL;
    }
    return true;
}

static GenericList *input_next_list(Visitor *v, GenericList *tail, size_t size)
{
    tail->next = top_frame(to_qiv(v))->entry ? g_malloc0(size) : NULL;
    return tail->next;
}

static bool input_check_list(Visitor *v, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    Frame *top = top_frame(qiv);

    if (top->entry) {
        g_autofree char *end = g_strdup_printf("' has more than %u elements", top->index);

        error_with_name(qiv, NULL, errp, "Parameter '", end);
        return false;
    }
    return true;
}

static void input_end_list(Visitor *v, void **list)
{
    pop_frame(to_qiv(v));
}

static bool input_start_alternate(Visitor *v, const char *name, GenericAlternate **obj, size_t size,
                                  Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = peek_value(qiv, name, false);

    *obj = NULL;
    if (!value) {
        return error_missing(qiv, name, errp);
    }
    *obj = g_malloc0(size);
    (*obj)->type = qobject_type(value);
    return true;
}

static void input_end_alternate(Visitor *v, void **obj)
{
}

static void input_optional(Visitor *v, const char *name, bool *present)
{
    *present = peek_value(to_qiv(v), name, false) != NULL;
}

static bool input_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);

    if (!value) {
        return false;
    }
    return (qnum && qnum_get_try_int(qnum, obj)) || error_type(qiv, name, "integer", errp);
}

/* A negative number wraps around: clients that print unsigned numbers as signed ones rely on it. */
static bool input_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);
    int64_t negative;

    if (!value) {
        return false;
    }
    if (qnum && qnum_get_try_uint(qnum, obj)) {
        return true;
    }
    if (qnum && qnum_get_try_int(qnum, &negative)) {
        *obj = negative;
        return true;
    }
    return error_type(qiv, name, "integer", errp);
}

static bool input_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);
    QBool *qbool = qobject_to(QBool, value);

    if (!value) {
        return false;
    }
    if (!qbool) {
        return error_type(qiv, name, "boolean", errp);
    }
    *obj = qbool_get_bool(qbool);
    return true;
}

static bool input_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);
    QString *qstr = qobject_to(QString, value);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (!qstr) {
        return error_type(qiv, name, "string", errp);
    }
    *obj = g_strdup(qstring_get_str(qstr));
    return true;
}

static bool input_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);
    QNum *qnum = qobject_to(QNum, value);

    if (!value) {
        return false;
    }
    if (!qnum) {
        return error_type(qiv, name, "number", errp);
    }
    *obj = qnum_get_double(qnum);
    return true;
}

static bool input_any(Visitor *v, const char *name, QObject **obj, Error **errp)
{
    QObject *value = get_value(to_qiv(v), name, errp);

    *obj = qobject_ref(value);
    return value != NULL;
}

static bool input_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    QObject *value = get_value(qiv, name, errp);

    *obj = NULL;
    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QNULL) {
        return error_type(qiv, name, "null", errp);
    }
    *obj = qnull();
    return true;
}

static bool keyval_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtoi64(text, NULL, 0, obj) == 0 || error_value(qiv, name, "integer", errp);
}

static bool keyval_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtou64(text, NULL, 0, obj) == 0 || error_value(qiv, name, "integer", errp);
}

static bool keyval_size(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtosz(text, NULL, obj) == 0 || error_value(qiv, name, "size", errp);
}

static bool keyval_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);
    g_autofree char *full = NULL;

    if (!text) {
        return false;
    }
    full = full_name(qiv, name);
    return qapi_bool_parse(full, text, obj, errp);
}

static bool keyval_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    *obj = g_strdup(get_keyval(to_qiv(v), name, errp));
    return *obj != NULL;
}

static bool keyval_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);

    if (!text) {
        return false;
    }
    return qemu_strtod_finite(text, NULL, obj) == 0 || error_value(qiv, name, "number", errp);
}

/* null is written as an empty text */
static bool keyval_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    QObjectInputVisitor *qiv = to_qiv(v);
    const char *text = get_keyval(qiv, name, errp);

    *obj = NULL;
    if (!text) {
        return false;
    }
    if (*text) {
        return error_type(qiv, name, "null", errp);
    }
    *obj = qnull();
    return true;
}

static void input_free(Visitor *v)
{
    QObjectInputVisitor *qiv = to_qiv(v);

    while (qiv->stack->len) {
        pop_frame(qiv);
    }
    g_array_free(qiv->stack, true);
    qobject_unref(qiv->root);
    g_free(qiv);
}

static QObjectInputVisitor *input_new(QObject *obj)
{
    QObjectInputVisitor *qiv = g_new0(QObjectInputVisitor, 1);

    assert(obj);
    qiv->visitor = (Visitor){
        .type = VISITOR_INPUT,
        .start_struct = input_start_struct,
        .check_struct = input_check_struct,
        .end_struct = input_end_struct,
        .start_list = input_start_list,
        .next_list = input_next_list,
        .check_list = input_check_list,
        .end_list = input_end_list,
        .start_alternate = input_start_alternate,
        .end_alternate = input_end_alternate,
        .type_any = input_any,
        .optional = input_optional,
        .free = input_free,
    };
    qiv->root = qobject_ref(obj);
    qiv->stack = g_array_new(false, false, sizeof(Frame));
    return qiv;
}

Visitor *qobject_input_visitor_new(QObject *obj)
{
    QObjectInputVisitor *qiv = input_new(obj);

    qiv->visitor.type_int64 = input_int64;
    qiv->visitor.type_uint64 = input_uint64;
    qiv->visitor.type_bool = input_bool;
    qiv->visitor.type_str = input_str;
    qiv->visitor.type_number = input_number;
    qiv->visitor.type_null = input_null;
    return &qiv->visitor;
}

Visitor *qobject_input_visitor_new_keyval(QObject *obj)
{
    QObjectInputVisitor *qiv = input_new(obj);

    qiv->keyval = true;
    qiv->visitor.type_int64 = keyval_int64;
    qiv->visitor.type_uint64 = keyval_uint64;
    qiv->visitor.type_size = keyval_size;
    qiv->visitor.type_bool = keyval_bool;
    qiv->visitor.type_str = keyval_str;
    qiv->visitor.type_number = keyval_number;
    qiv->visitor.type_null = keyval_null;
    return &qiv->visitor;
}

Visitor *qobject_input_visitor_new_str(const char *str, const char *implied_key, Error **errp)
{
    bool json = str[0] == '{';
    g_autoptr(QObject) obj = NULL;

    if (json) {
        obj = qobject_from_json(str, errp);
    } else {
        obj = QOBJECT(keyval_parse(str, implied_key, NULL, errp));
    }
    if (!obj) {
        return NULL;
    }
    return json ? qobject_input_visitor_new(obj) : qobject_input_visitor_new_keyval(obj);
}
