/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user server's messages: how answers go out in pieces, over drains, and with
 * descriptors; how much one that comes may have.
 *
 * Everything runs in one thread: the client's socket never blocks, and how much the server's takes
 * is up to the test.
 */
#include "qemu/osdep.h"
#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "harness.h"
#include "io/channel-socket.h"
#include "qemu/main-loop.h"
#include "qemu/vhost-user-server.h"
#include "vus-server.h"

enum {
    HEADER = 12,
    ANSWER = HEADER + 2056, /* to GET_SHMEM_CONFIG */
};

static VuServer server;
static int client;     /* the other end of its connection */
static int server_end; /* whose sendmsg() is below; -1: none */
static size_t room;    /* bytes that it takes from now on */
static unsigned fds_sent;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct msghdr cut = *msg;
    struct iovec iov;
    ssize_t n;

    if (fd != server_end) {
        return __real_sendmsg(fd, msg, flags);
    }
    if (room == 0) {
        errno = EAGAIN;
        return -1;
    }
    g_assert_cmpuint(msg->msg_iovlen, ==, 1);
    iov = (struct iovec){ msg->msg_iov->iov_base, MIN(msg->msg_iov->iov_len, room) };
    cut.msg_iov = &iov;
    n = __real_sendmsg(fd, &cut, flags);
    g_assert_cmpint(n, ==, iov.iov_len);
    room -= n;
    fds_sent += msg->msg_controllen > 0;
    return n;
}

/* The device */

static int device_shmem_config(VuDev *dev, VhostUserShMemConfig *config)
{
    for (unsigned i = 0; i < VHOST_USER_MAX_SHMEM_REGIONS; i++) {
        config->size[i] = i * qemu_real_host_page_size();
    }
    return 0;
}

static int shared_object;

static int device_object(VuDev *dev, const unsigned char *id)
{
    return dup(shared_object);
}

static const VuDevIface device_iface = {
    .get_shmem_config = device_shmem_config,
    .get_shared_object = device_object,
};

static void begin(void)
{
    g_autoptr(QIOChannelSocket) sioc = NULL;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    sioc = qio_channel_socket_new_fd(sv[0], &error_abort);
    server_end = sv[0];
    client = sv[1];
    room = SIZE_MAX;
    fds_sent = 0;
    shared_object = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_true(vhost_user_server_start(&server, NULL, qemu_get_aio_context(), 1, &device_iface,
                                          &error_abort));
    g_assert_true(vhost_user_server_add_client(&server, sioc, &error_abort));
}

static void end(void)
{
    server_end = -1;
    close(client);
    close(shared_object);
    vhost_user_server_stop(&server);
}

/* A socket whose room is the test's is ready all the time, so there is no end to see. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        aio_poll(qemu_get_aio_context(), false);
    }
}

static void send_message(uint32_t request, const void *payload, uint32_t size)
{
    uint32_t head[3] = { request, VHOST_USER_VERSION, size };

    g_assert_cmpint(send(client, head, sizeof(head), 0), ==, sizeof(head));
    g_assert_cmpint(send(client, payload, size, 0), ==, size);
}

static void offer_features(uint64_t features)
{
    send_message(VHOST_USER_SET_PROTOCOL_FEATURES, &features, sizeof(features));
}

/* Of the answer that comes, with what else there is to do; a descriptor of it is closed. */
static void receive(void *buf, size_t size, bool with_fd)
{
    uint8_t control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { buf, size };

    while (iov.iov_len > 0) {
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(client, &msg, MSG_DONTWAIT);

        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            aio_poll(qemu_get_aio_context(), false);
            continue;
        }
        g_assert_cmpint(n, >, 0);
        if (msg.msg_controllen) {
            g_assert_true(with_fd);
            with_fd = false;
            close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&msg)));
        }
        iov = (struct iovec){ (char *)iov.iov_base + n, iov.iov_len - n };
    }
    g_assert_false(with_fd);
}

