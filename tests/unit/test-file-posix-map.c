/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of reading the page cache from a mapping: on real files, which others change meanwhile. */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include <sys/vfs.h>
#include "qemu/atomic.h"
#include "qemu/cutils.h"
#include "qemu/thread.h"
#include "block/file-posix.h"
#include "tests/unit/block-test.h"
#include "tests/unit/try-read.h"

enum {
    SIZE = 1024 * 1024,
    BYTES = 4096,
    /* More than a node has to be read before it is mapped. */
    ENOUGH = 300,
};

static void write_file(const char *path, int64_t offset, size_t bytes, unsigned seed)
{
    g_autofree uint8_t *buf = g_malloc(bytes);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    fill_pattern(buf, bytes, offset, seed);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, buf, bytes, offset), ==, bytes);
    close(fd);
}

static char *make_filled(void)
{
    char *path = make_file("img", SIZE);

    write_file(path, 0, SIZE, 1);
    return path;
}

static BlockBackend *open_backend(const char *path, const char *more)
{
    return backend_on(
        open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'%s}", path, more));
}

/* Reads until it is done at once. False: it never is. */
static bool becomes_mapped(BlockBackend *blk, int64_t offset)
{
    uint8_t buf[BYTES];

    for (int i = 0; i < ENOUGH; i++) {
        if (try_read(blk, offset, buf, BYTES) == 0) {
            return true;
        }
        g_assert_cmpint(blk_pread(blk, offset, BYTES, buf, 0), ==, 0);
    }
    return false;
}

static bool can_map(const char *path)
{
    struct statfs fs;
    struct rlimit limit;

    g_assert_cmpint(statfs(path, &fs), ==, 0);
    g_assert_cmpint(getrlimit(RLIMIT_AS, &limit), ==, 0);
    if (limit.rlim_cur != RLIM_INFINITY || (fs.f_type != 0xef53 && fs.f_type != 0x01021994)) {
        g_test_skip("the tests' folder is on a file system that is not mapped");
        return false;
    }
    return true;
}

static void assert_holds(const uint8_t *buf, int64_t offset, size_t bytes, unsigned seed)
{
    g_autofree uint8_t *expected = g_malloc(bytes);

    fill_pattern(expected, bytes, offset, seed);
    g_assert_cmpmem(buf, bytes, expected, bytes);
}

static void test_cached_data_is_read_at_once(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint8_t buf[BYTES];

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, 0));
        /* Over the border of two chunks, too; and to the very end. */
        for (int64_t offset = 0; offset <= SIZE - BYTES; offset += 512) {
            memset(buf, 0, sizeof(buf));
            g_assert_cmpint(try_read(blk, offset, buf, BYTES), ==, 0);
            assert_holds(buf, offset, BYTES, 1);
        }
    }
    blk_unref(blk);
}

static void test_writes_are_seen_at_once(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint8_t buf[BYTES];

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, BYTES));
        for (unsigned seed = 2; seed < 20; seed++) {
            fill_pattern(buf, BYTES, BYTES, seed);
            g_assert_cmpint(blk_pwrite(blk, BYTES, BYTES, buf, 0), ==, 0);
            memset(buf, 0, sizeof(buf));
            g_assert_cmpint(try_read(blk, BYTES, buf, BYTES), ==, 0);
            assert_holds(buf, BYTES, BYTES, seed);
            write_file(path, BYTES, BYTES, seed + 100);
            g_assert_cmpint(try_read(blk, BYTES, buf, BYTES), ==, 0);
            assert_holds(buf, BYTES, BYTES, seed + 100);
        }
        g_assert_cmpint(blk_pwrite_zeroes(blk, BYTES, BYTES, BDRV_REQ_MAY_UNMAP), ==, 0);
        if (try_read(blk, BYTES, buf, BYTES) < 0) {
            g_assert_cmpint(blk_pread(blk, BYTES, BYTES, buf, 0), ==, 0);
        }
        g_assert_true(buffer_is_zero(buf, BYTES));
    }
    blk_unref(blk);
}

