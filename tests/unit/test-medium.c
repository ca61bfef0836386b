/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secure erase, lifetime and zones: through filters, and of block devices.
 *
 * The block device is a file that calls itself one: stat(), fstat() and ioctl() of the code under
 * test come by here (--wrap), and a folder of the test's stands for sysfs.
 */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "block/file-posix.h"
#include "block/medium.h"
#include "tests/unit/block-test.h"

#define MIB (1024 * 1024)

/* ---- A device ---- */

static struct {
    bool here;       /* regular files are block devices */
    bool can_erase;  /* it knows BLKSECDISCARD */
    int erase_errno; /* what a secure erase fails with; 0: it works */
    unsigned erases;
    uint64_t range[2]; /* of the last */
} device;

int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_stat64(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);

static int as_device(int ret, struct stat *st)
{
    if (ret == 0 && device.here && S_ISREG(st->st_mode)) {
        st->st_mode = S_IFBLK | 0600;
        st->st_rdev = makedev(240, 7);
    }
    return ret;
}

int __wrap_fstat64(int fd, struct stat *st)
{
    return as_device(__real_fstat64(fd, st), st);
}

int __wrap_stat64(const char *path, struct stat *st)
{
    return as_device(__real_stat64(path, st), st);
}

static int fail(int err)
{
    errno = err;
    return -1;
}

/* As Linux does it: whether it can at all comes first, then the range. */
static int secure_erase(const uint64_t *range)
{
    if (!device.can_erase) {
        return fail(EOPNOTSUPP);
    }
    if (range[0] % 512 || range[1] % 512) {
        return fail(EINVAL);
    }
    device.erases++;
    memcpy(device.range, range, sizeof(device.range));
    return device.erase_errno ? fail(device.erase_errno) : 0;
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
    struct stat st;

    if (!device.here) {
        return __real_ioctl(fd, request, arg);
    }
    switch (request) {
    case BLKGETSIZE64:
        g_assert_cmpint(__real_fstat64(fd, &st), ==, 0);
        *(uint64_t *)arg = st.st_size;
        return 0;
    case BLKSECDISCARD:
        return secure_erase(arg);
    default:
        return fail(ENOTTY);
    }
}

/* A file in the test's sysfs: @name of the device, or of the disk if the device is a partition. */
static void sysfs_put(const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/dev/block/240:7/%s", harness_tmpdir(), name);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *device_begin(void)
{
    memset(&device, 0, sizeof(device));
    device.here = true;
    device.can_erase = true;
    raw_device_set_sysfs(harness_tmpdir());
    sysfs_put("queue/zoned", "none\n");
    sysfs_put("queue/discard_granularity", "4096\n");
    return make_file("device", MIB);
}

static void device_end(void)
{
    device.here = false;
    raw_device_set_sysfs("/sys");
}

static BlockBackend *device_backend(const char *path, const char *more)
{
    return backend_on(open_node("{'driver': 'host_device', 'node-name': 'h', 'filename': '%s',"
                                " 'discard': 'unmap', 'locking': 'off'%s}",
                                path, more));
}

/* ---- Requests from outside coroutines ---- */

typedef struct Request {
    BlockBackend *blk;
    int64_t offset;
    int64_t bytes;
    BlockLifetime *lifetime; /* NULL: a secure erase */
    int ret;
} Request;

static void coroutine_fn request_entry(void *opaque)
{
    Request *req = opaque;

    req->ret = req->lifetime ? blk_co_get_lifetime(req->blk, req->lifetime)
                             : blk_co_secure_erase(req->blk, req->offset, req->bytes);
    aio_wait_kick();
}

static int run(Request req)
{
    req.ret = INT_MAX;
    qemu_coroutine_enter(qemu_coroutine_create(request_entry, &req));
    AIO_WAIT_WHILE_UNLOCKED(NULL, req.ret == INT_MAX);
    return req.ret;
}

static int erase(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    return run((Request){ .blk = blk, .offset = offset, .bytes = bytes });
}

static int lifetime(BlockBackend *blk, BlockLifetime *ret_lifetime)
{
    return run((Request){ .blk = blk, .lifetime = ret_lifetime });
}

static bool all_are(BlockBackend *blk, int64_t offset, size_t bytes, uint8_t value)
{
    g_autofree uint8_t *buf = g_malloc(bytes);

    g_assert_cmpint(blk_pread(blk, offset, bytes, buf, 0), ==, 0);
    return buf[0] == value && !memcmp(buf, buf + 1, bytes - 1);
}

/* ---- What nodes offer ---- */

static void test_storage_without_it_offers_and_does_nothing(void)
{
    BlockBackend *blk = backend_on(open_node("{'driver': 'null-co', 'node-name': 'n',"
                                             " 'discard': 'unmap'}"));
    BlockLifetime worn;

    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 0);
    g_assert_false(blk_has_lifetime(blk));
    g_assert_cmpint(erase(blk, 0, 512), ==, -ENOTSUP);
    g_assert_cmpint(lifetime(blk, &worn), ==, -ENOTSUP);
    blk_unref(blk);
}

