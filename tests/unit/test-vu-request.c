/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every request: what it may carry, what is answered, what ends the connection.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>

#include "harness.h"
#include "vu-rig.h"

#define NO_GATE  (-1)
#define F_VIRTIO 100 /* added to the number of a virtio feature */
#define MAX_DATA 272

typedef enum Index {
    INDEX_NONE,
    INDEX_STATE,
    INDEX_FILE,
} Index;

/* What the protocol says, written down a second time; sizes in bytes of payload. */
typedef struct Row {
    const char *name;
    uint32_t id;
    uint32_t min, max;
    int min_fds, max_fds;
    Index index;
    int gate;
    bool own_reply; /* refused only by ending the connection */
} Row;

static const Row rows[] = {
    { "get_features", 1, 0, 0, 0, 0, INDEX_NONE, NO_GATE, true },
    { "set_features", 2, 8, 8, 0, 0, INDEX_NONE, NO_GATE, false },
    { "set_owner", 3, 0, 0, 0, 0, INDEX_NONE, NO_GATE, false },
    { "reset_owner", 4, 0, 0, 0, 0, INDEX_NONE, NO_GATE, false },
    { "set_mem_table", 5, 8, 264, 0, 8, INDEX_NONE, NO_GATE, false },
    { "set_log_base", 6, 16, 16, 1, 1, INDEX_NONE, 1, false },
    { "set_log_fd", 7, 0, 8, 1, 1, INDEX_NONE, NO_GATE, false },
    { "set_vring_num", 8, 8, 8, 0, 0, INDEX_STATE, NO_GATE, false },
    { "set_vring_addr", 9, 40, 40, 0, 0, INDEX_STATE, NO_GATE, false },
    { "set_vring_base", 10, 8, 8, 0, 0, INDEX_STATE, NO_GATE, false },
    { "get_vring_base", 11, 8, 8, 0, 0, INDEX_STATE, NO_GATE, true },
    { "set_vring_kick", 12, 8, 8, 1, 1, INDEX_FILE, NO_GATE, false },
    { "set_vring_call", 13, 8, 8, 1, 1, INDEX_FILE, NO_GATE, false },
    { "set_vring_err", 14, 8, 8, 1, 1, INDEX_FILE, NO_GATE, false },
    { "get_protocol_features", 15, 0, 0, 0, 0, INDEX_NONE, NO_GATE, true },
    { "set_protocol_features", 16, 8, 8, 0, 0, INDEX_NONE, NO_GATE, false },
    { "get_queue_num", 17, 0, 0, 0, 0, INDEX_NONE, 0, true },
    { "set_vring_enable", 18, 8, 8, 0, 0, INDEX_STATE, NO_GATE, false },
    { "send_rarp", 19, 8, 8, 0, 0, INDEX_NONE, 2, false },
    { "net_set_mtu", 20, 8, 8, 0, 0, INDEX_NONE, 4, false },
    { "set_backend_req_fd", 21, 0, 8, 1, 1, INDEX_NONE, 5, false },
    { "iotlb_msg", 22, 32, 32, 0, 0, INDEX_NONE, F_VIRTIO + 33, false },
    { "set_vring_endian", 23, 8, 8, 0, 0, INDEX_STATE, 6, false },
    { "set_config", 25, 12, 268, 0, 0, INDEX_NONE, 9, false },
    { "close_crypto_session", 27, 8, 8, 0, 0, INDEX_NONE, 7, false },
    { "postcopy_listen", 29, 0, 0, 0, 0, INDEX_NONE, 8, false },
    { "postcopy_end", 30, 0, 0, 0, 0, INDEX_NONE, 8, false },
    { "set_inflight_fd", 32, 24, 24, 1, 1, INDEX_NONE, 12, false },
    { "gpu_set_socket", 33, 0, 8, 1, 1, INDEX_NONE, NO_GATE, false },
    { "reset_device", 34, 0, 0, 0, 0, INDEX_NONE, 13, false },
    { "vring_kick", 35, 8, 8, 0, 0, INDEX_STATE, 14, false },
    { "get_max_mem_slots", 36, 0, 0, 0, 0, INDEX_NONE, 15, true },
    { "add_mem_reg", 37, 40, 40, 1, 1, INDEX_NONE, 15, false },
    { "rem_mem_reg", 38, 40, 40, 0, 1, INDEX_NONE, 15, false },
    { "set_status", 39, 8, 8, 0, 0, INDEX_NONE, 16, false },
    { "get_status", 40, 0, 0, 0, 0, INDEX_NONE, 16, true },
    { "set_device_state_fd", 42, 8, 8, 1, 1, INDEX_NONE, 19, false },
    { "check_device_state", 43, 0, 0, 0, 0, INDEX_NONE, 19, false },
};

