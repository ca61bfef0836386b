/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system gives: the first header of every .c file.
 *
 * Brings libc's everyday headers, GLib, the compiler's tools and the common type names, and
 * declares the system helpers of util/osdep.c and util/oslib-posix.c.
 */
#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

#include "config-host.h"

#ifdef NDEBUG
#error assertions guard invariants of the program and must stay on
#endif
#ifdef G_DISABLE_ASSERT
#error GLib assertions must stay on
#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>
#include <time.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/wait.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "qemu/compiler.h"
#include "qemu/roles.h"
#include "qemu/typedefs.h"

#ifndef CONFIG_POSIX
#define CONFIG_POSIX 1
#endif
#if defined(__linux__) && !defined(CONFIG_LINUX)
#define CONFIG_LINUX 1
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CONFIG_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CONFIG_TSAN 1
#endif

#ifndef O_BINARY
#define O_BINARY 0
#endif
#ifndef O_LARGEFILE
#define O_LARGEFILE 0
#endif

/* Numbers */

#undef MIN
#undef MAX
/* Each argument is evaluated once; both must have compatible types. */
#define QEMU_MINMAX_(a, b, va, vb, op) \
    __extension__({                    \
        __auto_type va = (a);          \
        __auto_type vb = (b);          \
        va op vb ? va : vb;            \
    })
#define MIN(a, b) QEMU_MINMAX_(a, b, MAKE_IDENTIFIER(min_a_), MAKE_IDENTIFIER(min_b_), <)
#define MAX(a, b) QEMU_MINMAX_(a, b, MAKE_IDENTIFIER(max_a_), MAKE_IDENTIFIER(max_b_), >)
/* For constant expressions (array bounds, static initialisers). */
#define MIN_CONST(a, b) ((a) < (b) ? (a) : (b))
#define MAX_CONST(a, b) ((a) > (b) ? (a) : (b))
/* The smaller of the two that is not zero; zero when both are. */
#define MIN_NON_ZERO(a, b)                                       \
    __extension__({                                              \
        __auto_type min_nz_a_ = (a);                             \
        __auto_type min_nz_b_ = (b);                             \
        min_nz_a_ == 0                              ? min_nz_b_  \
        : (min_nz_b_ == 0 || min_nz_a_ < min_nz_b_) ? min_nz_a_  \
                                                    : min_nz_b_; \
    })

/* @d must be a power of two; the result has the wider of both types. */
#define ROUND_UP(n, d)   (((n) + (d)-1) & -(0 ? (n) : (d)))
#define ROUND_DOWN(n, d) ((n) & -(0 ? (n) : (d)))
#ifndef DIV_ROUND_UP
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#endif

/* @m may be any positive number. */
#define QEMU_ALIGN_DOWN(n, m)     ((n) / (m) * (m))
#define QEMU_ALIGN_UP(n, m)       QEMU_ALIGN_DOWN((n) + (m)-1, (m))
#define QEMU_IS_ALIGNED(n, m)     (((n) % (m)) == 0)
#define QEMU_ALIGN_PTR_DOWN(p, n) ((__typeof__(p))QEMU_ALIGN_DOWN((uintptr_t)(p), (n)))
#define QEMU_ALIGN_PTR_UP(p, n)   ((__typeof__(p))QEMU_ALIGN_UP((uintptr_t)(p), (n)))
#define QEMU_PTR_IS_ALIGNED(p, n) QEMU_IS_ALIGNED((uintptr_t)(p), (n))

#ifndef ARRAY_SIZE
/* Number of elements of an array; a pointer does not compile. */
#define ARRAY_SIZE(x)               \
    ((sizeof(x) / sizeof((x)[0])) + \
     QEMU_BUILD_BUG_ON_ZERO(__builtin_types_compatible_p(__typeof__(x), __typeof__(&(x)[0]))))
#endif

/* Type limits, for types that have no name for them (off_t, time_t). */
#define TYPE_SIGNED(t) (!((t)0 < (t)-1))
#define TYPE_WIDTH(t)  (sizeof(t) * CHAR_BIT)
#define TYPE_MAXIMUM(t) \
    ((t)(!TYPE_SIGNED(t) ? (t)-1 : ((((t)1 << (TYPE_WIDTH(t) - 2)) - 1) * 2 + 1)))

/* Runs a system call again while a signal interrupts it. */
#define RETRY_ON_EINTR(expr)                             \
    __extension__({                                      \
        __typeof__(expr) retry_result_;                  \
        do {                                             \
            retry_result_ = (expr);                      \
        } while (retry_result_ == -1 && errno == EINTR); \
        retry_result_;                                   \
    })

/* A call that must have been optimised away; fails the build (or the link) when it was not. */
G_NORETURN extern void QEMU_ERROR("code path is reachable") qemu_build_not_reached_always(void);
#if defined(__OPTIMIZE__) && !defined(__NO_INLINE__)
#define qemu_build_not_reached() qemu_build_not_reached_always()
#else
#define qemu_build_not_reached() g_assert_not_reached()
#endif
#define qemu_build_assert(test)       \
    do {                              \
        if (!(test)) {                \
            qemu_build_not_reached(); \
        }                             \
    } while (0)

