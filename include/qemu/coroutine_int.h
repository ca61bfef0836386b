/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The insides of a coroutine, for util/ only.
 *
 * A back-end (util/coroutine-ucontext.c) embeds Coroutine in its own structure and knows how to
 * switch stacks; util/qemu-coroutine.c does everything else.
 */
#ifndef QEMU_COROUTINE_INT_H
#define QEMU_COROUTINE_INT_H

#include "qemu/coroutine.h"

/* Bytes of a stack, its guard page not counted; only what is touched costs memory. */
#define COROUTINE_STACK_SIZE (1 << 20)

typedef enum {
    COROUTINE_YIELD = 1,
    COROUTINE_TERMINATE = 2,
    COROUTINE_ENTER = 3,
} CoroutineAction;

struct Coroutine {
    /* Constant while it runs */
    CoroutineEntry *entry;
    void *entry_arg;
    Coroutine *caller; /* who entered it; NULL while it is not running */

    /* Atomic: where it belongs; changed by whoever enters it */
    AioContext *ctx;
    /* Atomic: the name of the function that scheduled it (aio_co_schedule), NULL: not scheduled */
    const char *scheduled;

    /* Its own thread's */
    size_t locks_held; /* CoMutexes; 0 when it ends */
    /* Coroutines to enter when this one yields or ends, and the link in such a queue or a CoQueue
     */
    QSIMPLEQ_HEAD(, Coroutine) co_queue_wakeup;
    QSIMPLEQ_ENTRY(Coroutine) co_queue_next;

    /* Link in the AioContext's list of scheduled coroutines (aio_co_schedule) */
    QSLIST_ENTRY(Coroutine) co_scheduled_next;
    /* Link in the pool, when it is dead */
    QSLIST_ENTRY(Coroutine) pool_next;
};

/* The back-end. */

/* A coroutine with a stack, in the state in which it can be switched to by COROUTINE_ENTER. */
Coroutine *qemu_coroutine_new(void);
/* The same; NULL when it cannot be had, or would not leave @reserve bytes of address space. */
Coroutine *qemu_coroutine_try_new(size_t reserve);
/* Frees one that has ended, or was never entered. */
void qemu_coroutine_delete(Coroutine *co);
/*
 * Leaves @from (the running one) and goes on in @to; returns when somebody switches to @from, with
 * the @action given there. The thread may be another one then.
 */
CoroutineAction qemu_coroutine_switch(Coroutine *from, Coroutine *to, CoroutineAction action);
/* The lowest usable byte of the stack; the page below it cannot be touched. For the tests. */
void *qemu_coroutine_stack_base(Coroutine *co);

#endif
