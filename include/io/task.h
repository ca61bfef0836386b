/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QIOTask: an operation that ends later, with a result or an Error, in a callback.
 *
 * Theory of operation
 * -------------------
 * Somebody makes a task and either completes it himself (qio_task_complete(), qio_task_free()) or
 * has a blocking function run in a thread (qio_task_run_in_thread()); then the task completes in
 * the GMainContext named there, after the thread is done, and is freed. An Error that nobody took
 * (qio_task_propagate_error()) and a result that nobody replaced go with it.
 */
#ifndef QIO_TASK_H
#define QIO_TASK_H

#include "qom/object.h"

typedef struct QIOTask QIOTask;

/* Told the end of a task; it must not keep the task. */
typedef void (*QIOTaskFunc)(QIOTask *task, gpointer opaque);
/* The blocking work of a task, in its thread; says how it went by qio_task_set_*(). */
typedef void (*QIOTaskWorker)(QIOTask *task, gpointer opaque);

/*
 * A task on behalf of @source (referenced while the task lives). @func(task, @opaque)
 * is called at its end, then @destroy(@opaque) if not NULL.
 */
QIOTask *qio_task_new(Object *source, QIOTaskFunc func, gpointer opaque, GDestroyNotify destroy);

/* Free a task that has completed or will not; the callback is not called, @destroy is. */
void qio_task_free(QIOTask *task);

/*
 * Run @worker(task, @opaque) in a new thread, then complete the task from @context
 * (NULL: the default). @destroy(@opaque), if not NULL, is called there too.
 */
void qio_task_run_in_thread(QIOTask *task, QIOTaskWorker worker, gpointer opaque,
                            GDestroyNotify destroy, GMainContext *context);

/*
 * Block until the worker of qio_task_run_in_thread() is done and complete the task
 * here. Only from the thread of the task's context, before the task has completed.
 */
void qio_task_wait_thread(QIOTask *task);

/* Call the callback, once; the caller frees the task (qio_task_free()) afterwards. */
void qio_task_complete(QIOTask *task);

/* The task failed: take @err. Only once; NULL is ignored. */
void qio_task_set_error(QIOTask *task, Error *err);

/* Whether the task failed; if so, its Error moves to @errp (freed if that is NULL). */
bool qio_task_propagate_error(QIOTask *task, Error **errp);

/* Keep @result for the callback; freed by @notify, if not NULL, with the task. */
void qio_task_set_result_pointer(QIOTask *task, gpointer result, GDestroyNotify notify);
gpointer qio_task_get_result_pointer(QIOTask *task);

/* The object given to qio_task_new(), with a reference of its own (object_unref it). */
Object *qio_task_get_source(QIOTask *task);

#endif /* QIO_TASK_H */
