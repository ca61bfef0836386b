/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIOTask: an operation that ends later, with a result or an Error, in a callback. */
#include "qemu/osdep.h"
#include "io/task.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"

/* The part of a task that exists from qio_task_run_in_thread() to its completion. */
typedef struct QIOTaskThread {
    QIOTask *task;
    QIOTaskWorker worker;
    gpointer opaque;
    GDestroyNotify destroy;
    GMainContext *context; /* referenced, or NULL for the default */
    GSource *completion;   /* made by the thread when the worker is done */
    QemuMutex lock;        /* held while @handle is being written */
    QemuThread handle;
} QIOTaskThread;

struct QIOTask {
    Object *source;
    QIOTaskFunc func;
    gpointer opaque;
    GDestroyNotify destroy;
    Error *err;
    gpointer result;
    GDestroyNotify result_destroy;
    QIOTaskThread *thread; /* NULL unless a worker runs or has run */
};

QIOTask *qio_task_new(Object *source, QIOTaskFunc func, gpointer opaque, GDestroyNotify destroy)
{
    QIOTask *task = g_new0(QIOTask, 1);

    task->source = object_ref(source);
    task->func = func;
    task->opaque = opaque;
    task->destroy = destroy;
    return task;
}

void qio_task_free(QIOTask *task)
{
    assert(!task->thread);
    if (task->destroy) {
        task->destroy(task->opaque);
    }
    if (task->result_destroy) {
        task->result_destroy(task->result);
    }
    error_free(task->err);
    object_unref(task->source);
    g_free(task);
}

void qio_task_complete(QIOTask *task)
{
    task->func(task, task->opaque);
}

static void complete_and_free(QIOTask *task)
{
    qio_task_complete(task);
    qio_task_free(task);
}

/* Wait for the end of the thread itself, which is near, and forget it. */
static void task_join(QIOTask *task)
{
    QIOTaskThread *thread = g_steal_pointer(&task->thread);

    WITH_QEMU_LOCK_GUARD (&thread->lock) {
        /* From here on the handle is valid. */
    }
    qemu_thread_join(&thread->handle);
    g_source_destroy(thread->completion);
    g_source_unref(thread->completion);
    if (thread->destroy) {
        thread->destroy(thread->opaque);
    }
    if (thread->context) {
        g_main_context_unref(thread->context);
    }
    qemu_mutex_destroy(&thread->lock);
    g_free(thread);
}

static gboolean task_thread_done(gpointer opaque)
{
    QIOTask *task = opaque;

    task_join(task);
    complete_and_free(task);
    return G_SOURCE_REMOVE;
}

static void *task_thread_run(void *opaque)
{
    QIOTaskThread *thread = opaque;

    thread->worker(thread->task, thread->opaque);

    thread->completion = g_idle_source_new();
    g_source_set_priority(thread->completion, G_PRIORITY_DEFAULT);
    g_source_set_callback(thread->completion, task_thread_done, thread->task, NULL);
    g_source_attach(thread->completion, thread->context);
    return NULL;
}

void qio_task_run_in_thread(QIOTask *task, QIOTaskWorker worker, gpointer opaque,
                            GDestroyNotify destroy, GMainContext *context)
{
    QIOTaskThread *thread = g_new0(QIOTaskThread, 1);

    assert(!task->thread);
    task->thread = thread;
    thread->task = task;
    thread->worker = worker;
    thread->opaque = opaque;
    thread->destroy = destroy;
    thread->context = context ? g_main_context_ref(context) : NULL;
    qemu_mutex_init(&thread->lock);

    /* The context may be another thread's, and the task complete before this returns. */
    QEMU_LOCK_GUARD(&thread->lock);
    qemu_thread_create(&thread->handle, "io-task-worker", task_thread_run, thread,
                       QEMU_THREAD_JOINABLE);
}

void qio_task_wait_thread(QIOTask *task)
{
    assert(task->thread);
    task_join(task);
    complete_and_free(task);
}

void qio_task_set_error(QIOTask *task, Error *err)
{
    error_propagate(&task->err, err);
}

bool qio_task_propagate_error(QIOTask *task, Error **errp)
{
    if (!task->err) {
        return false;
    }
    error_propagate(errp, g_steal_pointer(&task->err));
    return true;
}

void qio_task_set_result_pointer(QIOTask *task, gpointer result, GDestroyNotify notify)
{
    if (task->result_destroy) {
        task->result_destroy(task->result);
    }
    task->result = result;
    task->result_destroy = notify;
}

gpointer qio_task_get_result_pointer(QIOTask *task)
{
    return task->result;
}

Object *qio_task_get_source(QIOTask *task)
{
    return object_ref(task->source);
}
