/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user client that never pauses, and the others in its event loop.
 *
 * A bottom half that schedules itself anew stands for the others: it counts the turns of the loop.
 * Server, client and counter share the main loop's thread, so every number here is exact.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "harness.h"
#include "qapi/qapi-types-sockets.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"

#define MESSAGES 300

typedef struct Device {
    VuServer server;
    QEMUBH *counter;
    unsigned turns;     /* of the event loop */
    unsigned last_turn; /* in which something was done for the client */
    unsigned in_turn;   /* how much */
    unsigned most;      /* the most in one turn */
    unsigned done;
} Device;

/* Something was done for the client. */
static void device_worked(Device *device)
{
    device->in_turn = device->turns == device->last_turn ? device->in_turn + 1 : 1;
    device->last_turn = device->turns;
    device->most = MAX(device->most, device->in_turn);
    device->done++;
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    device_worked(container_of(dev, Device, server.vu_dev));
    return 0;
}

static const VuDevIface device_iface = { .process_msg = device_message };

static void device_turn_bh(void *opaque)
{
    Device *device = opaque;

    device->turns++;
    qemu_bh_schedule(device->counter);
}

static void device_begin(Device *device)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX, .u.q_unix.path = path };

    memset(device, 0, sizeof(*device));
    device->counter = qemu_bh_new(device_turn_bh, device);
    qemu_bh_schedule(device->counter);
    g_assert_true(vhost_user_server_start(&device->server, &addr, qemu_get_aio_context(), 2,
                                          &device_iface, &error_abort));
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
    device_begin(&device);
    sock = client_connect();
    g_assert_cmpint(write(sock, messages, sizeof(messages)), ==, sizeof(messages));
    while (device.done < MESSAGES) {
        main_loop_wait(false);
    }
    g_assert_cmpuint(device.most, ==, 1);
    close(sock);
    device_end(&device);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/vhost-user-server/fair/others_run_between_two_messages", test_messages);
    return harness_run();
}
