/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash of strings that somebody else chooses.
 *
 * GLib's g_str_hash() is the same in each process, and so are the strings that collide in it: who
 * may choose the keys of a table can make each look-up walk through all of them. This one has a
 * random key that is made when the process first hashes something (SipHash-2-4).
 */
#ifndef QEMU_STR_HASH_H
#define QEMU_STR_HASH_H

#include <glib.h>

/* For g_hash_table_new(): @str is a string. Any thread. */
guint str_hash_seeded(gconstpointer str);

/* A table of values by strings; it frees neither. */
GHashTable *str_table_new(void);

/* The hash of @len bytes with a known @key, so that a test can compare. */
uint64_t str_hash_siphash(const uint64_t key[2], const void *data, size_t len);

#endif
