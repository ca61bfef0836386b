/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines: their life, and the pool of those that are dead.
 *
 * Theory of operation
 *
 * A coroutine that ends goes, with its stack, to the pool of its thread, and the next one to be
 * created takes it from there without a lock. A thread that only creates and one that only ends (a
 * request that moves) meet in the global pool, which gives and takes whole batches. Both pools are
 * bounded; what is too much is freed.
 *
 * Where address space is short (qemu/address-space.h) whoever can wait does not get the last of it,
 * and what has ended is not kept in a thread while another one waits for a stack.
 */
#include "qemu/osdep.h"
#include "qemu/address-space.h"
#include "qemu/coroutine_int.h"
#include "qemu/notify.h"
#include "qemu/thread.h"
#include "block/aio.h"
#include "trace.h"

typedef QSLIST_HEAD(, Coroutine) CoroutineList;

enum {
    /* Coroutines that move between the pools at once; a thread keeps at most two batches. */
    POOL_BATCH = 64,
    /* Room of the global pool that nobody had to ask for, and what can be had by asking. */
    POOL_MIN_BATCHES = 16,
    POOL_MAX_BATCHES = 256,
};

typedef struct CoroutineBatch {
    CoroutineList list;
    QSLIST_ENTRY(CoroutineBatch) next;
} CoroutineBatch;

static struct {
    pthread_mutex_t mutex;
    QSLIST_HEAD(, CoroutineBatch) batches; /* mutex */
    unsigned n_batches;                    /* mutex */
    unsigned asked_for; /* mutex: coroutines, by qemu_coroutine_inc_pool_size() */
} global_pool = { .mutex = PTHREAD_MUTEX_INITIALIZER };

typedef struct CoroutinePool {
    CoroutineList list;
    unsigned size;
    bool registered;
    Notifier exit_notifier;
} CoroutinePool;

static __thread CoroutinePool thread_pool;

/* Atomic: somebody could not have a stack, and nobody who can wait has had one since. */
static bool stacks_are_short;

/* @delta: coroutines more or less that are likely to exist at once. */
static void change_pool_size(int delta)
{
    pthread_mutex_lock(&global_pool.mutex);
    global_pool.asked_for += delta;
    pthread_mutex_unlock(&global_pool.mutex);
}

void qemu_coroutine_inc_pool_size(unsigned int additional_pool_size)
{
    change_pool_size(additional_pool_size);
}

void qemu_coroutine_dec_pool_size(unsigned int additional_pool_size)
{
    change_pool_size(-additional_pool_size);
}

/* Frees what is on @list. */
static void free_coroutines(CoroutineList *list)
{
    Coroutine *co;

    while ((co = QSLIST_FIRST(list))) {
        QSLIST_REMOVE_HEAD(list, pool_next);
        qemu_coroutine_delete(co);
    }
}

static CoroutineBatch *global_pool_take(void)
{
    CoroutineBatch *batch;

    pthread_mutex_lock(&global_pool.mutex);
    batch = QSLIST_FIRST(&global_pool.batches);
    if (batch) {
        QSLIST_REMOVE_HEAD(&global_pool.batches, next);
        global_pool.n_batches--;
    }
    pthread_mutex_unlock(&global_pool.mutex);
    return batch;
}

/* Keeps @batch, or frees it when the pool is full. */
static void global_pool_give(CoroutineBatch *batch)
{
    unsigned room;

    pthread_mutex_lock(&global_pool.mutex);
    room = POOL_MIN_BATCHES + DIV_ROUND_UP(global_pool.asked_for, POOL_BATCH);
    if (global_pool.n_batches < MIN(room, POOL_MAX_BATCHES)) {
        QSLIST_INSERT_HEAD(&global_pool.batches, batch, next);
        global_pool.n_batches++;
        batch = NULL;
    }
    pthread_mutex_unlock(&global_pool.mutex);

    if (batch) {
        free_coroutines(&batch->list);
        g_free(batch);
    }
}

static void thread_pool_done(Notifier *n, void *unused)
{
    CoroutinePool *pool = container_of(n, CoroutinePool, exit_notifier);

    free_coroutines(&pool->list);
    pool->size = 0;
    pool->registered = false;
}

/* A dead coroutine, or NULL. Not inlined: the thread's variables are not to be kept over a switch.
 */
static QEMU_NOINLINE Coroutine *pool_get(void)
{
    CoroutinePool *pool = &thread_pool;
    Coroutine *co = QSLIST_FIRST(&pool->list);

    if (!co) {
        CoroutineBatch *batch = global_pool_take();

        if (!batch) {
            return NULL;
        }
        pool->list = batch->list;
        pool->size = POOL_BATCH;
        g_free(batch);
        co = QSLIST_FIRST(&pool->list);
    }
    QSLIST_REMOVE_HEAD(&pool->list, pool_next);
    pool->size--;
    return co;
}

