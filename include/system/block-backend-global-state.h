/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control side of a BlockBackend: main loop's thread, outside coroutines. */
#ifndef BLOCK_BACKEND_GLOBAL_STATE_H
#define BLOCK_BACKEND_GLOBAL_STATE_H

#include "system/block-backend-common.h"

/*
 * A BlockBackend without a node, with one reference. @ctx is its home AioContext; @perm is what it
 * will do to a node and @shared_perm what others may (BLK_PERM_*), once one is inserted.
 */
BlockBackend *blk_new(AioContext *ctx, uint64_t perm, uint64_t shared_perm);
/* blk_new() in @bs's AioContext with @bs inserted, which gets a reference. NULL with @errp. */
BlockBackend *blk_new_with_bs(BlockDriverState *bs, uint64_t perm, uint64_t shared_perm,
                              Error **errp);
int blk_get_refcnt(BlockBackend *blk);
void blk_ref(BlockBackend *blk);
/* Drops a reference; the last one removes the node and frees @blk. NULL is ignored. */
void blk_unref(BlockBackend *blk);

/* Inserts @bs, taking a new reference. 0, or -errno with @errp: permissions, AioContexts. */
int blk_insert_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp);
/* Takes the node out after a drain. There must be one. */
void blk_remove_bs(BlockBackend *blk);
int blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared_perm, Error **errp);
void blk_get_perm(BlockBackend *blk, uint64_t *perm, uint64_t *shared_perm);

/* Names for the monitor: a named BlockBackend is listed by query-block. false with @errp if taken.
 */
bool monitor_add_blk(BlockBackend *blk, const char *name, Error **errp);
void monitor_remove_blk(BlockBackend *blk);
/* The BlockBackend of that name, or NULL. */
BlockBackend *blk_by_name(const char *name);
/* Every BlockBackend, with or without name: start with NULL, ends with NULL. */
BlockBackend *blk_all_next(BlockBackend *blk);
/* Only those with a name. */
BlockBackend *blk_next(BlockBackend *blk);
BlockBackendPublic *blk_get_public(BlockBackend *blk);

/* @ops must outlive @blk; NULL takes them off. While drained, drained_begin is called at once. */
void blk_set_dev_ops(BlockBackend *blk, const BlockDevOps *ops, void *opaque);
/* Off: every write is durable when it completes. On by default. */
void blk_set_enable_write_cache(BlockBackend *blk, bool wce);
/* Whether @blk follows its node to another AioContext; off by default. */
void blk_set_allow_aio_context_change(BlockBackend *blk, bool allow);
/*
 * true: requests that arrive while drained are not held; the user promises in its dev_ops to send
 * none. Off by default.
 */
void blk_set_disable_request_queuing(BlockBackend *blk, bool disable);

/* Moves @blk and its node. 0, or -errno with @errp. Drains. */
int blk_set_aio_context(BlockBackend *blk, AioContext *new_context, Error **errp);
void blk_add_aio_context_notifier(BlockBackend *blk,
                                  void (*attached_aio_context)(AioContext *new_context,
                                                               void *opaque),
                                  void (*detach_aio_context)(void *opaque), void *opaque);
void blk_remove_aio_context_notifier(BlockBackend *blk,
                                     void (*attached_aio_context)(AioContext *, void *),
                                     void (*detach_aio_context)(void *), void *opaque);

/* Waits until no request of @blk is in flight (blk_drain), of any (blk_drain_all). */
void blk_drain(BlockBackend *blk);
void blk_drain_all(void);
/* Whether a drain of the node holds @blk at the moment. */
bool blk_in_drain(BlockBackend *blk);

/* How requests have fared, for query-block. */
void blk_iostatus_enable(BlockBackend *blk);
void blk_iostatus_disable(BlockBackend *blk);
void blk_iostatus_reset(BlockBackend *blk);
bool blk_iostatus_is_enabled(const BlockBackend *blk);
BlockDeviceIoStatus blk_iostatus(const BlockBackend *blk);

/* Flushes the node of every BlockBackend; 0 or the -errno of the first that failed. Polls. */
int blk_flush_all(void);

#endif
