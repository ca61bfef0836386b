/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The runtime's APIs together, used as programs written for QEMU use them: every layer from the
 * public headers alone, through GLib's loop or aio_poll().
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "block/thread-pool.h"
#include "io/channel-file.h"
#include "io/task.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/event_notifier.h"
#include "qemu/futex.h"
#include "qemu/iov.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"
#include "qom/object.h"
#include "harness.h"

static AioContext *ctx;

/* ---- event notifiers ---- */

typedef struct Counter {
    EventNotifier e;
    int n, left;
    struct Counter *to_remove;
} Counter;

static void counter_ready(EventNotifier *e)
{
    Counter *c = container_of(e, Counter, e);

    g_assert_cmpint(event_notifier_test_and_clear(e), ==, 1);
    c->n++;
    if (c->left > 0 && --c->left > 0) {
        event_notifier_set(e);
    }
    if (c->to_remove) {
        aio_set_event_notifier(ctx, &c->to_remove->e, NULL, NULL, NULL);
    }
}

static void counter_start(Counter *c)
{
    g_assert_cmpint(event_notifier_init(&c->e, false), ==, 0);
    aio_set_event_notifier(ctx, &c->e, counter_ready, NULL, NULL);
}

static void counter_stop(Counter *c)
{
    aio_set_event_notifier(ctx, &c->e, NULL, NULL, NULL);
    event_notifier_cleanup(&c->e);
}

static void poll_until_idle(void)
{
    while (aio_poll(ctx, false)) {
        /* More. */
    }
}

static void iterate_until_idle(void)
{
    while (g_main_context_iteration(NULL, false)) {
        /* More. */
    }
}

static void check_notifier(void (*until_idle)(void))
{
    Counter c = { .left = 3 };

    counter_start(&c);
    until_idle();
    g_assert_cmpint(c.n, ==, 0);
    event_notifier_set(&c.e);
    until_idle();
    g_assert_cmpint(c.n, ==, 3);
    until_idle();
    g_assert_cmpint(c.n, ==, 3);
    aio_set_event_notifier(ctx, &c.e, NULL, NULL, NULL);
    event_notifier_set(&c.e);
    until_idle();
    g_assert_cmpint(c.n, ==, 3);
    event_notifier_cleanup(&c.e);
}

static void test_notifier_by_aio_poll(void)
{
    check_notifier(poll_until_idle);
}

static void test_notifier_by_glib(void)
{
    check_notifier(iterate_until_idle);
}

static void test_handler_removes_another(void)
{
    Counter a = { .n = 0 }, b = { .n = 0 };

    a.to_remove = &b;
    b.to_remove = &a;
    counter_start(&a);
    counter_start(&b);
    event_notifier_set(&a.e);
    event_notifier_set(&b.e);
    poll_until_idle();
    /* Whoever comes first keeps the other from running, though both were ready. */
    g_assert_cmpint(a.n + b.n, ==, 1);
    counter_stop(&a);
    counter_stop(&b);
}

/* ---- bottom halves, timers and workers under GLib alone ---- */

typedef struct Chain {
    QEMUTimer timer;
    QEMUBH *bh;
    int timer_fired, worker_ret;
    bool done;
} Chain;

static int chain_work(void *opaque)
{
    return 42;
}

static void chain_work_done(void *opaque, int ret)
{
    Chain *chain = opaque;

    chain->worker_ret = ret;
    chain->done = true;
}

static void chain_bh(void *opaque)
{
    Chain *chain = opaque;

    qemu_bh_delete(chain->bh);
    thread_pool_submit_aio(chain_work, NULL, chain_work_done, chain);
}

static void chain_timer(void *opaque)
{
    Chain *chain = opaque;

    chain->timer_fired++;
    qemu_bh_schedule(chain->bh);
}

