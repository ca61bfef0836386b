/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "iothread.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"

struct IOThread {
    QemuThread thread;
    QemuEvent ready;
    AioContext *ctx;
    bool stop; /* in the thread */
};

static void *loop(void *opaque)
{
    IOThread *self = opaque;
    g_autoptr(GMainContext) gcontext = g_main_context_new();
    GSource *source;

    rcu_register_thread();
    self->ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(self->ctx);
    source = aio_get_g_source(self->ctx);
    g_source_attach(source, gcontext);
    g_source_unref(source);
    g_main_context_push_thread_default(gcontext);
    qemu_event_set(&self->ready);
    while (!self->stop) {
        aio_poll(self->ctx, true);
    }
    g_main_context_pop_thread_default(gcontext);
    rcu_unregister_thread();
    return NULL;
}

IOThread *iothread_new(void)
{
    IOThread *iothread = g_new0(IOThread, 1);

    qemu_event_init(&iothread->ready, false);
    /* Threads need no name. */
    qemu_thread_create(&iothread->thread, NULL, loop, iothread, QEMU_THREAD_JOINABLE);
    qemu_event_wait(&iothread->ready);
    return iothread;
}

static void stop(void *opaque)
{
    ((IOThread *)opaque)->stop = true;
}

void iothread_join(IOThread *iothread)
{
    aio_bh_schedule_oneshot(iothread->ctx, stop, iothread);
    qemu_thread_join(&iothread->thread);
    qemu_event_destroy(&iothread->ready);
    aio_context_unref(iothread->ctx);
    g_free(iothread);
}

AioContext *iothread_get_aio_context(IOThread *iothread)
{
    return iothread->ctx;
}
