/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every unit test stands on: GLib's tests, with a check around each that it leaves nothing
 * behind.
 *
 *     int main(int argc, char **argv)
 *     {
 *         harness_init(&argc, &argv);
 *         harness_add("/iov/short_buffer_is_truncated", test_short_buffer);
 *         return harness_run();
 *     }
 *
 * A test fails when more descriptors are open after it than before; the message says what they are.
 * What lives as long as the process (the main loop, say) is made in main(), before harness_run().
 */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include "qemu/osdep.h"

/* First thing in main(); takes the options of g_test_init(). */
void harness_init(int *argc, char ***argv);

/* Adds test @fn under @path, whose last part is a sentence. @path may be freed afterwards. */
void harness_add(const char *path, void (*fn)(void));

/* The same with an argument, which must live until harness_run() returns. */
void harness_add_data(const char *path, const void *data, void (*fn)(const void *data));

/* Runs what was added (or asked for on the command line); the exit status for main(). */
int harness_run(void);

/*
 * A folder for the running test, made on the first call and removed with what is in it after the
 * test. Owned by the harness. Short enough for the path of a unix socket.
 */
const char *harness_tmpdir(void);

/* "FOLDER/name" in that folder; the caller frees. */
char *harness_tmpfile(const char *name);

/* How many descriptors this process has open. */
int harness_count_fds(void);

#endif
