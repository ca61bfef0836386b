/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNIX sockets from UnixSocketAddress.
 *
 * Theory of operation
 * -------------------
 * Listening makes a file. bind() makes it atomically and fails if the path is taken,
 * so two listeners cannot both win a free path. A path that is taken by a socket that
 * nobody holds any more (its process was killed) is freed first; that look and
 * removal is done under a lock on the directory, so that two processes that do it at
 * once do not remove each other's new socket. Whether somebody holds a socket is
 * asked by connecting a datagram socket to it: a stream socket refuses that as a
 * wrong type even before it listens, and its owner notices nothing.
 *
 * A file is born with the mode and the group that were asked for: bind() takes them from
 * the umask and the thread's file system group. Only where the process may not take that
 * group, or the folder imposes one, the file is born with access for its owner alone,
 * given to the group, and then opened to it.
 *
 * The files made here are remembered by their socket's inode number, and removed by
 * unix_listen_cleanup() if the path still leads to the same file. exit() removes what is
 * left then, in the process that made it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/type-info.h"
#include "qemu/access-denied.h"
#include "qemu/cutils.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "trace/trace-io.h"
#include "util/qemu-sockets-internal.h"

#include <grp.h>
#include <sys/file.h>
#include <sys/fsuid.h>

/* Of a file whose group was given, but no mode. */
#define DEFAULT_GROUP_MODE 0660

#define LOCK_POLL_US 10000
#define LOCK_POLLS   100
#define BIND_TRIES   8

/* The access that the file of a socket shall have. */
typedef struct FileAccess {
    bool set; /* else the umask decides */
    mode_t mode;
    gid_t group; /* (gid_t)-1: leave it */
} FileAccess;

/* A file that unix_listen_saddr() has made. */
typedef struct MadeFile {
    char *path; /* absolute: the process may change its directory */
    dev_t dev;
    ino_t ino;
    pid_t maker;
} MadeFile;

static QemuMutex birth_lock; /* of the umask, while bind() uses it */
static QemuMutex made_files_lock;
static GHashTable *made_files; /* inode number of the socket -> MadeFile; under the lock */

static void made_file_free(gpointer opaque)
{
    MadeFile *made = opaque;

    g_free(made->path);
    g_free(made);
}

static void __attribute__((constructor)) made_files_init(void)
{
    qemu_mutex_init(&birth_lock);
    qemu_mutex_init(&made_files_lock);
    made_files = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, made_file_free);
}

/* 0, or -1 with errno. What is another file by now, or none, is left alone. */
static int made_file_remove(const MadeFile *made)
{
    struct stat st;

    if (lstat(made->path, &st) < 0 || st.st_dev != made->dev || st.st_ino != made->ino) {
        return 0;
    }
    return unlink(made->path) < 0 && errno != ENOENT ? -1 : 0;
}

void __attribute__((destructor)) unix_listen_cleanup_all(void)
{
    GHashTableIter iter;
    gpointer value;

    /* A thread that still runs must not hang the exit. */
    if (qemu_mutex_trylock(&made_files_lock)) {
        return;
    }
    g_hash_table_iter_init(&iter, made_files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((MadeFile *)value)->maker == getpid()) {
            made_file_remove(value);
        }
    }
    qemu_mutex_unlock(&made_files_lock);
}

/* The number that is the socket's alone, while it lives, in all its descriptors. */
static bool socket_inode(int fd, gint64 *ino)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return false;
    }
    *ino = st.st_ino;
    return true;
}

