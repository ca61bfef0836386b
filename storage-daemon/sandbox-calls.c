/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that the sandbox lets through, and why. Whatever is not here fails with EPERM.
 *
 * A call that does more than one thing is checked by its arguments, as far as these are numbers:
 * the filter cannot look behind pointers.
 */
#include "qemu/osdep.h"

#ifdef CONFIG_SECCOMP
#include "sandbox-calls.h"
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>

/* Argument @n is @value; in its low 32 bits, for an argument that is an int. */
#define IS(n, value)                                                    \
    {                                                                   \
        (n), SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(uintptr_t)value \
    }
#define IS_NULL(n)             \
    {                          \
        (n), SCMP_CMP_EQ, 0, 0 \
    }
/* The bits @mask of argument @n are @value. */
#define BITS(n, mask, value)                     \
    {                                            \
        (n), SCMP_CMP_MASKED_EQ, (mask), (value) \
    }
#define IOCTL(request)     \
    {                      \
        "ioctl",           \
        {                  \
            IS(1, request) \
        }                  \
    }

static const SandboxCall memory[] = {
    { "brk" },
    { "mmap", { BITS(2, PROT_EXEC, 0) } },
    { "mprotect", { BITS(2, PROT_EXEC, 0) } },
    { "munmap" },
    { "mremap" },
    { "madvise" },
    { "msync" },
    { "mincore" },
    { "membarrier" },
    { "memfd_create" },
    {},
};

#define THREAD_FLAGS (CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

static const SandboxCall threads[] = {
    { "clone", { BITS(0, THREAD_FLAGS, THREAD_FLAGS) } },
    { "futex" },
    { "futex_waitv" },
    { "set_robust_list" },
    { "get_robust_list" },
    { "rseq" },
    { "sched_yield" },
    { "sched_getaffinity" },
    { "prctl", { IS(0, PR_SET_NAME) } },
    { "gettid" },
    { "exit" },
    { "exit_group" },
    {},
};

static const SandboxCall signals[] = {
    { "rt_sigaction" },  { "rt_sigprocmask" }, { "rt_sigreturn" },    { "rt_sigtimedwait" },
    { "rt_sigpending" }, { "sigaltstack" },    { "restart_syscall" }, {},
};

static const SandboxCall clocks[] = {
    { "clock_gettime" },   { "clock_getres" },
    { "clock_nanosleep" }, { "nanosleep" },
    { "gettimeofday" },    { "time" },
    { "timerfd_create" },  { "timerfd_settime" },
    { "timerfd_gettime" }, {},
};

static const SandboxCall identity[] = {
    { "getpid" }, { "getppid" }, { "getuid" },    { "geteuid" },
    { "getgid" }, { "getegid" }, { "getrusage" }, { "getrandom" },
    { "uname" },  { "sysinfo" }, { "getrlimit" }, { "prlimit64", { IS(0, 0), IS_NULL(2) } },
    {},
};

static const SandboxCall descriptors[] = {
    { "read" },
    { "write" },
    { "readv" },
    { "writev" },
    { "pread64" },
    { "pwrite64" },
    { "preadv" },
    { "pwritev" },
    { "preadv2" },
    { "pwritev2" },
    { "close" },
    { "close_range" },
    { "dup" },
    { "dup2" },
    { "dup3" },
    { "fcntl" },
    { "lseek" },
    { "_llseek" },
    { "poll" },
    { "ppoll" },
    { "select" },
    { "pselect6" },
    { "epoll_create1" },
    { "epoll_ctl" },
    { "epoll_wait" },
    { "epoll_pwait" },
    { "epoll_pwait2" },
    { "eventfd2" },
    { "pipe" },
    { "pipe2" },
    {},
};

static const SandboxCall rings[] = {
    { "io_uring_enter" },
    { "io_uring_register", { IS(1, IORING_REGISTER_ENABLE_RINGS) } },
    {},
};

static const SandboxCall files[] = {
    { "open" },       { "openat" },     { "stat" },      { "lstat" },
    { "fstat" },      { "newfstatat" }, { "statx" },     { "statfs" },
    { "fstatfs" },    { "access" },     { "faccessat" }, { "faccessat2" },
    { "readlink" },   { "readlinkat" }, { "getcwd" },    { "chdir" },
    { "getdents64" }, { "unlink" },     { "unlinkat" },  { "symlink" },
    { "symlinkat" },  { "fsync" },      { "fdatasync" }, { "ftruncate" },
    { "fallocate" },  { "fadvise64" },  { "flock" },     {},
};

static const SandboxCall devices[] = {
    IOCTL(BLKGETSIZE64),  IOCTL(BLKGETSIZE),
    IOCTL(BLKSSZGET),     IOCTL(BLKPBSZGET),
    IOCTL(BLKIOMIN),      IOCTL(BLKIOOPT),
    IOCTL(BLKALIGNOFF),   IOCTL(BLKSECTGET),
    IOCTL(BLKROTATIONAL), IOCTL(BLKROGET),
    IOCTL(BLKDISCARD),    IOCTL(BLKSECDISCARD),
    IOCTL(BLKZEROOUT),    {},
};

static const SandboxCall terminals[] = {
    IOCTL(TCGETS),
    IOCTL(TCSETS),
    IOCTL(TCSETSW),
    IOCTL(TCSETSF),
    IOCTL(TIOCGWINSZ),
    IOCTL(TIOCGPTN),
    IOCTL(TIOCSPTLCK),
    IOCTL(TIOCGPTPEER),
    IOCTL(FIONREAD),
    IOCTL(FIONBIO),
    {},
};

static const SandboxCall unix_sockets[] = {
    { "socket", { IS(0, AF_UNIX) } },
    { "socketpair", { IS(0, AF_UNIX) } },
    { "bind" },
    { "listen" },
    { "accept" },
    { "accept4" },
    { "connect" },
    { "shutdown" },
    { "sendmsg" },
    { "recvmsg" },
    { "sendto" },
    { "recvfrom" },
    { "getsockname" },
    { "getpeername" },
    { "getsockopt" },
    { "setsockopt" },
    {},
};

static const SandboxCall socket_files[] = {
    { "umask" }, { "fchmod" }, { "chmod" }, { "fchown" }, { "fchownat" }, { "setfsgid" }, {},
};

static const SandboxCall network_sockets[] = {
    { "socket", { IS(0, AF_INET) } },
    { "socket", { IS(0, AF_INET6) } },
    { "socket", { IS(0, AF_VSOCK) } },
    { "socket", { IS(0, AF_NETLINK) } },
    { "sendmmsg" },
    { "recvmmsg" },
    {},
};

const SandboxCallGroup sandbox_call_groups[] = {
    { "memory, of which none becomes code", false, memory },
    { "threads of this process, and its end", false, threads },
    { "the handlers of its own signals", false, signals },
    { "time", false, clocks },
    { "who and where it is, and random numbers", false, identity },
    { "reading, writing and waiting for what is open", false, descriptors },
    { "rings that exist and are restricted; none can be made", false, rings },
    { "images, logs and pid files, where Landlock allows it", false, files },
    { "what the drivers ask of block devices and zoned ones", false, devices },
    { "character devices on terminals", false, terminals },
    { "clients and monitors on UNIX sockets", false, unix_sockets },
    { "mode and group of a socket's file", false, socket_files },
    { "character devices on the network, and name resolution", true, network_sockets },
    {},
};

const char *const sandbox_absent_calls[] = {
    /* Its flags are behind a pointer; clone() is what libc takes then. */
    "clone3",
    NULL,
};
#endif
