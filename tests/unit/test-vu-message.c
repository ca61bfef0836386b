/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on the wire: pieces, descriptors, ends in the middle.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "harness.h"
#include "subprojects/libvhost-user/vu-internal.h"
#include "vu-rig.h"

static bool read_message(VuRig *rig, VhostUserMsg *msg)
{
    return vu_message_read_default(&rig->dev, rig->dev.sock, msg);
}

static void hang_up(VuRig *rig)
{
    close(rig->client.sock);
    rig->client.sock = -1;
}

typedef struct Dribble {
    int sock;
    uint8_t bytes[64];
    size_t len;
} Dribble;

/* One byte, then wait until it has been read. */
static gpointer dribble(gpointer opaque)
{
    const Dribble *d = opaque;

    for (size_t i = 0; i < d->len; i++) {
        int unread = 1;

        g_assert_cmpint(send(d->sock, d->bytes + i, 1, MSG_NOSIGNAL), ==, 1);
        while (unread > 0 && ioctl(d->sock, TIOCOUTQ, &unread) == 0) {
            g_thread_yield();
        }
    }
    return NULL;
}

static void test_message_may_come_byte_by_byte(void)
{
    const uint32_t head[3] = { VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, 40 };
    VuRig rig;
    Dribble d;
    VhostUserMsg msg;
    GThread *thread;

    vu_rig_init(&rig);
    d = (Dribble){ .sock = rig.client.sock, .len = 52 };
    memcpy(d.bytes, head, sizeof(head));
    for (int i = 12; i < 52; i++) {
        d.bytes[i] = i;
    }
    thread = g_thread_new("dribble", dribble, &d);
    g_assert_true(read_message(&rig, &msg));
    g_thread_join(thread);
    g_assert_cmpint(msg.request, ==, VHOST_USER_SET_VRING_ADDR);
    g_assert_cmpuint(msg.size, ==, 40);
    g_assert_cmpmem(&msg.payload, 40, d.bytes + 12, 40);
    vu_message_done(&msg);
    vu_rig_done(&rig);
}

static void test_non_blocking_socket_is_waited_for(void)
{
    VuRig rig;
    Dribble d;
    VhostUserMsg msg;
    GThread *thread;
    const uint32_t head[3] = { VHOST_USER_SET_FEATURES, VHOST_USER_VERSION, 8 };

    vu_rig_init(&rig);
    g_assert_cmpint(fcntl(rig.dev.sock, F_SETFL, O_NONBLOCK), ==, 0);
    d = (Dribble){ .sock = rig.client.sock, .len = 20 };
    memcpy(d.bytes, head, sizeof(head));
    thread = g_thread_new("dribble", dribble, &d);
    g_assert_true(read_message(&rig, &msg));
    g_thread_join(thread);
    vu_rig_done(&rig);
}

static void test_end_of_stream_is_silent(void)
{
    VuRig rig;
    VhostUserMsg msg;

    vu_rig_init(&rig);
    hang_up(&rig);
    g_assert_false(read_message(&rig, &msg));
    g_assert_false(vu_dispatch(&rig.dev));
    g_assert_false(rig.dev.broken);
    g_assert_cmpstr(rig.panic->str, ==, "");
    vu_rig_done(&rig);
}

/* The client dies after every possible number of bytes, with a descriptor under way. */
static void test_end_in_the_middle_is_reported(void)
{
    for (size_t len = 1; len < 20; len++) {
        uint32_t bytes[5] = { VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION, 8 };
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = { 0 };
        struct iovec iov = { bytes, len };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control) };
        struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
        int fd = eventfd(0, EFD_CLOEXEC);
        VuRig rig;

        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
        vu_rig_init(&rig);
        g_assert_cmpint(sendmsg(rig.client.sock, &mh, 0), ==, len);
        close(fd);
        shutdown(rig.client.sock, SHUT_WR);
        vu_rig_dropped(&rig, "in the middle");
        vu_rig_done(&rig);
    }
}

static void test_payload_beyond_the_largest_is_refused(void)
{
    static const uint32_t sizes[] = { 2057, 4096, 0x7fffffff, 0xffffffff };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint32_t head[3] = { VHOST_USER_SET_FEATURES, VHOST_USER_VERSION, sizes[i] };
        VuRig rig;

        vu_rig_init(&rig);
        g_assert_cmpint(write(rig.client.sock, head, sizeof(head)), ==, sizeof(head));
        vu_rig_dropped(&rig, "larger");
        vu_rig_done(&rig);
    }
}

static void test_payload_of_the_largest_size_arrives(void)
{
    VhostUserMsg msg;
    uint8_t payload[sizeof(msg.payload)];
    VuRig rig;

    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = i * 7;
    }
    vu_rig_init(&rig);
    vu_client_send(&rig.client, VHOST_USER_SET_CONFIG, payload, sizeof(payload), -1);
    g_assert_true(read_message(&rig, &msg));
    g_assert_cmpmem(&msg.payload, msg.size, payload, sizeof(payload));
    g_assert_cmpstr(rig.panic->str, ==, "");
    vu_message_done(&msg);
    vu_rig_done(&rig);
}

