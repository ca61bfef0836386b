/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device on libvhost-user in the fuzzer's own thread.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include "fuzz-device.h"

/* Requests taken in one call of the handler: a ring of polled kicks must not keep us for ever. */
#define POP_MAX 64

static FuzzDevice *device_of(VuDev *dev)
{
    return container_of(dev, FuzzDevice, dev);
}

/* ---- Requests ---- */

static uint8_t sum_of(const struct iovec *iov, unsigned n)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        const volatile uint8_t *at = iov[i].iov_base;

        for (size_t k = 0; k < iov[i].iov_len; k++) {
            sum += at[k];
        }
    }
    return sum;
}

static unsigned fill(const struct iovec *iov, unsigned n, uint8_t value)
{
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        memset(iov[i].iov_base, value, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return MIN(len, UINT_MAX);
}

static void answer(FuzzDevice *d, unsigned queue, VuVirtqElement *elem)
{
    VuVirtq *vq = vu_get_queue(&d->dev, queue);
    uint8_t sum = sum_of(elem->out_sg, elem->out_num);

    vu_queue_push(&d->dev, vq, elem, fill(elem->in_sg, elem->in_num, sum));
    vu_queue_notify(&d->dev, vq);
    free(elem);
}

void fuzz_device_complete(FuzzDevice *d, unsigned n, bool backwards)
{
    for (; n && d->nheld; n--) {
        unsigned at = backwards ? d->nheld - 1 : 0;
        VuVirtqElement *elem = d->held[at];
        unsigned queue = d->held_of[at];

        d->nheld--;
        memmove(&d->held[at], &d->held[at + 1], (d->nheld - at) * sizeof(d->held[0]));
        memmove(&d->held_of[at], &d->held_of[at + 1], (d->nheld - at) * sizeof(d->held_of[0]));
        answer(d, queue, elem);
    }
}

static void handle_queue(VuDev *dev, int qidx)
{
    FuzzDevice *d = device_of(dev);
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *elem;

    for (int n = 0; n < POP_MAX && (elem = vu_queue_pop(dev, vq, sizeof(*elem))); n++) {
        if (d->request) {
            d->request(d, qidx, elem);
        } else if (!d->hold || d->nheld == FUZZ_HELD) {
            answer(d, qidx, elem);
        } else {
            d->held_of[d->nheld] = qidx;
            d->held[d->nheld++] = elem;
        }
    }
}

/* ---- The device ---- */

static void set_watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
    FuzzDevice *d = device_of(dev);

    g_assert(d->nwatches < FUZZ_QUEUES);
    d->watches[d->nwatches++] = (FuzzWatch){ fd, cb, data };
}

static void remove_watch(VuDev *dev, int fd)
{
    FuzzDevice *d = device_of(dev);

    for (int i = 0; i < d->nwatches; i++) {
        if (d->watches[i].fd == fd) {
            d->watches[i] = d->watches[--d->nwatches];
            return;
        }
    }
    g_assert_not_reached();
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? handle_queue : NULL);
}

static uint64_t get_features(VuDev *dev)
{
    return device_of(dev)->features;
}

static uint64_t get_protocol_features(VuDev *dev)
{
    return device_of(dev)->protocol;
}

static int get_config(VuDev *dev, uint8_t *config, uint32_t len)
{
    if (len > sizeof(device_of(dev)->config)) {
        return -1;
    }
    memcpy(config, device_of(dev)->config, len);
    return 0;
}

static int set_config(VuDev *dev, const uint8_t *data, uint32_t offset, uint32_t size,
                      uint32_t flags)
{
    FuzzDevice *d = device_of(dev);

    if (size > sizeof(d->config) || offset > sizeof(d->config) - size) {
        return -1;
    }
    memcpy(d->config + offset, data, size);
    return 0;
}

static int get_shared_object(VuDev *dev, const unsigned char *uuid)
{
    return uuid[0]
               ? -1
               : fcntl(fuzz_front_fd(&device_of(dev)->front, FUZZ_FD_SMALL), F_DUPFD_CLOEXEC, 0);
}

static int send_rarp(VuDev *dev, const uint8_t *mac)
{
    return mac[0] & 1;
}

static int set_mtu(VuDev *dev, uint16_t mtu)
{
    return mtu < 68 ? -EINVAL : 0;
}

