/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user of a BlockBackend hands to it. */
#ifndef BLOCK_BACKEND_COMMON_H
#define BLOCK_BACKEND_COMMON_H

#include "block/block-common.h"
#include "block/throttle-groups.h"

/* Callbacks of the device or export that uses a BlockBackend. Main loop's thread. */
typedef struct BlockDevOps {
    /* The medium has been loaded (@load) or taken out; false with @errp when the device refuses. */
    void (*change_media_cb)(void *opaque, bool load, Error **errp);
    void (*eject_request_cb)(void *opaque, bool force);
    bool (*is_medium_locked)(void *opaque);
    bool (*is_tray_open)(void *opaque);
    /* The length has changed; drained. */
    void (*resize_cb)(void *opaque);
    /* Stop sending requests; still busy? (any thread may lead to a new look: aio_wait_kick()); go
     * on. */
    void (*drained_begin)(void *opaque);
    void (*drained_end)(void *opaque);
    bool (*drained_poll)(void *opaque);
} BlockDevOps;

/* What users may reach into. */
typedef struct BlockBackendPublic {
    /* Requests wait for the limits of the group that this is a member of, if any. */
    ThrottleGroupMember throttle_group_member;
} BlockBackendPublic;

#endif