static bool fill_sockaddr(UnixSocketAddress *saddr, struct sockaddr_un *un, socklen_t *len,
                          Error **errp)
{
    ERRP_GUARD();
    bool abstract = saddr->has_abstract && saddr->abstract;
    bool tight = !saddr->has_tight || saddr->tight;
    size_t pathlen = strlen(saddr->path);

    if (!pathlen) {
        error_setg(errp, "UNIX socket path is empty");
        return false;
    }
    /* A byte goes to the NUL that ends a path and begins an abstract name. */
    if (pathlen >= sizeof(un->sun_path)) {
        error_setg(errp, "UNIX socket path '%s' is too long", saddr->path);
        error_append_hint(errp, "Path must be less than %zu bytes\n", sizeof(un->sun_path));
        return false;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + abstract, saddr->path, pathlen);
    *len = abstract && tight ? offsetof(struct sockaddr_un, sun_path) + 1 + pathlen : sizeof(*un);
    return true;
}

static bool parse_group(const char *name, gid_t *gid, Error **errp)
{
    struct group grp, *found = NULL;
    g_autofree char *buf = NULL;
    size_t size = 1024;
    unsigned long number;
    int rc;

    if (qemu_strtoul(name, NULL, 10, &number) == 0 && number < (gid_t)-1) {
        *gid = number;
        return true;
    }
    do {
        size *= 2;
        buf = g_realloc(buf, size);
        rc = getgrnam_r(name, &grp, buf, size, &found);
    } while (rc == ERANGE && size < 1024 * 1024);
    if (!found) {
        error_setg(errp, "Group '%s' is not known", name);
        return false;
    }
    *gid = found->gr_gid;
    return true;
}

static bool parse_access(UnixSocketAddress *saddr, FileAccess *want, Error **errp)
{
    unsigned long mode = DEFAULT_GROUP_MODE;

    *want = (FileAccess){ .group = (gid_t)-1 };
    if (!qapi_own_members_used()) {
        return true;
    }
    want->set = saddr->mode || saddr->group;
    if (want->set && saddr->has_abstract && saddr->abstract) {
        error_setg(errp, "An abstract UNIX socket has no mode and no group");
        return false;
    }
    if (saddr->group && !parse_group(saddr->group, &want->group, errp)) {
        return false;
    }
    if (saddr->mode && (qemu_strtoul(saddr->mode, NULL, 8, &mode) < 0 || mode > 0777)) {
        error_setg(errp, "Parameter 'mode' expects an octal number from 0 to 777, not '%s'",
                   saddr->mode);
        return false;
    }
    want->mode = mode;
    return true;
}

typedef enum PathState {
    PATH_FREE,    /* nothing is there (any more) */
    PATH_STALE,   /* a socket that nobody holds */
    PATH_LIVE,    /* a socket that somebody holds */
    PATH_OTHER,   /* no socket */
    PATH_UNKNOWN, /* a socket; errno says why it cannot be asked about */
} PathState;

static PathState look_at_path(const struct sockaddr_un *un, socklen_t len)
{
    struct stat st;
    int fd, rc, err;

    if (lstat(un->sun_path, &st) < 0) {
        return errno == ENOENT ? PATH_FREE : PATH_OTHER;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return PATH_OTHER;
    }
    fd = qemu_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0) {
        return PATH_UNKNOWN;
    }
    rc = connect(fd, (const struct sockaddr *)un, len);
    err = errno;
    close(fd);
    if (rc < 0 && err == ENOENT) {
        return PATH_FREE;
    }
    return rc < 0 && err == ECONNREFUSED ? PATH_STALE : PATH_LIVE;
}

/*
 * A descriptor that holds the lock on @path's directory until it is closed. -1 if it
 * cannot be had: then the residual risk is two replacers of one stale socket at once.
 */
