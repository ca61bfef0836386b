/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only some devices can do: each ability is offered with its hook, used, and refused without.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "harness.h"
#include "vu-rig.h"

#define BIT(n) (1ull << (n))

/* Offered whatever the device is. */
#define ALWAYS                                                                                  \
    (BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD) |                     \
     BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |            \
     BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD) | BIT(VHOST_USER_PROTOCOL_F_HOST_NOTIFIER) |    \
     BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | \
     BIT(VHOST_USER_PROTOCOL_F_STATUS) | BIT(VHOST_USER_PROTOCOL_F_GPA_ADDRESSES))

/* What the device was told last, and what it answers; set up anew by each test. */
static struct {
    int calls;
    int answer;
    uint8_t mac[VHOST_USER_MAC_LEN];
    uint16_t mtu;
    VhostUserCryptoSession session;
    uint64_t closed;
    int fd;
    int ret_fd;
    VhostUserShMemConfig shmem;
    VhostUserTransferDirection direction;
    bool event_idx;
} told;

static void begin(VuRig *rig, const VuDevIface *iface, uint64_t protocol)
{
    memset(&told, 0, sizeof(told));
    told.fd = told.ret_fd = -1;
    vu_rig_init_iface(rig, 1, iface);
    vu_client_send(&rig->client, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig->dev));
    g_assert_cmphex(vu_client_recv_u64(&rig->client, VHOST_USER_GET_PROTOCOL_FEATURES), ==,
                    ALWAYS | protocol);
    vu_rig_negotiate(rig, 0, protocol);
}

/* The stream is in step. */
static void assert_alive(VuRig *rig)
{
    vu_client_send(&rig->client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    vu_rig_accepted(rig, VHOST_USER_SET_OWNER);
}

/* ---- Net ---- */

static int send_rarp(VuDev *dev, const uint8_t mac[VHOST_USER_MAC_LEN])
{
    told.calls++;
    memcpy(told.mac, mac, sizeof(told.mac));
    return told.answer;
}

static int set_mtu(VuDev *dev, uint16_t mtu)
{
    told.calls++;
    told.mtu = mtu;
    return told.answer;
}

static void test_guest_is_announced(void)
{
    const VuDevIface iface = { .send_rarp = send_rarp };
    const uint8_t mac[8] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
    VuRig rig;

    begin(&rig, &iface, BIT(VHOST_USER_PROTOCOL_F_RARP));
    vu_client_send(&rig.client, VHOST_USER_SEND_RARP, mac, sizeof(mac), -1);
    vu_rig_accepted(&rig, VHOST_USER_SEND_RARP);
    g_assert_cmpmem(told.mac, 6, mac, 6);
    told.answer = -EIO;
    vu_client_send(&rig.client, VHOST_USER_SEND_RARP, mac, sizeof(mac), -1);
    vu_rig_refused(&rig, VHOST_USER_SEND_RARP);
    g_assert_cmpint(told.calls, ==, 2);
    vu_rig_done(&rig);
}

static void test_mtu_is_told_if_it_is_one(void)
{
    static const uint64_t bad[] = { 0, 67, 65536, 1ull << 32 | 1500, UINT64_MAX };
    const VuDevIface iface = { .set_mtu = set_mtu };
    VuRig rig;

    begin(&rig, &iface, BIT(VHOST_USER_PROTOCOL_F_NET_MTU));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        vu_client_send_u64(&rig.client, VHOST_USER_NET_SET_MTU, bad[i]);
        vu_rig_refused(&rig, VHOST_USER_NET_SET_MTU);
    }
    g_assert_cmpint(told.calls, ==, 0);
    vu_client_send_u64(&rig.client, VHOST_USER_NET_SET_MTU, 9000);
    vu_rig_accepted(&rig, VHOST_USER_NET_SET_MTU);
    g_assert_cmpuint(told.mtu, ==, 9000);
    told.answer = -EINVAL;
    vu_client_send_u64(&rig.client, VHOST_USER_NET_SET_MTU, 1500);
    vu_rig_refused(&rig, VHOST_USER_NET_SET_MTU);
    vu_rig_done(&rig);
}

