/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vhost-user front-end in a thread of its own, beside the main loop of the test. */
#ifndef TESTS_UNIT_VUS_CLIENT_THREAD_H
#define TESTS_UNIT_VUS_CLIENT_THREAD_H

#include "qemu/thread.h"
#include "vus-client.h"

typedef struct VusClientThread VusClientThread;

/* What the client does, in its thread. */
typedef void VusClientFn(VusClientThread *self);

struct VusClientThread {
    QemuThread thread;
    VusClientFn *fn;
    void *device; /* the test's */
    char *path;   /* where the device listens: "s" in the test's folder */
    bool stop;    /* atomic; asked for by the main loop */
    bool done;    /* atomic */
    uint64_t rounds;
};

/* Main thread. @device: what the client may find in @self. */
void vus_client_thread_start(VusClientThread *self, void *device, VusClientFn *fn);
/* Asks it to stop, and runs the main loop until it has. */
void vus_client_thread_join(VusClientThread *self);
/* Both. */
void vus_client_thread_run(void *device, VusClientFn *fn);

/* One more round is done; and the main loop waits for so many in all. */
void vus_client_thread_round_done(VusClientThread *self);
void vus_client_thread_wait_rounds(VusClientThread *self, uint64_t rounds);

/* Connects to the device, which must listen. The client's thread. */
void vus_client_thread_connect(VusClientThread *self, VusClient *client);

#endif
