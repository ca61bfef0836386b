/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers file and host_device: opening a file or block device of the host.
 *
 * Theory of operation
 *
 * The descriptor is opened once, for writing unless read-only, and serves requests of any thread
 * until the node is closed. Locks (file-posix-lock.c) are on the same open file, so closing it lets
 * them go. With cache.direct the alignment that the file system wants is asked from the kernel, or
 * found out by trial reads.
 */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/module.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "trace.h"

/* Largest alignment that trial reads look for, in bytes. */
#define DIO_TRIAL_MAX 65536

/* The kernel's limit of one transfer is INT_MAX rounded down to a page. */
#define MAX_TRANSFER (BDRV_REQUEST_MAX_BYTES & ~(uint64_t)0xffff)

static const BlockdevOptionsFile *raw_options(const BlockdevOptions *opts)
{
    return opts->driver == BLOCKDEV_DRIVER_HOST_DEVICE ? &opts->u.host_device : &opts->u.file;
}

/* file is for regular files; host_device for what is none. */
static int raw_check_mode(mode_t mode, BlockdevDriver driver, const char *filename, Error **errp)
{
    if (driver == BLOCKDEV_DRIVER_FILE && !S_ISREG(mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be a regular file",
                   BlockdevDriver_str(driver), filename);
        return -EINVAL;
    }
    if (driver != BLOCKDEV_DRIVER_FILE && !S_ISBLK(mode) && !S_ISCHR(mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be either a character or block device",
                   BlockdevDriver_str(driver), filename);
        return -EINVAL;
    }
    return 0;
}

/*
 * Before the open: that of a wrong device may do something, such as rewind a tape, and a socket
 * cannot be opened at all. What cannot be asked is for the open to tell.
 */
static int raw_check_name(BlockdevDriver driver, const char *filename, Error **errp)
{
    struct stat st;

    return stat(filename, &st) < 0 ? 0 : raw_check_mode(st.st_mode, driver, filename, errp);
}