#define DEBUG_NODE(discard, more)                                        \
    "{'driver': 'blkdebug', 'node-name': 'b', 'discard': '" discard "'," \
    " 'max-secure-erase': 8192, 'opt-secure-erase': 4096" more ","       \
    " 'lifetime': {'pre-eol-info': 1, 'typ-a': 2, 'typ-b': 3},"          \
    " 'image': {'driver': 'file', 'filename': '%s'}}"

static BlockBackend *debug_backend(const char *fmt)
{
    g_autofree char *path = make_file("image", MIB);
    g_autofree char *json = NULL;
    g_autofree uint8_t *ones = g_malloc(MIB);
    BlockBackend *blk;

    json = g_strdup_printf(fmt, path);
    blk = backend_on(open_json(json, &error_abort));
    memset(ones, 1, MIB);
    g_assert_cmpint(blk_pwrite(blk, 0, MIB, ones, 0), ==, 0);
    return blk;
}

static void test_long_erase_goes_in_pieces_that_the_medium_takes(void)
{
    BlockBackend *blk = debug_backend(DEBUG_NODE("unmap", ""));

    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 8192);
    g_assert_cmpuint(blk_get_secure_erase_alignment(blk), ==, 4096);
    g_assert_cmpint(erase(blk, 4096, 5 * 4096), ==, 0);
    g_assert_true(all_are(blk, 0, 4096, 1));
    g_assert_true(all_are(blk, 4096, 5 * 4096, 0));
    g_assert_true(all_are(blk, 6 * 4096, MIB - 6 * 4096, 1));
    blk_unref(blk);
}

static void test_unaligned_erase_is_refused_as_a_whole(void)
{
    BlockBackend *blk = debug_backend(DEBUG_NODE("unmap", ""));

    g_assert_cmpint(erase(blk, 512, 4096), ==, -EINVAL);
    g_assert_cmpint(erase(blk, 0, 4096 + 512), ==, -EINVAL);
    g_assert_cmpint(erase(blk, MIB, 4096), <, 0);
    g_assert_true(all_are(blk, 0, MIB, 1));
    blk_unref(blk);
}

static void test_node_that_ignores_discards_does_not_erase(void)
{
    BlockBackend *blk = debug_backend(DEBUG_NODE("ignore", ""));

    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 0);
    g_assert_cmpint(erase(blk, 0, 4096), ==, -ENOTSUP);
    g_assert_true(all_are(blk, 0, MIB, 1));
    blk_unref(blk);
}

static void test_error_of_the_medium_is_told(void)
{
    BlockBackend *blk = debug_backend(DEBUG_NODE(
        "unmap", ", 'inject-error': [{'event': 'none', 'iotype': 'discard', 'errno': 28}]"));

    g_assert_cmpint(erase(blk, 0, 4096), ==, -ENOSPC);
    g_assert_true(all_are(blk, 0, MIB, 1));
    blk_unref(blk);
}

#define RAW_NODE(offset)                                                                  \
    "{'driver': 'raw', 'node-name': 'r', 'discard': 'unmap', 'offset': " offset ","       \
    " 'file': {'driver': 'blkdebug', 'max-secure-erase': 8192, 'opt-secure-erase': 4096," \
    " 'lifetime': {'pre-eol-info': 1, 'typ-a': 2, 'typ-b': 3},"                           \
    " 'image': {'driver': 'null-co', 'size': 65536, 'read-zeroes': true}}}"

static void test_filters_hand_both_on(void)
{
    BlockBackend *blk = backend_on(open_node("%s", RAW_NODE("8192")));
    BlockLifetime worn;

    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 8192);
    g_assert_cmpint(erase(blk, 0, 8192), ==, 0);
    g_assert_cmpint(erase(blk, 65536 - 8192, 4096), <, 0);
    g_assert_cmpint(lifetime(blk, &worn), ==, 0);
    g_assert_cmpuint(worn.pre_eol_info, ==, 1);
    g_assert_cmpuint(worn.est_typ_a, ==, 2);
    g_assert_cmpuint(worn.est_typ_b, ==, 3);
    blk_unref(blk);
}

static void test_window_off_the_mediums_blocks_has_no_erase(void)
{
    BlockBackend *blk = backend_on(open_node("%s", RAW_NODE("512")));

    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 0);
    g_assert_true(blk_has_lifetime(blk));
    blk_unref(blk);
}

/* ---- Block devices ---- */

