/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vhost-user front-end in a thread of its own. */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "harness.h"
#include "vus-client-thread.h"

static void *client_main(void *opaque)
{
    VusClientThread *self = opaque;

    self->fn(self);
    qatomic_set_mb(&self->done, true);
    qemu_notify_event();
    return NULL;
}

void vus_client_thread_start(VusClientThread *self, void *device, VusClientFn *fn)
{
    *self = (VusClientThread){ .fn = fn, .device = device, .path = harness_tmpfile("s") };
    qemu_thread_create(&self->thread, "client", client_main, self, QEMU_THREAD_JOINABLE);
}

void vus_client_thread_join(VusClientThread *self)
{
    qatomic_set(&self->stop, true);
    while (!qatomic_read(&self->done)) {
        main_loop_wait(false);
    }
    qemu_thread_join(&self->thread);
    g_free(self->path);
}

void vus_client_thread_run(void *device, VusClientFn *fn)
{
    VusClientThread client;

    vus_client_thread_start(&client, device, fn);
    vus_client_thread_join(&client);
}

void vus_client_thread_round_done(VusClientThread *self)
{
    qatomic_set_mb(&self->rounds, self->rounds + 1);
    qemu_notify_event();
}

void vus_client_thread_wait_rounds(VusClientThread *self, uint64_t rounds)
{
    while (qatomic_load_acquire(&self->rounds) < rounds) {
        main_loop_wait(false);
    }
}

void vus_client_thread_connect(VusClientThread *self, VusClient *client)
{
    g_assert_true(vus_client_connect(client, self->path));
}