/* ---- Crypto ---- */

static int64_t create_session(VuDev *dev, const VhostUserCryptoSession *session)
{
    told.calls++;
    told.session = *session;
    return told.answer < 0 ? told.answer : 77;
}

static int close_session(VuDev *dev, uint64_t session_id)
{
    told.closed = session_id;
    return session_id == 77 ? 0 : -ENOENT;
}

static const VuDevIface crypto_iface = {
    .create_crypto_session = create_session,
    .close_crypto_session = close_session,
};

static void create(VuRig *rig, const VhostUserCryptoSession *session, VhostUserMsg *reply)
{
    vu_client_send(&rig->client, VHOST_USER_CREATE_CRYPTO_SESSION, session, sizeof(*session), -1);
    g_assert_true(vu_dispatch(&rig->dev));
    vu_client_recv(&rig->client, VHOST_USER_CREATE_CRYPTO_SESSION, reply);
    g_assert_cmpuint(reply->size, ==, 1072);
}

static void test_crypto_session_is_made_and_closed(void)
{
    VhostUserCryptoSession session = { .op_code = 2, .u.sym = { .cipher_key_len = 64 } };
    VhostUserMsg reply;
    VuRig rig;

    begin(&rig, &crypto_iface, BIT(VHOST_USER_PROTOCOL_F_CRYPTO_SESSION));
    memset(session.u.sym.cipher_key, 0x5a, 64);
    create(&rig, &session, &reply);
    g_assert_cmpint(reply.payload.session.session_id, ==, 77);
    g_assert_cmpmem(&told.session, sizeof(session), &session, sizeof(session));
    vu_client_send_u64(&rig.client, VHOST_USER_CLOSE_CRYPTO_SESSION, 78);
    vu_rig_refused(&rig, VHOST_USER_CLOSE_CRYPTO_SESSION);
    vu_client_send_u64(&rig.client, VHOST_USER_CLOSE_CRYPTO_SESSION, 77);
    vu_rig_accepted(&rig, VHOST_USER_CLOSE_CRYPTO_SESSION);
    g_assert_cmpuint(told.closed, ==, 77);
    told.answer = -ENOTSUP;
    create(&rig, &session, &reply);
    g_assert_cmpint(reply.payload.session.session_id, <, 0);
    assert_alive(&rig);
    vu_rig_done(&rig);
}

static void test_crypto_keys_must_fit_their_place(void)
{
    const VhostUserCryptoSession bad[] = {
        { .op_code = 2, .u.sym = { .cipher_key_len = 65 } },
        { .op_code = 2, .u.sym = { .auth_key_len = 513 } },
        { .op_code = 0x102, .u.sym = { .auth_key_len = UINT32_MAX } },
        { .op_code = 0x404, .u.asym = { .key_len = 1025 } },
    };
    const VhostUserCryptoSession good = { .op_code = 0x404, .u.asym = { .key_len = 1024 } };
    VhostUserMsg reply;
    VuRig rig;

    begin(&rig, &crypto_iface, BIT(VHOST_USER_PROTOCOL_F_CRYPTO_SESSION));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        create(&rig, &bad[i], &reply);
        g_assert_cmpint(reply.payload.session.session_id, ==, -1);
    }
    g_assert_cmpint(told.calls, ==, 0);
    create(&rig, &good, &reply);
    g_assert_cmpint(reply.payload.session.session_id, ==, 77);
    vu_rig_done(&rig);
}

static void test_half_a_crypto_device_offers_nothing(void)
{
    const VuDevIface iface = { .create_crypto_session = create_session };
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_rig_done(&rig);
}

/* ---- GPU ---- */

static int set_gpu_socket(VuDev *dev, int fd)
{
    told.calls++;
    if (told.answer == 0) {
        told.fd = fd;
    }
    return told.answer;
}

