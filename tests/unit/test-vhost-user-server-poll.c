/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Busy polling of the vhost-user server's rings: what is found without a kick, and when the guest
 * must kick again.
 *
 * The ring is without event indices, so its flags say whether the guest is to kick. The client
 * connects in a thread; then the main thread is guest and device by turns.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/vhost-user-server.h"
#include "util/aio-posix.h"
#include "vus-client-thread.h"
#include "vus-server.h"

typedef struct Device {
    VuServer server;
    VusClient client;
    unsigned popped;
    bool break_it; /* call the device broken instead of answering */
} Device;

/* The device answers each number with its successor, in the main loop. */

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *elem;
    uint64_t value;

    dev->broken = device->break_it;
    while (!dev->broken && (elem = vu_queue_pop(dev, vq, sizeof(*elem)))) {
        memcpy(&value, elem->out_sg[0].iov_base, sizeof(value));
        value++;
        memcpy(elem->in_sg[0].iov_base, &value, sizeof(value));
        vu_queue_push(dev, vq, elem, sizeof(value));
        vu_queue_notify(dev, vq);
        free(elem);
        device->popped++;
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static uint64_t device_features(VuDev *dev)
{
    return 1ull << VIRTIO_F_VERSION_1;
}

static const VuDevIface device_iface = {
    .get_features = device_features,
    .queue_set_started = device_started,
};

static void client_connects(VusClientThread *self)
{
    Device *device = self->device;

    vus_client_thread_connect(self, &device->client);
    vus_client_start(&device->client);
}

/* Long enough for one look at least, which is what the first waits for. */
static void poll_always(void)
{
    AioContext *ctx = qemu_get_aio_context();

    aio_context_set_poll_params(ctx, 100 * SCALE_MS, 0, 0, &error_abort);
    ctx->poll.ns = ctx->poll_max_ns;
    ctx->poll.avg_ns = 0;
    ctx->poll.vain_ns = 0; /* what was polled in vain before does not count */
}

static void nothing(void *opaque)
{
}

/* The loop sleeps at least once. */
static void let_sleep(void)
{
    AioContext *ctx = qemu_get_aio_context();
    bool done = false;
    QEMUTimer *timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, nothing, &done);

    ctx->poll.ns = 0;
    timer_mod(timer, get_clock() + SCALE_MS);
    while (timer_pending(timer)) {
        aio_poll(ctx, true);
    }
    timer_free(timer);
}

static Device *device_new(void)
{
    Device *device = g_new0(Device, 1);

    vus_server_start(&device->server, "s", qemu_get_aio_context(), 1, &device_iface);
    vus_client_thread_run(device, client_connects);
    /* Perhaps it has not slept since the last message, and still looks at the ring itself. */
    let_sleep();
    return device;
}

static void device_free(Device *device)
{
    vus_client_close(&device->client);
    vhost_user_server_stop(&device->server);
    g_free(device);
}

static bool kick_wanted(Device *device)
{
    uint16_t flags = qatomic_read(&device->client.rings[0].used->flags);

    return !(le16_to_cpu(flags) & VRING_USED_F_NO_NOTIFY);
}

static void expect_answer(Device *device, uint64_t expected)
{
    uint64_t value = 0;

    g_assert_true(vus_client_complete(&device->client, 0, &value));
    g_assert_cmpuint(value, ==, expected);
}

static void serve(Device *device, unsigned popped)
{
    while (device->popped < popped) {
        aio_poll(qemu_get_aio_context(), true);
    }
}

static void test_no_kick_needed(void)
{
    Device *device = device_new();

    g_assert_true(kick_wanted(device));
    for (int i = 0; i < 20; i++) {
        poll_always();
        vus_client_offer_on(&device->client, 0, i);
        serve(device, i + 1);
        expect_answer(device, i + 1);
        /* It goes on polling, so the next one need not kick either. */
        g_assert_false(kick_wanted(device));
    }
    g_assert_cmpuint(device->popped, ==, 20);
    device_free(device);
}

static void test_main_loop_polls(void)
{
    Device *device = device_new();

    for (int i = 0; i < 20; i++) {
        poll_always();
        vus_client_offer_on(&device->client, 0, i);
        while (device->popped == i) {
            main_loop_wait(false);
        }
        expect_answer(device, i + 1);
    }
    device_free(device);
}

static void test_sleeper_is_kicked(void)
{
    Device *device = device_new();

    poll_always();
    vus_client_offer_on(&device->client, 0, 1);
    serve(device, 1);
    expect_answer(device, 2);
    g_assert_false(kick_wanted(device));
    let_sleep();
    g_assert_true(kick_wanted(device));
    vus_client_submit(&device->client, 5);
    serve(device, 2);
    expect_answer(device, 6);
    device_free(device);
}

/* It may come between the last look and the wish for a kick. */
static void test_late_request_is_seen(void)
{
    Device *device = device_new();

    poll_always();
    vus_client_offer_on(&device->client, 0, 1);
    serve(device, 1);
    expect_answer(device, 2);
    vus_client_offer_on(&device->client, 0, 7);
    let_sleep();
    expect_answer(device, 8);
    device_free(device);
}

static void test_drain_ends_polling(void)
{
    Device *device = device_new();

    poll_always();
    vus_client_offer_on(&device->client, 0, 1);
    serve(device, 1);
    g_assert_false(kick_wanted(device));
    vus_server_drain(&device->server);
    g_assert_true(kick_wanted(device));
    vus_client_offer_on(&device->client, 0, 3);
    poll_always();
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
    g_assert_cmpuint(device->popped, ==, 1);

    vus_server_drain_end(&device->server, qemu_get_aio_context());
    serve(device, 2);
    expect_answer(device, 2);
    expect_answer(device, 4);
    device_free(device);
}

static void test_broken_while_polling(void)
{
    Device *device = device_new();

    poll_always();
    device->break_it = true;
    vus_client_offer_on(&device->client, 0, 1);
    while (qatomic_read(&device->server.life) != VU_SERVER_LISTENING) {
        main_loop_wait(false);
    }
    g_assert_cmpuint(device->popped, ==, 0);
    device_free(device);
}

static const struct {
    const char *path;
    void (*fn)(void);
} tests[] = {
    { "/vhost-user-server/poll/request_is_found_without_a_kick", test_no_kick_needed },
    { "/vhost-user-server/poll/main_loop_finds_it_too", test_main_loop_polls },
    { "/vhost-user-server/poll/guest_kicks_a_loop_that_has_slept", test_sleeper_is_kicked },
    { "/vhost-user-server/poll/request_before_the_sleep_is_seen", test_late_request_is_seen },
    { "/vhost-user-server/poll/drain_ends_polling", test_drain_ends_polling },
    { "/vhost-user-server/poll/device_broken_by_a_polled_request_is_disconnected",
      test_broken_while_polling },
};

static void run_test(const void *opaque)
{
    void (*const *fn)(void) = opaque;

    if (qemu_get_aio_context()->fdmon_ops->poll_ready) {
        (*fn)();
    } else {
        g_test_skip("without io_uring a loop cannot poll for the client's socket");
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    main_loop_wait(true);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        harness_add_data(tests[i].path, &tests[i].fn, run_test);
    }
    return harness_run();
}
