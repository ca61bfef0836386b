/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked lists whose links lie in the elements.
 *
 *            links  insert           remove             walk
 * QSLIST     1      head             head, after        forward
 * QLIST      2      head, before,    any                forward
 *                   after
 * QSIMPLEQ   1      head, tail,      head, any (slow)   forward
 *                   after
 * QTAILQ     2      anywhere         any                both ways
 *
 * A list is declared by XXX_HEAD(name, type), a link by XXX_ENTRY(type), where type is the
 * element's type name (with "struct" if it needs one; @name may be empty). Nothing here locks,
 * except the two atomic operations of QSLIST.
 */
#ifndef QEMU_QUEUE_H
#define QEMU_QUEUE_H

#include "qemu/atomic.h"

/* QSLIST: one link, a stack */

#define QSLIST_HEAD(name, type) \
    struct name {               \
        struct type *slh_first; \
    }
#define QSLIST_HEAD_INITIALIZER(head) \
    {                                 \
        NULL                          \
    }
#define QSLIST_ENTRY(type)     \
    struct {                   \
        struct type *sle_next; \
    }
#define QSLIST_INIT(head)       ((void)((head)->slh_first = NULL))
#define QSLIST_EMPTY(head)      ((head)->slh_first == NULL)
#define QSLIST_FIRST(head)      ((head)->slh_first)
#define QSLIST_NEXT(elm, field) ((elm)->field.sle_next)
#define QSLIST_INSERT_HEAD(head, elm, field)       \
    do {                                           \
        (elm)->field.sle_next = (head)->slh_first; \
        (head)->slh_first = (elm);                 \
    } while (0)
#define QSLIST_INSERT_AFTER(listelm, elm, field)           \
    do {                                                   \
        (elm)->field.sle_next = (listelm)->field.sle_next; \
        (listelm)->field.sle_next = (elm);                 \
    } while (0)
#define QSLIST_REMOVE_HEAD(head, field)                             \
    do {                                                            \
        __typeof__((head)->slh_first) sl_gone_ = (head)->slh_first; \
        (head)->slh_first = sl_gone_->field.sle_next;               \
        sl_gone_->field.sle_next = NULL;                            \
    } while (0)
#define QSLIST_REMOVE_AFTER(elm, field)                   \
    do {                                                  \
        __typeof__(elm) sl_gone_ = (elm)->field.sle_next; \
        (elm)->field.sle_next = sl_gone_->field.sle_next; \
        sl_gone_->field.sle_next = NULL;                  \
    } while (0)
/* Walks to @elm, which must be on the list. */
#define QSLIST_REMOVE(head, elm, type, field)        \
    do {                                             \
        struct type **sl_link_ = &(head)->slh_first; \
        while (*sl_link_ != (elm)) {                 \
            sl_link_ = &(*sl_link_)->field.sle_next; \
        }                                            \
        *sl_link_ = (elm)->field.sle_next;           \
        (elm)->field.sle_next = NULL;                \
    } while (0)
#define QSLIST_FOREACH(var, head, field) \
    for ((var) = (head)->slh_first; (var); (var) = (var)->field.sle_next)
#define QSLIST_FOREACH_SAFE(var, head, field, next) \
    for ((var) = (head)->slh_first; (var) && ((next) = (var)->field.sle_next, 1); (var) = (next))
/* Any number of threads may insert at once; one that also takes all with MOVE_ATOMIC. */
#define QSLIST_INSERT_HEAD_ATOMIC(head, elm, field)                                      \
    do {                                                                                 \
        __typeof__(elm) sl_new_ = (elm);                                                 \
        __typeof__(elm) sl_seen_ = qatomic_read(&(head)->slh_first);                     \
        do {                                                                             \
            sl_new_->field.sle_next = sl_seen_;                                          \
        } while (!__atomic_compare_exchange_n(&(head)->slh_first, &sl_seen_, sl_new_, 1, \
                                              __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));      \
    } while (0)
/* @dest becomes what @src was, @src becomes empty. */
#define QSLIST_MOVE_ATOMIC(dest, src) \
    ((void)((dest)->slh_first = qatomic_xchg(&(src)->slh_first, NULL)))

/* QLIST: two links, elements know how to leave */

#define QLIST_HEAD(name, type) \
    struct name {              \
        struct type *lh_first; \
    }
#define QLIST_HEAD_INITIALIZER(head) \
    {                                \
        NULL                         \
    }