/* The socket takes an answer in pieces; its descriptor goes with the first of them only. */
static gpointer send_large(gpointer opaque)
{
    static uint8_t data[1 << 20];
    const int *fds = opaque; /* the socket, and what is sent */
    VhostUserMsg msg = { .request = VHOST_USER_GET_CONFIG,
                         .flags = VHOST_USER_VERSION,
                         .size = sizeof(data),
                         .data = data,
                         .fd_num = 1 };

    msg.fds[0] = fds[1];
    g_assert_cmpint(vu_message_send(fds[0], &msg, 0), ==, 0);
    return NULL;
}

static void test_descriptors_go_with_the_first_piece(void)
{
    size_t left = VHOST_USER_HDR_SIZE + (1 << 20);
    int sv[2], fds[2], pieces = 0, least = 4096;
    VhostUserMsg msg = { 0 };
    GThread *thread;
    bool fits = true;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    g_assert_cmpint(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), ==, 0);
    g_assert_cmpint(fcntl(sv[0], F_SETFL, O_NONBLOCK), ==, 0);
    fds[0] = sv[0];
    fds[1] = eventfd(0, EFD_CLOEXEC);
    thread = g_thread_new("send", send_large, fds);
    while (left > 0) {
        uint8_t buf[65536];
        struct iovec iov = { buf, MIN(sizeof(buf), left) };
        ssize_t n = vu_message_receive(sv[1], &iov, &msg, 0, &fits);

        g_assert_cmpint(n, >, 0);
        left -= n;
        pieces++;
    }
    g_thread_join(thread);
    g_assert_cmpint(pieces, >, 1);
    g_assert_true(fits);
    g_assert_cmpint(msg.fd_num, ==, 1);
    vu_message_done(&msg);
    close(fds[1]);
    close(sv[0]);
    close(sv[1]);
}

static void send_with_fds(VuRig *rig, int n)
{
    int fds[32];

    for (int i = 0; i < n; i++) {
        fds[i] = eventfd(i, EFD_CLOEXEC);
    }
    vu_client_send_msg(&rig->client, &(VuClientMsg){ .request = VHOST_USER_SET_OWNER,
                                                     .flags = VHOST_USER_NEED_REPLY_MASK,
                                                     .fds = fds,
                                                     .nfds = n });
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
}

static void test_eight_descriptors_arrive_in_order(void)
{
    VuRig rig;
    VhostUserMsg msg;

    vu_rig_init(&rig);
    send_with_fds(&rig, 8);
    g_assert_true(read_message(&rig, &msg));
    g_assert_cmpint(msg.fd_num, ==, 8);
    for (int i = 0; i < 8; i++) {
        uint64_t value;

        g_assert_cmpint(fcntl(msg.fds[i], F_GETFD) & FD_CLOEXEC, !=, 0);
        if (i > 0) {
            g_assert_cmpint(read(msg.fds[i], &value, 8), ==, 8);
            g_assert_cmpuint(value, ==, i);
        }
    }
    vu_message_done(&msg);
    vu_rig_done(&rig);
}

static void test_more_than_eight_descriptors_end_the_connection(void)
{
    for (int n = 9; n <= 32; n++) {
        VuRig rig;

        vu_rig_init(&rig);
        send_with_fds(&rig, n);
        vu_rig_dropped(&rig, "more than 8 descriptors");
        vu_rig_done(&rig);
    }
}

static void test_taken_descriptor_is_not_closed(void)
{
    VuRig rig;
    VhostUserMsg msg;
    int fd;

    vu_rig_init(&rig);
    send_with_fds(&rig, 2);
    g_assert_true(read_message(&rig, &msg));
    fd = vu_message_take_fd(&msg, 1);
    g_assert_cmpint(vu_message_take_fd(&msg, 1), ==, -1);
    g_assert_cmpint(vu_message_take_fd(&msg, 2), ==, -1);
    vu_message_done(&msg);
    g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
    close(fd);
    vu_rig_done(&rig);
}

static void test_full_socket_takes_nothing_of_a_notice(void)
{
    VhostUserMsg msg = { .request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, .flags = 1 };
    int sv[2], rc;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    while ((rc = vu_message_send(sv[0], &msg, MSG_DONTWAIT)) == 0) {
    }
    g_assert_cmpint(rc, ==, -EAGAIN);
    close(sv[1]);
    g_assert_cmpint(vu_message_send(sv[0], &msg, 0), ==, -EPIPE);
    close(sv[0]);
}

static void test_signal_to_a_dead_pipe_is_survived(void)
{
    int p[2];
    bool is_eventfd = true;

    g_assert_cmpint(pipe(p), ==, 0);
    g_assert_cmpint(vu_signal_fd_prepare(p[1], &is_eventfd), ==, 0);
    g_assert_false(is_eventfd);
    vu_signal_fd(p[1], is_eventfd);
    close(p[0]);
    vu_signal_fd(p[1], is_eventfd);
    close(p[1]);
}

