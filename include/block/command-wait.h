/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a monitor's command waits for a node's storage.
 *
 * Theory of operation
 *
 * A command that has to wait is a coroutine of iohandler_get_aio_context(), so it goes on only when
 * no other command is being carried out (monitor/qmp.c). It waits first: for requests in flight to
 * end, for a flush, for an answer at all. When nothing is left to wait for it leaves the coroutine
 * and does what it is for, like any other command, in one go.
 *
 * Nothing waits for ever: when no request has ended for a while the storage is taken for dead, the
 * requests may go on, and the command fails and says which node it was. A second command that wants
 * the same node settled is refused.
 */
#ifndef BLOCK_COMMAND_WAIT_H
#define BLOCK_COMMAND_WAIT_H

#include "block/block_int.h"

/* Nodes without requests in flight. */
typedef struct BdrvSettled BdrvSettled;

/**
 * bdrv_co_settle: Hold back the requests of @bs and of all nodes above and below it, and wait for
 * those in flight. NULL with @errp. A command's coroutine; bdrv_unsettle() lets them go on.
 */
BdrvSettled *coroutine_fn bdrv_co_settle(BlockDriverState *bs, Error **errp);
/* The drains end. May be NULL. Main thread, in a coroutine or not. */
void bdrv_unsettle(BdrvSettled *settled);

/**
 * bdrv_command_settled: Calls @func(@opaque), in a coroutine of a command with @bs settled; else
 * at once. @bs NULL: there is nothing to settle, @func says why. Main thread; false with @errp.
 */
bool coroutine_mixed_fn bdrv_command_settled(BlockDriverState *bs, void (*func)(void *opaque),
                                             void *opaque, Error **errp);

/**
 * bdrv_co_within: Run @entry(@opaque) in a coroutine of the main context and wait @ms milliseconds
 * for its end; false with @errp if that was not enough: then it goes on, and @clean is called at
 * its end. A command's coroutine; *@bs is named.
 */
bool coroutine_fn bdrv_co_within(BlockDriverState *bs, CoroutineEntry *entry, void *opaque, int ms,
                                 CleanupFunc *clean, Error **errp);

/* Calls @func(@opaque) outside of coroutines, in the main thread, and inside of no command. */
void coroutine_fn bdrv_co_leave(void (*func)(void *opaque), void *opaque);

#endif
