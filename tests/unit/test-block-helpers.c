/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the check of block sizes. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "tests/unit/harness.h"
#include "util/block-helpers.h"

static void test_powers_of_two_in_range_are_good(void)
{
    for (int64_t size = 512; size <= 2 * 1024 * 1024; size *= 2) {
        g_assert_true(check_block_size("x", size, &error_abort));
    }
}

static void test_everything_else_is_refused_by_name(void)
{
    static const int64_t bad[] = {
        INT64_MIN, -512, 0, 1, 256, 511, 513, 1000, 4095, 3 * 512, 4 * 1024 * 1024, INT64_MAX
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_false(check_block_size("logical-block-size", bad[i], &err));
        g_assert_cmpstr(error_get_pretty(err), ==,
                        "parameter logical-block-size must be a power of 2 between 512 and "
                        "2097152");
        error_free(err);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/block-helpers/powers_of_two_in_range_are_good",
                test_powers_of_two_in_range_are_good);
    harness_add("/block-helpers/everything_else_is_refused_by_name",
                test_everything_else_is_refused_by_name);
    return harness_run();
}
