/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BlockBackend: a user's grip on a block node.
 *
 * Theory of operation
 *
 * An export, a device or a job makes a BlockBackend (blk_new), inserts a node (blk_insert_bs) with
 * the permissions it needs, and sends requests. It is told by BlockDevOps when the node is drained
 * or resized and by AioContext notifiers when it moves. It lets go with blk_unref(), in the main
 * loop's thread, when none of its requests is in flight. Requests may be sent from any number of
 * threads at once.
 */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include "system/block-backend-global-state.h"
#include "system/block-backend-io.h"

#endif
