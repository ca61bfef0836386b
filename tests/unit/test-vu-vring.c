/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a ring: set up, started, enabled, disabled, stopped, started again.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "harness.h"
#include "vu-rig.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

static void offer(VuRig *rig, unsigned int q, unsigned int head)
{
    uint64_t gpa = vu_client_gpa(&rig->client, vu_rig_buffer(rig, 0));

    vu_ring_desc(&rig->ring[q], head, gpa, 32, 0, 0);
    vu_ring_offer(&rig->ring[q], head);
}

static VuVirtqElement *pop(VuRig *rig, unsigned int q)
{
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, q), sizeof(VuVirtqElement));
}

static void push(VuRig *rig, unsigned int q, VuVirtqElement *e)
{
    vu_queue_push(&rig->dev, vu_get_queue(&rig->dev, q), e, 0);
    free(e);
}

static void ask_state(VuRig *rig, uint32_t request, uint32_t index, uint32_t num)
{
    vu_client_send_state(&rig->client, request, index, num);
}

static void set_addr(VuRig *rig, const struct vhost_vring_addr *addr)
{
    vu_client_send(&rig->client, VHOST_USER_SET_VRING_ADDR, addr, sizeof(*addr), -1);
}

static void enable(VuRig *rig, unsigned int q, bool on)
{
    ask_state(rig, VHOST_USER_SET_VRING_ENABLE, q, on);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ENABLE);
}

static void ready(VuRig *rig)
{
    vu_rig_init(rig);
    vu_rig_ready(rig, 0);
}

static void test_size_must_be_a_power_of_two_up_to_the_limit(void)
{
    static const uint32_t bad[] = { 0, 3, 15, 1023, 1025, 2048, 65536, 0x80000000, 0xffffffff };
    VuRig rig;

    ready(&rig);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, bad[i]);
        vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    }
    for (uint32_t num = 1; num <= 1024; num *= 2) {
        ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, num);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    }
    vu_rig_done(&rig);
}

static void test_limit_of_the_size_can_be_set(void)
{
    VuRig rig;

    ready(&rig);
    g_assert_false(vu_set_max_queue_size(&rig.dev, 0));
    g_assert_false(vu_set_max_queue_size(&rig.dev, 100));
    g_assert_false(vu_set_max_queue_size(&rig.dev, 65536));
    g_assert_true(vu_set_max_queue_size(&rig.dev, 32768));
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 32768);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    g_assert_true(vu_set_max_queue_size(&rig.dev, 128));
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 256);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_rig_done(&rig);
}

static void test_base_must_fit_an_index(void)
{
    VuRig rig;

    ready(&rig);
    ask_state(&rig, VHOST_USER_SET_VRING_BASE, 0, 65536);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_BASE);
    ask_state(&rig, VHOST_USER_SET_VRING_BASE, 0, 65535);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_BASE);
    g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, 65535);
    vu_rig_done(&rig);
}

static void test_bad_addresses_are_refused(void)
{
    VuRig rig;
    struct vhost_vring_addr good, bad;
    uint64_t end;

    ready(&rig);
    end = (uintptr_t)rig.client.mem + VU_RIG_MEM;
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    good = vu_ring_addr(&rig.ring[0]);
    for (int i = 0; i < 3; i++) {
        /* in the order desc, used, avail: alignment, bytes of a ring of 16 */
        static const uint64_t align[] = { 16, 4, 2 }, bytes[] = { 256, 4 + 16 * 8, 4 + 16 * 2 };
        const uint64_t wrong[] = { 0,
                                   (&good.desc_user_addr)[i] + align[i] / 2,
                                   (uintptr_t)rig.client.mem - align[i],
                                   end - bytes[i] + align[i],
                                   end,
                                   UINT64_MAX - 15,
                                   VU_CLIENT_GPA };

        for (size_t j = 0; j < G_N_ELEMENTS(wrong); j++) {
            bad = good;
            (&bad.desc_user_addr)[i] = wrong[j];
            set_addr(&rig, &bad);
            vu_rig_refused(&rig, VHOST_USER_SET_VRING_ADDR);
        }
        bad = good;
        (&bad.desc_user_addr)[i] = end - (bytes[i] + 15) / 16 * 16;
        set_addr(&rig, &bad);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    }
    vu_rig_done(&rig);
}

