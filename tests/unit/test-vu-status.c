/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device status, and resets of the device.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <sys/socket.h>

#include "harness.h"
#include "vu-rig.h"

#define F_STATUS (1ull << VHOST_USER_PROTOCOL_F_STATUS)
#define F_RESET  (1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE)
#define F_PROTO  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

#define ALIVE (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static int resets, status_calls;
static uint8_t last_status, status_mask;

static void reset_device(VuDev *dev)
{
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        g_assert_cmpuint(vu_queue_inuse(vu_get_queue(dev, i)), ==, 0);
        g_assert_false(vu_queue_started(dev, vu_get_queue(dev, i)));
    }
    resets++;
}

static uint8_t set_status(VuDev *dev, uint8_t status)
{
    status_calls++;
    last_status = status;
    return status & status_mask;
}

static uint8_t get_status(VuDev *dev, uint8_t status)
{
    return status | VIRTIO_CONFIG_S_FAILED;
}

/* The rig's own device, that also hears of resets and of the status. */
static VuDevIface status_iface(void)
{
    VuDevIface iface = vu_rig_iface;

    resets = status_calls = 0;
    status_mask = 0xff;
    iface.reset_device = reset_device;
    iface.set_status = set_status;
    return iface;
}

static void begin(VuRig *rig, const VuDevIface *iface, uint64_t protocol)
{
    vu_rig_init_iface(rig, VU_RIG_QUEUES, iface);
    vu_rig_negotiate(rig, 1ull << 32, protocol);
    vu_client_send_mem_table(&rig->client);
    vu_rig_accepted(rig, VHOST_USER_SET_MEM_TABLE);
}

static void put(VuRig *rig, uint64_t status)
{
    vu_client_send_u64(&rig->client, VHOST_USER_SET_STATUS, status);
    vu_rig_accepted(rig, VHOST_USER_SET_STATUS);
}

static uint64_t get(VuRig *rig)
{
    vu_client_send(&rig->client, VHOST_USER_GET_STATUS, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig->dev));
    return vu_client_recv_u64(&rig->client, VHOST_USER_GET_STATUS);
}

static VuVirtqElement *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(VuVirtqElement));
}

static void push(VuRig *rig, VuVirtqElement *e)
{
    vu_queue_push(&rig->dev, vu_get_queue(&rig->dev, 0), e, 0);
    free(e);
}

static void test_status_is_kept(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS);
    g_assert_cmphex(get(&rig), ==, 0);
    put(&rig, ALIVE);
    g_assert_cmphex(get(&rig), ==, ALIVE);
    put(&rig, ALIVE | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmphex(get(&rig), ==, 0xf);
    g_assert_cmphex(last_status, ==, 0xf);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_STATUS, 0x100);
    vu_rig_refused(&rig, VHOST_USER_SET_STATUS);
    g_assert_cmphex(get(&rig), ==, 0xf);
    g_assert_cmpint(status_calls, ==, 2);
    vu_rig_done(&rig);
}

static void test_features_that_were_refused_are_not_ok(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, F_PROTO | 1ull << 63);
    vu_rig_refused(&rig, VHOST_USER_SET_FEATURES);
    put(&rig, ALIVE | VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_cmphex(get(&rig), ==, ALIVE);
    g_assert_cmphex(last_status, ==, ALIVE);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, F_PROTO | 1ull << 32);
    vu_rig_accepted(&rig, VHOST_USER_SET_FEATURES);
    put(&rig, ALIVE | VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_cmphex(get(&rig), ==, ALIVE | VIRTIO_CONFIG_S_FEATURES_OK);
    vu_rig_done(&rig);
}

static void test_device_may_not_take_the_features(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS);
    status_mask = ~VIRTIO_CONFIG_S_FEATURES_OK & ~VIRTIO_CONFIG_S_DRIVER;
    put(&rig, ALIVE | VIRTIO_CONFIG_S_FEATURES_OK);
    /* That bit only: the others are the driver's. */
    g_assert_cmphex(get(&rig), ==, ALIVE);
    vu_rig_done(&rig);
}

static void test_device_may_change_what_is_read(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    iface.get_status = get_status;
    begin(&rig, &iface, F_STATUS);
    put(&rig, ALIVE);
    g_assert_cmphex(get(&rig), ==, ALIVE | VIRTIO_CONFIG_S_FAILED);
    vu_rig_done(&rig);
}

