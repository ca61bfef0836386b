/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values as constants of the program text. */
#ifndef QLIT_H
#define QLIT_H

#include "qobject/qobject.h"

typedef struct QLitDictEntry QLitDictEntry;
typedef struct QLitObject QLitObject;

struct QLitObject {
    QType type;
    union {
        bool qbool;
        int64_t qnum;
        const char *qstr;
        const QLitDictEntry *qdict; /* ends with a NULL key */
        const QLitObject *qlist;    /* ends with QTYPE_NONE */
    } value;
};

struct QLitDictEntry {
    const char *key;
    QLitObject value;
};

/* Initializers of a QLitObject. */
#define QLIT_QNULL          \
    {                       \
        .type = QTYPE_QNULL \
    }
#define QLIT_QBOOL(v)                           \
    {                                           \
        .type = QTYPE_QBOOL, .value.qbool = (v) \
    }
#define QLIT_QNUM(v)                          \
    {                                         \
        .type = QTYPE_QNUM, .value.qnum = (v) \
    }
#define QLIT_QSTR(v)                             \
    {                                            \
        .type = QTYPE_QSTRING, .value.qstr = (v) \
    }
#define QLIT_QDICT(v)                           \
    {                                           \
        .type = QTYPE_QDICT, .value.qdict = (v) \
    }
#define QLIT_QLIST(v)                           \
    {                                           \
        .type = QTYPE_QLIST, .value.qlist = (v) \
    }

/* A new value that equals @qlit. */
QObject *qobject_from_qlit(const QLitObject *qlit);

#endif
