/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the file driver on real files: data, zeroes, holes, lengths, errors. */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <linux/fs.h>
#include "qemu/atomic.h"
#include "block/file-posix.h"
#include "tests/unit/block-test.h"

#define MIB (1024 * 1024)

/* More options of the file node, after the file name. */
static const char *const modes[] = {
    "",
    ", 'aio': 'threads'",
    ", 'aio': 'io_uring'",
    ", 'cache': {'direct': true}",
    ", 'aio': 'threads', 'cache': {'direct': true}",
    ", 'aio': 'native', 'cache': {'direct': true}",
};

static BlockDriverState *open_file(const char *path, const char *more)
{
    return open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'%s}", path,
                     ring_or_default(more));
}

static void pread_all(const char *path, void *buf, size_t bytes, off_t offset)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, buf, bytes, offset), ==, bytes);
    close(fd);
}

static int64_t file_size(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_size;
}

static int64_t file_blocks(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_blocks;
}

static bool can_direct(const char *path)
{
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

static void random_writes(BlockBackend *blk, uint8_t *model, int64_t size)
{
    g_autofree uint8_t *buf = g_malloc(70000);

    for (int i = 0; i < 200; i++) {
        int64_t offset = g_test_rand_int_range(0, size);
        int64_t bytes = g_test_rand_int_range(0, MIN(size - offset, (int64_t)69000) + 1);

        if (i % 2) {
            offset &= ~(int64_t)511;
            bytes &= ~(int64_t)511;
        }
        fill_pattern(buf + i % 3, bytes, offset, i);
        g_assert_cmpint(blk_pwrite(blk, offset, bytes, buf + i % 3, i % 5 ? 0 : BDRV_REQ_FUA), ==,
                        0);
        memcpy(model + offset, buf + i % 3, bytes);
        g_assert_cmpint(blk_pread(blk, offset, bytes, buf + i % 7, 0), ==, 0);
        g_assert_cmpmem(buf + i % 7, bytes, model + offset, bytes);
    }
}

static void test_what_is_written_is_in_the_file(const void *data)
{
    g_autofree char *path = make_file("img", 2 * MIB);
    g_autofree uint8_t *model = g_malloc0(2 * MIB);
    g_autofree uint8_t *content = g_malloc(2 * MIB);
    const char *mode = data;
    BlockBackend *blk;

    if (strstr(mode, "direct") && !can_direct(path)) {
        g_test_skip("no O_DIRECT on this file system");
        return;
    }
    blk = backend_on(open_file(path, mode));
    random_writes(blk, model, 2 * MIB);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    pread_all(path, content, 2 * MIB, 0);
    g_assert_cmpmem(content, 2 * MIB, model, 2 * MIB);
    blk_unref(blk);
}

typedef struct VecOp {
    BlockBackend *blk;
    QEMUIOVector *qiov;
    bool write;
    int ret;
    bool done;
} VecOp;

static void coroutine_fn vec_entry(void *opaque)
{
    VecOp *op = opaque;

    op->ret = op->write ? blk_co_pwritev(op->blk, 0, op->qiov->size, op->qiov, 0)
                        : blk_co_preadv(op->blk, 0, op->qiov->size, op->qiov, 0);
    op->done = true;
}

static void test_vector_of_many_elements(void)
{
    enum {
        ELEMENTS = 3000
    };
    g_autofree char *path = make_file("img", ELEMENTS * 512);
    g_autofree uint8_t *buf = g_malloc(ELEMENTS * 512);
    g_autofree uint8_t *content = g_malloc(ELEMENTS * 512);
    BlockBackend *blk = backend_on(open_file(path, ""));
    QEMUIOVector qiov;
    VecOp op = { .blk = blk, .qiov = &qiov, .write = true };

    fill_pattern(buf, ELEMENTS * 512, 0, 1);
    qemu_iovec_init(&qiov, ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++) {
        qemu_iovec_add(&qiov, buf + i * 512, 512);
    }
    bdrv_run_co(vec_entry, &op, &op.done);
    g_assert_cmpint(op.ret, ==, 0);
    pread_all(path, content, ELEMENTS * 512, 0);
    g_assert_cmpmem(content, ELEMENTS * 512, buf, ELEMENTS * 512);

    memset(buf, 0, ELEMENTS * 512);
    op.write = op.done = false;
    bdrv_run_co(vec_entry, &op, &op.done);
    g_assert_cmpint(op.ret, ==, 0);
    g_assert_cmpmem(content, ELEMENTS * 512, buf, ELEMENTS * 512);
    qemu_iovec_destroy(&qiov);
    blk_unref(blk);
}

static void test_open_errors_name_the_file(void)
{
    g_autofree char *path = make_file("img", MIB);
    g_autofree char *missing = harness_tmpfile("missing");
    g_autofree char *message =
        g_strdup_printf("Could not open '%s': No such file or directory", missing);
    g_autofree char *directory = g_strdup_printf(
        "'host_device' driver requires '%s' to be either a character or block device", path);
    int before = harness_count_fds();

    open_fails(message, "{'driver': 'file', 'node-name': 'f', 'filename': '%s'}", missing);
    open_fails("'file' driver requires '/dev/null' to be a regular file",
               "{'driver': 'file', 'node-name': 'f', 'filename': '/dev/null'}");
    open_fails(directory, "{'driver': 'host_device', 'node-name': 'f', 'filename': '%s'}", path);
    open_fails("aio=native was specified, but it requires cache.direct=on, which was not "
               "specified.",
               "{'driver': 'file', 'node-name': 'f', 'filename': '%s', 'aio': 'native'}", path);
    open_fails("force-share=on can only be used with read-only images",
               "{'driver': 'file', 'node-name': 'f', 'filename': '%s', 'force-share': true}", path);
    g_assert_cmpint(harness_count_fds(), ==, before);
    g_assert_null(bdrv_find_node("f"));
}

static void test_read_only_node_takes_no_writer(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockDriverState *bs = open_file(path, ", 'read-only': true");
    Error *err = NULL;

    g_assert_true(bdrv_is_read_only(bs));
    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Block node is read-only");
    error_free(err);
    bdrv_unref(bs);
}

static bool set_immutable(const char *path, bool on)
{
    int flags = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok;

    g_assert_cmpint(fd, >=, 0);
    ok = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    ok = ok && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    return ok;
}

static void test_auto_read_only_falls_back(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockDriverState *bs = open_file(path, ", 'auto-read-only': true");

    g_assert_false(bdrv_is_read_only(bs));
    bdrv_unref(bs);
    if (geteuid() != 0) {
        g_assert_cmpint(chmod(path, 0400), ==, 0);
    } else if (!set_immutable(path, true)) {
        g_test_skip("cannot make a file that root may not write");
        return;
    }
    bs = open_file(path, ", 'auto-read-only': true");
    g_assert_true(bdrv_is_read_only(bs));
    bdrv_unref(bs);
    bs = open_node("{'driver': 'raw', 'node-name': 'r', 'auto-read-only': true,"
                   " 'file': {'driver': 'file', 'filename': '%s'}}",
                   path);
    g_assert_true(bdrv_is_read_only(bs));
    bdrv_unref(bs);
    set_immutable(path, false);
}

/* Lengths */

static void test_odd_length_is_rounded_up(void)
{
    g_autofree char *path = make_file("img", 1000);
    BlockBackend *blk = backend_on(open_file(path, ""));
    uint8_t buf[512], expected[512] = { 0 };

    g_assert_cmpint(blk_getlength(blk), ==, 1024);
    g_assert_cmpint(blk_pwrite(blk, 990, 10, "0123456789", 0), ==, 0);
    memset(buf, 0xff, sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 512, 512, buf, 0), ==, 0);
    memcpy(expected + 990 - 512, "0123456789", 10);
    g_assert_cmpmem(buf, 512, expected, 512);
    g_assert_cmpint(file_size(path), ==, 1000);
    g_assert_cmpint(blk_pwrite(blk, 512, 512, buf, 0), ==, 0);
    g_assert_cmpint(file_size(path), ==, 1024);
    blk_unref(blk);
}

