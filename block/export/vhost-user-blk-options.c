/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user asks of a vhost-user-blk export: defaults and checks. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "util/block-helpers.h"
#include "vhost-user-blk-options.h"
#include "virtio-blk-handler.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "standard-headers/linux/virtio_config.h"
#endif

enum {
    /* A default front-end asks for one queue per vCPU; one that is not used costs nothing. */
    VHOST_USER_BLK_NUM_QUEUES_DEFAULT = 64,
    /* A kick message can name no more (vhost-user, SET_VRING_KICK). */
    VHOST_USER_BLK_NUM_QUEUES_DRIVABLE = 256,
    VHOST_USER_BLK_QUEUE_SIZE_DEFAULT = 1024,
    /* A request takes 5 to 10 KiB of memory, one of a thousand segments some 40 KiB. */
    VHOST_USER_BLK_MAX_IN_FLIGHT_DEFAULT = 2048,
};

#define VHOST_USER_BLK_SERIAL_DEFAULT "vhost_user_blk"

#ifdef CONFIG_DEVICE_BACKENDS
static bool vu_blk_read_ring_options(const BlockExportOptionsVhostUserBlk *opts,
                                     VuBlkConfig *config, Error **errp)
{
    if (opts->has_queue_size) {
        if (opts->queue_size < 2 || opts->queue_size & (opts->queue_size - 1)) {
            error_setg(errp, "queue-size must be a power of 2 between 2 and 32768, not %u",
                       opts->queue_size);
            return false;
        }
        config->queue_size = opts->queue_size;
    }
    if (opts->has_in_order && opts->in_order) {
        config->ring_features |= 1ull << VIRTIO_F_IN_ORDER;
    }
    if (opts->has_access_platform && opts->access_platform) {
        config->ring_features |= 1ull << VIRTIO_F_IOMMU_PLATFORM;
    }
    return true;
}

static bool vu_blk_read_segments(const BlockExportOptionsVhostUserBlk *opts, VuBlkConfig *config,
                                 Error **errp)
{
    const char *wrong = NULL;

    if (opts->has_max_discard_segments) {
        config->max_discard_segments = opts->max_discard_segments;
    }
    if (opts->has_max_write_zeroes_segments) {
        config->max_write_zeroes_segments = opts->max_write_zeroes_segments;
    }
    if (opts->has_max_secure_erase_segments) {
        config->max_secure_erase_segments = opts->max_secure_erase_segments;
    }
    if (!config->max_discard_segments) {
        wrong = "max-discard-segments";
    } else if (!config->max_write_zeroes_segments) {
        wrong = "max-write-zeroes-segments";
    } else if (!config->max_secure_erase_segments) {
        wrong = "max-secure-erase-segments";
    }
    if (wrong) {
        error_setg(errp, "%s must be greater than 0", wrong);
    }
    return !wrong;
}

static bool vu_blk_read_geometry(const BlockExportGeometry *geometry, VuBlkConfig *config,
                                 Error **errp)
{
    if (!geometry) {
        return true;
    }
    if (!geometry->cyls || !geometry->heads || !geometry->secs) {
        error_setg(errp, "geometry.%s must be greater than 0",
                   !geometry->cyls    ? "cyls"
                   : !geometry->heads ? "heads"
                                      : "secs");
        return false;
    }
    config->geometry.cylinders = cpu_to_le16(geometry->cyls);
    config->geometry.heads = geometry->heads;
    config->geometry.sectors = geometry->secs;
    return true;
}
#endif

/* Ours: options that QEMU's schema does not know. */
static bool vu_blk_read_extensions(const BlockExportOptionsVhostUserBlk *opts, VuBlkConfig *config,
                                   Error **errp)
{
#ifdef CONFIG_DEVICE_BACKENDS
    if (opts->serial) {
        if (strlen(opts->serial) > VIRTIO_BLK_SERIAL_BYTES) {
            error_setg(errp, "serial '%s' is longer than %d bytes", opts->serial,
                       VIRTIO_BLK_SERIAL_BYTES);
            return false;
        }
        config->serial = opts->serial;
    }
    if (opts->has_max_in_flight) {
        if (!opts->max_in_flight) {
            error_setg(errp, "max-in-flight must be greater than 0");
            return false;
        }
        config->max_in_flight = opts->max_in_flight;
    }
    return vu_blk_read_ring_options(opts, config, errp) &&
           vu_blk_read_segments(opts, config, errp) &&
           vu_blk_read_geometry(opts->geometry, config, errp);
#else
    return true;
#endif
}

bool vu_blk_read_options(const BlockExportOptionsVhostUserBlk *opts, VuBlkConfig *config,
                         Error **errp)
{
    *config = (VuBlkConfig){
        .logical_block_size =
            opts->has_logical_block_size ? opts->logical_block_size : VIRTIO_BLK_SECTOR_SIZE,
        .num_queues = opts->has_num_queues ? opts->num_queues : VHOST_USER_BLK_NUM_QUEUES_DEFAULT,
        .queue_size = VHOST_USER_BLK_QUEUE_SIZE_DEFAULT,
        .max_in_flight = VHOST_USER_BLK_MAX_IN_FLIGHT_DEFAULT,
        .serial = VHOST_USER_BLK_SERIAL_DEFAULT,
        .max_discard_segments = 1,
        .max_write_zeroes_segments = 1,
        .max_secure_erase_segments = 1,
    };
    if (!check_block_size("logical-block-size", config->logical_block_size, errp)) {
        return false;
    }
    if (!config->num_queues) {
        error_setg(errp, "num-queues must be greater than 0");
        return false;
    }
    if (config->num_queues > VHOST_USER_BLK_NUM_QUEUES_DRIVABLE) {
        warn_report("num-queues=%u: a front-end can drive no more than %d queues",
                    config->num_queues, VHOST_USER_BLK_NUM_QUEUES_DRIVABLE);
    }
    return vu_blk_read_extensions(opts, config, errp);
}
