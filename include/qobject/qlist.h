/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON array. */
#ifndef QLIST_H
#define QLIST_H

#include "qemu/queue.h"
#include "qobject/qobject.h"

typedef struct QListEntry {
    QObject *value; /* owned by the list */
    QTAILQ_ENTRY(QListEntry) next;
} QListEntry;

struct QList {
    struct QObjectBase_ base;
    QTAILQ_HEAD(, QListEntry) head;
};

QList *qlist_new(void);
/* New elements share their values with @src. */
QList *qlist_copy(QList *src);

/* Take over the caller's reference to @obj. */
#define qlist_append(qlist, obj) qlist_append_obj(qlist, QOBJECT(obj))
void qlist_append_obj(QList *qlist, QObject *obj);
void qlist_append_bool(QList *qlist, bool value);
void qlist_append_int(QList *qlist, int64_t value);
void qlist_append_null(QList *qlist);
void qlist_append_str(QList *qlist, const char *value);

/* The first element, taken out: its reference is the caller's; NULL if there is none. */
QObject *qlist_pop(QList *qlist);
/* The first element; the list keeps its reference. */
QObject *qlist_peek(QList *qlist);
bool qlist_empty(const QList *qlist);
size_t qlist_size(const QList *qlist);

static inline const QListEntry *qlist_first(const QList *qlist)
{
    return QTAILQ_FIRST(&qlist->head);
}

static inline const QListEntry *qlist_next(const QListEntry *entry)
{
    return QTAILQ_NEXT(entry, next);
}

static inline QObject *qlist_entry_obj(const QListEntry *entry)
{
    return entry->value;
}

#define QLIST_FOREACH_ENTRY(qlist, var) \
    for ((var) = QTAILQ_FIRST(&(qlist)->head); (var); (var) = QTAILQ_NEXT((var), next))

bool qlist_is_equal(const QObject *x, const QObject *y);
void qlist_destroy_obj(QObject *obj);
static inline void qlist_unref(QList *q)
{
    qobject_unref(q);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QList, qlist_unref)

#endif
