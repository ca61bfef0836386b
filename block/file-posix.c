/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers file and host_device: opening a file or block device of the host.
 *
 * Theory of operation
 *
 * The descriptor is opened once, for writing unless read-only, and serves requests of any thread
 * until the node is closed. Locks (file-posix-lock.c) are on the same open file, so closing it lets
 * them go. All that the file has to be asked for then has been asked before (file-posix-prepare.c).
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "trace.h"

/* The kernel's limit of one transfer is INT_MAX rounded down to a page. */
#define MAX_TRANSFER (BDRV_REQUEST_MAX_BYTES & ~(uint64_t)0xffff)

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

static int raw_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    const BlockdevOptionsFile *o = raw_options(opts);
    RawPrepared *prepared = bs->prepared;

    if (!raw_check_aio(o, prepared->s.direct, errp)) {
        return -EINVAL;
    }
    *s = prepared->s;
    s->shared_perm = BLK_PERM_ALL;
    s->locked_shared_perm = BLK_PERM_ALL;
    bs->read_only_reason = prepared->read_only_reason;
    g_free(prepared);
    bs->prepared = NULL;
    if (bs->read_only_reason) {
        bs->open_flags &= ~BDRV_O_RDWR;
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
    if (s->is_local) {
        qemu_close(s->fd);
        g_atomic_rc_box_release(s->answers);
    } else {
        raw_answers_close(s->answers, s->fd);
    }
    s->fd = -1;
    s->answers = NULL;
}

static void raw_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BDRVRawState *s = bs->opaque;

    bs->bl.max_iov = IOV_MAX;
    bs->bl.max_transfer = MAX_TRANSFER;
    bs->bl.max_secure_erase = s->max_secure_erase;
    bs->bl.secure_erase_alignment = s->secure_erase_alignment;
    bs->bl.has_lifetime = s->has_lifetime;
    if (!s->direct) {
        return;
    }
    trace_file_direct_alignment(bs->filename, s->dio_offset_align, s->dio_mem_align);
    bs->bl.request_alignment = s->dio_offset_align;
    bs->bl.min_mem_alignment = s->dio_mem_align;
    bs->bl.opt_mem_alignment = MAX((size_t)s->dio_mem_align, qemu_real_host_page_size());
}

#define FILE_DRIVER(name)                                                                        \
    {                                                                                            \
        .format_name = name, .instance_size = sizeof(BDRVRawState), .bdrv_prepare = raw_prepare, \
        .bdrv_unprepare = raw_unprepare, .bdrv_probe = raw_probe, .bdrv_co_ping = raw_co_ping,   \
        .bdrv_co_refresh_info = raw_co_refresh_info, .bdrv_open = raw_open,                      \
        .bdrv_close = raw_close, .bdrv_refresh_limits = raw_refresh_limits,                      \
        .bdrv_check_perm = raw_check_perm, .bdrv_set_perm = raw_set_perm,                        \
        .bdrv_abort_perm_update = raw_abort_perm_update, .bdrv_co_preadv = raw_co_preadv,        \
        .bdrv_co_pwritev = raw_co_pwritev, .bdrv_try_preadv = raw_try_preadv,                    \
        .bdrv_try_pwritev = raw_try_pwritev, .bdrv_co_pwrite_zeroes = raw_co_pwrite_zeroes,      \
        .bdrv_co_pdiscard = raw_co_pdiscard, .bdrv_co_secure_erase = raw_co_secure_erase,        \
        .bdrv_co_get_lifetime = raw_co_get_lifetime,                                             \
        .bdrv_co_flush_to_disk = raw_co_flush_to_disk, .bdrv_co_getlength = raw_co_getlength,    \
        .bdrv_co_truncate = raw_co_truncate,                                                     \
        .bdrv_get_allocated_file_size = raw_get_allocated_file_size,                             \
        .bdrv_get_specific_info = raw_get_specific_info,                                         \
        .bdrv_get_specific_stats = raw_get_specific_stats,                                       \
    }

static BlockDriver file_drivers[] = { FILE_DRIVER("file"), FILE_DRIVER("host_device") };

static void file_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_drivers); i++) {
        bdrv_register(&file_drivers[i]);
    }
}
block_init(file_init);
