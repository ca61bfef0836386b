/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values from constants. */

#include "qemu/osdep.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qlit.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

static QObject *qdict_from_qlit(const QLitDictEntry *entry)
{
    QDict *qdict = qdict_new();

    for (; entry->key; entry++) {
        qdict_put_obj(qdict, entry->key, qobject_from_qlit(&entry->value));
    }
    return QOBJECT(qdict);
}

static QObject *qlist_from_qlit(const QLitObject *element)
{
    QList *qlist = qlist_new();

    for (; element->type != QTYPE_NONE; element++) {
        qlist_append_obj(qlist, qobject_from_qlit(element));
    }
    return QOBJECT(qlist);
}

QObject *qobject_from_qlit(const QLitObject *qlit)
{
    switch (qlit->type) {
    case QTYPE_QNULL:
        return QOBJECT(qnull());
    case QTYPE_QNUM:
        return QOBJECT(qnum_from_int(qlit->value.qnum));
    case QTYPE_QSTRING:
        return QOBJECT(qstring_from_str(qlit->value.qstr));
    case QTYPE_QDICT:
        return qdict_from_qlit(qlit->value.qdict);
    case QTYPE_QLIST:
        return qlist_from_qlit(qlit->value.qlist);
    case QTYPE_QBOOL:
        return QOBJECT(qbool_from_bool(qlit->value.qbool));
    default:
        g_assert_not_reached();
    }
}