static int raw_check_type(BlockDriverState *bs, BlockdevDriver driver, const char *filename,
                          Error **errp)
{
    BDRVRawState *s = bs->opaque;
    struct stat st;
    int ret;

    if (fstat(s->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", filename);
        return -errno;
    }
    s->is_device = S_ISBLK(st.st_mode);
    ret = raw_check_mode(st.st_mode, driver, filename, errp);
    if (ret < 0) {
        return ret;
    }
    return s->is_device ? raw_device_check_zones(bs, filename, errp) : 0;
}

/* Without `locking=on` a host without such locks, or a file that cannot be locked, is fine. */
static int raw_choose_locking(BlockDriverState *bs, const BlockdevOptionsFile *o, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    OnOffAuto locking = o->has_locking ? o->locking : ON_OFF_AUTO_AUTO;

    if (locking == ON_OFF_AUTO_ON && !qemu_has_ofd_lock()) {
        error_setg(errp, "File lock requested but this host has no locks that belong to an open "
                         "file");
        return -ENOTSUP;
    }
    s->use_lock = locking != ON_OFF_AUTO_OFF && qemu_has_ofd_lock();
    if (s->use_lock && locking == ON_OFF_AUTO_AUTO) {
        int ret = qemu_lock_fd_test(s->fd, 0, 1, false);

        s->use_lock = ret == 0 || ret == -EAGAIN || ret == -EACCES;
    }
    return 0;
}

/* What was asked for by name is used, or an error. Main loop's thread: its ring is looked for. */
static bool raw_check_aio(const BlockdevOptionsFile *o, bool direct, Error **errp)
{
    if (o->has_aio && o->aio == BLOCKDEV_AIO_OPTIONS_NATIVE && !direct) {
        error_setg(errp, "aio=native was specified, but it requires cache.direct=on, which was "
                         "not specified.");
        return false;
    }
    if (aio_has_io_uring() || (o->has_aio && o->aio == BLOCKDEV_AIO_OPTIONS_THREADS)) {
        return true;
    }
    if (!o->has_aio || o->aio == BLOCKDEV_AIO_OPTIONS_NATIVE) {
        warn_report_once("io_uring is not available: files are read and written by threads, more "
                         "slowly");
        return true;
    }
#ifdef CONFIG_LINUX_IO_URING
    error_setg(errp, "aio=io_uring was specified, but is not available (disabled via "
                     "io_uring_disabled sysctl or blocked by container runtime seccomp policy?)");
#else
    error_setg(errp, "aio=io_uring was specified, but is not supported in this build.");
#endif
    return false;
}

static void raw_choose_aio(BDRVRawState *s, const BlockdevOptionsFile *o)
{
    unsigned abilities = raw_fs_abilities(s->fd);

    /* A thread other than the main loop's may lack a ring; that is asked for each request. */
    s->use_io_uring =
        (!o->has_aio || o->aio != BLOCKDEV_AIO_OPTIONS_THREADS) && (abilities & RAW_FS_IO_URING);
    s->use_map = (!o->has_x_mapped_reads || o->x_mapped_reads) && (abilities & RAW_FS_MAP);
    s->batch_writes = !s->direct && (abilities & RAW_FS_BATCH);
    if (o->has_aio && o->aio == BLOCKDEV_AIO_OPTIONS_IO_URING && !s->use_io_uring) {
        warn_report("'%s': aio=io_uring is not used on what this file is on, where it may lose "
                    "data: threads are",
                    o->filename);
    }
}

static int raw_open_checked(BlockDriverState *bs, BlockdevOptions *opts, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    const BlockdevOptionsFile *o = raw_options(opts);
    int ret = raw_check_type(bs, opts->driver, o->filename, errp);

    if (ret == 0) {
        ret = raw_choose_locking(bs, o, errp);
    }
    if (ret == 0) {
        raw_choose_aio(s, o);
        if (!(bs->open_flags & BDRV_O_FORCE_SHARE)) {
            raw_look_for_writers(s, o->filename, bs->open_flags & BDRV_O_RDWR);
        }
        s->extent_size_hint = raw_fd_extent_size_hint(s->fd);
    }
    return ret;
}

static int raw_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    const BlockdevOptionsFile *o = raw_options(opts);
    int ret;

    s->direct = flags & BDRV_O_NOCACHE;
    if (!raw_check_aio(o, s->direct, errp)) {
        return -EINVAL;
    }
    s->shared_perm = BLK_PERM_ALL;
    s->locked_shared_perm = BLK_PERM_ALL;
    ret = raw_check_name(opts->driver, o->filename, errp);
    if (ret < 0) {
        return ret;
    }
    s->fd = raw_open_file(o->filename, flags, &bs->read_only_reason, errp);
    if (s->fd < 0) {
        return s->fd;
    }
    if (bs->read_only_reason) {
        bs->open_flags &= ~BDRV_O_RDWR;
    }
    ret = raw_open_checked(bs, opts, errp);
    if (ret < 0) {
        qemu_close(s->fd);
        return ret;
    }
    g_free(bs->filename);
    bs->filename = g_strdup(o->filename);
    bs->supported_write_flags = BDRV_REQ_FUA;
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    return 0;
}

static void raw_close(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;

    raw_map_free(s);
    qemu_close(s->fd);
    s->fd = -1;
}

/* Alignment for O_DIRECT */

static bool trial_read(int fd, void *buf, size_t bytes)
{
    ssize_t ret = RETRY_ON_EINTR(pread(fd, buf, bytes, 0));

    /* Only EINVAL speaks of alignment. */
    return ret >= 0 || errno != EINVAL;
}

/* The smallest power of two from 512 on by which a length may be aligned; 0 if none works. */
static uint32_t trial_length_align(int fd, char *buf)
{
    for (uint32_t align = 512; align <= DIO_TRIAL_MAX; align *= 2) {
        if (trial_read(fd, buf, align)) {
            return align;
        }
    }
    return 0;
}

static uint32_t trial_memory_align(int fd, char *buf, size_t bytes)
{
    for (uint32_t align = 4; align <= DIO_TRIAL_MAX; align *= 2) {
        if (trial_read(fd, buf + align, bytes)) {
            return align;
        }
    }
    return 0;
}

