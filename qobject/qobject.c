/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all kinds of JSON values have in common: references, and a table of how to end and compare.
 */

#include "qemu/osdep.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

typedef struct QKindOps {
    void (*destroy)(QObject *obj);
    bool (*is_equal)(const QObject *x, const QObject *y);
} QKindOps;

static const QKindOps kinds[QTYPE__MAX] = {
    [QTYPE_QNULL] = { NULL, qnull_is_equal },
    [QTYPE_QNUM] = { qnum_destroy_obj, qnum_is_equal },
    [QTYPE_QSTRING] = { qstring_destroy_obj, qstring_is_equal },
    [QTYPE_QDICT] = { qdict_destroy_obj, qdict_is_equal },
    [QTYPE_QLIST] = { qlist_destroy_obj, qlist_is_equal },
    [QTYPE_QBOOL] = { qbool_destroy_obj, qbool_is_equal },
};

void qobject_init(QObject *obj, QType type)
{
    assert(type > QTYPE_NONE && type < QTYPE__MAX);
    obj->base.refcnt = 1;
    obj->base.type = type;
}

void qobject_destroy(QObject *obj)
{
    assert(obj->base.refcnt == 0);
    assert(kinds[qobject_type(obj)].destroy);
    kinds[obj->base.type].destroy(obj);
}

void qobject_ref_impl(QObject *obj)
{
    /* null is shared by all threads, and never ends, so nobody needs to count it */
    if (obj && obj->base.type != QTYPE_QNULL) {
        obj->base.refcnt++;
    }
}

void qobject_unref_impl(QObject *obj)
{
    if (!obj || obj->base.type == QTYPE_QNULL) {
        return;
    }
    assert(obj->base.refcnt > 0);
    if (--obj->base.refcnt == 0) {
        qobject_destroy(obj);
    }
}

bool qobject_is_equal(const QObject *x, const QObject *y)
{
    if (x == y) {
        return true;
    }
    if (!x || !y || x->base.type != y->base.type) {
        return false;
    }
    return kinds[qobject_type(x)].is_equal(x, y);
}
