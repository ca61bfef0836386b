/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going to the background, and the file with the process's number.
 *
 * Theory of operation: parent and child share a pipe. A byte on it means that the child works;
 * its end without a byte means that the child has ended, after having said why on the caller's
 * standard error, which it keeps until it is ready.
 */
#include "qemu/osdep.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "daemonize.h"
#include "qemu/cutils.h"
#include "qemu/inherited-fds.h"

static int ready_fd = -1;

static void G_GNUC_NORETURN wait_for_child(int fd)
{
    char byte;
    ssize_t n = RETRY_ON_EINTR(read(fd, &byte, 1));

    /* Not exit(): what the program registered is the child's to do. */
    _exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool daemonize_begin(Error **errp)
{
    int fds[2];
    pid_t pid;

    qemu_set_daemonized();
    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "cannot daemonize: pipe");
        return false;
    }
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        error_setg_errno(errp, errno, "cannot daemonize: fork");
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    umask(027);
    return true;
}

/* The standard stream of the caller that @st is another opening of; -1 if it is none. */
static int caller_stream(const struct stat *st)
{
    struct stat caller;

    if (!S_ISFIFO(st->st_mode) && !S_ISSOCK(st->st_mode)) {
        return -1;
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fstat(fd, &caller) == 0 && caller.st_dev == st->st_dev && caller.st_ino == st->st_ino) {
            return fd;
        }
    }
    return -1;
}

/*
 * Whoever reads what the caller's command writes would wait for its end for ever if something of
 * ours (a file called /dev/stdout) kept it open.
 */
static bool check_streams_unused(Error **errp)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int fd, stream = -1;
    struct stat st;

    while (dir && stream < 0 && (entry = readdir(dir))) {
        if (qemu_strtoi(entry->d_name, NULL, 10, &fd) == 0 && fd > STDERR_FILENO &&
            !inherited_fd_known(fd) && fstat(fd, &st) == 0) {
            stream = caller_stream(&st);
        }
    }
    if (dir) {
        closedir(dir);
    }
    if (stream >= 0) {
        error_setg(errp, "cannot daemonize: something uses standard %s",
                   (const char *const[]){ "input", "output", "error" }[stream]);
    }
    return stream < 0;
}

bool daemonize_ready(Error **errp)
{
    int null;

    if (ready_fd < 0) {
        return true;
    }
    if (!check_streams_unused(errp)) {
        return false;
    }
    if (chdir("/") < 0) {
        error_setg_errno(errp, errno, "cannot change to the root folder");
        return false;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        error_setg_file_open(errp, errno, "/dev/null");
        return false;
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        dup2(null, fd);
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
    /* Nobody may be left to read it; then nobody minds. */
    if (RETRY_ON_EINTR(write(ready_fd, "", 1)) < 0) {
        errno = 0;
    }
    close(ready_fd);
    ready_fd = -1;
    return true;
}

bool pidfile_create(const char *path, Error **errp)
{
    ERRP_GUARD();

    if (!qemu_write_pidfile(path, errp)) {
        error_prepend(errp, "cannot create PID file: ");
        return false;
    }
    return true;
}

void pidfile_remove(void)
{
    qemu_remove_pidfile();
}
