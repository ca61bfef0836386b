/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of raw: passing through, windows, and windows in nodes that change. */
#include "qemu/osdep.h"
#include "tests/unit/block-test.h"

#define FILE_SIZE (256 * 1024)

/* A file with a pattern, and raw with @more options over it. */
static BlockBackend *raw_on_pattern(const char *path, const char *more)
{
    g_autofree uint8_t *buf = g_malloc(FILE_SIZE);

    fill_pattern(buf, FILE_SIZE, 0, 9);
    g_assert_true(g_file_set_contents(path, (char *)buf, FILE_SIZE, NULL));
    return backend_on(open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'file',"
                                " 'node-name': 'f', 'filename': '%s'}%s}",
                                path, more));
}

static void check_read(BlockBackend *blk, int64_t offset, int64_t bytes, int64_t place)
{
    g_autofree uint8_t *buf = g_malloc(bytes);
    g_autofree uint8_t *expected = g_malloc(bytes);

    fill_pattern(expected, bytes, place, 9);
    g_assert_cmpint(blk_pread(blk, offset, bytes, buf, 0), ==, 0);
    g_assert_cmpmem(buf, bytes, expected, bytes);
}

static void test_whole_node_passes_through(void)
{
    g_autofree char *path = harness_tmpfile("img");
    BlockBackend *blk = raw_on_pattern(path, "");

    g_assert_cmpint(blk_getlength(blk), ==, FILE_SIZE);
    check_read(blk, 0, FILE_SIZE, 0);
    check_read(blk, 777, 1234, 777);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
}

static void test_window_begins_at_offset_and_ends_at_size(void)
{
    g_autofree char *path = harness_tmpfile("img");
    BlockBackend *blk = raw_on_pattern(path, ", 'offset': 5000, 'size': 8192");
    g_autofree uint8_t *before = g_malloc(FILE_SIZE);
    g_autofree char *after = NULL;
    uint8_t buf[8192];

    fill_pattern(before, FILE_SIZE, 0, 9);
    g_assert_cmpint(blk_getlength(blk), ==, 8192);
    check_read(blk, 0, 8192, 5000);
    g_assert_cmpint(blk_pread(blk, 8192, 1, buf, 0), ==, -EIO);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpint(blk_pwrite(blk, 100, 8092, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 50, 0), ==, 0);
    blk_unref(blk);

    memset(before + 5100, 0xee, 8092);
    memset(before + 5000, 0, 50);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_cmpmem(after, FILE_SIZE, before, FILE_SIZE);
}

static void test_window_without_size_reaches_to_the_end(void)
{
    g_autofree char *path = harness_tmpfile("img");
    BlockBackend *blk = raw_on_pattern(path, ", 'offset': 4096");

    g_assert_cmpint(blk_getlength(blk), ==, FILE_SIZE - 4096);
    check_read(blk, FILE_SIZE - 4096 - 512, 512, FILE_SIZE - 512);
    blk_unref(blk);
}

static void test_windows_outside_the_node_are_refused(void)
{
    open_fails("Offset (4097) cannot be greater than size of the containing file (4096)",
               "{'driver': 'raw', 'node-name': 'r', 'offset': 4097,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    open_fails("Specified size is not multiple of 512",
               "{'driver': 'raw', 'node-name': 'r', 'size': 1000,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    open_fails("Parameter 'offset' must not be negative",
               "{'driver': 'raw', 'node-name': 'r', 'offset': -512,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    open_fails("Parameter 'size' must not be negative",
               "{'driver': 'raw', 'node-name': 'r', 'size': -512,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    open_fails("The sum of offset (1024) and size (3584) has to be smaller or equal to the  actual "
               "size of the containing file (4096)",
               "{'driver': 'raw', 'node-name': 'r', 'offset': 1024, 'size': 3584,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    open_fails("The sum of offset (512) and size (9223372036854775296) has to be smaller or equal "
               "to the  actual size of the containing file (4096)",
               "{'driver': 'raw', 'node-name': 'r', 'offset': 512, 'size': 9223372036854775296,"
               " 'file': {'driver': 'null-co', 'size': 4096}}");
    g_assert_null(bdrv_next_node(NULL));
}

