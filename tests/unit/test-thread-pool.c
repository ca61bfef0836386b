/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread pool: every request completes once, in the home thread. */
#include "qemu/osdep.h"
#include "block/thread-pool.h"
#include "harness.h"
#include "no-threads.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"

static AioContext *ctx;
static int active;

typedef struct {
    BlockAIOCB *acb;
    int runs; /* atomic */
    int ret;
    QemuSemaphore *gate; /* to wait for in the worker */
} Call;

static int worker(void *opaque)
{
    Call *call = opaque;

    if (call->gate) {
        qemu_sem_wait(call->gate);
    }
    return qatomic_fetch_inc(&call->runs) + 10;
}

static void done(void *opaque, int ret)
{
    Call *call = opaque;

    g_assert_true(qemu_get_current_aio_context() == ctx);
    g_assert_cmpint(call->ret, ==, -EINPROGRESS);
    call->ret = ret;
    call->acb = NULL;
    active--;
}

static void submit(Call *call, QemuSemaphore *gate)
{
    *call = (Call){ .ret = -EINPROGRESS, .gate = gate };
    active++;
    call->acb = thread_pool_submit_aio(worker, call, done, call);
}

static void finish(void)
{
    while (active > 0) {
        aio_poll(ctx, true);
    }
}

typedef struct {
    const char *path;
    void (*fn)(void);
} PoolTest;

static void with_context(const void *opaque)
{
    const PoolTest *test = opaque;
    AioContext *before = qemu_get_current_aio_context();

    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);
    active = 0;
    test->fn();
    g_assert_cmpint(active, ==, 0);
    aio_context_unref(ctx);
    qemu_set_current_aio_context(before);
}

static void test_result_arrives(void)
{
    Call call;

    submit(&call, NULL);
    g_assert_cmpint(call.ret, ==, -EINPROGRESS);
    finish();
    g_assert_cmpint(call.ret, ==, 10);
    g_assert_cmpint(call.runs, ==, 1);
}

static int say_ran(void *opaque)
{
    qemu_sem_post(opaque);
    return 0;
}

static void test_nobody_to_call(void)
{
    QemuSemaphore ran;
    Call after;

    /* One thread takes them in their order. */
    aio_context_set_thread_pool_params(ctx, 0, 1, &error_abort);
    qemu_sem_init(&ran, 0);
    g_assert_nonnull(thread_pool_submit_aio(say_ran, &ran, NULL, NULL));
    qemu_sem_wait(&ran);
    /* One that somebody waits for: until it has come, the other has gone. */
    submit(&after, NULL);
    while (active) {
        aio_poll(ctx, true);
    }
    g_assert_cmpint(after.ret, ==, 10);
    qemu_sem_destroy(&ran);
}

static void test_many(void)
{
    enum {
        N = 2000
    };
    g_autofree Call *calls = g_new(Call, N);

    aio_context_set_thread_pool_params(ctx, 0, 4, &error_abort);
    for (int i = 0; i < N; i++) {
        submit(&calls[i], NULL);
    }
    g_assert_cmpint(thread_pool_nr_threads(aio_get_thread_pool(ctx)), <=, 4);
    finish();
    for (int i = 0; i < N; i++) {
        g_assert_cmpint(calls[i].ret, ==, 10);
    }
}

static void test_cancelled_if_not_begun(void)
{
    QemuSemaphore gate;
    Call calls[6];

    aio_context_set_thread_pool_params(ctx, 0, 1, &error_abort);
    qemu_sem_init(&gate, 0);
    for (int i = 0; i < 6; i++) {
        submit(&calls[i], &gate);
    }
    /* At most the first has a thread; the last two are cancelled in either way. */
    bdrv_aio_cancel_async(calls[4].acb);
    g_assert_cmpint(calls[4].ret, ==, -EINPROGRESS);
    bdrv_aio_cancel(calls[5].acb);
    g_assert_cmpint(calls[5].ret, ==, -ECANCELED);
    for (int i = 0; i < 6; i++) {
        qemu_sem_post(&gate);
    }
    finish();
    g_assert_cmpint(calls[4].ret, ==, -ECANCELED);
    g_assert_cmpint(calls[4].runs, ==, 0);
    for (int i = 0; i < 4; i++) {
        g_assert_cmpint(calls[i].ret, ==, 10);
    }
    qemu_sem_destroy(&gate);
}

static void *open_gate(void *opaque)
{
    qemu_sem_post(opaque);
    return NULL;
}

static int say_begun(void *opaque)
{
    QemuSemaphore *sems = opaque;

    qemu_sem_post(&sems[0]);
    qemu_sem_wait(&sems[1]);
    return 3;
}

static void test_begun_runs_to_its_end(void)
{
    Call call = { .ret = -EINPROGRESS };
    QemuSemaphore sems[2];
    QemuThread thread;

    qemu_sem_init(&sems[0], 0);
    qemu_sem_init(&sems[1], 0);
    active++;
    call.acb = thread_pool_submit_aio(say_begun, sems, done, &call);
    qemu_sem_wait(&sems[0]);
    qemu_thread_create(&thread, "gate", open_gate, &sems[1], QEMU_THREAD_JOINABLE);
    bdrv_aio_cancel(call.acb);
    g_assert_cmpint(call.ret, ==, 3);
    qemu_thread_join(&thread);
    qemu_sem_destroy(&sems[0]);
    qemu_sem_destroy(&sems[1]);
}

static void wait_for_another(void *opaque, int ret)
{
    Call *other = opaque;

    while (other->ret == -EINPROGRESS) {
        aio_poll(ctx, true);
    }
    active--;
}

