/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, with all the digits they came with. */

#include "qemu/osdep.h"
#include "qobject/qnum.h"

static QNum *qnum_new(QNumKind kind)
{
    QNum *qn = g_new0(QNum, 1);

    qobject_init(QOBJECT(qn), QTYPE_QNUM);
    qn->kind = kind;
    return qn;
}

QNum *qnum_from_int(int64_t value)
{
    QNum *qn = qnum_new(QNUM_I64);

    qn->u.i64 = value;
    return qn;
}

QNum *qnum_from_uint(uint64_t value)
{
    QNum *qn = qnum_new(QNUM_U64);

    qn->u.u64 = value;
    return qn;
}

QNum *qnum_from_double(double value)
{
    QNum *qn = qnum_new(QNUM_DOUBLE);

    qn->u.dbl = value;
    return qn;
}

bool qnum_get_try_int(const QNum *qn, int64_t *val)
{
    if (qn->kind == QNUM_I64) {
        *val = qn->u.i64;
        return true;
    }
    if (qn->kind == QNUM_U64 && qn->u.u64 <= INT64_MAX) {
        *val = qn->u.u64;
        return true;
    }
    return false;
}

bool qnum_get_try_uint(const QNum *qn, uint64_t *val)
{
    if (qn->kind == QNUM_U64) {
        *val = qn->u.u64;
        return true;
    }
    if (qn->kind == QNUM_I64 && qn->u.i64 >= 0) {
        *val = qn->u.i64;
        return true;
    }
    return false;
}

int64_t qnum_get_int(const QNum *qn)
{
    int64_t val = 0;
    bool fits = qnum_get_try_int(qn, &val);

    assert(fits);
    return val;
}

uint64_t qnum_get_uint(const QNum *qn)
{
    uint64_t val = 0;
    bool fits = qnum_get_try_uint(qn, &val);

    assert(fits);
    return val;
}

double qnum_get_double(const QNum *qn)
{
    switch (qn->kind) {
    case QNUM_I64:
        return qn->u.i64;
    case QNUM_U64:
        return qn->u.u64;
    default:
        return qn->u.dbl;
    }
}

/* The shortest text that reads back as the same double. */
static char *double_to_string(double value)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    for (int precision = 15; precision <= 17; precision++) {
        char format[] = "%.15g";

        format[3] = '0' + precision - 10;
        g_ascii_formatd(buf, sizeof(buf), format, value);
        if (g_ascii_strtod(buf, NULL) == value) {
            break;
        }
    }
    return g_strdup(buf);
}

char *qnum_to_string(const QNum *qn)
{
    switch (qn->kind) {
    case QNUM_I64:
        return g_strdup_printf("%" PRId64, qn->u.i64);
    case QNUM_U64:
        return g_strdup_printf("%" PRIu64, qn->u.u64);
    default:
        return double_to_string(qn->u.dbl);
    }
}

bool qnum_is_equal(const QObject *x, const QObject *y)
{
    const QNum *a = qobject_to(QNum, x), *b = qobject_to(QNum, y);
    int64_t ai, bi;
    uint64_t au, bu;

    if (a->kind == QNUM_DOUBLE || b->kind == QNUM_DOUBLE) {
        return a->kind == b->kind && a->u.dbl == b->u.dbl;
    }
    if (qnum_get_try_int(a, &ai) && qnum_get_try_int(b, &bi)) {
        return ai == bi;
    }
    return qnum_get_try_uint(a, &au) && qnum_get_try_uint(b, &bu) && au == bu;
}

void qnum_destroy_obj(QObject *obj)
{
    g_free(qobject_to(QNum, obj));
}
