/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block node as a vhost-user-blk device.
 *
 * Theory of operation: the server (VuServer) owns the socket and the client;
 * this file answers for the device: features, config space, queues. Requests
 * are the queues' (vhost-user-blk-queue.c).
 * A queue runs in its context: the home, or one of several threads that the
 * user named; what the client says is handled at home. A drain of the
 * node detaches the server, so that requests wait in the rings.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "block/block-io.h"
#include "standard-headers/linux/virtio_blk.h"
#include "system/block-backend.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "block/medium.h"
#include "export-events.h"
#include "vhost-user-blk-query.h"
#endif
#include "vhost-user-blk-options.h"
#include "vhost-user-blk-queue.h"
#include "vhost-user-blk-server.h"

enum {
    /* How long storage may take to end the requests of an export that goes, without a word. */
    VHOST_USER_BLK_STOP_MS = 700,
    /* How often is looked whether it has. */
    VHOST_USER_BLK_STOP_AGAIN_MS = 5,
    VHOST_USER_BLK_STOP_DEAD_MS = 200,
    /* Data segments of a request: a default ring of 128 holds one with header and status. */
    VHOST_USER_BLK_SEG_MAX = 128 - 2,
};

/* virtio 1.2, 5.2.4: older headers know less of it. What is behind their struct is zero. */
#define VHOST_USER_BLK_CONFIG_BYTES 96

typedef struct VuBlkExport {
    BlockExport export;
    VuServer vu_server;
    VirtioBlkHandler handler;
    VuBlkQueue **queues; /* num_queues; NULL: never started; main loop or home */
    unsigned num_queues;
    uint64_t added_features;         /* by what the user asked for, and the node's medium can */
    struct virtio_blk_config blkcfg; /* little-endian, as the guest reads it */
    QEMUTimer *stop_timer;           /* looks whether storage has answered; or NULL */
    int64_t stop_begin;              /* ms, QEMU_CLOCK_REALTIME; 0: the user was told */
} VuBlkExport;

static VuBlkExport *vu_blk_from_dev(VuDev *vu_dev)
{
    return container_of(vu_dev, VuBlkExport, vu_server.vu_dev);
}

/* The device, as libvhost-user asks for it (home context) */

static void vu_blk_process_vq(VuDev *vu_dev, int idx)
{
    vu_blk_queue_process(vu_blk_from_dev(vu_dev)->queues[idx]);
}

/* Most of the queues that an export offers are never used. Home context, or all is quiet. */
static VuBlkQueue *vu_blk_need_queue(VuBlkExport *vexp, unsigned index)
{
    VuBlkQueue *queue = vexp->queues[index];

    if (!queue) {
        queue = vu_blk_queue_new(&vexp->export, &vexp->vu_server, &vexp->handler, index);
        qatomic_store_release(&vexp->queues[index], queue);
    }
    return queue;
}

static void vu_blk_queue_set_started(VuDev *vu_dev, int idx, bool started)
{
    if (started) {
        vu_blk_need_queue(vu_blk_from_dev(vu_dev), idx);
    }
    vu_set_queue_handler(vu_dev, vu_get_queue(vu_dev, idx), started ? vu_blk_process_vq : NULL);
}

static uint64_t vu_blk_get_features(VuDev *vu_dev)
{
    VuBlkExport *vexp = vu_blk_from_dev(vu_dev);
    uint64_t features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_TOPOLOGY |
                        1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_FLUSH |
                        1ull << VIRTIO_BLK_F_CONFIG_WCE | 1ull << VIRTIO_BLK_F_DISCARD |
                        1ull << VIRTIO_BLK_F_WRITE_ZEROES | 1ull << VIRTIO_BLK_F_MQ |
                        1ull << VIRTIO_F_VERSION_1;

    features |= vexp->added_features;
    return vexp->handler.writable ? features : features | 1ull << VIRTIO_BLK_F_RO;
}

/* A driver that cannot flush expects its writes to be stable when they complete (5.2.6.2). */
static void vu_blk_set_features(VuDev *vu_dev, uint64_t features)
{
    VuBlkExport *vexp = vu_blk_from_dev(vu_dev);

    if (!(features & 1ull << VIRTIO_BLK_F_FLUSH)) {
        blk_set_enable_write_cache(vexp->handler.blk, false);
    } else {
        blk_set_enable_write_cache(vexp->handler.blk, vexp->blkcfg.wce);
    }
}

static uint64_t vu_blk_get_protocol_features(VuDev *vu_dev)
{
    return 1ull << VHOST_USER_PROTOCOL_F_CONFIG;
}

