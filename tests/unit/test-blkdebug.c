/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of blkdebug's rules. */
#include "qemu/osdep.h"
#include "tests/unit/block-test.h"

static char buf[8192];

/* blkdebug over 1 MiB of zeroes, with these options. */
static BlockBackend *debug_backend(const char *options)
{
    return backend_on(open_node("{'driver': 'blkdebug', 'node-name': 'b', 'discard': 'unmap', %s,"
                                " 'image': {'driver': 'null-co', 'size': 1048576}}",
                                options));
}

static void test_rule_without_limits_fails_everything(void)
{
    BlockBackend *blk = debug_backend("'inject-error': [{'event': 'none'}]");

    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, 0, 512), ==, -EIO);
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    blk_unref(blk);
}

static void test_iotype_errno_and_sector_choose(void)
{
    BlockBackend *blk = debug_backend("'inject-error': [{'event': 'none', 'iotype': 'write',"
                                      " 'errno': 28, 'sector': 3}]");

    g_assert_cmpint(blk_pread(blk, 3 * 512, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 3 * 512, 512, buf, 0), ==, -ENOSPC);
    g_assert_cmpint(blk_pwrite(blk, 0, 3 * 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 3 * 512 + 1, buf, 0), ==, -ENOSPC);
    g_assert_cmpint(blk_pwrite(blk, 4 * 512, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 3 * 512, 512, 0), ==, 0);
    blk_unref(blk);
}

static void test_once_is_once(void)
{
    BlockBackend *blk = debug_backend("'inject-error': [{'event': 'none', 'once': true,"
                                      " 'immediately': true, 'iotype': 'flush'}]");

    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
}

static void test_states_lead_to_the_rule(void)
{
    BlockBackend *blk =
        debug_backend("'set-state': [{'event': 'write_aio', 'state': 1, 'new_state': 2},"
                      " {'event': 'write_aio', 'state': 2, 'new_state': 3}],"
                      " 'inject-error': [{'event': 'read_aio', 'state': 3, 'errno': 5}]");

    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    blk_unref(blk);
}

static void test_delay_lets_requests_wait_and_succeed(void)
{
    BlockBackend *blk = debug_backend("'inject-error': [{'event': 'none', 'errno': 0,"
                                      " 'iotype': 'read', 'delay-ns': 5000000}]");
    int64_t start = g_get_monotonic_time();

    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 4900);
    blk_unref(blk);
}

static void test_read_of_a_partial_block_can_fail(void)
{
    BlockBackend *blk =
        debug_backend("'align': 4096, 'inject-error': [{'event': 'pwritev_rmw_tail',"
                      " 'iotype': 'read', 'once': true}]");

    g_assert_cmpint(blk_pwrite(blk, 4096, 4096, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 4095, 1, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 4096, 4097, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 4096, 4097, buf, 0), ==, 0);
    blk_unref(blk);
}

static void test_limits_are_the_nodes(void)
{
    BlockBackend *blk = debug_backend("'align': 4096, 'max-transfer': 65536");

    g_assert_cmpuint(blk_get_request_alignment(blk), ==, 4096);
    g_assert_cmpuint(blk_get_max_transfer(blk), ==, 65536);
    blk_unref(blk);
}

static void test_bad_rules_are_refused(void)
{
    open_fails("Cannot meet constraints with align 1000",
               "{'driver': 'blkdebug', 'node-name': 'b', 'align': 1000, 'image': 'x'}");
    open_fails("Cannot meet constraints with value 1000",
               "{'driver': 'blkdebug', 'node-name': 'b', 'max-transfer': 1000, 'image': 'x'}");
    open_fails("Parameter 'errno' expects an error number",
               "{'driver': 'blkdebug', 'node-name': 'b', 'image': 'x',"
               " 'inject-error': [{'event': 'none', 'errno': -5}]}");
    open_fails("Parameter 'sector' is too large",
               "{'driver': 'blkdebug', 'node-name': 'b', 'image': 'x',"
               " 'inject-error': [{'event': 'none', 'sector': 9223372036854775807}]}");
    open_fails("Parameter 'delay-ns' is too large",
               "{'driver': 'blkdebug', 'node-name': 'b', 'image': 'x',"
               " 'inject-error': [{'event': 'none', 'delay-ns': 9223372036854775808}]}");
    open_fails("Parameter 'new_state' must be above 0",
               "{'driver': 'blkdebug', 'node-name': 'b', 'image': 'x',"
               " 'set-state': [{'event': 'none', 'new_state': 0}]}");
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/blkdebug/rule_without_limits_fails_everything",
                test_rule_without_limits_fails_everything);
    harness_add("/blkdebug/iotype_errno_and_sector_choose", test_iotype_errno_and_sector_choose);
    harness_add("/blkdebug/once_is_once", test_once_is_once);
    harness_add("/blkdebug/states_lead_to_the_rule", test_states_lead_to_the_rule);
    harness_add("/blkdebug/delay_lets_requests_wait_and_succeed",
                test_delay_lets_requests_wait_and_succeed);
    harness_add("/blkdebug/read_of_a_partial_block_can_fail",
                test_read_of_a_partial_block_can_fail);
    harness_add("/blkdebug/limits_are_the_nodes", test_limits_are_the_nodes);
    harness_add("/blkdebug/bad_rules_are_refused", test_bad_rules_are_refused);
    return harness_run();
}
