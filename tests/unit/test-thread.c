/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads and what they wait on. */
#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "qemu/notify.h"
#include "harness.h"

enum {
    ROUNDS = 20000
};

static void *note_name(void *opaque)
{
    QemuThread self;

    qemu_thread_get_self(&self);
    g_assert_true(qemu_thread_is_self(&self));
    pthread_getname_np(pthread_self(), opaque, 16);
    return (char *)opaque + 1;
}

static void test_thread_has_its_name_and_result(void)
{
    char name[16];
    QemuThread t;

    qemu_thread_create(&t, "a name that is too long", note_name, name, QEMU_THREAD_JOINABLE);
    g_assert_false(qemu_thread_is_self(&t));
    g_assert_true(qemu_thread_join(&t) == name + 1);
    g_assert_cmpstr(name, ==, "a name that is ");
}

static void *note_signals(void *opaque)
{
    pthread_sigmask(SIG_SETMASK, NULL, opaque);
    return NULL;
}

static void test_threads_leave_signals_to_the_main_thread(void)
{
    sigset_t in_thread, here;
    QemuThread t;

    qemu_thread_create(&t, "signals", note_signals, &in_thread, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&t);
    pthread_sigmask(SIG_SETMASK, NULL, &here);
    g_assert_true(sigismember(&in_thread, SIGTERM));
    g_assert_false(sigismember(&in_thread, SIGSEGV));
    g_assert_false(sigismember(&here, SIGTERM));
}

typedef struct ExitNote {
    Notifier n;
    int *order;
    int value;
} ExitNote;

static void note_exit(Notifier *n, void *data)
{
    ExitNote *note = container_of(n, ExitNote, n);

    *note->order = *note->order * 10 + note->value;
}

static void *with_exit_notes(void *opaque)
{
    ExitNote *notes = opaque;

    for (int i = 0; i < 3; i++) {
        qemu_thread_atexit_add(&notes[i].n);
    }
    qemu_thread_atexit_remove(&notes[1].n);
    g_assert_cmpint(*notes[0].order, ==, 0);
    return NULL;
}

static void test_exit_notifiers_run_when_the_thread_ends(void)
{
    int order = 0;
    ExitNote notes[3];
    QemuThread t;

    for (int i = 0; i < 3; i++) {
        notes[i] = (ExitNote){ .n.notify = note_exit, .order = &order, .value = i + 1 };
    }
    qemu_thread_create(&t, "exit", with_exit_notes, notes, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&t);
    g_assert_cmpint(order, ==, 31);
}

typedef struct Shared {
    QemuMutex mutex;
    QemuRecMutex rec;
    QemuCond cond;
    QemuSemaphore sem, back;
    QemuEvent event;
    QemuSpin spin;
    int turn;
    int count;
    int ready;
} Shared;

static void shared_init(Shared *s)
{
    memset(s, 0, sizeof(*s));
    qemu_mutex_init(&s->mutex);
    qemu_rec_mutex_init(&s->rec);
    qemu_cond_init(&s->cond);
    qemu_sem_init(&s->sem, 0);
    qemu_sem_init(&s->back, 0);
    qemu_event_init(&s->event, false);
    qemu_spin_init(&s->spin);
}

static void shared_done(Shared *s)
{
    qemu_event_destroy(&s->event);
    qemu_sem_destroy(&s->back);
    qemu_sem_destroy(&s->sem);
    qemu_cond_destroy(&s->cond);
    qemu_rec_mutex_destroy(&s->rec);
    qemu_mutex_destroy(&s->mutex);
}

/* Runs @fn(@s) in a thread while the caller does @with(@s). */
static void run_beside(Shared *s, void *(*fn)(void *), void (*with)(Shared *))
{
    QemuThread t;

    shared_init(s);
    qemu_thread_create(&t, "beside", fn, s, QEMU_THREAD_JOINABLE);
    with(s);
    qemu_thread_join(&t);
    shared_done(s);
}

