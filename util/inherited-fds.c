/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptors that the program was started with.
 *
 * A number that whoever takes it closes soon means something else, perhaps a socket of the
 * program's own: that is why each is given away once.
 */
#include "qemu/osdep.h"
#include <dirent.h>
#include <sys/resource.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/inherited-fds.h"

/* Where a service manager's sockets begin. */
#define LISTEN_FDS_START 3
/* How far to look where there is no /proc. */
#define MAX_PROBED 65536

typedef struct InheritedFd {
    char *name; /* of a service manager; NULL if there is none */
    bool taken;
} InheritedFd;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *inherited; /* number -> InheritedFd; under the lock; NULL: not recorded */

static void inherited_fd_free(gpointer opaque)
{
    InheritedFd *item = opaque;

    g_free(item->name);
    g_free(item);
}

static InheritedFd *look_up(int fd)
{
    return g_hash_table_lookup(inherited, GINT_TO_POINTER(fd));
}

static void note(int fd)
{
    g_hash_table_insert(inherited, GINT_TO_POINTER(fd), g_new0(InheritedFd, 1));
}

static void probe_numbers(void)
{
    struct rlimit limit = { .rlim_cur = MAX_PROBED };

    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < (int)MIN(limit.rlim_cur, MAX_PROBED); fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            note(fd);
        }
    }
}

static void note_open_ones(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int fd;

    if (!dir) {
        probe_numbers();
        return;
    }
    while ((entry = readdir(dir))) {
        if (qemu_strtoi(entry->d_name, NULL, 10, &fd) == 0 && fd != dirfd(dir)) {
            note(fd);
        }
    }
    closedir(dir);
}

static bool listen_number(const char *variable, int *ret)
{
    const char *text = getenv(variable);

    return text && qemu_strtoi(text, NULL, 10, ret) == 0;
}

static void note_names(void)
{
    const char *text = getenv("LISTEN_FDNAMES");
    g_auto(GStrv) names = g_strsplit(text ? text : "", ":", -1);
    int pid, n;

    if (!listen_number("LISTEN_PID", &pid) || pid != getpid() || !listen_number("LISTEN_FDS", &n)) {
        return;
    }
    for (int i = 0; i < n && names[i]; i++) {
        InheritedFd *item = look_up(LISTEN_FDS_START + i);

        if (item && names[i][0]) {
            item->name = g_strdup(names[i]);
        }
    }
}

void inherited_fds_record(void)
{
    pthread_mutex_lock(&lock);
    assert(!inherited);
    inherited = g_hash_table_new_full(NULL, NULL, NULL, inherited_fd_free);
    note_open_ones();
    note_names();
    pthread_mutex_unlock(&lock);
}

/* The lowest number with the name that is not taken, else one that is; -1 if there is none. */
static int find_name(const char *name)
{
    GHashTableIter iter;
    gpointer key, value;
    int best = -1;
    bool best_taken = true;

    g_hash_table_iter_init(&iter, inherited);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        InheritedFd *item = value;
        int fd = GPOINTER_TO_INT(key);

        if (g_strcmp0(item->name, name)) {
            continue;
        }
        if (best < 0 || (best_taken && !item->taken) || (best_taken == item->taken && fd < best)) {
            best = fd;
            best_taken = item->taken;
        }
    }
    return best;
}

static int find_recorded(const char *text, int fd, Error **errp)
{
    InheritedFd *item;

    if (fd < 0) {
        fd = find_name(text);
    }
    if (fd < 0) {
        error_setg(errp, "'%s' is neither the number nor the name of an inherited descriptor",
                   text);
        return -1;
    }
    item = look_up(fd);
    if (!item || item->taken) {
        error_setg(errp,
                   item ? "File descriptor '%s' is in use already, or was"
                        : "File descriptor '%s' was not handed over to this program",
                   text);
        return -1;
    }
    return fd;
}

int inherited_fd_find(const char *text, Error **errp)
{
    int fd;

    if (qemu_strtoi(text, NULL, 10, &fd) < 0 || fd < 0) {
        fd = -1;
    }
    pthread_mutex_lock(&lock);
    if (inherited) {
        fd = find_recorded(text, fd, errp);
    } else if (fd < 0) {
        error_setg(errp, "Unable to parse FD number '%s'", text);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

void inherited_fd_take(int fd)
{
    InheritedFd *item;

    pthread_mutex_lock(&lock);
    item = inherited ? look_up(fd) : NULL;
    if (item) {
        item->taken = true;
    }
    pthread_mutex_unlock(&lock);
}

bool inherited_fd_free_to_use(int fd)
{
    InheritedFd *item;
    bool ok;

    pthread_mutex_lock(&lock);
    item = inherited ? look_up(fd) : NULL;
    ok = !inherited || (item && !item->taken);
    pthread_mutex_unlock(&lock);
    return ok;
}

bool inherited_fd_known(int fd)
{
    bool known;

    pthread_mutex_lock(&lock);
    known = inherited && look_up(fd);
    pthread_mutex_unlock(&lock);
    return known;
}
