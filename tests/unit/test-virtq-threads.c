/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driver and device in two threads, in both layouts: data passes in the right order, and nobody
 * sleeps while there is something to do. For the thread sanitizer as well.
 *
 * Both sides sleep on their descriptor whenever they find nothing, so a notification that is lost
 * leaves one of them asleep for ever; the test gives up after a minute of that. The device
 * completes in an order of its own and in batches.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <pthread.h>

#include "harness.h"
#include "vu-driver.h"

#define REQUESTS   20000
#define NUM        32
#define DEPTH      8 /* chains of two buffers that may be out, so that both sides wait often */
#define HELD_MAX   4
#define PATIENCE_S 60

typedef struct Setup {
    const char *name;
    bool packed;
    uint64_t features;
} Setup;

static const Setup setups[] = {
    { "split", false, 0 },
    { "split_event_idx", false, VU_DRIVER_EVENT_IDX },
    { "split_in_order", false, VU_DRIVER_EVENT_IDX | VU_DRIVER_IN_ORDER },
    { "packed", true, 0 },
    { "packed_event_idx", true, VU_DRIVER_EVENT_IDX },
    { "packed_in_order", true, VU_DRIVER_EVENT_IDX | VU_DRIVER_IN_ORDER },
};

static void wait_for(int fd, const char *who)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    if (poll(&p, 1, PATIENCE_S * 1000) != 1) {
        g_error("%s was not woken up", who);
    }
    vu_ring_take_signal(fd);
}

/* ---- The device ---- */

typedef struct Device {
    VuDriver *d;
    pthread_t thread;
    int kick;
    VuDriverElem *held[HELD_MAX];
    unsigned int nheld;
    unsigned int served;
    uint32_t random;
} Device;

/* The answer to a number is its square. */
static void answer(VuDriverElem *e)
{
    const uint32_t *question = e->elem.out_sg[0].iov_base;

    g_assert_cmpuint(e->elem.out_sg[0].iov_len, ==, sizeof(uint32_t));
    g_assert_cmpuint(e->elem.in_sg[0].iov_len, ==, sizeof(uint32_t));
    *(uint32_t *)e->elem.in_sg[0].iov_base = *question * *question;
}

/* Complete all that are held, beginning anywhere. */
static void complete_held(Device *dev)
{
    VuDriver *d = dev->d;
    unsigned int n = dev->nheld;

    dev->random = dev->random * 1103515245 + 12345;
    for (unsigned int i = 0; i < n; i++) {
        VuDriverElem *e = dev->held[((dev->random >> 16) + i) % n];

        answer(e);
        if (dev->random & 0x8000) {
            vu_driver_push(d, e, sizeof(uint32_t));
            continue;
        }
        vu_queue_fill(d->dev, d->vq, &e->elem, sizeof(uint32_t), i);
        free(e);
    }
    if (n > 0 && !(dev->random & 0x8000)) {
        vu_queue_flush(d->dev, d->vq, n);
    }
    vu_queue_notify(d->dev, d->vq);
    dev->served += n;
    dev->nheld = 0;
}

static void *device_run(void *opaque)
{
    Device *dev = opaque;

    while (dev->served < REQUESTS) {
        VuDriverElem *e;

        while ((e = vu_driver_pop(dev->d))) {
            dev->held[dev->nheld++] = e;
            if (dev->nheld == HELD_MAX) {
                complete_held(dev);
            }
        }
        if (dev->nheld > 0) {
            complete_held(dev);
        } else if (dev->served < REQUESTS && vu_queue_empty(dev->d->dev, dev->d->vq)) {
            wait_for(dev->kick, "the device");
        }
    }
    return NULL;
}

/* ---- The driver ---- */

typedef struct Guest {
    VuDriver *d;
    int kick;
    uint32_t asked;
    uint32_t answered;
    uint32_t question[DEPTH];
    bool busy[DEPTH];
} Guest;

static uint32_t *cell(Guest *g, unsigned int slot, unsigned int which)
{
    return (uint32_t *)vu_rig_buffer(&g->d->rig, slot * 128 + which * 64);
}

static void ask(Guest *g, unsigned int slot)
{
    const VuPackedBuf bufs[] = { vu_driver_buf(g->d, slot * 128, 4, 0),
                                 vu_driver_buf(g->d, slot * 128 + 64, 4, VRING_DESC_F_WRITE) };
    uint16_t here = vu_driver_here(g->d);
    uint64_t one = 1;

    g->busy[slot] = true;
    g->question[slot] = g->asked;
    *cell(g, slot, 0) = g->asked++;
    *cell(g, slot, 1) = 0;
    vu_driver_offer(g->d, slot * 2, bufs, 2);
    if (vu_driver_must_kick(g->d, here)) {
        g_assert_cmpint(write(g->kick, &one, sizeof(one)), ==, sizeof(one));
    }
}

static bool take_answer(Guest *g)
{
    uint32_t chain, len, slot;

    if (!vu_driver_reap(g->d, &chain, &len)) {
        return false;
    }
    slot = chain / 2;
    g_assert_true(g->busy[slot]);
    g_assert_true(len == sizeof(uint32_t) || len == UINT32_MAX);
    g_assert_cmpuint(*cell(g, slot, 1), ==, g->question[slot] * g->question[slot]);
    if (g->d->in_order) {
        g_assert_cmpuint(g->question[slot], ==, g->answered);
    }
    g->busy[slot] = false;
    g->answered++;
    return true;
}

static void fill_up(Guest *g)
{
    for (unsigned int slot = 0; slot < DEPTH && g->asked < REQUESTS; slot++) {
        if (!g->busy[slot]) {
            ask(g, slot);
        }
    }
}

static void guest_run(Guest *g)
{
    while (g->answered < REQUESTS) {
        fill_up(g);
        if (take_answer(g)) {
            continue;
        }
        vu_driver_want_interrupt_after(g->d, 0);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!take_answer(g)) {
            wait_for(g->d->call, "the driver");
        }
    }
}

static void test_driver_and_device_in_two_threads(const void *data)
{
    const Setup *setup = data;
    VuDriver *d = vu_driver_new(setup->packed, setup->features, NUM);
    int kick = setup->packed ? d->ring.kick : d->split->kick;
    Device dev = { .d = d, .kick = kick };
    Guest guest = { .d = d, .kick = kick };

    g_assert_cmpint(pthread_create(&dev.thread, NULL, device_run, &dev), ==, 0);
    guest_run(&guest);
    pthread_join(dev.thread, NULL);
    g_assert_cmpuint(vu_queue_inuse(d->vq), ==, 0);
    vu_driver_free(d);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (unsigned int i = 0; i < G_N_ELEMENTS(setups); i++) {
        g_autofree char *path =
            g_strdup_printf("/virtq-threads/%s/driver_and_device_in_two_threads", setups[i].name);

        harness_add_data(path, &setups[i], test_driver_and_device_in_two_threads);
    }
    return harness_run();
}
