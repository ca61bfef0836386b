/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects: a hash table to find members by name, and a list to keep their order. */

#include "qemu/osdep.h"
#include "qemu/str-hash.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

QDict *qdict_new(void)
{
    QDict *qdict = g_new0(QDict, 1);

    qobject_init(QOBJECT(qdict), QTYPE_QDICT);
    qdict->table = str_table_new();
    QTAILQ_INIT(&qdict->entries);
    return qdict;
}

static QDictEntry *qdict_find(const QDict *qdict, const char *key)
{
    return g_hash_table_lookup(qdict->table, key);
}

size_t qdict_size(const QDict *qdict)
{
    return g_hash_table_size(qdict->table);
}

int qdict_haskey(const QDict *qdict, const char *key)
{
    return qdict_find(qdict, key) != NULL;
}

QObject *qdict_get(const QDict *qdict, const char *key)
{
    QDictEntry *entry = qdict_find(qdict, key);

    return entry ? entry->value : NULL;
}

void qdict_del(QDict *qdict, const char *key)
{
    QDictEntry *entry = qdict_find(qdict, key);

    if (entry) {
        g_hash_table_remove(qdict->table, entry->key);
        QTAILQ_REMOVE(&qdict->entries, entry, next);
        qobject_unref(entry->value);
        g_free(entry->key);
        g_free(entry);
    }
}

const QDictEntry *qdict_first(const QDict *qdict)
{
    return QTAILQ_FIRST(&qdict->entries);
}

const QDictEntry *qdict_next(const QDict *qdict, const QDictEntry *entry)
{
    return QTAILQ_NEXT(entry, next);
}

const char *qdict_entry_key(const QDictEntry *entry)
{
    return entry->key;
}

QObject *qdict_entry_value(const QDictEntry *entry)
{
    return entry->value;
}

void qdict_put_obj(QDict *qdict, const char *key, QObject *obj)
{
    QDictEntry *entry = qdict_find(qdict, key);

    assert(obj);
    if (entry) {
        qobject_unref(entry->value);
        entry->value = obj;
        return;
    }
    entry = g_new0(QDictEntry, 1);
    entry->key = g_strdup(key);
    entry->value = obj;
    g_hash_table_insert(qdict->table, entry->key, entry);
    QTAILQ_INSERT_TAIL(&qdict->entries, entry, next);
}

void qdict_put_bool(QDict *qdict, const char *key, bool value)
{
    qdict_put(qdict, key, qbool_from_bool(value));
}

void qdict_put_int(QDict *qdict, const char *key, int64_t value)
{
    qdict_put(qdict, key, qnum_from_int(value));
}

void qdict_put_null(QDict *qdict, const char *key)
{
    qdict_put(qdict, key, qnull());
}

void qdict_put_str(QDict *qdict, const char *key, const char *value)
{
    qdict_put(qdict, key, qstring_from_str(value));
}

double qdict_get_double(const QDict *qdict, const char *key)
{
    return qnum_get_double(qobject_to(QNum, qdict_get(qdict, key)));
}

int64_t qdict_get_int(const QDict *qdict, const char *key)
{
    return qnum_get_int(qobject_to(QNum, qdict_get(qdict, key)));
}

bool qdict_get_bool(const QDict *qdict, const char *key)
{
    return qbool_get_bool(qobject_to(QBool, qdict_get(qdict, key)));
}

QList *qdict_get_qlist(const QDict *qdict, const char *key)
{
    return qobject_to(QList, qdict_get(qdict, key));
}

QDict *qdict_get_qdict(const QDict *qdict, const char *key)
{
    return qobject_to(QDict, qdict_get(qdict, key));
}

const char *qdict_get_str(const QDict *qdict, const char *key)
{
    return qstring_get_str(qobject_to(QString, qdict_get(qdict, key)));
}

int64_t qdict_get_try_int(const QDict *qdict, const char *key, int64_t def_value)
{
    QNum *qnum = qobject_to(QNum, qdict_get(qdict, key));
    int64_t value;

    return qnum && qnum_get_try_int(qnum, &value) ? value : def_value;
}

bool qdict_get_try_bool(const QDict *qdict, const char *key, bool def_value)
{
    QBool *qbool = qobject_to(QBool, qdict_get(qdict, key));

    return qbool ? qbool_get_bool(qbool) : def_value;
}

const char *qdict_get_try_str(const QDict *qdict, const char *key)
{
    return qstring_get_try_str(qobject_to(QString, qdict_get(qdict, key)));
}

QDict *qdict_clone_shallow(const QDict *src)
{
    QDict *copy = qdict_new();

    for (const QDictEntry *e = qdict_first(src); e; e = qdict_next(src, e)) {
        qdict_put_obj(copy, e->key, qobject_ref(e->value));
    }
    return copy;
}

bool qdict_is_equal(const QObject *x, const QObject *y)
{
    const QDict *a = qobject_to(QDict, x), *b = qobject_to(QDict, y);

    if (qdict_size(a) != qdict_size(b)) {
        return false;
    }
    for (const QDictEntry *e = qdict_first(a); e; e = qdict_next(a, e)) {
        if (!qobject_is_equal(e->value, qdict_get(b, e->key))) {
            return false;
        }
    }
    return true;
}

void qdict_destroy_obj(QObject *obj)
{
    QDict *qdict = qobject_to(QDict, obj);
    QDictEntry *entry, *next;

    g_hash_table_destroy(qdict->table);
    QTAILQ_FOREACH_SAFE (entry, &qdict->entries, next, next) {
        qobject_unref(entry->value);
        g_free(entry->key);
        g_free(entry);
    }
    g_free(qdict);
}
