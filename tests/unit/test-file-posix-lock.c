/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of image locks: what other processes see of us, and we of them. */
#include "qemu/osdep.h"
#include "block/file-posix.h"
#include "tests/unit/block-test.h"

#define MIB (1024 * 1024)

static BlockDriverState *open_file(const char *path, const char *more)
{
    return open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'%s}", path, more);
}

/* Takes a lock on byte @pos of the file in another process, until released. */
typedef struct OtherProcess {
    pid_t pid;
    int to_child;
} OtherProcess;

static void child_lock(const char *path, int pos, int ready, int go)
{
    struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = pos, .l_len = 1 };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char c = fcntl(fd, F_OFD_SETLK, &fl) == 0 ? 'y' : 'n';

    if (write(ready, &c, 1) == 1 && read(go, &c, 1) >= 0) {
        _exit(0);
    }
    _exit(1);
}

static OtherProcess other_locks(const char *path, int pos)
{
    int up[2], down[2];
    OtherProcess o;
    char c = 0;

    g_assert_cmpint(qemu_pipe(up), ==, 0);
    g_assert_cmpint(qemu_pipe(down), ==, 0);
    o.pid = fork();
    g_assert_cmpint(o.pid, >=, 0);
    if (o.pid == 0) {
        close(down[1]);
        child_lock(path, pos, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    g_assert_cmpint(read(up[0], &c, 1), ==, 1);
    g_assert_cmpint(c, ==, 'y');
    close(up[0]);
    o.to_child = down[1];
    return o;
}

static void other_ends(OtherProcess *o)
{
    int status = -1;

    close(o->to_child);
    g_assert_cmpint(waitpid(o->pid, &status, 0), ==, o->pid);
    g_assert_cmpint(status, ==, 0);
}

/* What fcntl(F_OFD_GETLK) on another open file says: is byte @pos locked by somebody? */
static bool is_locked(const char *path, int pos)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = pos, .l_len = 1 };
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &fl), ==, 0);
    close(fd);
    return fl.l_type != F_UNLCK;
}

static void try_perm(const char *path, uint64_t perm, uint64_t shared, const char *message)
{
    BlockDriverState *bs = open_file(path, "");
    BDRVRawState *s = bs->opaque;
    Error *err = NULL;
    BlockBackend *blk = blk_new_with_bs(bs, perm, shared, &err);

    if (message) {
        g_assert_null(blk);
        g_assert_cmpstr(error_get_pretty(err), ==, message);
        error_free(err);
        g_assert_cmpuint(s->locked_perm, ==, 0);
        g_assert_cmpuint(s->locked_shared_perm, ==, BLK_PERM_ALL);
    } else {
        g_assert_null(err);
        blk_unref(blk);
    }
    bdrv_unref(bs);
}

static void test_other_process_can_forbid_writing(void)
{
    g_autofree char *path = make_file("img", MIB);
    OtherProcess o = other_locks(path, 201);

    try_perm(path, BLK_PERM_WRITE, BLK_PERM_ALL, "Failed to get \"write\" lock");
    try_perm(path, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, NULL);
    other_ends(&o);
    try_perm(path, BLK_PERM_WRITE, BLK_PERM_ALL, NULL);
}

static void test_writing_of_another_process_cannot_be_forbidden(void)
{
    g_autofree char *path = make_file("img", MIB);
    OtherProcess o = other_locks(path, 101);

    try_perm(path, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL & ~BLK_PERM_WRITE,
             "Failed to get shared \"write\" lock");
    try_perm(path, BLK_PERM_WRITE, BLK_PERM_ALL, NULL);
    other_ends(&o);
    try_perm(path, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL & ~BLK_PERM_WRITE, NULL);
}