static void test_file_that_others_cut_short_gives_errors(const void *data)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = backend_on(open_file(path, data));
    g_autofree uint8_t *buf = g_malloc(MIB);

    g_assert_cmpint(truncate(path, 4096), ==, 0);
    g_assert_cmpint(blk_pread(blk, 0, 4096, buf, 0), ==, 0);
    g_assert_cmpint(blk_pread(blk, 0, 8192, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, MIB - 512, 512, buf, 0), ==, -EIO);
    blk_unref(blk);
}

static void test_file_that_others_make_longer_keeps_its_length(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = backend_on(open_file(path, ""));
    uint8_t buf[512];

    g_assert_cmpint(truncate(path, 2 * MIB), ==, 0);
    g_assert_cmpint(blk_getlength(blk), ==, MIB);
    g_assert_cmpint(blk_pread(blk, MIB, 512, buf, 0), ==, -EIO);
    blk_unref(blk);
}

static void test_file_too_large_is_an_error(const void *data)
{
    g_autofree char *path = make_file("img", 4 * MIB);
    BlockBackend *blk = backend_on(open_file(path, data));
    struct rlimit old, limit;
    uint8_t buf[8192] = { 1 };

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    limit = (struct rlimit){ .rlim_cur = MIB, .rlim_max = old.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 2 * MIB, sizeof(buf), buf, 0), ==, -EFBIG);
    g_assert_cmpint(blk_pwrite(blk, MIB - 4096, sizeof(buf), buf, 0), ==, -EFBIG);
    g_assert_cmpint(blk_pwrite(blk, MIB - 8192, sizeof(buf), buf, 0), ==, 0);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 2 * MIB, sizeof(buf), buf, 0), ==, 0);
    blk_unref(blk);
}