static int vu_blk_get_config(VuDev *vu_dev, uint8_t *config, uint32_t len)
{
    VuBlkExport *vexp = vu_blk_from_dev(vu_dev);

    if (len > VHOST_USER_BLK_CONFIG_BYTES) {
        return -1;
    }
    memset(config, 0, len);
    memcpy(config, &vexp->blkcfg, MIN(len, sizeof(vexp->blkcfg)));
    return 0;
}

/* Only the write cache switch can be written, and only by the guest. */
static int vu_blk_set_config(VuDev *vu_dev, const uint8_t *data, uint32_t offset, uint32_t size,
                             uint32_t flags)
{
    VuBlkExport *vexp = vu_blk_from_dev(vu_dev);

    if (flags != VHOST_SET_CONFIG_TYPE_FRONTEND || size != sizeof(vexp->blkcfg.wce) ||
        offset != offsetof(struct virtio_blk_config, wce) || *data > 1) {
        return -EINVAL;
    }
    vexp->blkcfg.wce = *data;
    blk_set_enable_write_cache(vexp->handler.blk, *data);
    return 0;
}

static const VuDevIface vu_blk_iface = {
    .get_features = vu_blk_get_features,
    .set_features = vu_blk_set_features,
    .get_protocol_features = vu_blk_get_protocol_features,
    .queue_set_started = vu_blk_queue_set_started,
    .get_config = vu_blk_get_config,
    .set_config = vu_blk_set_config,
};

/* The block layer's side (main loop) */

static void vu_blk_update_capacity(VuBlkExport *vexp)
{
    uint64_t sectors;

    blk_get_geometry(vexp->handler.blk, &sectors);
    vexp->blkcfg.capacity = cpu_to_le64(virtio_blk_capacity(&vexp->handler, sectors));
}

static void vu_blk_resize(void *opaque)
{
    VuBlkExport *vexp = opaque;

    vu_blk_update_capacity(vexp);
    if (qatomic_read(&vexp->vu_server.life) == VU_SERVER_SERVING) {
        vu_config_change_msg(&vexp->vu_server.vu_dev);
    }
}

static void vu_blk_drained_begin(void *opaque)
{
    VuBlkExport *vexp = opaque;

    qatomic_set(&vexp->vu_server.quiescing, true);
    vhost_user_server_detach_aio_context(&vexp->vu_server);
}

static bool vu_blk_drained_poll(void *opaque)
{
    VuBlkExport *vexp = opaque;

    return vhost_user_server_has_trip(&vexp->vu_server) ||
           vhost_user_server_has_in_flight(&vexp->vu_server);
}

static void vu_blk_drained_end(void *opaque)
{
    VuBlkExport *vexp = opaque;

    qatomic_set(&vexp->vu_server.quiescing, false);
    vhost_user_server_attach_aio_context(&vexp->vu_server, vexp->export.ctx);
}

static const BlockDevOps vu_blk_dev_ops = {
    .resize_cb = vu_blk_resize,
    .drained_begin = vu_blk_drained_begin,
    .drained_poll = vu_blk_drained_poll,
    .drained_end = vu_blk_drained_end,
};

/* Between the two the node is drained; drained_end attaches to the new context. */
static void vu_blk_aio_attached(AioContext *ctx, void *opaque)
{
    VuBlkExport *vexp = opaque;

    vexp->export.ctx = ctx;
}

static void vu_blk_aio_detach(void *opaque)
{
    VuBlkExport *vexp = opaque;

    vexp->export.ctx = NULL;
}

/* Life of the export (main loop) */

static void vu_blk_initialize_config(VuBlkExport *vexp, const VuBlkConfig *config)
{
    uint32_t sectors_per_block = config->logical_block_size >> VIRTIO_BLK_SECTOR_BITS;
    struct virtio_blk_config *cfg = &vexp->blkcfg;

    vu_blk_update_capacity(vexp);
    cfg->blk_size = cpu_to_le32(config->logical_block_size);
    cfg->seg_max = cpu_to_le32(MIN(VHOST_USER_BLK_SEG_MAX, config->queue_size - 2));
    cfg->min_io_size = cpu_to_le16(1);
    cfg->opt_io_size = cpu_to_le32(1);
    cfg->wce = blk_enable_write_cache(vexp->handler.blk);
    cfg->num_queues = cpu_to_le16(config->num_queues);
    cfg->max_discard_sectors = cpu_to_le32(VIRTIO_BLK_MAX_DISCARD_SECTORS);
    cfg->max_discard_seg = cpu_to_le32(config->max_discard_segments);
    cfg->discard_sector_alignment = cpu_to_le32(sectors_per_block);
    cfg->max_write_zeroes_sectors = cpu_to_le32(VIRTIO_BLK_MAX_WRITE_ZEROES_SECTORS);
    cfg->max_write_zeroes_seg = cpu_to_le32(config->max_write_zeroes_segments);
    cfg->write_zeroes_may_unmap = 1;
}

