/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device on the vhost-user server that asks its front-end and waits for the answer: what goes on
 * meanwhile, and what ends the wait.
 *
 * The device announces a shared object in the middle of the message SET_OWNER, or for a request on
 * its ring. Two devices share the main loop's thread; the client of both is a thread.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "harness.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "system/iothread.h"
#include "vus-client-thread.h"
#include "vus-server.h"

#define BIT(n) (1ull << (n))
/* As libvhost-user's; a wait that something else ends is much shorter. */
#define BOUND_US 5000000
#define SHORT_US 4000000

typedef struct Device {
    VuServer server;
    /* atomic */
    bool yes; /* what the last wait ended with */
    int64_t waited_us;
    unsigned ended; /* waits; written last */
} Device;

typedef struct Request {
    VuVirtqElement elem;
    Device *device;
} Request;

static Device asking, other;
static IOThread *thread;
static const unsigned char uuid[16] = "which object is";

/* The device (home context) */

static void device_ask(Device *device)
{
    int64_t begin = g_get_monotonic_time();

    qatomic_set(&device->yes, vu_add_shared_object(&device->server.vu_dev, (unsigned char *)uuid));
    qatomic_set(&device->waited_us, g_get_monotonic_time() - begin);
    qatomic_set_mb(&device->ended, device->ended + 1);
}

static int device_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    if (msg->request == VHOST_USER_SET_OWNER) {
        device_ask(container_of(dev, Device, server.vu_dev));
    }
    return 0;
}

static void coroutine_fn device_co_request(void *opaque)
{
    Request *request = opaque;
    Device *device = request->device;
    VuDev *dev = &device->server.vu_dev;
    VuVirtq *vq = vu_get_queue(dev, 0);

    device_ask(device);
    vu_queue_push(dev, vq, &request->elem, 0);
    vu_queue_notify(dev, vq);
    free(request);
    vhost_user_server_dec_in_flight(&device->server);
}

static void device_queue(VuDev *dev, int qidx)
{
    Device *device = container_of(dev, Device, server.vu_dev);
    Request *request;

    while ((request = vu_queue_pop(dev, vu_get_queue(dev, qidx), sizeof(*request)))) {
        request->device = device;
        vhost_user_server_inc_in_flight(&device->server);
        qemu_coroutine_enter(qemu_coroutine_create(device_co_request, request));
    }
}

static void device_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? device_queue : NULL);
}

static int device_object(VuDev *dev, const unsigned char *id)
{
    return -1;
}

/* For the sake of notices of a changed config space. */
static int device_get_config(VuDev *dev, uint8_t *config, uint32_t len)
{
    return -1;
}

static int device_set_config(VuDev *dev, const uint8_t *data, uint32_t offset, uint32_t size,
                             uint32_t flags)
{
    return -1;
}

static const VuDevIface device_iface = {
    .process_msg = device_message,
    .queue_set_started = device_started,
    .get_shared_object = device_object,
    .get_config = device_get_config,
    .set_config = device_set_config,
};

static void device_begin(Device *device, const char *name)
{
    memset(device, 0, sizeof(*device));
    vus_server_start(&device->server, name, qemu_get_aio_context(), 1, &device_iface);
}

static void devices_begin(void)
{
    device_begin(&asking, "s");
    device_begin(&other, "other");
}

static void devices_end(void)
{
    vhost_user_server_stop(&asking.server);
    vhost_user_server_stop(&other.server);
}

/* The client's thread */

typedef struct Client {
    VusClient vus;
    int channel;
} Client;

static void give_channel(Client *c)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vus_client_send(&c->vus, VHOST_USER_SET_BACKEND_REQ_FD, 0, NULL, 0, sv[1]);
    close(sv[1]);
    c->channel = sv[0];
}

static void client_connect(Client *c, VusClientThread *self)
{
    uint64_t features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
                        BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_CONFIG) |
                        BIT(VHOST_USER_PROTOCOL_F_SHARED_OBJECT);

    vus_client_thread_connect(self, &c->vus);
    vus_client_send(&c->vus, VHOST_USER_SET_PROTOCOL_FEATURES, 0, &features, sizeof(features), -1);
    give_channel(c);
}

static void client_close(Client *c)
{
    close(c->channel);
    vus_client_close(&c->vus);
}

