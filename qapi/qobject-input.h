/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two kinds of input visitors, for JSON and for the command line, have in common. */
#ifndef QAPI_QOBJECT_INPUT_H
#define QAPI_QOBJECT_INPUT_H

#include "qapi/visitor-impl.h"
#include "qobject/qlist.h"

typedef struct Frame {
    const char *name; /* in the frame below; NULL for a list's element */
    QObject *obj;
    GHashTable *left;        /* dictionary: members not asked for */
    const QListEntry *entry; /* list: the next element */
    unsigned index;          /* list: elements taken so far */
} Frame;

typedef struct QObjectInputVisitor {
    Visitor visitor;
    QObject *root;
    bool keyval;   /* every scalar is a string */
    GArray *stack; /* of Frame */
} QObjectInputVisitor;

static inline QObjectInputVisitor *qiv_of(Visitor *v)
{
    return container_of(v, QObjectInputVisitor, visitor);
}

/* A visitor that has everything but its scalars; it takes a reference to @obj. */
QObjectInputVisitor *qiv_new(QObject *obj);

/* The value of that name, or the next one of a list; NULL with *@errp set if there is none. */
QObject *qiv_get_value(QObjectInputVisitor *qiv, const char *name, Error **errp);

/* The name of member @name of the value that we are in, from the root on; the caller's. */
char *qiv_full_name(QObjectInputVisitor *qiv, const char *name);

/* Set *@errp to a sentence with that name in it. The latter two return false. */
void qiv_error_with_name(QObjectInputVisitor *qiv, const char *name, Error **errp,
                         const char *before, const char *after);
bool qiv_error_type(QObjectInputVisitor *qiv, const char *name, const char *expected, Error **errp);
bool qiv_error_value(QObjectInputVisitor *qiv, const char *name, const char *expected,
                     Error **errp);

#endif
