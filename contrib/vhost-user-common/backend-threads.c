/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads of a back-end program, and which queue belongs to which. */
#include "qemu/osdep.h"
#include "backend-options.h"
#include "backend-threads.h"
#include "block/aio-wait.h"
#include "qemu/main-loop.h"
#include "system/iothread.h"

typedef struct Queue {
    AioContext *ctx; /* lives as long as its thread */
    bool closed;     /* queue's thread */
} Queue;

struct VuBackendThreads {
    unsigned int n;
    IOThread **threads;
    Queue *queues;
    int num_queues;
};

static unsigned int thread_of(VuBackend *backend, int queue)
{
    const VuBackendOptions *options = backend->options;

    if (options->queue_map) {
        return options->queue_map[queue];
    }
    return (backend->cls->queue_thread ? backend->cls->queue_thread(backend, queue) : queue) %
           options->threads;
}

VuBackendThreads *vu_backend_threads_new(VuBackend *backend, Error **errp)
{
    VuBackendThreads *t = g_new0(VuBackendThreads, 1);
    int wanted = backend->options->threads;

    t->threads = g_new0(IOThread *, wanted);
    t->num_queues = backend->cls->num_queues;
    t->queues = g_new0(Queue, t->num_queues);
    for (t->n = 0; t->n < wanted; t->n++) {
        g_autofree char *id = g_strdup_printf("thread%u", t->n);

        t->threads[t->n] = iothread_create(id, errp);
        if (!t->threads[t->n]) {
            vu_backend_threads_free(t);
            return NULL;
        }
    }
    for (int i = 0; i < t->num_queues; i++) {
        t->queues[i].ctx = wanted ? iothread_get_aio_context(t->threads[thread_of(backend, i)])
                                  : qemu_get_aio_context();
    }
    return t;
}

void vu_backend_threads_free(VuBackendThreads *t)
{
    if (t) {
        for (unsigned int i = 0; i < t->n; i++) {
            iothread_destroy(t->threads[i]);
        }
        g_free(t->threads);
        g_free(t->queues);
        g_free(t);
    }
}

AioContext *vu_backend_threads_context(const VuBackendThreads *t, int queue)
{
    return t->queues[queue].ctx;
}

static void close_bh(void *opaque)
{
    Queue *queue = opaque;

    queue->closed = true;
}

void vu_backend_threads_close(VuBackendThreads *t)
{
    for (int i = 0; i < t->num_queues; i++) {
        aio_wait_bh_oneshot(t->queues[i].ctx, close_bh, &t->queues[i]);
    }
}

bool vu_backend_threads_open(const VuBackendThreads *t, int queue)
{
    return !t->queues[queue].closed;
}