static int lock_directory(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned i = 0; fd >= 0 && i < LOCK_POLLS; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return fd;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            break;
        }
        g_usleep(LOCK_POLL_US);
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* Free the path if only a stale socket has it. True: try to bind again. */
static bool clear_path(const struct sockaddr_un *un, socklen_t len, Error **errp)
{
    int lock = lock_directory(un->sun_path);
    PathState state = look_at_path(un, len);
    bool cleared = state == PATH_FREE;

    if (state == PATH_STALE) {
        trace_unix_socket_stale(un->sun_path);
        cleared = unlink(un->sun_path) == 0 || errno == ENOENT;
        if (!cleared) {
            error_setg_errno(errp, errno, "Failed to unlink socket '%s'", un->sun_path);
        }
    } else if (state == PATH_UNKNOWN) {
        error_setg_errno(errp, errno,
                         "Failed to bind socket to '%s': cannot find out whether the socket that "
                         "exists is in use",
                         un->sun_path);
    } else if (state != PATH_FREE) {
        error_setg(errp, "Failed to bind socket to '%s': %s", un->sun_path,
                   state == PATH_LIVE ? "Address already in use"
                                      : "the path exists and is not a socket");
    }
    if (lock >= 0) {
        close(lock);
    }
    return cleared;
}

/* Does a file in @path's folder get the folder's group, whoever makes it? */
static bool folder_gives_group(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    struct stat st;

    return stat(dir, &st) < 0 || (st.st_mode & S_ISGID);
}

/* Takes the file system group @want->group for this thread. False: the process may not. */
static bool take_group(const FileAccess *want)
{
    setfsgid(want->group);
    /* It does not say whether it worked; a number that cannot be is how to ask. */
    return (gid_t)setfsgid((gid_t)-1) == want->group;
}

/* bind() with the file born with no more access than is wanted. 0, or -1 with errno. */
static int bind_with_access(int fd, const struct sockaddr_un *un, socklen_t len,
                            const FileAccess *want)
{
    const bool grouped = want->group != (gid_t)-1;
    mode_t mode = want->mode, old_umask;
    gid_t old_group;
    int ret, saved_errno;

    if (!want->set) {
        return bind(fd, (const struct sockaddr *)un, len);
    }
    QEMU_LOCK_GUARD(&birth_lock);
    old_group = setfsgid((gid_t)-1);
    if (grouped && (!take_group(want) || folder_gives_group(un->sun_path))) {
        mode &= 0700;
    }
    old_umask = umask(~mode & 0777);
    ret = bind(fd, (const struct sockaddr *)un, len);
    saved_errno = errno;
    umask(old_umask);
    setfsgid(old_group);
    errno = saved_errno;
    return ret;
}

static bool bind_path(int fd, const struct sockaddr_un *un, socklen_t len, const FileAccess *want,
                      Error **errp)
{
    for (unsigned i = 0; i < BIND_TRIES; i++) {
        if (bind_with_access(fd, un, len, want) == 0) {
            return true;
        }
        if (errno != EADDRINUSE || !un->sun_path[0]) {
            break;
        }
        if (!clear_path(un, len, errp)) {
            return false;
        }
        errno = EADDRINUSE;
    }
    error_setg(errp, "Failed to bind socket to '%s%s': %s%s", un->sun_path[0] ? "" : "@",
               un->sun_path + !un->sun_path[0], strerror(errno),
               un->sun_path[0] ? access_denied_why(errno, ACCESS_SOCKET, un->sun_path) : "");
    return false;
}

static bool has_access(const struct stat *st, const FileAccess *want)
{
    return (st->st_mode & 0777) == want->mode &&
           (want->group == (gid_t)-1 || st->st_gid == want->group);
}