static void test_gpu_socket_is_handed_over(void)
{
    const VuDevIface iface = { .set_gpu_socket = set_gpu_socket };
    VuRig rig;
    int sv[2], no_socket = eventfd(0, EFD_CLOEXEC);
    char byte = 'x';

    begin(&rig, &iface, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&rig.client, VHOST_USER_GPU_SET_SOCKET, NULL, 0, no_socket);
    vu_rig_refused(&rig, VHOST_USER_GPU_SET_SOCKET);
    g_assert_cmpint(told.calls, ==, 0);
    told.answer = -EBUSY;
    vu_client_send(&rig.client, VHOST_USER_GPU_SET_SOCKET, NULL, 0, sv[1]);
    vu_rig_refused(&rig, VHOST_USER_GPU_SET_SOCKET);
    told.answer = 0;
    vu_client_send(&rig.client, VHOST_USER_GPU_SET_SOCKET, NULL, 0, sv[1]);
    vu_rig_accepted(&rig, VHOST_USER_GPU_SET_SOCKET);
    g_assert_cmpint(write(told.fd, &byte, 1), ==, 1);
    g_assert_cmpint(read(sv[0], &byte, 1), ==, 1);
    close(told.fd);
    close(no_socket);
    close(sv[0]);
    close(sv[1]);
    vu_rig_done(&rig);
}

/* ---- Shared memory ---- */

static int get_shmem_config(VuDev *dev, VhostUserShMemConfig *config)
{
    *config = told.shmem;
    return told.answer;
}

static const VuDevIface shmem_iface = { .get_shmem_config = get_shmem_config };

static void ask_shmem(VuRig *rig, VhostUserMsg *reply)
{
    vu_client_send(&rig->client, VHOST_USER_GET_SHMEM_CONFIG, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig->dev));
    vu_client_recv(&rig->client, VHOST_USER_GET_SHMEM_CONFIG, reply);
    g_assert_cmpuint(reply->size, ==, 2056);
}

static void test_shared_memory_regions_are_told(void)
{
    const uint64_t page = qemu_real_host_page_size();
    VhostUserMsg reply;
    VuRig rig;

    begin(&rig, &shmem_iface, BIT(VHOST_USER_PROTOCOL_F_SHMEM_MAP));
    told.shmem = (VhostUserShMemConfig){ .nregions = 9, .size = { [0] = page, [255] = 8 * page } };
    ask_shmem(&rig, &reply);
    g_assert_cmpuint(reply.payload.shmem.nregions, ==, 2);
    g_assert_cmpuint(reply.payload.shmem.size[0], ==, page);
    g_assert_cmpuint(reply.payload.shmem.size[1], ==, 0);
    g_assert_cmpuint(reply.payload.shmem.size[255], ==, 8 * page);
    told.shmem.size[7] = page + 1; /* the device's mistake */
    ask_shmem(&rig, &reply);
    g_assert_cmpuint(reply.payload.shmem.nregions, ==, 0);
    g_assert_cmpuint(reply.payload.shmem.size[0], ==, 0);
    assert_alive(&rig);
    vu_rig_done(&rig);
}

/* The front-end's end of the back-end channel. */
static int give_channel(VuRig *rig)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&rig->client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    return sv[0];
}

static void answer(int sock, uint32_t request, uint64_t value)
{
    uint32_t reply[5] = { request, VHOST_USER_VERSION | VHOST_USER_REPLY_MASK, 8, value };

    g_assert_cmpint(send(sock, reply, sizeof(reply), MSG_NOSIGNAL), ==, sizeof(reply));
}

/* Read what the device asked for; returns the descriptor that came along, or -1. */
static int asked(int sock, uint32_t request, const VhostUserMMap *map)
{
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = { 0 };
    uint32_t head[3];
    VhostUserMMap got;
    struct iovec iov[2] = { { head, sizeof(head) }, { &got, sizeof(got) } };
    struct msghdr mh = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)
    };
    int fd = -1;

    g_assert_cmpint(recvmsg(sock, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC), ==, 12 + 40);
    if (CMSG_FIRSTHDR(&mh)) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
    }
    g_assert_cmpuint(head[0], ==, request);
    g_assert_cmphex(head[1], ==, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK);
    g_assert_cmpuint(head[2], ==, 40);
    g_assert_cmpmem(&got, sizeof(got), map, sizeof(*map));
    return fd;
}

