/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON value null: one object for the whole process. */
#ifndef QNULL_H
#define QNULL_H

#include "qobject/qobject.h"

struct QNull {
    struct QObjectBase_ base;
};

extern QNull qnull_;

/* A new reference to null. */
static inline QNull *qnull(void)
{
    return qobject_ref(&qnull_);
}

bool qnull_is_equal(const QObject *x, const QObject *y);
static inline void qnull_unref(QNull *q)
{
    qobject_unref(q);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QNull, qnull_unref)

#endif
