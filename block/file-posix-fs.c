/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the file system that a file is on is known to do well.
 *
 * Some ways of transferring data need more than read(2) and write(2) promise. On a FUSE file system
 * whose server reads short, io_uring says that all was read (Linux 6.18); a mapping of a file on
 * another host is not what was written there; a write that shall not wait does nevertheless. So
 * each way is for the file systems in the table, where it has been looked at; everywhere else
 * threads read and write, and go on after whatever was transferred. A block device is none: what
 * its requests transfer is the kernel's own business.
 */
#include "qemu/osdep.h"
#include <linux/magic.h>
#include <sys/vfs.h>
#include "block/file-posix.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

#define RAW_FS_ALL (RAW_FS_IO_URING | RAW_FS_MAP | RAW_FS_BATCH)

static const struct {
    uint64_t type; /* f_type of statfs(2) */
    unsigned abilities;
} file_systems[] = {
    { EXT4_SUPER_MAGIC, RAW_FS_ALL }, /* ext2 and ext3 too */
    { XFS_SUPER_MAGIC, RAW_FS_ALL },  { BTRFS_SUPER_MAGIC, RAW_FS_ALL },
    { F2FS_SUPER_MAGIC, RAW_FS_ALL }, { TMPFS_MAGIC, RAW_FS_ALL },
};

unsigned raw_fs_type_abilities(uint64_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++) {
        if (file_systems[i].type == type) {
            return file_systems[i].abilities;
        }
    }
    return 0;
}

unsigned raw_fs_abilities(int fd)
{
    struct statfs fs;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return 0;
    }
    if (S_ISBLK(st.st_mode)) {
        return RAW_FS_IO_URING;
    }
    return S_ISREG(st.st_mode) && fstatfs(fd, &fs) == 0 ? raw_fs_type_abilities(fs.f_type) : 0;
}