#define QLIST_ENTRY(type)      \
    struct {                   \
        struct type *le_next;  \
        struct type **le_prev; \
    }
#define QLIST_INIT(head)       ((void)((head)->lh_first = NULL))
#define QLIST_EMPTY(head)      ((head)->lh_first == NULL)
#define QLIST_FIRST(head)      ((head)->lh_first)
#define QLIST_NEXT(elm, field) ((elm)->field.le_next)
/* Puts @elm where @link (a pointer to the pointer to its successor) points. */
#define QLIST_INSERT_LINK_(link, elm, field)                   \
    do {                                                       \
        __typeof__(&(elm)->field.le_next) l_link_ = (link);    \
        (elm)->field.le_next = *l_link_;                       \
        (elm)->field.le_prev = l_link_;                        \
        if (*l_link_) {                                        \
            (*l_link_)->field.le_prev = &(elm)->field.le_next; \
        }                                                      \
        *l_link_ = (elm);                                      \
    } while (0)
#define QLIST_INSERT_HEAD(head, elm, field) QLIST_INSERT_LINK_(&(head)->lh_first, elm, field)
#define QLIST_INSERT_AFTER(listelm, elm, field) \
    QLIST_INSERT_LINK_(&(listelm)->field.le_next, elm, field)
#define QLIST_INSERT_BEFORE(listelm, elm, field) \
    QLIST_INSERT_LINK_((listelm)->field.le_prev, elm, field)
#define QLIST_REMOVE(elm, field)                                        \
    do {                                                                \
        if ((elm)->field.le_next) {                                     \
            (elm)->field.le_next->field.le_prev = (elm)->field.le_prev; \
        }                                                               \
        *(elm)->field.le_prev = (elm)->field.le_next;                   \
        (elm)->field.le_next = NULL;                                    \
        (elm)->field.le_prev = NULL;                                    \
    } while (0)
/* As REMOVE, and legal for an element that is on no list (links zero). */
#define QLIST_SAFE_REMOVE(elm, field) \
    do {                              \
        if ((elm)->field.le_prev) {   \
            QLIST_REMOVE(elm, field); \
        }                             \
    } while (0)
#define QLIST_IS_INSERTED(elm, field) ((elm)->field.le_prev != NULL)
#define QLIST_FOREACH(var, head, field) \
    for ((var) = (head)->lh_first; (var); (var) = (var)->field.le_next)
#define QLIST_FOREACH_SAFE(var, head, field, next) \
    for ((var) = (head)->lh_first; (var) && ((next) = (var)->field.le_next, 1); (var) = (next))

/* QSIMPLEQ: one link, a queue */

#define QSIMPLEQ_HEAD(name, type) \
    struct name {                 \
        struct type *sqh_first;   \
        struct type **sqh_last;   \
    }
#define QSIMPLEQ_HEAD_INITIALIZER(head) \
    {                                   \
        NULL, &(head).sqh_first         \
    }
#define QSIMPLEQ_ENTRY(type)   \
    struct {                   \
        struct type *sqe_next; \
    }
#define QSIMPLEQ_INIT(head)                    \
    do {                                       \
        (head)->sqh_first = NULL;              \
        (head)->sqh_last = &(head)->sqh_first; \
    } while (0)
#define QSIMPLEQ_EMPTY(head)        ((head)->sqh_first == NULL)
#define QSIMPLEQ_EMPTY_ATOMIC(head) (qatomic_read(&(head)->sqh_first) == NULL)
#define QSIMPLEQ_FIRST(head)        ((head)->sqh_first)
#define QSIMPLEQ_NEXT(elm, field)   ((elm)->field.sqe_next)
#define QSIMPLEQ_LAST(head, type, field) \
    (QSIMPLEQ_EMPTY(head)                \
         ? NULL                          \
         : (struct type *)((char *)(head)->sqh_last - offsetof(struct type, field.sqe_next)))
#define QSIMPLEQ_INSERT_HEAD(head, elm, field)         \
    do {                                               \
        (elm)->field.sqe_next = (head)->sqh_first;     \
        if (!(head)->sqh_first) {                      \
            (head)->sqh_last = &(elm)->field.sqe_next; \
        }                                              \
        (head)->sqh_first = (elm);                     \
    } while (0)
#define QSIMPLEQ_INSERT_TAIL(head, elm, field)     \
    do {                                           \
        (elm)->field.sqe_next = NULL;              \
        *(head)->sqh_last = (elm);                 \
        (head)->sqh_last = &(elm)->field.sqe_next; \
    } while (0)
