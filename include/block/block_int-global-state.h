/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drivers and the block layer's own files need of the control side. Main loop's thread. */
#ifndef BLOCK_INT_GLOBAL_STATE_H
#define BLOCK_INT_GLOBAL_STATE_H

#include "block/block_int-common.h"

/* A parent that is no node. */
typedef struct BdrvRootParent {
    const BdrvChildClass *klass;
    void *opaque;
    /* The edge's name and role, and what the parent does and shares. */
    const char *child_name;
    BdrvChildRole role;
    BdrvPerms perms;
} BdrvRootParent;

/*
 * An edge from @parent to @child_bs, whose one reference it takes over, on failure too. Moves
 * @child_bs to the parent's AioContext, or the parent to its. NULL with @errp. Drains.
 */
BdrvChild *bdrv_root_attach_child(BlockDriverState *child_bs, const BdrvRootParent *parent,
                                  Error **errp);
/* Removes such an edge and its reference. Drains. */
void bdrv_root_unref_child(BdrvChild *child);

/* Checks and sets what follows from the permissions of all parents of @bs. 0, or -errno with @errp.
 */
int bdrv_refresh_perms(BlockDriverState *bs, Error **errp);
/* bdrv_child_perm for drivers: what a child of @role needs when the node's parents have @parents.
 */
BdrvPerms bdrv_default_perms(BdrvChildRole role, BdrvPerms parents);

/* Computes bs->bl anew, children first. */
void bdrv_refresh_limits(BlockDriverState *bs, Error **errp);
/* Drained: tells every parent of @bs that its length changed, and they theirs. */
void bdrv_parent_cb_resize(BlockDriverState *bs);

/* The same length and permission bits as words; see bdrv_perm_names(). */
char *bdrv_child_user_desc(BdrvChild *c);

/* Whether a parent of @bs, @ignore apart, is still busy. */
bool bdrv_drain_poll(BlockDriverState *bs, BdrvChild *ignore);
/* Tells the parent of @c that its child is drained; and that it no longer is. */
void bdrv_parent_drained_begin_single(BdrvChild *c);
void bdrv_parent_drained_end_single(BdrvChild *c);

#endif
