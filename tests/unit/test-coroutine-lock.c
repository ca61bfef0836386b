/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines that wait for each other, for time and for descriptors; in one thread, and in several
 * that each run an AioContext.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "block/aio.h"
#include "harness.h"
#include <sys/socket.h>

static GString *order;

static void note(char c)
{
    g_string_append_c(order, c);
}

static void assert_order(const char *want)
{
    g_assert_cmpstr(order->str, ==, want);
    g_string_truncate(order, 0);
}

static Coroutine *start(CoroutineEntry *entry, void *opaque)
{
    Coroutine *co = qemu_coroutine_create(entry, opaque);

    qemu_coroutine_enter(co);
    return co;
}

/* CoMutex in one thread */

static CoMutex mutex;

static void coroutine_fn lock_note_yield(void *opaque)
{
    char name = *(const char *)opaque;

    qemu_co_mutex_lock(&mutex);
    note(name);
    qemu_coroutine_yield();
    note(g_ascii_toupper(name));
    qemu_co_mutex_unlock(&mutex);
    note('.');
}

static void test_mutex_is_handed_over_in_order_of_arrival(void)
{
    Coroutine *a = start(lock_note_yield, (void *)"a");
    Coroutine *b = start(lock_note_yield, (void *)"b");
    Coroutine *c = start(lock_note_yield, (void *)"c");
    Coroutine *d;

    assert_order("a");
    qemu_coroutine_enter(a);
    assert_order("A.b");
    d = start(lock_note_yield, (void *)"d");
    qemu_coroutine_enter(b);
    assert_order("B.c");
    qemu_coroutine_enter(c);
    assert_order("C.d");
    g_assert_true(mutex.state != 0);
    qemu_coroutine_enter(d);
    assert_order("D.");
    g_assert_true(mutex.state == 0);
}

static void test_mutex_is_free_when_the_last_is_gone(void)
{
    Coroutine *a;

    qemu_co_mutex_init(&mutex);
    a = start(lock_note_yield, (void *)"a");
    qemu_coroutine_enter(a);
    assert_order("aA.");
    g_assert_true(mutex.state == 0);
}

static void coroutine_fn unlock_without_lock(void *opaque)
{
    qemu_co_mutex_unlock(&mutex);
}

