/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads, locks and events on POSIX threads and futexes. */
#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "qemu/futex.h"
#include "qemu/notify.h"

static bool name_threads = true;

QemuMutexLockFunc qemu_mutex_lock_func = qemu_mutex_lock_impl;
QemuMutexTrylockFunc qemu_mutex_trylock_func = qemu_mutex_trylock_impl;
QemuRecMutexLockFunc qemu_rec_mutex_lock_func = qemu_rec_mutex_lock_impl;
QemuRecMutexTrylockFunc qemu_rec_mutex_trylock_func = qemu_rec_mutex_trylock_impl;
QemuCondWaitFunc qemu_cond_wait_func = qemu_cond_wait_impl;
QemuCondTimedWaitFunc qemu_cond_timedwait_func = qemu_cond_timedwait_impl;

void qemu_thread_naming(bool enable)
{
    name_threads = enable;
}

/* A misused or impossible lock: there is no way on. */
G_NORETURN static void die(int err, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(err));
    abort();
}

static void check(int err, const char *what)
{
    if (unlikely(err)) {
        die(err, what);
    }
}

/* Mutexes */

void qemu_mutex_init(QemuMutex *mutex)
{
    check(pthread_mutex_init(&mutex->lock, NULL), __func__);
    mutex->initialized = true;
}

void qemu_mutex_destroy(QemuMutex *mutex)
{
    assert(mutex->initialized);
    mutex->initialized = false;
    check(pthread_mutex_destroy(&mutex->lock), __func__);
}

void qemu_mutex_lock_impl(QemuMutex *mutex, const char *file, const int line)
{
    assert(mutex->initialized);
    check(pthread_mutex_lock(&mutex->lock), __func__);
}

int qemu_mutex_trylock_impl(QemuMutex *mutex, const char *file, const int line)
{
    int err;

    assert(mutex->initialized);
    err = pthread_mutex_trylock(&mutex->lock);
    if (err != EBUSY) {
        check(err, __func__);
    }
    return -err;
}

void qemu_mutex_unlock_impl(QemuMutex *mutex, const char *file, const int line)
{
    assert(mutex->initialized);
    check(pthread_mutex_unlock(&mutex->lock), __func__);
}

void qemu_rec_mutex_init(QemuRecMutex *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    check(pthread_mutex_init(&mutex->m.lock, &attr), __func__);
    pthread_mutexattr_destroy(&attr);
    mutex->m.initialized = true;
}

void qemu_rec_mutex_destroy(QemuRecMutex *mutex)
{
    qemu_mutex_destroy(&mutex->m);
}

void qemu_rec_mutex_lock_impl(QemuRecMutex *mutex, const char *file, int line)
{
    qemu_mutex_lock_impl(&mutex->m, file, line);
}

int qemu_rec_mutex_trylock_impl(QemuRecMutex *mutex, const char *file, int line)
{
    return qemu_mutex_trylock_impl(&mutex->m, file, line);
}

void qemu_rec_mutex_unlock_impl(QemuRecMutex *mutex, const char *file, int line)
{
    qemu_mutex_unlock_impl(&mutex->m, file, line);
}

/* Conditions */