static void test_locks_say_what_we_do_and_share(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockDriverState *bs = open_file(path, "");
    BlockBackend *blk =
        blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE,
                        BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED, &error_abort);
    static const struct {
        int pos;
        bool locked;
    } expected[] = { { 100, true },  { 101, true }, { 102, false }, { 103, false },
                     { 200, false }, { 201, true }, { 202, false }, { 203, true } };

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        g_assert_cmpint(is_locked(path, expected[i].pos), ==, expected[i].locked);
    }
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_true(is_locked(path, 100));
    g_assert_false(is_locked(path, 101));
    g_assert_false(is_locked(path, 201));
    blk_unref(blk);
    g_assert_false(is_locked(path, 100));
    bdrv_unref(bs);
}

static void test_two_nodes_of_one_file_exclude_each_other(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockDriverState *a = open_node("{'driver': 'file', 'node-name': 'a', 'filename': '%s'}", path);
    BlockBackend *blk = blk_new_with_bs(a, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);

    try_perm(path, BLK_PERM_WRITE, BLK_PERM_ALL, "Failed to get \"write\" lock");
    blk_unref(blk);
    try_perm(path, BLK_PERM_WRITE, BLK_PERM_ALL, NULL);
    bdrv_unref(a);
}

static void test_force_share_reads_beside_a_writer(void)
{
    g_autofree char *path = make_file("img", MIB);
    BlockDriverState *a = open_node("{'driver': 'file', 'node-name': 'a', 'filename': '%s'}", path);
    BlockBackend *blk = blk_new_with_bs(a, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);
    BlockDriverState *b = open_file(path, ", 'read-only': true, 'force-share': true");
    BlockBackend *reader =
        blk_new_with_bs(b, BLK_PERM_CONSISTENT_READ, BLK_PERM_CONSISTENT_READ, &error_abort);

    blk_unref(reader);
    bdrv_unref(b);
    blk_unref(blk);
    bdrv_unref(a);
}

static void test_locking_off_takes_no_lock(void)
{
    g_autofree char *path = make_file("img", MIB);
    OtherProcess o = other_locks(path, 201);
    BlockBackend *blk = backend_on(open_file(path, ", 'locking': 'off'"));

    g_assert_false(is_locked(path, 101));
    other_ends(&o);
    blk_unref(blk);
}

static void test_refused_lock_names_the_image_in_a_hint(void)
{
    g_autofree char *path = make_file("img", MIB);
    g_autofree char *hint = g_strdup_printf("Is another process using the image [%s]?", path);
    g_autofree char *said = NULL;
    OtherProcess o = other_locks(path, 201);
    BlockDriverState *bs = open_file(path, "");
    int saved = dup(STDERR_FILENO);
    g_autofree char *log = harness_tmpfile("stderr");
    int fd = open(log, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    Error *err = NULL;

    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    dup2(fd, STDERR_FILENO);
    error_report_err(err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    g_assert_true(g_file_get_contents(log, &said, NULL, NULL));
    g_assert_nonnull(strstr(said, "Failed to get \"write\" lock\n"));
    g_assert_nonnull(strstr(said, hint));
    bdrv_unref(bs);
    other_ends(&o);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/file-posix-lock/other_process_can_forbid_writing",
                test_other_process_can_forbid_writing);
    harness_add("/file-posix-lock/writing_of_another_process_cannot_be_forbidden",
                test_writing_of_another_process_cannot_be_forbidden);
    harness_add("/file-posix-lock/locks_say_what_we_do_and_share",
                test_locks_say_what_we_do_and_share);
    harness_add("/file-posix-lock/two_nodes_of_one_file_exclude_each_other",
                test_two_nodes_of_one_file_exclude_each_other);
    harness_add("/file-posix-lock/force_share_reads_beside_a_writer",
                test_force_share_reads_beside_a_writer);
    harness_add("/file-posix-lock/locking_off_takes_no_lock", test_locking_off_takes_no_lock);
    harness_add("/file-posix-lock/refused_lock_names_the_image_in_a_hint",
                test_refused_lock_names_the_image_in_a_hint);
    return harness_run();
}