static int64_t create_session(VuDev *dev, const VhostUserCryptoSession *session)
{
    return session->op_code & 1 ? -1 : (int64_t)(session->op_code >> 1);
}

static int close_session(VuDev *dev, uint64_t session_id)
{
    return session_id > 7 ? -EINVAL : 0;
}

/* What is taken over is closed at once. */
static int set_gpu_socket(VuDev *dev, int fd)
{
    close(fd);
    return 0;
}

static int get_shmem_config(VuDev *dev, VhostUserShMemConfig *config)
{
    config->size[3] = 65536;
    return 0;
}

static int set_device_state_fd(VuDev *dev, VhostUserTransferDirection direction,
                               VhostUserTransferPhase phase, int fd, int *ret_fd)
{
    if (direction) {
        *ret_fd = fd;
    } else {
        close(fd);
    }
    return 0;
}

static int check_device_state(VuDev *dev)
{
    return 0;
}

/* Looks, and leaves it to the library. */
static VuMsgResult look_at_message(VuDev *dev, VhostUserMsg *msg)
{
    return VU_MSG_NOT_HANDLED;
}

static uint8_t filter_status(VuDev *dev, uint8_t status)
{
    return status & ~0x40;
}

static void look_at_memory(VuDev *dev)
{
    uint64_t len = 16;

    vu_gpa_to_va(dev, &len, 0x1000);
}

static const VuDevIface iface = {
    .get_features = get_features,
    .get_protocol_features = get_protocol_features,
    .queue_set_started = set_started,
    .get_config = get_config,
    .set_config = set_config,
    .get_shared_object = get_shared_object,
    .send_rarp = send_rarp,
    .set_mtu = set_mtu,
    .create_crypto_session = create_session,
    .close_crypto_session = close_session,
    .set_gpu_socket = set_gpu_socket,
    .get_shmem_config = get_shmem_config,
    .set_device_state_fd = set_device_state_fd,
    .check_device_state = check_device_state,
    .pre_msg = look_at_message,
    .post_msg = look_at_message,
    .set_status = filter_status,
    .get_status = filter_status,
    .update_memory = look_at_memory,
};

/* A buffer for every sentence, so that each is made up and none is printed. */
static void swallow(VuDev *dev, const char *text)
{
    g_assert(strlen(text) > 0);
}

void fuzz_device_init(FuzzDevice *d, uint64_t features, uint64_t protocol)
{
    int ends[2];

    memset(d, 0, sizeof(*d));
    d->features = features;
    d->protocol = protocol;
    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fuzz_front_init(&d->front, ends[0]);
    g_assert(
        vu_init(&d->dev, FUZZ_QUEUES, ends[1], swallow, NULL, set_watch, remove_watch, &iface));
    vu_set_log_cb(&d->dev, swallow);
}

void fuzz_device_done(FuzzDevice *d)
{
    for (unsigned i = 0; i < d->nheld; i++) {
        vu_queue_detach_element(&d->dev, vu_get_queue(&d->dev, d->held_of[i]), d->held[i], 0);
        free(d->held[i]);
    }
    vu_deinit(&d->dev);
    g_assert(d->nwatches == 0);
    fuzz_front_done(&d->front);
}

bool fuzz_device_obey(FuzzDevice *d)
{
    bool alive = true;

    if (d->front.out_of_step) {
        /* The rest is whatever the bytes give; the reader waits for no more. */
        shutdown(d->front.sock, SHUT_WR);
        while (vu_dispatch(&d->dev)) {
            fuzz_front_drain(&d->front);
        }
        return false;
    }
    alive = vu_dispatch(&d->dev);
    fuzz_front_drain(&d->front);
    return alive;
}

void fuzz_device_must(FuzzDevice *d, uint32_t request, const void *payload, uint32_t size, int fd)
{
    fuzz_front_send(&d->front, request, payload, size, fd);
    g_assert(vu_dispatch(&d->dev));
    fuzz_front_drain(&d->front);
}

void fuzz_device_serve(FuzzDevice *d)
{
    for (int i = 0; i < d->nwatches; i++) {
        const FuzzWatch watch = d->watches[i];
        struct pollfd p = { .fd = watch.fd, .events = POLLIN };

        if (poll(&p, 1, 0) == 1) {
            watch.cb(&d->dev, VU_WATCH_IN, watch.data);
        }
    }
}
