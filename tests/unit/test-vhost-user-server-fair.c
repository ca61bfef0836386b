/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user client that never pauses, and the others in its event loop.
 *
 * A bottom half that schedules itself anew stands for the others: it counts the turns of the loop.
 * Server and counter share the main loop's thread. The counter may run first in one turn and last
 * in the next, and a kick may come beside a bottom half: hence the small numbers that are not 1.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "harness.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "qemu/vhost-user-server.h"
#include "vus-client.h"
#include "vus-server.h"

#define MESSAGES 300
#define REQUESTS 8

typedef struct Device {
    VuServer server;
    QEMUBH *counter;
    unsigned turns;     /* of the event loop */
    unsigned last_turn; /* in which something was done for the client */
    unsigned in_turn;   /* how much */
    unsigned most;      /* the most in one turn */
    unsigned done;
    bool start_first; /* the client starts its ring before it fills it */
} Device;

/* Something was done for the client. */
static void device_worked(Device *device)
{
    device->in_turn = device->turns == device->last_turn ? device->in_turn + 1 : 1;
    device->last_turn = device->turns;
    device->most = MAX(device->most, device->in_turn);
    qatomic_set(&device->done, device->done + 1);
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    device_worked(container_of(dev, Device, server.vu_dev));
    return 0;
}

static const VuDevIface message_iface = { .process_msg = device_message };

/* One request a turn. */
static void device_queue(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e = vu_queue_pop(dev, vq, sizeof(*e));

    if (e) {
        device_worked(container_of(dev, Device, server.vu_dev));
        vu_queue_push(dev, vq, e, 0);
        free(e);
        vu_queue_kick_later(dev, vq);
        vu_queue_kick_later(dev, vq);
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static const VuDevIface queue_iface = { .queue_set_started = device_started };

static void device_turn_bh(void *opaque)
{
    Device *device = opaque;

    device->turns++;
    qemu_bh_schedule(device->counter);
}

static void device_begin(Device *device, const VuDevIface *iface)
{
    memset(device, 0, sizeof(*device));
    device->counter = qemu_bh_new(device_turn_bh, device);
    qemu_bh_schedule(device->counter);
    vus_server_start(&device->server, "s", qemu_get_aio_context(), 2, iface);
}

static void device_end(Device *device)
{
    vhost_user_server_stop(&device->server);
    qemu_bh_delete(device->counter);
}

static int client_connect(void)
{
    g_autofree char *path = harness_tmpfile("s");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(sock, >=, 0);
    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    memcpy(addr.sun_path, path, strlen(path));
    g_assert_cmpint(connect(sock, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    return sock;
}

static void test_messages(void)
{
    uint32_t messages[MESSAGES][3];
    Device device;
    int sock;

    for (int i = 0; i < MESSAGES; i++) {
        messages[i][0] = VHOST_USER_SET_OWNER;
        messages[i][1] = 1;
        messages[i][2] = 0;
    }
    device_begin(&device, &message_iface);
    sock = client_connect();
    g_assert_cmpint(write(sock, messages, sizeof(messages)), ==, sizeof(messages));
    while (device.done < MESSAGES) {
        main_loop_wait(false);
    }
    g_assert_cmpuint(device.most, <=, 2);
    close(sock);
    device_end(&device);
}

static void *client_main(void *opaque)
{
    g_autofree char *path = harness_tmpfile("s");
    Device *device = opaque;
    VusClient client;

    g_assert_true(vus_client_connect(&client, path));
    if (device->start_first) {
        vus_client_start(&client);
    }
    for (int i = 0; i < REQUESTS; i++) {
        vus_client_submit(&client, i);
    }
    if (!device->start_first) {
        vus_client_start(&client);
    }
    while (qatomic_read(&device->done) < REQUESTS) {
        g_usleep(100);
    }
    vus_client_close(&client);
    return NULL;
}

static void test_kick_later(void)
{
    QemuThread thread;
    Device device;

    device_begin(&device, &queue_iface);
    qemu_thread_create(&thread, "client", client_main, &device, QEMU_THREAD_JOINABLE);
    while (device.done < REQUESTS) {
        main_loop_wait(false);
    }
    qemu_thread_join(&thread);
    g_assert_cmpuint(device.most, <=, 3);
    device_end(&device);
}

/* A bottom half may still be on its way when the client and the server go. */
static void test_stop(void)
{
    QemuThread thread;
    Device device;

    for (int i = 0; i < 20; i++) {
        device_begin(&device, &queue_iface);
        device.start_first = true;
        qemu_thread_create(&thread, "client", client_main, &device, QEMU_THREAD_JOINABLE);
        while (device.done < 1 + i % REQUESTS) {
            main_loop_wait(false);
        }
        vhost_user_server_stop(&device.server);
        qatomic_set(&device.done, REQUESTS);
        qemu_thread_join(&thread);
        qemu_bh_delete(device.counter);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/vhost-user-server/fair/others_run_between_two_messages", test_messages);
    harness_add("/vhost-user-server/fair/a_later_kick_comes_in_a_later_turn", test_kick_later);
    harness_add("/vhost-user-server/fair/stop_forgets_a_later_kick", test_stop);
    return harness_run();
}