static void count_locked(Shared *s)
{
    for (int i = 0; i < ROUNDS; i++) {
        qemu_mutex_lock(&s->mutex);
        s->count++;
        qemu_mutex_unlock(&s->mutex);
        qemu_spin_lock(&s->spin);
        s->ready++;
        qemu_spin_unlock(&s->spin);
        qemu_rec_mutex_lock(&s->rec);
        qemu_rec_mutex_lock(&s->rec);
        s->turn++;
        qemu_rec_mutex_unlock(&s->rec);
        qemu_rec_mutex_unlock(&s->rec);
    }
}

static void *count_locked_thread(void *opaque)
{
    count_locked(opaque);
    return NULL;
}

static void test_locks_exclude(void)
{
    Shared s;

    run_beside(&s, count_locked_thread, count_locked);
    g_assert_cmpint(s.count, ==, 2 * ROUNDS);
    g_assert_cmpint(s.ready, ==, 2 * ROUNDS);
    g_assert_cmpint(s.turn, ==, 2 * ROUNDS);
}

static void test_trylock_says_busy(void)
{
    QemuMutex m;
    QemuSpin spin;

    qemu_mutex_init(&m);
    g_assert_cmpint(qemu_mutex_trylock(&m), ==, 0);
    g_assert_cmpint(qemu_mutex_trylock(&m), ==, -EBUSY);
    qemu_mutex_unlock(&m);
    qemu_mutex_destroy(&m);
    qemu_spin_init(&spin);
    g_assert_false(qemu_spin_trylock(&spin));
    g_assert_true(qemu_spin_locked(&spin));
    g_assert_true(qemu_spin_trylock(&spin));
    qemu_spin_unlock(&spin);
    g_assert_false(qemu_spin_locked(&spin));
}

/* Takes turns: @me's when turn is odd or even. */
static void take_turns(Shared *s, int me)
{
    qemu_mutex_lock(&s->mutex);
    for (int i = 0; i < ROUNDS / 10; i++) {
        while (s->turn % 2 != me) {
            qemu_cond_wait(&s->cond, &s->mutex);
        }
        s->turn++;
        qemu_cond_signal(&s->cond);
    }
    qemu_mutex_unlock(&s->mutex);
}

static void *take_odd_turns(void *opaque)
{
    take_turns(opaque, 1);
    return NULL;
}

static void take_even_turns(Shared *s)
{
    take_turns(s, 0);
}

static void test_condition_wakes(void)
{
    Shared s;

    run_beside(&s, take_odd_turns, take_even_turns);
    g_assert_cmpint(s.turn, ==, ROUNDS / 10 * 2);
}

static void test_timed_waits_end(void)
{
    Shared s;
    int64_t start = g_get_monotonic_time();

    shared_init(&s);
    qemu_mutex_lock(&s.mutex);
    g_assert_false(qemu_cond_timedwait(&s.cond, &s.mutex, 20));
    qemu_mutex_unlock(&s.mutex);
    g_assert_cmpint(qemu_sem_timedwait(&s.sem, 20), ==, -1);
    g_assert_false(qemu_event_timedwait(&s.event, 20));
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 60 * 1000);

    g_assert_cmpint(qemu_sem_timedwait(&s.sem, 0), ==, -1);
    qemu_sem_post(&s.sem);
    g_assert_cmpint(qemu_sem_timedwait(&s.sem, 0), ==, 0);
    qemu_event_set(&s.event);
    g_assert_true(qemu_event_timedwait(&s.event, 0));
    shared_done(&s);
}

static void *echo_posts(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < ROUNDS / 10; i++) {
        qemu_sem_wait(&s->sem);
        s->count++;
        qemu_sem_post(&s->back);
    }
    return NULL;
}

static void post_and_wait(Shared *s)
{
    for (int i = 0; i < ROUNDS / 10; i++) {
        g_assert_cmpint(s->count, ==, i);
        qemu_sem_post(&s->sem);
        g_assert_cmpint(qemu_sem_timedwait(&s->back, 60 * 1000), ==, 0);
    }
}