#define QSIMPLEQ_INSERT_AFTER(head, listelm, elm, field)   \
    do {                                                   \
        (elm)->field.sqe_next = (listelm)->field.sqe_next; \
        if (!(elm)->field.sqe_next) {                      \
            (head)->sqh_last = &(elm)->field.sqe_next;     \
        }                                                  \
        (listelm)->field.sqe_next = (elm);                 \
    } while (0)
#define QSIMPLEQ_REMOVE_HEAD(head, field)                           \
    do {                                                            \
        __typeof__((head)->sqh_first) sq_gone_ = (head)->sqh_first; \
        (head)->sqh_first = sq_gone_->field.sqe_next;               \
        if (!(head)->sqh_first) {                                   \
            (head)->sqh_last = &(head)->sqh_first;                  \
        }                                                           \
        sq_gone_->field.sqe_next = NULL;                            \
    } while (0)
/* Walks to @elm, which must be on the queue. */
#define QSIMPLEQ_REMOVE(head, elm, type, field)      \
    do {                                             \
        struct type **sq_link_ = &(head)->sqh_first; \
        while (*sq_link_ != (elm)) {                 \
            sq_link_ = &(*sq_link_)->field.sqe_next; \
        }                                            \
        *sq_link_ = (elm)->field.sqe_next;           \
        if (!*sq_link_) {                            \
            (head)->sqh_last = sq_link_;             \
        }                                            \
        (elm)->field.sqe_next = NULL;                \
    } while (0)
/* Appends @src to @dest; @src becomes empty. */
#define QSIMPLEQ_CONCAT(dest, src)                \
    do {                                          \
        if (!QSIMPLEQ_EMPTY(src)) {               \
            *(dest)->sqh_last = (src)->sqh_first; \
            (dest)->sqh_last = (src)->sqh_last;   \
            QSIMPLEQ_INIT(src);                   \
        }                                         \
    } while (0)
#define QSIMPLEQ_PREPEND(dest, src)                 \
    do {                                            \
        if (!QSIMPLEQ_EMPTY(src)) {                 \
            *(src)->sqh_last = (dest)->sqh_first;   \
            if (QSIMPLEQ_EMPTY(dest)) {             \
                (dest)->sqh_last = (src)->sqh_last; \
            }                                       \
            (dest)->sqh_first = (src)->sqh_first;   \
            QSIMPLEQ_INIT(src);                     \
        }                                           \
    } while (0)
/* Splits @dest off @head: everything after @elm. */
#define QSIMPLEQ_SPLIT_AFTER(head, elm, field, removed)       \
    do {                                                      \
        QSIMPLEQ_INIT(removed);                               \
        if (((removed)->sqh_first = (elm)->field.sqe_next)) { \
            (removed)->sqh_last = (head)->sqh_last;           \
            (head)->sqh_last = &(elm)->field.sqe_next;        \
            (elm)->field.sqe_next = NULL;                     \
        }                                                     \
    } while (0)
#define QSIMPLEQ_FOREACH(var, head, field) \
    for ((var) = (head)->sqh_first; (var); (var) = (var)->field.sqe_next)
#define QSIMPLEQ_FOREACH_SAFE(var, head, field, next) \
    for ((var) = (head)->sqh_first; (var) && ((next) = (var)->field.sqe_next, 1); (var) = (next))

/*
 * QTAILQ: two links and a tail, both directions
 *
 * Head and link have one shape: the head's tql_next is the first element, its tql_prev the last
 * link; a link's tql_prev is the link (or head) before it. The first element is thus reached from
 * the last link by two steps back and one forward.
 */
typedef struct QTailQLink {
    void *tql_next;
    struct QTailQLink *tql_prev;
} QTailQLink;

#define QTAILQ_HEAD(name, type) \
    union name {                \
        struct type *tqh_first; \
        QTailQLink tqh_circ;    \
    }
#define QTAILQ_HEAD_INITIALIZER(head)          \
    {                                          \
        .tqh_circ = { NULL, &(head).tqh_circ } \
    }
#define QTAILQ_ENTRY(type)     \
    union {                    \
        struct type *tqe_next; \
        QTailQLink tqe_circ;   \
    }
#define QTAILQ_INIT(head)                              \
    do {                                               \
        (head)->tqh_first = NULL;                      \
        (head)->tqh_circ.tql_prev = &(head)->tqh_circ; \
    } while (0)