static void check_regions(void)
{
    struct {
        uint32_t head[3];
        uint32_t nregions;
        uint32_t padding;
        uint64_t size[256];
    } QEMU_PACKED got;

    QEMU_BUILD_BUG_ON(sizeof(got) != ANSWER);
    receive(&got, sizeof(got), false);
    g_assert_cmpuint(got.head[0], ==, VHOST_USER_GET_SHMEM_CONFIG);
    g_assert_cmpuint(got.head[2], ==, ANSWER - HEADER);
    for (unsigned n = 0; n < 256; n++) {
        g_assert_cmpuint(got.size[n], ==, n * qemu_real_host_page_size());
    }
}

static void ask_for_regions(void)
{
    send_message(VHOST_USER_GET_SHMEM_CONFIG, NULL, 0);
}

/* Until so much of the answer is out that the socket has no room. */
static void wait_until_full(void)
{
    while (room > 0 || !server.tx.total) {
        aio_poll(qemu_get_aio_context(), false);
    }
    settle();
}

/* Tests */

static void test_answer_in_pieces(void)
{
    begin();
    offer_features(1ull << VHOST_USER_PROTOCOL_F_SHMEM_MAP);
    for (size_t piece = 1; piece < ANSWER; piece += 97) {
        room = piece;
        ask_for_regions();
        wait_until_full();
        room = SIZE_MAX;
        check_regions();
    }
    end();
}

/* Where nothing of it is out yet, where part is, and where all but the last byte is. */
static void test_drain_in_the_middle_of_an_answer(void)
{
    const size_t pieces[] = { 0, 1, HEADER, 1000, ANSWER - 1 };

    begin();
    offer_features(1ull << VHOST_USER_PROTOCOL_F_SHMEM_MAP);
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        room = pieces[i];
        ask_for_regions();
        wait_until_full();
        vus_server_drain(&server);
        ask_for_regions();
        vus_server_drain_end(&server, qemu_get_aio_context());
        settle();
        /* Another one, while the socket is as full as before. */
        vus_server_drain(&server);
        room = SIZE_MAX;
        vus_server_drain_end(&server, qemu_get_aio_context());
        check_regions();
        check_regions();
    }
    end();
}

