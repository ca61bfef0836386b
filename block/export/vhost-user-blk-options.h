/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user asks of a vhost-user-blk export. */
#ifndef VHOST_USER_BLK_OPTIONS_H
#define VHOST_USER_BLK_OPTIONS_H

#include "qapi/error.h"
#include "block/export.h"
#include "standard-headers/linux/virtio_blk.h"

/* Options with their defaults filled in, checked. */
typedef struct VuBlkConfig {
    uint64_t logical_block_size;
    uint16_t num_queues;
    uint16_t queue_size;
    uint32_t max_in_flight;
    const char *serial;
    uint64_t ring_features;
    uint32_t max_discard_segments;
    uint32_t max_write_zeroes_segments;
    uint32_t max_secure_erase_segments;
    struct virtio_blk_geometry geometry; /* little-endian */
} VuBlkConfig;

/**
 * vu_blk_read_options: Check @opts.
 * @config: set; its strings are those of @opts
 *
 * Returns false with @errp set, naming the option and the value. Main loop.
 */
bool vu_blk_read_options(const BlockExportOptionsVhostUserBlk *opts, VuBlkConfig *config,
                         Error **errp);

#endif /* VHOST_USER_BLK_OPTIONS_H */