/* Pages of a hole that nobody has read are not resident. */
static void test_what_is_not_resident_is_left_to_the_kernel(void)
{
    g_autofree char *path = make_file("img", 64 * SIZE);
    BlockBackend *blk;
    uint8_t buf[BYTES];

    write_file(path, 0, SIZE, 1);
    blk = open_backend(path, "");
    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, 0));
        g_assert_cmpint(try_read(blk, 32 * SIZE, buf, BYTES), ==, -EAGAIN);
        g_assert_cmpint(try_read(blk, SIZE - 512, buf, BYTES), ==, -EAGAIN);
    }
    blk_unref(blk);
}

static void cut(const char *path, int64_t length)
{
    g_assert_cmpint(truncate(path, length), ==, 0);
}

/* The mapping loses its pages while it is believed that they are there. */
static void test_a_file_cut_short_fails_its_reads_only(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint8_t buf[BYTES];

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, SIZE / 2));
        cut(path, SIZE / 4);
        g_assert_cmpint(try_read(blk, SIZE / 2, buf, BYTES), ==, -EAGAIN);
        g_assert_cmpint(blk_pread(blk, SIZE / 2, BYTES, buf, 0), ==, -EIO);
        /* What is left is read, at once again when it has been mapped anew. */
        g_assert_cmpint(blk_pread(blk, 0, BYTES, buf, 0), ==, 0);
        assert_holds(buf, 0, BYTES, 1);
        g_assert_true(becomes_mapped(blk, 0));
        g_assert_cmpint(try_read(blk, 0, buf, BYTES), ==, 0);
        assert_holds(buf, 0, BYTES, 1);
        /* Back again, as zeroes. */
        cut(path, SIZE);
        g_assert_cmpint(blk_pread(blk, SIZE / 2, BYTES, buf, 0), ==, 0);
        g_assert_true(buffer_is_zero(buf, BYTES));
    }
    blk_unref(blk);
}

/* The page is still there, and zeroes are behind the end. */
static void test_a_file_cut_within_a_page_fails_the_read(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint8_t buf[BYTES];

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, 0));
        cut(path, SIZE / 2 + 512);
        /* Whoever asks about the chunk finds out. */
        while (try_read(blk, 0, buf, BYTES) == 0 && try_read(blk, SIZE / 2, buf, BYTES) == 0) {
        }
        becomes_mapped(blk, 0);
        g_assert_cmpint(try_read(blk, SIZE / 2, buf, BYTES), ==, -EAGAIN);
        g_assert_cmpint(blk_pread(blk, SIZE / 2, BYTES, buf, 0), ==, -EIO);
    }
    blk_unref(blk);
}

static void test_holes_are_asked_about_anew(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, ", 'discard': 'unmap'");
    struct stat st;
    uint8_t buf[BYTES];

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, 0));
        g_assert_cmpint(try_read(blk, SIZE / 2, buf, BYTES), ==, 0);
        g_assert_cmpint(blk_pdiscard(blk, 0, SIZE), ==, 0);
        g_assert_cmpint(stat(path, &st), ==, 0);
        if (st.st_blocks == 0) {
            g_assert_cmpint(try_read(blk, SIZE / 2, buf, BYTES), ==, -EAGAIN);
        }
    }
    blk_unref(blk);
}

static void test_files_cut_again_and_again_end_the_mappings(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint8_t buf[BYTES];
    int mapped = 0;

    if (can_map(path)) {
        for (int i = 0; i < 100; i++) {
            mapped += becomes_mapped(blk, SIZE / 2);
            cut(path, SIZE / 4);
            g_assert_cmpint(try_read(blk, SIZE / 2, buf, BYTES), ==, -EAGAIN);
            cut(path, SIZE);
            write_file(path, SIZE / 2, BYTES, 1);
        }
        g_assert_cmpint(mapped, >, 8);
        g_assert_cmpint(mapped, <, 50);
    }
    blk_unref(blk);
}

typedef struct Reader {
    BlockBackend *blk;
    QemuThread thread;
    unsigned seed;
    bool stop;     /* atomic */
    unsigned done; /* atomic */
} Reader;