/* Ours: what the medium under the node can do besides, and what the user says of its shape. */
static void vu_blk_initialize_medium(VuBlkExport *vexp, const VuBlkConfig *config)
{
#ifdef CONFIG_DEVICE_BACKENDS
    VirtioBlkHandler *handler = &vexp->handler;
    struct virtio_blk_config *cfg = &vexp->blkcfg;
    uint64_t max = blk_get_max_secure_erase(handler->blk) >> VIRTIO_BLK_SECTOR_BITS;

    cfg->geometry = config->geometry;
    if (config->geometry.heads) {
        vexp->added_features |= 1ull << VIRTIO_BLK_F_GEOMETRY;
    }
    if (max && handler->writable) {
        uint32_t align =
            MAX(blk_get_secure_erase_alignment(handler->blk), handler->logical_block_size) >>
            VIRTIO_BLK_SECTOR_BITS;

        handler->max_secure_erase_sectors = QEMU_ALIGN_DOWN(max, (uint64_t)align);
        handler->max_secure_erase_segments = config->max_secure_erase_segments;
        handler->secure_erase_alignment = align;
        cfg->max_secure_erase_sectors = cpu_to_le32(handler->max_secure_erase_sectors);
        cfg->max_secure_erase_seg = cpu_to_le32(config->max_secure_erase_segments);
        cfg->secure_erase_sector_alignment = cpu_to_le32(align);
        vexp->added_features |= 1ull << VIRTIO_BLK_SECURE_ERASE_BIT;
    }
    if (blk_has_lifetime(handler->blk)) {
        handler->has_lifetime = true;
        vexp->added_features |= 1ull << VIRTIO_BLK_LIFETIME_BIT;
    }
#endif
}

static void vu_blk_free(VuBlkExport *vexp)
{
    timer_free(vexp->stop_timer);
    for (unsigned i = 0; i < vexp->num_queues; i++) {
        vu_blk_queue_free(vexp->queues[i]);
    }
    g_free(vexp->queues);
    g_free(vexp->handler.serial);
}

#ifdef CONFIG_DEVICE_BACKENDS
/* Ours: several threads. No client is there, or the node is drained. */
static void vu_blk_spread_queues(BlockExport *exp)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);

    for (int i = 0; i < vexp->vu_server.max_queues; i++) {
        vhost_user_server_set_queue_aio_context(&vexp->vu_server, i, blk_exp_queue_context(exp, i));
    }
}

static bool vu_blk_check_threads(BlockExport *exp, unsigned num_queues, Error **errp)
{
    return blk_exp_set_num_queues(exp, num_queues, errp);
}

/* Ours: monitors hear of clients. */
static void vu_blk_client_came(VuServer *server)
{
    blk_exp_client_is(&container_of(server, VuBlkExport, vu_server)->export, true,
                      server->client_pid);
}

static void vu_blk_client_gone(VuServer *server)
{
    blk_exp_client_is(&container_of(server, VuBlkExport, vu_server)->export, false, 0);
}

static void vu_blk_tell_of_clients(VuBlkExport *vexp)
{
    vexp->vu_server.client_came = vu_blk_client_came;
    vexp->vu_server.client_gone = vu_blk_client_gone;
}
#else
static void vu_blk_tell_of_clients(VuBlkExport *vexp)
{
}

static void vu_blk_spread_queues(BlockExport *exp)
{
}

static bool vu_blk_check_threads(BlockExport *exp, unsigned num_queues, Error **errp)
{
    return true;
}
#endif

