/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Read-copy-update by a lock that prefers readers; see the header. */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"

/* The C library's default kind: who reads already may do so again, even if somebody synchronizes.
 */
static pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;

/* What waits for the thread of call_rcu1(), which begins with the first call. */
static struct {
    QemuMutex lock;
    QemuCond change;
    /* Under the lock. */
    struct rcu_head *first, **last;
    bool started;
    uint64_t given, called; /* how many, ever */
} later;

static void __attribute__((constructor)) later_init(void)
{
    qemu_mutex_init(&later.lock);
    qemu_cond_init(&later.change);
    later.last = &later.first;
}

void rcu_register_thread(void)
{
}

void rcu_unregister_thread(void)
{
}

void rcu_read_lock(void)
{
    int ret = pthread_rwlock_rdlock(&readers);

    assert(ret == 0);
}

void rcu_read_unlock(void)
{
    pthread_rwlock_unlock(&readers);
}

void synchronize_rcu(void)
{
    int ret = pthread_rwlock_wrlock(&readers);

    assert(ret == 0);
    pthread_rwlock_unlock(&readers);
}

static struct rcu_head *take_all(void)
{
    struct rcu_head *list;

    qemu_mutex_lock(&later.lock);
    while (!later.first) {
        qemu_cond_wait(&later.change, &later.lock);
    }
    list = later.first;
    later.first = NULL;
    later.last = &later.first;
    qemu_mutex_unlock(&later.lock);
    return list;
}

static void *call_later(void *opaque)
{
    for (;;) {
        struct rcu_head *list = take_all();
        uint64_t called = 0;

        synchronize_rcu();
        while (list) {
            struct rcu_head *head = list;

            /* It is gone after the call. */
            list = head->next;
            head->func(head);
            called++;
        }
        qemu_mutex_lock(&later.lock);
        later.called += called;
        qemu_cond_broadcast(&later.change);
        qemu_mutex_unlock(&later.lock);
    }
    return NULL;
}

void call_rcu1(struct rcu_head *head, RCUCBFunc *func)
{
    QemuThread thread;

    head->func = func;
    head->next = NULL;
    qemu_mutex_lock(&later.lock);
    if (!later.started) {
        later.started = true;
        qemu_thread_create(&thread, "call_rcu", call_later, NULL, QEMU_THREAD_DETACHED);
    }
    *later.last = head;
    later.last = &head->next;
    later.given++;
    qemu_cond_broadcast(&later.change);
    qemu_mutex_unlock(&later.lock);
}

void drain_call_rcu(void)
{
    uint64_t until;

    qemu_mutex_lock(&later.lock);
    until = later.given;
    while (later.called < until) {
        qemu_cond_wait(&later.change, &later.lock);
    }
    qemu_mutex_unlock(&later.lock);
}
