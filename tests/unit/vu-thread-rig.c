/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device with a thread for each queue, for tests.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/eventfd.h>

#include "vu-thread-rig.h"

static VuThreadRig *rig_of(VuDev *dev)
{
    return container_of(dev, VuThreadRig, dev);
}

/* ---- A queue's thread ---- */

static void run_order(VuThreadWorker *w)
{
    VuThreadOrder *order = w->order;

    if (order->fn) {
        order->fn(&w->rig->dev, vu_get_queue(&w->rig->dev, w->index), order->opaque);
    }
    pthread_mutex_lock(&w->mutex);
    order->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

static void *work(void *opaque)
{
    VuThreadWorker *w = opaque;
    bool end = false;

    while (!end) {
        struct pollfd p[2] = { { .fd = w->bell, .events = POLLIN },
                               { .fd = w->kick, .events = POLLIN } };

        g_assert_cmpint(poll(p, 2, -1), >, 0);
        if (p[0].revents) {
            vu_ring_take_signal(w->bell);
            end = !w->order->fn;
            run_order(w);
        } else {
            w->kick_cb(&w->rig->dev, VU_WATCH_IN, w->kick_data);
        }
    }
    return NULL;
}

static void give_order(VuThreadWorker *w, vu_queue_fn fn, void *opaque)
{
    VuThreadOrder order = { fn, opaque, false };
    uint64_t one = 1;

    pthread_mutex_lock(&w->mutex);
    w->order = &order;
    g_assert_cmpint(write(w->bell, &one, sizeof(one)), ==, sizeof(one));
    while (!order.done) {
        pthread_cond_wait(&w->cond, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void run_on_queue(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque)
{
    give_order(&rig_of(dev)->worker[vq->index], fn, opaque);
}

typedef struct Watch {
    int fd;
    vu_watch_cb cb;
    void *data;
} Watch;

static void queue_watch(VuDev *dev, VuVirtq *vq, void *opaque)
{
    const Watch *watch = opaque;
    VuThreadWorker *w = &rig_of(dev)->worker[vq->index];

    w->kick = watch->fd;
    w->kick_cb = watch->cb;
    w->kick_data = watch->data;
}

static void set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
    Watch watch = { fd, cb, data };

    give_order(&rig_of(dev)->worker[(uintptr_t)data], queue_watch, &watch);
}

static void queue_unwatch(VuDev *dev, VuVirtq *vq, void *opaque)
{
    VuThreadWorker *w = &rig_of(dev)->worker[vq->index];

    if (w->kick == *(int *)opaque) {
        w->kick = -1;
    }
}

static void remove_watch(VuDev *dev, int fd)
{
    for (int i = 0; i < VU_THREAD_QUEUES; i++) {
        give_order(&rig_of(dev)->worker[i], queue_unwatch, &fd);
    }
}

/* ---- Control ---- */

static bool wait_for(VuDev *dev, vu_ready_cb ready, void *opaque)
{
    VuThreadRig *rig = rig_of(dev);

    pthread_mutex_lock(&rig->mutex);
    while (!ready(dev, opaque)) {
        while (!rig->wake) {
            pthread_cond_wait(&rig->woken, &rig->mutex);
        }
        rig->wake = false;
    }
    pthread_mutex_unlock(&rig->mutex);
    return true;
}

static void wake(VuDev *dev)
{
    VuThreadRig *rig = rig_of(dev);

    pthread_mutex_lock(&rig->mutex);
    rig->wake = true;
    pthread_cond_signal(&rig->woken);
    pthread_mutex_unlock(&rig->mutex);
}

static const VuIoOps io_ops = { .wait = wait_for, .wake = wake, .run_on_queue = run_on_queue };

static void *control(void *opaque)
{
    VuThreadRig *rig = opaque;

    while (vu_dispatch(&rig->dev)) {
    }
    return NULL;
}

static void remember_panic(VuDev *dev, const char *err)
{
    g_string_append(rig_of(dev)->panic, err);
}

void vu_thread_rig_init(VuThreadRig *rig, int sock, const VuDevIface *iface)
{
    memset(rig, 0, sizeof(*rig));
    rig->panic = g_string_new("");
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->woken, NULL);
    g_assert_true(vu_init(&rig->dev, VU_THREAD_QUEUES, sock, remember_panic, NULL, set_watch,
                          remove_watch, iface));
    vu_set_io_ops(&rig->dev, &io_ops);
    for (int i = 0; i < VU_THREAD_QUEUES; i++) {
        VuThreadWorker *w = &rig->worker[i];

        w->rig = rig;
        w->index = i;
        w->kick = -1;
        w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->cond, NULL);
        g_assert_cmpint(pthread_create(&w->thread, NULL, work, w), ==, 0);
    }
    g_assert_cmpint(pthread_create(&rig->control, NULL, control, rig), ==, 0);
}

void vu_thread_rig_done(VuThreadRig *rig)
{
    pthread_join(rig->control, NULL);
    g_assert_cmpstr(rig->panic->str, ==, "");
    vu_deinit(&rig->dev);
    for (int i = 0; i < VU_THREAD_QUEUES; i++) {
        VuThreadWorker *w = &rig->worker[i];

        give_order(w, NULL, NULL);
        pthread_join(w->thread, NULL);
        close(w->bell);
        pthread_mutex_destroy(&w->mutex);
        pthread_cond_destroy(&w->cond);
    }
    pthread_mutex_destroy(&rig->mutex);
    pthread_cond_destroy(&rig->woken);
    g_string_free(rig->panic, true);
}
