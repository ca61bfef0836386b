/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device on a GLib main loop, and a front-end in a thread.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>

#include "harness.h"
#include "libvhost-user-glib.h"
#include "vu-client.h"

typedef struct Device {
    VugDev vug;
    GMainLoop *loop;
    GString *panic;
    int handled;
} Device;

static void device_panic(VuDev *dev, const char *err)
{
    Device *d = container_of(dev, Device, vug.parent);

    g_string_append(d->panic, err);
    g_main_loop_quit(d->loop);
}

static void echo(VuDev *dev, int qidx)
{
    Device *d = container_of(dev, Device, vug.parent);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;

    d->handled++;
    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        vu_queue_push(dev, vq, e, e->out_sg[0].iov_len);
        free(e);
    }
    vu_queue_notify(dev, vq);
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? echo : NULL);
}

static const VuDevIface iface = { .queue_set_started = set_started };

static void acked(VuClient *c, uint32_t request)
{
    g_assert_cmpuint(vu_client_recv_u64(c, request), ==, 0);
}

static void set_up(VuClient *c, VuGuestRing *r)
{
    struct vhost_vring_addr addr = vu_ring_addr(r);

    vu_client_send_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES, 1ull << 3);
    acked(c, VHOST_USER_SET_PROTOCOL_FEATURES);
    vu_client_send_u64(c, VHOST_USER_SET_FEATURES, 1ull << 32 | 1ull << 30);
    acked(c, VHOST_USER_SET_FEATURES);
    vu_client_send_mem_table(c);
    acked(c, VHOST_USER_SET_MEM_TABLE);
    vu_client_send_state(c, VHOST_USER_SET_VRING_NUM, 0, r->num);
    acked(c, VHOST_USER_SET_VRING_NUM);
    vu_client_send(c, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    acked(c, VHOST_USER_SET_VRING_ADDR);
    vu_client_send_file(c, VHOST_USER_SET_VRING_CALL, 0, r->call);
    acked(c, VHOST_USER_SET_VRING_CALL);
    vu_client_send_file(c, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    acked(c, VHOST_USER_SET_VRING_KICK);
    vu_client_send_state(c, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    acked(c, VHOST_USER_SET_VRING_ENABLE);
}

static void wait_signal(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
    vu_ring_take_signal(fd);
}

static gpointer front_end(gpointer opaque)
{
    VuClient c;
    VuGuestRing r;
    VhostUserMsg reply;

    vu_client_init(&c, GPOINTER_TO_INT(opaque), 1 << 20);
    vu_ring_init(&r, &c, 0, 16, 0);
    set_up(&c, &r);
    vu_ring_take_signal(r.call);
    for (int i = 0; i < 1000; i++) {
        uint32_t id, len;

        vu_ring_desc(&r, i % 16, vu_client_gpa(&c, c.mem + 4096), 1 + i, 0, 0);
        vu_ring_offer(&r, i % 16);
        vu_ring_kick(&r);
        while (!vu_ring_reap(&r, &id, &len)) {
            wait_signal(r.call);
        }
        g_assert_cmpuint(id, ==, i % 16);
        g_assert_cmpuint(len, ==, 1 + i);
    }
    vu_client_send_state(&c, VHOST_USER_GET_VRING_BASE, 0, 0);
    vu_client_recv(&c, VHOST_USER_GET_VRING_BASE, &reply);
    g_assert_cmpuint(reply.payload.state.num, ==, 1000);
    vu_ring_done(&r);
    vu_client_done(&c);
    return NULL;
}

static gpointer garbage(gpointer opaque)
{
    char bytes[64];
    int sock = GPOINTER_TO_INT(opaque);

    memset(bytes, 0xff, sizeof(bytes));
    g_assert_cmpint(send(sock, bytes, sizeof(bytes), MSG_NOSIGNAL), ==, sizeof(bytes));
    return NULL;
}

static void run(GThreadFunc client, const char *reason)
{
    Device d = { .loop = g_main_loop_new(NULL, false), .panic = g_string_new("") };
    GThread *thread;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    g_assert_true(vug_init(&d.vug, 1, sv[1], device_panic, &iface));
    thread = g_thread_new("front-end", client, GINT_TO_POINTER(sv[0]));
    g_main_loop_run(d.loop);
    g_thread_join(thread);
    if (client == garbage) {
        close(sv[0]);
    } else {
        g_assert_cmpint(d.handled, >, 1);
    }
    g_assert_nonnull(strstr(d.panic->str, reason));
    vug_deinit(&d.vug);
    g_main_loop_unref(d.loop);
    g_string_free(d.panic, true);
}

static void test_requests_are_served_until_the_client_goes(void)
{
    run(front_end, "disconnected");
}

static void test_garbage_is_told_once(void)
{
    run(garbage, "larger than any message");
}

static void drain(VuDev *dev, int condition, void *data)
{
    char c;

    g_assert_cmpint(condition & G_IO_IN, !=, 0);
    g_assert_cmpint(read(*(int *)data, &c, 1), ==, 1);
    container_of(dev, Device, vug.parent)->handled++;
}

static void test_device_can_watch_its_own_descriptor(void)
{
    Device d = { 0 };
    GSource *src;
    int p[2];

    g_assert_cmpint(pipe(p), ==, 0);
    src = vug_source_new(&d.vug, p[0], G_IO_IN, drain, &p[0]);
    g_assert_cmpint(write(p[1], "ab", 2), ==, 2);
    while (d.handled < 2) {
        g_main_context_iteration(NULL, true);
    }
    vug_source_destroy(src);
    g_assert_cmpint(write(p[1], "c", 1), ==, 1);
    g_assert_false(g_main_context_iteration(NULL, false));
    g_assert_cmpint(d.handled, ==, 2);
    vug_source_destroy(NULL);
    close(p[0]);
    close(p[1]);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    /* GLib's wake-up descriptor lives as long as the process. */
    g_main_context_iteration(NULL, false);
    harness_add("/vu-glib/requests_are_served_until_the_client_goes",
                test_requests_are_served_until_the_client_goes);
    harness_add("/vu-glib/garbage_is_told_once", test_garbage_is_told_once);
    harness_add("/vu-glib/device_can_watch_its_own_descriptor",
                test_device_can_watch_its_own_descriptor);
    return harness_run();
}
