/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads and what they wait on: mutex, recursive mutex, condition, semaphore, event, spin lock.
 *
 * Everything here blocks the calling thread: in a coroutine, only for the short time that another
 * thread holds a mutex; to wait longer a coroutine uses qemu/coroutine.h. Misuse (unlocking what is
 * not locked, using what is not initialised) is a bug of ours and asserts.
 */
#ifndef QEMU_THREAD_H
#define QEMU_THREAD_H

#include "qemu/atomic.h"

typedef struct QemuThread QemuThread;
typedef struct QemuCond QemuCond;
typedef struct QemuSemaphore QemuSemaphore;
typedef struct QemuEvent QemuEvent;

#include "qemu/thread-posix.h"

/* Modes of qemu_thread_create(). */
#define QEMU_THREAD_JOINABLE 0
#define QEMU_THREAD_DETACHED 1

void qemu_mutex_init(QemuMutex *mutex);
void qemu_mutex_destroy(QemuMutex *mutex);
/* 0, or -EBUSY when somebody holds it. */
int qemu_mutex_trylock_impl(QemuMutex *mutex, const char *file, const int line);
void qemu_mutex_lock_impl(QemuMutex *mutex, const char *file, const int line);
void qemu_mutex_unlock_impl(QemuMutex *mutex, const char *file, const int line);

void qemu_rec_mutex_init(QemuRecMutex *mutex);
void qemu_rec_mutex_destroy(QemuRecMutex *mutex);
void qemu_rec_mutex_lock_impl(QemuRecMutex *mutex, const char *file, int line);
int qemu_rec_mutex_trylock_impl(QemuRecMutex *mutex, const char *file, int line);
void qemu_rec_mutex_unlock_impl(QemuRecMutex *mutex, const char *file, int line);

void qemu_cond_init(QemuCond *cond);
void qemu_cond_destroy(QemuCond *cond);
void qemu_cond_signal(QemuCond *cond);
void qemu_cond_broadcast(QemuCond *cond);
void qemu_cond_wait_impl(QemuCond *cond, QemuMutex *mutex, const char *file, const int line);
/* False when @ms milliseconds passed without a signal. */
bool qemu_cond_timedwait_impl(QemuCond *cond, QemuMutex *mutex, int ms, const char *file,
                              const int line);

/*
 * Who locks and waits goes through these variables, so that a profiler can put its own functions
 * there (which then call the _impl ones). They are read atomically; a change counts from the next
 * lock on.
 */
typedef void (*QemuMutexLockFunc)(QemuMutex *mutex, const char *file, int line);
typedef int (*QemuMutexTrylockFunc)(QemuMutex *mutex, const char *file, int line);
typedef void (*QemuRecMutexLockFunc)(QemuRecMutex *mutex, const char *file, int line);
typedef int (*QemuRecMutexTrylockFunc)(QemuRecMutex *mutex, const char *file, int line);
typedef void (*QemuCondWaitFunc)(QemuCond *cond, QemuMutex *mutex, const char *file, int line);
typedef bool (*QemuCondTimedWaitFunc)(QemuCond *cond, QemuMutex *mutex, int ms, const char *file,
                                      int line);

extern QemuMutexLockFunc qemu_mutex_lock_func;
extern QemuMutexTrylockFunc qemu_mutex_trylock_func;
extern QemuRecMutexLockFunc qemu_rec_mutex_lock_func;
extern QemuRecMutexTrylockFunc qemu_rec_mutex_trylock_func;
extern QemuCondWaitFunc qemu_cond_wait_func;
extern QemuCondTimedWaitFunc qemu_cond_timedwait_func;

/* The place of use goes along: for a profiler, and for messages about misuse. */
#define QEMU_THREAD_CALL_(func, ...) (qatomic_read(&(func))(__VA_ARGS__, __FILE__, __LINE__))