#define QTAILQ_EMPTY(head)        ((head)->tqh_first == NULL)
#define QTAILQ_EMPTY_ATOMIC(head) (qatomic_read(&(head)->tqh_first) == NULL)
#define QTAILQ_FIRST(head)        ((head)->tqh_first)
#define QTAILQ_NEXT(elm, field)   ((elm)->field.tqe_next)
#define QTAILQ_IN_USE(elm, field) ((elm)->field.tqe_circ.tql_prev != NULL)
#define QTAILQ_BEFORE_LINK_(link) ((link)->tql_prev->tql_prev->tql_next)
#define QTAILQ_LAST(head)         ((__typeof__((head)->tqh_first))QTAILQ_BEFORE_LINK_(&(head)->tqh_circ))
#define QTAILQ_PREV(elm, field) \
    ((__typeof__((elm)->field.tqe_next))QTAILQ_BEFORE_LINK_(&(elm)->field.tqe_circ))
#define QTAILQ_INSERT_HEAD(head, elm, field)                                     \
    do {                                                                         \
        if (((elm)->field.tqe_next = (head)->tqh_first)) {                       \
            (head)->tqh_first->field.tqe_circ.tql_prev = &(elm)->field.tqe_circ; \
        } else {                                                                 \
            (head)->tqh_circ.tql_prev = &(elm)->field.tqe_circ;                  \
        }                                                                        \
        (head)->tqh_first = (elm);                                               \
        (elm)->field.tqe_circ.tql_prev = &(head)->tqh_circ;                      \
    } while (0)
#define QTAILQ_INSERT_TAIL(head, elm, field)                        \
    do {                                                            \
        (elm)->field.tqe_next = NULL;                               \
        (elm)->field.tqe_circ.tql_prev = (head)->tqh_circ.tql_prev; \
        (head)->tqh_circ.tql_prev->tql_next = (elm);                \
        (head)->tqh_circ.tql_prev = &(elm)->field.tqe_circ;         \
    } while (0)
#define QTAILQ_INSERT_AFTER(head, listelm, elm, field)                               \
    do {                                                                             \
        if (((elm)->field.tqe_next = (listelm)->field.tqe_next)) {                   \
            (elm)->field.tqe_next->field.tqe_circ.tql_prev = &(elm)->field.tqe_circ; \
        } else {                                                                     \
            (head)->tqh_circ.tql_prev = &(elm)->field.tqe_circ;                      \
        }                                                                            \
        (listelm)->field.tqe_next = (elm);                                           \
        (elm)->field.tqe_circ.tql_prev = &(listelm)->field.tqe_circ;                 \
    } while (0)
#define QTAILQ_INSERT_BEFORE(listelm, elm, field)                            \
    do {                                                                     \
        (elm)->field.tqe_circ.tql_prev = (listelm)->field.tqe_circ.tql_prev; \
        (elm)->field.tqe_next = (listelm);                                   \
        (listelm)->field.tqe_circ.tql_prev->tql_next = (elm);                \
        (listelm)->field.tqe_circ.tql_prev = &(elm)->field.tqe_circ;         \
    } while (0)
#define QTAILQ_REMOVE(head, elm, field)                                                      \
    do {                                                                                     \
        if ((elm)->field.tqe_next) {                                                         \
            (elm)->field.tqe_next->field.tqe_circ.tql_prev = (elm)->field.tqe_circ.tql_prev; \
        } else {                                                                             \
            (head)->tqh_circ.tql_prev = (elm)->field.tqe_circ.tql_prev;                      \
        }                                                                                    \
        (elm)->field.tqe_circ.tql_prev->tql_next = (elm)->field.tqe_next;                    \
        (elm)->field.tqe_circ.tql_prev = NULL;                                               \
        (elm)->field.tqe_next = NULL;                                                        \
    } while (0)
#define QTAILQ_FOREACH(var, head, field) \
    for ((var) = (head)->tqh_first; (var); (var) = (var)->field.tqe_next)
#define QTAILQ_FOREACH_SAFE(var, head, field, next) \
    for ((var) = (head)->tqh_first; (var) && ((next) = (var)->field.tqe_next, 1); (var) = (next))
#define QTAILQ_FOREACH_REVERSE(var, head, field) \
    for ((var) = QTAILQ_LAST(head); (var); (var) = QTAILQ_PREV(var, field))
#define QTAILQ_FOREACH_REVERSE_SAFE(var, head, field, prev) \
    for ((var) = QTAILQ_LAST(head); (var) && ((prev) = QTAILQ_PREV(var, field), 1); (var) = (prev))

#endif
