/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of host_device on a loop device; skipped where the host does not let us make one. */
#include "qemu/osdep.h"
#include <linux/loop.h>
#include <sys/ioctl.h>
#include "tests/unit/block-test.h"

#define MIB (1024 * 1024)

typedef struct Loop {
    char *path;
    char *file;
    int fd;
} Loop;

/* Puts a loop device on a new file of @size bytes; false when that cannot be had. */
static bool loop_open(Loop *l, int64_t size)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    int backing;

    close(control);
    if (nr < 0) {
        g_test_skip("no loop devices here");
        return false;
    }
    l->path = g_strdup_printf("/dev/loop%d", nr);
    l->file = make_file("backing", size);
    l->fd = open(l->path, O_RDWR | O_CLOEXEC);
    backing = open(l->file, O_RDWR | O_CLOEXEC);
    if (l->fd < 0 || ioctl(l->fd, LOOP_SET_FD, backing) < 0) {
        g_test_skip("no loop device can be set up here");
        close(backing);
        close(l->fd);
        g_free(l->path);
        g_free(l->file);
        return false;
    }
    close(backing);
    return true;
}

static void loop_close(Loop *l)
{
    g_assert_cmpint(ioctl(l->fd, LOOP_CLR_FD), ==, 0);
    close(l->fd);
    g_free(l->path);
    g_free(l->file);
}

static BlockBackend *device_backend(const Loop *l, const char *more)
{
    return backend_on(open_node("{'driver': 'host_device', 'node-name': 'h', 'discard': 'unmap',"
                                " 'filename': '%s'%s}",
                                l->path, more));
}

static void test_requests_reach_the_device(const void *data)
{
    g_autofree uint8_t *buf = g_malloc(MIB);
    g_autofree uint8_t *back = g_malloc(MIB);
    BlockBackend *blk;
    Loop l;

    if (!loop_open(&l, 4 * MIB)) {
        return;
    }
    blk = device_backend(&l, data);
    g_assert_cmpint(blk_getlength(blk), ==, 4 * MIB);
    fill_pattern(buf, MIB, 0, 3);
    g_assert_cmpint(blk_pwrite(blk, MIB + 1234, MIB, buf, 0), ==, 0);
    g_assert_cmpint(blk_pread(blk, MIB + 1234, MIB, back, 0), ==, 0);
    g_assert_cmpmem(back, MIB, buf, MIB);
    g_assert_cmpint(blk_pwrite_zeroes(blk, MIB + 4096, 8192, 0), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, MIB + 16384, 8192, BDRV_REQ_MAY_UNMAP), ==, 0);
    memset(buf + 4096 - 1234, 0, 8192);
    memset(buf + 16384 - 1234, 0, 8192);
    g_assert_cmpint(blk_pread(blk, MIB + 1234, MIB, back, 0), ==, 0);
    g_assert_cmpmem(back, MIB, buf, MIB);
    g_assert_cmpint(blk_pdiscard(blk, 0, MIB), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_FUA), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
    loop_close(&l);
}

/* Devices refuse holes that are not made of whole blocks. */
static void test_one_unaligned_hole_spoils_no_later_one(void)
{
    g_autofree uint8_t *buf = g_malloc(MIB);
    BlockBackend *blk;
    struct stat st;
    Loop l;

    if (!loop_open(&l, 4 * MIB)) {
        return;
    }
    blk = device_backend(&l, "");
    fill_pattern(buf, MIB, 0, 3);
    g_assert_cmpint(blk_pwrite(blk, 0, MIB, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 100, 100, BDRV_REQ_MAY_UNMAP), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, MIB, BDRV_REQ_MAY_UNMAP), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(stat(l.file, &st), ==, 0);
    g_assert_cmpint(st.st_blocks, <, MIB / 512 / 2);
    blk_unref(blk);
    loop_close(&l);
}

static void test_length_is_the_devices(void)
{
    BlockDriverState *bs;
    BlockBackend *blk;
    Error *err = NULL;
    Loop l;

    if (!loop_open(&l, 4 * MIB)) {
        return;
    }
    bs = open_node("{'driver': 'host_device', 'node-name': 'h', 'filename': '%s'}", l.path);
    blk = blk_new_with_bs(bs, BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);
    g_assert_cmpint(blk_truncate(blk, 8 * MIB, false, PREALLOC_MODE_OFF, 0, &err), <, 0);
    g_assert_cmpstr(error_get_pretty(err), ==, "Cannot grow device files");
    error_free(err);

    g_assert_cmpint(truncate(l.file, 8 * MIB), ==, 0);
    g_assert_cmpint(ioctl(l.fd, LOOP_SET_CAPACITY), ==, 0);
    g_assert_cmpint(blk_truncate(blk, 8 * MIB, false, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(blk_getlength(blk), ==, 8 * MIB);
    blk_unref(blk);
    bdrv_unref(bs);
    loop_close(&l);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add_data("/host-device/requests_reach_the_device/buffered", "",
                     test_requests_reach_the_device);
    harness_add_data("/host-device/requests_reach_the_device/direct", ", 'cache': {'direct': true}",
                     test_requests_reach_the_device);
    harness_add("/host-device/one_unaligned_hole_spoils_no_later_one",
                test_one_unaligned_hole_spoils_no_later_one);
    harness_add("/host-device/length_is_the_devices", test_length_is_the_devices);
    return harness_run();
}
