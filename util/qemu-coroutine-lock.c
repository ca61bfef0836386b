/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines that wait for each other: CoMutex, CoQueue, CoRwlock.
 *
 * Theory of operation
 *
 * CoMutex: one word is the whole truth. It is FREE, HELD, or the top of a stack of waiters that
 * came since the owner last looked (and then it is held, too). Who finds it FREE takes it by one
 * compare-and-swap; who does not, pushes a record that lies on its own stack, and yields. The owner
 * who leaves takes all new-comers at once, turns them around into its queue (so that the first to
 * come is first), and hands the mutex, which stays HELD, to the head of the queue. The queue needs
 * no lock: it belongs to the owner and goes over with the mutex. Nobody is overlooked, because FREE
 * is only ever written where the word was HELD, with no waiter, at that very moment.
 *
 * A waiter may be handed the mutex, by another thread, before it has yielded: aio_co_wake() then
 * schedules it in its own context, where it runs after it has yielded.
 */
#include "qemu/osdep.h"
#include "qemu/coroutine_int.h"
#include "block/aio.h"
#include "trace.h"

struct CoMutexWaiter {
    Coroutine *co;
    CoMutexWaiter *next; /* who came before; in the owner's queue: who comes after */
};

enum {
    CO_MUTEX_FREE = 0,
    CO_MUTEX_HELD = 1,
    /* How often to look again before yielding, when the owner runs in another thread. */
    CO_MUTEX_SPINS = 1000,
};

void qemu_co_mutex_init(CoMutex *mutex)
{
    *mutex = (CoMutex){ .state = CO_MUTEX_FREE };
}

static bool co_mutex_try(CoMutex *mutex)
{
    return qatomic_cmpxchg(&mutex->state, CO_MUTEX_FREE, CO_MUTEX_HELD) == CO_MUTEX_FREE;
}

/* A short wait for an owner that runs now, and that nobody else waits for. */
static bool co_mutex_spin(CoMutex *mutex, AioContext *ctx)
{
    for (int i = 0; i < CO_MUTEX_SPINS; i++) {
        uintptr_t seen = qatomic_read(&mutex->state);

        if (seen == CO_MUTEX_FREE) {
            return co_mutex_try(mutex);
        }
        if (seen != CO_MUTEX_HELD || qatomic_read(&mutex->ctx) == ctx) {
            return false;
        }
        cpu_relax();
    }
    return false;
}

static void coroutine_fn co_mutex_lock_slow(CoMutex *mutex, Coroutine *self)
{
    CoMutexWaiter w = { .co = self };
    uintptr_t seen = qatomic_read(&mutex->state);

    for (;;) {
        uintptr_t wanted = CO_MUTEX_HELD;
        uintptr_t was;

        if (seen != CO_MUTEX_FREE) {
            w.next = seen == CO_MUTEX_HELD ? NULL : (CoMutexWaiter *)seen;
            wanted = (uintptr_t)&w;
        }
        was = qatomic_cmpxchg(&mutex->state, seen, wanted);
        if (was == seen) {
            break;
        }
        seen = was;
    }
    if (seen != CO_MUTEX_FREE) {
        trace_qemu_co_mutex_lock_wait(mutex, self);
        qemu_coroutine_yield();
    }
}

void coroutine_fn qemu_co_mutex_lock(CoMutex *mutex)
{
    AioContext *ctx = qemu_get_current_aio_context();
    Coroutine *self = qemu_coroutine_self();

    assert(qemu_in_coroutine());
    if (!co_mutex_try(mutex) && !co_mutex_spin(mutex, ctx)) {
        co_mutex_lock_slow(mutex, self);
    }
    qatomic_set(&mutex->ctx, ctx);
    mutex->holder = self;
    self->locks_held++;
}

/* The new-comers, oldest first. The caller owns the mutex and its queue is empty. */
static CoMutexWaiter *co_mutex_take_newcomers(CoMutex *mutex)
{
    uintptr_t stack = qatomic_xchg(&mutex->state, CO_MUTEX_HELD);
    CoMutexWaiter *queue = NULL;
    CoMutexWaiter *w = (CoMutexWaiter *)stack;

    assert(stack != CO_MUTEX_FREE && stack != CO_MUTEX_HELD);
    while (w) {
        CoMutexWaiter *older = w->next;

        w->next = queue;
        queue = w;
        w = older;
    }
    return queue;
}

void coroutine_fn qemu_co_mutex_unlock(CoMutex *mutex)
{
    Coroutine *self = qemu_coroutine_self();
    CoMutexWaiter *next;

    assert(mutex->holder == self);
    mutex->holder = NULL;
    qatomic_set(&mutex->ctx, NULL);
    self->locks_held--;

    if (!mutex->queue) {
        if (qatomic_cmpxchg(&mutex->state, CO_MUTEX_HELD, CO_MUTEX_FREE) == CO_MUTEX_HELD) {
            return;
        }
        mutex->queue = co_mutex_take_newcomers(mutex);
    }
    next = mutex->queue;
    mutex->queue = next->next;
    trace_qemu_co_mutex_unlock_handoff(mutex, self, next->co);
    /* From here on the mutex is the other's. */
    aio_co_wake(next->co);
}

void coroutine_fn qemu_co_mutex_assert_locked(CoMutex *mutex)
{
    assert(mutex->holder == qemu_coroutine_self());
}

/* CoQueue */

