/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only block devices of the host have: zones, secure erase, a lifetime.
 *
 * sysfs tells of them beside the device or, for a partition, beside the disk that it is on. A
 * device that sysfs does not know has none of them.
 */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "block/medium.h"
#include "block/thread-pool.h"

static const char *sysfs = "/sys";

void raw_device_set_sysfs(const char *folder)
{
    sysfs = folder;
}

/* An attribute of the device, or of the disk around it; NULL: there is none. Caller frees. */
static char *read_attribute(int fd, const char *name)
{
    static const char *const places[] = { "", "../" };
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        g_autofree char *path = g_strdup_printf("%s/dev/block/%u:%u/%s%s", sysfs, major(st.st_rdev),
                                                minor(st.st_rdev), places[i], name);
        char *text;

        if (g_file_get_contents(path, &text, NULL, NULL)) {
            return g_strstrip(text);
        }
    }
    return NULL;
}

static uint32_t read_number(int fd, const char *name)
{
    g_autofree char *text = read_attribute(fd, name);
    uint64_t value = text ? g_ascii_strtoull(text, NULL, 10) : 0;

    return MIN(value, (uint64_t)UINT32_MAX);
}

int raw_device_check_zones(int fd, const char *filename, Error **errp)
{
    g_autofree char *model = read_attribute(fd, "queue/zoned");

    if (!g_strcmp0(model, "host-managed")) {
        error_setg(errp, "'%s' is a host-managed zoned device: these are not supported", filename);
        return -ENOTSUP;
    }
    return 0;
}

/*
 * The kernel looks whether the device can before it looks at the range. That one is not aligned,
 * so nothing is erased. (Kernels before 5.19 look at the range first; there the requests fail.)
 */
static bool can_secure_erase(int fd)
{
    uint64_t no_range[2] = { 1, 0 };

    return ioctl(fd, BLKSECDISCARD, no_range) < 0 && errno == EINVAL;
}

static bool parse_lifetime(int fd, BlockLifetime *ret_lifetime)
{
    g_autofree char *used = read_attribute(fd, "device/life_time");
    g_autofree char *spare = read_attribute(fd, "device/pre_eol_info");
    unsigned a, b, eol;

    if (!used || !spare || sscanf(used, "%x %x", &a, &b) != 2 || sscanf(spare, "%x", &eol) != 1 ||
        a > UINT8_MAX || b > UINT8_MAX || eol > UINT8_MAX) {
        return false;
    }
    *ret_lifetime = (BlockLifetime){ .pre_eol_info = eol, .est_typ_a = a, .est_typ_b = b };
    return true;
}

void raw_device_ask(BDRVRawState *s)
{
    BlockLifetime now;

    if (!s->is_device) {
        return;
    }
    if (can_secure_erase(s->fd)) {
        uint32_t granularity = read_number(s->fd, "queue/discard_granularity");

        s->max_secure_erase = BDRV_REQUEST_MAX_BYTES;
        s->secure_erase_alignment = is_power_of_2(granularity) ? granularity : 0;
    }
    s->has_lifetime = parse_lifetime(s->fd, &now);
}

/* ---- Requests ---- */

typedef struct DeviceOp {
    int fd;
    uint64_t range[2]; /* bytes: offset, length */
    BlockLifetime lifetime;
} DeviceOp;

static int secure_erase_thread(void *opaque)
{
    DeviceOp *op = opaque;

    if (RETRY_ON_EINTR(ioctl(op->fd, BLKSECDISCARD, op->range)) < 0) {
        return errno == EOPNOTSUPP || errno == ENOTTY ? -ENOTSUP : -errno;
    }
    return 0;
}

int coroutine_fn raw_co_secure_erase(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    BDRVRawState *s = bs->opaque;
    DeviceOp op = { .fd = s->fd, .range = { offset, bytes } };

    return thread_pool_submit_co(secure_erase_thread, &op);
}

/* The kernel asks the device when its file in sysfs is read. */
static int lifetime_thread(void *opaque)
{
    DeviceOp *op = opaque;

    return parse_lifetime(op->fd, &op->lifetime) ? 0 : -EIO;
}

int coroutine_fn raw_co_get_lifetime(BlockDriverState *bs, BlockLifetime *ret_lifetime)
{
    BDRVRawState *s = bs->opaque;
    DeviceOp op = { .fd = s->fd };
    int ret = thread_pool_submit_co(lifetime_thread, &op);

    if (ret == 0) {
        *ret_lifetime = op.lifetime;
    }
    return ret;
}
