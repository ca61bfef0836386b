/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the front-end says on the back-end channel of which somebody reads the answers: questions
 * to the IOMMU that are refused, and what is no answer.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>

#include "harness.h"
#include "vu-iommu.h"

#define RING       0 /* offset of ring 0 in the view */
#define OTHER_RING 0x10000
#define DATA       0x40000

static int watched; /* what the library wanted watched last */

static void watch_channel(VuDev *dev, int fd)
{
    watched = fd;
}

static const VuIoOps ops = { .watch_channel = watch_channel };

static uint64_t data_iova(size_t offset)
{
    return IOVA_BASE + DATA + offset;
}

/* Ring 0, found by the device, whose channel is watched. */
static void begin(VuIommu *i)
{
    vu_iommu_init(i, 0);
    vu_iommu_start(i, 0, 16, RING);
    vu_iommu_serve(i);
    vu_set_io_ops(&i->rig.dev, &ops);
    watched = i->rig.dev.backend_fd;
}

static VuVirtqElement *pop(VuIommu *i, unsigned int q)
{
    return vu_queue_pop(&i->rig.dev, vu_get_queue(&i->rig.dev, q), sizeof(VuVirtqElement));
}

static void offer(VuIommu *i, unsigned int q, unsigned int head, uint64_t iova, uint16_t flags)
{
    vu_ring_desc(&i->ring[q], head, iova, 8, flags, 0);
    vu_ring_offer(&i->ring[q], head);
}

static void assert_used(VuIommu *i, unsigned int q, uint32_t head)
{
    uint32_t id, len;

    g_assert_true(vu_ring_reap(&i->ring[q], &id, &len));
    g_assert_cmpuint(id, ==, head);
    g_assert_cmpuint(len, ==, 0);
}

/* The chain at @head must come next; it is given back. */
static void assert_served(VuIommu *i, unsigned int q, uint32_t head)
{
    VuVirtqElement *e = pop(i, q);

    g_assert_nonnull(e);
    g_assert_cmpuint(e->index, ==, head);
    vu_queue_push(&i->rig.dev, vu_get_queue(&i->rig.dev, q), e, 0);
    free(e);
    assert_used(i, q, head);
}

/* The next question must be this; returns its flags. */
static uint32_t assert_asked(VuIommu *i, uint64_t iova, unsigned int perm)
{
    struct {
        uint32_t head[3];
        struct vhost_iotlb_msg miss;
    } __attribute__((packed)) msg;

    g_assert_cmpint(recv(i->channel, &msg, sizeof(msg), MSG_WAITALL | MSG_DONTWAIT), ==,
                    sizeof(msg));
    g_assert_cmpuint(msg.head[0], ==, VHOST_USER_BACKEND_IOTLB_MSG);
    g_assert_cmphex(msg.miss.iova, ==, iova);
    g_assert_cmpuint(msg.miss.perm, ==, perm);
    return msg.head[1];
}

static void assert_silent(VuIommu *i)
{
    struct vhost_iotlb_msg miss;

    g_assert_false(vu_iommu_question(i, &miss));
}

static void say(VuIommu *i, const void *bytes, size_t len)
{
    g_assert_cmpint(send(i->channel, bytes, len, MSG_NOSIGNAL), ==, len);
}

static void acknowledge(VuIommu *i, uint64_t value)
{
    uint32_t answer[5] = { VHOST_USER_BACKEND_IOTLB_MSG, 5, 8, value, 0 };

    say(i, answer, sizeof(answer));
    vu_channel_ready(&i->rig.dev);
}

static void refuse(VuIommu *i)
{
    acknowledge(i, 1);
    g_assert_true(vu_has_answers(&i->rig.dev));
    vu_act_on_answers(&i->rig.dev);
    g_assert_false(vu_has_answers(&i->rig.dev));
}

/* Answer all that is asked, and say so. */
static void serve(VuIommu *i)
{
    for (unsigned int n = vu_iommu_serve(i); n > 0; n--) {
        acknowledge(i, 0);
    }
}

/* ---- Questions ---- */

static void test_refused_question_ends_the_chain_that_asked(void)
{
    VuIommu i;

    begin(&i);
    vu_iommu_map(&i, data_iova(0x1000), IOMMU_RW);
    offer(&i, 0, 0, data_iova(0), 0);
    offer(&i, 0, 1, data_iova(0x1000), 0);
    g_assert_null(pop(&i, 0));
    g_assert_cmphex(assert_asked(&i, data_iova(0), IOMMU_READ), ==,
                    VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
    i.rig.handled[0] = 0;
    refuse(&i);
    g_assert_cmpint(i.rig.handled[0], ==, 1); /* by itself */
    g_assert_cmpint(i.rig.dev.backend_fd, >=, 0);
    offer(&i, 0, 2, data_iova(0), 0);
    {
        VuVirtqElement *e = pop(&i, 0);

        g_assert_nonnull(e);
        assert_used(&i, 0, 0);
        vu_queue_push(&i.rig.dev, vu_get_queue(&i.rig.dev, 0), e, 0);
        free(e);
        assert_used(&i, 0, 1);
    }
    /* The refusal was of that chain: the next one asks again. */
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_READ);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    acknowledge(&i, 0);
    assert_served(&i, 0, 2);
    vu_iommu_done(&i);
}