static void test_ring_across_two_regions_is_refused(void)
{
    VuRig rig;
    VhostUserMemory table = { .nregions = 2 };
    struct vhost_vring_addr addr;
    int fds[2];

    ready(&rig);
    table.regions[0] = vu_client_region(&rig.client, 0, 4096);
    table.regions[1] = vu_client_region(&rig.client, 4096, VU_RIG_MEM - 4096);
    fds[0] = fds[1] = rig.client.mem_fd;
    vu_client_send_msg(&rig.client, &(VuClientMsg){ .request = VHOST_USER_SET_MEM_TABLE,
                                                    .flags = VHOST_USER_NEED_REPLY_MASK,
                                                    .payload = &table,
                                                    .size = 8 + 64,
                                                    .fds = fds,
                                                    .nfds = 2 });
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    addr = vu_ring_addr(&rig.ring[0]);
    addr.desc_user_addr += 4096 - 128;
    set_addr(&rig, &addr);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ADDR);
    vu_rig_done(&rig);
}

static void test_ring_is_checked_again_when_it_starts(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    struct vhost_vring_addr addr;

    ready(&rig);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_KICK); /* no size */
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_KICK); /* no addresses */
    addr = vu_ring_addr(r);
    addr.desc_user_addr = (uintptr_t)rig.client.mem + VU_RIG_MEM - 256;
    set_addr(&rig, &addr);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 32); /* now it is too long */
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_KICK);
    g_assert_false(vu_queue_started(&rig.dev, vu_get_queue(&rig.dev, 0)));
    g_assert_false(rig.started[0]);
    vu_rig_done(&rig);
}

static void test_disabled_ring_is_not_executed(void)
{
    VuRig rig;
    VuVirtq *vq;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    vq = vu_get_queue(&rig.dev, 0);
    enable(&rig, 0, false);
    g_assert_false(vu_queue_enabled(&rig.dev, vq));
    g_assert_true(vu_queue_started(&rig.dev, vq));
    rig.handled[0] = 0;
    offer(&rig, 0, 0);
    vu_ring_kick(&rig.ring[0]);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 1);
    g_assert_cmpint(rig.handled[0], ==, 0);
    g_assert_null(pop(&rig, 0));
    g_assert_true(vu_queue_empty(&rig.dev, vq));
    g_assert_false(vu_queue_avail_bytes(&rig.dev, vq, 0, 1));
    vu_queue_kick(&rig.dev, 0);
    g_assert_cmpint(rig.handled[0], ==, 0);
    /* The kick that came meanwhile is not lost. */
    enable(&rig, 0, true);
    g_assert_cmpint(rig.handled[0], ==, 1);
    push(&rig, 0, pop(&rig, 0));
    vu_rig_done(&rig);
}

static void test_ring_is_looked_at_when_it_starts(void)
{
    VuRig rig;

    ready(&rig);
    enable(&rig, 0, true);
    vu_rig_start(&rig, 0, 16); /* enable comes before kick, and no kick comes at all */
    g_assert_cmpint(rig.handled[0], ==, 1);
    g_assert_true(rig.started[0]);
    vu_rig_done(&rig);
}

static void test_rings_are_enabled_where_they_cannot_be(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_client_send_msg(&rig.client, &(VuClientMsg){ .request = VHOST_USER_SET_FEATURES,
                                                    .payload = &(uint64_t){ 1ull << 32 },
                                                    .size = 8 });
    g_assert_true(vu_dispatch(&rig.dev));
    for (int i = 0; i < VU_RIG_QUEUES; i++) {
        g_assert_true(vu_queue_enabled(&rig.dev, vu_get_queue(&rig.dev, i)));
        g_assert_false(vu_queue_started(&rig.dev, vu_get_queue(&rig.dev, i)));
    }
    vu_rig_done(&rig);
}