/* Each byte is as it was written, or gone. */
static void *read_all_the_time(void *opaque)
{
    g_autoptr(GRand) rand = NULL;
    Reader *r = opaque;
    uint8_t buf[BYTES], expected[BYTES];

    rand = g_rand_new_with_seed(r->seed);
    while (!qatomic_read(&r->stop)) {
        int64_t offset = g_rand_int_range(rand, 0, SIZE / BYTES) * BYTES;

        if (try_read(r->blk, offset, buf, BYTES) == 0) {
            fill_pattern(expected, BYTES, offset, 1);
            for (int i = 0; i < BYTES; i++) {
                g_assert_true(buf[i] == expected[i] || buf[i] == 0);
            }
            qatomic_inc(&r->done);
        }
    }
    return NULL;
}

static void test_threads_survive_a_file_that_is_cut(void)
{
    g_autofree char *path = make_filled();
    Reader readers[3];

    if (!can_map(path)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        BlockBackend *blk = open_backend(path, "");

        for (int j = 0; j < 3; j++) {
            readers[j] = (Reader){ .blk = blk, .seed = j };
            qemu_thread_create(&readers[j].thread, "reader", read_all_the_time, &readers[j],
                               QEMU_THREAD_JOINABLE);
        }
        for (int n = 0; n < 20; n++) {
            unsigned before = qatomic_read(&readers[0].done);

            /* Mapped anew each time; not so often that there are no more mappings. */
            while (n < 3 && qatomic_read(&readers[0].done) < before + 10) {
                g_usleep(100);
            }
            cut(path, SIZE / 4);
            cut(path, SIZE);
            write_file(path, 0, SIZE, 1);
        }
        for (int j = 0; j < 3; j++) {
            qatomic_set(&readers[j].stop, true);
            qemu_thread_join(&readers[j].thread);
        }
        blk_unref(blk);
    }
}

static void test_a_file_that_grew_is_mapped_anew(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    uint64_t perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE;

    if (can_map(path)) {
        g_assert_true(becomes_mapped(blk, 0));
        g_assert_cmpint(blk_set_perm(blk, perm, BLK_PERM_ALL, &error_abort), ==, 0);
        g_assert_cmpint(blk_truncate(blk, 2 * SIZE, true, PREALLOC_MODE_OFF, 0, &error_abort), ==,
                        0);
        write_file(path, 2 * SIZE - BYTES, BYTES, 1);
        g_assert_true(becomes_mapped(blk, 2 * SIZE - BYTES));
    }
    blk_unref(blk);
}

static void resize(BlockBackend *blk, int64_t size)
{
    g_assert_cmpint(blk_truncate(blk, size, true, PREALLOC_MODE_OFF, 0, &error_abort), ==, 0);
}

static void allow_resize(BlockBackend *blk)
{
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                                 BLK_PERM_ALL, &error_abort),
                    ==, 0);
}

/* In the end it is, however long that takes: after many resizes there is a pause between two. */
static void wait_until_mapped(BlockBackend *blk, int64_t offset)
{
    while (!becomes_mapped(blk, offset)) {
        g_usleep(10000);
    }
}

static void test_a_file_resized_often_stays_mapped_once(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    int64_t before = raw_map_total();

    if (can_map(path)) {
        allow_resize(blk);
        for (int i = 1; i <= 24; i++) {
            resize(blk, SIZE + i * 65536);
            write_file(path, SIZE + i * 65536 - BYTES, BYTES, 1);
            wait_until_mapped(blk, SIZE + i * 65536 - BYTES);
            g_assert_cmpint(raw_map_total() - before, ==, SIZE + i * 65536);
        }
    }
    blk_unref(blk);
    g_assert_cmpint(raw_map_total(), ==, before);
}

static void test_threads_read_on_while_the_file_grows(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, "");
    Reader readers[3];
    int64_t before = raw_map_total();

    if (can_map(path)) {
        for (int j = 0; j < 3; j++) {
            readers[j] = (Reader){ .blk = blk, .seed = j };
            qemu_thread_create(&readers[j].thread, "reader", read_all_the_time, &readers[j],
                               QEMU_THREAD_JOINABLE);
        }
        for (int i = 1; i <= 12; i++) {
            cut(path, SIZE + i * 65536);
            /* Has a reader found out? The node's length is that of its open. */
            while (raw_map_total() != before + SIZE + i * 65536) {
                g_usleep(100);
            }
        }
        for (int j = 0; j < 3; j++) {
            qatomic_set(&readers[j].stop, true);
            qemu_thread_join(&readers[j].thread);
            g_assert_cmpuint(readers[j].done, >, 0);
        }
        g_assert_cmpint(raw_map_total(), ==, before + SIZE + 12 * 65536);
    }
    blk_unref(blk);
    g_assert_cmpint(raw_map_total(), ==, before);
}

