/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The export type vhost-user-blk. */
#ifndef VHOST_USER_BLK_SERVER_H
#define VHOST_USER_BLK_SERVER_H

#include "block/export.h"

/* Main loop; see BlockExportDriver. */
extern const BlockExportDriver blk_exp_vhost_user_blk;

#endif /* VHOST_USER_BLK_SERVER_H */
