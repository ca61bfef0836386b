/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The six kinds of JSON values. */
#ifndef QOBJECT_QTYPE_H
#define QOBJECT_QTYPE_H

typedef enum QType {
    QTYPE_NONE, /* no value: never in an object that is alive */
    QTYPE_QNULL,
    QTYPE_QNUM,
    QTYPE_QSTRING,
    QTYPE_QDICT,
    QTYPE_QLIST,
    QTYPE_QBOOL,
    QTYPE__MAX,
} QType;

#endif
