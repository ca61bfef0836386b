/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings of legacy guests in the other byte order.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#define F_ENDIAN  (1ull << VHOST_USER_PROTOCOL_F_CROSS_ENDIAN)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)

static uint64_t offer_endian(VuDev *dev)
{
    return F_ENDIAN;
}

static VuDevIface endian_iface(void)
{
    VuDevIface iface = vu_rig_iface;

    iface.get_protocol_features = offer_endian;
    return iface;
}

static void set_endian(VuRig *rig, uint32_t queue, uint32_t order)
{
    vu_client_send_state(&rig->client, VHOST_USER_SET_VRING_ENDIAN, queue, order);
}

static void begin(VuRig *rig, const VuDevIface *iface, uint64_t features)
{
    vu_rig_init_iface(rig, VU_RIG_QUEUES, iface);
    vu_rig_negotiate(rig, features, F_ENDIAN);
    vu_client_send_mem_table(&rig->client);
    vu_rig_accepted(rig, VHOST_USER_SET_MEM_TABLE);
}

/* Ring 0 with 16 entries, big-endian and running. */
static void begin_big(VuRig *rig, const VuDevIface *iface, uint64_t features)
{
    begin(rig, iface, features);
    set_endian(rig, 0, VHOST_USER_VRING_BIG_ENDIAN);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ENDIAN);
    vu_rig_start(rig, 0, 16);
    g_assert_true(vu_queue_big_endian(&rig->dev, vu_get_queue(&rig->dev, 0)));
}

static struct vring_desc big_desc(uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
    return (struct vring_desc){
        .addr = GUINT64_TO_BE(gpa),
        .len = GUINT32_TO_BE(len),
        .flags = GUINT16_TO_BE(flags),
        .next = GUINT16_TO_BE(next),
    };
}

static void offer(VuGuestRing *r, uint16_t head)
{
    r->avail->ring[r->avail_idx % r->num] = GUINT16_TO_BE(head);
    r->avail_idx++;
    __atomic_store_n(&r->avail->idx, GUINT16_TO_BE(r->avail_idx), __ATOMIC_RELEASE);
}

static VuVirtqElement *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(VuVirtqElement));
}

static void push(VuRig *rig, VuVirtqElement *e, uint32_t len)
{
    VuVirtq *vq = vu_get_queue(&rig->dev, 0);

    vu_queue_push(&rig->dev, vq, e, len);
    vu_queue_notify(&rig->dev, vq);
    free(e);
}

static void test_chain_is_read_and_used_in_the_guest_s_order(void)
{
    VuDevIface iface = endian_iface();
    VuVirtqElement *e;
    VuGuestRing *r;
    uint64_t gpa;
    VuRig rig;

    begin_big(&rig, &iface, 0);
    r = &rig.ring[0];
    gpa = vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0));
    r->desc[3] = big_desc(gpa, 0x102, VRING_DESC_F_NEXT, 5);
    r->desc[5] = big_desc(gpa + 0x1000, 0x201, VRING_DESC_F_WRITE, 0);
    offer(r, 3);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->index, ==, 3);
    g_assert_cmpuint(e->out_num, ==, 1);
    g_assert_cmpuint(e->out_sg[0].iov_len, ==, 0x102);
    g_assert_true(e->out_sg[0].iov_base != NULL);
    g_assert_cmpuint(e->in_num, ==, 1);
    g_assert_cmpuint(e->in_sg[0].iov_len, ==, 0x201);
    push(&rig, e, 0x201);
    g_assert_cmphex(r->used->idx, ==, GUINT16_TO_BE(1));
    g_assert_cmphex(r->used->ring[0].id, ==, GUINT32_TO_BE(3));
    g_assert_cmphex(r->used->ring[0].len, ==, GUINT32_TO_BE(0x201));
    g_assert_cmpuint(vu_ring_take_signal(r->call), ==, 1);
    r->avail->flags = GUINT16_TO_BE(VRING_AVAIL_F_NO_INTERRUPT);
    offer(r, 3);
    push(&rig, pop(&rig), 0);
    g_assert_cmpuint(vu_ring_take_signal(r->call), ==, 0);
    vu_queue_set_notification(&rig.dev, vu_get_queue(&rig.dev, 0), 0);
    g_assert_cmphex(r->used->flags, ==, GUINT16_TO_BE(VRING_USED_F_NO_NOTIFY));
    g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, 2);
    vu_rig_done(&rig);
}

