/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device as a whole: its life, its features, its config space, its errors.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>

#include "vu-internal.h"

#define BIT(n) (1ULL << (n))

/* What rings and transport can do whatever the device is. */
#define RING_FEATURES                                                                \
    (BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |              \
     BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_F_LOG_ALL) | \
     BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_RING_PACKED))

/* Protocol features that the library always offers. */
#define OWN_PROTOCOL_FEATURES                                                                   \
    (BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD) |                     \
     BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |            \
     BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD) | BIT(VHOST_USER_PROTOCOL_F_HOST_NOTIFIER) |    \
     BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | \
     BIT(VHOST_USER_PROTOCOL_F_STATUS) | BIT(VHOST_USER_PROTOCOL_F_GPA_ADDRESSES))

/* What the library can do, but only for a device that asks for it. */
#define OPTIONAL_PROTOCOL_FEATURES \
    (BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS) | BIT(VHOST_USER_PROTOCOL_F_CROSS_ENDIAN))

/* Without these, notifications have no way to the front-end, or kicks overtake each other. */
#define INBAND_NEEDS (BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ))

/* Those whose messages a device may serve alone, in its process_msg or pre_msg. */
#define HOOK_PROTOCOL_FEATURES                                                             \
    (BIT(VHOST_USER_PROTOCOL_F_RARP) | BIT(VHOST_USER_PROTOCOL_F_NET_MTU) |                \
     BIT(VHOST_USER_PROTOCOL_F_CRYPTO_SESSION) | BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE) | \
     BIT(VHOST_USER_PROTOCOL_F_SHMEM_MAP))

static const VuIoOps no_io_ops;

/* ---- Errors and observation ---- */

void vu_trace_slow(VuDev *dev, VuTraceKind kind, int queue, uint32_t request, uint64_t value,
                   const char *text)
{
    const VuTraceEvent event = {
        .kind = kind, .queue = queue, .request = request, .value = value, .text = text
    };

    dev->priv->trace(dev, &event);
}

void vu_panic(VuDev *dev, const char *fmt, ...)
{
    char reason[320];
    va_list ap;

    __atomic_store_n(&dev->broken, true, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&dev->priv->panicked, true, __ATOMIC_RELAXED)) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    if (dev->panic) {
        dev->panic(dev, reason);
    }
}

int vu_refuse(VuDev *dev, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(dev->priv->reason, sizeof(dev->priv->reason), fmt, ap);
    va_end(ap);
    return err > 0 ? -err : -EINVAL;
}

void vu_log_message(VuDev *dev, const char *fmt, ...)
{
    char text[320];
    va_list ap;

    if (!dev->priv->log) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    dev->priv->log(dev, text);
}

void vu_report_bus_error(VuDev *dev)
{
    if (__atomic_load_n(&dev->priv->bus_error, __ATOMIC_RELAXED)) {
        vu_panic(dev, "the front-end shrank a file that holds guest memory");
    }
}

void vu_set_log_cb(VuDev *dev, vu_log_cb log)
{
    dev->priv->log = log;
}

void vu_set_trace_cb(VuDev *dev, vu_trace_cb trace)
{
    dev->priv->trace = trace;
}

void vu_get_stats(const VuDev *dev, VuDevStats *ret_stats)
{
    const VuDevStats *s = &dev->priv->stats;

    ret_stats->messages = __atomic_load_n(&s->messages, __ATOMIC_RELAXED);
    ret_stats->refused = __atomic_load_n(&s->refused, __ATOMIC_RELAXED);
    ret_stats->memory_changes = __atomic_load_n(&s->memory_changes, __ATOMIC_RELAXED);
    ret_stats->bus_errors = __atomic_load_n(&s->bus_errors, __ATOMIC_RELAXED);
}

/* ---- Life ---- */

static bool queue_size_ok(unsigned int num)
{
    return num > 0 && num <= VU_MAX_QUEUE_SIZE && !(num & (num - 1));
}

static struct VuPrivate *private_new(const VuDevIface *iface)
{
    struct VuPrivate *priv = calloc(1, sizeof(*priv));

    if (priv) {
        priv->io = &no_io_ops;
        priv->max_queue_size = iface->max_queue_size ? iface->max_queue_size : VIRTQUEUE_MAX_SIZE;
        priv->log_call_fd = -1;
    }
    return priv;
}

static bool init_fail(VuDev *dev)
{
    free(dev->vq);
    free(dev->priv);
    dev->vq = NULL;
    dev->priv = NULL;
    return false;
}

