/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON string: UTF-8, without zero bytes inside. */
#ifndef QSTRING_H
#define QSTRING_H

#include "qobject/qobject.h"

struct QString {
    struct QObjectBase_ base;
    char *string;
};

QString *qstring_new(void);
/* A copy of @str, of its bytes @start to @end (the latter included). */
QString *qstring_from_str(const char *str);
QString *qstring_from_substr(const char *str, size_t start, size_t end);
/* Takes the text out of @gstr, which is freed. */
QString *qstring_from_gstring(GString *gstr);

/* The text; it belongs to @qstring. The try form is for a NULL @qstring too, and gives NULL. */
const char *qstring_get_str(const QString *qstring);
const char *qstring_get_try_str(const QString *qstring);

bool qstring_is_equal(const QObject *x, const QObject *y);
void qstring_destroy_obj(QObject *obj);
static inline void qstring_unref(QString *q)
{
    qobject_unref(q);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QString, qstring_unref)

#endif