static void test_acknowledged_question_waits_for_its_answer(void)
{
    VuIommu i;

    begin(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_READ);
    acknowledge(&i, 0);
    g_assert_false(vu_has_answers(&i.rig.dev));
    vu_act_on_answers(&i.rig.dev);
    g_assert_null(pop(&i, 0));
    assert_silent(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    assert_served(&i, 0, 0);
    vu_iommu_done(&i);
}

/* Ring 1 relies on the question of ring 0; and wants less, so that is not refused to it. */
static void test_who_wanted_less_asks_for_himself(void)
{
    VuIommu i;

    begin(&i);
    vu_iommu_start(&i, 1, 16, OTHER_RING);
    serve(&i);
    offer(&i, 0, 0, data_iova(0), VRING_DESC_F_WRITE);
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_WRITE);
    offer(&i, 1, 0, data_iova(8), VRING_DESC_F_WRITE);
    offer(&i, 1, 1, data_iova(16), 0);
    g_assert_null(pop(&i, 1));
    assert_silent(&i);
    refuse(&i);
    g_assert_null(pop(&i, 0));
    assert_used(&i, 0, 0);
    /* The first of ring 1 wants as much, and hears the same; the second one asks. */
    g_assert_null(pop(&i, 1));
    assert_used(&i, 1, 0);
    assert_asked(&i, data_iova(16), IOMMU_READ);
    vu_iommu_map(&i, data_iova(16), IOMMU_READ);
    assert_served(&i, 1, 1);
    vu_iommu_done(&i);
}

/* A refusal that comes late is no answer to what was asked since. */
static void test_refusal_of_a_forgotten_question_harms_nobody(void)
{
    unsigned int unheard;
    VuIommu i;

    begin(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_READ);
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 0);
    vu_ring_done(&i.ring[0]);
    vu_iommu_start(&i, 0, 16, RING);
    unheard = vu_iommu_serve(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_READ);
    refuse(&i); /* the first question */
    while (unheard-- > 0) {
        acknowledge(&i, 0);
    }
    g_assert_null(pop(&i, 0));
    vu_iommu_map(&i, data_iova(0), IOMMU_READ);
    assert_served(&i, 0, 0);
    vu_iommu_done(&i);
}

static void test_refused_ring_is_reported(void)
{
    VuIommu i;
    struct vhost_iotlb_msg miss;

    vu_iommu_init(&i, 0);
    vu_set_io_ops(&i.rig.dev, &ops);
    vu_iommu_start(&i, 0, 16, RING);
    while (vu_iommu_question(&i, &miss)) {
        acknowledge(&i, 1);
    }
    vu_act_on_answers(&i.rig.dev);
    g_assert_cmpuint(vu_ring_take_signal(i.ring[0].err), ==, 1);
    g_assert_cmpuint(vu_rig_stop(&i.rig, 0), ==, 0);
    vu_iommu_done(&i);
}