static void test_kick_runs_the_handler(void)
{
    VuRig rig;
    VuQueueStats stats;

    ready(&rig);
    vu_rig_start(&rig, 2, 16);
    rig.handled[2] = 0;
    g_assert_cmpint(vu_rig_poll(&rig), ==, 0);
    vu_ring_kick(&rig.ring[2]);
    vu_ring_kick(&rig.ring[2]);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 1);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 0);
    g_assert_cmpint(rig.handled[2], ==, 1);
    vu_queue_get_stats(&rig.dev, vu_get_queue(&rig.dev, 2), &stats);
    g_assert_cmpuint(stats.kicks, ==, 1);
    vu_rig_done(&rig);
}

static void test_kick_descriptor_may_be_a_pipe(void)
{
    VuRig rig;
    int p[2];

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmpint(pipe(p), ==, 0);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, p[0]);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    close(p[0]);
    rig.handled[0] = 0;
    g_assert_cmpint(write(p[1], "x", 1), ==, 1);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 1);
    g_assert_cmpint(rig.handled[0], ==, 1);
    /* Its end would be readable for ever. */
    close(p[1]);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 1);
    g_assert_cmpint(rig.nwatches, ==, 0);
    g_assert_false(rig.dev.broken);
    vu_rig_done(&rig);
}

static void test_front_end_that_does_not_kick_is_polled(void)
{
    VuRig rig;
    gint64 end = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    rig.handled[0] = 0;
    while (rig.handled[0] < 3 && g_get_monotonic_time() < end) {
        vu_rig_poll(&rig);
    }
    g_assert_cmpint(rig.handled[0], ==, 3);
    vu_rig_done(&rig);
}

static void test_call_descriptor_can_change_while_running(void)
{
    VuRig rig;
    int p[2];
    char bytes[64];

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmpint(pipe(p), ==, 0);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_CALL, 0, p[1]);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_CALL);
    close(p[1]);
    g_assert_cmpint(read(p[0], bytes, sizeof(bytes)), ==, 8); /* signalled once at once */
    offer(&rig, 0, 0);
    push(&rig, 0, pop(&rig, 0));
    vu_queue_notify(&rig.dev, vu_get_queue(&rig.dev, 0));
    g_assert_cmpint(read(p[0], bytes, sizeof(bytes)), ==, 8);
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 0);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_CALL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_CALL);
    g_assert_cmpint(read(p[0], bytes, sizeof(bytes)), ==, 0); /* ours was closed */
    offer(&rig, 0, 1);
    push(&rig, 0, pop(&rig, 0));
    vu_queue_notify(&rig.dev, vu_get_queue(&rig.dev, 0));
    close(p[0]);
    vu_rig_done(&rig);
}

/* A blocking one would stop the queue's thread; its description is the client's, too. */
static void assert_made_non_blocking(VuRig *rig, uint32_t request, int fd)
{
    g_assert_cmpint(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), ==, 0);
    vu_client_send_file(&rig->client, request, 0, fd);
    vu_rig_accepted(rig, request);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, !=, 0);
}

static void test_descriptors_of_a_ring_are_made_non_blocking(void)
{
    static const uint32_t requests[] = { VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
                                         VHOST_USER_SET_VRING_ERR };

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        int event = eventfd(0, EFD_CLOEXEC), sv[2], p[2];
        VuRig rig;

        ready(&rig);
        vu_rig_start(&rig, 0, 16);
        g_assert_cmpint(pipe2(p, O_CLOEXEC), ==, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
        assert_made_non_blocking(&rig, requests[i], event);
        assert_made_non_blocking(&rig, requests[i], sv[0]);
        assert_made_non_blocking(&rig, requests[i],
                                 p[requests[i] == VHOST_USER_SET_VRING_KICK ? 0 : 1]);
        vu_rig_done(&rig);
        close(event);
        close(sv[0]);
        close(sv[1]);
        close(p[0]);
        close(p[1]);
    }
}

