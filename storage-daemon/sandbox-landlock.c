/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that the sandbox leaves, by landlock(7).
 *
 * Theory of operation: a ruleset handles every right that the kernel's version of the interface
 * knows, so that what no rule grants is denied. It binds the thread that restricts itself and all
 * that it makes, requests of io_uring included; files that are open already stay usable. connect()
 * to the path of a UNIX socket is not covered by any version yet.
 *
 * The interface is called by number, and its newer parts are declared here: headers of a kernel
 * that is older than the one that runs lack them.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "sandbox-internal.h"
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule       445
#define __NR_landlock_restrict_self  446
#endif

/* Rights by the version that brought them; each is one bit. */
#define FS_RIGHTS_V1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define FS_REFER     (1ull << 13) /* version 2 */
#define FS_TRUNCATE  (1ull << 14) /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define NET_TCP      3ull         /* 4: bind and connect */
#define SCOPES       3ull         /* 6: abstract UNIX sockets and signals */
#define SCOPE_SIGNAL 2ull

/* What can be granted on a file that is no folder. */
#define FILE_RIGHTS \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

typedef struct Ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
} Ruleset;

static const struct {
    SandboxAccess access;
    uint64_t rights;
} rights_of[] = {
    { SANDBOX_READ, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
    { SANDBOX_WRITE, LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV },
    { SANDBOX_CREATE, LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM },
    { SANDBOX_REMOVE, LANDLOCK_ACCESS_FS_REMOVE_FILE },
    { SANDBOX_SOCKET,
      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
};

static const struct {
    const char *path;
    SandboxAccess access;
    bool network;
} system_paths[] = {
    /* Standard streams of a daemon, the probe for locks. */
    { "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
    { "/dev/urandom", SANDBOX_READ },
    /* Terminals that --chardev pty makes. */
    { "/dev/ptmx", SANDBOX_READ | SANDBOX_WRITE },
    { "/dev/pts", SANDBOX_READ | SANDBOX_WRITE },
    /* Names of groups, and the libraries that look them up. */
    { "/etc/passwd", SANDBOX_READ },
    { "/etc/group", SANDBOX_READ },
    { "/etc/nsswitch.conf", SANDBOX_READ },
    { "/etc/ld.so.cache", SANDBOX_READ },
    { "/lib", SANDBOX_READ },
    { "/lib64", SANDBOX_READ },
    { "/usr/lib", SANDBOX_READ },
    /* Names of hosts and services. */
    { "/etc/hosts", SANDBOX_READ, true },
    { "/etc/host.conf", SANDBOX_READ, true },
    { "/etc/resolv.conf", SANDBOX_READ, true },
    { "/etc/gai.conf", SANDBOX_READ, true },
    { "/etc/services", SANDBOX_READ, true },
    { "/etc/protocols", SANDBOX_READ, true },
};

static long landlock_version(void)
{
    return syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* Everything that version @abi can deny, except what the network needs. */
static Ruleset all_rights(long abi, bool network)
{
    Ruleset r = { .fs = FS_RIGHTS_V1 };

    r.fs |= abi >= 2 ? FS_REFER : 0;
    r.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    r.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    r.net = abi >= 4 && !network ? NET_TCP : 0;
    if (abi >= 6) {
        r.scoped = network ? SCOPE_SIGNAL : SCOPES;
    }
    return r;
}

static size_t ruleset_size(long abi)
{
    return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? offsetof(Ruleset, scoped) : sizeof(uint64_t);
}

static uint64_t rights(SandboxAccess access)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rights_of); i++) {
        sum |= access & rights_of[i].access ? rights_of[i].rights : 0;
    }
    return sum;
}

static bool grant(int ruleset, uint64_t handled, const SandboxPath *path, Error **errp)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = rights(path->access) & handled };
    struct stat st;
    long ret;

    rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        /* Whoever needs it will say what is wrong with it. */
        return true;
    }
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rule.allowed_access &= FILE_RIGHTS;
    }
    ret = rule.allowed_access
              ? syscall(__NR_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)
              : 0;
    if (ret < 0) {
        error_setg_errno(errp, errno, "cannot let '%s' into the sandbox", path->path);
    }
    close(rule.parent_fd);
    return ret == 0;
}

static bool grant_all(int ruleset, uint64_t handled, const GArray *paths, bool network,
                      Error **errp)
{
    for (guint i = 0; i < paths->len; i++) {
        if (!grant(ruleset, handled, &g_array_index(paths, SandboxPath, i), errp)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(system_paths); i++) {
        SandboxPath path = {
            .path = (char *)system_paths[i].path,
            .access = system_paths[i].access,
        };

        if ((network || !system_paths[i].network) && !grant(ruleset, handled, &path, errp)) {
            return false;
        }
    }
    return true;
}

static bool active;

bool sandbox_landlock_active(void)
{
    return active;
}

bool sandbox_landlock(const GArray *paths, bool network, Error **errp)
{
    long abi = landlock_version();
    Ruleset attr = all_rights(abi, network);
    bool ok = false;
    int fd;

    if (abi < 1) {
        warn_report("sandbox: this kernel has no Landlock: files are not restricted");
        return true;
    }
    fd = syscall(__NR_landlock_create_ruleset, &attr, ruleset_size(abi), 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot make a Landlock ruleset");
        return false;
    }
    if (grant_all(fd, attr.fs, paths, network, errp)) {
        ok = syscall(__NR_landlock_restrict_self, fd, 0) == 0;
        if (!ok) {
            error_setg_errno(errp, errno, "cannot enter the Landlock ruleset");
        }
    }
    close(fd);
    active = ok;
    return ok;
}