static void test_semaphore_passes_as_many_as_posted(void)
{
    Shared s;

    run_beside(&s, echo_posts, post_and_wait);
    g_assert_cmpint(s.count, ==, ROUNDS / 10);
}

static void *raise_count(void *opaque)
{
    Shared *s = opaque;

    for (int i = 1; i <= ROUNDS; i++) {
        qatomic_set(&s->count, i);
        qemu_event_set(&s->event);
    }
    return NULL;
}

/* A wake-up that got lost would leave it here for ever. */
static void wait_for_last_count(Shared *s)
{
    for (;;) {
        qemu_event_reset(&s->event);
        if (qatomic_read(&s->count) == ROUNDS) {
            break;
        }
        qemu_event_wait(&s->event);
    }
}

static void test_event_loses_no_wake_up(void)
{
    Shared s;

    for (int i = 0; i < 20; i++) {
        run_beside(&s, raise_count, wait_for_last_count);
    }
}

static void test_event_keeps_its_state(void)
{
    QemuEvent ev;

    qemu_event_init(&ev, true);
    qemu_event_wait(&ev);
    qemu_event_wait(&ev);
    qemu_event_reset(&ev);
    g_assert_false(qemu_event_timedwait(&ev, 1));
    qemu_event_set(&ev);
    qemu_event_set(&ev);
    qemu_event_wait(&ev);
    qemu_event_destroy(&ev);
}

static void test_using_a_dead_mutex_aborts(void)
{
    if (g_test_subprocess()) {
        QemuMutex m;

        qemu_mutex_init(&m);
        qemu_mutex_destroy(&m);
        qemu_mutex_lock(&m);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*initialized*");
}

static const char *locked_in;
static int locked_at;

static void note_lock(QemuMutex *mutex, const char *file, int line)
{
    locked_in = file;
    locked_at = line;
    qemu_mutex_lock_impl(mutex, file, line);
}

static void test_a_profiler_sees_who_locks(void)
{
    QemuMutexLockFunc ours = qatomic_read(&qemu_mutex_lock_func);
    QemuMutex m;

    qemu_mutex_init(&m);
    qatomic_set(&qemu_mutex_lock_func, note_lock);
    qemu_mutex_lock(&m);
    g_assert_cmpint(locked_at, ==, __LINE__ - 1);
    g_assert_cmpstr(locked_in, ==, __FILE__);
    g_assert_cmpint(qemu_mutex_trylock(&m), ==, -EBUSY);
    qatomic_set(&qemu_mutex_lock_func, ours);
    qemu_mutex_unlock(&m);
    qemu_mutex_lock(&m);
    g_assert_cmpint(locked_at, <, __LINE__ - 3);
    qemu_mutex_unlock(&m);
    qemu_mutex_destroy(&m);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/thread/has_its_name_and_result", test_thread_has_its_name_and_result);
    harness_add("/thread/leaves_signals_to_the_main_thread",
                test_threads_leave_signals_to_the_main_thread);
    harness_add("/thread/exit_notifiers_run_when_it_ends",
                test_exit_notifiers_run_when_the_thread_ends);
    harness_add("/thread/locks_exclude", test_locks_exclude);
    harness_add("/thread/trylock_says_busy", test_trylock_says_busy);
    harness_add("/thread/condition_wakes", test_condition_wakes);
    harness_add("/thread/timed_waits_end", test_timed_waits_end);
    harness_add("/thread/semaphore_passes_as_many_as_posted",
                test_semaphore_passes_as_many_as_posted);
    harness_add("/thread/event_loses_no_wake_up", test_event_loses_no_wake_up);
    harness_add("/thread/event_keeps_its_state", test_event_keeps_its_state);
    harness_add("/thread/using_a_dead_mutex_aborts", test_using_a_dead_mutex_aborts);
    harness_add("/thread/a_profiler_sees_who_locks", test_a_profiler_sees_who_locks);
    return harness_run();
}
