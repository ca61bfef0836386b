/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON number. It remembers how it was made: as a signed or unsigned integer of 64 bits, which
 * keep all their digits, or as a double.
 */
#ifndef QNUM_H
#define QNUM_H

#include "qobject/qobject.h"

typedef enum QNumKind {
    QNUM_I64,
    QNUM_U64,
    QNUM_DOUBLE,
    QNUM__MAX,
} QNumKind;

struct QNum {
    struct QObjectBase_ base;
    QNumKind kind;
    union {
        int64_t i64;
        uint64_t u64;
        double dbl;
    } u;
};

QNum *qnum_from_int(int64_t value);
QNum *qnum_from_uint(uint64_t value);
QNum *qnum_from_double(double value);

/* The integer in *@val; false when @qn is no integer or does not fit. */
bool qnum_get_try_int(const QNum *qn, int64_t *val);
bool qnum_get_try_uint(const QNum *qn, uint64_t *val);
/* The same for numbers that are known to fit. */
int64_t qnum_get_int(const QNum *qn);
uint64_t qnum_get_uint(const QNum *qn);
/* Any number; an integer beyond 2^53 loses digits. */
double qnum_get_double(const QNum *qn);

/* As JSON text; the caller frees it. */
char *qnum_to_string(const QNum *qn);

bool qnum_is_equal(const QObject *x, const QObject *y);
void qnum_destroy_obj(QObject *obj);
static inline void qnum_unref(QNum *q)
{
    qobject_unref(q);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QNum, qnum_unref)

#endif