static void test_running_ring_keeps_its_shape(void)
{
    VuRig rig;
    struct vhost_vring_addr addr;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    ask_state(&rig, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    ask_state(&rig, VHOST_USER_SET_VRING_BASE, 0, 0);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_BASE);
    addr = vu_ring_addr(&rig.ring[0]);
    addr.used_user_addr += 4096;
    set_addr(&rig, &addr);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ADDR);
    addr.used_user_addr -= 4096;
    addr.flags = 1;
    addr.log_guest_addr = 0x1234;
    set_addr(&rig, &addr);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    g_assert_cmphex(vu_get_queue(&rig.dev, 0)->vring.log_guest_addr, ==, 0x1234);
    offer(&rig, 0, 0);
    push(&rig, 0, pop(&rig, 0));
    vu_rig_done(&rig);
}

/* ---- Stop ---- */

static void test_stop_answers_when_the_requests_are_done(void)
{
    VuRig rig;
    VuVirtqElement *a, *b;
    VhostUserMsg reply;
    VuVirtq *vq;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    vq = vu_get_queue(&rig.dev, 0);
    offer(&rig, 0, 0);
    offer(&rig, 0, 1);
    offer(&rig, 0, 2);
    a = pop(&rig, 0);
    b = pop(&rig, 0);
    ask_state(&rig, VHOST_USER_GET_VRING_BASE, 0, 0);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    g_assert_false(rig.started[0]);
    g_assert_cmpint(rig.nwatches, ==, 0);
    g_assert_null(pop(&rig, 0));
    push(&rig, 0, b);
    g_assert_true(vu_client_silent(&rig.client));
    push(&rig, 0, a);
    vu_client_recv(&rig.client, VHOST_USER_GET_VRING_BASE, &reply);
    g_assert_cmpuint(reply.payload.state.num, ==, 2);
    g_assert_cmpuint(reply.size, ==, 8);
    /* Both completions are there and were announced before the descriptor was closed. */
    g_assert_true(vu_ring_reap(&rig.ring[0], NULL, NULL));
    g_assert_true(vu_ring_reap(&rig.ring[0], NULL, NULL));
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 1);
    g_assert_cmpint(vq->call_fd, ==, -1);
    g_assert_cmpint(vq->kick_fd, ==, -1);
    vu_queue_notify(&rig.dev, vq);
    vu_rig_done(&rig);
}

/* Answers stay in the order of their requests. */
static void test_later_answers_wait_for_the_stop(void)
{
    VuRig rig;
    VuVirtqElement *a;
    VhostUserMsg reply;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    offer(&rig, 0, 0);
    a = pop(&rig, 0);
    ask_state(&rig, VHOST_USER_GET_VRING_BASE, 0, 0);
    vu_client_send(&rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    vu_client_send(&rig.client, VHOST_USER_GET_QUEUE_NUM, NULL, 0, -1);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, rig.ring[0].kick);
    for (int i = 0; i < 4; i++) {
        g_assert_true(vu_dispatch(&rig.dev));
    }
    g_assert_true(vu_client_silent(&rig.client));
    push(&rig, 0, a);
    vu_client_recv(&rig.client, VHOST_USER_GET_VRING_BASE, &reply);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_SET_OWNER), ==, 0);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_GET_QUEUE_NUM), ==, 4);
    /* A ring that is stopping cannot be started. */
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_SET_VRING_KICK), !=, 0);
    vu_rig_done(&rig);
}