static void test_device_that_can_is_asked_for_the_range(void)
{
    g_autofree char *path = device_begin();
    BlockBackend *blk = device_backend(path, "");

    g_assert_cmpint(blk_get_max_secure_erase(blk), >=, MIB);
    g_assert_cmpuint(blk_get_secure_erase_alignment(blk), ==, 4096);
    g_assert_cmpuint(device.erases, ==, 0);
    g_assert_cmpint(erase(blk, 8192, 4096), ==, 0);
    g_assert_cmpuint(device.erases, ==, 1);
    g_assert_cmpuint(device.range[0], ==, 8192);
    g_assert_cmpuint(device.range[1], ==, 4096);
    device.erase_errno = EIO;
    g_assert_cmpint(erase(blk, 0, 4096), ==, -EIO);
    device.erase_errno = EOPNOTSUPP;
    g_assert_cmpint(erase(blk, 0, 4096), ==, -ENOTSUP);
    blk_unref(blk);
    device_end();
}

static void test_device_that_cannot_offers_no_erase(void)
{
    g_autofree char *path = device_begin();
    BlockBackend *blk;

    device.can_erase = false;
    blk = device_backend(path, "");
    g_assert_cmpint(blk_get_max_secure_erase(blk), ==, 0);
    g_assert_cmpint(erase(blk, 0, 4096), ==, -ENOTSUP);
    g_assert_false(blk_has_lifetime(blk));
    blk_unref(blk);
    device_end();
}

static void test_lifetime_is_read_when_asked(void)
{
    g_autofree char *path = device_begin();
    BlockLifetime worn;
    BlockBackend *blk;

    sysfs_put("device/life_time", "0x01 0x02\n");
    sysfs_put("device/pre_eol_info", "0x01\n");
    blk = device_backend(path, "");
    g_assert_true(blk_has_lifetime(blk));
    sysfs_put("device/life_time", "0x0b 0x03\n");
    sysfs_put("device/pre_eol_info", "0x03\n");
    g_assert_cmpint(lifetime(blk, &worn), ==, 0);
    g_assert_cmpuint(worn.pre_eol_info, ==, 3);
    g_assert_cmpuint(worn.est_typ_a, ==, 11);
    g_assert_cmpuint(worn.est_typ_b, ==, 3);
    sysfs_put("device/life_time", "worn out\n");
    g_assert_cmpint(lifetime(blk, &worn), ==, -EIO);
    blk_unref(blk);
    device_end();
}

static void test_partition_is_as_worn_as_its_disk(void)
{
    g_autofree char *path = device_begin();
    BlockLifetime worn;
    BlockBackend *blk;

    sysfs_put("../device/life_time", "0x05 0x06\n");
    sysfs_put("../device/pre_eol_info", "0x02\n");
    blk = device_backend(path, "");
    g_assert_cmpint(lifetime(blk, &worn), ==, 0);
    g_assert_cmpuint(worn.est_typ_a, ==, 5);
    blk_unref(blk);
    device_end();
}

static void test_host_managed_zones_are_refused(void)
{
    g_autofree char *path = device_begin();
    g_autofree char *message =
        g_strdup_printf("'%s' is a host-managed zoned device: these are not supported", path);

    sysfs_put("queue/zoned", "host-managed\n");
    open_fails(message, "{'driver': 'host_device', 'node-name': 'h', 'filename': '%s'}", path);
    sysfs_put("queue/zoned", "host-aware\n");
    blk_unref(device_backend(path, ""));
    device_end();
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/medium/storage_without_it_offers_and_does_nothing",
                test_storage_without_it_offers_and_does_nothing);
    harness_add("/medium/long_erase_goes_in_pieces_that_the_medium_takes",
                test_long_erase_goes_in_pieces_that_the_medium_takes);
    harness_add("/medium/unaligned_erase_is_refused_as_a_whole",
                test_unaligned_erase_is_refused_as_a_whole);
    harness_add("/medium/node_that_ignores_discards_does_not_erase",
                test_node_that_ignores_discards_does_not_erase);
    harness_add("/medium/error_of_the_medium_is_told", test_error_of_the_medium_is_told);
    harness_add("/medium/filters_hand_both_on", test_filters_hand_both_on);
    harness_add("/medium/window_off_the_mediums_blocks_has_no_erase",
                test_window_off_the_mediums_blocks_has_no_erase);
    harness_add("/medium/device/that_can_is_asked_for_the_range",
                test_device_that_can_is_asked_for_the_range);
    harness_add("/medium/device/that_cannot_offers_no_erase",
                test_device_that_cannot_offers_no_erase);
    harness_add("/medium/device/lifetime_is_read_when_asked", test_lifetime_is_read_when_asked);
    harness_add("/medium/device/partition_is_as_worn_as_its_disk",
                test_partition_is_as_worn_as_its_disk);
    harness_add("/medium/device/host_managed_zones_are_refused",
                test_host_managed_zones_are_refused);
    return harness_run();
}