static const uint32_t unknown_requests[] = { 0, 45, 99, 255, 0x7fffffff, 0x80000000, 0xffffffff };

/* Send @size bytes of @row's request, naming queue @index, with @nfds descriptors. */
static void send_row(VuRig *rig, const Row *row, uint32_t size, int nfds, uint32_t index)
{
    uint8_t payload[MAX_DATA] = { 0 };
    int fds[16];

    memcpy(payload, &index, sizeof(index));
    for (int i = 0; i < nfds; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC);
    }
    vu_client_send_msg(&rig->client, &(VuClientMsg){ .request = row->id,
                                                     .flags = VHOST_USER_NEED_REPLY_MASK,
                                                     .payload = payload,
                                                     .size = size,
                                                     .fds = fds,
                                                     .nfds = nfds });
    for (int i = 0; i < nfds; i++) {
        close(fds[i]);
    }
}

static void expect_refusal(VuRig *rig, const Row *row)
{
    if (row->own_reply) {
        vu_rig_dropped(rig, "refused");
    } else {
        vu_rig_refused(rig, row->id);
        /* The stream is still in step. */
        vu_client_send(&rig->client, VHOST_USER_SET_OWNER, NULL, 0, -1);
        vu_rig_accepted(rig, VHOST_USER_SET_OWNER);
    }
}

static void check_refused(const Row *row, uint32_t size, int nfds, uint32_t index)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    send_row(&rig, row, size, nfds, index);
    expect_refusal(&rig, row);
    vu_rig_done(&rig);
}

static void test_wrong_sizes(const void *data)
{
    const Row *row = data;

    for (uint32_t size = 0; size <= MAX_DATA; size++) {
        if (size < row->min || size > row->max) {
            check_refused(row, size, row->min_fds, 0);
        }
    }
}

static void test_wrong_descriptors(const void *data)
{
    const Row *row = data;

    for (int n = 0; n <= 8; n++) {
        if (n < row->min_fds || n > row->max_fds) {
            check_refused(row, row->min, n, 0);
        }
    }
}

static void test_wrong_queue(const void *data)
{
    const Row *row = data;
    static const uint32_t state[] = { VU_RIG_QUEUES, VU_RIG_QUEUES + 1, 255,       256,
                                      0x7fffffff,    0x80000000,        0xffffffff };
    static const uint32_t file[] = { VU_RIG_QUEUES, 5, 255, 0x200, 0x80000000 };
    const uint32_t *bad = row->index == INDEX_STATE ? state : file;
    size_t n = row->index == INDEX_STATE ? G_N_ELEMENTS(state) : G_N_ELEMENTS(file);

    for (size_t i = 0; i < n; i++) {
        check_refused(row, row->min, row->min_fds, bad[i]);
    }
}

/* What changes nothing may be asked for as soon as it is offered. */
static bool only_asks(const Row *row)
{
    return row->id == VHOST_USER_GET_QUEUE_NUM || row->id == VHOST_USER_GET_MAX_MEM_SLOTS ||
           row->id == VHOST_USER_GET_STATUS;
}