static void test_only_the_holder_may_unlock(void)
{
    if (g_test_subprocess()) {
        qemu_co_mutex_init(&mutex);
        start(unlock_without_lock, NULL);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*holder*");
}

/* CoQueue */

static CoQueue queue;

static void coroutine_fn wait_and_note(void *opaque)
{
    const char *name = opaque;

    qemu_co_mutex_lock(&mutex);
    qemu_co_queue_wait_flags(&queue, &mutex, name[1] == '!' ? CO_QUEUE_WAIT_FRONT : 0);
    qemu_co_mutex_assert_locked(&mutex);
    note(*name);
    qemu_co_mutex_unlock(&mutex);
}

static void test_queue_wakes_in_order(void)
{
    qemu_co_mutex_init(&mutex);
    qemu_co_queue_init(&queue);
    g_assert_true(qemu_co_queue_empty(&queue));
    g_assert_false(qemu_co_enter_next(&queue, NULL));
    start(wait_and_note, (void *)"a");
    start(wait_and_note, (void *)"b");
    start(wait_and_note, (void *)"f!");
    assert_order("");
    g_assert_true(qemu_co_enter_next(&queue, NULL));
    assert_order("f");
    qemu_co_enter_all(&queue, NULL);
    assert_order("ab");
    g_assert_true(qemu_co_queue_empty(&queue));
}

static void coroutine_fn restart_all_and_note(void *opaque)
{
    g_assert_true(qemu_co_queue_next(&queue));
    qemu_co_queue_restart_all(&queue);
    /* They run when this one ends. */
    note('x');
}

static void test_queue_woken_from_a_coroutine_runs_after_it(void)
{
    qemu_co_queue_init(&queue);
    for (const char *p = "abc"; *p; p++) {
        start(wait_and_note, (void *)p);
    }
    start(restart_all_and_note, NULL);
    assert_order("xabc");
}

/* CoRwlock */

static CoRwlock rwlock;

/* A script: r w (lock), u (upgrade), d (downgrade), - (unlock), y (yield); others are noted. */
static void coroutine_fn run_script(void *opaque)
{
    for (const char *p = opaque; *p; p++) {
        switch (*p) {
        case 'r':
            qemu_co_rwlock_rdlock(&rwlock);
            break;
        case 'w':
            qemu_co_rwlock_wrlock(&rwlock);
            break;
        case 'u':
            qemu_co_rwlock_upgrade(&rwlock);
            break;
        case 'd':
            qemu_co_rwlock_downgrade(&rwlock);
            break;
        case '-':
            qemu_co_rwlock_unlock(&rwlock);
            break;
        case 'y':
            qemu_coroutine_yield();
            break;
        default:
            note(*p);
        }
    }
}

static void test_readers_share_and_writers_wait(void)
{
    Coroutine *a, *b, *w;

    qemu_co_rwlock_init(&rwlock);
    a = start(run_script, (void *)"r1y-");
    b = start(run_script, (void *)"r2y-");
    w = start(run_script, (void *)"w3y-4");
    start(run_script, (void *)"r5-6");
    assert_order("12");
    qemu_coroutine_enter(a);
    assert_order("");
    qemu_coroutine_enter(b);
    assert_order("3");
    qemu_coroutine_enter(w);
    assert_order("456");
    g_assert_cmpint(rwlock.owners, ==, 0);
}

static void test_readers_behind_a_writer_go_together(void)
{
    Coroutine *w, *a, *b;

    qemu_co_rwlock_init(&rwlock);
    w = start(run_script, (void *)"w1y-");
    a = start(run_script, (void *)"r2y-");
    b = start(run_script, (void *)"r3y-");
    start(run_script, (void *)"w4-");
    start(run_script, (void *)"r5-");
    qemu_coroutine_enter(w);
    assert_order("123");
    qemu_coroutine_enter(a);
    qemu_coroutine_enter(b);
    assert_order("45");
}

static void test_upgrade_waits_for_its_turn(void)
{
    Coroutine *r;

    qemu_co_rwlock_init(&rwlock);
    r = start(run_script, (void *)"r1yu2-");
    start(run_script, (void *)"w3-");
    qemu_coroutine_enter(r);
    assert_order("132");
    g_assert_cmpint(rwlock.owners, ==, 0);
    start(run_script, (void *)"ru4-");
    assert_order("4");
}

static void test_downgrade_lets_readers_in_but_no_writer(void)
{
    Coroutine *w;

    qemu_co_rwlock_init(&rwlock);
    w = start(run_script, (void *)"w1yd2y-");
    start(run_script, (void *)"r3-");
    start(run_script, (void *)"w4-");
    start(run_script, (void *)"r5-");
    qemu_coroutine_enter(w);
    assert_order("123");
    qemu_coroutine_enter(w);
    assert_order("45");
}

/* Time */

typedef struct Sleeper {
    QemuCoSleep sleep;
    int64_t ns;
    bool done;
} Sleeper;

static void coroutine_fn sleep_entry(void *opaque)
{
    Sleeper *s = opaque;

    if (s->ns < 0) {
        qemu_co_sleep(&s->sleep);
    } else {
        qemu_co_sleep_ns_wakeable(&s->sleep, QEMU_CLOCK_REALTIME, s->ns);
    }
    s->done = true;
}

static void run_until(const bool *done)
{
    while (!*done) {
        aio_poll(qemu_get_aio_context(), true);
    }
}

static void test_sleep_lasts_as_long_as_asked(void)
{
    Sleeper s = { .ns = 20 * SCALE_MS };
    int64_t began = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    start(sleep_entry, &s);
    g_assert_false(s.done);
    run_until(&s.done);
    g_assert_cmpint(qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - began, >=, s.ns);
}

static void test_sleep_can_be_ended_early(void)
{
    Sleeper s = { .ns = 3600 * NANOSECONDS_PER_SECOND }, forever = { .ns = -1 };

    qemu_co_sleep_wake(&s.sleep);
    start(sleep_entry, &s);
    g_assert_false(s.done);
    qemu_co_sleep_wake(&s.sleep);
    g_assert_true(s.done);
    qemu_co_sleep_wake(&s.sleep);

    start(sleep_entry, &forever);
    g_assert_false(forever.done);
    qemu_co_sleep_wake(&forever.sleep);
    g_assert_true(forever.done);
}

typedef struct TimeoutTest {
    Sleeper work;
    int64_t limit;
    int ret;
    bool returned;
    bool cleaned;
} TimeoutTest;

static void clean_up(void *opaque)
{
    TimeoutTest *t = opaque;

    t->cleaned = true;
}

static void coroutine_fn timeout_entry(void *opaque)
{
    TimeoutTest *t = opaque;

    t->ret = qemu_co_timeout(sleep_entry, t, t->limit, clean_up);
    t->returned = true;
}

static void test_timeout_returns_before_slow_work(void)
{
    TimeoutTest t = { .work.ns = -1, .limit = SCALE_MS };

    start(timeout_entry, &t);
    run_until(&t.returned);
    g_assert_cmpint(t.ret, ==, -ETIMEDOUT);
    g_assert_false(t.cleaned);
    qemu_co_sleep_wake(&t.work.sleep);
    g_assert_true(t.work.done);
    g_assert_true(t.cleaned);
}

static void test_timeout_lets_quick_work_end(void)
{
    TimeoutTest t = { .work.ns = SCALE_MS, .limit = 3600 * NANOSECONDS_PER_SECOND };

    start(timeout_entry, &t);
    run_until(&t.returned);
    g_assert_cmpint(t.ret, ==, 0);
    g_assert_true(t.work.done);
    g_assert_false(t.cleaned);
}

/* Descriptors */

typedef struct Stream {
    int fd;
    uint8_t *buf;
    size_t size;
    ssize_t ret;
    bool done;
} Stream;

static void coroutine_fn send_entry(void *opaque)
{
    Stream *s = opaque;

    s->ret = qemu_co_send(s->fd, s->buf, s->size);
    s->done = true;
}

static void coroutine_fn recv_entry(void *opaque)
{
    Stream *s = opaque;

    yield_until_fd_readable(s->fd);
    s->ret = qemu_co_recv(s->fd, s->buf, s->size);
    s->done = true;
}

static void streams_init(Stream *from, Stream *to, size_t size)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
    *from = (Stream){ .fd = fds[0], .buf = g_malloc(size), .size = size };
    *to = (Stream){ .fd = fds[1], .buf = g_malloc0(size), .size = size };
    for (size_t i = 0; i < size; i++) {
        from->buf[i] = i * 31 >> 3;
    }
}