/* The same without waiting for the end of the trip. */
static void test_detach_in_the_middle_of_an_answer(void)
{
    begin();
    offer_features(1ull << VHOST_USER_PROTOCOL_F_SHMEM_MAP);
    room = 1000;
    ask_for_regions();
    wait_until_full();
    vhost_user_server_detach_aio_context(&server);
    settle();
    vhost_user_server_attach_aio_context(&server, qemu_get_aio_context());
    room = SIZE_MAX;
    check_regions();
    end();
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static void ask_for_object(void)
{
    uint8_t uuid[16] = { 1 };

    send_message(VHOST_USER_GET_SHARED_OBJECT, uuid, sizeof(uuid));
}

static void test_descriptors_of_answers_do_not_stay(void)
{
    struct {
        uint32_t head[3];
        uint8_t payload[16];
    } got;
    unsigned before;

    begin();
    offer_features(1ull << VHOST_USER_PROTOCOL_F_SHARED_OBJECT);
    settle();
    before = open_descriptors();
    for (unsigned i = 0; i < 100; i++) {
        /* At once, or in pieces, of which only the first has the descriptor. */
        room = i % 2 ? SIZE_MAX : 1 + i % sizeof(got);
        ask_for_object();
        settle();
        room = SIZE_MAX;
        receive(got.head, HEADER, true);
        g_assert_cmpuint(got.head[0], ==, VHOST_USER_GET_SHARED_OBJECT);
        receive(got.payload, got.head[2], false);
    }
    settle();
    g_assert_cmpuint(open_descriptors(), ==, before);
    g_assert_cmpuint(fds_sent, ==, 100);
    end();
}

static void test_descriptor_of_an_answer_that_nobody_takes(void)
{
    unsigned before = open_descriptors();

    for (unsigned i = 0; i < 3; i++) {
        begin();
        offer_features(1ull << VHOST_USER_PROTOCOL_F_SHARED_OBJECT);
        room = i; /* 1: the descriptor is on its way */
        ask_for_object();
        wait_until_full();
        end();
    }
    g_assert_cmpuint(open_descriptors(), ==, before);
}

/* The trip has not ended, and would not go on. */
static void test_attach_during_a_drain_is_an_error_of_the_caller(void)
{
    if (g_test_subprocess()) {
        begin();
        offer_features(1ull << VHOST_USER_PROTOCOL_F_SHMEM_MAP);
        room = 0;
        ask_for_regions();
        wait_until_full();
        vus_server_drain_begin(&server);
        g_assert_nonnull(server.co_trip);
        vhost_user_server_attach_aio_context(&server, qemu_get_aio_context());
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*quiescing*");
}

/* The header of a message with @size bytes of payload has come: is the client still there? */
static bool header_is_taken(uint32_t size)
{
    uint32_t head[3] = { VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, size };
    bool taken;

    begin();
    g_assert_cmpint(send(client, head, sizeof(head), 0), ==, sizeof(head));
    settle();
    taken = qatomic_read(&server.life) == VU_SERVER_SERVING;
    g_assert_true(taken == (server.rx.done == HEADER));
    end();
    return taken;
}

static void test_payload_may_be_as_large_as_there_is_room(void)
{
    const uint32_t largest = sizeof(((VhostUserMsg *)NULL)->payload);

    g_assert_true(header_is_taken(largest - 1));
    g_assert_true(header_is_taken(largest));
    if (g_test_subprocess()) {
        g_assert_false(header_is_taken(largest + 1));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*bytes of payload, at most * fit*");
}

/* Whoever signals with it, or reads it, must not be held up. */
static void test_descriptors_that_come_do_not_block(void)
{
    static const uint32_t requests[] = { VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_ERR,
                                         VHOST_USER_SET_VRING_KICK };

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct {
            uint32_t head[3];
            uint64_t queue;
        } QEMU_PACKED bytes = { { requests[i], VHOST_USER_VERSION, sizeof(uint64_t) }, 0 };
        union {
            struct cmsghdr cmsg;
            uint8_t room[CMSG_SPACE(sizeof(int))];
        } control = { .cmsg = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct iovec iov = { &bytes, sizeof(bytes) };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
        int fd = eventfd(0, EFD_CLOEXEC);

        *(int *)CMSG_DATA(&control.cmsg) = fd;
        g_assert_cmpint(sendmsg(client, &msg, 0), ==, sizeof(bytes));
        settle();
        g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        close(fd);
    }
    end();
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    server_end = -1;
    harness_add("/vhost-user-server-transfer/answers_come_in_any_pieces", test_answer_in_pieces);
    harness_add("/vhost-user-server-transfer/answers_go_on_after_a_drain",
                test_drain_in_the_middle_of_an_answer);
    harness_add("/vhost-user-server-transfer/answers_go_on_after_a_detach",
                test_detach_in_the_middle_of_an_answer);
    harness_add("/vhost-user-server-transfer/descriptors_of_answers_do_not_stay",
                test_descriptors_of_answers_do_not_stay);
    harness_add("/vhost-user-server-transfer/descriptors_nobody_takes_do_not_stay",
                test_descriptor_of_an_answer_that_nobody_takes);
    harness_add("/vhost-user-server-transfer/attach_during_a_drain_is_the_callers_error",
                test_attach_during_a_drain_is_an_error_of_the_caller);
    harness_add("/vhost-user-server-transfer/payload_may_be_as_large_as_there_is_room",
                test_payload_may_be_as_large_as_there_is_room);
    harness_add("/vhost-user-server-transfer/descriptors_that_come_do_not_block",
                test_descriptors_that_come_do_not_block);
    return harness_run();
}
