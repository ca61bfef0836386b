/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A blocking vhost-user front-end for the tests of the server. */
#include "qemu/osdep.h"
#include <poll.h>
#include "vus-client.h"

enum {
    RING_SIZE = 16,
    SLOTS = RING_SIZE / 2, /* two descriptors a request */
    RING_BYTES = 4096,     /* set apart for each ring */
    MEMORY_BYTES = 64 * 1024,
    BUFFERS = MEMORY_BYTES / 2, /* where the buffers begin, 16 bytes a slot */
};

void vus_client_adopt(VusClient *client, int sock)
{
    memset(client, 0, sizeof(*client));
    vu_client_init(&client->guest, sock, MEMORY_BYTES);
    for (unsigned i = 0; i < VUS_CLIENT_QUEUES; i++) {
        vu_ring_init(&client->rings[i], &client->guest, i, RING_SIZE, i * RING_BYTES);
    }
}

bool vus_client_connect(VusClient *client, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(sock, >=, 0);
    vus_client_adopt(client, sock);
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    return connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

void vus_client_close(VusClient *client)
{
    for (unsigned i = 0; i < VUS_CLIENT_QUEUES; i++) {
        vu_ring_done(&client->rings[i]);
    }
    vu_client_done(&client->guest);
}

/* One sendmsg(); descriptors go with the first byte. A peer that hung up is no error here. */
static void send_piece(VusClient *client, const char *bytes, size_t size, int fd)
{
    struct iovec iov = { (void *)bytes, size };
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .buf = { 0 } };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *cmsg;

        hdr.msg_control = control.buf;
        hdr.msg_controllen = sizeof(control.buf);
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    }
    if (sendmsg(client->guest.sock, &hdr, MSG_NOSIGNAL) < 0) {
        g_assert_true(errno == EPIPE || errno == ECONNRESET);
    }
}

void vus_client_send(VusClient *client, uint32_t request, uint32_t flags, const void *payload,
                     uint32_t size, int fd)
{
    uint32_t header[3] = { request, flags | 1, size };
    g_autofree char *bytes = g_malloc(sizeof(header) + size);
    size_t total = sizeof(header) + size;

    memcpy(bytes, header, sizeof(header));
    if (size) {
        memcpy(bytes + sizeof(header), payload, size);
    }
    for (size_t done = 0; done < total;) {
        size_t piece = client->split ? g_rand_int_range(client->split, 1, total - done + 1) : total;

        send_piece(client, bytes + done, piece, done ? -1 : fd);
        done += piece;
    }
}

bool vus_client_receive(VusClient *client, uint64_t *ret_value)
{
    uint32_t header[3];
    uint64_t payload[64] = { 0 };

    if (recv(client->guest.sock, header, sizeof(header), MSG_WAITALL) != sizeof(header)) {
        return false;
    }
    g_assert_cmphex(header[1], ==, 5);
    g_assert_cmpuint(header[2], <=, sizeof(payload));
    if (header[2] &&
        recv(client->guest.sock, payload, header[2], MSG_WAITALL) != (ssize_t)header[2]) {
        return false;
    }
    *ret_value = payload[0];
    return true;
}

bool vus_client_ask(VusClient *client, uint32_t request, uint64_t *ret_value)
{
    vus_client_send(client, request, 0, NULL, 0, -1);
    return vus_client_receive(client, ret_value);
}

static void send_u64(VusClient *client, uint32_t request, uint64_t value, int fd)
{
    vus_client_send(client, request, 0, &value, sizeof(value), fd);
}

static void send_state(VusClient *client, uint32_t request, unsigned queue, uint32_t num)
{
    uint32_t state[2] = { queue, num };

    vus_client_send(client, request, 0, state, sizeof(state), -1);
}

void vus_client_enable(VusClient *client, unsigned queue, bool on)
{
    send_state(client, VHOST_USER_SET_VRING_ENABLE, queue, on);
}

