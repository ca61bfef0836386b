/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "key=value,..." texts to dictionaries.
 *
 * Two passes: the first puts every value into nested dictionaries, by the fragments of its key; the
 * second one makes lists of those dictionaries whose keys are numbers.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/keyval.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"

/* Fragments that a key may have. */
#define KEY_DEPTH_MAX 64

typedef struct Cursor {
    const char *at;
    const char *implied_key; /* for the first piece, NULL from then on */
    bool help;
} Cursor;

/* Bytes of the fragment at @s: a name, or behind the first one an index; 0 if it is none. */
static size_t fragment_length(const char *s, bool first)
{
    int name = parse_qapi_name(s, false);

    if (name > 0) {
        return name;
    }
    return first ? 0 : strspn(s, "0123456789");
}

/* Whether every fragment of @key is well formed, and there are not too many. */
static bool key_is_valid(const char *key)
{
    for (int depth = 0; depth < KEY_DEPTH_MAX; depth++) {
        size_t len = fragment_length(key, depth == 0);

        if (!len) {
            return false;
        }
        if (!key[len]) {
            return true;
        }
        if (key[len] != '.') {
            return false;
        }
        key += len + 1;
    }
    return false;
}

static bool put_value(QDict *root, const char *key, const char *value, Error **errp)
{
    const char *fragment = key;
    QDict *cur = root;

    /* a vendor's prefix has dots of its own, so the end of a fragment is not simply the next dot */
    while (fragment[fragment_length(fragment, fragment == key)]) {
        const char *dot = fragment + fragment_length(fragment, fragment == key);
        g_autofree char *name = g_strndup(fragment, dot - fragment);
        QObject *next = qdict_get(cur, name);

        if (!next) {
            next = QOBJECT(qdict_new());
            qdict_put_obj(cur, name, next);
        }
        cur = qobject_to(QDict, next);
        if (!cur) {
            error_setg(errp, "Parameters '%.*s.*' used inconsistently", (int)(dot - key), key);
            return false;
        }
        fragment = dot + 1;
    }
    if (qobject_to(QDict, qdict_get(cur, fragment))) {
        error_setg(errp, "Parameters '%s.*' used inconsistently", key);
        return false;
    }
    qdict_put_str(cur, fragment, value);
    return true;
}

/* The text up to a single comma; doubled ones stand for one. */
static char *take_value(Cursor *c)
{
    GString *value = g_string_new(NULL);

    while (*c->at) {
        if (*c->at == ',' && *++c->at != ',') {
            break;
        }
        g_string_append_c(value, *c->at++);
    }
    return g_string_free(value, false);
}

/* Whether the piece at the cursor is a request for help; if so it is taken. */
static bool take_help(Cursor *c, size_t len)
{
    bool help = (len == 4 && g_str_has_prefix(c->at, "help")) || (len == 1 && *c->at == '?');

    if (!help || c->at[len] == '=') {
        return false;
    }
    c->help = true;
    c->at += len;
    if (*c->at == ',') {
        c->at++;
    }
    return true;
}

/* One "key=value", or its shorter forms. */
static bool take_piece(Cursor *c, QDict *root, Error **errp)
{
    size_t len = strcspn(c->at, "=,");
    g_autofree char *key = NULL, *value = NULL;

    if (take_help(c, len)) {
        return true;
    }
    if (c->implied_key && len && c->at[len] != '=') {
        key = g_strdup(c->implied_key);
    } else {
        key = g_strndup(c->at, len);
        if (!key_is_valid(key)) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return false;
        }
        c->at += len;
        if (*c->at != '=') {
            error_setg(errp, "Expected '=' after parameter '%s'", key);
            return false;
        }
        c->at++;
    }
    c->implied_key = NULL;
    value = take_value(c);
    return put_value(root, key, value, errp);
}

/* How many of the keys are indices. */
static size_t count_indices(const QDict *qdict)
{
    size_t count = 0;

    for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
        count += g_ascii_isdigit(qdict_entry_key(e)[0]);
    }
    return count;
}

/* A list from a dictionary whose keys are indices; NULL with *@errp set if one is missing. */
static QList *list_from_dict(const QDict *qdict, const char *prefix, Error **errp)
{
    size_t size = qdict_size(qdict);
    g_autofree QObject **elements = g_new0(QObject *, size);
    g_autoptr(QList) list = qlist_new();

    for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
        guint64 index = g_ascii_strtoull(qdict_entry_key(e), NULL, 10);

        if (index < size) {
            elements[index] = qdict_entry_value(e);
        }
    }
    for (size_t i = 0; i < size; i++) {
        if (!elements[i]) {
            error_setg(errp, "Parameter '%s%zu' missing", prefix, i);
            return NULL;
        }
        qlist_append_obj(list, qobject_ref(elements[i]));
    }
    return g_steal_pointer(&list);
}

/* @obj with lists where they belong: a new reference; NULL with *@errp set. @prefix ends in a dot.
 */
static QObject *make_lists(QObject *obj, const char *prefix, Error **errp)
{
    QDict *qdict = qobject_to(QDict, obj);
    g_autoptr(QDict) copy = NULL;
    size_t indices;

    if (!qdict) {
        return qobject_ref(obj);
    }
    copy = qdict_new();
    for (const QDictEntry *e = qdict_first(qdict); e; e = qdict_next(qdict, e)) {
        g_autofree char *inner = g_strdup_printf("%s%s.", prefix, qdict_entry_key(e));
        QObject *value = make_lists(qdict_entry_value(e), inner, errp);

        if (!value) {
            return NULL;
        }
        qdict_put_obj(copy, qdict_entry_key(e), value);
    }
    indices = count_indices(copy);
    if (!indices) {
        return QOBJECT(g_steal_pointer(&copy));
    }
    if (indices != qdict_size(copy)) {
        error_setg(errp, "Parameters '%s*' used inconsistently", prefix);
        return NULL;
    }
    return QOBJECT(list_from_dict(copy, prefix, errp));
}

QDict *keyval_parse(const char *params, const char *implied_key, bool *p_help, Error **errp)
{
    Cursor c = { .at = params, .implied_key = implied_key };
    g_autoptr(QDict) root = qdict_new();
    QDict *result;

    if (p_help) {
        *p_help = false;
    }
    while (*c.at) {
        if (!take_piece(&c, root, errp)) {
            return NULL;
        }
    }
    if (!p_help && c.help) {
        error_setg(errp, "Help is not available for this option");
        return NULL;
    }
    result = qobject_to(QDict, make_lists(QOBJECT(root), "", errp));
    if (p_help) {
        *p_help = result && c.help;
    }
    return result;
}