static void test_not_negotiated(const void *data)
{
    const Row *row = data;
    uint64_t offered;
    VuRig rig;

    vu_rig_init(&rig);
    vu_client_send(&rig.client, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    offered = vu_client_recv_u64(&rig.client, VHOST_USER_GET_PROTOCOL_FEATURES);
    vu_rig_negotiate(&rig, 0, 0);
    send_row(&rig, row, row->min, row->min_fds, 0);
    if (only_asks(row) && offered >> row->gate & 1) {
        g_assert_true(vu_dispatch(&rig.dev));
        vu_client_recv_u64(&rig.client, row->id);
        g_assert_nonnull(strstr(rig.log->str, "was not negotiated"));
    } else {
        expect_refusal(&rig, row);
    }
    vu_rig_done(&rig);
}

static void test_refusal_without_ack_ends_the_connection(void)
{
    VuRig rig;
    struct vhost_vring_state state = { 3, 16 };

    vu_rig_init_iface(&rig, 1, &vu_rig_iface);
    vu_client_send_msg(&rig.client, &(VuClientMsg){ .request = VHOST_USER_SET_VRING_NUM,
                                                    .payload = &state,
                                                    .size = sizeof(state) });
    vu_rig_dropped(&rig, "front-end asked for queue 3, device has 1 queue");
    vu_rig_done(&rig);
}

static void test_need_reply_means_nothing_before_it_is_negotiated(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_client_send(&rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 3);
    vu_rig_dropped(&rig, "power of two");
    vu_rig_done(&rig);
}

static void test_unknown_request_is_refused(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(unknown_requests); i++) {
        uint8_t payload[MAX_DATA] = { 0 };
        VuRig rig;
        int fd = eventfd(0, EFD_CLOEXEC);

        vu_rig_init(&rig);
        vu_rig_ready(&rig, 0);
        vu_client_send(&rig.client, unknown_requests[i], payload, i * 10, fd);
        vu_rig_refused(&rig, unknown_requests[i]);
        vu_client_send(&rig.client, VHOST_USER_SET_OWNER, NULL, 0, -1);
        vu_rig_accepted(&rig, VHOST_USER_SET_OWNER);
        vu_rig_done(&rig);
        close(fd);
    }
}

static void test_wrong_version_ends_the_connection(void)
{
    for (uint32_t flags = 0; flags < 8; flags++) {
        uint32_t head[3] = { VHOST_USER_SET_OWNER, flags, 0 };
        VuRig rig;

        vu_rig_init(&rig);
        g_assert_cmpint(write(rig.client.sock, head, sizeof(head)), ==, sizeof(head));
        if (flags == VHOST_USER_VERSION) {
            g_assert_true(vu_dispatch(&rig.dev));
        } else {
            vu_rig_dropped(&rig, "flags");
        }
        vu_rig_done(&rig);
    }
}

static void test_answers_have_exact_flags(void)
{
    static const uint32_t gets[] = { VHOST_USER_GET_FEATURES, VHOST_USER_GET_PROTOCOL_FEATURES,
                                     VHOST_USER_GET_QUEUE_NUM, VHOST_USER_GET_MAX_MEM_SLOTS };
    static const uint64_t values[] = { 0x575000000, 0x21ae2b, VU_RIG_QUEUES, 509 };
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(gets); i++) {
        vu_client_send(&rig.client, gets[i], NULL, 0, -1);
        g_assert_true(vu_dispatch(&rig.dev));
        g_assert_cmphex(vu_client_recv_u64(&rig.client, gets[i]), ==, values[i]);
        /* NEED_REPLY adds no second answer. */
        g_assert_true(vu_client_silent(&rig.client));
    }
    vu_rig_done(&rig);
}

static uint64_t ask_u64(VuRig *rig, uint32_t request)
{
    vu_client_send(&rig->client, request, NULL, 0, -1);
    g_assert_true(vu_dispatch(&rig->dev));
    return vu_client_recv_u64(&rig->client, request);
}

/* ---- Features ---- */

static uint64_t offer_blk(VuDev *dev)
{
    return 1ull << 9 | 1ull << 6;
}

static uint64_t offer_protocol(VuDev *dev)
{
    return 1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD | 1ull << VHOST_USER_PROTOCOL_F_CONFIG |
           1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS;
}

