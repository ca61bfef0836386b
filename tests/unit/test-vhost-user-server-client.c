/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user server without a listener, whose clients are added by hand, and queues that are
 * handled for the sake of something else than a kick.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "block/aio-wait.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vus-client.h"

enum {
    REQUESTS = 500,
    TIMEOUT_MS = 60 * 1000
};

typedef struct Device {
    VuServer server;
    unsigned gone;  /* clients that have gone; main loop */
    bool own_kicks; /* answer only when told so by a bottom half; constant while it serves */
    bool told;      /* queue's context */
    uint64_t beats; /* atomic */
    bool stop;      /* atomic: the bottom half is to end */
    bool stopped;   /* atomic: it has */
} Device;

static IOThread *thread;

/* Queue's context */

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *elem;
    uint64_t value;

    if (device->own_kicks && !device->told) {
        return;
    }
    while ((elem = vu_queue_pop(dev, vq, sizeof(*elem)))) {
        memcpy(&value, elem->out_sg[0].iov_base, sizeof(value));
        value++;
        memcpy(elem->in_sg[0].iov_base, &value, sizeof(value));
        vu_queue_push(dev, vq, elem, sizeof(value));
        free(elem);
    }
    vu_queue_notify(dev, vq);
}

/* Goes on and on, over starts and ends of clients. */
static void device_beat_bh(void *opaque)
{
    Device *device = opaque;

    if (qatomic_read(&device->stop)) {
        qatomic_set_mb(&device->stopped, true);
        aio_wait_kick();
        return;
    }
    device->told = true;
    vhost_user_server_kick_queue(&device->server, 0);
    device->told = false;
    qatomic_inc(&device->beats);
    aio_bh_schedule_oneshot(qemu_get_current_aio_context(), device_beat_bh, device);
}

/* Main loop */

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static const VuDevIface device_iface = { .queue_set_started = device_started };

static void device_gone(VuServer *server)
{
    Device *device = container_of(server, Device, server);

    device->gone++;
}

static void device_start(Device *device, AioContext *queue_ctx)
{
    *device = (Device){};
    g_assert_true(vhost_user_server_start(&device->server, NULL, qemu_get_aio_context(),
                                          VUS_CLIENT_QUEUES, &device_iface, &error_abort));
    device->server.client_gone = device_gone;
    vhost_user_server_set_queue_aio_context(&device->server, 0, queue_ctx);
}

/* Our end of a new connection whose other end the server got; or the error. */
static int device_connect(Device *device, Error **errp)
{
    QIOChannelSocket *sioc;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    sioc = qio_channel_socket_new_fd(fds[0], &error_abort);
    if (!vhost_user_server_add_client(&device->server, sioc, errp)) {
        close(fds[1]);
        fds[1] = -1;
    }
    object_unref(OBJECT(sioc));
    return fds[1];
}

static void wait_for_gone(Device *device, unsigned number)
{
    while (device->gone < number) {
        main_loop_wait(false);
    }
}

/* The client, in its own thread */

typedef struct ClientThread {
    QemuThread thread;
    int sock;
    bool done; /* atomic */
} ClientThread;

static void *client_thread(void *opaque)
{
    ClientThread *c = opaque;
    VusClient client;

    vus_client_adopt(&client, c->sock);
    vus_client_start(&client);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        uint64_t answer = 0;

        vus_client_submit(&client, i);
        g_assert_true(vus_client_complete(&client, TIMEOUT_MS, &answer));
        g_assert_cmpuint(answer, ==, i + 1);
    }
    vus_client_close(&client);
    qatomic_set(&c->done, true);
    qemu_notify_event();
    return NULL;
}

/* A client's whole life, while the main loop runs. */
static void serve_one(Device *device)
{
    ClientThread c = { .sock = device_connect(device, &error_abort) };

    qemu_thread_create(&c.thread, "client", client_thread, &c, QEMU_THREAD_JOINABLE);
    while (!qatomic_read(&c.done)) {
        main_loop_wait(false);
    }
    qemu_thread_join(&c.thread);
}

/* Tests */

static void test_clients_added_by_hand_are_served_one_after_the_other(void)
{
    Device device;

    device_start(&device, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        serve_one(&device);
        wait_for_gone(&device, i);
    }
    vhost_user_server_stop(&device.server);
    g_assert_cmpuint(device.gone, ==, 3);
}

static void test_a_second_client_is_refused_while_the_first_is_served(void)
{
    Device device;
    Error *err = NULL;
    int first;

    device_start(&device, NULL);
    first = device_connect(&device, &error_abort);
    g_assert_cmpint(device_connect(&device, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "A client is being served already");
    error_free(err);
    close(first);
    wait_for_gone(&device, 1);
    vhost_user_server_stop(&device.server);
}

static void test_a_server_with_a_client_of_its_own_can_be_stopped(void)
{
    Device device;
    int first;

    device_start(&device, iothread_get_aio_context(thread));
    first = device_connect(&device, &error_abort);
    vhost_user_server_stop(&device.server);
    g_assert_cmpuint(device.gone, ==, 0);
    close(first);
}

static void test_a_queue_is_handled_for_other_reasons_than_kicks(void)
{
    AioContext *ctx = iothread_get_aio_context(thread);
    Device device;

    device_start(&device, ctx);
    device.own_kicks = true;
    aio_bh_schedule_oneshot(ctx, device_beat_bh, &device);
    /* Nobody is served: it must do no harm. */
    while (qatomic_read(&device.beats) < 100) {
        g_thread_yield();
    }
    for (unsigned i = 1; i <= 3; i++) {
        serve_one(&device);
        wait_for_gone(&device, i);
    }
    qatomic_set(&device.stop, true);
    AIO_WAIT_WHILE(NULL, !qatomic_load_acquire(&device.stopped));
    vhost_user_server_stop(&device.server);
}

int main(int argc, char **argv)
{
    int status;

    harness_init(&argc, &argv);
    signal(SIGPIPE, SIG_IGN);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    thread = iothread_create("queue", &error_abort);
    harness_add("/vhost-user-server/clients_added_by_hand_are_served_one_after_the_other",
                test_clients_added_by_hand_are_served_one_after_the_other);
    harness_add("/vhost-user-server/a_second_client_is_refused_while_the_first_is_served",
                test_a_second_client_is_refused_while_the_first_is_served);
    harness_add("/vhost-user-server/a_server_with_a_client_of_its_own_can_be_stopped",
                test_a_server_with_a_client_of_its_own_can_be_stopped);
    harness_add("/vhost-user-server/a_queue_is_handled_for_other_reasons_than_kicks",
                test_a_queue_is_handled_for_other_reasons_than_kicks);
    status = harness_run();
    iothread_destroy(thread);
    return status;
}