static void test_timer_bh_and_worker_by_glib(void)
{
    Chain chain = { .done = false };

    chain.bh = aio_bh_new(ctx, chain_bh, &chain);
    aio_timer_init(ctx, &chain.timer, QEMU_CLOCK_REALTIME, SCALE_NS, chain_timer, &chain);
    timer_mod(&chain.timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + NANOSECONDS_PER_SECOND / 100);
    while (!chain.done) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpint(chain.timer_fired, ==, 1);
    g_assert_cmpint(chain.worker_ret, ==, 42);
    timer_del(&chain.timer);
}

/* ---- tasks of an object of our own ---- */

#define TYPE_USAGE_SOURCE "usage-source"

typedef struct UsageSource {
    Object parent;
    int *finalized;
} UsageSource;

static void usage_source_finalize(Object *obj)
{
    ++*((UsageSource *)obj)->finalized;
}

static const TypeInfo usage_source_info = {
    .name = TYPE_USAGE_SOURCE,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(UsageSource),
    .instance_finalize = usage_source_finalize,
};

typedef struct TaskSeen {
    QemuThread worker, completer;
    GMainLoop *loop;
    Error *err;
    Object *source;
} TaskSeen;

static void task_worker(QIOTask *task, gpointer opaque)
{
    TaskSeen *seen = opaque;
    Error *err = NULL;

    qemu_thread_get_self(&seen->worker);
    qio_task_set_error(task, NULL);
    error_setg(&err, "no luck");
    qio_task_set_error(task, err);
}

static void task_done(QIOTask *task, gpointer opaque)
{
    TaskSeen *seen = opaque;

    qemu_thread_get_self(&seen->completer);
    seen->source = qio_task_get_source(task);
    g_assert_true(qio_task_propagate_error(task, &seen->err));
    g_main_loop_quit(seen->loop);
}

static void test_task_completes_in_the_context_given(void)
{
    GMainContext *context = g_main_context_new();
    Object *source = object_new(TYPE_USAGE_SOURCE);
    TaskSeen seen = { .loop = g_main_loop_new(context, false) };
    int finalized = 0;
    QIOTask *task;

    g_assert_cmpstr(object_get_typename(source), ==, TYPE_USAGE_SOURCE);
    ((UsageSource *)source)->finalized = &finalized;
    task = qio_task_new(source, task_done, &seen, NULL);
    qio_task_run_in_thread(task, task_worker, &seen, NULL, context);
    object_unref(source);
    iterate_until_idle();
    g_assert_null(seen.source);
    g_main_loop_run(seen.loop);
    g_assert_true(seen.source == source);
    g_assert_true(qemu_thread_is_self(&seen.completer));
    g_assert_false(qemu_thread_is_self(&seen.worker));
    g_assert_cmpstr(error_get_pretty(seen.err), ==, "no luck");
    error_free_or_abort(&seen.err);
    g_assert_cmpint(finalized, ==, 0);
    object_unref(seen.source);
    g_assert_cmpint(finalized, ==, 1);
    g_main_loop_unref(seen.loop);
    g_main_context_unref(context);
}

static void test_objects_are_made_by_type_name(void)
{
    Object *channel = object_new(TYPE_QIO_CHANNEL_FILE);

    g_assert_cmpstr(object_get_typename(channel), ==, TYPE_QIO_CHANNEL_FILE);
    g_assert_true(OBJECT(QIO_CHANNEL(channel)) == channel);
    object_unref(channel);
}

/* ---- locks of any kind ---- */

