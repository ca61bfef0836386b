/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device with a thread of its own for each queue and one for the messages, for tests.
 * Locks are pthread's, which the thread sanitizer sees.
 */
#ifndef TESTS_UNIT_VU_THREAD_RIG_H
#define TESTS_UNIT_VU_THREAD_RIG_H

#include <pthread.h>

#include "vu-client.h"

#define VU_THREAD_QUEUES 3

typedef struct VuThreadRig VuThreadRig;

/* What control wants to be done in a queue's thread. */
typedef struct VuThreadOrder {
    vu_queue_fn fn; /* NULL: end */
    void *opaque;
    bool done;
} VuThreadOrder;

typedef struct VuThreadWorker {
    VuThreadRig *rig;
    unsigned int index;
    pthread_t thread;
    pthread_mutex_t mutex; /* order, done */
    pthread_cond_t cond;
    VuThreadOrder *order;
    int bell;
    int kick; /* own thread */
    vu_watch_cb kick_cb;
    void *kick_data;
} VuThreadWorker;

struct VuThreadRig {
    VuDev dev;
    VuThreadWorker worker[VU_THREAD_QUEUES];
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool wake;
    pthread_t control;
    GString *panic;
};

/* Begin to serve @sock, which the device owns. */
void vu_thread_rig_init(VuThreadRig *rig, int sock, const VuDevIface *iface);
/* The other end of the socket has been shut down: wait for all threads; nothing went wrong. */
void vu_thread_rig_done(VuThreadRig *rig);

#endif