/* A counter at its maximum, left blocking by the front-end, would stop us for ever. */
static void test_signal_to_a_full_counter_returns(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t full = UINT64_MAX - 1;
    bool is_eventfd;

    g_assert_cmpint(write(fd, &full, sizeof(full)), ==, sizeof(full));
    g_assert_cmpint(vu_signal_fd_prepare(fd, &is_eventfd), ==, 0);
    g_assert_true(is_eventfd);
    vu_signal_fd(fd, is_eventfd);
    close(fd);
}

/* Fill what @fd writes to, then make its description blocking, as a front-end can at any time. */
static void fill_and_block(int fd)
{
    char byte = 0;

    while (write(fd, &byte, 1) == 1) {
    }
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), ==, 0);
}

static void test_signal_through_what_was_made_blocking_returns(void)
{
    int p[2], sv[2], fd = eventfd(0, EFD_CLOEXEC);
    uint64_t full = UINT64_MAX - 1;
    bool is_eventfd;

    g_assert_cmpint(vu_signal_fd_prepare(fd, &is_eventfd), ==, 0);
    g_assert_cmpint(write(fd, &full, sizeof(full)), ==, sizeof(full));
    g_assert_cmpint(fcntl(fd, F_SETFL, 0), ==, 0);
    vu_signal_fd(fd, is_eventfd);
    close(fd);

    g_assert_cmpint(pipe2(p, O_CLOEXEC), ==, 0);
    g_assert_cmpint(vu_signal_fd_prepare(p[1], &is_eventfd), ==, 0);
    fill_and_block(p[1]);
    vu_signal_fd(p[1], is_eventfd);
    close(p[0]);
    close(p[1]);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    g_assert_cmpint(vu_signal_fd_prepare(sv[1], &is_eventfd), ==, 0);
    fill_and_block(sv[1]);
    vu_signal_fd(sv[1], is_eventfd);
    close(sv[0]);
    close(sv[1]);
}

static void test_read_of_what_was_made_blocking_returns(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t count = 3;

    g_assert_cmpint(vu_read_fd_now(fd, &count, sizeof(count)), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(write(fd, &count, sizeof(count)), ==, sizeof(count));
    count = 0;
    g_assert_cmpint(vu_read_fd_now(fd, &count, sizeof(count)), ==, sizeof(count));
    g_assert_cmpuint(count, ==, 3);
    close(fd);
}

static void test_only_eventfds_pipes_and_sockets_signal(void)
{
    static const char *const others[] = { "/dev/zero", "/dev/full", "/proc/self/exe", "/" };
    bool is_eventfd;

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        int fd = open(others[i], O_RDONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(vu_signal_fd_prepare(fd, &is_eventfd), ==, -EINVAL);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-message/message_may_come_byte_by_byte", test_message_may_come_byte_by_byte);
    harness_add("/vu-message/non_blocking_socket_is_waited_for",
                test_non_blocking_socket_is_waited_for);
    harness_add("/vu-message/end_of_stream_is_silent", test_end_of_stream_is_silent);
    harness_add("/vu-message/end_in_the_middle_is_reported", test_end_in_the_middle_is_reported);
    harness_add("/vu-message/payload_beyond_the_largest_is_refused",
                test_payload_beyond_the_largest_is_refused);
    harness_add("/vu-message/payload_of_the_largest_size_arrives",
                test_payload_of_the_largest_size_arrives);
    harness_add("/vu-message/descriptors_go_with_the_first_piece",
                test_descriptors_go_with_the_first_piece);
    harness_add("/vu-message/eight_descriptors_arrive_in_order",
                test_eight_descriptors_arrive_in_order);
    harness_add("/vu-message/more_than_eight_descriptors_end_the_connection",
                test_more_than_eight_descriptors_end_the_connection);
    harness_add("/vu-message/taken_descriptor_is_not_closed", test_taken_descriptor_is_not_closed);
    harness_add("/vu-message/full_socket_takes_nothing_of_a_notice",
                test_full_socket_takes_nothing_of_a_notice);
    harness_add("/vu-message/signal_to_a_dead_pipe_is_survived",
                test_signal_to_a_dead_pipe_is_survived);
    harness_add("/vu-message/signal_to_a_full_counter_returns",
                test_signal_to_a_full_counter_returns);
    harness_add("/vu-message/signal_through_what_was_made_blocking_returns",
                test_signal_through_what_was_made_blocking_returns);
    harness_add("/vu-message/read_of_what_was_made_blocking_returns",
                test_read_of_what_was_made_blocking_returns);
    harness_add("/vu-message/only_eventfds_pipes_and_sockets_signal",
                test_only_eventfds_pipes_and_sockets_signal);
    return harness_run();
}