/* A head that is no descriptor of the ring. */
static void break_ring(VuRig *rig)
{
    vu_ring_offer(&rig->ring[0], 999);
    g_assert_null(pop(rig));
    g_assert_true(vu_get_queue(&rig->dev, 0)->broken);
}

static void test_broken_ring_needs_a_reset(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS);
    vu_rig_start(&rig, 0, 16);
    put(&rig, 0xf);
    break_ring(&rig);
    g_assert_cmphex(get(&rig), ==, 0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
    put(&rig, 0xf); /* no way around the reset */
    g_assert_cmphex(get(&rig), ==, 0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
    put(&rig, 0);
    g_assert_cmphex(get(&rig), ==, 0);
    vu_rig_done(&rig);
}

static void test_working_driver_hears_that_it_must_reset(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;
    int sv[2];
    uint32_t head[3];

    begin(&rig, &iface,
          F_STATUS | 1ull << VHOST_USER_PROTOCOL_F_CONFIG |
              1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&rig.client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(&rig, VHOST_USER_SET_BACKEND_REQ_FD);
    vu_rig_start(&rig, 0, 16);
    put(&rig, 0xf);
    break_ring(&rig);
    g_assert_cmpint(recv(sv[0], head, sizeof(head), MSG_WAITALL), ==, sizeof(head));
    g_assert_cmpuint(head[0], ==, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG);
    close(sv[0]);
    close(sv[1]);
    vu_rig_done(&rig);
}

/* ---- Resets ---- */

static void assert_initial(VuRig *rig)
{
    VuVirtq *vq = vu_get_queue(&rig->dev, 0);

    g_assert_false(rig->started[0]);
    g_assert_false(vu_queue_started(&rig->dev, vq));
    g_assert_false(vu_queue_enabled(&rig->dev, vq));
    g_assert_cmphex(rig->dev.features, ==, 0);
    g_assert_cmpint(rig->nwatches, ==, 0);
    /* The size is forgotten, so the ring cannot start. */
    vu_client_send_file(&rig->client, VHOST_USER_SET_VRING_KICK, 0, rig->ring[0].kick);
    vu_rig_refused(rig, VHOST_USER_SET_VRING_KICK);
    /* The memory is not. */
    g_assert_cmpuint(rig->dev.nregions, ==, 1);
    vu_client_send_u64(&rig->client, VHOST_USER_SET_FEATURES, F_PROTO | 1ull << 32);
    vu_rig_accepted(rig, VHOST_USER_SET_FEATURES);
    vu_rig_start(rig, 0, 16);
    vu_rig_offer(rig, 0, 8);
    push(rig, pop(rig));
    vu_rig_assert_used(rig, 0, 0);
}

static void test_reset_stops_and_forgets_the_rings(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_RESET);
    vu_rig_start(&rig, 0, 16);
    vu_client_send(&rig.client, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_RESET_DEVICE);
    g_assert_cmpint(resets, ==, 1);
    assert_initial(&rig);
    vu_rig_done(&rig);
}

static void test_reset_waits_for_the_requests(void)
{
    VuDevIface iface = status_iface();
    VuVirtqElement *e;
    VuRig rig;

    begin(&rig, &iface, F_RESET | F_STATUS);
    vu_rig_start(&rig, 0, 16);
    put(&rig, 0xf);
    vu_rig_offer(&rig, 0, 8);
    e = pop(&rig);
    vu_client_send(&rig.client, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    g_assert_cmpint(resets, ==, 0);
    /* What comes behind it is not undone by it, and not answered before it. */
    vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, F_PROTO);
    g_assert_true(vu_dispatch(&rig.dev));
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 1, 8);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    push(&rig, e);
    g_assert_cmpint(resets, ==, 1);
    vu_rig_assert_used(&rig, 0, 0);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_RESET_DEVICE), ==, 0);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_SET_FEATURES), ==, 0);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_SET_VRING_NUM), ==, 0);
    g_assert_cmphex(rig.dev.features, ==, F_PROTO);
    g_assert_cmpuint(vu_get_queue(&rig.dev, 1)->num, ==, 8);
    g_assert_cmphex(get(&rig), ==, 0);
    vu_rig_done(&rig);
}

static void test_status_of_zero_resets(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS);
    vu_rig_start(&rig, 0, 16);
    put(&rig, 0xf);
    put(&rig, 0);
    g_assert_cmphex(last_status, ==, 0);
    g_assert_cmpint(resets, ==, 1);
    assert_initial(&rig);
    vu_rig_done(&rig);
}