static void test_node_under_a_window_cannot_be_resized_by_others(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 16384}");
    BlockBackend *w = backend_on(open_node("{'driver': 'raw', 'node-name': 'a', 'file': 'n',"
                                           " 'offset': 4096}"));
    Error *err = NULL;

    g_assert_null(blk_new_with_bs(n, BLK_PERM_RESIZE, BLK_PERM_ALL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Permission conflict on node 'n': permissions 'resize' are both required by an "
                    "unnamed block device (uses node 'n' as 'root' child) and unshared by node 'a' "
                    "(uses node 'n' as 'file' child).");
    error_free(err);
    blk_unref(w);
    bdrv_unref(n);
}

static void test_window_without_size_can_be_resized_itself(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 16384}");
    BlockDriverState *w =
        open_node("{'driver': 'raw', 'node-name': 'a', 'file': 'n', 'offset': 4096}");
    BlockBackend *blk = blk_new_with_bs(w, BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);

    g_assert_cmpint(blk_truncate(blk, 32768, true, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(blk_getlength(blk), ==, 32768);
    g_assert_cmpint(bdrv_getlength(n), ==, 32768 + 4096);
    blk_unref(blk);
    bdrv_unref(w);
    bdrv_unref(n);
}

static void test_whole_node_follows_the_node_below(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 16384}");
    BlockBackend *r = backend_on(open_node("{'driver': 'raw', 'node-name': 'a', 'file':"
                                           " {'driver': 'raw', 'file': 'n'}}"));
    BlockBackend *resizer = blk_new_with_bs(n, BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);

    g_assert_cmpint(blk_truncate(resizer, 32768, true, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(blk_getlength(r), ==, 32768);
    g_assert_cmpint(blk_truncate(resizer, 0, true, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(blk_getlength(r), ==, 0);
    blk_unref(resizer);
    blk_unref(r);
    bdrv_unref(n);
}

static void test_unaligned_window_of_aligned_node_is_right(void)
{
    BlockDriverState *n =
        open_node("{'driver': 'blkdebug', 'node-name': 'n', 'align': 4096, 'image':"
                  " {'driver': 'null-co', 'size': 65536, 'read-zeroes': true}}");
    BlockBackend *blk =
        backend_on(open_node("{'driver': 'raw', 'node-name': 'r', 'file': 'n', 'offset': 512}"));
    char buf[4096];

    g_assert_cmpuint(blk_get_request_alignment(blk), ==, 1);
    g_assert_cmpint(blk_pread(blk, 0, 4096, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 100, 4096, buf, 0), ==, 0);
    blk_unref(blk);
    bdrv_unref(n);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/raw/whole_node_passes_through", test_whole_node_passes_through);
    harness_add("/raw/window_begins_at_offset_and_ends_at_size",
                test_window_begins_at_offset_and_ends_at_size);
    harness_add("/raw/window_without_size_reaches_to_the_end",
                test_window_without_size_reaches_to_the_end);
    harness_add("/raw/windows_outside_the_node_are_refused",
                test_windows_outside_the_node_are_refused);
    harness_add("/raw/node_under_a_window_cannot_be_resized_by_others",
                test_node_under_a_window_cannot_be_resized_by_others);
    harness_add("/raw/window_without_size_can_be_resized_itself",
                test_window_without_size_can_be_resized_itself);
    harness_add("/raw/whole_node_follows_the_node_below", test_whole_node_follows_the_node_below);
    harness_add("/raw/unaligned_window_of_aligned_node_is_right",
                test_unaligned_window_of_aligned_node_is_right);
    return harness_run();
}