/* After bind(): exactly what is wanted of the file at @path, which @st describes. */
static bool set_access(const char *path, const struct stat *st, const FileAccess *want,
                       Error **errp)
{
    g_autofree char *magic = NULL;
    struct stat opened;
    bool ok = false;
    int fd;

    if (!want->set || has_access(st, want)) {
        return true;
    }
    fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    magic = g_strdup_printf("/proc/self/fd/%d", fd);
    if (fd < 0 || fstat(fd, &opened) < 0) {
        error_setg_errno(errp, errno, "Failed to open socket '%s'", path);
    } else if (opened.st_dev != st->st_dev || opened.st_ino != st->st_ino) {
        error_setg(errp, "Socket '%s' was replaced by somebody else", path);
    } else if (want->group != (gid_t)-1 &&
               fchownat(fd, "", (uid_t)-1, want->group, AT_EMPTY_PATH) < 0) {
        error_setg_errno(errp, errno, "Failed to set the group of socket '%s'", path);
    } else if (chmod(magic, want->mode) < 0) {
        error_setg_errno(errp, errno, "Failed to set the mode of socket '%s'", path);
    } else {
        ok = true;
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/*
 * Remember the file that @fd was bound to, and give it its access. Remembering takes no descriptor:
 * when there are none left, the file can still be removed.
 */
static bool adopt_file(int fd, const char *path, const FileAccess *want, Error **errp)
{
    g_autofree gint64 *key = g_new(gint64, 1);
    MadeFile *made;
    struct stat st;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode) || !socket_inode(fd, key)) {
        error_setg(errp, "Socket '%s' was removed by somebody else", path);
        return false;
    }
    made = g_new(MadeFile, 1);
    made->path = g_canonicalize_filename(path, NULL);
    made->dev = st.st_dev;
    made->ino = st.st_ino;
    made->maker = getpid();
    WITH_QEMU_LOCK_GUARD (&made_files_lock) {
        g_hash_table_replace(made_files, g_steal_pointer(&key), made);
    }
    return set_access(path, &st, want, errp);
}

int unix_listen_saddr(UnixSocketAddress *saddr, int num, Error **errp)
{
    struct sockaddr_un un;
    socklen_t len;
    FileAccess want;
    int fd;

    if (!fill_sockaddr(saddr, &un, &len, errp) || !parse_access(saddr, &want, errp)) {
        return -1;
    }
    fd = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create Unix socket");
        return -1;
    }
    if (!bind_path(fd, &un, len, &want, errp)) {
        close(fd);
        return -1;
    }
    if (un.sun_path[0] && !adopt_file(fd, un.sun_path, &want, errp)) {
        goto fail;
    }
    if (listen(fd, num) < 0) {
        error_setg_errno(errp, errno, "Failed to listen on socket '%s'", saddr->path);
        goto fail;
    }
    return fd;

fail:
    unix_listen_cleanup(fd, NULL);
    close(fd);
    return -1;
}

int unix_connect_saddr(UnixSocketAddress *saddr, Error **errp)
{
    struct sockaddr_un un;
    socklen_t len;
    int fd;

    if (!fill_sockaddr(saddr, &un, &len, errp)) {
        return -1;
    }
    fd = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create Unix socket");
        return -1;
    }
    if (socket_connect_retry(fd, (struct sockaddr *)&un, len) < 0) {
        error_setg_errno(errp, errno, "Failed to connect to '%s'", saddr->path);
        close(fd);
        return -1;
    }
    return fd;
}

int unix_listen_cleanup(int fd, Error **errp)
{
    gpointer key = NULL, value = NULL;
    gint64 ino;
    int ret = 0;

    if (!socket_inode(fd, &ino)) {
        return 0;
    }
    WITH_QEMU_LOCK_GUARD (&made_files_lock) {
        g_hash_table_steal_extended(made_files, &ino, &key, &value);
    }
    if (value) {
        MadeFile *made = value;

        if (made_file_remove(made) < 0) {
            error_setg_errno(errp, errno, "Failed to unlink socket '%s'", made->path);
            ret = -1;
        }
        made_file_free(made);
        g_free(key);
    }
    return ret;
}

int unix_listen(const char *path, Error **errp)
{
    UnixSocketAddress saddr = { .path = (char *)path };

    return unix_listen_saddr(&saddr, 1, errp);
}

int unix_connect(const char *path, Error **errp)
{
    UnixSocketAddress saddr = { .path = (char *)path };

    return unix_connect_saddr(&saddr, errp);
}
