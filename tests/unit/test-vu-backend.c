/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel on which the back-end asks.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "harness.h"
#include "vu-rig.h"

typedef struct ChannelRig {
    VuRig rig;
    VuClient front; /* its end of the channel; only the socket is used */
} ChannelRig;

static void give_channel(ChannelRig *c)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&c->rig.client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(&c->rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    c->front.sock = sv[0];
}

static void channel_init(ChannelRig *c, uint64_t protocol)
{
    vu_rig_init(&c->rig);
    vu_rig_negotiate(&c->rig, 0, protocol | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ);
    give_channel(c);
}

static void channel_done(ChannelRig *c)
{
    close(c->front.sock);
    vu_rig_done(&c->rig);
}

static void read_notice(ChannelRig *c)
{
    uint32_t head[3];

    g_assert_cmpint(recv(c->front.sock, head, sizeof(head), MSG_WAITALL), ==, sizeof(head));
    g_assert_cmpuint(head[0], ==, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG);
    g_assert_cmphex(head[1], ==, VHOST_USER_VERSION);
    g_assert_cmpuint(head[2], ==, 0);
}

#define F_CONFIG   (1ull << VHOST_USER_PROTOCOL_F_CONFIG)
#define F_NOTIFIER (1ull << VHOST_USER_PROTOCOL_F_HOST_NOTIFIER)

static void test_config_change_is_announced(void)
{
    ChannelRig c;

    channel_init(&c, F_CONFIG);
    vu_config_change_msg(&c.rig.dev);
    read_notice(&c);
    g_assert_true(vu_client_silent(&c.front));
    channel_done(&c);
}

static void test_config_change_without_channel_does_nothing(void)
{
    VuRig rig;
    ChannelRig c;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, F_CONFIG);
    vu_config_change_msg(&rig.dev);
    g_assert_true(vu_client_silent(&rig.client));
    vu_rig_done(&rig);

    channel_init(&c, 0); /* a channel, but no CONFIG */
    vu_config_change_msg(&c.rig.dev);
    g_assert_true(vu_client_silent(&c.front));
    channel_done(&c);
}

static void test_channel_can_be_replaced(void)
{
    ChannelRig c;
    int old;

    channel_init(&c, F_CONFIG);
    old = c.front.sock;
    give_channel(&c);
    vu_config_change_msg(&c.rig.dev);
    read_notice(&c);
    close(old);
    channel_done(&c);
}

static void test_dead_channel_is_survived(void)
{
    ChannelRig c;

    channel_init(&c, F_CONFIG);
    shutdown(c.front.sock, SHUT_RDWR);
    vu_config_change_msg(&c.rig.dev);
    g_assert_false(c.rig.dev.broken);
    g_assert_cmpstr(c.rig.log->str, !=, "");
    channel_done(&c);
}

