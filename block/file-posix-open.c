/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening a file, for as much as it, its mount and its descriptor allow.
 *
 * The kernel refuses most of what is not allowed when a file is opened for writing: a mount or file
 * that is read-only, immutable or only appended to, a program that runs, a disk that is mounted.
 * What it would refuse only when the first write comes is asked for here. With auto-read-only, each
 * of these reasons is a reason to go on without writing, and is kept for whoever wants to write.
 */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "block/file-posix.h"

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif
#define SEALED_FOR_WRITES (0x0008 | 0x0010) /* F_SEAL_WRITE, F_SEAL_FUTURE_WRITE */

static bool forbids_writing_only(int err)
{
    static const int reasons[] = { EACCES, EPERM, EROFS, ETXTBSY, EBUSY };

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (err == reasons[i]) {
            return true;
        }
    }
    return false;
}

/*
 * A name of a descriptor of ours is opened anew, with the rights of this process. Whoever handed it
 * over may have meant less.
 */
static int check_named_descriptor(const char *filename, int oflags, Error **errp)
{
    int fd = qemu_descriptor_in_name(filename);
    int has = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    int mode = has & O_ACCMODE;
    const char *lacks = NULL;

    /* What is not open at all, or only as a place, gets its answer from open(). */
    if (has < 0 || (has & O_PATH)) {
        return 0;
    }
    if (mode == O_WRONLY) {
        lacks = "reading";
    } else if ((oflags & O_ACCMODE) == O_RDWR && (mode != O_RDWR || (has & O_APPEND))) {
        lacks = mode == O_RDWR ? "writing elsewhere than at the end" : "writing";
    }
    if (lacks) {
        error_setg_errno(errp, EACCES, "Could not open '%s': descriptor %d is not open for %s",
                         filename, fd, lacks);
        return -EACCES;
    }
    return 0;
}

/* Would the kernel refuse writes to @fd though it is open for them? */
static int check_writable(const char *filename, int fd, Error **errp)
{
    const char *reason = NULL;
    int read_only = 0, seals;
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKROGET, &read_only) == 0 && read_only) {
            reason = "the device is read-only";
        }
    } else {
        seals = fcntl(fd, F_GET_SEALS);
        if (seals > 0 && (seals & SEALED_FOR_WRITES)) {
            reason = "the file is sealed against writes";
        }
    }
    if (reason) {
        error_setg(errp, "Could not open '%s': %s", filename, reason);
        return -EACCES;
    }
    return 0;
}

/*
 * Opening a FIFO or a terminal waits for somebody else, unless told not to. Afterwards the
 * descriptor behaves as if nothing had been told. A disk drive without a medium shall say so, which
 * it does not with O_NONBLOCK; a file that somebody has a lease on is given back within the
 * kernel's bound.
 */
static int open_without_waiting(const char *filename, int oflags, Error **errp)
{
    Error *reason = NULL;
    struct stat st;
    int fd, has;

    if (stat(filename, &st) == 0 && S_ISBLK(st.st_mode)) {
        return qemu_open(filename, oflags, errp);
    }
    fd = qemu_open(filename, oflags | O_NONBLOCK, &reason);
    if (fd < 0 && errno == EWOULDBLOCK) {
        error_free(reason);
        return qemu_open(filename, oflags, errp);
    }
    if (fd < 0) {
        int saved_errno = errno;

        error_propagate(errp, reason);
        errno = saved_errno;
        return -1;
    }
    has = fcntl(fd, F_GETFL);
    if (has >= 0 && (has & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, has & ~O_NONBLOCK);
    }
    return fd;
}

static int open_for(const char *filename, int oflags, Error **errp)
{
    int ret = check_named_descriptor(filename, oflags, errp);
    int fd;

    if (ret < 0) {
        return ret;
    }
    fd = open_without_waiting(filename, oflags, errp);
    if (fd < 0) {
        return -errno;
    }
    ret = (oflags & O_ACCMODE) == O_RDWR ? check_writable(filename, fd, errp) : 0;
    if (ret < 0) {
        qemu_close(fd);
        return ret;
    }
    return fd;
}

int raw_open_file(const char *filename, int flags, char **ret_read_only_reason, Error **errp)
{
    int oflags = O_CLOEXEC | (flags & BDRV_O_NOCACHE ? O_DIRECT : 0);
    Error *reason = NULL;
    int fd, again;

    if (!(flags & BDRV_O_RDWR)) {
        return open_for(filename, oflags | O_RDONLY, errp);
    }
    fd = open_for(filename, oflags | O_RDWR, &reason);
    if (fd >= 0) {
        return fd;
    }
    again = (flags & BDRV_O_AUTO_RDONLY) && forbids_writing_only(-fd)
                ? open_for(filename, oflags | O_RDONLY, NULL)
                : -1;
    if (again < 0) {
        error_propagate(errp, reason);
        return fd;
    }
    *ret_read_only_reason = g_strdup(error_get_pretty(reason));
    error_free(reason);
    return again;
}
