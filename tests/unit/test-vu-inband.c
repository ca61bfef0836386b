/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks, calls and errors as messages.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>

#include "harness.h"
#include "vu-rig.h"

#define F_INBAND    (1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)
#define F_CHANNEL   (1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ)
#define F_REPLY_ACK (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)

typedef struct InbandRig {
    VuRig rig;
    VuClient front; /* its end of the channel; only the socket is used */
} InbandRig;

static uint64_t offer_inband(VuDev *dev)
{
    return F_INBAND;
}

static VuDevIface inband_iface(void)
{
    VuDevIface iface = vu_rig_iface;

    iface.get_protocol_features = offer_inband;
    return iface;
}

static void inband_init(InbandRig *r, const VuDevIface *iface)
{
    VuRig *rig = &r->rig;
    int sv[2];

    vu_rig_init_iface(rig, VU_RIG_QUEUES, iface);
    vu_rig_negotiate(rig, 1ull << 32, F_INBAND | F_CHANNEL);
    vu_client_send_mem_table(&rig->client);
    vu_rig_accepted(rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&rig->client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    r->front.sock = sv[0];
}

static void inband_done(InbandRig *r)
{
    close(r->front.sock);
    vu_rig_done(&r->rig);
}

/* Ring 0 without any descriptor, enabled; not started. */
static void set_up(VuRig *rig)
{
    struct vhost_vring_addr addr = vu_ring_addr(&rig->ring[0]);

    vu_client_send_state(&rig->client, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send(&rig->client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ADDR);
    vu_client_send_state(&rig->client, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ENABLE);
}

static void kick(VuRig *rig)
{
    vu_client_send_state(&rig->client, VHOST_USER_VRING_KICK, 0, 0);
    vu_rig_accepted(rig, VHOST_USER_VRING_KICK);
}

static void assert_notice(InbandRig *r, uint32_t request, uint32_t queue)
{
    uint32_t msg[5];

    g_assert_cmpint(recv(r->front.sock, msg, sizeof(msg), MSG_WAITALL), ==, sizeof(msg));
    g_assert_cmpuint(msg[0], ==, request);
    g_assert_cmphex(msg[1], ==, VHOST_USER_VERSION);
    g_assert_cmpuint(msg[2], ==, 8);
    g_assert_cmpuint(msg[3], ==, queue);
    g_assert_cmpuint(msg[4], ==, 0);
}

static void serve(VuRig *rig)
{
    VuVirtq *vq = vu_get_queue(&rig->dev, 0);
    VuVirtqElement *e = vu_queue_pop(&rig->dev, vq, sizeof(*e));

    g_assert_nonnull(e);
    vu_queue_push(&rig->dev, vq, e, 0);
    vu_queue_notify(&rig->dev, vq);
    free(e);
}

static void test_offered_only_if_the_device_asks(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 0);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_PROTOCOL_FEATURES,
                       F_INBAND | F_CHANNEL | F_REPLY_ACK);
    vu_rig_refused(&rig, VHOST_USER_SET_PROTOCOL_FEATURES);
    vu_rig_done(&rig);
}

static void test_without_what_it_needs_the_connection_ends(void)
{
    static const uint64_t bad[] = { F_INBAND, F_INBAND | F_CHANNEL, F_INBAND | F_REPLY_ACK };
    VuDevIface iface = inband_iface();

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        VuRig rig;

        vu_rig_init_iface(&rig, 1, &iface);
        vu_client_send_u64(&rig.client, VHOST_USER_SET_PROTOCOL_FEATURES, bad[i]);
        vu_rig_dropped(&rig, "in-band");
        vu_rig_done(&rig);
    }
}

static void test_kick_starts_the_ring_and_runs_the_handler(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    g_assert_false(r.rig.started[0]);
    kick(&r.rig);
    g_assert_true(r.rig.started[0]);
    g_assert_cmpint(r.rig.handled[0], ==, 1);
    kick(&r.rig);
    g_assert_cmpint(r.rig.handled[0], ==, 2);
    g_assert_cmpint(r.rig.nwatches, ==, 0);
    g_assert_cmpuint(vu_rig_stop(&r.rig, 0), ==, 0);
    inband_done(&r);
}

static void test_ring_that_is_not_set_up_cannot_be_kicked(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;

    inband_init(&r, &iface);
    vu_client_send_state(&r.rig.client, VHOST_USER_VRING_KICK, 0, 0);
    vu_rig_refused(&r.rig, VHOST_USER_VRING_KICK);
    set_up(&r.rig);
    vu_client_send_state(&r.rig.client, VHOST_USER_VRING_KICK, 0, 1); /* reserved */
    vu_rig_refused(&r.rig, VHOST_USER_VRING_KICK);
    g_assert_false(r.rig.started[0]);
    inband_done(&r);
}

static void test_kick_without_descriptor_is_not_polled(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    vu_client_send_file(&r.rig.client, VHOST_USER_SET_VRING_KICK, 0, -1);
    vu_rig_accepted(&r.rig, VHOST_USER_SET_VRING_KICK);
    g_assert_true(r.rig.started[0]);
    g_assert_cmpint(r.rig.nwatches, ==, 0);
    inband_done(&r);
}

