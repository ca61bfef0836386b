/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: opening, locking and writing them. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/cutils.h"
#include "qemu/inherited-fds.h"

Role main_loop_role;
Role coroutine_role;

int qemu_descriptor_in_name(const char *name)
{
    static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
    int fd;

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (g_str_has_prefix(name, folders[i]) &&
            qemu_strtoi(name + strlen(folders[i]), NULL, 10, &fd) == 0 && fd >= 0) {
            return fd;
        }
    }
    return -1;
}

/*
 * Another descriptor for what @fd has open, if that serves. To open it by its name makes a new open
 * file, which whoever gave us the old one may have more right to than we have.
 */
static int dup_for_open(int fd, int flags)
{
    int has = fcntl(fd, F_GETFL);

    if (has < 0 || (has & O_PATH) ||
        ((has & O_ACCMODE) != O_RDWR && (has & O_ACCMODE) != (flags & O_ACCMODE))) {
        return -1;
    }
    if ((flags & O_DIRECT) && !(has & O_DIRECT) && fcntl(fd, F_SETFL, has | O_DIRECT) < 0) {
        return -1;
    }
    return qemu_dup(fd);
}

static int open_cloexec(const char *name, int flags, mode_t mode)
{
    int fd = RETRY_ON_EINTR(open(name, flags | O_CLOEXEC, mode));
    int saved_errno = errno;
    int inherited;

    if (fd >= 0 || (saved_errno != EACCES && saved_errno != EPERM)) {
        return fd;
    }
    inherited = qemu_descriptor_in_name(name);
    fd = inherited >= 0 ? dup_for_open(inherited, flags) : -1;
    errno = saved_errno;
    return fd;
}

static int open_with_error(const char *name, int flags, mode_t mode, Error **errp)
{
    int number = qemu_descriptor_in_name(name);
    int fd, saved_errno;

    if (number >= 0 && !inherited_fd_free_to_use(number)) {
        error_setg(errp, "Could not open '%s': it was not handed over to this program", name);
        errno = EBADF;
        return -1;
    }
    fd = open_cloexec(name, flags, mode);
    saved_errno = errno;
    if (fd >= 0) {
        return fd;
    }
    if (saved_errno == EINVAL && (flags & O_DIRECT)) {
        error_setg(errp, "Could not open '%s': filesystem does not support O_DIRECT", name);
    } else {
        error_setg_file_open(errp, saved_errno, name);
    }
    errno = saved_errno;
    return -1;
}

int qemu_open(const char *name, int flags, Error **errp)
{
    assert(!(flags & O_CREAT));
    return open_with_error(name, flags, 0, errp);
}

int qemu_create(const char *name, int flags, mode_t mode, Error **errp)
{
    assert(!(flags & O_CREAT));
    return open_with_error(name, flags | O_CREAT, mode, errp);
}

int qemu_open_old(const char *name, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if (flags & O_CREAT) {
        mode = va_arg(ap, int);
    }
    va_end(ap);
    return open_cloexec(name, flags, mode);
}

int qemu_close(int fd)
{
    return close(fd);
}

int qemu_unlink(const char *name)
{
    return unlink(name);
}

int qemu_dup_flags(int fd, int flags)
{
    int ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int saved_errno;

    if (ret >= 0 && fcntl(ret, F_SETFL, flags) < 0) {
        saved_errno = errno;
        close(ret);
        errno = saved_errno;
        ret = -1;
    }
    return ret;
}

int qemu_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int qemu_fdatasync(int fd)
{
    return RETRY_ON_EINTR(fdatasync(fd));
}

ssize_t qemu_write_full(int fd, const void *buf, size_t count)
{
    const char *p = buf;
    size_t done = 0;

    while (done < count) {
        ssize_t len = RETRY_ON_EINTR(write(fd, p + done, count - done));

        if (len < 0) {
            break;
        }
        done += len;
    }
    return done;
}

#ifdef F_OFD_SETLK
/* 0: not asked yet; 1: the kernel has OFD locks; -1: it has not. Asking twice does no harm. */
static int ofd_lock_state;

bool qemu_has_ofd_lock(void)
{
    struct flock fl = { .l_whence = SEEK_SET, .l_type = F_WRLCK };
    int state = qatomic_read(&ofd_lock_state);
    int fd;

    if (state) {
        return state > 0;
    }
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    state = fcntl(fd, F_OFD_GETLK, &fl) == 0 ? 1 : -1;
    close(fd);
    qatomic_set(&ofd_lock_state, state);
    return state > 0;
}

static int lock_cmd(int ofd_cmd, int posix_cmd)
{
    return qemu_has_ofd_lock() ? ofd_cmd : posix_cmd;
}
#define LOCK_CMD(name) lock_cmd(F_OFD_##name, F_##name)
#else
bool qemu_has_ofd_lock(void)
{
    return false;
}
#define LOCK_CMD(name) F_##name
#endif

static int set_lock(int fd, int64_t start, int64_t len, int type)
{
    struct flock fl = { .l_whence = SEEK_SET, .l_start = start, .l_len = len, .l_type = type };

    return RETRY_ON_EINTR(fcntl(fd, LOCK_CMD(SETLK), &fl)) < 0 ? -errno : 0;
}

int qemu_lock_fd(int fd, int64_t start, int64_t len, bool exclusive)
{
    return set_lock(fd, start, len, exclusive ? F_WRLCK : F_RDLCK);
}

int qemu_unlock_fd(int fd, int64_t start, int64_t len)
{
    return set_lock(fd, start, len, F_UNLCK);
}

int qemu_lock_fd_test(int fd, int64_t start, int64_t len, bool exclusive)
{
    struct flock fl = {
        .l_whence = SEEK_SET,
        .l_start = start,
        .l_len = len,
        .l_type = exclusive ? F_WRLCK : F_RDLCK,
    };

    if (fcntl(fd, LOCK_CMD(GETLK), &fl) < 0) {
        return -errno;
    }
    return fl.l_type == F_UNLCK ? 0 : -EAGAIN;
}