/* QEMU 7.2 pauses a guest in this order. */
static void test_base_is_known_after_a_reset(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS | F_RESET);
    vu_rig_start(&rig, 0, 16);
    vu_rig_offer(&rig, 0, 8);
    push(&rig, pop(&rig));
    put(&rig, 0);
    g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, 1);
    g_assert_cmpuint(vu_rig_stop(&rig, 1), ==, 0);
    /* But a driver that begins anew begins at 0. */
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send(&rig.client, VHOST_USER_SET_VRING_ADDR,
                   &(struct vhost_vring_addr){
                       .desc_user_addr = (uintptr_t)rig.ring[0].desc,
                       .avail_user_addr = (uintptr_t)rig.ring[0].avail,
                       .used_user_addr = (uintptr_t)rig.ring[0].used,
                   },
                   sizeof(struct vhost_vring_addr), -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, rig.ring[0].kick);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmpuint(vu_get_queue(&rig.dev, 0)->last_avail_idx, ==, 0);
    vu_rig_done(&rig);
}

/* A front-end that pauses its guest sets the status to 0 as well. */
static void test_device_keeps_its_state_if_resets_have_their_own_message(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;

    begin(&rig, &iface, F_STATUS | F_RESET);
    vu_rig_start(&rig, 0, 16);
    put(&rig, 0xf);
    put(&rig, 0);
    g_assert_cmphex(last_status, ==, 0);
    g_assert_cmpint(resets, ==, 0);
    assert_initial(&rig);
    vu_rig_done(&rig);
}

static void test_reset_keeps_descriptors_of_rings_that_did_not_run(void)
{
    VuDevIface iface = status_iface();
    VuRig rig;
    VuVirtq *vq;

    begin(&rig, &iface, F_RESET);
    vq = vu_get_queue(&rig.dev, 0);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_CALL, 0, rig.ring[0].call);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_CALL);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_ERR, 0, rig.ring[0].err);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ERR);
    vu_client_send(&rig.client, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_RESET_DEVICE);
    g_assert_cmpint(vq->call_fd, >=, 0);
    g_assert_cmpint(vq->err_fd, >=, 0);
    vu_rig_start(&rig, 0, 16);
    vu_client_send(&rig.client, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_RESET_DEVICE);
    g_assert_cmpint(vq->call_fd, ==, -1);
    g_assert_cmpint(vq->kick_fd, ==, -1);
    g_assert_cmpint(vq->err_fd, >=, 0);
    vu_rig_done(&rig);
}

static void test_connection_may_end_during_a_reset(void)
{
    VuDevIface iface = status_iface();
    VuVirtqElement *e;
    VuRig rig;

    begin(&rig, &iface, F_RESET);
    vu_rig_start(&rig, 0, 16);
    vu_rig_offer(&rig, 0, 8);
    e = pop(&rig);
    vu_client_send(&rig.client, VHOST_USER_RESET_DEVICE, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    vu_rig_done(&rig);
    g_assert_cmpint(resets, ==, 0);
    free(e);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-status/status_is_kept", test_status_is_kept);
    harness_add("/vu-status/features_that_were_refused_are_not_ok",
                test_features_that_were_refused_are_not_ok);
    harness_add("/vu-status/device_may_not_take_the_features",
                test_device_may_not_take_the_features);
    harness_add("/vu-status/device_may_change_what_is_read", test_device_may_change_what_is_read);
    harness_add("/vu-status/broken_ring_needs_a_reset", test_broken_ring_needs_a_reset);
    harness_add("/vu-status/working_driver_hears_that_it_must_reset",
                test_working_driver_hears_that_it_must_reset);
    harness_add("/vu-status/reset_stops_and_forgets_the_rings",
                test_reset_stops_and_forgets_the_rings);
    harness_add("/vu-status/reset_waits_for_the_requests", test_reset_waits_for_the_requests);
    harness_add("/vu-status/status_of_zero_resets", test_status_of_zero_resets);
    harness_add("/vu-status/base_is_known_after_a_reset", test_base_is_known_after_a_reset);
    harness_add("/vu-status/device_keeps_its_state_if_resets_have_their_own_message",
                test_device_keeps_its_state_if_resets_have_their_own_message);
    harness_add("/vu-status/reset_keeps_descriptors_of_rings_that_did_not_run",
                test_reset_keeps_descriptors_of_rings_that_did_not_run);
    harness_add("/vu-status/connection_may_end_during_a_reset",
                test_connection_may_end_during_a_reset);
    return harness_run();
}