static void test_event_indices_are_in_the_guest_s_order(void)
{
    VuDevIface iface = endian_iface();
    VuGuestRing *r;
    VuRig rig;

    begin_big(&rig, &iface, EVENT_IDX);
    r = &rig.ring[0];
    r->desc[0] = big_desc(vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0)), 8, 0, 0);
    for (int i = 0; i < 3; i++) {
        *vu_ring_used_event(r) = GUINT16_TO_BE(1); /* interrupt after the second */
        offer(r, 0);
        push(&rig, pop(&rig), 0);
        g_assert_cmpuint(vu_ring_take_signal(r->call), ==, i < 2);
    }
    g_assert_null(pop(&rig));
    g_assert_cmphex(*vu_ring_avail_event(r), ==, GUINT16_TO_BE(3));
    vu_rig_done(&rig);
}

static void test_indirect_table_is_in_the_guest_s_order(void)
{
    VuDevIface iface = endian_iface();
    struct vring_desc *table;
    VuVirtqElement *e;
    uint64_t gpa;
    VuRig rig;

    begin_big(&rig, &iface, INDIRECT);
    table = (struct vring_desc *)vu_rig_buffer(&rig, 0);
    gpa = vu_client_gpa(&rig.client, table);
    table[0] = big_desc(gpa + 0x1000, 16, VRING_DESC_F_NEXT, 1);
    table[1] = big_desc(gpa + 0x2000, 300, VRING_DESC_F_WRITE, 0);
    rig.ring[0].desc[0] = big_desc(gpa, 2 * sizeof(*table), VRING_DESC_F_INDIRECT, 0);
    offer(&rig.ring[0], 0);
    e = pop(&rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->out_sg[0].iov_len, ==, 16);
    g_assert_cmpuint(e->in_sg[0].iov_len, ==, 300);
    push(&rig, e, 0);
    vu_rig_done(&rig);
}

static void test_order_may_be_given_before_or_after_the_base(void)
{
    VuDevIface iface = endian_iface();
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_BASE, 0, 0x102);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_BASE);
    set_endian(&rig, 0, VHOST_USER_VRING_BIG_ENDIAN);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ENDIAN);
    g_assert_cmphex(vu_rig_stop(&rig, 0), ==, 0x102);
    vu_rig_done(&rig);
}

static void test_modern_guest_is_little_endian(void)
{
    VuDevIface iface = endian_iface();
    VuRig rig;

    begin(&rig, &iface, 1ull << VIRTIO_F_VERSION_1);
    set_endian(&rig, 0, VHOST_USER_VRING_BIG_ENDIAN);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ENDIAN);
    vu_rig_start(&rig, 0, 16);
    g_assert_false(vu_queue_big_endian(&rig.dev, vu_get_queue(&rig.dev, 0)));
    vu_rig_offer(&rig, 2, 8);
    push(&rig, pop(&rig), 7);
    vu_rig_assert_used(&rig, 2, 7);
    vu_rig_done(&rig);
}

static void test_wrong_order_is_refused(void)
{
    VuDevIface iface = endian_iface();
    VuRig rig;

    begin(&rig, &iface, 0);
    set_endian(&rig, 0, 2);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ENDIAN);
    set_endian(&rig, VU_RIG_QUEUES, 0);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ENDIAN);
    vu_rig_start(&rig, 0, 16);
    set_endian(&rig, 0, VHOST_USER_VRING_BIG_ENDIAN); /* it runs */
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ENDIAN);
    set_endian(&rig, 1, VHOST_USER_VRING_BIG_ENDIAN);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ENDIAN);
    g_assert_false(vu_queue_big_endian(&rig.dev, vu_get_queue(&rig.dev, 0)));
    g_assert_true(vu_queue_big_endian(&rig.dev, vu_get_queue(&rig.dev, 1)));
    set_endian(&rig, 1, VHOST_USER_VRING_LITTLE_ENDIAN);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ENDIAN);
    g_assert_false(vu_queue_big_endian(&rig.dev, vu_get_queue(&rig.dev, 1)));
    vu_rig_done(&rig);
}

static void test_offered_only_if_the_device_asks(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 0);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_PROTOCOL_FEATURES, F_ENDIAN);
    vu_rig_refused(&rig, VHOST_USER_SET_PROTOCOL_FEATURES);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-endian/chain_is_read_and_used_in_the_guest_s_order",
                test_chain_is_read_and_used_in_the_guest_s_order);
    harness_add("/vu-endian/event_indices_are_in_the_guest_s_order",
                test_event_indices_are_in_the_guest_s_order);
    harness_add("/vu-endian/indirect_table_is_in_the_guest_s_order",
                test_indirect_table_is_in_the_guest_s_order);
    harness_add("/vu-endian/order_may_be_given_before_or_after_the_base",
                test_order_may_be_given_before_or_after_the_base);
    harness_add("/vu-endian/modern_guest_is_little_endian", test_modern_guest_is_little_endian);
    harness_add("/vu-endian/wrong_order_is_refused", test_wrong_order_is_refused);
    harness_add("/vu-endian/offered_only_if_the_device_asks", test_offered_only_if_the_device_asks);
    return harness_run();
}
