/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is initialised may have lain anywhere: code that was written for QEMU has it on its stack.
 * Each struct of the public API that has an initialiser is filled with rubbish, made and used.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/event_notifier.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "qemu/thread.h"
#include "qemu/throttle.h"
#include "qemu/timer.h"

static int rubbish;
static int hits;

#define SPOIL(x) memset(&(x), rubbish, sizeof(x))

static void hit(void *opaque)
{
    hits++;
}

static void *set_event(void *opaque)
{
    qemu_event_set(opaque);
    return opaque;
}

static void use_locks(void)
{
    QemuMutex mutex;
    QemuRecMutex rec;
    QemuSpin spin;

    SPOIL(mutex);
    qemu_mutex_init(&mutex);
    qemu_mutex_lock(&mutex);
    g_assert_cmpint(qemu_mutex_trylock(&mutex), ==, -EBUSY);
    qemu_mutex_unlock(&mutex);
    qemu_mutex_destroy(&mutex);
    SPOIL(rec);
    qemu_rec_mutex_init(&rec);
    qemu_rec_mutex_lock(&rec);
    qemu_rec_mutex_lock(&rec);
    qemu_rec_mutex_unlock(&rec);
    qemu_rec_mutex_unlock(&rec);
    qemu_rec_mutex_destroy(&rec);
    SPOIL(spin);
    qemu_spin_init(&spin);
    qemu_spin_lock(&spin);
    g_assert_true(qemu_spin_trylock(&spin));
    qemu_spin_unlock(&spin);
    qemu_spin_destroy(&spin);
}

static void use_what_threads_wait_on(void)
{
    QemuCond cond;
    QemuSemaphore sem;
    QemuEvent event;
    QemuThread thread;

    SPOIL(cond);
    qemu_cond_init(&cond);
    qemu_cond_signal(&cond);
    qemu_cond_destroy(&cond);
    SPOIL(sem);
    qemu_sem_init(&sem, 1);
    qemu_sem_wait(&sem);
    g_assert_cmpint(qemu_sem_timedwait(&sem, 1), ==, -1);
    qemu_sem_destroy(&sem);
    SPOIL(event);
    SPOIL(thread);
    qemu_event_init(&event, false);
    qemu_thread_create(&thread, NULL, set_event, &event, QEMU_THREAD_JOINABLE);
    qemu_event_wait(&event);
    g_assert_true(qemu_thread_join(&thread) == &event);
    qemu_event_destroy(&event);
}

static void coroutine_fn lock_and_hit(void *opaque)
{
    qemu_co_mutex_lock(opaque);
    qemu_co_mutex_unlock(opaque);
    hits++;
}

static void coroutine_fn read_write_and_hit(void *opaque)
{
    qemu_co_rwlock_rdlock(opaque);
    qemu_co_rwlock_upgrade(opaque);
    qemu_co_rwlock_downgrade(opaque);
    qemu_co_rwlock_unlock(opaque);
    hits++;
}

static void coroutine_fn wait_and_hit(void *opaque)
{
    qemu_co_queue_wait(opaque, NULL);
    hits++;
}

static void use_what_coroutines_wait_on(void)
{
    CoMutex mutex;
    CoRwlock rwlock;
    CoQueue queue;

    hits = 0;
    SPOIL(mutex);
    qemu_co_mutex_init(&mutex);
    qemu_coroutine_enter(qemu_coroutine_create(lock_and_hit, &mutex));
    SPOIL(rwlock);
    qemu_co_rwlock_init(&rwlock);
    qemu_coroutine_enter(qemu_coroutine_create(read_write_and_hit, &rwlock));
    g_assert_cmpint(hits, ==, 2);
    SPOIL(queue);
    qemu_co_queue_init(&queue);
    g_assert_true(qemu_co_queue_empty(&queue));
    qemu_coroutine_enter(qemu_coroutine_create(wait_and_hit, &queue));
    g_assert_true(qemu_co_enter_next(&queue, NULL));
    g_assert_cmpint(hits, ==, 3);
}

static void note(Notifier *notifier, void *data)
{
    hits++;
}