static void test_all_nodes_share_one_limit(void)
{
    g_autofree char *first = make_file("one", SIZE);
    g_autofree char *second = make_file("two", 2 * SIZE);
    BlockBackend *one = open_backend(first, "");
    BlockBackend *two;

    write_file(first, 0, SIZE, 1);
    write_file(second, 0, 2 * SIZE, 1);
    if (can_map(first)) {
        raw_map_set_limit(raw_map_total() + 2 * SIZE);
        g_assert_true(becomes_mapped(one, 0));
        two =
            backend_on(open_node("{'driver': 'file', 'node-name': 'g', 'filename': '%s'}", second));
        g_assert_false(becomes_mapped(two, 0));
        allow_resize(two);
        resize(two, SIZE);
        g_assert_true(becomes_mapped(two, 0));
        resize(two, 2 * SIZE);
        g_assert_false(becomes_mapped(two, 2 * SIZE - BYTES));
        /* What another node lets go can be had. */
        blk_unref(one);
        one = NULL;
        g_assert_true(becomes_mapped(two, 2 * SIZE - BYTES));
        blk_unref(two);
        raw_map_set_limit(INT64_C(32) << 40);
    }
    blk_unref(one);
}

static void test_switched_off_or_past_the_cache_nothing_is(void)
{
    g_autofree char *path = make_filled();
    BlockBackend *blk = open_backend(path, ", 'x-mapped-reads': false");
    g_autofree char *direct = g_strdup_printf("{'driver': 'file', 'node-name': 'f', "
                                              "'filename': '%s', 'cache': {'direct': true}}",
                                              path);
    BlockDriverState *bs;

    g_assert_false(becomes_mapped(blk, 0));
    blk_unref(blk);
    bs = open_json(direct, NULL);
    if (bs) {
        blk = backend_on(bs);
        g_assert_false(becomes_mapped(blk, 0));
        blk_unref(blk);
    }
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/file-posix-map/cached_data_is_read_at_once", test_cached_data_is_read_at_once);
    harness_add("/file-posix-map/writes_are_seen_at_once", test_writes_are_seen_at_once);
    harness_add("/file-posix-map/what_is_not_resident_is_left_to_the_kernel",
                test_what_is_not_resident_is_left_to_the_kernel);
    harness_add("/file-posix-map/a_file_cut_short_fails_its_reads_only",
                test_a_file_cut_short_fails_its_reads_only);
    harness_add("/file-posix-map/a_file_cut_within_a_page_fails_the_read",
                test_a_file_cut_within_a_page_fails_the_read);
    harness_add("/file-posix-map/holes_are_asked_about_anew", test_holes_are_asked_about_anew);
    harness_add("/file-posix-map/files_cut_again_and_again_end_the_mappings",
                test_files_cut_again_and_again_end_the_mappings);
    harness_add("/file-posix-map/threads_survive_a_file_that_is_cut",
                test_threads_survive_a_file_that_is_cut);
    harness_add("/file-posix-map/a_file_that_grew_is_mapped_anew",
                test_a_file_that_grew_is_mapped_anew);
    harness_add("/file-posix-map/a_file_resized_often_stays_mapped_once",
                test_a_file_resized_often_stays_mapped_once);
    harness_add("/file-posix-map/threads_read_on_while_the_file_grows",
                test_threads_read_on_while_the_file_grows);
    harness_add("/file-posix-map/all_nodes_share_one_limit", test_all_nodes_share_one_limit);
    harness_add("/file-posix-map/switched_off_or_past_the_cache_nothing_is",
                test_switched_off_or_past_the_cache_nothing_is);
    return harness_run();
}