static void test_failed_flush_stays_failed(const void *data)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = backend_on(open_file(path, data));
    BDRVRawState *s = blk_bs(blk)->opaque;
    int good = s->fd;
    int bad = open(path, O_PATH | O_CLOEXEC);

    g_assert_cmpint(blk_flush(blk), ==, 0);
    s->fd = bad;
    g_assert_cmpint(blk_flush(blk), ==, -EBADF);
    s->fd = good;
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    qatomic_set(&s->flush_failed, false);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    close(bad);
    blk_unref(blk);
}

/* Zeroes and holes */

static BlockBackend *full_file(const char *path, const char *more, int64_t size)
{
    BlockBackend *blk = backend_on(open_file(path, more));
    g_autofree uint8_t *buf = g_malloc(size);

    memset(buf, 0xaa, size);
    g_assert_cmpint(blk_pwrite(blk, 0, size, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    return blk;
}

static void check_zero_range(const char *path, int64_t offset, int64_t bytes, int64_t size)
{
    g_autofree uint8_t *buf = g_malloc(size);

    pread_all(path, buf, size, 0);
    for (int64_t i = 0; i < size; i++) {
        bool inside = i >= offset && i < offset + bytes;

        g_assert_cmpint(buf[i], ==, inside ? 0 : 0xaa);
    }
}

static void test_zeroes_are_zero_and_nothing_else_is(const void *data)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = full_file(path, data, MIB);

    g_assert_cmpint(blk_pwrite_zeroes(blk, 10001, 300000, 0), ==, 0);
    check_zero_range(path, 10001, 300000, MIB);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, MIB, 0), ==, 0);
    check_zero_range(path, 0, MIB, MIB);
    g_assert_cmpint(file_size(path), ==, MIB);
    blk_unref(blk);
}

