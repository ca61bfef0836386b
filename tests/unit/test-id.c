/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of things. */
#include "qemu/osdep.h"
#include "qemu/id.h"
#include "harness.h"

static void test_well_formed(void)
{
    static const char *const good[] = { "a", "Z", "disk0", "a-b.c_d", "x9" };
    static const char *const bad[] = { "",    "0disk", "-a", "_a",      ".a",
                                       "a b", "a/b",   "a#", "#block1", "ä" };

    for (int i = 0; i < ARRAY_SIZE(good); i++) {
        g_assert_true(id_wellformed(good[i]));
    }
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_false(id_wellformed(bad[i]));
    }
}

static void test_generated_names_differ(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (int i = 0; i < 1000; i++) {
        char *name = id_generate(ID_BLOCK);

        g_assert_true(g_str_has_prefix(name, "#block"));
        g_assert_false(id_wellformed(name));
        g_assert_true(g_hash_table_add(seen, name));
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/id/well_formed_names", test_well_formed);
    harness_add("/id/generated_names_differ_from_each_other_and_from_users",
                test_generated_names_differ);
    return harness_run();
}