static void test_features_are_the_device_s_and_the_ring_s(void)
{
    const VuDevIface iface = { .get_features = offer_blk, .get_protocol_features = offer_protocol };
    VuRig rig;

    vu_rig_init_iface(&rig, VU_RIG_QUEUES, &iface);
    g_assert_cmphex(ask_u64(&rig, VHOST_USER_GET_FEATURES), ==,
                    1ull << 34 | 1ull << 32 | 1ull << 30 | 1ull << 29 | 1ull << 28 | 1ull << 26 |
                        1ull << 24 | 1ull << 9 | 1ull << 6);
    /* In-band notifications because the device asks; nothing serves the in-flight log. */
    g_assert_cmphex(ask_u64(&rig, VHOST_USER_GET_PROTOCOL_FEATURES), ==, 0x21ec2b);
    vu_rig_done(&rig);
}

static void test_feature_that_was_not_offered_is_refused(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 0);
    for (int bit = 0; bit < 64; bit++) {
        bool offered = bit == 24 || bit == 26 || (bit >= 28 && bit <= 30) || bit == 32 || bit == 34;

        vu_client_send_u64(&rig.client, VHOST_USER_SET_FEATURES, 1ull << bit | 1ull << 30);
        if (offered) {
            vu_rig_accepted(&rig, VHOST_USER_SET_FEATURES);
            g_assert_cmphex(rig.features, ==, 1ull << bit | 1ull << 30);
            g_assert_true(vu_has_feature(&rig.dev, bit));
        } else {
            vu_rig_refused(&rig, VHOST_USER_SET_FEATURES);
            g_assert_false(vu_has_feature(&rig.dev, bit));
        }
    }
    vu_rig_done(&rig);
}

static void test_protocol_feature_that_was_not_offered_is_refused(void)
{
    VuRig rig;
    uint64_t offered;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 0);
    offered = ask_u64(&rig, VHOST_USER_GET_PROTOCOL_FEATURES);
    g_assert_cmphex(offered, ==, 0x21ae2b);
    for (int bit = 0; bit < 64; bit++) {
        vu_client_send_u64(&rig.client, VHOST_USER_SET_PROTOCOL_FEATURES, 1ull << bit | 8);
        if (offered >> bit & 1) {
            vu_rig_accepted(&rig, VHOST_USER_SET_PROTOCOL_FEATURES);
        } else {
            vu_rig_refused(&rig, VHOST_USER_SET_PROTOCOL_FEATURES);
        }
    }
    vu_rig_done(&rig);
}

/* ---- Config space ---- */

static void get_config(VuRig *rig, uint32_t offset, uint32_t size, VhostUserMsg *reply)
{
    VhostUserConfig config = { .offset = offset, .size = size };

    vu_client_send(&rig->client, VHOST_USER_GET_CONFIG, &config,
                   12 + MIN(size, VHOST_USER_MAX_CONFIG_SIZE), -1);
    g_assert_true(vu_dispatch(&rig->dev));
    vu_client_recv(&rig->client, VHOST_USER_GET_CONFIG, reply);
}

static void test_config_is_read_from_its_offset(void)
{
    VuRig rig;
    VhostUserMsg reply;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    get_config(&rig, 20, 9, &reply);
    g_assert_cmpuint(reply.size, ==, 12 + 9);
    g_assert_cmpuint(reply.payload.config.offset, ==, 20);
    g_assert_cmpuint(reply.payload.config.size, ==, 9);
    g_assert_cmpmem(reply.payload.config.region, 9, rig.config + 20, 9);
    get_config(&rig, 0, 64, &reply);
    g_assert_cmpmem(reply.payload.config.region, 64, rig.config, 64);
    vu_rig_done(&rig);
}

static void test_config_outside_is_an_empty_reply(void)
{
    static const uint32_t bad[][2] = { { 0, 65 },         { 64, 1 },           { 0, 0 },
                                       { 256, 1 },        { 0, 257 },          { 0xffffffff, 1 },
                                       { 0, 0xffffffff }, { 0xffffff00, 256 }, { 1, 256 } };
    VuRig rig;
    VhostUserMsg reply;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        get_config(&rig, bad[i][0], bad[i][1], &reply);
        g_assert_cmpuint(reply.size, ==, 0);
    }
    get_config(&rig, 0, 1, &reply);
    g_assert_cmpuint(reply.size, ==, 13);
    vu_rig_done(&rig);
}