static void start_queue(VusClient *client, unsigned queue, uint32_t base)
{
    VuGuestRing *ring = &client->rings[queue];

    send_state(client, VHOST_USER_SET_VRING_BASE, queue, base);
    send_u64(client, VHOST_USER_SET_VRING_CALL, queue, ring->call);
    send_u64(client, VHOST_USER_SET_VRING_KICK, queue, ring->kick);
}

void vus_client_restart_queue(VusClient *client, unsigned queue)
{
    uint64_t state;

    send_state(client, VHOST_USER_GET_VRING_BASE, queue, 0);
    g_assert_true(vus_client_receive(client, &state));
    g_assert_cmpuint((uint32_t)state, ==, queue);
    start_queue(client, queue, state >> 32);
}

void vus_client_start_queues(VusClient *client, unsigned queues)
{
    VhostUserMemory table = { .nregions = 1 };
    uint64_t features;

    table.regions[0] = vu_client_region(&client->guest, 0, MEMORY_BYTES);
    g_assert_true(vus_client_ask(client, VHOST_USER_GET_FEATURES, &features));
    send_u64(client, VHOST_USER_SET_FEATURES, 1ull << 32 | 1ull << 30, -1);
    vus_client_send(client, VHOST_USER_SET_MEM_TABLE, 0, &table, 8 + sizeof(table.regions[0]),
                    client->guest.mem_fd);
    for (unsigned i = 0; i < queues; i++) {
        struct vhost_vring_addr addr = vu_ring_addr(&client->rings[i]);

        send_state(client, VHOST_USER_SET_VRING_NUM, i, RING_SIZE);
        vus_client_send(client, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), -1);
        start_queue(client, i, 0);
        vus_client_enable(client, i, true);
    }
    g_assert_true(vus_client_ask(client, VHOST_USER_GET_FEATURES, &features));
}

void vus_client_start(VusClient *client)
{
    vus_client_start_queues(client, 1);
}

/* The number asked for, and eight bytes behind it the answer. */
static uint8_t *slot_buffer(VusClient *client, unsigned queue, unsigned slot)
{
    return client->guest.mem + BUFFERS + (queue * SLOTS + slot) * 16;
}

void vus_client_offer_on(VusClient *client, unsigned queue, uint64_t value)
{
    VuGuestRing *ring = &client->rings[queue];
    unsigned slot = ring->avail_idx % SLOTS;
    uint8_t *buffer = slot_buffer(client, queue, slot);
    uint64_t gpa = vu_client_gpa(&client->guest, buffer);

    memcpy(buffer, &value, sizeof(value));
    vu_ring_desc(ring, slot * 2, gpa, 8, VRING_DESC_F_NEXT, slot * 2 + 1);
    vu_ring_desc(ring, slot * 2 + 1, gpa + 8, 8, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(ring, slot * 2);
}

void vus_client_submit_on(VusClient *client, unsigned queue, uint64_t value)
{
    vus_client_offer_on(client, queue, value);
    vu_ring_kick(&client->rings[queue]);
}

void vus_client_submit(VusClient *client, uint64_t value)
{
    vus_client_submit_on(client, 0, value);
}

bool vus_client_complete_on(VusClient *client, unsigned queue, int timeout_ms, uint64_t *ret_value)
{
    VuGuestRing *ring = &client->rings[queue];
    struct pollfd pfd = { .fd = ring->call, .events = POLLIN };
    uint32_t head, len;

    while (!vu_ring_reap(ring, &head, &len)) {
        if (poll(&pfd, 1, timeout_ms) == 0) {
            return false;
        }
        vu_ring_take_signal(ring->call);
    }
    memcpy(ret_value, slot_buffer(client, queue, head / 2) + 8, sizeof(*ret_value));
    return true;
}

bool vus_client_complete(VusClient *client, int timeout_ms, uint64_t *ret_value)
{
    return vus_client_complete_on(client, 0, timeout_ms, ret_value);
}
