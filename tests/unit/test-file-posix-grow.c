/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of files that somebody adds to while the driver makes them longer. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "block/backend.h"
#include "block/file-posix.h"
#include "tests/unit/block-test.h"

enum {
    SIZE = 64 * 1024,
    FAR = 4 * SIZE,
};

/* What fstat() of this descriptor is followed by: a write at FAR. -1: nothing. Atomic. */
static int added_to = -1;

/* The driver's calls come here first. */
int fstat(int fd, struct stat *st)
{
    int ret = fstatat(fd, "", st, AT_EMPTY_PATH);

    if (fd >= 0 && qatomic_read(&added_to) == fd) {
        qatomic_set(&added_to, -1);
        g_assert_cmpint(pwrite(fd, "added", 5, FAR), ==, 5);
    }
    return ret;
}

static BlockBackend *open_growing(const char *path, BDRVRawState **ret_state)
{
    BlockBackend *blk =
        backend_on(open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'}", path));
    uint64_t perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE;

    g_assert_cmpint(blk_set_perm(blk, perm, BLK_PERM_ALL, &error_abort), ==, 0);
    *ret_state = blk_bs(blk)->opaque;
    return blk;
}

static void assert_added_to(const char *path)
{
    g_autofree char *data = NULL;
    size_t length;

    g_assert_cmpint(qatomic_read(&added_to), ==, -1);
    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    g_assert_cmpuint(length, ==, FAR + 5);
    g_assert_cmpmem(data + FAR, 5, "added", 5);
    for (size_t i = 0; i < FAR; i++) {
        g_assert_cmpint(data[i], ==, 0);
    }
}

static void zeroes_beyond_the_end_cut_nothing_off(const void *unmap)
{
    g_autofree char *path = make_file("img", SIZE);
    BDRVRawState *s;
    BlockBackend *blk = open_growing(path, &s);

    /* As on a file system that knows neither. */
    s->no_zero_range = true;
    s->no_punch_hole = true;
    qatomic_set(&added_to, s->fd);
    g_assert_cmpint(bdrv_pwrite_zeroes(blk->root, SIZE, SIZE, unmap ? BDRV_REQ_MAY_UNMAP : 0), ==,
                    0);
    assert_added_to(path);
    blk_unref(blk);
}

static void growing_cuts_nothing_off(void)
{
    g_autofree char *path = make_file("img", SIZE);
    BDRVRawState *s;
    BlockBackend *blk = open_growing(path, &s);

    qatomic_set(&added_to, s->fd);
    g_assert_cmpint(blk_truncate(blk, 2 * SIZE, false, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
    assert_added_to(path);
    blk_unref(blk);
}

static void zeroes_beyond_the_end_make_the_file_longer(void)
{
    g_autofree char *path = make_file("img", SIZE);
    BDRVRawState *s;
    BlockBackend *blk = open_growing(path, &s);
    g_autofree char *data = NULL;
    size_t length;

    s->no_zero_range = true;
    s->no_punch_hole = true;
    g_assert_cmpint(bdrv_pwrite_zeroes(blk->root, 2 * SIZE, SIZE + 512, 0), ==, 0);
    g_assert_true(g_file_get_contents(path, &data, &length, NULL));
    g_assert_cmpuint(length, ==, 3 * SIZE + 512);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add_data("/file-posix-grow/zeroes_beyond_the_end_cut_nothing_off/allocated", NULL,
                     zeroes_beyond_the_end_cut_nothing_off);
    harness_add_data("/file-posix-grow/zeroes_beyond_the_end_cut_nothing_off/unmapped", "",
                     zeroes_beyond_the_end_cut_nothing_off);
    harness_add("/file-posix-grow/growing_cuts_nothing_off", growing_cuts_nothing_off);
    harness_add("/file-posix-grow/zeroes_beyond_the_end_make_the_file_longer",
                zeroes_beyond_the_end_make_the_file_longer);
    return harness_run();
}
