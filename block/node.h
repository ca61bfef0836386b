/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What graph.c, open.c and perm.c share about the birth and death of nodes. */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/block_int.h"

/*
 * A node of driver @drv that has not been opened, with one reference and in the list of nodes.
 * @node_name NULL: a generated name. NULL with @errp when the name is bad or taken.
 */
BlockDriverState *bdrv_new_node(BlockDriver *drv, const char *node_name, Error **errp);
/* The BDRV_O_* that @o comes to, where @inherited holds what it leaves open. */
int bdrv_flags_of_options(const BlockdevOptions *o, int inherited);
/* What an inline child of a node with @flags gets when it says nothing itself. */
int bdrv_flags_for_child(int flags);
/* From now on the driver hears of drains and moves: of the drain that goes on, if there is one. */
void bdrv_driver_complete(BlockDriverState *bs);
/* Removes a node that is closed or was never opened, children included. */
void bdrv_free_node(BlockDriverState *bs);
/* Moves @bs to the main loop's context unless somebody wants it where it is. */
void bdrv_come_home(BlockDriverState *bs);
/* Stores in @c what @bs needs of it when its own parents have @parents. */
void bdrv_child_needs(BlockDriverState *bs, BdrvChild *c, BdrvPerms parents);

#endif
