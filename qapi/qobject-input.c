/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of an input visitor through dictionaries and lists.
 *
 * Theory of operation
 *
 * A stack has a frame for each struct and list that the visit is in. A dictionary's frame knows
 * which members nobody has asked for yet, so that what is left at the end is an error; a list's
 * frame knows the element that comes next. The names in the frames make the full names in messages.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject-input.h"
#include "qemu/str-hash.h"
#include "qobject/qdict.h"

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

char *qiv_full_name(QObjectInputVisitor *qiv, const char *name)
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

void qiv_error_with_name(QObjectInputVisitor *qiv, const char *name, Error **errp,
                         const char *before, const char *after)
{
    g_autofree char *full = qiv_full_name(qiv, name);

    error_setg(errp, "%s%s%s", before, full, after);
}

static bool qiv_error_missing(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    qiv_error_with_name(qiv, name, errp, "Parameter '", "' is missing");
    return false;
}

bool qiv_error_type(QObjectInputVisitor *qiv, const char *name, const char *expected, Error **errp)
{
    g_autofree char *after = g_strdup_printf("', expected: %s", expected);

    qiv_error_with_name(qiv, name, errp, "Invalid parameter type for '", after);
    return false;
}

bool qiv_error_value(QObjectInputVisitor *qiv, const char *name, const char *expected, Error **errp)
{
    g_autofree char *after = g_strdup_printf("' expects %s", expected);

    qiv_error_with_name(qiv, name, errp, "Parameter '", after);
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
    if (take) {
        top->entry = value ? qlist_next(top->entry) : NULL;
        top->index++;
    }
    return value;
}

QObject *qiv_get_value(QObjectInputVisitor *qiv, const char *name, Error **errp)
{
    QObject *value = peek_value(qiv, name, true);

    if (!value) {
        qiv_error_missing(qiv, name, errp);
    }
    return value;
}

static void push_frame(QObjectInputVisitor *qiv, const char *name, QObject *obj)
{
    Frame frame = { .name = name, .obj = obj };
    QDict *qdict = qobject_to(QDict, obj);

    if (qdict) {
        frame.left = str_table_new();
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
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);

    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QDICT) {
        return qiv_error_type(qiv, name, "object", errp);
    }
    push_frame(qiv, name, value);
    if (obj) {
        *obj = g_malloc0(size);
    }
    return true;
}

static bool input_check_struct(Visitor *v, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    Frame *top = top_frame(qiv);
    QDict *qdict = qobject_to(QDict, top->obj);

    for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
        if (g_hash_table_contains(top->left, e->key)) {
            qiv_error_with_name(qiv, e->key, errp, "Parameter '", "' is unexpected");
            return false;
        }
    }
    return true;
}

static void input_end_struct(Visitor *v, void **obj)
{
    pop_frame(qiv_of(v));
}

static bool input_start_list(Visitor *v, const char *name, GenericList **list, size_t size,
                             Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = qiv_get_value(qiv, name, errp);

    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_QLIST) {
        return qiv_error_type(qiv, name, "array", errp);
    }
    push_frame(qiv, name, value);
    if (list) {
        *list = top_frame(qiv)->entry ? g_malloc0(size) : NULL;
    }
    return true;
}

static GenericList *input_next_list(Visitor *v, GenericList *tail, size_t size)
{
    tail->next = top_frame(qiv_of(v))->entry ? g_malloc0(size) : NULL;
    return tail->next;
}

static bool input_check_list(Visitor *v, Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    Frame *top = top_frame(qiv);

    if (top->entry) {
        g_autofree char *end = g_strdup_printf("' has more than %u elements", top->index);

        qiv_error_with_name(qiv, NULL, errp, "Parameter '", end);
        return false;
    }
    return true;
}

static void input_end_list(Visitor *v, void **list)
{
    pop_frame(qiv_of(v));
}

static bool input_start_alternate(Visitor *v, const char *name, GenericAlternate **obj, size_t size,
                                  Error **errp)
{
    QObjectInputVisitor *qiv = qiv_of(v);
    QObject *value = peek_value(qiv, name, false);

    *obj = NULL;
    if (!value) {
        return qiv_error_missing(qiv, name, errp);
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
    *present = peek_value(qiv_of(v), name, false) != NULL;
}

static bool input_any(Visitor *v, const char *name, QObject **obj, Error **errp)
{
    QObject *value = qiv_get_value(qiv_of(v), name, errp);

    *obj = qobject_ref(value);
    return value != NULL;
}

static void input_free(Visitor *v)
{
    QObjectInputVisitor *qiv = qiv_of(v);

    while (qiv->stack->len) {
        pop_frame(qiv);
    }
    g_array_free(qiv->stack, true);
    qobject_unref(qiv->root);
    g_free(qiv);
}

QObjectInputVisitor *qiv_new(QObject *obj)
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