static void test_answer_comes_in_pieces(void)
{
    const uint32_t answer[5] = { VHOST_USER_BACKEND_IOTLB_MSG, 5, 8, 1, 0 };
    VuIommu i;

    begin(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    for (size_t at = 0; at < sizeof(answer); at++) {
        g_assert_false(vu_has_answers(&i.rig.dev));
        say(&i, (const char *)answer + at, 1);
        vu_channel_ready(&i.rig.dev);
    }
    g_assert_true(vu_has_answers(&i.rig.dev));
    vu_act_on_answers(&i.rig.dev);
    g_assert_null(pop(&i, 0));
    assert_used(&i, 0, 0);
    vu_iommu_done(&i);
}

/* Answers that are not awaited need no memory; the questions are as good as the others. */
static void test_front_end_that_never_acknowledges_is_asked_without(void)
{
    unsigned int without = 0;
    VuIommu i;

    begin(&i);
    for (unsigned int n = 0; n < 1000; n++) {
        uint64_t iova = data_iova(n % 16 * IOMMU_PAGE);

        offer(&i, 0, n % 16, iova, 0);
        g_assert_null(pop(&i, 0));
        without += !(assert_asked(&i, iova, IOMMU_READ) & VHOST_USER_NEED_REPLY_MASK);
        vu_iommu_map(&i, iova, IOMMU_READ);
        assert_served(&i, 0, n % 16);
        vu_iommu_unmap(&i, iova, IOMMU_PAGE);
    }
    g_assert_cmpuint(without, ==, 1000 - 256);
    acknowledge(&i, 0);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    g_assert_cmphex(assert_asked(&i, data_iova(0), IOMMU_READ), ==,
                    VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
    vu_iommu_done(&i);
}

/* ---- The channel ---- */

static void test_new_channel_hears_what_is_unanswered(void)
{
    VuIommu i;
    int sv[2], old;

    begin(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    assert_asked(&i, data_iova(0), IOMMU_READ);
    old = i.channel;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&i.rig.client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(&i.rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    i.channel = sv[0];
    g_assert_cmpint(watched, ==, i.rig.dev.backend_fd);
    g_assert_cmpint(recv(old, &(char){ 0 }, 1, 0), ==, 0); /* nobody else has it */
    close(old);
    assert_asked(&i, data_iova(0), IOMMU_READ);
    refuse(&i);
    g_assert_null(pop(&i, 0));
    assert_used(&i, 0, 0);
    vu_iommu_done(&i);
}

/* Whatever the front-end says: the channel is closed, the connection is not. */
static void assert_closed(VuIommu *i, const char *word)
{
    vu_channel_ready(&i->rig.dev);
    g_assert_cmpint(i->rig.dev.backend_fd, ==, -1);
    g_assert_cmpint(watched, ==, -1);
    g_assert_false(i->rig.dev.broken);
    if (word) {
        g_assert_nonnull(strstr(i->rig.log->str, word));
    } else {
        g_assert_cmpstr(i->rig.log->str, ==, "");
    }
    /* As without a channel: the front-end says what it has to say by itself. */
    offer(i, 0, 5, data_iova(0x5000), 0);
    g_assert_null(pop(i, 0));
    vu_iommu_map(i, data_iova(0x5000), IOMMU_READ);
    assert_served(i, 0, 5);
}

static void test_what_is_no_answer_closes_the_channel(void)
{
    static const uint32_t nonsense[][5] = {
        { VHOST_USER_BACKEND_IOTLB_MSG, 5, 8, 0, 0 }, /* nobody has asked */
        { VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, 5, 8, 0, 0 },
        { VHOST_USER_BACKEND_IOTLB_MSG, 1, 8, 0, 0 },   /* a request */
        { VHOST_USER_BACKEND_IOTLB_MSG, 0xd, 8, 0, 0 }, /* it wants an answer */
        { VHOST_USER_BACKEND_IOTLB_MSG, 6, 8, 0, 0 },   /* another version */
        { VHOST_USER_BACKEND_IOTLB_MSG, 5, 0, 0, 0 },
        { VHOST_USER_BACKEND_IOTLB_MSG, 5, UINT32_MAX, 0, 0 },
    };

    for (size_t n = 0; n < G_N_ELEMENTS(nonsense); n++) {
        VuIommu i;

        begin(&i);
        say(&i, nonsense[n], sizeof(nonsense[n]));
        assert_closed(&i, "no answer to what was asked");
        vu_iommu_done(&i);
    }
}

static void test_end_of_the_channel_is_survived(void)
{
    VuIommu i;

    begin(&i);
    shutdown(i.channel, SHUT_RDWR);
    assert_closed(&i, NULL);
    vu_iommu_done(&i);

    begin(&i); /* in the middle of an answer */
    say(&i, "\1", 1);
    vu_channel_ready(&i.rig.dev);
    shutdown(i.channel, SHUT_RDWR);
    assert_closed(&i, "reset");
    vu_iommu_done(&i);
}

static void test_end_of_the_channel_with_questions_open_is_told(void)
{
    VuIommu i;

    begin(&i);
    offer(&i, 0, 0, data_iova(0), 0);
    g_assert_null(pop(&i, 0));
    shutdown(i.channel, SHUT_RDWR);
    vu_channel_ready(&i.rig.dev);
    g_assert_nonnull(strstr(i.rig.log->str, "closed the back-end channel"));
    vu_iommu_map(&i, data_iova(0), IOMMU_READ);
    assert_served(&i, 0, 0);
    vu_iommu_done(&i);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-channel/refused_question_ends_the_chain_that_asked",
                test_refused_question_ends_the_chain_that_asked);
    harness_add("/vu-channel/acknowledged_question_waits_for_its_answer",
                test_acknowledged_question_waits_for_its_answer);
    harness_add("/vu-channel/who_wanted_less_asks_for_himself",
                test_who_wanted_less_asks_for_himself);
    harness_add("/vu-channel/refusal_of_a_forgotten_question_harms_nobody",
                test_refusal_of_a_forgotten_question_harms_nobody);
    harness_add("/vu-channel/refused_ring_is_reported", test_refused_ring_is_reported);
    harness_add("/vu-channel/answer_comes_in_pieces", test_answer_comes_in_pieces);
    harness_add("/vu-channel/front_end_that_never_acknowledges_is_asked_without",
                test_front_end_that_never_acknowledges_is_asked_without);
    harness_add("/vu-channel/new_channel_hears_what_is_unanswered",
                test_new_channel_hears_what_is_unanswered);
    harness_add("/vu-channel/what_is_no_answer_closes_the_channel",
                test_what_is_no_answer_closes_the_channel);
    harness_add("/vu-channel/end_of_the_channel_is_survived", test_end_of_the_channel_is_survived);
    harness_add("/vu-channel/end_of_the_channel_with_questions_open_is_told",
                test_end_of_the_channel_with_questions_open_is_told);
    return harness_run();
}