static void test_file_is_mapped_into_shared_memory(void)
{
    const uint64_t page = qemu_real_host_page_size();
    VhostUserMMap map = { .shmid = 3,
                          .fd_offset = page,
                          .shm_offset = 2 * page,
                          .len = 2 * page,
                          .flags = VHOST_USER_MMAP_RW };
    const VhostUserMMap whole = { .shmid = 3, .shm_offset = 2 * page, .len = 2 * page };
    int file = memfd_create("shared", MFD_CLOEXEC), sock, fd;
    VuRig rig;

    begin(&rig, &shmem_iface,
          BIT(VHOST_USER_PROTOCOL_F_SHMEM_MAP) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ));
    told.shmem.size[3] = 4 * page;
    sock = give_channel(&rig);
    answer(sock, VHOST_USER_BACKEND_SHMEM_MAP, 0);
    g_assert_true(vu_shmem_map(&rig.dev, &map, file));
    fd = asked(sock, VHOST_USER_BACKEND_SHMEM_MAP, &map);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    answer(sock, VHOST_USER_BACKEND_SHMEM_MAP, 1); /* overlaps */
    g_assert_false(vu_shmem_map(&rig.dev, &map, file));
    close(asked(sock, VHOST_USER_BACKEND_SHMEM_MAP, &map));
    answer(sock, VHOST_USER_BACKEND_SHMEM_UNMAP, 0);
    g_assert_true(vu_shmem_unmap(&rig.dev, &map));
    g_assert_cmpint(asked(sock, VHOST_USER_BACKEND_SHMEM_UNMAP, &whole), ==, -1);
    close(sock);
    close(file);
    vu_rig_done(&rig);
}

static void test_mapping_outside_of_shared_memory_is_not_asked_for(void)
{
    const uint64_t page = qemu_real_host_page_size();
    const VhostUserMMap bad[] = {
        { .shmid = 3, .len = 0 },
        { .shmid = 3, .len = page / 2 },
        { .shmid = 3, .len = page, .shm_offset = 1 },
        { .shmid = 3, .len = page, .fd_offset = 1 },
        { .shmid = 3, .len = 5 * page },
        { .shmid = 3, .len = page, .shm_offset = 4 * page },
        { .shmid = 3, .len = page, .shm_offset = -page },
        { .shmid = 4, .len = page },
    };
    const VhostUserMMap good = { .shmid = 3, .len = page };
    int file = memfd_create("shared", MFD_CLOEXEC), sock;
    VuClient front;
    VuRig rig;

    begin(&rig, &shmem_iface,
          BIT(VHOST_USER_PROTOCOL_F_SHMEM_MAP) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ));
    told.shmem.size[3] = 4 * page;
    sock = give_channel(&rig);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(vu_shmem_map(&rig.dev, &bad[i], file));
        g_assert_true(bad[i].fd_offset || !vu_shmem_unmap(&rig.dev, &bad[i]));
    }
    g_assert_false(vu_shmem_map(&rig.dev, &good, -1));
    front.sock = sock;
    g_assert_true(vu_client_silent(&front));
    close(sock);
    close(file);
    vu_rig_done(&rig);
}

/* ---- Device state: not offered by itself, so a device that serves the rest offers it ---- */

static int set_state_fd(VuDev *dev, VhostUserTransferDirection direction,
                        VhostUserTransferPhase phase, int fd, int *ret_fd)
{
    told.calls++;
    told.direction = direction;
    if (told.answer == 0) {
        told.fd = fd;
        *ret_fd = told.ret_fd;
    }
    return told.answer;
}

static int check_state(VuDev *dev)
{
    return told.answer;
}

static int no_message(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    return 0;
}

static uint64_t offer_state(VuDev *dev)
{
    return BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE);
}

static const VuDevIface state_iface = {
    .process_msg = no_message,
    .get_protocol_features = offer_state,
    .set_device_state_fd = set_state_fd,
    .check_device_state = check_state,
};

