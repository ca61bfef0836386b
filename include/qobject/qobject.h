/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON value that is counted by reference.
 *
 * Theory of operation
 *
 * Every kind of value (QNull, QNum, QString, QDict, QList, QBool) begins with a QObjectBase_, which
 * holds the kind and the number of references. x_new() gives its caller one reference; containers
 * own one to each element; qobject_unref() gives one up and frees the value with the last. A value
 * belongs to one thread at a time, for the count is not atomic. Nothing here blocks or yields.
 */
#ifndef QOBJECT_H
#define QOBJECT_H

#include "qemu/typedefs.h"
#include "qobject/qtype.h"

struct QObjectBase_ {
    QType type;
    size_t refcnt;
};

struct QObject {
    struct QObjectBase_ base;
};

/* @x, a pointer to any kind of value or NULL, as a QObject *. */
#define QOBJECT(x)                                                \
    __extension__({                                               \
        __typeof__(x) qobj_ = (x);                                \
        qobj_ ? container_of(&qobj_->base, QObject, base) : NULL; \
    })

#define QTYPE_CAST_TO_QNull   QTYPE_QNULL
#define QTYPE_CAST_TO_QNum    QTYPE_QNUM
#define QTYPE_CAST_TO_QString QTYPE_QSTRING
#define QTYPE_CAST_TO_QDict   QTYPE_QDICT
#define QTYPE_CAST_TO_QList   QTYPE_QLIST
#define QTYPE_CAST_TO_QBool   QTYPE_QBOOL

/* @obj (or NULL) as a @type *, or NULL when it is of another kind. */
#define qobject_to(type, obj) ((type *)qobject_check_type(obj, glue(QTYPE_CAST_TO_, type)))

static inline QObject *qobject_check_type(const QObject *obj, QType type)
{
    return obj && obj->base.type == type ? (QObject *)obj : NULL;
}

static inline QType qobject_type(const QObject *obj)
{
    assert(obj->base.type > QTYPE_NONE && obj->base.type < QTYPE__MAX);
    return obj->base.type;
}

void qobject_ref_impl(QObject *obj);
void qobject_unref_impl(QObject *obj);

/* One reference more; @obj itself, which may be NULL. */
#define qobject_ref(obj)                 \
    __extension__({                      \
        __typeof__(obj) ref_ = (obj);    \
        qobject_ref_impl(QOBJECT(ref_)); \
        ref_;                            \
    })
/* One reference less; the last frees @obj and what it holds. NULL is legal. */
#define qobject_unref(obj) qobject_unref_impl(QOBJECT(obj))

/* For the code of each kind: the first reference, and the end of it. */
void qobject_init(QObject *obj, QType type);
void qobject_destroy(QObject *obj);

/* Same kind and equal contents; numbers are equal when their values are. NULL equals NULL only. */
bool qobject_is_equal(const QObject *x, const QObject *y);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QObject, qobject_unref_impl)

#endif