/* The device's question has come; from now on it waits. */
static void take_question(Client *c)
{
    uint32_t question[7];

    g_assert_cmpint(recv(c->channel, question, sizeof(question), MSG_WAITALL), ==,
                    sizeof(question));
    g_assert_cmpuint(question[0], ==, VHOST_USER_BACKEND_SHARED_OBJECT_ADD);
    g_assert_cmphex(question[1], ==, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
}

static void have_it_ask(Client *c)
{
    vus_client_send(&c->vus, VHOST_USER_SET_OWNER, 0, NULL, 0, -1);
    take_question(c);
}

static void answer(Client *c, uint64_t value)
{
    uint32_t bytes[5] = { VHOST_USER_BACKEND_SHARED_OBJECT_ADD, 5, 8, value, 0 };

    g_assert_cmpint(send(c->channel, bytes, sizeof(bytes), MSG_NOSIGNAL), ==, sizeof(bytes));
}

static void assert_served(VusClient *vus)
{
    uint64_t features;

    g_assert_true(vus_client_ask(vus, VHOST_USER_GET_FEATURES, &features));
}

static void assert_other_is_served(void)
{
    g_autofree char *path = harness_tmpfile("other");
    VusClient vus;

    g_assert_true(vus_client_connect(&vus, path));
    for (int i = 0; i < 100; i++) {
        assert_served(&vus);
    }
    vus_client_close(&vus);
}

/* All of it at a time when the client knows that nobody waits. */
static void assert_ended(unsigned ended, bool yes)
{
    g_assert_cmpuint(qatomic_load_acquire(&asking.ended), ==, ended);
    g_assert_true(qatomic_read(&asking.yes) == yes);
    g_assert_cmpint(qatomic_read(&asking.waited_us), <, SHORT_US);
}

static void client_answers_late(VusClientThread *self)
{
    Client c;

    client_connect(&c, self);
    for (unsigned i = 0; i < 4; i++) {
        have_it_ask(&c);
        assert_other_is_served();
        g_assert_cmpuint(qatomic_read(&asking.ended), ==, i);
        answer(&c, i % 2);
        assert_served(&c.vus);
        assert_ended(i + 1, i % 2 == 0);
    }
    client_close(&c);
}

static void client_never_answers(VusClientThread *self)
{
    Client c;
    char byte;

    client_connect(&c, self);
    have_it_ask(&c);
    assert_served(&c.vus); /* comes when it has given up */
    g_assert_cmpuint(qatomic_load_acquire(&asking.ended), ==, 1);
    g_assert_false(qatomic_read(&asking.yes));
    g_assert_cmpint(qatomic_read(&asking.waited_us), >=, BOUND_US - 1000);
    g_assert_cmpint(recv(c.channel, &byte, 1, 0), ==, 0);
    close(c.channel);
    give_channel(&c);
    have_it_ask(&c);
    answer(&c, 0);
    assert_served(&c.vus);
    g_assert_true(qatomic_read(&asking.yes));
    client_close(&c);
}

/* The channel stays open: a process that was forked may have it, too. */
static void client_hangs_up(VusClientThread *self)
{
    Client c;
    int old;

    client_connect(&c, self);
    have_it_ask(&c);
    old = c.channel;
    vus_client_close(&c.vus);
    client_connect(&c, self);
    assert_served(&c.vus);
    assert_ended(1, false);
    close(old);
    client_close(&c);
}

static void client_closes_the_channel(VusClientThread *self)
{
    Client c;

    client_connect(&c, self);
    have_it_ask(&c);
    close(c.channel);
    assert_served(&c.vus);
    assert_ended(1, false);
    vus_client_close(&c.vus);
}

/* There is no room even for the question, until the client reads. */
static void client_does_not_read(VusClientThread *self)
{
    char bytes[4096];
    Client c;
    int n;

    client_connect(&c, self);
    assert_served(&c.vus);
    qatomic_set_mb(&other.ended, 1); /* fill it up */
    qemu_notify_event();
    while (qatomic_load_acquire(&other.ended) != 2) {
        g_usleep(1);
    }
    vus_client_send(&c.vus, VHOST_USER_SET_OWNER, 0, NULL, 0, -1);
    assert_other_is_served();
    g_assert_cmpuint(qatomic_read(&asking.ended), ==, 0);
    do {
        n = recv(c.channel, bytes, sizeof(bytes), 0);
        g_assert_cmpint(n, >, 0);
    } while (n % 12 == 0); /* notices have no payload, the question has 16 bytes */
    answer(&c, 0);
    assert_served(&c.vus);
    assert_ended(1, true);
    client_close(&c);
}

static void client_works_meanwhile(VusClientThread *self)
{
    uint64_t value;
    Client c;

    client_connect(&c, self);
    vus_client_start(&c.vus);
    vus_client_submit(&c.vus, 1);
    vus_client_submit(&c.vus, 2);
    take_question(&c);
    take_question(&c);
    for (int i = 0; i < 100; i++) {
        assert_served(&c.vus);
    }
    g_assert_cmpuint(qatomic_read(&asking.ended), ==, 0);
    answer(&c, 0);
    g_assert_true(vus_client_complete(&c.vus, -1, &value));
    assert_ended(1, true);
    answer(&c, 1);
    g_assert_true(vus_client_complete(&c.vus, -1, &value));
    assert_ended(2, false);
    vus_client_submit(&c.vus, 3);
    take_question(&c);
    close(c.vus.guest.sock);
    c.vus.guest.sock = dup(c.channel); /* something to be closed */
    while (qatomic_read(&asking.ended) != 3) {
        g_usleep(1);
    }
    client_close(&c);
}

static void client_asks_and_waits(VusClientThread *self)
{
    Client c;

    client_connect(&c, self);
    for (unsigned i = 0; !qatomic_read(&self->stop); i++) {
        have_it_ask(&c);
        answer(&c, 0);
        assert_served(&c.vus);
        assert_ended(i + 1, true);
        vus_client_thread_round_done(self);
    }
    client_close(&c);
}

static void client_leaves_it_waiting(VusClientThread *self)
{
    Client c;

    client_connect(&c, self);
    have_it_ask(&c);
    vus_client_thread_round_done(self);
    while (!qatomic_read(&self->stop)) {
        g_usleep(1);
    }
    answer(&c, 0);
    assert_served(&c.vus);
    assert_ended(1, true);
    client_close(&c);
}

static void client_is_left(VusClientThread *self)
{
    char byte;
    Client c;

    client_connect(&c, self);
    have_it_ask(&c);
    vus_client_thread_round_done(self);
    g_assert_cmpint(recv(c.vus.guest.sock, &byte, 1, 0), ==, 0);
    client_close(&c);
}

/* Main loop */

static void run(VusClientFn *fn)
{
    devices_begin();
    vus_client_thread_run(NULL, fn);
    devices_end();
}

static void test_others_are_served_while_it_waits(void)
{
    run(client_answers_late);
}

static void test_wait_is_bounded(void)
{
    run(client_never_answers);
}

static void test_client_that_hangs_up_ends_the_wait(void)
{
    run(client_hangs_up);
}

static void test_channel_that_closes_ends_the_wait(void)
{
    run(client_closes_the_channel);
}

static void test_requests_wait_beside_each_other_and_messages(void)
{
    run(client_works_meanwhile);
}

static void test_full_channel_is_waited_for(void)
{
    VusClientThread client;

    devices_begin();
    vus_client_thread_start(&client, NULL, client_does_not_read);
    while (qatomic_load_acquire(&other.ended) != 1) {
        main_loop_wait(false);
    }
    for (int i = 0; i < 100000; i++) {
        vu_config_change_msg(&asking.server.vu_dev);
    }
    qatomic_set_mb(&other.ended, 2);
    vus_client_thread_join(&client);
    devices_end();
}

static void test_drain_waits_for_the_answer(void)
{
    VusClientThread client;

    devices_begin();
    vus_client_thread_start(&client, NULL, client_leaves_it_waiting);
    vus_client_thread_wait_rounds(&client, 1);
    vus_server_drain_begin(&asking.server);
    g_assert_true(vus_server_busy(&asking.server));
    qatomic_set(&client.stop, true);
    vus_server_drain_poll(&asking.server);
    vus_server_drain_end(&asking.server, iothread_get_aio_context(thread));
    vus_client_thread_join(&client);
    devices_end();
}

static void test_drains_and_moves_lose_no_answer(void)
{
    VusClientThread client;

    devices_begin();
    vus_client_thread_start(&client, NULL, client_asks_and_waits);
    for (uint64_t i = 0; i < 200; i++) {
        vus_server_drain(&asking.server);
        vus_server_drain_end(&asking.server,
                             i % 2 ? qemu_get_aio_context() : iothread_get_aio_context(thread));
        vus_client_thread_wait_rounds(&client, MIN(i, qatomic_read(&client.rounds) + 1));
    }
    vus_client_thread_join(&client);
    devices_end();
}

static void test_stop_ends_the_wait(void)
{
    VusClientThread client;

    devices_begin();
    vus_client_thread_start(&client, NULL, client_is_left);
    vus_client_thread_wait_rounds(&client, 1);
    devices_end();
    assert_ended(1, false);
    vus_client_thread_join(&client);
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    thread = iothread_create("test", &error_abort);
    harness_add("/vhost-user-server-channel/others_are_served_while_it_waits",
                test_others_are_served_while_it_waits);
    harness_add("/vhost-user-server-channel/wait_is_bounded", test_wait_is_bounded);
    harness_add("/vhost-user-server-channel/client_that_hangs_up_ends_the_wait",
                test_client_that_hangs_up_ends_the_wait);
    harness_add("/vhost-user-server-channel/channel_that_closes_ends_the_wait",
                test_channel_that_closes_ends_the_wait);
    harness_add("/vhost-user-server-channel/requests_wait_beside_each_other_and_messages",
                test_requests_wait_beside_each_other_and_messages);
    harness_add("/vhost-user-server-channel/full_channel_is_waited_for",
                test_full_channel_is_waited_for);
    harness_add("/vhost-user-server-channel/drain_waits_for_the_answer",
                test_drain_waits_for_the_answer);
    harness_add("/vhost-user-server-channel/drains_and_moves_lose_no_answer",
                test_drains_and_moves_lose_no_answer);
    harness_add("/vhost-user-server-channel/stop_ends_the_wait", test_stop_ends_the_wait);
    ret = harness_run();
    iothread_destroy(thread);
    return ret;
}