/* Returns the descriptor of the answer; its number is in *@ret_value. */
static int send_state(VuRig *rig, uint32_t direction, uint32_t phase, uint64_t *ret_value)
{
    const VhostUserTransferState transfer = { direction, phase };
    VhostUserMsg reply;
    int file = memfd_create("state", MFD_CLOEXEC), fd;

    vu_client_send(&rig->client, VHOST_USER_SET_DEVICE_STATE_FD, &transfer, sizeof(transfer), file);
    close(file);
    g_assert_true(vu_dispatch(&rig->dev));
    fd = vu_client_recv_fd(&rig->client, VHOST_USER_SET_DEVICE_STATE_FD, &reply);
    g_assert_cmpuint(reply.size, ==, 8);
    *ret_value = reply.payload.u64;
    return fd;
}

static uint64_t check(VuRig *rig)
{
    vu_client_send(&rig->client, VHOST_USER_CHECK_DEVICE_STATE, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig->dev));
    return vu_client_recv_u64(&rig->client, VHOST_USER_CHECK_DEVICE_STATE);
}

static void test_device_state_is_moved(void)
{
    uint64_t value;
    int fd;
    VuRig rig;

    begin(&rig, &state_iface, BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE));
    g_assert_cmpint(send_state(&rig, VHOST_USER_TRANSFER_LOAD, 0, &value), ==, -1);
    g_assert_cmphex(value, ==, VHOST_USER_STATE_NOFD_MASK);
    g_assert_cmpuint(told.direction, ==, VHOST_USER_TRANSFER_LOAD);
    g_assert_cmpint(write(told.fd, "s", 1), ==, 1);
    close(told.fd);
    g_assert_cmpuint(check(&rig), ==, 0);
    told.ret_fd = eventfd(4, EFD_CLOEXEC); /* the device would rather have another one */
    fd = send_state(&rig, VHOST_USER_TRANSFER_SAVE, 0, &value);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmphex(value, ==, 0);
    close(fd);
    close(told.fd);
    vu_rig_done(&rig);
}

static void test_device_state_that_cannot_be_moved_is_refused(void)
{
    uint64_t value;
    VuRig rig;

    begin(&rig, &state_iface, BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE));
    g_assert_cmpint(send_state(&rig, 2, 0, &value), ==, -1);
    g_assert_cmphex(value, ==, VHOST_USER_STATE_NOFD_MASK | EINVAL);
    g_assert_cmpint(send_state(&rig, 0, 1, &value), ==, -1);
    g_assert_cmphex(value, ==, VHOST_USER_STATE_NOFD_MASK | EINVAL);
    g_assert_cmpint(told.calls, ==, 0);
    told.answer = -EIO;
    g_assert_cmpint(send_state(&rig, 0, 0, &value), ==, -1);
    g_assert_cmphex(value, ==, VHOST_USER_STATE_NOFD_MASK | EIO);
    g_assert_cmpuint(check(&rig), !=, 0);
    told.answer = 0;
    vu_client_send_mem_table(&rig.client);
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmpint(send_state(&rig, 0, 0, &value), ==, -1);
    g_assert_cmphex(value, ==, VHOST_USER_STATE_NOFD_MASK | EBUSY);
    g_assert_cmpint(told.calls, ==, 1);
    vu_rig_done(&rig);
}

/* ---- Refusals of what was not negotiated ---- */

static void assert_reply(VuRig *rig, uint32_t request, uint32_t size, VhostUserMsg *reply)
{
    g_assert_true(vu_dispatch(&rig->dev));
    g_assert_cmpint(vu_client_recv_fd(&rig->client, request, reply), ==, -1);
    g_assert_cmpuint(reply->size, ==, size);
    assert_alive(rig);
}