/* A front-end that does not read must not stop us, and hears of the last change all the same. */
static void test_full_channel_is_repeated_later(void)
{
    ChannelRig c;
    char drain[4096];

    channel_init(&c, F_CONFIG);
    for (int i = 0; i < 20000; i++) {
        vu_config_change_msg(&c.rig.dev);
    }
    while (recv(c.front.sock, drain, sizeof(drain), MSG_DONTWAIT) > 0) {
    }
    vu_client_send(&c.rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    vu_rig_accepted(&c.rig, VHOST_USER_SET_OWNER);
    read_notice(&c);
    vu_client_send(&c.rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    vu_rig_accepted(&c.rig, VHOST_USER_SET_OWNER);
    g_assert_true(vu_client_silent(&c.front));
    channel_done(&c);
}

/* ---- Host notifier ---- */

typedef struct Answer {
    int sock;
    uint64_t value;
    VhostUserMsg request;
    int fd;
} Answer;

static gpointer answer_once(gpointer opaque)
{
    Answer *a = opaque;
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = { 0 };
    struct iovec iov = { &a->request, 12 + 24 };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    uint32_t reply[5] = { VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG, 5, 8, a->value, 0 };
    struct cmsghdr *cm;

    g_assert_cmpint(recvmsg(a->sock, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC), ==, 36);
    cm = CMSG_FIRSTHDR(&mh);
    a->fd = -1;
    if (cm) {
        memcpy(&a->fd, CMSG_DATA(cm), sizeof(int));
    }
    g_assert_cmpint(send(a->sock, reply, sizeof(reply), MSG_NOSIGNAL), ==, sizeof(reply));
    return NULL;
}

static bool offer_notifier(ChannelRig *c, Answer *a, int fd)
{
    GThread *thread;
    bool ok;

    a->sock = c->front.sock;
    thread = g_thread_new("answer", answer_once, a);
    ok = vu_set_queue_host_notifier(&c->rig.dev, vu_get_queue(&c->rig.dev, 2), fd, 4096, 8192);
    g_thread_join(thread);
    g_assert_cmphex(a->request.flags, ==, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
    return ok;
}

static void test_host_notifier_is_offered(void)
{
    ChannelRig c;
    Answer a = { 0 };
    int fd = eventfd(0, EFD_CLOEXEC);

    channel_init(&c, F_NOTIFIER);
    g_assert_true(offer_notifier(&c, &a, fd));
    g_assert_cmpint(a.fd, >=, 0);
    close(a.fd);
    g_assert_cmpuint(a.request.payload.area.u64, ==, 2);
    g_assert_cmpuint(a.request.payload.area.size, ==, 4096);
    g_assert_cmpuint(a.request.payload.area.offset, ==, 8192);
    a.value = 1;
    g_assert_false(offer_notifier(&c, &a, fd));
    close(a.fd);
    a.value = 0;
    g_assert_true(offer_notifier(&c, &a, -1));
    g_assert_cmpint(a.fd, ==, -1);
    g_assert_cmphex(a.request.payload.area.u64, ==, 2 | VHOST_USER_VRING_NOFD_MASK);
    close(fd);
    channel_done(&c);
}

static void test_host_notifier_needs_its_feature(void)
{
    ChannelRig c;

    channel_init(&c, 0);
    g_assert_false(vu_set_queue_host_notifier(&c.rig.dev, vu_get_queue(&c.rig.dev, 0), -1, 0, 0));
    g_assert_true(vu_client_silent(&c.front));
    channel_done(&c);
}

/* ---- Shared objects; the answer is written before it is asked for ---- */

static int no_object(VuDev *dev, const unsigned char *uuid)
{
    return -1;
}

static uint64_t offer_objects(VuDev *dev)
{
    return 1ull << VHOST_USER_PROTOCOL_F_SHARED_OBJECT;
}

static const VuDevIface objects_iface = {
    .get_protocol_features = offer_objects,
    .get_shared_object = no_object,
};

static void objects_init(ChannelRig *c)
{
    vu_rig_init_iface(&c->rig, 1, &objects_iface);
    vu_rig_negotiate(&c->rig, 0, offer_objects(NULL) | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ);
    give_channel(c);
}

static void answer(ChannelRig *c, uint32_t request, uint64_t value, int fd)
{
    vu_client_send_msg(&c->front, &(VuClientMsg){ .request = request,
                                                  .flags = VHOST_USER_REPLY_MASK,
                                                  .payload = &value,
                                                  .size = sizeof(value),
                                                  .fds = &fd,
                                                  .nfds = fd >= 0 ? 1 : 0 });
}

static void assert_asked(ChannelRig *c, uint32_t request, const unsigned char *uuid)
{
    uint32_t head[3];
    unsigned char got[16];

    g_assert_cmpint(recv(c->front.sock, head, sizeof(head), MSG_WAITALL), ==, sizeof(head));
    g_assert_cmpint(recv(c->front.sock, got, sizeof(got), MSG_WAITALL), ==, sizeof(got));
    g_assert_cmpuint(head[0], ==, request);
    g_assert_cmphex(head[1], ==, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
    g_assert_cmpuint(head[2], ==, 16);
    g_assert_cmpmem(got, 16, uuid, 16);
}

static void test_shared_object_is_looked_up(void)
{
    const uint32_t lookup = VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP;
    unsigned char uuid[16] = "which object is";
    int sent = eventfd(5, EFD_CLOEXEC), fd = -1;
    uint64_t value;
    ChannelRig c;

    objects_init(&c);
    answer(&c, lookup, 0, sent);
    g_assert_true(vu_lookup_shared_object(&c.rig.dev, uuid, &fd));
    g_assert_cmpint(read(fd, &value, sizeof(value)), ==, sizeof(value));
    g_assert_cmpuint(value, ==, 5);
    assert_asked(&c, lookup, uuid);
    close(fd);
    answer(&c, lookup, 0, -1);
    g_assert_false(vu_lookup_shared_object(&c.rig.dev, uuid, &fd));
    answer(&c, lookup, 2, sent); /* a no, with a descriptor that nobody wants */
    g_assert_false(vu_lookup_shared_object(&c.rig.dev, uuid, &fd));
    g_assert_cmpint(fd, ==, -1);
    close(sent);
    channel_done(&c);
}

static void test_shared_object_is_announced(void)
{
    unsigned char uuid[16] = "which object is";
    ChannelRig c;

    objects_init(&c);
    answer(&c, VHOST_USER_BACKEND_SHARED_OBJECT_ADD, 0, -1);
    g_assert_true(vu_add_shared_object(&c.rig.dev, uuid));
    assert_asked(&c, VHOST_USER_BACKEND_SHARED_OBJECT_ADD, uuid);
    answer(&c, VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE, 1, -1);
    g_assert_false(vu_rm_shared_object(&c.rig.dev, uuid));
    assert_asked(&c, VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE, uuid);
    channel_done(&c);
}

static void test_channel_out_of_step_is_closed(void)
{
    unsigned char uuid[16] = "which object is";
    int fd = eventfd(0, EFD_CLOEXEC);
    ChannelRig c;

    objects_init(&c);
    answer(&c, VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE, 0, fd); /* to something else */
    g_assert_false(vu_add_shared_object(&c.rig.dev, uuid));
    g_assert_cmpint(c.rig.dev.backend_fd, ==, -1);
    g_assert_nonnull(strstr(c.rig.log->str, "back-end channel"));
    g_assert_false(vu_add_shared_object(&c.rig.dev, uuid));
    g_assert_false(c.rig.dev.broken);
    close(fd);
    channel_done(&c);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-backend/config_change_is_announced", test_config_change_is_announced);
    harness_add("/vu-backend/config_change_without_channel_does_nothing",
                test_config_change_without_channel_does_nothing);
    harness_add("/vu-backend/channel_can_be_replaced", test_channel_can_be_replaced);
    harness_add("/vu-backend/dead_channel_is_survived", test_dead_channel_is_survived);
    harness_add("/vu-backend/full_channel_is_repeated_later", test_full_channel_is_repeated_later);
    harness_add("/vu-backend/host_notifier_is_offered", test_host_notifier_is_offered);
    harness_add("/vu-backend/host_notifier_needs_its_feature",
                test_host_notifier_needs_its_feature);
    harness_add("/vu-backend/shared_object_is_looked_up", test_shared_object_is_looked_up);
    harness_add("/vu-backend/shared_object_is_announced", test_shared_object_is_announced);
    harness_add("/vu-backend/channel_out_of_step_is_closed", test_channel_out_of_step_is_closed);
    return harness_run();
}