static struct timespec deadline_after_ms(int ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ms = MAX(ms, 0);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (ms % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

void qemu_cond_init(QemuCond *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    check(pthread_cond_init(&cond->cond, &attr), __func__);
    pthread_condattr_destroy(&attr);
    cond->initialized = true;
}

void qemu_cond_destroy(QemuCond *cond)
{
    assert(cond->initialized);
    cond->initialized = false;
    check(pthread_cond_destroy(&cond->cond), __func__);
}

void qemu_cond_signal(QemuCond *cond)
{
    assert(cond->initialized);
    check(pthread_cond_signal(&cond->cond), __func__);
}

void qemu_cond_broadcast(QemuCond *cond)
{
    assert(cond->initialized);
    check(pthread_cond_broadcast(&cond->cond), __func__);
}

void qemu_cond_wait_impl(QemuCond *cond, QemuMutex *mutex, const char *file, const int line)
{
    assert(cond->initialized && mutex->initialized);
    check(pthread_cond_wait(&cond->cond, &mutex->lock), __func__);
}

static bool cond_wait_until(QemuCond *cond, QemuMutex *mutex, const struct timespec *deadline)
{
    int err = pthread_cond_timedwait(&cond->cond, &mutex->lock, deadline);

    if (err != ETIMEDOUT) {
        check(err, __func__);
    }
    return err == 0;
}

bool qemu_cond_timedwait_impl(QemuCond *cond, QemuMutex *mutex, int ms, const char *file,
                              const int line)
{
    struct timespec deadline = deadline_after_ms(ms);

    assert(cond->initialized && mutex->initialized);
    return cond_wait_until(cond, mutex, &deadline);
}

/* Semaphores */

void qemu_sem_init(QemuSemaphore *sem, int init)
{
    assert(init >= 0);
    qemu_mutex_init(&sem->mutex);
    qemu_cond_init(&sem->cond);
    sem->count = init;
}

void qemu_sem_destroy(QemuSemaphore *sem)
{
    qemu_cond_destroy(&sem->cond);
    qemu_mutex_destroy(&sem->mutex);
}

void qemu_sem_post(QemuSemaphore *sem)
{
    qemu_mutex_lock(&sem->mutex);
    assert(sem->count < UINT_MAX);
    sem->count++;
    /* Inside the lock: afterwards whoever passed may destroy the semaphore. */
    qemu_cond_signal(&sem->cond);
    qemu_mutex_unlock(&sem->mutex);
}

void qemu_sem_wait(QemuSemaphore *sem)
{
    qemu_mutex_lock(&sem->mutex);
    while (sem->count == 0) {
        qemu_cond_wait(&sem->cond, &sem->mutex);
    }
    sem->count--;
    qemu_mutex_unlock(&sem->mutex);
}

int qemu_sem_timedwait(QemuSemaphore *sem, int ms)
{
    struct timespec deadline = deadline_after_ms(ms);
    bool in_time = true;
    bool passed;

    qemu_mutex_lock(&sem->mutex);
    while (sem->count == 0 && in_time) {
        in_time = ms > 0 && cond_wait_until(&sem->cond, &sem->mutex, &deadline);
    }
    passed = sem->count > 0;
    sem->count -= passed;
    qemu_mutex_unlock(&sem->mutex);
    return passed ? 0 : -1;
}

/*
 * Events: SET, FREE, or FREE with sleepers on the futex. Only a set that finds sleepers makes a
 * system call.
 */
enum {
    EVENT_SET,
    EVENT_FREE,
    EVENT_AWAITED,
};

void qemu_event_init(QemuEvent *ev, bool init)
{
    qatomic_set(&ev->value, init ? EVENT_SET : EVENT_FREE);
    ev->initialized = true;
}

void qemu_event_destroy(QemuEvent *ev)
{
    assert(ev->initialized);
    ev->initialized = false;
}

void qemu_event_set(QemuEvent *ev)
{
    assert(ev->initialized);
    /*
     * Orders our writes before the look at the event, as the reset orders its write before the
     * waiter's look at the condition: one of the two sees the other.
     */
    smp_mb();
    if (qatomic_load_acquire(&ev->value) != EVENT_SET &&
        qatomic_xchg(&ev->value, EVENT_SET) == EVENT_AWAITED) {
        qemu_futex_wake_all(&ev->value);
    }
}

void qemu_event_reset(QemuEvent *ev)
{
    assert(ev->initialized);
    /* Sleepers, if any, keep their mark. */
    qatomic_cmpxchg(&ev->value, EVENT_SET, EVENT_FREE);
    smp_mb__after_rmw();
}

bool qemu_event_timedwait(QemuEvent *ev, int ms)
{
    struct timespec now, deadline = deadline_after_ms(ms);
    bool in_time = true;

    assert(ev->initialized);
    while (qatomic_load_acquire(&ev->value) != EVENT_SET && in_time) {
        int64_t left;

        if (qatomic_cmpxchg(&ev->value, EVENT_FREE, EVENT_AWAITED) == EVENT_SET) {
            break;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = (deadline.tv_sec - now.tv_sec) * 1000000000LL + deadline.tv_nsec - now.tv_nsec;
        in_time = left > 0;
        if (in_time) {
            qemu_futex_timedwait(&ev->value, EVENT_AWAITED, left);
        }
    }
    return in_time;
}

void qemu_event_wait(QemuEvent *ev)
{
    assert(ev->initialized);
    while (qatomic_load_acquire(&ev->value) != EVENT_SET &&
           qatomic_cmpxchg(&ev->value, EVENT_FREE, EVENT_AWAITED) != EVENT_SET) {
        qemu_futex_wait(&ev->value, EVENT_AWAITED);
    }
}

/* What runs when a thread ends: a list per thread, called by the destructor of a key. */

static __thread NotifierList thread_exit;
static pthread_key_t exit_key;

static void run_exit_notifiers(void *arg)
{
    Notifier *notifier;

    /* Each leaves the list before it is told: its memory may go then, and it may add others. */
    while ((notifier = QLIST_FIRST(&thread_exit.notifiers))) {
        notifier_remove(notifier);
        notifier->notify(notifier, NULL);
    }
}

static void __attribute__((constructor)) make_exit_key(void)
{
    check(pthread_key_create(&exit_key, run_exit_notifiers), __func__);
}

void qemu_thread_atexit_add(Notifier *notifier)
{
    /* Any value but NULL has the destructor called. */
    check(pthread_setspecific(exit_key, &exit_key), __func__);
    notifier_list_add(&thread_exit, notifier);
}

void qemu_thread_atexit_remove(Notifier *notifier)
{
    notifier_remove(notifier);
}

/* Threads */

typedef struct ThreadStart {
    void *(*routine)(void *);
    void *arg;
    char *name;
} ThreadStart;

static void *thread_main(void *opaque)
{
    ThreadStart start = *(ThreadStart *)opaque;

    g_free(opaque);
    if (start.name) {
        pthread_setname_np(pthread_self(), start.name);
        g_free(start.name);
    }
    return start.routine(start.arg);
}

int qemu_thread_try_create(QemuThread *thread, const char *name, void *(*start_routine)(void *),
                           void *arg, int mode)
{
    ThreadStart *start = g_new0(ThreadStart, 1);
    pthread_attr_t attr;
    sigset_t all, old;
    int err;

    start->routine = start_routine;
    start->arg = arg;
    /* The kernel's limit is fifteen characters. */
    start->name = name_threads && name ? g_strndup(name, 15) : NULL;

    check(pthread_attr_init(&attr), __func__);
    if (mode == QEMU_THREAD_DETACHED) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    /* Signals are the main thread's; those of a crash must reach the thread that crashes. */
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&thread->thread, &attr, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err) {
        g_free(start->name);
        g_free(start);
    }
    return -err;
}

void qemu_thread_create(QemuThread *thread, const char *name, void *(*start_routine)(void *),
                        void *arg, int mode)
{
    check(-qemu_thread_try_create(thread, name, start_routine, arg, mode), __func__);
}

void *qemu_thread_join(QemuThread *thread)
{
    void *ret;

    check(pthread_join(thread->thread, &ret), __func__);
    return ret;
}

void qemu_thread_get_self(QemuThread *thread)
{
    thread->thread = pthread_self();
}

bool qemu_thread_is_self(QemuThread *thread)
{
    return pthread_equal(pthread_self(), thread->thread);
}

void qemu_thread_exit(void *retval)
{
    pthread_exit(retval);
}