static void test_refusal_has_the_form_of_the_reply(void)
{
    static const uint8_t payload[1072] = { 1 };
    const VuDevIface iface = { 0 };
    VhostUserMsg reply;
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_client_send(&rig.client, VHOST_USER_CREATE_CRYPTO_SESSION, payload, 1072, -1);
    assert_reply(&rig, VHOST_USER_CREATE_CRYPTO_SESSION, 1072, &reply);
    g_assert_cmpint(reply.payload.session.session_id, ==, -1);
    vu_client_send(&rig.client, VHOST_USER_POSTCOPY_ADVISE, NULL, 0, -1);
    assert_reply(&rig, VHOST_USER_POSTCOPY_ADVISE, 0, &reply);
    vu_client_send(&rig.client, VHOST_USER_POSTCOPY_END, NULL, 0, -1);
    assert_reply(&rig, VHOST_USER_POSTCOPY_END, 8, &reply);
    g_assert_cmpuint(reply.payload.u64, !=, 0);
    vu_client_send(&rig.client, VHOST_USER_GET_INFLIGHT_FD, payload, 24, -1);
    assert_reply(&rig, VHOST_USER_GET_INFLIGHT_FD, 24, &reply);
    g_assert_cmpuint(reply.payload.inflight.mmap_size, ==, 0);
    vu_client_send(&rig.client, VHOST_USER_GET_SHMEM_CONFIG, NULL, 0, -1);
    assert_reply(&rig, VHOST_USER_GET_SHMEM_CONFIG, 2056, &reply);
    g_assert_cmpuint(reply.payload.shmem.nregions, ==, 0);
    vu_client_send(&rig.client, VHOST_USER_CHECK_DEVICE_STATE, NULL, 0, -1);
    assert_reply(&rig, VHOST_USER_CHECK_DEVICE_STATE, 8, &reply);
    g_assert_cmpuint(reply.payload.u64, !=, 0);
    vu_client_send(&rig.client, VHOST_USER_IOTLB_MSG, payload, 32, -1);
    assert_reply(&rig, VHOST_USER_IOTLB_MSG, 8, &reply);
    g_assert_cmpuint(reply.payload.u64, !=, 0);
    vu_rig_done(&rig);
}

/* ---- Being told ---- */

static void count(VuDev *dev)
{
    told.calls++;
}

static void set_event_idx(VuDev *dev, bool enabled)
{
    told.calls++;
    told.event_idx = enabled;
}

static void test_device_hears_of_memory(void)
{
    const VuDevIface iface = { .update_memory = count };
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_client_send_mem_table(&rig.client);
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpint(told.calls, ==, 1);
    vu_client_send(&rig.client, VHOST_USER_SET_MEM_TABLE, NULL, 0, -1);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpint(told.calls, ==, 1);
    vu_rig_done(&rig);
}

static void test_device_hears_of_event_idx(void)
{
    const VuDevIface iface = { .set_event_idx = set_event_idx };
    VuRig rig;

    begin(&rig, &iface, 0);
    g_assert_false(told.event_idx);
    vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, BIT(29) | BIT(30));
    vu_rig_accepted(&rig, VHOST_USER_SET_FEATURES);
    g_assert_true(told.event_idx);
    g_assert_cmpint(told.calls, ==, 2);
    vu_rig_done(&rig);
}

static void test_device_hears_of_its_channel(void)
{
    const VuDevIface iface = { .set_backend_channel = count };
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_rig_negotiate(&rig, 0, BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ));
    close(give_channel(&rig));
    g_assert_cmpint(told.calls, ==, 1);
    vu_rig_done(&rig);
}

static void test_device_limits_the_size_of_its_rings(void)
{
    const VuDevIface iface = { .max_queue_size = 64 };
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 128);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 64);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_rig_done(&rig);
}

/* ---- Hooks around every message ---- */

enum {
    PRIVATE_REQUEST = 1000,
    PRIVATE_NO,
    PRIVATE_REPLY
};

static VuMsgResult pre_msg(VuDev *dev, VhostUserMsg *msg)
{
    static const VuMsgResult results[] = { VU_MSG_HANDLED, VU_MSG_REFUSED, VU_MSG_REPLY };
    unsigned int n = (uint32_t)msg->request - PRIVATE_REQUEST;

    if (n >= G_N_ELEMENTS(results)) {
        return VU_MSG_NOT_HANDLED;
    }
    told.calls++;
    if (msg->fd_num > 0 && results[n] == VU_MSG_HANDLED) {
        told.fd = msg->fds[0];
        msg->fds[0] = -1;
    }
    msg->payload.u64++;
    return results[n];
}

