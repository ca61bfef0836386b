/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device and its front-end in one process and one thread, for tests of libvhost-user.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <poll.h>

#include "vu-rig.h"

#define RING_ROOM   0x10000
#define BUFFER_BASE (VU_RIG_QUEUES * RING_ROOM)

static VuRig *rig_of(VuDev *dev)
{
    return container_of(dev, VuRig, dev);
}

/* ---- The device ---- */

static void rig_panic(VuDev *dev, const char *err)
{
    g_string_append(rig_of(dev)->panic, err);
}

static void rig_log(VuDev *dev, const char *message)
{
    g_string_assign(rig_of(dev)->log, message);
}

static void rig_trace(VuDev *dev, const VuTraceEvent *event)
{
    g_assert_cmpuint(event->kind, <, VU_TRACE__MAX);
    rig_of(dev)->trace[event->kind]++;
}

static void rig_set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
    VuRig *rig = rig_of(dev);

    g_assert_cmpint(condition, ==, VU_WATCH_IN);
    for (int i = 0; i < rig->nwatches; i++) {
        g_assert_cmpint(rig->watches[i].fd, !=, fd);
    }
    g_assert_cmpint(rig->nwatches, <, VU_RIG_WATCHES);
    rig->watches[rig->nwatches++] = (VuRigWatch){ fd, cb, data };
}

static void rig_remove_watch(VuDev *dev, int fd)
{
    VuRig *rig = rig_of(dev);

    for (int i = 0; i < rig->nwatches; i++) {
        if (rig->watches[i].fd == fd) {
            rig->watches[i] = rig->watches[--rig->nwatches];
            return;
        }
    }
    g_assert_not_reached();
}

static void rig_count(VuDev *dev, int qidx)
{
    rig_of(dev)->handled[qidx]++;
}

static void rig_queue_set_started(VuDev *dev, int qidx, bool started)
{
    VuRig *rig = rig_of(dev);
    vu_queue_handler_cb handler = rig->handler ? rig->handler : rig_count;

    rig->started[qidx] = started;
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? handler : NULL);
}

static uint64_t rig_get_features(VuDev *dev)
{
    return rig_of(dev)->offers;
}

static void rig_set_features(VuDev *dev, uint64_t features)
{
    rig_of(dev)->features = features;
}

static bool rig_in_order(VuDev *dev, int qidx)
{
    return rig_of(dev)->in_order;
}

static int rig_get_config(VuDev *dev, uint8_t *config, uint32_t len)
{
    VuRig *rig = rig_of(dev);

    if (len > sizeof(rig->config)) {
        return -1;
    }
    memcpy(config, rig->config, len);
    return 0;
}

/* Bytes 32 to 35 can be written. */
static int rig_set_config(VuDev *dev, const uint8_t *data, uint32_t offset, uint32_t size,
                          uint32_t flags)
{
    VuRig *rig = rig_of(dev);

    if (offset < 32 || offset + size > 36) {
        return -1;
    }
    memcpy(rig->config + offset, data, size);
    rig->config_flags = flags;
    return 0;
}

const VuDevIface vu_rig_iface = {
    .get_features = rig_get_features,
    .set_features = rig_set_features,
    .queue_set_started = rig_queue_set_started,
    .queue_is_processed_in_order = rig_in_order,
    .get_config = rig_get_config,
    .set_config = rig_set_config,
};

void vu_rig_init_iface(VuRig *rig, uint16_t queues, const VuDevIface *iface)
{
    int sv[2];

    memset(rig, 0, sizeof(*rig));
    rig->panic = g_string_new("");
    rig->log = g_string_new("");
    for (int i = 0; i < (int)sizeof(rig->config); i++) {
        rig->config[i] = i + 1;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_init(&rig->client, sv[0], VU_RIG_MEM);
    g_assert_true(
        vu_init(&rig->dev, queues, sv[1], rig_panic, NULL, rig_set_watch, rig_remove_watch, iface));
    vu_set_log_cb(&rig->dev, rig_log);
    vu_set_trace_cb(&rig->dev, rig_trace);
    for (int i = 0; i < VU_RIG_QUEUES; i++) {
        vu_ring_init(&rig->ring[i], &rig->client, i, 16, i * RING_ROOM);
    }
}

void vu_rig_init(VuRig *rig)
{
    vu_rig_init_iface(rig, VU_RIG_QUEUES, &vu_rig_iface);
}

void vu_rig_done(VuRig *rig)
{
    vu_deinit(&rig->dev);
    g_assert_cmpint(rig->nwatches, ==, 0);
    for (int i = 0; i < VU_RIG_QUEUES; i++) {
        g_assert_false(rig->started[i]);
        vu_ring_done(&rig->ring[i]);
    }
    vu_client_done(&rig->client);
    g_string_free(rig->panic, true);
    g_string_free(rig->log, true);
}

/* ---- Conversations ---- */

void vu_rig_accepted(VuRig *rig, uint32_t request)
{
    g_assert_true(vu_dispatch(&rig->dev));
    g_assert_cmpuint(vu_client_recv_u64(&rig->client, request), ==, 0);
    g_assert_cmpstr(rig->panic->str, ==, "");
}

void vu_rig_refused(VuRig *rig, uint32_t request)
{
    g_assert_true(vu_dispatch(&rig->dev));
    g_assert_cmpuint(vu_client_recv_u64(&rig->client, request), !=, 0);
    g_assert_cmpstr(rig->panic->str, ==, "");
    g_assert_cmpstr(rig->log->str, !=, "");
}

void vu_rig_dropped(VuRig *rig, const char *word)
{
    g_assert_false(vu_dispatch(&rig->dev));
    g_assert_true(rig->dev.broken);
    if (!strstr(rig->panic->str, word)) {
        g_error("\"%s\" does not say \"%s\"", rig->panic->str, word);
    }
    g_assert_true(vu_client_silent(&rig->client));
    g_assert_false(vu_dispatch(&rig->dev));
}

void vu_rig_negotiate(VuRig *rig, uint64_t features, uint64_t protocol)
{
    protocol |= 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK;
    vu_client_send_u64(&rig->client, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
    vu_rig_accepted(rig, VHOST_USER_SET_PROTOCOL_FEATURES);
    features |= 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
    vu_client_send_u64(&rig->client, VHOST_USER_SET_FEATURES, features);
    vu_rig_accepted(rig, VHOST_USER_SET_FEATURES);
}

void vu_rig_ready(VuRig *rig, uint64_t features)
{
    uint64_t protocol = 1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD |
                        1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |
                        1ull << VHOST_USER_PROTOCOL_F_CONFIG |
                        1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;

    vu_rig_negotiate(rig, features | 1ull << 32, protocol);
    vu_client_send_mem_table(&rig->client);
    vu_rig_accepted(rig, VHOST_USER_SET_MEM_TABLE);
}

void vu_rig_start_ring(VuRig *rig, const VuRigStart *start)
{
    VuClient *c = &rig->client;
    unsigned int index = start->addr.index;

    vu_client_send_state(c, VHOST_USER_SET_VRING_NUM, index, start->num);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send_state(c, VHOST_USER_SET_VRING_BASE, index, start->base);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_BASE);
    vu_client_send(c, VHOST_USER_SET_VRING_ADDR, &start->addr, sizeof(start->addr), -1);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ADDR);
    vu_client_send_file(c, VHOST_USER_SET_VRING_CALL, index, start->call);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_CALL);
    vu_client_send_file(c, VHOST_USER_SET_VRING_ERR, index, start->err);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ERR);
    vu_client_send_file(c, VHOST_USER_SET_VRING_KICK, index, start->kick);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_KICK);
    vu_client_send_state(c, VHOST_USER_SET_VRING_ENABLE, index, 1);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_ENABLE);
    g_assert_cmpuint(vu_ring_take_signal(start->call), ==, 1);
}

