/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of numbers that exports and devices get from the user. */
#ifndef BLOCK_HELPERS_H
#define BLOCK_HELPERS_H

/* Bounds of a logical block size, in bytes. */
#define MIN_BLOCK_SIZE     INT64_C(512)
#define MIN_BLOCK_SIZE_STR "512 B"
#define MAX_BLOCK_SIZE     (2 * INT64_C(1024) * 1024)
#define MAX_BLOCK_SIZE_STR "2 MiB"

/*
 * Whether @value (bytes), given for parameter @name, is a power of two within the bounds; false
 * with
 * @errp. Any thread.
 */
bool check_block_size(const char *name, int64_t value, Error **errp);

#endif