static void test_front_end_that_never_waits_is_dropped(void)
{
    VuRig rig;
    VuVirtqElement *a;
    int n = 0;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    offer(&rig, 0, 0);
    a = pop(&rig, 0);
    ask_state(&rig, VHOST_USER_GET_VRING_BASE, 0, 0);
    g_assert_true(vu_dispatch(&rig.dev));
    do {
        vu_client_send(&rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    } while (vu_dispatch(&rig.dev) && ++n < 1000);
    g_assert_cmpint(n, <, 100);
    g_assert_true(rig.dev.broken);
    push(&rig, 0, a);
    vu_rig_done(&rig);
}

typedef struct WaitOps {
    VuRig *rig;
    VuVirtqElement *elem;
    int waits, wakes;
    bool give_up;
} WaitOps;
static WaitOps wait_ops;

static bool wait_by_completing(VuDev *dev, vu_ready_cb ready_cb, void *opaque)
{
    g_assert_false(ready_cb(dev, opaque));
    wait_ops.waits++;
    if (wait_ops.give_up) {
        return false;
    }
    push(wait_ops.rig, 0, wait_ops.elem);
    g_assert_true(ready_cb(dev, opaque));
    return true;
}

static void count_wake(VuDev *dev)
{
    wait_ops.wakes++;
}

static void stop_with_wait(bool give_up)
{
    static const VuIoOps ops = { .wait = wait_by_completing, .wake = count_wake };
    VuRig rig;

    ready(&rig);
    vu_set_io_ops(&rig.dev, &ops);
    vu_rig_start(&rig, 0, 16);
    offer(&rig, 0, 0);
    wait_ops = (WaitOps){ .rig = &rig, .elem = pop(&rig, 0), .give_up = give_up };
    if (give_up) {
        ask_state(&rig, VHOST_USER_GET_VRING_BASE, 0, 0);
        g_assert_false(vu_dispatch(&rig.dev));
        g_assert_true(vu_client_silent(&rig.client));
        free(wait_ops.elem);
    } else {
        g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, 1);
        g_assert_cmpint(wait_ops.wakes, >, 0);
    }
    g_assert_cmpint(wait_ops.waits, ==, 1);
    vu_rig_done(&rig);
}

static void test_loop_may_wait_inside_dispatch(void)
{
    stop_with_wait(false);
}

static void test_wait_that_gives_up_ends_dispatch(void)
{
    stop_with_wait(true);
}

static void test_stopped_ring_resumes_where_it_was(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) {
            offer(&rig, 0, i);
            push(&rig, 0, pop(&rig, 0));
            g_assert_true(vu_ring_reap(r, NULL, NULL));
        }
        g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, (round + 1) * 5);
        g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, (round + 1) * 5);
        /* "Enabled" was kept: no SET_VRING_ENABLE is needed. */
        offer(&rig, 0, 9);
        g_assert_null(pop(&rig, 0));
        vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
        push(&rig, 0, pop(&rig, 0));
        g_assert_true(vu_ring_reap(r, NULL, NULL));
        r->avail_idx--;
        r->last_used--;
        r->avail->idx = GUINT16_TO_LE(r->avail_idx);
        r->used->idx = GUINT16_TO_LE(r->last_used);
        vu_rig_stop(&rig, 0);
        ask_state(&rig, VHOST_USER_SET_VRING_BASE, 0, r->avail_idx);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_BASE);
        vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    }
    vu_rig_done(&rig);
}

static void test_in_order_queue_resumes_at_the_used_index(void)
{
    VuRig rig;
    VuGuestRing *r = &rig.ring[0];
    VuVirtqElement *e;

    ready(&rig);
    rig.in_order = true;
    vu_rig_start(&rig, 0, 16);
    for (int i = 0; i < 4; i++) {
        offer(&rig, 0, i);
        e = pop(&rig, 0);
        if (i < 2) {
            push(&rig, 0, e);
        } else {
            vu_queue_detach_element(&rig.dev, vu_get_queue(&rig.dev, 0), e, 0);
            free(e);
        }
    }
    g_assert_cmpuint(vu_rig_stop(&rig, 0), ==, 4);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, r->kick);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    e = pop(&rig, 0);
    g_assert_cmpuint(e->index, ==, 2);
    push(&rig, 0, e);
    vu_rig_done(&rig);
}