static void test_send_and_receive_yield_while_the_socket_is_not_ready(void)
{
    Stream from, to;

    streams_init(&from, &to, 4 * 1024 * 1024);
    start(recv_entry, &to);
    start(send_entry, &from);
    g_assert_false(from.done);
    run_until(&from.done);
    run_until(&to.done);
    g_assert_cmpint(from.ret, ==, from.size);
    g_assert_cmpint(to.ret, ==, to.size);
    g_assert_cmpmem(to.buf, to.size, from.buf, from.size);
    close(from.fd);
    close(to.fd);
    g_free(from.buf);
    g_free(to.buf);
}

static void test_receive_stops_at_the_end_of_the_stream(void)
{
    Stream from, to;

    streams_init(&from, &to, 100);
    from.size = 40;
    start(recv_entry, &to);
    start(send_entry, &from);
    close(from.fd);
    run_until(&to.done);
    g_assert_cmpint(to.ret, ==, 40);
    close(to.fd);
    to.fd = -1;
    start(send_entry, &to);
    g_assert_cmpint(to.ret, ==, -EBADF);
    g_free(from.buf);
    g_free(to.buf);
}

/* Several threads */

enum {
    LOOPS = 4,
    WORKERS = 8,
    ROUNDS = 1000
};

typedef struct Loop {
    QemuThread thread;
    AioContext *ctx;
    QemuSemaphore running;
    bool stop; /* home thread */
} Loop;

static Loop loops[LOOPS];
static int unfinished; /* atomic */
static int counter;    /* mutex or rwlock */
static bool inside;    /* likewise */

static void *loop_thread(void *opaque)
{
    Loop *l = opaque;

    l->ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(l->ctx);
    qemu_sem_post(&l->running);
    while (!l->stop) {
        aio_poll(l->ctx, true);
    }
    qemu_set_current_aio_context(NULL);
    return NULL;
}

static void stop_bh(void *opaque)
{
    Loop *l = opaque;

    l->stop = true;
}

static void coroutine_fn exclusively(int i)
{
    g_assert_false(inside);
    inside = true;
    if (i % 16 == 0) {
        /* Gives others of this thread the chance to queue up. */
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    counter++;
    inside = false;
}

static void coroutine_fn mutex_worker(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        qemu_co_mutex_lock(&mutex);
        exclusively(i);
        qemu_co_mutex_unlock(&mutex);
    }
    qatomic_dec(&unfinished);
    aio_notify(qemu_get_aio_context());
}

