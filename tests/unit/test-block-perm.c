/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of permissions: who may write beside whom, through any shape of graph. */
#include "qemu/osdep.h"
#include "tests/unit/block-test.h"

static void conflict(BlockDriverState *bs, uint64_t perm, uint64_t shared, const char *message)
{
    Error *err = NULL;

    g_assert_null(blk_new_with_bs(bs, perm, shared, &err));
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_second_writer_is_refused_unless_shared(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *a = blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);
    BlockBackend *b;
    uint64_t perm, shared;

    g_assert_true(monitor_add_blk(a, "sda", &error_abort));
    conflict(
        bs, BLK_PERM_WRITE, BLK_PERM_ALL,
        "Permission conflict on node 'n': permissions 'write' are both required by an unnamed "
        "block device (uses node 'n' as 'root' child) and unshared by block device 'sda' (uses "
        "node 'n' as 'root' child).");
    bdrv_get_cumulative_perm(bs, &perm, &shared);
    g_assert_cmpuint(perm, ==, BLK_PERM_WRITE);
    g_assert_cmpuint(shared, ==, BLK_PERM_CONSISTENT_READ);

    g_assert_cmpint(blk_set_perm(a, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort), ==, 0);
    b = blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    monitor_remove_blk(a);
    blk_unref(b);
    blk_unref(a);
    bdrv_unref(bs);
}

static void test_newcomer_may_not_forbid_what_is_done(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *a =
        blk_new_with_bs(bs, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);

    conflict(bs, 0, BLK_PERM_CONSISTENT_READ,
             "Permission conflict on node 'n': permissions 'write, resize' are both required by an "
             "unnamed block device (uses node 'n' as 'root' child) and unshared by an unnamed "
             "block device (uses node 'n' as 'root' child).");
    blk_unref(a);
    bdrv_unref(bs);
}

static void test_conflict_reaches_through_filters(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockDriverState *r = open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'raw',"
                                    " 'node-name': 'q', 'file': 'n'}}");
    BlockBackend *a =
        blk_new_with_bs(n, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL & ~BLK_PERM_WRITE, &error_abort);
    BlockBackend *b;

    conflict(r, BLK_PERM_WRITE, BLK_PERM_ALL,
             "Permission conflict on node 'n': permissions 'write' are both required by node 'q' "
             "(uses node 'n' as 'file' child) and unshared by an unnamed block device (uses node "
             "'n' as 'root' child).");
    /* Nothing of the refused request stays behind. */
    g_assert_cmpuint(r->file->perm, ==, 0);
    g_assert_cmpuint(r->file->bs->file->perm, ==, 0);
    b = blk_new_with_bs(r, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    g_assert_cmpuint(r->file->bs->file->perm, ==, BLK_PERM_CONSISTENT_READ);
    blk_unref(b);
    g_assert_cmpuint(r->file->bs->file->perm, ==, 0);
    blk_unref(a);
    bdrv_unref(r);
    bdrv_unref(n);
}

static void test_failed_change_keeps_the_old_permissions(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *a =
        blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL & ~BLK_PERM_WRITE, &error_abort);
    BlockBackend *b = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    uint64_t perm, shared;
    char c = 0;

    g_assert_cmpint(blk_set_perm(b, BLK_PERM_WRITE, BLK_PERM_ALL, NULL), <, 0);
    blk_get_perm(b, &perm, &shared);
    g_assert_cmpuint(perm, ==, BLK_PERM_CONSISTENT_READ);
    g_assert_cmpint(blk_pwrite(b, 0, 1, &c, 0), ==, -EPERM);
    blk_unref(a);
    g_assert_cmpint(blk_set_perm(b, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(blk_pwrite(b, 0, 1, &c, 0), ==, 0);
    blk_unref(b);
    bdrv_unref(bs);
}

static void test_two_windows_of_one_node_may_both_be_written(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 65536}");
    BlockBackend *a = backend_on(open_node("{'driver': 'raw', 'node-name': 'a', 'file': 'n',"
                                           " 'offset': 0, 'size': 4096}"));
    BlockBackend *b = backend_on(open_node("{'driver': 'raw', 'node-name': 'b', 'file': 'n',"
                                           " 'offset': 4096}"));
    uint64_t perm, shared;

    bdrv_get_cumulative_perm(n, &perm, &shared);
    g_assert_cmpuint(perm, ==, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE);
    g_assert_cmpuint(shared, ==, BLK_PERM_ALL & ~BLK_PERM_RESIZE);
    blk_unref(b);
    blk_unref(a);
    bdrv_unref(n);
}

