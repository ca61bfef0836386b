/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines that wait for each other, for time and for descriptors. */
#ifndef QEMU_COROUTINE_H
#define QEMU_COROUTINE_H

#include "qemu/coroutine-core.h"
#include "qemu/queue.h"
#include "qemu/timer.h"

/* Markers of functions that run something as a coroutine and wait for it. */
#define co_wrapper
#define co_wrapper_mixed

/*
 * CoQueue: coroutines that wait for a condition
 *
 * Like a condition variable: the state and the queue are guarded by one lock (CoMutex,
 * QemuMutex...), or belong to one thread and need none (@lock NULL).
 */
typedef struct CoQueue {
    QSIMPLEQ_HEAD(, Coroutine) entries;
} CoQueue;

typedef enum {
    CO_QUEUE_WAIT_FRONT = 0x1, /* be woken first */
} CoQueueWaitFlags;

void qemu_co_queue_init(CoQueue *queue);
/* Joins the queue, lets go of @lock, yields; takes @lock again when woken. */
#define qemu_co_queue_wait(queue, lock) qemu_co_queue_wait_impl(queue, QEMU_MAKE_LOCKABLE(lock), 0)
#define qemu_co_queue_wait_flags(queue, lock, flags) \
    qemu_co_queue_wait_impl(queue, QEMU_MAKE_LOCKABLE(lock), (flags))
void coroutine_fn qemu_co_queue_wait_impl(CoQueue *queue, QemuLockable *lock,
                                          CoQueueWaitFlags flags);
/* Wakes the first (it runs when the caller yields or ends); false when there is none. */
bool coroutine_fn qemu_co_queue_next(CoQueue *queue);
/* Wakes all that wait now. */
void coroutine_fn qemu_co_queue_restart_all(CoQueue *queue);
/* The same from outside coroutines: enters them, without @lock meanwhile. */
#define qemu_co_enter_next(queue, lock) qemu_co_enter_next_impl(queue, QEMU_MAKE_LOCKABLE(lock))
#define qemu_co_enter_all(queue, lock)  qemu_co_enter_all_impl(queue, QEMU_MAKE_LOCKABLE(lock))
bool qemu_co_enter_next_impl(CoQueue *queue, QemuLockable *lock);
void qemu_co_enter_all_impl(CoQueue *queue, QemuLockable *lock);
bool qemu_co_queue_empty(CoQueue *queue);

/* CoRwlock: many readers or one writer, first come, first served; between threads too */
typedef struct CoRwTicket CoRwTicket;
typedef struct CoRwlock {
    CoMutex mutex;
    int owners; /* number of readers, -1: a writer */
    QSIMPLEQ_HEAD(, CoRwTicket) tickets;
} CoRwlock;

void qemu_co_rwlock_init(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_rdlock(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_wrlock(CoRwlock *lock);
/* From reader to writer, in its turn: others may have written before this returns. */
void coroutine_fn qemu_co_rwlock_upgrade(CoRwlock *lock);
/* From writer to reader, never letting another writer in between. */
void coroutine_fn qemu_co_rwlock_downgrade(CoRwlock *lock);
void coroutine_fn qemu_co_rwlock_unlock(CoRwlock *lock);

/* A sleep that can be ended early; all zero is nobody asleep. */
typedef struct QemuCoSleep {
    Coroutine *to_wake; /* atomic */
} QemuCoSleep;

/* Yields for @ns nanoseconds of @type, or until qemu_co_sleep_wake(). */
void coroutine_fn qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns);

static inline void coroutine_fn qemu_co_sleep_ns(QEMUClockType type, int64_t ns)
{
    QemuCoSleep w = { 0 };
    qemu_co_sleep_ns_wakeable(&w, type, ns);
}

typedef void CleanupFunc(void *opaque);
/* Runs @entry(@opaque) in a coroutine; -ETIMEDOUT when it takes longer than @timeout_ns, and then
 * @clean(@opaque) runs after it has ended at last. */
int coroutine_fn qemu_co_timeout(CoroutineEntry *entry, void *opaque, uint64_t timeout_ns,
                                 CleanupFunc clean);
/* Yields until qemu_co_sleep_wake(). */
void coroutine_fn qemu_co_sleep(QemuCoSleep *w);
/* Ends the sleep, from any thread; nothing happens when nobody sleeps there. */
void qemu_co_sleep_wake(QemuCoSleep *w);

/*
 * Yields until @fd is readable. It must not have handlers; the coroutine must not be entered by
 * others meanwhile.
 */
void coroutine_fn yield_until_fd_readable(int fd);

/*
 * Send or receive @bytes at @offset of the array over non-blocking socket @sockfd, yielding while
 * it is not ready. The number of bytes, less than asked at the end of the stream; -errno.
 */
ssize_t coroutine_fn qemu_co_sendv_recvv(int sockfd, struct iovec *iov, unsigned iov_cnt,
                                         size_t offset, size_t bytes, bool do_send);
#define qemu_co_recvv(sockfd, iov, iov_cnt, offset, bytes) \
    qemu_co_sendv_recvv(sockfd, iov, iov_cnt, offset, bytes, false)
#define qemu_co_sendv(sockfd, iov, iov_cnt, offset, bytes) \
    qemu_co_sendv_recvv(sockfd, iov, iov_cnt, offset, bytes, true)
ssize_t coroutine_fn qemu_co_send_recv(int sockfd, void *buf, size_t bytes, bool do_send);
#define qemu_co_recv(sockfd, buf, bytes) qemu_co_send_recv(sockfd, buf, bytes, false)
#define qemu_co_send(sockfd, buf, bytes) qemu_co_send_recv(sockfd, buf, bytes, true)

/* Tell the pool how many coroutines more, or less, are likely to exist at once. */
void qemu_coroutine_inc_pool_size(unsigned int additional_pool_size);
void qemu_coroutine_dec_pool_size(unsigned int additional_pool_size);

#include "qemu/lockable.h"

#endif
