/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory, descriptors and the process on POSIX. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include <sys/random.h>
#include <sys/syscall.h>

size_t qemu_real_host_page_size(void)
{
    return sysconf(_SC_PAGESIZE);
}

intptr_t qemu_real_host_page_mask(void)
{
    return -(intptr_t)qemu_real_host_page_size();
}

void *qemu_try_memalign(size_t alignment, size_t size)
{
    void *ptr;

    alignment = MAX(alignment, sizeof(void *));
    assert(is_power_of_2(alignment));
    return posix_memalign(&ptr, alignment, MAX(size, 1)) == 0 ? ptr : NULL;
}

void *qemu_memalign(size_t alignment, size_t size)
{
    void *p = qemu_try_memalign(alignment, size);

    if (!p) {
        error_report("cannot allocate %zu bytes aligned to %zu", size, alignment);
        abort();
    }
    return p;
}

void qemu_vfree(void *ptr)
{
    free(ptr);
}

int qemu_madvise(void *addr, size_t len, int advice)
{
    return madvise(addr, len, advice);
}

bool qemu_set_blocking(int fd, bool block, Error **errp)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = block ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;

    if (flags < 0 || (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)) {
        error_setg_errno(errp, errno, "cannot make descriptor %d %s", fd,
                         block ? "blocking" : "non-blocking");
        return false;
    }
    return true;
}

void qemu_set_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    assert(flags >= 0);
    flags = fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    assert(flags >= 0);
}

int qemu_pipe(int pipefd[2])
{
    return pipe2(pipefd, O_CLOEXEC);
}

int qemu_get_thread_id(void)
{
    return syscall(SYS_gettid);
}

bool qemu_get_random_bytes(void *buf, size_t len, Error **errp)
{
    char *p = buf;

    while (len) {
        ssize_t got = RETRY_ON_EINTR(getrandom(p, len, 0));

        if (got < 0) {
            error_setg_errno(errp, errno, "cannot get random bytes");
            return false;
        }
        p += got;
        len -= got;
    }
    return true;
}

/* Whether @path still names the file open at @fd. */
static bool same_file(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* The open descriptor keeps its number from being another file's. A link to it is not ours. */
static void unlink_if_same(int fd, const char *path)
{
    struct stat st;

    if (same_file(fd, path) && lstat(path, &st) == 0 && !S_ISLNK(st.st_mode)) {
        unlink(path);
    }
}

/* Of the last pid file: its name without symbolic links, as the working folder may change. */
static char *pidfile_path;
static int pidfile_fd = -1;

static void remember_pidfile(const char *path, int fd)
{
    g_free(pidfile_path);
    pidfile_path = realpath(path, NULL);
    pidfile_fd = fd;
}

void qemu_remove_pidfile(void)
{
    if (pidfile_path) {
        unlink_if_same(pidfile_fd, pidfile_path);
    }
}

/*
 * The pid file, open and locked; -1 with @errp. A process that ends unlinks its file: the one that
 * was locked may not be the one that is there.
 */
static int lock_pidfile(const char *path, Error **errp)
{
    for (;;) {
        int fd = qemu_create(path, O_WRONLY, S_IRUSR | S_IWUSR, errp);
        int ret;

        if (fd < 0) {
            error_prepend(errp, "Cannot open pid file: ");
            return -1;
        }
        ret = -qemu_lock_fd(fd, 0, 0, true);
        if (ret == 0 && same_file(fd, path)) {
            return fd;
        }
        close(fd);
        if (ret) {
            error_setg_errno(errp, ret, "Cannot lock pid file '%s'", path);
            return -1;
        }
    }
}

bool qemu_write_pidfile(const char *path, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    size_t len = strlen(text);
    int fd = lock_pidfile(path, errp);

    if (fd < 0) {
        return false;
    }
    if (ftruncate(fd, 0) < 0 || qemu_write_full(fd, text, len) != (ssize_t)len) {
        error_setg_errno(errp, errno, "Failed to write pid file '%s'", path);
        unlink_if_same(fd, path);
        close(fd);
        return false;
    }
    remember_pidfile(path, fd);
    /* @fd stays open: the lock is the process's claim. */
    return true;
}

static bool daemonized;

bool is_daemonized(void)
{
    return daemonized;
}

void qemu_set_daemonized(void)
{
    daemonized = true;
}

static char *exec_dir;

void qemu_init_exec_dir(const char *argv0)
{
    g_autofree char *path = g_file_read_link("/proc/self/exe", NULL);

    if (!path) {
        path = realpath(argv0, NULL);
    }
    g_free(exec_dir);
    exec_dir = path ? g_path_get_dirname(path) : NULL;
}

const char *qemu_get_exec_dir(void)
{
    return exec_dir ? exec_dir : ".";
}