static void test_callback_may_wait_for_another_request(void)
{
    for (int i = 0; i < 50; i++) {
        Call first, second;

        first.runs = 0;
        first.gate = NULL;
        active++;
        thread_pool_submit_aio(worker, &first, wait_for_another, &second);
        submit(&second, NULL);
        finish();
        g_assert_cmpint(second.ret, ==, 10);
    }
}

static void coroutine_fn co_entry(void *opaque)
{
    Call *call = opaque;

    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(thread_pool_submit_co(worker, call), ==, 10 + i);
    }
    active--;
}

static void test_coroutine_gets_the_result(void)
{
    Call calls[20] = { 0 };

    for (int i = 0; i < 20; i++) {
        active++;
        qemu_coroutine_enter(qemu_coroutine_create(co_entry, &calls[i]));
    }
    finish();
    for (int i = 0; i < 20; i++) {
        g_assert_cmpint(calls[i].runs, ==, 10);
    }
}

static void wait_for_threads(int n)
{
    while (thread_pool_nr_threads(aio_get_thread_pool(ctx)) != n) {
        g_thread_yield();
    }
}

static void test_threads_follow_their_limits(void)
{
    QemuSemaphore gate;
    Call calls[8];

    qemu_sem_init(&gate, 0);
    for (int i = 0; i < 8; i++) {
        submit(&calls[i], &gate);
    }
    wait_for_threads(8);
    aio_context_set_thread_pool_params(ctx, 2, 3, &error_abort);
    for (int i = 0; i < 8; i++) {
        qemu_sem_post(&gate);
    }
    finish();
    wait_for_threads(3);
    thread_pool_set_idle_ms(aio_get_thread_pool(ctx), 1);
    wait_for_threads(2);
    aio_context_set_thread_pool_params(ctx, 4, 4, &error_abort);
    wait_for_threads(4);
    submit(&calls[0], NULL);
    finish();
    g_assert_cmpint(calls[0].ret, ==, 10);
    qemu_sem_destroy(&gate);
}

/* They may be waiting for a disk that never answers; others are served all the same. */
static void test_those_that_are_stuck_do_not_count(void)
{
    ThreadPoolAio *pool = aio_get_thread_pool(ctx);
    QemuSemaphore gate;
    Call stuck[6], quick;

    qemu_sem_init(&gate, 0);
    aio_context_set_thread_pool_params(ctx, 0, 2, &error_abort);
    for (int i = 0; i < 6; i++) {
        submit(&stuck[i], &gate);
    }
    submit(&quick, NULL);
    while (quick.ret == -EINPROGRESS) {
        aio_poll(ctx, true);
    }
    g_assert_cmpint(active, ==, 6);
    g_assert_cmpint(thread_pool_nr_threads(pool), >, 2);
    for (int i = 0; i < 6; i++) {
        qemu_sem_post(&gate);
    }
    finish();
    thread_pool_set_idle_ms(pool, 1);
    while (thread_pool_nr_threads(pool) > 2) {
        g_usleep(1000);
    }
    qemu_sem_destroy(&gate);
}

static void test_runs_at_home_without_threads(void)
{
    Call calls[3];

    no_threads = true;
    for (int i = 0; i < 3; i++) {
        submit(&calls[i], NULL);
        g_assert_cmpint(calls[i].ret, ==, -EINPROGRESS);
    }
    g_assert_cmpint(thread_pool_nr_threads(aio_get_thread_pool(ctx)), ==, 0);
    bdrv_aio_cancel_async(calls[2].acb);
    finish();
    no_threads = false;
    submit(&calls[0], NULL);
    finish();
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(calls[i].ret, ==, 10);
        g_assert_cmpint(calls[i].runs, ==, 1);
    }
    g_assert_cmpint(thread_pool_nr_threads(aio_get_thread_pool(ctx)), ==, 1);
}

static void test_one_thread_does_the_work_of_many(void)
{
    Call calls[20];
    QemuSemaphore gate;

    qemu_sem_init(&gate, 0);
    submit(&calls[0], &gate);
    no_threads = true;
    for (int i = 1; i < 20; i++) {
        submit(&calls[i], NULL);
    }
    g_assert_cmpint(thread_pool_nr_threads(aio_get_thread_pool(ctx)), ==, 1);
    qemu_sem_post(&gate);
    finish();
    no_threads = false;
    for (int i = 0; i < 20; i++) {
        g_assert_cmpint(calls[i].ret, ==, 10);
    }
    qemu_sem_destroy(&gate);
}

static const PoolTest tests[] = {
    { "/thread-pool/result_arrives_by_callback", test_result_arrives },
    { "/thread-pool/a_request_needs_no_callback", test_nobody_to_call },
    { "/thread-pool/none_of_many_is_lost", test_many },
    { "/thread-pool/cancelled_if_not_begun", test_cancelled_if_not_begun },
    { "/thread-pool/begun_runs_to_its_end", test_begun_runs_to_its_end },
    { "/thread-pool/callback_may_wait_for_another_request",
      test_callback_may_wait_for_another_request },
    { "/thread-pool/coroutine_gets_the_result", test_coroutine_gets_the_result },
    { "/thread-pool/threads_follow_their_limits", test_threads_follow_their_limits },
    { "/thread-pool/those_that_are_stuck_do_not_count", test_those_that_are_stuck_do_not_count },
    { "/thread-pool/runs_at_home_without_threads", test_runs_at_home_without_threads },
    { "/thread-pool/one_thread_does_the_work_of_many", test_one_thread_does_the_work_of_many },
};

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        harness_add_data(tests[i].path, &tests[i], with_context);
    }
    return harness_run();
}
