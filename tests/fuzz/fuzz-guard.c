/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outside world as a fuzzed daemon may see it: an empty folder of its own, and nothing else.
 *
 * The input names files, sockets and hosts, and means it: block_resize cuts a file off. The linker
 * leads the calls below here (--wrap); only what is linked statically is led, so libraries may
 * still read their files.
 */
#include "qemu/osdep.h"
#include <netdb.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <glib/gstdio.h>
#include "qemu/coroutine.h"
#include "fuzz.h"

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res);
int __wrap_openpty(int *master, int *slave, char *name, const struct termios *termp,
                   const struct winsize *winp);
void coroutine_fn __wrap_qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns);
void coroutine_fn __real_qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns);
bool coroutine_fn __wrap_vu_work_afford(void *server);

static bool guarded;
static char *folder;

static void remove_folder(void)
{
    fuzz_guard_clean();
    (void)!chdir("/");
    rmdir(folder);
}

void fuzz_guard_begin(void)
{
    g_assert(!guarded);
    folder = g_dir_make_tmp("fuzz-XXXXXX", NULL);
    g_assert(folder && chdir(folder) == 0);
    guarded = true;
    atexit(remove_folder);
}

void fuzz_guard_clean(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        __real_unlink(path);
    }
}

/* A plain name in our folder. */
static bool may_touch(const char *path)
{
    return !guarded || (path[0] && path[0] != '.' && !strchr(path, '/'));
}

static bool may_open(const char *path)
{
    return may_touch(path) || !strcmp(path, "/dev/null") || g_str_has_prefix(path, "/proc/self/") ||
           !strcmp(path, ".") || !strcmp(path, "/");
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    if (!may_open(path)) {
        errno = EACCES;
        return -1;
    }
    return __real_open64(path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    return __wrap_open64(path, flags, mode);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    errno = EACCES;
    return NULL;
}

static bool may_meet(const struct sockaddr *addr)
{
    return !guarded ||
           (addr->sa_family == AF_UNIX && may_touch(((const struct sockaddr_un *)addr)->sun_path));
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!may_meet(addr)) {
        errno = EACCES;
        return -1;
    }
    return __real_bind(fd, addr, len);
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!may_meet(addr)) {
        errno = EACCES;
        return -1;
    }
    return __real_connect(fd, addr, len);
}

int __wrap_unlink(const char *path)
{
    if (!may_touch(path)) {
        errno = EACCES;
        return -1;
    }
    return __real_unlink(path);
}

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res)
{
    return EAI_NONAME;
}

int __wrap_openpty(int *master, int *slave, char *name, const struct termios *termp,
                   const struct winsize *winp)
{
    errno = EACCES;
    return -1;
}

/* The latency that a node was given would be waited for. */
void coroutine_fn __wrap_qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns)
{
    __real_qemu_co_sleep_ns_wakeable(w, type, MIN(ns, INT64_C(1000)));
}

/* A server whose messages cost too much would sleep through the next inputs. */
bool coroutine_fn __wrap_vu_work_afford(void *server)
{
    return true;
}
