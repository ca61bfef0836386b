/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of new lengths: block_resize, what the file has, who is told. */
#include "qemu/osdep.h"
#include "qapi/qapi-commands-block-core.h"
#include "tests/unit/block-test.h"

typedef struct Told {
    BlockBackend *blk;
    int times;
    int64_t length;
    int drained;
} Told;

static void told_resize(void *opaque)
{
    Told *t = opaque;

    t->times++;
    t->length = blk_getlength(t->blk);
    t->drained += blk_in_drain(t->blk);
}

static const BlockDevOps told_ops = { .resize_cb = told_resize };

static BlockBackend *user_of(BlockDriverState *bs, Told *told)
{
    BlockBackend *blk =
        blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);

    *told = (Told){ .blk = blk };
    blk_set_dev_ops(blk, &told_ops, told);
    return blk;
}

static void resize_fails(const char *device, const char *node, int64_t size, const char *message)
{
    Error *err = NULL;

    qmp_block_resize(device, node, size, &err);
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_users_of_a_file_learn_its_new_length(void)
{
    g_autofree char *path = make_file("img", 65536);
    BlockDriverState *bs =
        open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'file',"
                  " 'node-name': 'f', 'filename': '%s'}}",
                  path);
    Told told;
    BlockBackend *blk = user_of(bs, &told);
    struct stat st;
    char buf[512];

    qmp_block_resize(NULL, "r", 131072, &error_abort);
    g_assert_cmpint(told.times, ==, 1);
    g_assert_cmpint(told.length, ==, 131072);
    g_assert_cmpint(told.drained, ==, 1);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 131072);
    g_assert_cmpint(blk_pread(blk, 131072 - 512, 512, buf, 0), ==, 0);

    qmp_block_resize(NULL, "f", 4096, &error_abort);
    g_assert_cmpint(told.times, ==, 2);
    g_assert_cmpint(told.length, ==, 4096);
    g_assert_cmpint(blk_pread(blk, 4096, 512, buf, 0), ==, -EIO);

    qmp_block_resize(NULL, "r", 4096, &error_abort);
    g_assert_cmpint(told.times, ==, 2);
    blk_unref(blk);
    bdrv_unref(bs);
}

static void test_node_without_users_can_be_resized(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 4096}");

    qmp_block_resize(NULL, "n", 8192, &error_abort);
    g_assert_cmpint(bdrv_getlength(bs), ==, 8192);
    qmp_block_resize(NULL, "n", 0, &error_abort);
    g_assert_cmpint(bdrv_getlength(bs), ==, 0);
    bdrv_unref(bs);
}

static void test_device_names_work_too(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 4096}");
    BlockBackend *blk = backend_on(bs);

    g_assert_true(monitor_add_blk(blk, "disk", &error_abort));
    qmp_block_resize("disk", NULL, 8192, &error_abort);
    g_assert_cmpint(blk_getlength(blk), ==, 8192);
    monitor_remove_blk(blk);
    blk_unref(blk);
}

static void test_wrong_resizes_are_refused(void)
{
    BlockDriverState *bs = open_node("{'driver': 'raw', 'node-name': 'w', 'size': 4096, 'file':"
                                     " {'driver': 'null-co', 'size': 8192}}");
    BlockDriverState *ro = open_node("{'driver': 'null-co', 'node-name': 'ro', 'read-only': true}");
    BlockBackend *blk = blk_new_with_bs(ro, BLK_PERM_CONSISTENT_READ,
                                        BLK_PERM_ALL & ~BLK_PERM_RESIZE, &error_abort);

    resize_fails(NULL, "nosuch", 512, "Cannot find device='' nor node-name='nosuch'");
    resize_fails("x", NULL, 512, "Cannot find device='x' nor node-name=''");
    resize_fails(NULL, "w", -1, "Parameter 'size' expects a >0 size");
    resize_fails(NULL, "w", 8192, "Cannot resize fixed-size raw disks");
    resize_fails(NULL, "w", INT64_MAX,
                 "range of 0 bytes at 9223372036854775807 ends beyond the largest length");
    resize_fails(NULL, "ro", 512,
                 "Permission conflict on node 'ro': permissions 'resize' are both required by an "
                 "unnamed block device (uses node 'ro' as 'root' child) and unshared by an unnamed "
                 "block device (uses node 'ro' as 'root' child).");
    blk_unref(blk);
    resize_fails(NULL, "ro", 512, "Image is read-only");
    bdrv_unref(ro);
    bdrv_unref(bs);
}

static void test_preallocation_takes_the_space(void)
{
    g_autofree char *path = make_file("img", 4096);
    BlockDriverState *bs =
        open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'}", path);
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);
    static const PreallocMode modes[] = { PREALLOC_MODE_FALLOC, PREALLOC_MODE_FULL };
    Error *err = NULL;
    struct stat st;

    for (int i = 0; i < 2; i++) {
        int64_t size = (i + 1) * 1024 * 1024;

        g_assert_cmpint(blk_truncate(blk, size, true, modes[i], 0, &error_abort), ==, 0);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, size);
        g_assert_cmpint(st.st_blocks * 512, >=, size - 4096);
    }
    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_MODE_METADATA, 0, &err), ==, -ENOTSUP);
    g_assert_cmpstr(error_get_pretty(err), ==, "Unsupported preallocation mode 'metadata'");
    error_free(err);
    blk_unref(blk);
    bdrv_unref(bs);
}

static void test_resize_without_the_permission_is_refused(void)
{
    BlockBackend *blk = backend_on(open_node("{'driver': 'null-co', 'node-name': 'n'}"));
    Error *err = NULL;

    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_MODE_OFF, 0, &err), <, 0);
    error_free_or_abort(&err);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/resize/users_of_a_file_learn_its_new_length",
                test_users_of_a_file_learn_its_new_length);
    harness_add("/resize/node_without_users_can_be_resized",
                test_node_without_users_can_be_resized);
    harness_add("/resize/device_names_work_too", test_device_names_work_too);
    harness_add("/resize/wrong_resizes_are_refused", test_wrong_resizes_are_refused);
    harness_add("/resize/preallocation_takes_the_space", test_preallocation_takes_the_space);
    harness_add("/resize/resize_without_the_permission_is_refused",
                test_resize_without_the_permission_is_refused);
    return harness_run();
}
