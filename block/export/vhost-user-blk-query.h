/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vhost-user-blk export tells of its socket and its client. Ours. */
#ifndef VHOST_USER_BLK_QUERY_H
#define VHOST_USER_BLK_QUERY_H

#include "qapi/qapi-types-block-export.h"
#include "qemu/vhost-user-server.h"

/** vu_blk_query: Fill in the address, and the client if there is one. Main loop. */
void vu_blk_query(VuServer *server, BlockExportInfo *info);

#endif
