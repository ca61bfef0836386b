/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vhost-user-blk export tells of its socket and its client. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "standard-headers/linux/virtio_blk.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ring.h"
#include "vhost-user-blk-query.h"
#include "virtio-blk-handler.h"

/* virtio 1.2, 5.2.3 and 6; what a disk can have. */
static const char *const feature_names[64] = {
    [VIRTIO_BLK_F_SIZE_MAX] = "size-max",
    [VIRTIO_BLK_F_SEG_MAX] = "seg-max",
    [VIRTIO_BLK_F_GEOMETRY] = "geometry",
    [VIRTIO_BLK_F_RO] = "ro",
    [VIRTIO_BLK_F_BLK_SIZE] = "blk-size",
    [VIRTIO_BLK_F_FLUSH] = "flush",
    [VIRTIO_BLK_F_TOPOLOGY] = "topology",
    [VIRTIO_BLK_F_CONFIG_WCE] = "config-wce",
    [VIRTIO_BLK_F_MQ] = "mq",
    [VIRTIO_BLK_F_DISCARD] = "discard",
    [VIRTIO_BLK_F_WRITE_ZEROES] = "write-zeroes",
    [VIRTIO_BLK_LIFETIME_BIT] = "lifetime",
    [VIRTIO_BLK_SECURE_ERASE_BIT] = "secure-erase",
    [VIRTIO_F_NOTIFY_ON_EMPTY] = "notify-on-empty",
    [VHOST_F_LOG_ALL] = "log-all",
    [VIRTIO_F_ANY_LAYOUT] = "any-layout",
    [VIRTIO_RING_F_INDIRECT_DESC] = "indirect-desc",
    [VIRTIO_RING_F_EVENT_IDX] = "event-idx",
    [VHOST_USER_F_PROTOCOL_FEATURES] = "protocol-features",
    [VIRTIO_F_VERSION_1] = "version-1",
    [VIRTIO_F_ACCESS_PLATFORM] = "access-platform",
    [VIRTIO_F_RING_PACKED] = "ring-packed",
    [VIRTIO_F_IN_ORDER] = "in-order",
    [VIRTIO_F_ORDER_PLATFORM] = "order-platform",
};

/* The vhost-user specification, "Protocol features". */
static const char *const protocol_feature_names[64] = {
    [VHOST_USER_PROTOCOL_F_MQ] = "mq",
    [VHOST_USER_PROTOCOL_F_LOG_SHMFD] = "log-shmfd",
    [VHOST_USER_PROTOCOL_F_REPLY_ACK] = "reply-ack",
    [VHOST_USER_PROTOCOL_F_BACKEND_REQ] = "backend-req",
    [VHOST_USER_PROTOCOL_F_CROSS_ENDIAN] = "cross-endian",
    [VHOST_USER_PROTOCOL_F_PAGEFAULT] = "pagefault",
    [VHOST_USER_PROTOCOL_F_CONFIG] = "config",
    [VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD] = "inflight-shmfd",
    [VHOST_USER_PROTOCOL_F_RESET_DEVICE] = "reset-device",
    [VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS] = "inband-notifications",
    [VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS] = "configure-mem-slots",
    [VHOST_USER_PROTOCOL_F_STATUS] = "status",
    [VHOST_USER_PROTOCOL_F_SHARED_OBJECT] = "shared-object",
    [VHOST_USER_PROTOCOL_F_DEVICE_STATE] = "device-state",
};

static strList *names_of(uint64_t bits, const char *const names[64])
{
    strList *head = NULL, **tail = &head;

    for (int i = 0; i < 64; i++) {
        if (bits & 1ull << i) {
            QAPI_LIST_APPEND(tail, names[i] ? g_strdup(names[i]) : g_strdup_printf("bit-%d", i));
        }
    }
    return head;
}

void vu_blk_query(VuServer *server, BlockExportInfo *info)
{
    BlockExportClient *client;

    if (server->listener && qio_net_listener_is_connected(server->listener)) {
        info->addr = qio_channel_socket_get_local_address(server->listener->sioc[0], NULL);
    }
    if (qatomic_read(&server->life) != VU_SERVER_SERVING) {
        return;
    }
    client = g_new0(BlockExportClient, 1);
    *client = (BlockExportClient){
        .has_pid = server->client_pid > 0,
        .pid = server->client_pid,
        .connected = server->client_since,
        /* The client's messages may change them at this moment. */
        .features = names_of(qatomic_read(&server->vu_dev.features), feature_names),
        .protocol_features =
            names_of(qatomic_read(&server->vu_dev.protocol_features), protocol_feature_names),
    };
    info->client = client;
}