static int vu_blk_exp_create(BlockExport *exp, BlockExportOptions *opts, Error **errp)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);
    BlockExportOptionsVhostUserBlk *vu_opts = &opts->u.vhost_user_blk;
    VuBlkConfig config;

    if (!vu_blk_read_options(vu_opts, &config, errp) ||
        !vu_blk_check_threads(exp, config.num_queues, errp)) {
        return -EINVAL;
    }
    vexp->handler = (VirtioBlkHandler){
        .blk = exp->blk,
        .serial = g_strdup(config.serial),
        .logical_block_size = config.logical_block_size,
        .writable = opts->writable,
        .max_discard_segments = config.max_discard_segments,
        .max_write_zeroes_segments = config.max_write_zeroes_segments,
    };
    vexp->added_features = config.ring_features;
    vu_blk_initialize_config(vexp, &config);
    vu_blk_initialize_medium(vexp, &config);
    vexp->num_queues = config.num_queues;
    vexp->queues = g_new0(VuBlkQueue *, config.num_queues);
    if (!vhost_user_server_start(&vexp->vu_server, vu_opts->addr, exp->ctx, config.num_queues,
                                 &vu_blk_iface, errp)) {
        vu_blk_free(vexp);
        return -EADDRNOTAVAIL;
    }
    vexp->vu_server.max_queue_size = config.queue_size;
    vexp->vu_server.max_in_flight = config.max_in_flight;
    vu_blk_spread_queues(exp);
    vu_blk_tell_of_clients(vexp);
    blk_add_aio_context_notifier(exp->blk, vu_blk_aio_attached, vu_blk_aio_detach, vexp);
    /* A drain waits for what was popped; the backend must not hold that back meanwhile. */
    blk_set_disable_request_queuing(exp->blk, true);
    blk_set_dev_ops(exp->blk, &vu_blk_dev_ops, vexp);
    return 0;
}

#ifdef CONFIG_DEVICE_BACKENDS
/* The export, without its user, waits for its storage. */
static void vu_blk_stop_again(void *opaque)
{
    VuBlkExport *vexp = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    if (vhost_user_server_try_stop(&vexp->vu_server, 0)) {
        blk_exp_unref(&vexp->export);
        return;
    }
    if (vexp->stop_begin && now - vexp->stop_begin >= VHOST_USER_BLK_STOP_MS) {
        warn_report("export '%s': its storage does not answer, the export goes when it does",
                    vexp->export.id);
        vexp->stop_begin = 0;
        blk_exp_resume_nodes(&vexp->export);
    }
    timer_mod(vexp->stop_timer, now + (vexp->stop_begin ? VHOST_USER_BLK_STOP_AGAIN_MS
                                                        : VHOST_USER_BLK_STOP_DEAD_MS));
}

static void vu_blk_stop_later(VuBlkExport *vexp)
{
    blk_exp_ref(&vexp->export);
    /* Of the AioContext, so that it runs while somebody waits for the export. */
    vexp->stop_timer = aio_timer_new(qemu_get_aio_context(), QEMU_CLOCK_REALTIME, SCALE_MS,
                                     vu_blk_stop_again, vexp);
    vexp->stop_begin = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    timer_mod(vexp->stop_timer, vexp->stop_begin);
}
#endif

static void vu_blk_exp_request_shutdown(BlockExport *exp)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);

#ifdef CONFIG_DEVICE_BACKENDS
    if (!vhost_user_server_try_stop(&vexp->vu_server, 0)) {
        vu_blk_stop_later(vexp);
    }
#else
    vhost_user_server_stop(&vexp->vu_server);
#endif
}

static void vu_blk_exp_delete(BlockExport *exp)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);

    blk_set_dev_ops(exp->blk, NULL, NULL);
    blk_remove_aio_context_notifier(exp->blk, vu_blk_aio_attached, vu_blk_aio_detach, vexp);
    vu_blk_free(vexp);
}

#ifdef CONFIG_DEVICE_BACKENDS
static BlockExportCounters *vu_blk_counters(BlockExport *exp, unsigned index, bool make)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);
    VuBlkQueue *queue = qatomic_load_acquire(&vexp->queues[index]);

    if (!queue && make) {
        queue = vu_blk_need_queue(vexp, index);
    }
    return queue ? &queue->counters : NULL;
}

static char *vu_blk_exp_describe_client(BlockExport *exp)
{
    VuBlkExport *vexp = container_of(exp, VuBlkExport, export);

    return vhost_user_server_describe_client(&vexp->vu_server);
}

static void vu_blk_exp_query(BlockExport *exp, BlockExportInfo *info)
{
    vu_blk_query(&container_of(exp, VuBlkExport, export)->vu_server, info);
}
#endif

const BlockExportDriver blk_exp_vhost_user_blk = {
    .type = BLOCK_EXPORT_TYPE_VHOST_USER_BLK,
    .instance_size = sizeof(VuBlkExport),
    .create = vu_blk_exp_create,
    .delete = vu_blk_exp_delete,
    .request_shutdown = vu_blk_exp_request_shutdown,
#ifdef CONFIG_DEVICE_BACKENDS
    .supports_multithreading = true,
    .threads_changed = vu_blk_spread_queues,
    .describe_client = vu_blk_exp_describe_client,
    .query = vu_blk_exp_query,
    .counters = vu_blk_counters,
#endif
};