static void test_config_is_told_before_the_feature_is_negotiated(void)
{
    VuRig rig;
    VhostUserMsg reply;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 0);
    get_config(&rig, 0, 4, &reply);
    g_assert_cmpuint(reply.size, ==, 12 + 4);
    vu_rig_done(&rig);
}

static void set_config(VuRig *rig, uint32_t offset, uint32_t size, uint32_t payload)
{
    VhostUserConfig config = { .offset = offset, .size = size, .flags = 1 };

    memset(config.region, 0xee, sizeof(config.region));
    vu_client_send(&rig->client, VHOST_USER_SET_CONFIG, &config, payload, -1);
}

static void test_config_is_written_or_refused(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    set_config(&rig, 33, 2, 14);
    vu_rig_accepted(&rig, VHOST_USER_SET_CONFIG);
    g_assert_cmphex(rig.config[33], ==, 0xee);
    g_assert_cmphex(rig.config[34], ==, 0xee);
    g_assert_cmphex(rig.config[35], ==, 36);
    g_assert_cmpuint(rig.config_flags, ==, VHOST_SET_CONFIG_TYPE_MIGRATION);
    set_config(&rig, 0, 1, 13); /* the device says no */
    vu_rig_refused(&rig, VHOST_USER_SET_CONFIG);
    set_config(&rig, 33, 2, 13); /* fewer bytes than it says */
    vu_rig_refused(&rig, VHOST_USER_SET_CONFIG);
    set_config(&rig, 33, 0xfffffff0, 20);
    vu_rig_refused(&rig, VHOST_USER_SET_CONFIG);
    set_config(&rig, 0xffffffff, 2, 14);
    vu_rig_refused(&rig, VHOST_USER_SET_CONFIG);
    g_assert_cmphex(rig.config[0], ==, 1);
    vu_rig_done(&rig);
}

/* ---- The device's own messages ---- */

static int taken_fd = -1;

static int process_msg(VuDev *dev, VhostUserMsg *msg, int *do_reply)
{
    switch (msg->request) {
    case VHOST_USER_GPU_SET_SOCKET:
        taken_fd = msg->fds[0];
        return 1;
    case VHOST_USER_GET_STATUS:
        msg->payload.u64 = 0xf;
        msg->size = 8;
        *do_reply = 1;
        return 1;
    default:
        return 0;
    }
}

static void test_device_handles_its_own_messages(void)
{
    const VuDevIface iface = { .process_msg = process_msg };
    int fd = eventfd(7, EFD_CLOEXEC);
    uint64_t value;
    VuRig rig;

    vu_rig_init_iface(&rig, 1, &iface);
    vu_rig_negotiate(&rig, 0, 0);
    g_assert_cmphex(ask_u64(&rig, VHOST_USER_GET_STATUS), ==, 0xf);
    vu_client_send(&rig.client, VHOST_USER_GPU_SET_SOCKET, NULL, 0, fd);
    vu_rig_accepted(&rig, VHOST_USER_GPU_SET_SOCKET);
    /* It owns the descriptor: it is still open. */
    g_assert_cmpint(read(taken_fd, &value, sizeof(value)), ==, sizeof(value));
    g_assert_cmpuint(value, ==, 7);
    close(taken_fd);
    close(fd);
    vu_rig_done(&rig);
}

static void test_messages_are_counted(void)
{
    VuRig rig;
    VuDevStats stats;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 3);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_NUM);
    vu_get_stats(&rig.dev, &stats);
    g_assert_cmpuint(stats.messages, ==, 4);
    g_assert_cmpuint(stats.refused, ==, 1);
    g_assert_cmpuint(stats.memory_changes, ==, 1);
    g_assert_cmpuint(rig.trace[VU_TRACE_MESSAGE], ==, 4);
    g_assert_cmpuint(rig.trace[VU_TRACE_REFUSED], ==, 1);
    g_assert_cmpstr(vu_request_name(5), ==, "SET_MEM_TABLE");
    g_assert_cmpstr(vu_request_name(45), ==, "unknown request");
    vu_rig_done(&rig);
}

static int get_shared_object(VuDev *dev, const unsigned char *uuid)
{
    return uuid[0] == 1 ? eventfd(uuid[15], EFD_CLOEXEC) : -1;
}