/* Memory; any thread */

/* Bytes of a page of this host; a power of two. */
size_t qemu_real_host_page_size(void);
/* -qemu_real_host_page_size(), to mask addresses with. */
intptr_t qemu_real_host_page_mask(void);

/*
 * @size bytes aligned to @alignment (power of two, multiple of sizeof(void *)); free by
 * qemu_vfree(). The try variant returns NULL when memory is short; the other ends the process then.
 * @size 0 is legal and yields a pointer to nothing.
 */
void *qemu_try_memalign(size_t alignment, size_t size);
void *qemu_memalign(size_t alignment, size_t size);
void qemu_vfree(void *ptr);
static inline void qemu_cleanup_generic_vfree(void *p)
{
    void **pp = p;
    qemu_vfree(*pp);
}
/* Frees a local variable's qemu_memalign() memory at the end of its block. */
#define QEMU_AUTO_VFREE __attribute__((cleanup(qemu_cleanup_generic_vfree)))

/* File descriptors; any thread */

/* Sets or clears O_NONBLOCK of @fd. False with @errp when the descriptor does not allow it. */
bool qemu_set_blocking(int fd, bool block, Error **errp);
/* Closes @fd over exec(). @fd must be open. */
void qemu_set_cloexec(int fd);
/* A pipe with both ends close-on-exec. 0, or -1 with errno. */
int qemu_pipe(int pipefd[2]);

/*
 * As open(2) with O_CLOEXEC; the descriptor or -1 with errno. EINTR is retried.
 * qemu_open() takes no O_CREAT; qemu_create() adds it. Both name the file in @errp and fill it
 * exactly when they return -1. O_DIRECT that the file system refuses says so.
 * qemu_open_old() is for callers that make their own message from errno.
 */
int qemu_open(const char *name, int flags, Error **errp);
int qemu_create(const char *name, int flags, mode_t mode, Error **errp);
int qemu_open_old(const char *name, int flags, ...);
/* The number in a name such as /dev/fd/3; -1: @name is none of these. Ours. */
int qemu_descriptor_in_name(const char *name);
/* Closes once; 0, or -1 with errno. The descriptor is gone either way. */
int qemu_close(int fd);
int qemu_unlink(const char *name);
/* A close-on-exec duplicate with the given open flags (access mode unchanged); -1 with errno. */
int qemu_dup_flags(int fd, int flags);
int qemu_dup(int fd);
/* fdatasync(2) by the cheapest call that makes data durable. 0, or -1 with errno. */
int qemu_fdatasync(int fd);
/*
 * Write all of @count bytes, whatever the number of calls; blocking descriptors only.
 * Returns the bytes written: less than @count means an error, in errno.
 */
ssize_t qemu_write_full(int fd, const void *buf, size_t count) QEMU_WARN_UNUSED_RESULT;

/*
 * Locks on byte ranges of a file, owned by the open file description (OFD locks) where the kernel
 * has them, else by the process. @start and @len in bytes; @len 0 means to the end of the file.
 * Never block. 0, or -errno: -EAGAIN or -EACCES when somebody else holds a conflicting lock.
 * qemu_lock_fd_test() only asks whether the lock could be had.
 */
int qemu_lock_fd(int fd, int64_t start, int64_t len, bool exclusive);
int qemu_lock_fd_test(int fd, int64_t start, int64_t len, bool exclusive);
int qemu_unlock_fd(int fd, int64_t start, int64_t len);
/* Whether locks are owned by the open file description; probes once. */
bool qemu_has_ofd_lock(void);

/* Processes */

/*
 * Writes the pid of this process into @path and keeps the file locked until exit, so that a second
 * process with the same path is refused.
 */
bool qemu_write_pidfile(const char *path, Error **errp);
/*
 * Removes the file that this process wrote last, unless another one is at its path by now. Any
 * thread. Ours.
 */
void qemu_remove_pidfile(void);
/*
 * Whether the program goes, or has gone, to the background, where the standard streams are nothing;
 * the setter is ours.
 */
bool is_daemonized(void);
void qemu_set_daemonized(void);
/* Kernel thread id of the caller. */
int qemu_get_thread_id(void);
/* madvise(2): 0, or -1 with errno. */
int qemu_madvise(void *addr, size_t len, int advice);
/* Fills @buf with @len unpredictable bytes; false with @errp. */
bool qemu_get_random_bytes(void *buf, size_t len, Error **errp);

/* Where the program lies: call once in main(), before threads. */
void qemu_init_exec_dir(const char *argv0);
/* The folder found by qemu_init_exec_dir(); never NULL. Not to be freed. */
const char *qemu_get_exec_dir(void);

#endif