static void test_kicks_suppressed_by_an_earlier_back_end_are_wanted_again(void)
{
    VuRig rig;

    ready(&rig);
    rig.ring[0].used->flags = GUINT16_TO_LE(VRING_USED_F_NO_NOTIFY);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmphex(rig.ring[0].used->flags, ==, 0);
    vu_rig_done(&rig);
}

static void test_features_may_change_while_rings_run(void)
{
    const uint64_t base = 1ull << 32 | 1ull << 30;
    VuRig rig;
    VuVirtqElement *e;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    for (int i = 0; i < 40; i++) {
        uint64_t extra = (i & 1 ? 1ull << VHOST_F_LOG_ALL : 0) | (i & 2 ? EVENT_IDX : 0);

        offer(&rig, 0, i % 16);
        e = pop(&rig, 0);
        g_assert_nonnull(e);
        vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, base | extra);
        vu_rig_accepted(&rig, VHOST_USER_SET_FEATURES);
        push(&rig, 0, e);
        g_assert_true(vu_ring_reap(&rig.ring[0], NULL, NULL));
        g_assert_true(vu_queue_started(&rig.dev, vu_get_queue(&rig.dev, 0)));
    }
    vu_rig_done(&rig);
}

static void test_reset_owner_disables_all_rings(void)
{
    VuRig rig;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    vu_rig_start(&rig, 1, 16);
    vu_client_send(&rig.client, VHOST_USER_RESET_OWNER, NULL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_RESET_OWNER);
    offer(&rig, 0, 0);
    g_assert_null(pop(&rig, 0));
    g_assert_false(vu_queue_enabled(&rig.dev, vu_get_queue(&rig.dev, 1)));
    g_assert_true(vu_queue_started(&rig.dev, vu_get_queue(&rig.dev, 1)));
    vu_rig_done(&rig);
}

static void look_later(VuDev *dev, VuVirtq *vq)
{
    wait_ops.waits++;
}

static void test_loop_may_look_by_itself(void)
{
    static const VuIoOps ops = { .look = look_later };
    VuRig rig;

    ready(&rig);
    wait_ops = (WaitOps){ 0 };
    vu_set_io_ops(&rig.dev, &ops);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmpint(wait_ops.waits, ==, 2); /* kick, enable */
    g_assert_cmpint(rig.handled[0], ==, 0);
    vu_queue_kick(&rig.dev, 0);
    g_assert_cmpint(rig.handled[0], ==, 1);
    vu_rig_done(&rig);
}

/* ---- End ---- */

static void test_deinit_ends_running_rings(void)
{
    VuRig rig;

    ready(&rig);
    for (int i = 0; i < VU_RIG_QUEUES; i++) {
        vu_rig_start(&rig, i, 16);
        g_assert_true(rig.started[i]);
    }
    g_assert_cmpint(rig.nwatches, ==, VU_RIG_QUEUES);
    /* vu_rig_done() checks watches and flags, the harness descriptors, ASan memory. */
    vu_deinit(&rig.dev);
    vu_deinit(&rig.dev);
    vu_rig_done(&rig);
}

static void test_deinit_drops_what_is_under_way(void)
{
    VuRig rig;
    VuVirtqElement *e;

    ready(&rig);
    vu_rig_start(&rig, 0, 16);
    offer(&rig, 0, 0);
    e = pop(&rig, 0);
    vu_client_send_mem_table(&rig.client); /* waits for the element */
    g_assert_true(vu_dispatch(&rig.dev));
    ask_state(&rig, VHOST_USER_GET_VRING_BASE, 0, 0);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    vu_rig_done(&rig);
    free(e);
}

