/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings. */

#include "qemu/osdep.h"
#include "qobject/qstring.h"

/* Takes over @string. */
static QString *qstring_take(char *string)
{
    QString *qstring = g_new0(QString, 1);

    qobject_init(QOBJECT(qstring), QTYPE_QSTRING);
    qstring->string = string;
    return qstring;
}

QString *qstring_new(void)
{
    return qstring_take(g_strdup(""));
}

QString *qstring_from_str(const char *str)
{
    return qstring_take(g_strdup(str));
}

QString *qstring_from_substr(const char *str, size_t start, size_t end)
{
    assert(start <= end + 1);
    return qstring_take(g_strndup(str + start, end + 1 - start));
}

QString *qstring_from_gstring(GString *gstr)
{
    return qstring_take(g_string_free(gstr, false));
}

const char *qstring_get_str(const QString *qstring)
{
    return qstring->string;
}

const char *qstring_get_try_str(const QString *qstring)
{
    return qstring ? qstring->string : NULL;
}

bool qstring_is_equal(const QObject *x, const QObject *y)
{
    return g_str_equal(qobject_to(QString, x)->string, qobject_to(QString, y)->string);
}

void qstring_destroy_obj(QObject *obj)
{
    QString *qstring = qobject_to(QString, obj);

    g_free(qstring->string);
    g_free(qstring);
}