static void test_no_lock_is_a_lockable_too(void)
{
    QemuMutex *no_mutex = NULL;
    CoMutex *no_co_mutex = NULL;
    QemuSpin *no_spin = NULL;
    QemuMutex mutex;
    QemuLockable *lockable;

    g_assert_null(QEMU_MAKE_LOCKABLE(NULL));
    g_assert_null(QEMU_MAKE_LOCKABLE((void *)NULL));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_mutex));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_co_mutex));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_spin));
    g_assert_null(qemu_null_lockable(NULL));

    qemu_mutex_init(&mutex);
    lockable = QEMU_MAKE_LOCKABLE(&mutex);
    g_assert_true(lockable->object == &mutex);
    g_assert_true(QEMU_MAKE_LOCKABLE(lockable) == lockable);
    g_assert_true(qemu_make_lockable(&mutex, lockable) == lockable);
    qemu_lockable_lock(lockable);
    g_assert_cmpint(qemu_mutex_trylock(&mutex), ==, -EBUSY);
    qemu_lockable_unlock(lockable);
    qemu_mutex_destroy(&mutex);
}

/* ---- words that threads share ---- */

static unsigned futex_word, bits;

static void *futex_waiter(void *opaque)
{
    qatomic_or(&bits, 1u << GPOINTER_TO_UINT(opaque));
    while (qatomic_read(&futex_word) == 0) {
        qemu_futex_wait(&futex_word, 0);
    }
    /* The next one. */
    qemu_futex_wake_single(&futex_word);
    return NULL;
}

static void test_futex_wakes_one_after_the_other(void)
{
    QemuThread threads[4];

    qatomic_set(&futex_word, 0);
    qatomic_set(&bits, 0);
    for (unsigned i = 0; i < 4; i++) {
        qemu_thread_create(&threads[i], "futex", futex_waiter, GUINT_TO_POINTER(i),
                           QEMU_THREAD_JOINABLE);
    }
    qatomic_set_mb(&futex_word, 1);
    qemu_futex_wake_single(&futex_word);
    for (int i = 0; i < 4; i++) {
        qemu_thread_join(&threads[i]);
    }
    g_assert_cmpuint(qatomic_xchg(&bits, 0), ==, 15);
    /* Does not wait for a value that is not there. */
    qemu_futex_wait(&futex_word, 0);
}

/* ---- vectors over sockets ---- */

static void test_vectors_cross_a_socket_in_part(void)
{
    char out[8] = "abcdefg", in[8] = "";
    struct iovec from[2] = { { out, 3 }, { out + 3, 5 } };
    struct iovec to[2] = { { in, 5 }, { in + 5, 3 } };
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    g_assert_true(fd_is_socket(sv[0]));
    g_assert_true(qemu_set_blocking(sv[1], false, &error_abort));
    g_assert_cmpint(iov_recv(sv[1], to, 2, 0, 8), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(iov_send(sv[0], from, 2, 2, 4), ==, 4);
    g_assert_cmpint(iov_recv(sv[1], to, 2, 2, 6), ==, 4);
    g_assert_cmpint(memcmp(in, "\0\0cdef\0", 8), ==, 0);
    close(sv[0]);
    g_assert_cmpint(iov_recv(sv[1], to, 2, 0, 8), ==, 0);
    close(sv[1]);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    module_call_init(MODULE_INIT_QOM);
    type_register_static(&usage_source_info);
    ctx = qemu_get_current_aio_context();
    harness_add("/api-usage/notifier_by_aio_poll", test_notifier_by_aio_poll);
    harness_add("/api-usage/notifier_by_glib", test_notifier_by_glib);
    harness_add("/api-usage/handler_removes_another", test_handler_removes_another);
    harness_add("/api-usage/timer_bh_and_worker_by_glib", test_timer_bh_and_worker_by_glib);
    harness_add("/api-usage/task_completes_in_the_context_given",
                test_task_completes_in_the_context_given);
    harness_add("/api-usage/objects_are_made_by_type_name", test_objects_are_made_by_type_name);
    harness_add("/api-usage/no_lock_is_a_lockable_too", test_no_lock_is_a_lockable_too);
    harness_add("/api-usage/futex_wakes_one_after_the_other", test_futex_wakes_one_after_the_other);
    harness_add("/api-usage/vectors_cross_a_socket_in_part", test_vectors_cross_a_socket_in_part);
    return harness_run();
}