static void use_what_an_event_loop_has(void)
{
    AioContext *ctx = qemu_get_aio_context();
    EventNotifier event;
    NotifierList list;
    Notifier notifier;
    QEMUTimer timer;

    hits = 0;
    SPOIL(timer);
    aio_timer_init(ctx, &timer, QEMU_CLOCK_REALTIME, SCALE_NS, hit, NULL);
    g_assert_false(timer_pending(&timer));
    timer_mod(&timer, 1);
    while (!hits) {
        aio_poll(ctx, true);
    }
    timer_mod(&timer, INT64_MAX);
    g_assert_true(timer_pending(&timer));
    timer_del(&timer);
    SPOIL(event);
    g_assert_cmpint(event_notifier_init(&event, 1), ==, 0);
    g_assert_true(event_notifier_test_and_clear(&event));
    event_notifier_cleanup(&event);
    SPOIL(list);
    SPOIL(notifier);
    notifier_list_init(&list);
    notifier.notify = note;
    notifier_list_add(&list, &notifier);
    notifier_list_notify(&list, NULL);
    notifier_remove(&notifier);
    g_assert_true(notifier_list_empty(&list));
    g_assert_cmpint(hits, ==, 2);
}

static void use_vectors(void)
{
    char buf[8];
    struct iovec iov[2] = { { buf, 4 }, { buf + 4, 4 } }, *front = iov;
    unsigned count = 2;
    QEMUIOVector whole, part;
    IOVDiscardUndo undo;

    SPOIL(whole);
    qemu_iovec_init(&whole, 1);
    qemu_iovec_add(&whole, buf, 4);
    SPOIL(part);
    qemu_iovec_init_slice(&part, &whole, 1, 2);
    g_assert_cmpuint(part.size, ==, 2);
    qemu_iovec_destroy(&part);
    qemu_iovec_destroy(&whole);
    SPOIL(whole);
    qemu_iovec_init_external(&whole, iov, 2);
    g_assert_cmpuint(whole.size, ==, 8);
    SPOIL(whole);
    qemu_iovec_init_buf(&whole, buf, 8);
    g_assert_true(qemu_iovec_buf(&whole) == buf);
    SPOIL(undo);
    g_assert_cmpuint(iov_discard_front_undoable(&front, &count, 5, &undo), ==, 5);
    iov_discard_undo(&undo);
    g_assert_cmpuint(iov_size(iov, 2), ==, 8);
    /* Nothing to undo. */
    SPOIL(undo);
    count = 0;
    iov_discard_back_undoable(iov, &count, 1, &undo);
    iov_discard_undo(&undo);
}

static void use_throttling(void)
{
    AioContext *ctx = qemu_get_aio_context();
    ThrottleConfig config;
    ThrottleState state;
    ThrottleTimers timers;

    SPOIL(config);
    throttle_config_init(&config);
    g_assert_true(throttle_is_valid(&config, &error_abort));
    SPOIL(state);
    throttle_init(&state);
    SPOIL(config);
    throttle_get_config(&state, &config);
    g_assert_false(throttle_enabled(&config));
    SPOIL(timers);
    throttle_timers_init(&timers, ctx, QEMU_CLOCK_VIRTUAL, hit, NULL, NULL);
    g_assert_true(throttle_timers_are_initialized(&timers));
    throttle_timers_detach_aio_context(&timers);
    throttle_timers_attach_aio_context(&timers, ctx);
    throttle_timers_destroy(&timers);
    g_assert_false(throttle_timers_are_initialized(&timers));
}

static void test_use(const void *use)
{
    static const int kinds[] = { 0x5a, 0xff, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        rubbish = kinds[i];
        ((void (*)(void))(uintptr_t)use)();
    }
}

#define ADD(what) \
    harness_add_data("/api-init/" #what, (const void *)(uintptr_t)use_##what, test_use)

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    ADD(locks);
    ADD(what_threads_wait_on);
    ADD(what_coroutines_wait_on);
    ADD(what_an_event_loop_has);
    ADD(vectors);
    ADD(throttling);
    return harness_run();
}
