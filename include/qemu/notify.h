/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of callbacks that are told of an event.
 *
 * The caller owns its Notifier and must remove it before its memory goes. A callback may remove
 * itself. Not locked: one thread, or a lock of the owner.
 */
#ifndef QEMU_NOTIFY_H
#define QEMU_NOTIFY_H

#include "qemu/queue.h"

typedef struct Notifier Notifier;

struct Notifier {
    void (*notify)(Notifier *notifier, void *data);
    QLIST_ENTRY(Notifier) node;
};

struct NotifierList {
    QLIST_HEAD(, Notifier) notifiers;
};

#define NOTIFIER_LIST_INITIALIZER(head)          \
    {                                            \
        QLIST_HEAD_INITIALIZER((head).notifiers) \
    }

void notifier_list_init(NotifierList *list);
/* The newest is told first. */
void notifier_list_add(NotifierList *list, Notifier *notifier);
void notifier_remove(Notifier *notifier);
void notifier_list_notify(NotifierList *list, void *data);
bool notifier_list_empty(NotifierList *list);

/* The same with a result: telling stops at the first that is not zero. */
typedef struct NotifierWithReturn NotifierWithReturn;
typedef int (*NotifierWithReturnFunc)(NotifierWithReturn *notifier, void *data, Error **errp);

struct NotifierWithReturn {
    NotifierWithReturnFunc notify;
    QLIST_ENTRY(NotifierWithReturn) node;
};

struct NotifierWithReturnList {
    QLIST_HEAD(, NotifierWithReturn) notifiers;
};

#define NOTIFIER_WITH_RETURN_LIST_INITIALIZER(head) \
    {                                               \
        QLIST_HEAD_INITIALIZER((head).notifiers)    \
    }

void notifier_with_return_list_init(NotifierWithReturnList *list);
void notifier_with_return_list_add(NotifierWithReturnList *list, NotifierWithReturn *notifier);
void notifier_with_return_remove(NotifierWithReturn *notifier);
int notifier_with_return_list_notify(NotifierWithReturnList *list, void *data, Error **errp);

#endif
