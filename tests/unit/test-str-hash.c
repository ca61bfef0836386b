/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash of strings that somebody else chooses. */
#include "qemu/osdep.h"
#include "qemu/str-hash.h"
#include "harness.h"

/* From the paper on SipHash, appendix A. */
static void test_known_value(void)
{
    static const uint64_t key[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
    uint8_t data[15];

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = i;
    }
    g_assert_cmphex(str_hash_siphash(key, data, sizeof(data)), ==, 0xa129ca6149be45e5ull);
}

static void test_known_collisions_do_not_collide(void)
{
    g_autoptr(GHashTable) hashes = g_hash_table_new(NULL, NULL);
    const unsigned count = 4096;

    for (unsigned i = 0; i < count; i++) {
        char key[25] = "";

        for (unsigned bit = 0; bit < 12; bit++) {
            memcpy(key + 2 * bit, i & 1u << bit ? "Ez" : "FY", 2);
        }
        g_assert_cmpuint(g_str_hash(key), ==, g_str_hash("EzEzEzEzEzEzEzEzEzEzEzEz"));
        g_hash_table_add(hashes, GUINT_TO_POINTER(str_hash_seeded(key)));
    }
    /* Two in 1000 sets of so many have one pair by chance; ten pairs no set has. */
    g_assert_cmpuint(g_hash_table_size(hashes), >, count - 10);
}

static void test_equal_strings_have_one_hash(void)
{
    g_autofree char *copy = g_strdup("node0");

    g_assert_cmpuint(str_hash_seeded(copy), ==, str_hash_seeded("node0"));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/str-hash/value_is_that_of_the_paper", test_known_value);
    harness_add("/str-hash/what_collides_in_glib_does_not_here",
                test_known_collisions_do_not_collide);
    harness_add("/str-hash/equal_strings_have_one_hash", test_equal_strings_have_one_hash);
    return harness_run();
}