static uint64_t offer_shared(VuDev *dev)
{
    return 1ull << VHOST_USER_PROTOCOL_F_SHARED_OBJECT;
}

static void test_shared_object(void)
{
    const VuDevIface iface = { .get_shared_object = get_shared_object,
                               .get_protocol_features = offer_shared };
    unsigned char uuid[16] = { 1, [15] = 3 };
    VhostUserMsg reply;
    int fd;
    uint64_t value;
    VuRig rig;

    vu_rig_init_iface(&rig, 1, &iface);
    vu_rig_negotiate(&rig, 0, offer_shared(NULL));
    vu_client_send(&rig.client, VHOST_USER_GET_SHARED_OBJECT, uuid, sizeof(uuid), -1);
    g_assert_true(vu_dispatch(&rig.dev));
    fd = vu_client_recv_fd(&rig.client, VHOST_USER_GET_SHARED_OBJECT, &reply);
    g_assert_cmpint(read(fd, &value, sizeof(value)), ==, sizeof(value));
    g_assert_cmpuint(value, ==, 3);
    close(fd);
    uuid[0] = 2;
    vu_client_send(&rig.client, VHOST_USER_GET_SHARED_OBJECT, uuid, sizeof(uuid), -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_cmpint(vu_client_recv_fd(&rig.client, VHOST_USER_GET_SHARED_OBJECT, &reply), ==, -1);
    vu_rig_done(&rig);
}

static void add_row(const Row *row)
{
    g_autofree char *sizes = g_strdup_printf("/vu-request/wrong_size_is_refused/%s", row->name);
    g_autofree char *fds =
        g_strdup_printf("/vu-request/wrong_number_of_descriptors_is_refused/%s", row->name);
    g_autofree char *queue = g_strdup_printf("/vu-request/wrong_queue_is_refused/%s", row->name);
    g_autofree char *gate =
        g_strdup_printf("/vu-request/refused_without_its_feature/%s", row->name);

    harness_add_data(sizes, row, test_wrong_sizes);
    harness_add_data(fds, row, test_wrong_descriptors);
    if (row->index != INDEX_NONE) {
        harness_add_data(queue, row, test_wrong_queue);
    }
    if (row->gate != NO_GATE) {
        harness_add_data(gate, row, test_not_negotiated);
    }
}

static void add_single(void)
{
    harness_add("/vu-request/refusal_without_ack_ends_the_connection",
                test_refusal_without_ack_ends_the_connection);
    harness_add("/vu-request/need_reply_means_nothing_before_it_is_negotiated",
                test_need_reply_means_nothing_before_it_is_negotiated);
    harness_add("/vu-request/unknown_request_is_refused", test_unknown_request_is_refused);
    harness_add("/vu-request/wrong_version_ends_the_connection",
                test_wrong_version_ends_the_connection);
    harness_add("/vu-request/answers_have_exact_flags", test_answers_have_exact_flags);
    harness_add("/vu-device/features_are_the_device_s_and_the_ring_s",
                test_features_are_the_device_s_and_the_ring_s);
    harness_add("/vu-device/feature_that_was_not_offered_is_refused",
                test_feature_that_was_not_offered_is_refused);
    harness_add("/vu-device/protocol_feature_that_was_not_offered_is_refused",
                test_protocol_feature_that_was_not_offered_is_refused);
    harness_add("/vu-device/config_is_read_from_its_offset", test_config_is_read_from_its_offset);
    harness_add("/vu-device/config_outside_is_an_empty_reply",
                test_config_outside_is_an_empty_reply);
    harness_add("/vu-device/config_is_told_before_the_feature_is_negotiated",
                test_config_is_told_before_the_feature_is_negotiated);
    harness_add("/vu-device/config_is_written_or_refused", test_config_is_written_or_refused);
    harness_add("/vu-device/device_handles_its_own_messages", test_device_handles_its_own_messages);
    harness_add("/vu-device/messages_are_counted", test_messages_are_counted);
    harness_add("/vu-device/shared_object_comes_as_a_descriptor", test_shared_object);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        add_row(&rows[i]);
    }
    add_single();
    return harness_run();
}
