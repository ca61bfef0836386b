/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events about an export: its client, and errors of its storage.
 *
 * Theory of operation: who comes and goes is decided by clients, and what fails by guests, and
 * neither shall flood a monitor. Of clients the state is told: at once, then after a while if it
 * has become another. Of errors the first of a minute is told, with the number of those before it.
 * An error is noted in the thread that meets it and told in the main loop, where the export is held
 * meanwhile.
 */
#ifndef BLOCK_EXPORT_EVENTS_H
#define BLOCK_EXPORT_EVENTS_H

#include "block/export.h"
#include "qapi/qapi-types-block-export-stats.h"

typedef struct BlockExportEvents BlockExportEvents;

/** blk_exp_events_new: for @exp, which it does not hold. Main loop. */
BlockExportEvents *blk_exp_events_new(BlockExport *exp);

/** blk_exp_events_free: tell that a client of whom was told has gone, and free. Main loop. */
void blk_exp_events_free(BlockExportEvents *events);

/** blk_exp_client_is: who is connected now. @pid: 0 if it cannot be told. Main loop. */
void blk_exp_client_is(BlockExport *exp, bool connected, pid_t pid);

/* What storage has failed. */
typedef struct BlockExportIoError {
    BlockExportOperation operation;
    int64_t sector; /* -1: of no sector */
    int error;      /* an errno, above 0 */
} BlockExportIoError;

/** blk_exp_io_error: note an error. Any thread, while a request holds the export. */
void blk_exp_io_error(BlockExport *exp, const BlockExportIoError *error);

#endif
