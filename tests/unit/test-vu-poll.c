/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings whose front-end does not kick, or is not to be called: nothing is missed, and a ring that
 * rests costs next to nothing.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/timerfd.h>

#include "harness.h"
#include "vu-driver.h"

#define SHORTEST_NS 250000
#define LONGEST_NS  32000000
#define SECONDS_MAX 30

static void serve(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *e;

    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        vu_queue_push(dev, vq, e, 0);
        free(e);
        vu_queue_notify(dev, vq);
    }
}

/* Ring 0 without a kick descriptor. */
static void begin(VuRig *rig)
{
    vu_rig_init(rig);
    rig->handler = serve;
    vu_rig_ready(rig, 0);
    vu_rig_start(rig, 0, 16);
    vu_client_send_file(&rig->client, VHOST_USER_SET_VRING_KICK, 0, -1);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmpint(rig->nwatches, ==, 1);
}

static long interval(VuRig *rig)
{
    struct itimerspec now;

    g_assert_cmpint(timerfd_gettime(rig->watches[0].fd, &now), ==, 0);
    return now.it_interval.tv_nsec;
}

/* Let the timer kick once. */
static void look(VuRig *rig)
{
    struct pollfd p = { .fd = rig->watches[0].fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, SECONDS_MAX * 1000), ==, 1);
    g_assert_cmpint(vu_rig_poll(rig), ==, 1);
}

static void test_resting_ring_is_looked_at_less_and_less(void)
{
    VuRig rig;
    int looks = 0;

    begin(&rig);
    g_assert_cmpint(interval(&rig), ==, SHORTEST_NS);
    for (long last = SHORTEST_NS; last < LONGEST_NS; last = interval(&rig)) {
        look(&rig);
        g_assert_cmpint(interval(&rig), >=, last);
        g_assert_cmpint(++looks, <, 100);
    }
    for (int i = 0; i < 20; i++) {
        look(&rig);
        g_assert_cmpint(interval(&rig), ==, LONGEST_NS);
    }
    vu_rig_done(&rig);
}

static void test_request_is_found_without_a_kick_and_brings_the_others_on(void)
{
    VuRig rig;

    begin(&rig);
    while (interval(&rig) < LONGEST_NS) {
        look(&rig);
    }
    for (int i = 0; i < 20; i++) {
        vu_rig_offer(&rig, i % 16, 8);
        look(&rig);
        vu_rig_assert_used(&rig, i % 16, 0);
        g_assert_cmpint(interval(&rig), ==, SHORTEST_NS);
    }
    vu_rig_done(&rig);
}

static void test_kick_descriptor_ends_the_polling(void)
{
    VuRig rig;

    begin(&rig);
    while (interval(&rig) < LONGEST_NS) {
        look(&rig);
    }
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, rig.ring[0].kick);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    g_assert_cmpint(rig.nwatches, ==, 1);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 0);
    vu_rig_offer(&rig, 0, 8);
    vu_ring_kick(&rig.ring[0]);
    g_assert_cmpint(vu_rig_poll(&rig), ==, 1);
    vu_rig_assert_used(&rig, 0, 0);
    vu_rig_done(&rig);
}

static void test_without_a_call_descriptor_the_used_ring_tells_all(void)
{
    VuRig rig;

    begin(&rig);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_CALL, 0, -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_CALL);
    for (int i = 0; i < 20; i++) {
        vu_rig_offer(&rig, i % 16, 8);
        look(&rig);
        vu_rig_assert_used(&rig, i % 16, 0);
    }
    g_assert_cmpuint(vu_ring_take_signal(rig.ring[0].call), ==, 0);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-poll/resting_ring_is_looked_at_less_and_less",
                test_resting_ring_is_looked_at_less_and_less);
    harness_add("/vu-poll/request_is_found_without_a_kick_and_brings_the_others_on",
                test_request_is_found_without_a_kick_and_brings_the_others_on);
    harness_add("/vu-poll/kick_descriptor_ends_the_polling", test_kick_descriptor_ends_the_polling);
    harness_add("/vu-poll/without_a_call_descriptor_the_used_ring_tells_all",
                test_without_a_call_descriptor_the_used_ring_tells_all);
    return harness_run();
}