size_t vu_rig_ring_offset(unsigned int index)
{
    return index * RING_ROOM;
}

void vu_rig_start(VuRig *rig, unsigned int index, unsigned int num)
{
    VuGuestRing *r = &rig->ring[index];

    g_assert_cmpuint(vu_ring_bytes(num), <=, RING_ROOM);
    vu_ring_done(r);
    vu_ring_init(r, &rig->client, index, num, vu_rig_ring_offset(index));
    vu_rig_start_ring(
        rig,
        &(VuRigStart){
            .num = num, .addr = vu_ring_addr(r), .kick = r->kick, .call = r->call, .err = r->err });
}

void vu_rig_start_packed(VuRig *rig, VuPackedRing *ring, unsigned int index, unsigned int num)
{
    g_assert_cmpuint(vu_packed_bytes(num), <=, RING_ROOM);
    vu_packed_init(ring, &rig->client, index, num, vu_rig_ring_offset(index));
    vu_rig_start_ring(rig, &(VuRigStart){ .num = num,
                                          .base = VU_PACKED_FRESH_BASE,
                                          .addr = vu_packed_addr(ring),
                                          .kick = ring->kick,
                                          .call = ring->call,
                                          .err = ring->err });
}

void vu_rig_begin(VuRig *rig, uint64_t features, unsigned int num)
{
    vu_rig_init(rig);
    vu_rig_ready(rig, features);
    vu_rig_start(rig, 0, num);
}

void vu_rig_offer(VuRig *rig, unsigned int head, uint32_t len)
{
    VuGuestRing *r = &rig->ring[0];

    vu_ring_desc(r, head, vu_client_gpa(&rig->client, vu_rig_buffer(rig, head * 512)), len, 0, 0);
    vu_ring_offer(r, head);
}

void vu_rig_assert_used(VuRig *rig, uint32_t id, uint32_t len)
{
    uint32_t got_id, got_len;

    g_assert_true(vu_ring_reap(&rig->ring[0], &got_id, &got_len));
    g_assert_cmpuint(got_id, ==, id);
    g_assert_cmpuint(got_len, ==, len);
}

uint32_t vu_rig_stop(VuRig *rig, unsigned int index)
{
    VhostUserMsg msg;

    vu_client_send_state(&rig->client, VHOST_USER_GET_VRING_BASE, index, 0);
    g_assert_true(vu_dispatch(&rig->dev));
    vu_client_recv(&rig->client, VHOST_USER_GET_VRING_BASE, &msg);
    g_assert_cmpuint(msg.size, ==, 8);
    g_assert_cmpuint(msg.payload.state.index, ==, index);
    return msg.payload.state.num;
}

int vu_rig_poll(VuRig *rig)
{
    VuRigWatch ready[VU_RIG_WATCHES];
    int n = 0;

    for (int i = 0; i < rig->nwatches; i++) {
        struct pollfd p = { .fd = rig->watches[i].fd, .events = POLLIN };

        if (poll(&p, 1, 0) == 1) {
            ready[n++] = rig->watches[i];
        }
    }
    for (int i = 0; i < n; i++) {
        ready[i].cb(&rig->dev, VU_WATCH_IN, ready[i].data);
    }
    return n;
}

uint8_t *vu_rig_buffer(VuRig *rig, size_t offset)
{
    g_assert_cmpuint(BUFFER_BASE + offset, <, VU_RIG_MEM);
    return rig->client.mem + BUFFER_BASE + offset;
}
