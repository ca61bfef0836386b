/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of calls that wait for storage: in time, too late, too many, interrupted. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "block/aio-wait.h"
#include "qemu/storage-call.h"
#include "tests/unit/harness.h"
#include "tests/unit/no-threads.h"

/* A call that ends when the test says so. */
typedef struct Held {
    QemuEvent go;
    bool freed; /* atomic */
} Held;

static Held *held_new(void)
{
    Held *held = g_new0(Held, 1);

    qemu_event_init(&held->go, false);
    return held;
}

static int wait_for_go(void *opaque)
{
    Held *held = opaque;

    qemu_event_wait(&held->go);
    return 7;
}

static void note_freed(void *opaque)
{
    Held *held = opaque;

    qatomic_store_release(&held->freed, true);
}

/* The thread is done with it. */
static void held_free(Held *held)
{
    while (!qatomic_load_acquire(&held->freed)) {
        main_loop_wait(true);
        g_usleep(100);
    }
    qemu_event_destroy(&held->go);
    g_free(held);
}

/* What comes back, a result or not. */
static int call_result(StorageFunc *func, void *arg, GDestroyNotify free_arg, int ms)
{
    int ret;

    storage_call(func, arg, free_arg, ms, &ret);
    return ret;
}

static int add_one(void *opaque)
{
    return ++*(int *)opaque;
}

static void test_a_result_comes_back(void)
{
    int n = 4;

    g_assert_cmpint(call_result(add_one, &n, NULL, -1), ==, 5);
    g_assert_cmpint(call_result(add_one, &n, NULL, STORAGE_SLOW_MS), ==, 6);
}

static int fail_as_told(void *opaque)
{
    return *(int *)opaque;
}

/* Servers answer like that, too; what the call works on is the caller's all the same. */
static void test_an_error_is_a_result(void)
{
    const int errors[] = { -ETIMEDOUT, -EBUSY, -EINTR };
    int ret;

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        int *arg = g_new(int, 1);

        *arg = errors[i];
        g_assert_true(storage_call(fail_as_told, arg, g_free, STORAGE_SLOW_MS, &ret));
        g_assert_cmpint(ret, ==, errors[i]);
        g_free(arg);
    }
}

static void test_without_threads_it_waits_here(void)
{
    int n = 1;

    no_threads = true;
    g_assert_cmpint(call_result(add_one, &n, NULL, STORAGE_SLOW_MS), ==, 2);
    no_threads = false;
}

static void test_what_is_late_is_left_to_the_thread(void)
{
    Held *held = held_new();

    g_assert_cmpint(call_result(wait_for_go, held, note_freed, 1), ==, -ETIMEDOUT);
    g_assert_false(qatomic_load_acquire(&held->freed));
    qemu_event_set(&held->go);
    held_free(held);
}

typedef struct CoCall {
    Held *held;
    int ms;
    int ret;
    bool done;
} CoCall;

static void coroutine_fn co_call_entry(void *opaque)
{
    CoCall *call = opaque;

    storage_co_call(wait_for_go, call->held, note_freed, call->ms, &call->ret);
    call->done = true;
}

static void co_call_begin(CoCall *call)
{
    aio_co_enter(qemu_get_aio_context(), qemu_coroutine_create(co_call_entry, call));
    g_assert_false(call->done);
}

static void test_a_coroutine_waits_while_others_run(void)
{
    CoCall call = { .held = held_new(), .ms = STORAGE_SLOW_MS };

    co_call_begin(&call);
    qemu_event_set(&call.held->go);
    while (!call.done) {
        main_loop_wait(false);
    }
    g_assert_cmpint(call.ret, ==, 7);
    g_assert_false(qatomic_load_acquire(&call.held->freed));
    note_freed(call.held);
    held_free(call.held);
}

static void test_a_coroutine_gives_up(void)
{
    CoCall call = { .held = held_new(), .ms = 1 };

    co_call_begin(&call);
    while (!call.done) {
        main_loop_wait(false);
    }
    g_assert_cmpint(call.ret, ==, -ETIMEDOUT);
    qemu_event_set(&call.held->go);
    held_free(call.held);
}

static void test_too_many_are_refused(void)
{
    Held *held[STORAGE_CALLS_MAX], *more = held_new();

    for (int i = 0; i < STORAGE_CALLS_MAX; i++) {
        held[i] = held_new();
        g_assert_cmpint(call_result(wait_for_go, held[i], note_freed, 1), ==, -ETIMEDOUT);
    }
    g_assert_cmpint(call_result(wait_for_go, more, note_freed, 1), ==, -EBUSY);
    held_free(more);
    for (int i = 0; i < STORAGE_CALLS_MAX; i++) {
        qemu_event_set(&held[i]->go);
        held_free(held[i]);
    }
}

static unsigned asked;

static bool interrupt_at_the_third(void)
{
    return ++asked >= 3;
}

static void test_one_without_limit_can_be_interrupted(void)
{
    Held *held = held_new();

    storage_call_set_interrupt(interrupt_at_the_third);
    g_assert_cmpint(call_result(wait_for_go, held, note_freed, -1), ==, -EINTR);
    g_assert_cmpuint(asked, ==, 3);
    storage_call_set_interrupt(NULL);
    qemu_event_set(&held->go);
    held_free(held);
}

typedef struct Kicked {
    bool condition;
    int looks;
    bool done;
} Kicked;

static void coroutine_fn wait_entry(void *opaque)
{
    Kicked *k = opaque;
    AioWaitCo wait = {};

    aio_wait_co_begin(&wait);
    while (!qatomic_read(&k->condition)) {
        k->looks++;
        aio_wait_co(&wait, INT64_MAX / 4);
    }
    aio_wait_co_end(&wait);
    k->done = true;
}

static void *kick_thread(void *opaque)
{
    Kicked *k = opaque;

    qatomic_set(&k->condition, true);
    aio_wait_kick();
    return NULL;
}

static void test_a_kick_wakes_a_coroutine(void)
{
    Kicked k = {};
    QemuThread thread;

    aio_co_enter(qemu_get_aio_context(), qemu_coroutine_create(wait_entry, &k));
    g_assert_cmpint(k.looks, ==, 1);
    qemu_thread_create(&thread, "kick", kick_thread, &k, QEMU_THREAD_JOINABLE);
    while (!k.done) {
        main_loop_wait(false);
    }
    qemu_thread_join(&thread);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    harness_add("/storage-call/a_result_comes_back", test_a_result_comes_back);
    harness_add("/storage-call/an_error_is_a_result", test_an_error_is_a_result);
    harness_add("/storage-call/without_threads_it_waits_here", test_without_threads_it_waits_here);
    harness_add("/storage-call/what_is_late_is_left_to_the_thread",
                test_what_is_late_is_left_to_the_thread);
    harness_add("/storage-call/a_coroutine_waits_while_others_run",
                test_a_coroutine_waits_while_others_run);
    harness_add("/storage-call/a_coroutine_gives_up", test_a_coroutine_gives_up);
    harness_add("/storage-call/too_many_are_refused", test_too_many_are_refused);
    harness_add("/storage-call/one_without_limit_can_be_interrupted",
                test_one_without_limit_can_be_interrupted);
    harness_add("/storage-call/a_kick_wakes_a_coroutine", test_a_kick_wakes_a_coroutine);
    return harness_run();
}
