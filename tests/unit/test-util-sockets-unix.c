/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UNIX sockets from addresses: whose file it is, when it goes, who may use it. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qapi/type-info.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>

static int bound_unix_socket(const char *path, int type)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = qemu_socket(AF_UNIX, type, 0);

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

static bool can_connect(const char *path)
{
    int fd = unix_connect(path, NULL);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static SocketAddress unix_address(const char *path)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };

    addr.u.q_unix.path = (char *)path;
    return addr;
}

static void end_listener(int fd)
{
    g_assert_cmpint(socket_listen_cleanup(fd, &error_abort), ==, 0);
    close(fd);
}

static void assert_listen_fails(SocketAddress *addr, const char *message)
{
    Error *err = NULL;

    g_assert_cmpint(socket_listen(addr, 1, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_unix_file(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    int fd = socket_listen(&addr, 1, &error_abort);
    g_autoptr(SocketAddress) local = socket_local_address(fd, &error_abort);

    g_assert_cmpstr(local->u.q_unix.path, ==, path);
    g_assert_true(can_connect(path));
    end_listener(fd);
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

static void test_unix_relative_file(void)
{
    g_autofree char *cwd = g_get_current_dir();
    g_autofree char *path = harness_tmpfile("rel");
    SocketAddress addr = unix_address("rel");
    int fd;

    g_assert_cmpint(chdir(harness_tmpdir()), ==, 0);
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_cmpint(chdir("/"), ==, 0);
    g_assert_cmpint(access(path, F_OK), ==, 0);
    end_listener(fd);
    g_assert_cmpint(access(path, F_OK), ==, -1);
    g_assert_cmpint(chdir(cwd), ==, 0);
}

/* A program that gives up by exit() leaves no file, but a forked child takes none. */
static void test_unix_exit(void)
{
    g_autofree char *ours = harness_tmpfile("ours");
    g_autofree char *theirs = harness_tmpfile("theirs");
    SocketAddress our_addr = unix_address(ours), their_addr = unix_address(theirs);
    int fd = socket_listen(&our_addr, 1, &error_abort);
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        bool made = socket_listen(&their_addr, 1, NULL) >= 0 && access(theirs, F_OK) == 0;

        exit(made ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(access(theirs, F_OK), ==, -1);
    g_assert_true(can_connect(ours));
    end_listener(fd);
}

static void test_unix_foreign_file(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    int fd = socket_listen(&addr, 1, &error_abort);
    int other;

    g_assert_cmpint(unlink(path), ==, 0);
    other = bound_unix_socket(path, SOCK_STREAM);
    end_listener(fd);
    g_assert_cmpint(access(path, F_OK), ==, 0);
    close(other);
}

/* A path of exactly @len bytes in the test's folder. */
static char *path_of_length(size_t len)
{
    g_autofree char *dir = harness_tmpfile("");
    g_autofree char *fill = g_strnfill(len - strlen(dir), 'x');

    return g_strconcat(dir, fill, NULL);
}

static void test_unix_long_path(void)
{
    g_autofree char *longest = path_of_length(107);
    g_autofree char *longer = path_of_length(108);
    g_autofree char *message = g_strdup_printf("UNIX socket path '%s' is too long", longer);
    SocketAddress addr = unix_address(longest);
    int fd = socket_listen(&addr, 1, &error_abort);
    Error *err = NULL;

    g_assert_true(can_connect(longest));
    end_listener(fd);
    addr = unix_address(longer);
    assert_listen_fails(&addr, message);
    g_assert_cmpint(socket_connect(&addr, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
    addr = unix_address("");
    assert_listen_fails(&addr, "UNIX socket path is empty");
}

static void assert_path_in_use(const char *path)
{
    SocketAddress addr = unix_address(path);
    g_autofree char *message =
        g_strdup_printf("Failed to bind socket to '%s': Address already in use", path);
    struct stat before, after;

    g_assert_cmpint(lstat(path, &before), ==, 0);
    assert_listen_fails(&addr, message);
    g_assert_cmpint(lstat(path, &after), ==, 0);
    g_assert_cmpint(before.st_ino, ==, after.st_ino);
}

static void test_unix_live_path(void)
{
    g_autofree char *path = harness_tmpfile("s");
    int fd = bound_unix_socket(path, SOCK_STREAM);

    /* Bound but not yet listening: another process may be just starting. */
    assert_path_in_use(path);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    assert_path_in_use(path);
    /* The living listener must not have been bothered by a connection. */
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    g_assert_cmpint(qemu_accept(fd, NULL, NULL), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    close(fd);
    g_assert_cmpint(unlink(path), ==, 0);
    fd = bound_unix_socket(path, SOCK_DGRAM);
    assert_path_in_use(path);
    close(fd);
}

static void test_unix_stale_path(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    int fd = bound_unix_socket(path, SOCK_STREAM);

    g_assert_cmpint(listen(fd, 1), ==, 0);
    close(fd);
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_true(can_connect(path));
    end_listener(fd);
}

static void test_unix_other_file(void)
{
    g_autofree char *path = harness_tmpfile("f");
    g_autofree char *link = harness_tmpfile("l");
    g_autofree char *message =
        g_strdup_printf("Failed to bind socket to '%s': the path exists and is not a socket", path);
    g_autofree char *link_message =
        g_strdup_printf("Failed to bind socket to '%s': the path exists and is not a socket", link);
    SocketAddress addr = unix_address(path);

    g_assert_true(g_file_set_contents(path, "precious", -1, NULL));
    assert_listen_fails(&addr, message);
    g_assert_cmpint(symlink("nowhere", link), ==, 0);
    addr = unix_address(link);
    assert_listen_fails(&addr, link_message);
    g_assert_cmpint(access(path, F_OK), ==, 0);
}

typedef struct Racer {
    QemuThread thread;
    const char *path;
    int *start;
    int fd;
} Racer;

static void *racer_run(void *opaque)
{
    Racer *racer = opaque;
    SocketAddress addr = unix_address(racer->path);

    while (!qatomic_read(racer->start)) {
        continue;
    }
    racer->fd = socket_listen(&addr, 1, NULL);
    return NULL;
}

static void test_unix_race(void)
{
    g_autofree char *path = harness_tmpfile("race");

    for (unsigned round = 0; round < 200; round++) {
        Racer racers[3];
        int start = 0, winners = 0;

        close(bound_unix_socket(path, SOCK_STREAM));
        for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
            racers[i] = (Racer){ .path = path, .start = &start };
            qemu_thread_create(&racers[i].thread, "racer", racer_run, &racers[i],
                               QEMU_THREAD_JOINABLE);
        }
        qatomic_set(&start, 1);
        for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
            qemu_thread_join(&racers[i].thread);
            winners += racers[i].fd >= 0;
        }
        g_assert_cmpint(winners, ==, 1);
        g_assert_true(can_connect(path));
        for (size_t i = 0; i < ARRAY_SIZE(racers); i++) {
            if (racers[i].fd >= 0) {
                end_listener(racers[i].fd);
            }
        }
    }
}

static void test_unix_locked_directory(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    int lock = open(harness_tmpdir(), O_RDONLY | O_CLOEXEC);
    int fd;

    /* Somebody else's lock may delay us, not stop us. */
    g_assert_cmpint(flock(lock, LOCK_EX), ==, 0);
    close(bound_unix_socket(path, SOCK_STREAM));
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_true(can_connect(path));
    end_listener(fd);
    close(lock);
}

/* As many descriptors as are open now, and @more. Returns the old limit. */
static struct rlimit limit_descriptors(int more)
{
    int probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit old, few;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    few = old;
    few.rlim_cur = probe + more;
    close(probe);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
    return old;
}

static void test_unix_last_descriptor(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *group = g_strdup_printf("%d", getegid());
    SocketAddress addr = unix_address(path);
    struct rlimit old;
    Error *err = NULL;
    int fd, refused;

    /* Of a folder that gives its group, a file needs another descriptor to be opened to it. */
    g_assert_cmpint(chmod(harness_tmpdir(), 02700), ==, 0);
    old = limit_descriptors(1);
    fd = socket_listen(&addr, 1, NULL);
    addr.u.q_unix.group = group;
    if (fd >= 0) {
        socket_listen_cleanup(fd, NULL);
        close(fd);
    }
    refused = socket_listen(&addr, 1, &err);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(refused, ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), strerror(EMFILE)));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    error_free(err);
}

/* Whether a path is free to be replaced cannot be asked either; that is not "in use". */
static void test_unix_no_descriptor_to_ask(void)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    struct rlimit old;
    Error *err = NULL;
    int refused;

    close(bound_unix_socket(path, SOCK_STREAM));
    old = limit_descriptors(1);
    refused = socket_listen(&addr, 1, &err);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
    g_assert_cmpint(refused, ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "cannot find out whether"));
    g_assert_nonnull(strstr(error_get_pretty(err), strerror(EMFILE)));
    error_free(err);
    end_listener(socket_listen(&addr, 1, &error_abort));
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    return st.st_mode & 07777;
}

static void test_unix_mode(void)
{
    static const char *const modes[] = { "0600", "660", "777", "0", "0640" };
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    mode_t mask = umask(027);

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        int fd;

        addr.u.q_unix.mode = (char *)modes[i];
        fd = socket_listen(&addr, 1, &error_abort);
        g_assert_cmpint(mode_of(path), ==, strtoul(modes[i], NULL, 8));
        end_listener(fd);
    }
    addr.u.q_unix.mode = NULL;
    end_listener(socket_listen(&addr, 1, &error_abort));
    umask(mask);

    addr.u.q_unix.mode = (char *)"0888";
    assert_listen_fails(&addr,
                        "Parameter 'mode' expects an octal number from 0 to 777, not '0888'");
    addr.u.q_unix.mode = (char *)"4755";
    assert_listen_fails(&addr,
                        "Parameter 'mode' expects an octal number from 0 to 777, not '4755'");
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

/* Binds with @mode and @group (or NULL); returns how often the new file was changed afterwards. */
static int changes_after_birth(const char *mode, const char *group)
{
    g_autofree char *path = harness_tmpfile("s");
    SocketAddress addr = unix_address(path);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), changes = 0, fd;
    struct inotify_event events[64];
    ssize_t len;

    g_assert_cmpint(inotify_add_watch(watch, harness_tmpdir(), IN_CREATE | IN_ATTRIB), >=, 0);
    addr.u.q_unix.mode = (char *)mode;
    addr.u.q_unix.group = (char *)group;
    fd = socket_listen(&addr, 1, &error_abort);
    len = read(watch, events, sizeof(events));
    for (ssize_t at = 0; at < len;) {
        struct inotify_event *event = (void *)((char *)events + at);

        changes += !!(event->mask & IN_ATTRIB);
        at += sizeof(*event) + event->len;
    }
    g_assert_cmpint(len, >, 0);
    close(watch);
    end_listener(fd);
    return changes;
}

static void test_unix_born_right(void)
{
    g_autofree char *group = g_strdup_printf("%d", getuid() == 0 ? 4711 : (int)getegid());
    mode_t mask = umask(077);

    g_assert_cmpint(changes_after_birth("0600", NULL), ==, 0);
    g_assert_cmpint(changes_after_birth("0777", NULL), ==, 0);
    g_assert_cmpint(changes_after_birth("0660", group), ==, 0);
    g_assert_cmpint(changes_after_birth(NULL, group), ==, 0);
    g_assert_cmpint(umask(mask), ==, 077);
}

/* The folder would give its own group to the file, and that must never have access. */
static void test_unix_group_of_folder(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *group = g_strdup_printf("%d", getuid() == 0 ? 4711 : (int)getegid());
    SocketAddress addr = unix_address(path);
    struct stat st;
    int fd;

    g_assert_cmpint(chmod(harness_tmpdir(), 02700), ==, 0);
    addr.u.q_unix.group = group;
    addr.u.q_unix.mode = (char *)"0670";
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmpint(st.st_gid, ==, atoi(group));
    g_assert_cmpint(st.st_mode & 07777, ==, 0670);
    end_listener(fd);
}

static void test_unix_group(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *group = g_strdup_printf("%d", getegid());
    SocketAddress addr = unix_address(path);
    struct stat st;
    int fd;

    addr.u.q_unix.group = group;
    fd = socket_listen(&addr, 1, &error_abort);
    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmpint(st.st_gid, ==, getegid());
    g_assert_cmpint(mode_of(path), ==, 0660);
    end_listener(fd);

    addr.u.q_unix.group = (char *)"no-such-group";
    assert_listen_fails(&addr, "Group 'no-such-group' is not known");
    g_assert_cmpint(access(path, F_OK), ==, -1);
}

static void watch_modes_run(const char *path, int *stop, mode_t *seen)
{
    struct stat st;

    while (!qatomic_read(stop)) {
        if (lstat(path, &st) == 0) {
            *seen |= st.st_mode & 07777;
        }
    }
}

typedef struct ModeWatcher {
    const char *path;
    int stop;
    mode_t seen;
} ModeWatcher;

static void *mode_watcher_run(void *opaque)
{
    ModeWatcher *watcher = opaque;

    watch_modes_run(watcher->path, &watcher->stop, &watcher->seen);
    return NULL;
}

static void test_unix_mode_window(void)
{
    g_autofree char *path = harness_tmpfile("s");
    ModeWatcher watcher = { .path = path };
    SocketAddress addr = unix_address(path);
    mode_t mask = umask(0);
    QemuThread thread;

    addr.u.q_unix.mode = (char *)"0600";
    qemu_thread_create(&thread, "watcher", mode_watcher_run, &watcher, QEMU_THREAD_JOINABLE);
    for (unsigned i = 0; i < 2000; i++) {
        end_listener(socket_listen(&addr, 1, &error_abort));
    }
    qatomic_set(&watcher.stop, 1);
    qemu_thread_join(&thread);
    umask(mask);
    g_assert_cmpint(watcher.seen & 0177, ==, 0);
}

static void abstract_round_trip(bool tight)
{
    g_autofree char *name = g_strdup_printf("unit-%d-%p", getpid(), &tight);
    SocketAddress addr = unix_address(name), other;
    g_autoptr(SocketAddress) local = NULL;
    int fd, client;

    addr.u.q_unix.has_abstract = addr.u.q_unix.abstract = true;
    addr.u.q_unix.has_tight = true;
    addr.u.q_unix.tight = tight;
    fd = socket_listen(&addr, 1, &error_abort);
    client = socket_connect(&addr, &error_abort);
    local = socket_local_address(fd, &error_abort);
    g_assert_true(local->u.q_unix.abstract);
    g_assert_cmpint(local->u.q_unix.tight, ==, tight);
    g_assert_cmpstr(local->u.q_unix.path, ==, name);

    other = addr;
    other.u.q_unix.tight = !tight;
    g_assert_cmpint(socket_connect(&other, NULL), ==, -1);
    close(client);
    end_listener(fd);
}

static void test_unix_abstract(void)
{
    SocketAddress addr = unix_address("name");

    abstract_round_trip(true);
    abstract_round_trip(false);
    addr.u.q_unix.has_abstract = addr.u.q_unix.abstract = true;
    addr.u.q_unix.mode = (char *)"600";
    assert_listen_fails(&addr, "An abstract UNIX socket has no mode and no group");
}

static void test_unix_no_listener(void)
{
    g_autofree char *path = harness_tmpfile("none");
    g_autofree char *message =
        g_strdup_printf("Failed to connect to '%s': No such file or directory", path);
    Error *err = NULL;

    g_assert_cmpint(unix_connect(path, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qapi_use_own_members();
    harness_add("/sockets/unix/file_goes_with_its_listener", test_unix_file);
    harness_add("/sockets/unix/file_goes_after_the_directory_changed", test_unix_relative_file);
    harness_add("/sockets/unix/file_goes_at_exit", test_unix_exit);
    harness_add("/sockets/unix/file_of_somebody_else_stays", test_unix_foreign_file);
    harness_add("/sockets/unix/path_of_108_bytes_is_too_long", test_unix_long_path);
    harness_add("/sockets/unix/living_socket_is_not_replaced", test_unix_live_path);
    harness_add("/sockets/unix/stale_socket_is_replaced", test_unix_stale_path);
    harness_add("/sockets/unix/file_that_is_no_socket_is_not_replaced", test_unix_other_file);
    harness_add("/sockets/unix/one_of_several_replacers_wins", test_unix_race);
    harness_add("/sockets/unix/locked_directory_does_not_stop_us", test_unix_locked_directory);
    harness_add("/sockets/unix/mode_is_exact_whatever_the_umask", test_unix_mode);
    harness_add("/sockets/unix/group_is_set_and_checked", test_unix_group);
    harness_add("/sockets/unix/file_is_born_with_its_mode_and_group", test_unix_born_right);
    harness_add("/sockets/unix/group_is_right_where_the_folder_gives_one",
                test_unix_group_of_folder);
    harness_add("/sockets/unix/no_descriptor_to_ask_is_not_in_use", test_unix_no_descriptor_to_ask);
    harness_add("/sockets/unix/file_is_never_more_open_than_its_mode", test_unix_mode_window);
    harness_add("/sockets/unix/last_descriptor_leaves_no_file_behind", test_unix_last_descriptor);
    harness_add("/sockets/unix/abstract_names_are_tight_or_padded", test_unix_abstract);
    harness_add("/sockets/unix/missing_listener_is_named", test_unix_no_listener);
    return harness_run();
}