static bool probe_by_trial(BDRVRawState *s)
{
    QEMU_AUTO_VFREE char *buf = qemu_memalign(2 * DIO_TRIAL_MAX, 3 * DIO_TRIAL_MAX);

    s->dio_offset_align = trial_length_align(s->fd, buf);
    if (s->dio_offset_align) {
        s->dio_mem_align = trial_memory_align(s->fd, buf, s->dio_offset_align);
    }
    return s->dio_offset_align && s->dio_mem_align;
}

static bool probe_by_statx(BDRVRawState *s)
{
#ifdef STATX_DIOALIGN
    struct statx stx;

    if (statx(s->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
        (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align && stx.stx_dio_mem_align) {
        s->dio_offset_align = stx.stx_dio_offset_align;
        s->dio_mem_align = stx.stx_dio_mem_align;
        return true;
    }
#endif
    return false;
}

static bool probe_by_ioctl(BDRVRawState *s)
{
    int sector_size = 0;

    if (!s->is_device || ioctl(s->fd, BLKSSZGET, &sector_size) < 0 || sector_size <= 0) {
        return false;
    }
    s->dio_offset_align = sector_size;
    s->dio_mem_align = sector_size;
    return true;
}

static void raw_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BDRVRawState *s = bs->opaque;

    bs->bl.max_iov = IOV_MAX;
    bs->bl.max_transfer = MAX_TRANSFER;
    raw_device_refresh_limits(bs);
    if (!s->direct) {
        return;
    }
    if (!probe_by_statx(s) && !probe_by_ioctl(s) && !probe_by_trial(s)) {
        error_setg(errp, "Could not find working O_DIRECT alignment");
        error_append_hint(errp, "Try cache.direct=off\n");
        return;
    }
    if (!is_power_of_2(s->dio_offset_align) || !is_power_of_2(s->dio_mem_align)) {
        error_setg(errp, "Alignment for O_DIRECT of '%s' is no power of two", bs->filename);
        return;
    }
    trace_file_direct_alignment(bs->filename, s->dio_offset_align, s->dio_mem_align);
    bs->bl.request_alignment = s->dio_offset_align;
    bs->bl.min_mem_alignment = s->dio_mem_align;
    bs->bl.opt_mem_alignment = MAX((size_t)s->dio_mem_align, qemu_real_host_page_size());
}

#define FILE_DRIVER(name)                                                                     \
    {                                                                                         \
        .format_name = name, .instance_size = sizeof(BDRVRawState), .bdrv_open = raw_open,    \
        .bdrv_close = raw_close, .bdrv_refresh_limits = raw_refresh_limits,                   \
        .bdrv_check_perm = raw_check_perm, .bdrv_set_perm = raw_set_perm,                     \
        .bdrv_abort_perm_update = raw_abort_perm_update, .bdrv_co_preadv = raw_co_preadv,     \
        .bdrv_co_pwritev = raw_co_pwritev, .bdrv_try_preadv = raw_try_preadv,                 \
        .bdrv_try_pwritev = raw_try_pwritev, .bdrv_co_pwrite_zeroes = raw_co_pwrite_zeroes,   \
        .bdrv_co_pdiscard = raw_co_pdiscard, .bdrv_co_secure_erase = raw_co_secure_erase,     \
        .bdrv_co_get_lifetime = raw_co_get_lifetime,                                          \
        .bdrv_co_flush_to_disk = raw_co_flush_to_disk, .bdrv_co_getlength = raw_co_getlength, \
        .bdrv_co_truncate = raw_co_truncate,                                                  \
        .bdrv_get_allocated_file_size = raw_get_allocated_file_size,                          \
        .bdrv_get_specific_info = raw_get_specific_info,                                      \
        .bdrv_get_specific_stats = raw_get_specific_stats,                                    \
    }

static BlockDriver file_drivers[] = { FILE_DRIVER("file"), FILE_DRIVER("host_device") };

static void file_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_drivers); i++) {
        bdrv_register(&file_drivers[i]);
    }
}
block_init(file_init);