static void test_kick_of_a_stopping_ring_does_nothing(void)
{
    VuDevIface iface = inband_iface();
    VuVirtqElement *e;
    VhostUserMsg reply;
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    kick(&r.rig);
    vu_rig_offer(&r.rig, 0, 8);
    e = vu_queue_pop(&r.rig.dev, vu_get_queue(&r.rig.dev, 0), sizeof(*e));
    vu_client_send_state(&r.rig.client, VHOST_USER_GET_VRING_BASE, 0, 0);
    g_assert_true(vu_dispatch(&r.rig.dev));
    vu_client_send_state(&r.rig.client, VHOST_USER_VRING_KICK, 0, 0);
    g_assert_true(vu_dispatch(&r.rig.dev));
    vu_queue_push(&r.rig.dev, vu_get_queue(&r.rig.dev, 0), e, 0);
    free(e);
    vu_client_recv(&r.rig.client, VHOST_USER_GET_VRING_BASE, &reply);
    g_assert_cmpuint(reply.payload.state.num, ==, 1);
    g_assert_cmpuint(vu_client_recv_u64(&r.rig.client, VHOST_USER_VRING_KICK), ==, 0);
    g_assert_false(r.rig.started[0]);
    inband_done(&r);
}

static void test_call_is_a_message_if_there_is_no_descriptor(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    kick(&r.rig);
    vu_rig_offer(&r.rig, 0, 8);
    serve(&r.rig);
    assert_notice(&r, VHOST_USER_BACKEND_VRING_CALL, 0);
    /* A descriptor wins. */
    vu_client_send_file(&r.rig.client, VHOST_USER_SET_VRING_CALL, 0, r.rig.ring[0].call);
    vu_rig_accepted(&r.rig, VHOST_USER_SET_VRING_CALL);
    vu_ring_take_signal(r.rig.ring[0].call);
    vu_rig_offer(&r.rig, 1, 8);
    serve(&r.rig);
    g_assert_cmpuint(vu_ring_take_signal(r.rig.ring[0].call), ==, 1);
    g_assert_true(vu_client_silent(&r.front));
    inband_done(&r);
}

static void test_error_is_a_message_if_there_is_no_descriptor(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    kick(&r.rig);
    vu_ring_offer(&r.rig.ring[0], 999);
    g_assert_null(vu_queue_pop(&r.rig.dev, vu_get_queue(&r.rig.dev, 0), sizeof(VuVirtqElement)));
    assert_notice(&r, VHOST_USER_BACKEND_VRING_ERR, 0);
    inband_done(&r);
}

static void test_notice_that_does_not_fit_is_repeated(void)
{
    VuDevIface iface = inband_iface();
    char drain[4096];
    InbandRig r;

    inband_init(&r, &iface);
    set_up(&r.rig);
    kick(&r.rig);
    for (int i = 0; i < 20000; i++) {
        vu_rig_offer(&r.rig, 0, 8);
        serve(&r.rig);
    }
    while (recv(r.front.sock, drain, sizeof(drain), MSG_DONTWAIT) > 0) {
    }
    vu_client_send(&r.rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    vu_rig_accepted(&r.rig, VHOST_USER_SET_OWNER);
    assert_notice(&r, VHOST_USER_BACKEND_VRING_CALL, 0);
    g_assert_true(vu_client_silent(&r.front));
    inband_done(&r);
}

/* The rings may run before the channel is there. */
static void test_call_before_the_channel_is_repeated(void)
{
    VuDevIface iface = inband_iface();
    InbandRig r;
    int sv[2];

    vu_rig_init_iface(&r.rig, VU_RIG_QUEUES, &iface);
    vu_rig_negotiate(&r.rig, 1ull << 32, F_INBAND | F_CHANNEL);
    vu_client_send_mem_table(&r.rig.client);
    vu_rig_accepted(&r.rig, VHOST_USER_SET_MEM_TABLE);
    set_up(&r.rig);
    kick(&r.rig);
    vu_rig_offer(&r.rig, 0, 8);
    serve(&r.rig);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&r.rig.client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(&r.rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    r.front.sock = sv[0];
    assert_notice(&r, VHOST_USER_BACKEND_VRING_CALL, 0);
    inband_done(&r);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-inband/offered_only_if_the_device_asks", test_offered_only_if_the_device_asks);
    harness_add("/vu-inband/without_what_it_needs_the_connection_ends",
                test_without_what_it_needs_the_connection_ends);
    harness_add("/vu-inband/kick_starts_the_ring_and_runs_the_handler",
                test_kick_starts_the_ring_and_runs_the_handler);
    harness_add("/vu-inband/ring_that_is_not_set_up_cannot_be_kicked",
                test_ring_that_is_not_set_up_cannot_be_kicked);
    harness_add("/vu-inband/kick_without_descriptor_is_not_polled",
                test_kick_without_descriptor_is_not_polled);
    harness_add("/vu-inband/kick_of_a_stopping_ring_does_nothing",
                test_kick_of_a_stopping_ring_does_nothing);
    harness_add("/vu-inband/call_is_a_message_if_there_is_no_descriptor",
                test_call_is_a_message_if_there_is_no_descriptor);
    harness_add("/vu-inband/error_is_a_message_if_there_is_no_descriptor",
                test_error_is_a_message_if_there_is_no_descriptor);
    harness_add("/vu-inband/notice_that_does_not_fit_is_repeated",
                test_notice_that_does_not_fit_is_repeated);
    harness_add("/vu-inband/call_before_the_channel_is_repeated",
                test_call_before_the_channel_is_repeated);
    return harness_run();
}