static void test_hook_handles_answers_or_refuses(void)
{
    const VuDevIface iface = { .pre_msg = pre_msg };
    int fd = eventfd(3, EFD_CLOEXEC);
    uint64_t value = 41;
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_client_send(&rig.client, PRIVATE_REQUEST, NULL, 0, fd);
    vu_rig_accepted(&rig, PRIVATE_REQUEST);
    g_assert_cmpint(read(told.fd, &value, sizeof(value)), ==, sizeof(value));
    g_assert_cmpuint(value, ==, 3);
    close(told.fd);
    vu_client_send(&rig.client, PRIVATE_NO, NULL, 0, fd); /* its descriptor is closed */
    vu_rig_refused(&rig, PRIVATE_NO);
    vu_client_send_u64(&rig.client, PRIVATE_REPLY, 41);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, PRIVATE_REPLY), ==, 42);
    assert_alive(&rig);
    g_assert_cmpint(told.calls, ==, 3);
    close(fd);
    vu_rig_done(&rig);
}

static VuMsgResult post_msg(VuDev *dev, VhostUserMsg *msg)
{
    told.calls++;
    switch (msg->request) {
    case VHOST_USER_GET_QUEUE_NUM:
        msg->payload.u64 += 10;
        return VU_MSG_REPLY;
    case VHOST_USER_SET_VRING_NUM:
        return VU_MSG_REFUSED;
    case VHOST_USER_SET_OWNER:
        return VU_MSG_HANDLED;
    default:
        return VU_MSG_NOT_HANDLED;
    }
}

static void test_hook_has_the_last_word(void)
{
    const VuDevIface iface = { .post_msg = post_msg };
    VuRig rig;

    begin(&rig, &iface, 0);
    vu_rig_negotiate(&rig, 0, BIT(VHOST_USER_PROTOCOL_F_MQ));
    told.calls = 0;
    vu_client_send(&rig.client, VHOST_USER_GET_QUEUE_NUM, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_GET_QUEUE_NUM), ==, 11);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 64);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    assert_alive(&rig);
    g_assert_cmpint(told.calls, ==, 3);
    /* It sees nothing of what the library has refused. */
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 0);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    g_assert_cmpint(told.calls, ==, 3);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-net/guest_is_announced", test_guest_is_announced);
    harness_add("/vu-net/mtu_is_told_if_it_is_one", test_mtu_is_told_if_it_is_one);
    harness_add("/vu-crypto/session_is_made_and_closed", test_crypto_session_is_made_and_closed);
    harness_add("/vu-crypto/keys_must_fit_their_place", test_crypto_keys_must_fit_their_place);
    harness_add("/vu-crypto/half_a_device_offers_nothing",
                test_half_a_crypto_device_offers_nothing);
    harness_add("/vu-gpu/socket_is_handed_over", test_gpu_socket_is_handed_over);
    harness_add("/vu-shmem/regions_are_told", test_shared_memory_regions_are_told);
    harness_add("/vu-shmem/file_is_mapped", test_file_is_mapped_into_shared_memory);
    harness_add("/vu-shmem/mapping_outside_is_not_asked_for",
                test_mapping_outside_of_shared_memory_is_not_asked_for);
    harness_add("/vu-migrate/device_state_is_moved", test_device_state_is_moved);
    harness_add("/vu-migrate/device_state_that_cannot_be_moved_is_refused",
                test_device_state_that_cannot_be_moved_is_refused);
    harness_add("/vu-request/refusal_has_the_form_of_the_reply",
                test_refusal_has_the_form_of_the_reply);
    harness_add("/vu-request/hook_handles_answers_or_refuses",
                test_hook_handles_answers_or_refuses);
    harness_add("/vu-request/hook_has_the_last_word", test_hook_has_the_last_word);
    harness_add("/vu-device/hears_of_memory", test_device_hears_of_memory);
    harness_add("/vu-device/hears_of_event_idx", test_device_hears_of_event_idx);
    harness_add("/vu-device/hears_of_its_channel", test_device_hears_of_its_channel);
    harness_add("/vu-device/limits_the_size_of_its_rings",
                test_device_limits_the_size_of_its_rings);
    return harness_run();
}