static void coroutine_fn rwlock_worker(void *opaque)
{
    for (int i = 0; i < ROUNDS / 2; i++) {
        qemu_co_rwlock_rdlock(&rwlock);
        g_assert_false(inside);
        qemu_co_rwlock_upgrade(&rwlock);
        exclusively(i);
        qemu_co_rwlock_downgrade(&rwlock);
        g_assert_false(inside);
        qemu_co_rwlock_unlock(&rwlock);

        qemu_co_rwlock_wrlock(&rwlock);
        exclusively(i);
        qemu_co_rwlock_unlock(&rwlock);
    }
    qatomic_dec(&unfinished);
    aio_notify(qemu_get_aio_context());
}

/* Runs WORKERS coroutines in each of LOOPS threads, until all have ended. */
static void run_in_threads(CoroutineEntry *worker)
{
    counter = 0;
    qatomic_set(&unfinished, LOOPS * WORKERS);
    for (int i = 0; i < LOOPS; i++) {
        loops[i].stop = false;
        qemu_sem_init(&loops[i].running, 0);
        qemu_thread_create(&loops[i].thread, "loop", loop_thread, &loops[i], QEMU_THREAD_JOINABLE);
        qemu_sem_wait(&loops[i].running);
    }
    for (int i = 0; i < LOOPS * WORKERS; i++) {
        aio_co_enter(loops[i % LOOPS].ctx, qemu_coroutine_create(worker, NULL));
    }
    while (qatomic_read(&unfinished)) {
        aio_poll(qemu_get_aio_context(), true);
    }
    for (int i = 0; i < LOOPS; i++) {
        aio_bh_schedule_oneshot(loops[i].ctx, stop_bh, &loops[i]);
        qemu_thread_join(&loops[i].thread);
        aio_context_unref(loops[i].ctx);
        qemu_sem_destroy(&loops[i].running);
    }
    g_assert_cmpint(counter, ==, LOOPS * WORKERS * ROUNDS);
}

static void test_mutex_excludes_between_threads(void)
{
    qemu_co_mutex_init(&mutex);
    run_in_threads(mutex_worker);
    g_assert_true(mutex.state == 0);
}

static void test_rwlock_excludes_between_threads(void)
{
    qemu_co_rwlock_init(&rwlock);
    run_in_threads(rwlock_worker);
    g_assert_cmpint(rwlock.owners, ==, 0);
}

int main(int argc, char **argv)
{
    int status;

    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    order = g_string_new(NULL);
    harness_add("/co-mutex/is_free_when_the_last_is_gone",
                test_mutex_is_free_when_the_last_is_gone);
    harness_add("/co-mutex/is_handed_over_in_order_of_arrival",
                test_mutex_is_handed_over_in_order_of_arrival);
    harness_add("/co-mutex/only_the_holder_may_unlock", test_only_the_holder_may_unlock);
    harness_add("/co-mutex/excludes_between_threads", test_mutex_excludes_between_threads);
    harness_add("/co-queue/wakes_in_order", test_queue_wakes_in_order);
    harness_add("/co-queue/woken_from_a_coroutine_runs_after_it",
                test_queue_woken_from_a_coroutine_runs_after_it);
    harness_add("/co-rwlock/readers_share_and_writers_wait", test_readers_share_and_writers_wait);
    harness_add("/co-rwlock/readers_behind_a_writer_go_together",
                test_readers_behind_a_writer_go_together);
    harness_add("/co-rwlock/upgrade_waits_for_its_turn", test_upgrade_waits_for_its_turn);
    harness_add("/co-rwlock/downgrade_lets_readers_in_but_no_writer",
                test_downgrade_lets_readers_in_but_no_writer);
    harness_add("/co-rwlock/excludes_between_threads", test_rwlock_excludes_between_threads);
    harness_add("/co-sleep/lasts_as_long_as_asked", test_sleep_lasts_as_long_as_asked);
    harness_add("/co-sleep/can_be_ended_early", test_sleep_can_be_ended_early);
    harness_add("/co-timeout/returns_before_slow_work", test_timeout_returns_before_slow_work);
    harness_add("/co-timeout/lets_quick_work_end", test_timeout_lets_quick_work_end);
    harness_add("/co-io/yields_while_the_socket_is_not_ready",
                test_send_and_receive_yield_while_the_socket_is_not_ready);
    harness_add("/co-io/receive_stops_at_the_end_of_the_stream",
                test_receive_stops_at_the_end_of_the_stream);
    status = harness_run();
    g_string_free(order, true);
    return status;
}
