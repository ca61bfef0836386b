/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIOTask: results, errors, threads. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/task.h"
#include "qapi/error.h"
#include "qemu/thread.h"

#define TYPE_DUMMY "io-task-dummy"

typedef struct Outcome {
    unsigned calls;
    unsigned destroyed;
    bool failed;
    char *message;
    gpointer result;
    GThread *worker_thread;
    GThread *callback_thread;
    GMainLoop *loop;
} Outcome;

static unsigned dummies_alive;

static void dummy_init(Object *obj)
{
    dummies_alive++;
}

static void dummy_finalize(Object *obj)
{
    dummies_alive--;
}

static const TypeInfo dummy_types[] = {
    {
        .name = TYPE_DUMMY,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Object),
        .instance_init = dummy_init,
        .instance_finalize = dummy_finalize,
    },
};

DEFINE_TYPES(dummy_types)

static void on_end(QIOTask *task, gpointer opaque)
{
    Outcome *out = opaque;
    Error *err = NULL;

    out->calls++;
    out->callback_thread = g_thread_self();
    out->failed = qio_task_propagate_error(task, &err);
    out->message = err ? g_strdup(error_get_pretty(err)) : NULL;
    out->result = qio_task_get_result_pointer(task);
    error_free(err);
    if (out->loop) {
        g_main_loop_quit(out->loop);
    }
}

static void on_destroy(gpointer opaque)
{
    ((Outcome *)opaque)->destroyed++;
}

static QIOTask *new_task(Outcome *out)
{
    Object *source = object_new(TYPE_DUMMY);
    QIOTask *task = qio_task_new(source, on_end, out, on_destroy);
    Object *got = qio_task_get_source(task);

    g_assert_true(got == source);
    object_unref(got);
    object_unref(source);
    g_assert_cmpint(dummies_alive, ==, 1);
    return task;
}

static void assert_ended(const Outcome *out, const char *message)
{
    g_assert_cmpint(out->calls, ==, 1);
    g_assert_cmpint(out->destroyed, ==, 1);
    g_assert_cmpint(out->failed, ==, message != NULL);
    g_assert_cmpstr(out->message, ==, message);
    g_assert_cmpint(dummies_alive, ==, 0);
}

static void test_complete(void)
{
    Outcome out = { 0 };
    QIOTask *task = new_task(&out);

    qio_task_complete(task);
    g_assert_cmpint(out.calls, ==, 1);
    /* It is still there: whoever has completed it frees it. */
    g_assert_cmpint(out.destroyed, ==, 0);
    g_assert_cmpint(dummies_alive, ==, 1);
    qio_task_free(task);
    assert_ended(&out, NULL);
}

static void test_failure(void)
{
    Outcome out = { 0 };
    QIOTask *task = new_task(&out);
    Error *err = NULL;

    error_setg(&err, "too bad");
    qio_task_set_error(task, err);
    qio_task_complete(task);
    qio_task_free(task);
    assert_ended(&out, "too bad");
    g_free(out.message);
}

static void test_free(void)
{
    Outcome out = { 0 };
    QIOTask *task = new_task(&out);
    Error *err = NULL;

    error_setg(&err, "never seen");
    qio_task_set_error(task, err);
    qio_task_free(task);
    g_assert_cmpint(out.calls, ==, 0);
    g_assert_cmpint(out.destroyed, ==, 1);
    g_assert_cmpint(dummies_alive, ==, 0);
}

static unsigned results_freed;

static void free_result(gpointer opaque)
{
    results_freed++;
}

static void test_result(void)
{
    int first, second;
    Outcome out = { 0 };
    QIOTask *task = new_task(&out);

    results_freed = 0;
    qio_task_set_result_pointer(task, &first, free_result);
    qio_task_set_result_pointer(task, &second, free_result);
    g_assert_cmpint(results_freed, ==, 1);
    qio_task_complete(task);
    g_assert_true(out.result == &second);
    g_assert_cmpint(results_freed, ==, 1);
    qio_task_free(task);
    g_assert_cmpint(results_freed, ==, 2);
    assert_ended(&out, NULL);
}

static void worker(QIOTask *task, gpointer opaque)
{
    Outcome *out = opaque;
    Error *err = NULL;

    out->worker_thread = g_thread_self();
    error_setg(&err, "from the thread");
    qio_task_set_error(task, err);
}

static void run_worker(GMainContext *context)
{
    Outcome out = { .loop = g_main_loop_new(context, false) };

    qio_task_run_in_thread(new_task(&out), worker, &out, on_destroy, context);
    g_main_loop_run(out.loop);
    g_main_loop_unref(out.loop);
    g_assert_cmpint(out.destroyed, ==, 2);
    out.destroyed = 1;
    assert_ended(&out, "from the thread");
    g_assert_true(out.callback_thread == g_thread_self());
    g_assert_true(out.worker_thread != g_thread_self());
    g_free(out.message);
}

static void test_thread(void)
{
    run_worker(NULL);
}

static void test_thread_context(void)
{
    g_autoptr(GMainContext) context = g_main_context_new();

    run_worker(context);
}

static void test_thread_wait(void)
{
    Outcome out = { 0 };
    QIOTask *task = new_task(&out);

    qio_task_run_in_thread(task, worker, &out, NULL, NULL);
    qio_task_wait_thread(task);
    assert_ended(&out, "from the thread");
    /* Nothing may be left behind in the context that would complete it again. */
    while (g_main_context_iteration(NULL, FALSE)) {
        continue;
    }
    g_assert_cmpint(out.calls, ==, 1);
    g_free(out.message);
}

static void test_many_threads(void)
{
    for (unsigned i = 0; i < 300; i++) {
        run_worker(NULL);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    /* GLib keeps the wake-up descriptor of the default context. */
    g_main_context_iteration(NULL, FALSE);
    harness_add("/io/task/completion_calls_back_once_and_frees", test_complete);
    harness_add("/io/task/error_reaches_the_callback", test_failure);
    harness_add("/io/task/freed_task_does_not_call_back", test_free);
    harness_add("/io/task/replaced_result_is_freed", test_result);
    harness_add("/io/task/worker_runs_elsewhere_callback_here", test_thread);
    harness_add("/io/task/callback_comes_from_the_given_context", test_thread_context);
    harness_add("/io/task/waiting_completes_the_task_at_once", test_thread_wait);
    harness_add("/io/task/three_hundred_workers_leave_nothing", test_many_threads);
    return harness_run();
}
