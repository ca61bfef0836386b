/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the monitor asks about files and block devices of the host. */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "qapi/qapi-types-block-stats.h"
#include "qemu/atomic.h"
#include "block/file-posix.h"

int64_t raw_fd_extent_size_hint(int fd)
{
    struct fsxattr attributes = { 0 };

    return ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 ? (int64_t)attributes.fsx_extsize : -1;
}

ImageInfoSpecific *raw_get_specific_info(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;
    ImageInfoSpecific *info = g_new0(ImageInfoSpecific, 1);
    ImageInfoSpecificFile *file = g_new0(ImageInfoSpecificFile, 1);

    info->type = IMAGE_INFO_SPECIFIC_KIND_FILE;
    info->u.file.data = file;
    file->has_extent_size_hint = s->extent_size_hint >= 0;
    file->extent_size_hint = MAX(s->extent_size_hint, 0);
    return info;
}

BlockStatsSpecific *raw_get_specific_stats(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;
    BlockStatsSpecific *stats = g_new0(BlockStatsSpecific, 1);
    bool device = !strcmp(bs->drv->format_name, "host_device");
    BlockStatsSpecificFile *file = device ? &stats->u.host_device : &stats->u.file;

    stats->driver = device ? BLOCKDEV_DRIVER_HOST_DEVICE : BLOCKDEV_DRIVER_FILE;
    file->discard_nb_ok = qatomic_read(&s->discards_ok);
    file->discard_nb_failed = qatomic_read(&s->discards_failed);
    file->discard_bytes_ok = qatomic_read(&s->discarded_bytes);
    return stats;
}