#define qemu_mutex_lock(m)            QEMU_THREAD_CALL_(qemu_mutex_lock_func, m)
#define qemu_mutex_trylock(m)         QEMU_THREAD_CALL_(qemu_mutex_trylock_func, m)
#define qemu_mutex_unlock(m)          qemu_mutex_unlock_impl(m, __FILE__, __LINE__)
#define qemu_rec_mutex_lock(m)        QEMU_THREAD_CALL_(qemu_rec_mutex_lock_func, m)
#define qemu_rec_mutex_trylock(m)     QEMU_THREAD_CALL_(qemu_rec_mutex_trylock_func, m)
#define qemu_rec_mutex_unlock(m)      qemu_rec_mutex_unlock_impl(m, __FILE__, __LINE__)
#define qemu_cond_wait(c, m)          QEMU_THREAD_CALL_(qemu_cond_wait_func, c, m)
#define qemu_cond_timedwait(c, m, ms) QEMU_THREAD_CALL_(qemu_cond_timedwait_func, c, m, ms)

/* @init: how many may pass before the first post. */
void qemu_sem_init(QemuSemaphore *sem, int init);
void qemu_sem_post(QemuSemaphore *sem);
void qemu_sem_wait(QemuSemaphore *sem);
/* Waits at most @ms milliseconds (not positive: only tries); 0, or -1 when the time was up. */
int qemu_sem_timedwait(QemuSemaphore *sem, int ms);
void qemu_sem_destroy(QemuSemaphore *sem);

/*
 * An event is set or free. qemu_event_set() by any thread orders what was written before it for
 * whoever then sees the event set. One thread resets and waits:
 *     qemu_event_reset(ev); if (!condition) { qemu_event_wait(ev); }
 */
void qemu_event_init(QemuEvent *ev, bool init);
void qemu_event_set(QemuEvent *ev);
void qemu_event_reset(QemuEvent *ev);
void qemu_event_wait(QemuEvent *ev);
/* Waits at most @ms milliseconds; false when the time was up. */
bool qemu_event_timedwait(QemuEvent *ev, int ms);
void qemu_event_destroy(QemuEvent *ev);

/* Runs @start_routine(@arg) in a thread named @name; signals are blocked there. Ends the process
 * when there are no threads left. A joinable thread must be joined. */
void qemu_thread_create(QemuThread *thread, const char *name, void *(*start_routine)(void *),
                        void *arg, int mode);
/* The same, but -errno when the thread cannot be had; then @arg stays the caller's. */
int qemu_thread_try_create(QemuThread *thread, const char *name, void *(*start_routine)(void *),
                           void *arg, int mode);
/* Blocks until @thread has ended; what its function returned. */
void *qemu_thread_join(QemuThread *thread);
void qemu_thread_get_self(QemuThread *thread);
bool qemu_thread_is_self(QemuThread *thread);
G_NORETURN void qemu_thread_exit(void *retval);
/* Lets thread names appear in the debugger; on by default. */
void qemu_thread_naming(bool enable);

/* Functions that run when the calling thread ends. The notifier must live until then. */
struct Notifier;
void qemu_thread_atexit_add(struct Notifier *notifier);
void qemu_thread_atexit_remove(struct Notifier *notifier);

/* A lock for a few instructions; the holder must not block, yield or call out. */
typedef struct QemuSpin {
    int value; /* atomic */
} QemuSpin;

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    barrier();
#endif
}

static inline void qemu_spin_init(QemuSpin *spin)
{
    qatomic_set(&spin->value, 0);
}

static inline void qemu_spin_destroy(QemuSpin *spin)
{
}

/* True when somebody else holds it (and it was not taken). */
static inline bool qemu_spin_trylock(QemuSpin *spin)
{
    return __atomic_exchange_n(&spin->value, 1, __ATOMIC_ACQUIRE) != 0;
}

static inline bool qemu_spin_locked(QemuSpin *spin)
{
    return qatomic_read(&spin->value) != 0;
}

static inline void qemu_spin_lock(QemuSpin *spin)
{
    while (unlikely(qemu_spin_trylock(spin))) {
        while (qemu_spin_locked(spin)) {
            cpu_relax();
        }
    }
}

static inline void qemu_spin_unlock(QemuSpin *spin)
{
    qatomic_store_release(&spin->value, 0);
}

#endif
