/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON object: members by name. Walking it, and printing it, gives the members in the order in
 * which they were first put.
 */
#ifndef QDICT_H
#define QDICT_H

#include "qemu/queue.h"
#include "qobject/qobject.h"

typedef struct QDictEntry {
    char *key;
    QObject *value; /* owned by the dictionary */
    QTAILQ_ENTRY(QDictEntry) next;
} QDictEntry;

struct QDict {
    struct QObjectBase_ base;
    GHashTable *table; /* key -> QDictEntry */
    QTAILQ_HEAD(, QDictEntry) entries;
};

QDict *qdict_new(void);
size_t qdict_size(const QDict *qdict);
int qdict_haskey(const QDict *qdict, const char *key);
/* The value, still the dictionary's; NULL if there is none. */
QObject *qdict_get(const QDict *qdict, const char *key);
void qdict_del(QDict *qdict, const char *key);

/* Walk: the first entry, the one after @entry; NULL at the end. */
const QDictEntry *qdict_first(const QDict *qdict);
const QDictEntry *qdict_next(const QDict *qdict, const QDictEntry *entry);
const char *qdict_entry_key(const QDictEntry *entry);
QObject *qdict_entry_value(const QDictEntry *entry);

/* Put, or replace; the caller's reference to @obj (not NULL) is taken over. */
#define qdict_put(qdict, key, obj) qdict_put_obj(qdict, key, QOBJECT(obj))
void qdict_put_obj(QDict *qdict, const char *key, QObject *obj);
void qdict_put_bool(QDict *qdict, const char *key, bool value);
void qdict_put_int(QDict *qdict, const char *key, int64_t value);
void qdict_put_null(QDict *qdict, const char *key);
void qdict_put_str(QDict *qdict, const char *key, const char *value);

/* The value of a member that is known to be there and of that kind. */
double qdict_get_double(const QDict *qdict, const char *key);
int64_t qdict_get_int(const QDict *qdict, const char *key);
bool qdict_get_bool(const QDict *qdict, const char *key);
QList *qdict_get_qlist(const QDict *qdict, const char *key);
QDict *qdict_get_qdict(const QDict *qdict, const char *key);
const char *qdict_get_str(const QDict *qdict, const char *key);
/* The same with @def_value (NULL) for members that are missing or of another kind. */
int64_t qdict_get_try_int(const QDict *qdict, const char *key, int64_t def_value);
bool qdict_get_try_bool(const QDict *qdict, const char *key, bool def_value);
const char *qdict_get_try_str(const QDict *qdict, const char *key);

/* A new dictionary that shares the values. */
QDict *qdict_clone_shallow(const QDict *src);

bool qdict_is_equal(const QObject *x, const QObject *y);
void qdict_destroy_obj(QObject *obj);
static inline void qdict_unref(QDict *q)
{
    qobject_unref(q);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QDict, qdict_unref)

#endif