static void test_zeroes_with_unmap_free_the_space(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = full_file(path, ", 'discard': 'unmap'", MIB);
    int64_t before = file_blocks(path);

    g_assert_true(bdrv_can_write_zeroes_with_unmap(blk_bs(blk)));
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, MIB, BDRV_REQ_MAY_UNMAP), ==, 0);
    check_zero_range(path, 0, MIB, MIB);
    g_assert_cmpint(file_blocks(path), <, before);
    blk_unref(blk);
}

static void test_zeroes_without_unmap_keep_the_space(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = full_file(path, "", MIB);
    int64_t before = file_blocks(path);

    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, MIB, BDRV_REQ_MAY_UNMAP), ==, 0);
    check_zero_range(path, 0, MIB, MIB);
    g_assert_cmpint(file_blocks(path), ==, before);
    blk_unref(blk);
}

static void test_zeroes_work_where_the_file_system_has_no_way(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = full_file(path, ", 'discard': 'unmap'", MIB);
    BDRVRawState *s = blk_bs(blk)->opaque;

    qatomic_set(&s->no_punch_hole, true);
    qatomic_set(&s->no_zero_range, true);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 513, 70000, BDRV_REQ_MAY_UNMAP), ==, 0);
    check_zero_range(path, 513, 70000, MIB);
    g_assert_cmpint(blk_pdiscard(blk, 0, MIB), ==, 0);
    check_zero_range(path, 513, 70000, MIB);
    blk_unref(blk);
}

static void test_discard_frees_the_space_when_unmap(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockBackend *blk = full_file(path, "", MIB);
    int64_t before = file_blocks(path);

    g_assert_cmpint(blk_pdiscard(blk, 0, MIB), ==, 0);
    check_zero_range(path, 0, 0, MIB);
    blk_unref(blk);

    blk = full_file(path, ", 'discard': 'unmap'", MIB);
    g_assert_cmpint(blk_pdiscard(blk, 0, MIB), ==, 0);
    g_assert_cmpint(file_blocks(path), <, before);
    g_assert_cmpint(file_size(path), ==, MIB);
    blk_unref(blk);
}

static void add_per_mode(const char *name, void (*fn)(const void *data), size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/file-posix/%s/%zu", name, i);

        harness_add_data(path, modes[i], fn);
    }
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    add_per_mode("what_is_written_is_in_the_file", test_what_is_written_is_in_the_file,
                 ARRAY_SIZE(modes));
    add_per_mode("file_that_others_cut_short_gives_errors",
                 test_file_that_others_cut_short_gives_errors, 3);
    add_per_mode("file_too_large_is_an_error", test_file_too_large_is_an_error, 3);
    add_per_mode("failed_flush_stays_failed", test_failed_flush_stays_failed, 3);
    add_per_mode("zeroes_are_zero_and_nothing_else_is", test_zeroes_are_zero_and_nothing_else_is,
                 4);
    harness_add("/file-posix/vector_of_many_elements", test_vector_of_many_elements);
    harness_add("/file-posix/open_errors_name_the_file", test_open_errors_name_the_file);
    harness_add("/file-posix/read_only_node_takes_no_writer", test_read_only_node_takes_no_writer);
    harness_add("/file-posix/auto_read_only_falls_back", test_auto_read_only_falls_back);
    harness_add("/file-posix/odd_length_is_rounded_up", test_odd_length_is_rounded_up);
    harness_add("/file-posix/file_that_others_make_longer_keeps_its_length",
                test_file_that_others_make_longer_keeps_its_length);
    harness_add("/file-posix/zeroes_with_unmap_free_the_space",
                test_zeroes_with_unmap_free_the_space);
    harness_add("/file-posix/zeroes_without_unmap_keep_the_space",
                test_zeroes_without_unmap_keep_the_space);
    harness_add("/file-posix/zeroes_work_where_the_file_system_has_no_way",
                test_zeroes_work_where_the_file_system_has_no_way);
    harness_add("/file-posix/discard_frees_the_space_when_unmap",
                test_discard_frees_the_space_when_unmap);
    return harness_run();
}