static void test_diamond_is_checked_once_all_parents_are_known(void)
{
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockDriverState *top = open_node(
        "{'driver': 'blkdebug', 'node-name': 'top', 'unshare-child-perms': ['write'], 'image':"
        " {'driver': 'raw', 'node-name': 'l', 'file': 'n'}}");
    BlockDriverState *other = open_node("{'driver': 'raw', 'node-name': 'o', 'file': 'n'}");

    /* top forbids writing below itself, whoever writes. */
    conflict(other, BLK_PERM_WRITE, BLK_PERM_ALL,
             "Permission conflict on node 'n': permissions 'write' are both required by node 'o' "
             "(uses node 'n' as 'file' child) and unshared by node 'l' (uses node 'n' as 'file' "
             "child).");
    bdrv_unref(top);
    blk_unref(blk_new_with_bs(other, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort));
    bdrv_unref(other);
    bdrv_unref(n);
}

static void test_node_that_takes_write_below_blocks_read_only_child(void)
{
    open_fails("Block node is read-only",
               "{'driver': 'blkdebug', 'node-name': 't', 'take-child-perms': ['write'], 'image':"
               " {'driver': 'null-co', 'read-only': true}}");
}

static void test_unaligned_length_needs_resize_to_be_written(void)
{
    BlockDriverState *bs =
        open_node("{'driver': 'blkdebug', 'node-name': 'b', 'align': 4096, 'image':"
                  " {'driver': 'null-co', 'size': 5120}}");

    conflict(bs, BLK_PERM_WRITE, BLK_PERM_ALL,
             "Cannot get 'write' permission without 'resize': Image size is not a multiple of "
             "request alignment");
    blk_unref(blk_new_with_bs(bs, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort));
    blk_unref(blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort));
    bdrv_unref(bs);
}

static void test_names_of_permissions(void)
{
    g_autofree char *all = bdrv_perm_names(BLK_PERM_ALL);
    g_autofree char *none = bdrv_perm_names(0);

    g_assert_cmpstr(all, ==, "consistent read, write, write unchanged, resize");
    g_assert_cmpstr(none, ==, "");
}

static void test_metadata_owner_does_not_share_writes(void)
{
    BdrvPerms p = bdrv_default_perms(BDRV_CHILD_IMAGE, (BdrvPerms){ BLK_PERM_WRITE, BLK_PERM_ALL });

    g_assert_cmpuint(p.perm, ==, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE);
    g_assert_cmpuint(p.shared, ==, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED);
    p = bdrv_default_perms(BDRV_CHILD_FILTERED, (BdrvPerms){ BLK_PERM_WRITE, BLK_PERM_RESIZE });
    g_assert_cmpuint(p.perm, ==, BLK_PERM_WRITE);
    g_assert_cmpuint(p.shared, ==, BLK_PERM_RESIZE);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/perm/second_writer_is_refused_unless_shared",
                test_second_writer_is_refused_unless_shared);
    harness_add("/perm/newcomer_may_not_forbid_what_is_done",
                test_newcomer_may_not_forbid_what_is_done);
    harness_add("/perm/conflict_reaches_through_filters", test_conflict_reaches_through_filters);
    harness_add("/perm/failed_change_keeps_the_old_permissions",
                test_failed_change_keeps_the_old_permissions);
    harness_add("/perm/two_windows_of_one_node_may_both_be_written",
                test_two_windows_of_one_node_may_both_be_written);
    harness_add("/perm/diamond_is_checked_once_all_parents_are_known",
                test_diamond_is_checked_once_all_parents_are_known);
    harness_add("/perm/node_that_takes_write_below_blocks_read_only_child",
                test_node_that_takes_write_below_blocks_read_only_child);
    harness_add("/perm/unaligned_length_needs_resize_to_be_written",
                test_unaligned_length_needs_resize_to_be_written);
    harness_add("/perm/names_of_permissions", test_names_of_permissions);
    harness_add("/perm/metadata_owner_does_not_share_writes",
                test_metadata_owner_does_not_share_writes);
    return harness_run();
}
