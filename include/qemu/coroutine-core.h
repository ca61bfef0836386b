/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines: functions with a stack of their own that give the thread back while they wait.
 *
 * Theory of operation
 *
 * A coroutine is created with an entry function, runs when it is entered, stops at
 * qemu_coroutine_yield() (control returns to whoever entered it), goes on there when it is entered
 * again, and ends when its entry function returns. It belongs to the AioContext in which it was
 * last entered. qemu_coroutine_enter() runs it at once and in this thread: right only in the thread
 * of that AioContext. Whoever may be elsewhere wakes it by aio_co_wake() (block/aio.h).
 *
 * A CoMutex is a mutex whose waiters yield. It works between coroutines of different threads.
 *
 * In the names: functions that may yield have _co_ in their name, or say so, and are coroutine_fn.
 */
#ifndef QEMU_COROUTINE_CORE_H
#define QEMU_COROUTINE_CORE_H

typedef struct Coroutine Coroutine;

typedef void coroutine_fn CoroutineEntry(void *opaque);

/* A coroutine that will run @entry(@opaque) when first entered. It frees itself when it ends; one
 * that is never entered leaks. Any thread; does not yield. Ends the process when memory is short.
 */
Coroutine *qemu_coroutine_create(CoroutineEntry *entry, void *opaque);

/**
 * qemu_coroutine_try_create: The same for a caller that can wait: NULL when no stack can be had, or
 * only one of those that RLIMIT_AS leaves for others (qemu/address-space.h).
 * @urgent: nothing is under way whose end the caller could wait for
 */
Coroutine *qemu_coroutine_try_create(CoroutineEntry *entry, void *opaque, bool urgent);

/*
 * Runs @coroutine until it yields or ends, in the calling thread, as belonging to the calling
 * thread's AioContext (or to @ctx). Any coroutines that it made ready meanwhile (CoQueue, CoMutex)
 * run after it. It must not be running, nor be scheduled elsewhere.
 */
void qemu_coroutine_enter(Coroutine *coroutine);
void qemu_aio_coroutine_enter(AioContext *ctx, Coroutine *coroutine);
/* The same unless it is running already. */
void qemu_coroutine_enter_if_inactive(Coroutine *coroutine);

/* Back to whoever entered this coroutine; returns when it is entered again. */
void coroutine_fn qemu_coroutine_yield(void);

/* The running coroutine; outside of coroutines an object that stands for the thread. */
Coroutine *qemu_coroutine_self(void);
bool qemu_in_coroutine(void);
/* Whether it has been entered and has neither yielded nor ended. */
bool qemu_coroutine_entered(Coroutine *co);
/* The AioContext in which it was last entered; NULL before the first time. */
AioContext *qemu_coroutine_get_aio_context(Coroutine *co);

typedef struct CoMutexWaiter CoMutexWaiter;

/* Fields are private. */
typedef struct CoMutex {
    uintptr_t state;      /* atomic: free, held, or held with newly arrived waiters (a stack) */
    CoMutexWaiter *queue; /* owner: waiters in order of arrival */
    AioContext *ctx;      /* atomic: where the owner runs; a hint for spinning */
    Coroutine *holder;    /* owner: who holds it, for assertions */
} CoMutex;

/* All zero is a free mutex too. */
void qemu_co_mutex_init(CoMutex *mutex);
/* Waits in order of arrival (nearly: a new-comer may win against a sleeper only when it is free).
 */
void coroutine_fn qemu_co_mutex_lock(CoMutex *mutex);
/* Only by the coroutine that holds it. Does not yield. */
void coroutine_fn qemu_co_mutex_unlock(CoMutex *mutex);
/* Asserts that the running coroutine holds it. */
void coroutine_fn qemu_co_mutex_assert_locked(CoMutex *mutex);

#endif