bool vu_init(VuDev *dev, uint16_t max_queues, int socket, vu_panic_cb panic,
             vu_read_msg_cb read_msg, vu_set_watch_cb set_watch, vu_remove_watch_cb remove_watch,
             const VuDevIface *iface)
{
    assert(max_queues > 0);
    assert(socket >= 0);
    assert(set_watch && remove_watch);
    assert(iface);
    assert(iface->max_queue_size == 0 || queue_size_ok(iface->max_queue_size));

    memset(dev, 0, sizeof(*dev));
    dev->sock = socket;
    dev->max_queues = max_queues;
    dev->set_watch = set_watch;
    dev->remove_watch = remove_watch;
    dev->panic = panic;
    dev->read_msg = read_msg ? read_msg : vu_message_read_default;
    dev->iface = iface;
    dev->backend_fd = -1;
    dev->priv = private_new(iface);
    dev->vq = aligned_alloc(_Alignof(VuVirtq), max_queues * sizeof(VuVirtq));
    if (!dev->priv || !dev->vq || vu_memory_init(dev) < 0) {
        return init_fail(dev);
    }
    if (vu_iotlb_init(dev) < 0 || vu_backend_init(dev) < 0) {
        vu_iotlb_done(dev);
        vu_memory_done(dev);
        return init_fail(dev);
    }
    for (unsigned int i = 0; i < max_queues; i++) {
        vu_vring_init(dev, &dev->vq[i], i);
    }
    return true;
}

void vu_deinit(VuDev *dev)
{
    if (!dev->priv) {
        return;
    }
    vu_report_bus_error(dev);
    vu_drop_pending(dev);
    for (unsigned int i = 0; i < dev->max_queues; i++) {
        vu_vring_done(dev, &dev->vq[i]);
    }
    vu_log_done(dev);
    vu_iotlb_done(dev);
    vu_memory_done(dev);
    vu_backend_done(dev);
    vu_close_fd(&dev->sock);
    free(dev->vq);
    free(dev->priv);
    dev->vq = NULL;
    dev->priv = NULL;
}

void vu_set_io_ops(VuDev *dev, const VuIoOps *ops)
{
    dev->priv->io = ops ? ops : &no_io_ops;
}

bool vu_set_max_queue_size(VuDev *dev, unsigned int num)
{
    if (!queue_size_ok(num)) {
        return false;
    }
    dev->priv->max_queue_size = num;
    return true;
}

/* ---- Features ---- */

static uint64_t offered_features(VuDev *dev)
{
    return RING_FEATURES | (dev->iface->get_features ? dev->iface->get_features(dev) : 0);
}

int vu_get_features(VuDev *dev, VhostUserMsg *msg)
{
    return vu_reply_u64(msg, offered_features(dev));
}

int vu_set_features(VuDev *dev, VhostUserMsg *msg)
{
    uint64_t features = msg->payload.u64;
    uint64_t surplus = features & ~offered_features(dev);
    int rc;

    dev->priv->features_refused = surplus != 0;
    if (surplus) {
        return vu_refuse(dev, EINVAL, "the front-end accepts features %#llx that were not offered",
                         (unsigned long long)surplus);
    }
    rc = vu_vrings_check_features(dev, features);
    if (rc < 0) {
        return rc;
    }
    __atomic_store_n(&dev->features, features, __ATOMIC_RELAXED);
    if (dev->iface->set_features) {
        dev->iface->set_features(dev, features);
    }
    if (dev->iface->set_event_idx) {
        dev->iface->set_event_idx(dev, vu_has_feature(dev, VIRTIO_RING_F_EVENT_IDX));
    }
    vu_vrings_refresh(dev);
    if (!vu_has_feature(dev, VHOST_USER_F_PROTOCOL_FEATURES)) {
        /* Such a front-end has no way to enable a ring. */
        vu_vrings_enable_all(dev, true);
    }
    return VU_DONE;
}

int vu_set_owner(VuDev *dev, VhostUserMsg *msg)
{
    return VU_DONE;
}

/* What the device's abilities alone are enough for. */
static uint64_t hooked_protocol_features(const VuDevIface *iface)
{
    const struct {
        unsigned int bit;
        bool able;
    } rows[] = {
        { VHOST_USER_PROTOCOL_F_RARP, iface->send_rarp },
        { VHOST_USER_PROTOCOL_F_NET_MTU, iface->set_mtu },
        { VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
          iface->create_crypto_session && iface->close_crypto_session },
        { VHOST_USER_PROTOCOL_F_CONFIG, iface->get_config && iface->set_config },
        { VHOST_USER_PROTOCOL_F_SHARED_OBJECT, iface->get_shared_object },
        { VHOST_USER_PROTOCOL_F_SHMEM_MAP, iface->get_shmem_config },
    };
    uint64_t features = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        features |= rows[i].able ? BIT(rows[i].bit) : 0;
    }
    return features;
}

