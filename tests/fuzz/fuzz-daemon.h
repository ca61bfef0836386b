/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage daemon's layers in the fuzzer's process: made once, emptied after each input.
 */
#ifndef TESTS_FUZZ_FUZZ_DAEMON_H
#define TESTS_FUZZ_FUZZ_DAEMON_H

#include "fuzz.h"

/* Types, main loop, block drivers. */
void fuzz_daemon_setup(void);
/* Run the main loop until nothing is ready. */
void fuzz_daemon_settle(void);
/* Remove exports, nodes, monitors, character devices and objects. */
void fuzz_daemon_clear(void);

#endif