void qemu_co_queue_init(CoQueue *queue)
{
    QSIMPLEQ_INIT(&queue->entries);
}

void coroutine_fn qemu_co_queue_wait_impl(CoQueue *queue, QemuLockable *lock,
                                          CoQueueWaitFlags flags)
{
    Coroutine *self = qemu_coroutine_self();

    if (flags & CO_QUEUE_WAIT_FRONT) {
        QSIMPLEQ_INSERT_HEAD(&queue->entries, self, co_queue_next);
    } else {
        QSIMPLEQ_INSERT_TAIL(&queue->entries, self, co_queue_next);
    }
    if (lock) {
        qemu_lockable_unlock(lock);
    }
    qemu_coroutine_yield();
    if (lock) {
        qemu_lockable_lock(lock);
    }
}

bool qemu_co_enter_next_impl(CoQueue *queue, QemuLockable *lock)
{
    Coroutine *next = QSIMPLEQ_FIRST(&queue->entries);

    if (!next) {
        return false;
    }
    QSIMPLEQ_REMOVE_HEAD(&queue->entries, co_queue_next);
    if (lock) {
        qemu_lockable_unlock(lock);
    }
    aio_co_wake(next);
    if (lock) {
        qemu_lockable_lock(lock);
    }
    return true;
}

void qemu_co_enter_all_impl(CoQueue *queue, QemuLockable *lock)
{
    while (qemu_co_enter_next_impl(queue, lock)) {
        /* The next one. */
    }
}

bool coroutine_fn qemu_co_queue_next(CoQueue *queue)
{
    return qemu_co_enter_next_impl(queue, NULL);
}

void coroutine_fn qemu_co_queue_restart_all(CoQueue *queue)
{
    qemu_co_enter_all_impl(queue, NULL);
}

bool qemu_co_queue_empty(CoQueue *queue)
{
    return QSIMPLEQ_EMPTY(&queue->entries);
}

/*
 * CoRwlock: who must wait leaves a ticket, in order of arrival; who lets go grants the first
 * ticket, and all readers' tickets that follow a granted reader's. The mutex is held for moments
 * only.
 */

struct CoRwTicket {
    bool read;
    Coroutine *co;
    QSIMPLEQ_ENTRY(CoRwTicket) next;
};

void qemu_co_rwlock_init(CoRwlock *lock)
{
    qemu_co_mutex_init(&lock->mutex);
    lock->owners = 0;
    QSIMPLEQ_INIT(&lock->tickets);
}

/* Whether a reader or writer may own the lock beside its owners. */
static bool co_rwlock_admits(const CoRwlock *lock, bool read)
{
    return read ? lock->owners >= 0 : lock->owners == 0;
}

static void co_rwlock_admit(CoRwlock *lock, bool read)
{
    lock->owners = read ? lock->owners + 1 : -1;
}

static void coroutine_fn co_rwlock_grant(CoRwlock *lock)
{
    CoRwTicket *t;

    while ((t = QSIMPLEQ_FIRST(&lock->tickets)) && co_rwlock_admits(lock, t->read)) {
        QSIMPLEQ_REMOVE_HEAD(&lock->tickets, next);
        co_rwlock_admit(lock, t->read);
        aio_co_wake(t->co);
    }
}

/* Gets the lock at once or in its turn. Called with the mutex held, which it lets go. */
static void coroutine_fn co_rwlock_acquire(CoRwlock *lock, bool read)
{
    CoRwTicket ticket = { .read = read, .co = qemu_coroutine_self() };

    if (QSIMPLEQ_EMPTY(&lock->tickets) && co_rwlock_admits(lock, read)) {
        co_rwlock_admit(lock, read);
        qemu_co_mutex_unlock(&lock->mutex);
        return;
    }
    QSIMPLEQ_INSERT_TAIL(&lock->tickets, &ticket, next);
    co_rwlock_grant(lock);
    qemu_co_mutex_unlock(&lock->mutex);
    qemu_coroutine_yield();
}

void coroutine_fn qemu_co_rwlock_rdlock(CoRwlock *lock)
{
    qemu_co_mutex_lock(&lock->mutex);
    co_rwlock_acquire(lock, true);
    qemu_coroutine_self()->locks_held++;
}

void coroutine_fn qemu_co_rwlock_wrlock(CoRwlock *lock)
{
    qemu_co_mutex_lock(&lock->mutex);
    co_rwlock_acquire(lock, false);
    qemu_coroutine_self()->locks_held++;
}

void coroutine_fn qemu_co_rwlock_upgrade(CoRwlock *lock)
{
    qemu_co_mutex_lock(&lock->mutex);
    assert(lock->owners > 0);
    lock->owners--;
    co_rwlock_acquire(lock, false);
}

void coroutine_fn qemu_co_rwlock_downgrade(CoRwlock *lock)
{
    qemu_co_mutex_lock(&lock->mutex);
    assert(lock->owners == -1);
    lock->owners = 1;
    co_rwlock_grant(lock);
    qemu_co_mutex_unlock(&lock->mutex);
}

void coroutine_fn qemu_co_rwlock_unlock(CoRwlock *lock)
{
    Coroutine *self = qemu_coroutine_self();

    assert(self->locks_held);
    self->locks_held--;

    qemu_co_mutex_lock(&lock->mutex);
    assert(lock->owners);
    lock->owners = lock->owners > 0 ? lock->owners - 1 : 0;
    co_rwlock_grant(lock);
    qemu_co_mutex_unlock(&lock->mutex);
}