/* What the device may add by asking for it. */
static uint64_t allowed_protocol_features(const VuDevIface *iface)
{
    uint64_t allowed = OPTIONAL_PROTOCOL_FEATURES;

    if (iface->get_config) {
        allowed |= BIT(VHOST_USER_PROTOCOL_F_CONFIG);
    }
    if (iface->process_msg || iface->pre_msg) {
        allowed |= HOOK_PROTOCOL_FEATURES;
    }
    return allowed;
}

uint64_t vu_offered_protocol_features(VuDev *dev)
{
    const VuDevIface *iface = dev->iface;
    uint64_t features = OWN_PROTOCOL_FEATURES | hooked_protocol_features(iface);

    if (iface->get_protocol_features) {
        features |= iface->get_protocol_features(dev) & allowed_protocol_features(iface);
    }
    return features;
}

int vu_get_protocol_features(VuDev *dev, VhostUserMsg *msg)
{
    return vu_reply_u64(msg, vu_offered_protocol_features(dev));
}

int vu_set_protocol_features(VuDev *dev, VhostUserMsg *msg)
{
    uint64_t features = msg->payload.u64;
    uint64_t surplus = features & ~vu_offered_protocol_features(dev);

    if (surplus) {
        return vu_refuse(dev, EINVAL,
                         "the front-end accepts protocol features %#llx that were not offered",
                         (unsigned long long)surplus);
    }
    if ((features & BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)) &&
        (features & INBAND_NEEDS) != INBAND_NEEDS) {
        vu_panic(dev, "the front-end accepts in-band notifications without what they need");
        return vu_refuse(dev, EINVAL, "in-band notifications need REPLY_ACK and BACKEND_REQ");
    }
    __atomic_store_n(&dev->protocol_features, features, __ATOMIC_RELAXED);
    if (dev->iface->set_protocol_features) {
        dev->iface->set_protocol_features(dev, features);
    }
    return VU_DONE;
}

int vu_get_queue_num(VuDev *dev, VhostUserMsg *msg)
{
    return vu_reply_u64(msg, dev->max_queues);
}

/* ---- Config space ---- */

/* The bytes asked for lie in the largest config space there can be. */
static bool config_range_ok(const VhostUserMsg *msg)
{
    uint32_t offset = msg->payload.config.offset;
    uint32_t size = msg->payload.config.size;

    return size <= VHOST_USER_MAX_CONFIG_SIZE && offset <= VHOST_USER_MAX_CONFIG_SIZE - size;
}

int vu_get_config(VuDev *dev, VhostUserMsg *msg)
{
    uint8_t space[VHOST_USER_MAX_CONFIG_SIZE] = { 0 };
    uint32_t offset = msg->payload.config.offset;
    uint32_t size = msg->payload.config.size;

    if (!config_range_ok(msg) || size == 0) {
        return vu_refuse(dev, EINVAL, "config bytes %u at %u are outside", size, offset);
    }
    if (!dev->iface->get_config || dev->iface->get_config(dev, space, offset + size) != 0) {
        return vu_refuse(dev, EINVAL, "the device has no config bytes %u at %u", size, offset);
    }
    memcpy(msg->payload.config.region, space + offset, size);
    msg->size = VHOST_USER_CONFIG_HDR_SIZE + size;
    return VU_REPLY;
}

int vu_set_config(VuDev *dev, VhostUserMsg *msg)
{
    uint8_t bytes[VHOST_USER_MAX_CONFIG_SIZE];
    uint32_t offset = msg->payload.config.offset;
    uint32_t size = msg->payload.config.size;

    if (!config_range_ok(msg) || msg->size != VHOST_USER_CONFIG_HDR_SIZE + size) {
        return vu_refuse(dev, EINVAL, "config bytes %u at %u do not fit a payload of %u", size,
                         offset, msg->size);
    }
    memcpy(bytes, msg->payload.config.region, size);
    if (!dev->iface->set_config ||
        dev->iface->set_config(dev, bytes, offset, size, msg->payload.config.flags) != 0) {
        return vu_refuse(dev, EINVAL, "the device does not let config bytes %u at %u be written",
                         size, offset);
    }
    return VU_DONE;
}
