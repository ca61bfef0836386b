/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node graph's control side. Every function here: main loop's thread, outside coroutines.
 *
 * Functions that drain (they say so) run the main loop's AioContext while they wait for requests.
 */
#ifndef BLOCK_GLOBAL_STATE_H
#define BLOCK_GLOBAL_STATE_H

#include "block/block-common.h"

/* Registers the block drivers of the program. Call once, before the first node. */
void bdrv_init(void);
/* Flushes and deletes every node that the monitor owns. No BlockBackend may use one any more. */
void bdrv_close_all(void);

/* Drivers */

/* Adds @drv to the table of drivers; it must live as long as the program. */
void bdrv_register(BlockDriver *drv);
/* The driver of that name (`file`, `raw` ...), or NULL. */
BlockDriver *bdrv_find_format(const char *format_name);

/* Nodes */

/*
 * Opens the node that @options describes, with its inline children, and returns it with one
 * reference for the caller. @options stays the caller's. NULL with @errp: nothing is left behind.
 * A node without node-name gets a generated one ("#block..."). Blocks on opening files.
 */
BlockDriverState *bdrv_open_node(BlockdevOptions *options, Error **errp);
/* As bdrv_open_node() with flags of a parent (BDRV_O_*) where @options leaves them open. */
BlockDriverState *bdrv_open_inherit(BlockdevOptions *options, int parent_flags, Error **errp);
/*
 * For a driver's bdrv_open: opens or finds the node of @ref and attaches it to @parent as @name.
 * The returned edge belongs to @parent. NULL with @errp.
 */
BdrvChild *bdrv_open_child(BlockDriverState *parent, BlockdevRef *ref, const char *name,
                           BdrvChildRole role, Error **errp);
/* bdrv_open_child() as the primary child, in @parent->file. 0, or -EINVAL with @errp. */
int bdrv_open_file_child(BlockDriverState *parent, BlockdevRef *ref, const char *name,
                         BdrvChildRole role, Error **errp);

/* References count owners: the monitor, parents, and who else calls bdrv_ref(). */
void bdrv_ref(BlockDriverState *bs);
/* Drops a reference; the last one drains, flushes and closes the node. NULL is ignored. */
void bdrv_unref(BlockDriverState *bs);

/* The node named @node_name, or NULL. */
BlockDriverState *bdrv_find_node(const char *node_name);
/*
 * The node below the BlockBackend named @device, or the node named @node_name; either may be NULL.
 * NULL with @errp: Cannot find device='' nor node-name=''.
 */
BlockDriverState *bdrv_lookup_bs(const char *device, const char *node_name, Error **errp);
/* Every node in order of creation: start with NULL, ends with NULL. */
BlockDriverState *bdrv_next_all_states(BlockDriverState *bs);
BlockDriverState *bdrv_next_node(BlockDriverState *bs);
/* Whether a BlockBackend is attached to @bs. */
bool bdrv_has_blk(BlockDriverState *bs);

/* Edges */

/* Takes @child off @parent, drops the reference. Drains the child. NULL is ignored. */
void bdrv_unref_child(BlockDriverState *parent, BdrvChild *child);
/*
 * Makes @child_bs a child of @parent_bs. Takes over one reference of @child_bs, on failure too.
 * NULL with @errp: a permission conflict, or AioContexts that cannot be made one. Drains both.
 */
BdrvChild *bdrv_attach_child(BlockDriverState *parent_bs, BlockDriverState *child_bs,
                             const char *child_name, BdrvChildRole child_role, Error **errp);

/* Permissions */

/* Changes what the owner of @c does (@perm) and allows (@shared). 0, or -errno with @errp. */
int bdrv_child_try_set_perm(BdrvChild *c, uint64_t perm, uint64_t shared, Error **errp);
/* What all parents of @bs together do and all of them allow. */
void bdrv_get_cumulative_perm(BlockDriverState *bs, uint64_t *perm, uint64_t *shared_perm);

/* Drain */

/*
 * Stops new requests to @bs from above, waits until none is in flight; nests. The end function lets
 * them go on. Between the two the caller may change @bs and its edges.
 */
void bdrv_drained_begin(BlockDriverState *bs);
void bdrv_drained_end(BlockDriverState *bs);
/* As bdrv_drained_begin() without waiting. */
void bdrv_do_drained_begin_quiesce(BlockDriverState *bs, BdrvChild *parent);
/* The same for every node. */
void bdrv_drain_all_begin(void);
void bdrv_drain_all_end(void);
void bdrv_drain_all(void);
/* Waits once until no request is in flight. */
void bdrv_drain(BlockDriverState *bs);

/* Flushes every node, all at the same time. 0, or the -errno of one that failed. Polls. */
int bdrv_flush_all(void);

/* AioContext */

/*
 * Moves @bs and everything connected to it to @ctx, under a drain. A parent that cannot move
 * refuses (Cannot change iothread of active block backend), except @ignore_child, whose owner moves
 * itself. 0, or -EPERM with @errp and nothing moved.
 */
int bdrv_try_change_aio_context(BlockDriverState *bs, AioContext *ctx, BdrvChild *ignore_child,
                                Error **errp);
/*
 * Nodes that x-blockdev-set-iothread has put where they are stay there without a user; a move ends
 * that. bdrv_placed_nodes() lists those that would move with @bs, counted (the caller frees the
 * list), and bdrv_place_again() has those of @nodes that were moved and brought back stay again.
 */
GPtrArray *bdrv_placed_nodes(BlockDriverState *bs);
/* @bs and all nodes above and below it, counted (the caller frees the array). */
GPtrArray *bdrv_connected_nodes(BlockDriverState *bs);
void bdrv_place_again(const GPtrArray *nodes);
/*
 * Calls @detach_aio_context before and @attached_aio_context after @bs moves, in the main loop's
 * thread, drained. Removal takes the same three pointers.
 */
void bdrv_add_aio_context_notifier(BlockDriverState *bs,
                                   void (*attached_aio_context)(AioContext *new_context,
                                                                void *opaque),
                                   void (*detach_aio_context)(void *opaque), void *opaque);
void bdrv_remove_aio_context_notifier(BlockDriverState *bs,
                                      void (*attached_aio_context)(AioContext *, void *),
                                      void (*detach_aio_context)(void *), void *opaque);

/* Asynchronous requests: asks for cancellation and polls until @acb has completed. */
void bdrv_aio_cancel(BlockAIOCB *acb);

#endif
