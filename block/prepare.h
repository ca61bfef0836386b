/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening what may keep us waiting.
 *
 * Theory of operation
 *
 * Opening a file may wait for a disk or a server, for ever if it does not answer; the rest of
 * opening a node changes the graph and must not be interrupted. So a driver that waits does that
 * first, in another thread (BlockDriver.bdrv_prepare), and its bdrv_open takes what came of it.
 *
 * A monitor's command prepares all that its options define, yielding, before it opens them; its
 * opening then finds what it needs. Everybody else just waits where it is needed.
 */
#ifndef BLOCK_PREPARE_H
#define BLOCK_PREPARE_H

#include "block/block_int.h"

/**
 * bdrv_co_add_node: Open a node that the monitor owns; false with @errp. For a command: yields,
 * runs in the context of iohandler_get_aio_context(). A storage that does not answer is an error in
 * time.
 */
bool coroutine_fn bdrv_co_add_node(BlockdevOptions *options, Error **errp);

/* For the opening. What @drv's bdrv_prepare gave for @options; NULL with @errp. Main thread. */
void *bdrv_take_prepared(BlockDriver *drv, const BlockdevOptions *options, int flags, Error **errp);
/* It is not used after all. @prepared may be NULL. Main thread. */
void bdrv_drop_prepared(BlockDriver *drv, void *prepared);

#endif
