/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of requests that are done at once or not at all. */
#include "qemu/osdep.h"
#include "block/accounting.h"
#include "tests/unit/block-test.h"
#include "tests/unit/try-read.h"

enum {
    SIZE = 1024 * 1024,
    BYTES = 4096,
};

static int try_write(BlockBackend *blk, int64_t offset, size_t bytes)
{
    char buf[BYTES] = "x";
    struct iovec iov = { buf, bytes };
    BlkTryBatch batch;
    int ret;

    blk_try_begin(&batch, blk);
    ret = blk_try_pwritev(&batch, offset, bytes, &iov, 1, NULL);
    blk_try_end(&batch);
    return ret;
}

#define NULL_NODE "'driver': 'null-co', 'size': 1048576, 'read-zeroes': true"

static BlockBackend *null_backend(const char *more)
{
    return backend_on(open_node("{" NULL_NODE ", 'node-name': 'n'%s}", more));
}

static void test_null_is_done_at_once(void)
{
    BlockBackend *blk = null_backend("");
    char buf[BYTES];

    memset(buf, 'x', sizeof(buf));
    g_assert_cmpint(try_read(blk, SIZE - BYTES, buf, BYTES), ==, 0);
    for (size_t i = 0; i < sizeof(buf); i++) {
        g_assert_cmpint(buf[i], ==, 0);
    }
    g_assert_cmpint(try_write(blk, 0, BYTES), ==, 0);
    blk_unref(blk);
}

static void test_slow_nodes_are_not(void)
{
    static const char *const nodes[] = {
        "{'driver': 'null-aio', 'node-name': 'n'}",
        "{'driver': 'null-co', 'latency-ns': 1000, 'node-name': 'n'}",
        "{'driver': 'blkdebug', 'image': {" NULL_NODE "}, 'node-name': 'n'}",
    };
    char buf[BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        BlockBackend *blk = backend_on(open_json(nodes[i], &error_abort));

        g_assert_cmpint(try_read(blk, 0, buf, BYTES), ==, -EAGAIN);
        g_assert_cmpint(try_write(blk, 0, BYTES), ==, -EAGAIN);
        blk_unref(blk);
    }
}

static void test_ranges_outside_are_left_to_others(void)
{
    static const int64_t offsets[] = { -1, -BYTES, SIZE - BYTES + 1, SIZE, INT64_MAX };
    BlockBackend *blk = null_backend("");
    char buf[BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        g_assert_cmpint(try_read(blk, offsets[i], buf, BYTES), ==, -EAGAIN);
        g_assert_cmpint(try_write(blk, offsets[i], BYTES), ==, -EAGAIN);
    }
    g_assert_cmpint(try_read(blk, 0, buf, 0), ==, -EAGAIN);
    blk_unref(blk);
}

static void test_no_node_no_request(void)
{
    BlockBackend *blk = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
    char buf[BYTES];

    g_assert_cmpint(try_read(blk, 0, buf, BYTES), ==, -EAGAIN);
    blk_unref(blk);
}

static void test_writes_that_need_thought_are_left_to_others(void)
{
    BlockBackend *blk = null_backend(", 'detect-zeroes': 'on'");

    g_assert_cmpint(try_write(blk, 0, BYTES), ==, -EAGAIN);
    blk_unref(blk);

    blk = null_backend("");
    blk_set_enable_write_cache(blk, false);
    g_assert_cmpint(try_write(blk, 0, BYTES), ==, -EAGAIN);
    blk_set_enable_write_cache(blk, true);
    g_assert_cmpint(try_write(blk, 0, BYTES), ==, 0);
    blk_unref(blk);
}

static void test_writes_need_permission(void)
{
    BlockDriverState *bs = open_node("{" NULL_NODE ", 'node-name': 'n', 'read-only': true}");
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    char buf[BYTES];

    bdrv_unref(bs);
    g_assert_cmpint(try_write(blk, 0, BYTES), ==, -EAGAIN);
    g_assert_cmpint(try_read(blk, 0, buf, BYTES), ==, 0);
    blk_unref(blk);
}

/* The child has no more than the window plus what lies before it. */
static void test_a_window_passes_on(void)
{
    BlockBackend *blk = backend_on(open_node("{'driver': 'raw', 'node-name': 'r', 'offset': 8192, "
                                             "'size': 16384, 'file': {" NULL_NODE "}}"));
    char buf[BYTES];

    g_assert_cmpint(try_read(blk, 16384 - BYTES, buf, BYTES), ==, 0);
    g_assert_cmpint(try_write(blk, 16384 - BYTES, BYTES), ==, 0);
    g_assert_cmpint(try_read(blk, 16384 - 512, buf, BYTES), ==, -EAGAIN);
    blk_unref(blk);
}

static void test_what_is_done_is_counted(void)
{
    BlockBackend *blk = null_backend("");
    BlockAcctTotals totals = { 0 };
    char buf[BYTES];

    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(try_read(blk, 0, buf, BYTES), ==, 0);
    }
    g_assert_cmpint(try_write(blk, 0, 512), ==, 0);
    g_assert_cmpint(try_read(blk, SIZE, buf, BYTES), ==, -EAGAIN);
    block_acct_sum(blk_get_stats(blk), &totals);
    g_assert_cmpuint(totals.nr_ops[BLOCK_ACCT_READ], ==, 3);
    g_assert_cmpuint(totals.nr_bytes[BLOCK_ACCT_READ], ==, 3 * BYTES);
    g_assert_cmpuint(totals.nr_ops[BLOCK_ACCT_WRITE], ==, 1);
    g_assert_cmpuint(totals.nr_bytes[BLOCK_ACCT_WRITE], ==, 512);
    g_assert_cmpuint(totals.invalid_ops[BLOCK_ACCT_READ], ==, 0);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/try-io/null_is_done_at_once", test_null_is_done_at_once);
    harness_add("/try-io/slow_nodes_are_not", test_slow_nodes_are_not);
    harness_add("/try-io/ranges_outside_are_left_to_others",
                test_ranges_outside_are_left_to_others);
    harness_add("/try-io/no_node_no_request", test_no_node_no_request);
    harness_add("/try-io/writes_that_need_thought_are_left_to_others",
                test_writes_that_need_thought_are_left_to_others);
    harness_add("/try-io/writes_need_permission", test_writes_need_permission);
    harness_add("/try-io/a_window_passes_on", test_a_window_passes_on);
    harness_add("/try-io/what_is_done_is_counted", test_what_is_done_is_counted);
    return harness_run();
}