static QEMU_NOINLINE void pool_put(Coroutine *co)
{
    CoroutinePool *pool = &thread_pool;

    if (unlikely(qatomic_read(&stacks_are_short))) {
        qemu_coroutine_delete(co);
        return;
    }
    if (!pool->registered) {
        pool->registered = true;
        pool->exit_notifier.notify = thread_pool_done;
        qemu_thread_atexit_add(&pool->exit_notifier);
    }
    if (pool->size == 2 * POOL_BATCH) {
        CoroutineBatch *batch = g_new0(CoroutineBatch, 1);

        for (int i = 0; i < POOL_BATCH; i++) {
            Coroutine *moved = QSLIST_FIRST(&pool->list);

            QSLIST_REMOVE_HEAD(&pool->list, pool_next);
            QSLIST_INSERT_HEAD(&batch->list, moved, pool_next);
        }
        pool->size -= POOL_BATCH;
        global_pool_give(batch);
    }
    QSLIST_INSERT_HEAD(&pool->list, co, pool_next);
    pool->size++;
}

static Coroutine *coroutine_begin(Coroutine *co, CoroutineEntry *entry, void *opaque)
{
    co->entry = entry;
    co->entry_arg = opaque;
    QSIMPLEQ_INIT(&co->co_queue_wakeup);
    return co;
}

Coroutine *qemu_coroutine_create(CoroutineEntry *entry, void *opaque)
{
    return coroutine_begin(pool_get() ?: qemu_coroutine_new(), entry, opaque);
}

/* One that leaves enough to everybody else, or if need be, for one that is @urgent, not as much. */
static Coroutine *try_new(bool urgent)
{
    Coroutine *co = qemu_coroutine_try_new(ADDRESS_SPACE_RESERVE);
    bool is_short = !co;

    if (qatomic_read(&stacks_are_short) != is_short) {
        qatomic_set(&stacks_are_short, is_short);
    }
    return co || !urgent ? co : qemu_coroutine_try_new(ADDRESS_SPACE_LAST_RESERVE);
}

Coroutine *qemu_coroutine_try_create(CoroutineEntry *entry, void *opaque, bool urgent)
{
    Coroutine *co = pool_get() ?: try_new(urgent);

    return co ? coroutine_begin(co, entry, opaque) : NULL;
}

/* Ends the program: @co cannot be entered. */
G_NORETURN static void die_not_enterable(Coroutine *co, const char *scheduled)
{
    if (scheduled) {
        fprintf(stderr, "%s: coroutine %p was already scheduled by '%s'\n", __func__, (void *)co,
                scheduled);
    } else {
        fprintf(stderr, "%s: coroutine %p is running already\n", __func__, (void *)co);
    }
    abort();
}

static void check_enterable(Coroutine *co)
{
    const char *scheduled = qatomic_load_acquire(&co->scheduled);

    if (unlikely(scheduled || co->caller)) {
        die_not_enterable(co, scheduled);
    }
}

/* It has ended and nobody knows it any more. */
static void coroutine_end(Coroutine *co)
{
    trace_qemu_coroutine_terminate(co);
    assert(co->locks_held == 0);
    co->caller = NULL;
    qatomic_set(&co->ctx, NULL);
    pool_put(co);
}

void qemu_aio_coroutine_enter(AioContext *ctx, Coroutine *co)
{
    QSIMPLEQ_HEAD(, Coroutine) pending = QSIMPLEQ_HEAD_INITIALIZER(pending);
    Coroutine *self = qemu_coroutine_self();

    QSIMPLEQ_INSERT_TAIL(&pending, co, co_queue_next);
    /* A loop, for a chain of coroutines that wake each other may be of any length. */
    while ((co = QSIMPLEQ_FIRST(&pending))) {
        CoroutineAction action;

        check_enterable(co);
        QSIMPLEQ_REMOVE_HEAD(&pending, co_queue_next);
        co->caller = self;
        /* For aio_co_wake() in other threads, which got to know @co by an atomic operation. */
        qatomic_store_release(&co->ctx, ctx);

        trace_qemu_aio_coroutine_enter(ctx, self, co, co->entry_arg);
        action = qemu_coroutine_switch(self, co, COROUTINE_ENTER);

        /*
         * Whoever wakes @co from another thread does it by way of this thread's @ctx, so that it is
         * still ours. What it made ready runs before what was ready earlier, as if it were nested.
         */
        QSIMPLEQ_PREPEND(&pending, &co->co_queue_wakeup);
        if (action == COROUTINE_TERMINATE) {
            coroutine_end(co);
        } else {
            assert(action == COROUTINE_YIELD);
        }
    }
}

void qemu_coroutine_enter(Coroutine *co)
{
    qemu_aio_coroutine_enter(qemu_get_current_aio_context(), co);
}

void qemu_coroutine_enter_if_inactive(Coroutine *co)
{
    if (!qemu_coroutine_entered(co)) {
        qemu_coroutine_enter(co);
    }
}

void coroutine_fn qemu_coroutine_yield(void)
{
    Coroutine *self = qemu_coroutine_self();
    Coroutine *to = self->caller;

    if (unlikely(!to)) {
        fprintf(stderr, "%s: not in a coroutine\n", __func__);
        abort();
    }
    self->caller = NULL;
    trace_qemu_coroutine_yield(self, to);
    qemu_coroutine_switch(self, to, COROUTINE_YIELD);
}

bool qemu_coroutine_entered(Coroutine *co)
{
    return co->caller;
}

AioContext *qemu_coroutine_get_aio_context(Coroutine *co)
{
    return qatomic_load_acquire(&co->ctx);
}