static void test_socket_can_have_another_owner(void)
{
    VuRig rig;
    int sock;

    ready(&rig);
    sock = rig.dev.sock;
    rig.dev.sock = -1;
    vu_deinit(&rig.dev);
    g_assert_cmpint(fcntl(sock, F_GETFD), >=, 0);
    close(sock);
    vu_rig_done(&rig);
}

static void add_setup(void)
{
    harness_add("/vu-vring/size_must_be_a_power_of_two_up_to_the_limit",
                test_size_must_be_a_power_of_two_up_to_the_limit);
    harness_add("/vu-vring/limit_of_the_size_can_be_set", test_limit_of_the_size_can_be_set);
    harness_add("/vu-vring/base_must_fit_an_index", test_base_must_fit_an_index);
    harness_add("/vu-vring/bad_addresses_are_refused", test_bad_addresses_are_refused);
    harness_add("/vu-vring/ring_across_two_regions_is_refused",
                test_ring_across_two_regions_is_refused);
    harness_add("/vu-vring/ring_is_checked_again_when_it_starts",
                test_ring_is_checked_again_when_it_starts);
    harness_add("/vu-vring/disabled_ring_is_not_executed", test_disabled_ring_is_not_executed);
    harness_add("/vu-vring/ring_is_looked_at_when_it_starts",
                test_ring_is_looked_at_when_it_starts);
    harness_add("/vu-vring/rings_are_enabled_where_they_cannot_be",
                test_rings_are_enabled_where_they_cannot_be);
    harness_add("/vu-kick/kick_runs_the_handler", test_kick_runs_the_handler);
    harness_add("/vu-kick/kick_descriptor_may_be_a_pipe", test_kick_descriptor_may_be_a_pipe);
    harness_add("/vu-kick/front_end_that_does_not_kick_is_polled",
                test_front_end_that_does_not_kick_is_polled);
    harness_add("/vu-kick/loop_may_look_by_itself", test_loop_may_look_by_itself);
}

static void add_running(void)
{
    harness_add("/vu-vring/call_descriptor_can_change_while_running",
                test_call_descriptor_can_change_while_running);
    harness_add("/vu-vring/descriptors_of_a_ring_are_made_non_blocking",
                test_descriptors_of_a_ring_are_made_non_blocking);
    harness_add("/vu-vring/running_ring_keeps_its_shape", test_running_ring_keeps_its_shape);
    harness_add("/vu-vring/stop_answers_when_the_requests_are_done",
                test_stop_answers_when_the_requests_are_done);
    harness_add("/vu-vring/later_answers_wait_for_the_stop", test_later_answers_wait_for_the_stop);
    harness_add("/vu-vring/front_end_that_never_waits_is_dropped",
                test_front_end_that_never_waits_is_dropped);
    harness_add("/vu-vring/loop_may_wait_inside_dispatch", test_loop_may_wait_inside_dispatch);
    harness_add("/vu-vring/wait_that_gives_up_ends_dispatch",
                test_wait_that_gives_up_ends_dispatch);
    harness_add("/vu-vring/stopped_ring_resumes_where_it_was",
                test_stopped_ring_resumes_where_it_was);
    harness_add("/vu-vring/in_order_queue_resumes_at_the_used_index",
                test_in_order_queue_resumes_at_the_used_index);
    harness_add("/vu-vring/kicks_suppressed_by_an_earlier_back_end_are_wanted_again",
                test_kicks_suppressed_by_an_earlier_back_end_are_wanted_again);
    harness_add("/vu-vring/features_may_change_while_rings_run",
                test_features_may_change_while_rings_run);
    harness_add("/vu-vring/reset_owner_disables_all_rings", test_reset_owner_disables_all_rings);
    harness_add("/vu-deinit/deinit_ends_running_rings", test_deinit_ends_running_rings);
    harness_add("/vu-deinit/deinit_drops_what_is_under_way", test_deinit_drops_what_is_under_way);
    harness_add("/vu-deinit/socket_can_have_another_owner", test_socket_can_have_another_owner);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    add_setup();
    add_running();
    return harness_run();
}
