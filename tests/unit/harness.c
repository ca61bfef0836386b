/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs unit tests and sees to it that they leave neither descriptors nor files behind. */
#include "qemu/osdep.h"
#include "harness.h"

typedef struct HarnessTest {
    void (*fn)(void);
    void (*data_fn)(const void *data);
    const void *data;
} HarnessTest;

static GPtrArray *tests;
static char *tmpdir;

/* Descriptor number -> what it is, as text; without the descriptor of the listing itself. */
static GHashTable *list_fds(void)
{
    GHashTable *fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%s", name);
        char *target = g_file_read_link(path, NULL);

        if (target && g_str_has_suffix(target, "/fd") && g_str_has_prefix(target, "/proc/")) {
            g_free(target);
        } else if (target) {
            g_hash_table_insert(fds, g_strdup(name), target);
        }
    }
    return fds;
}

int harness_count_fds(void)
{
    g_autoptr(GHashTable) fds = list_fds();

    return g_hash_table_size(fds);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        if (g_file_test(entry, G_FILE_TEST_IS_DIR) && !g_file_test(entry, G_FILE_TEST_IS_SYMLINK)) {
            remove_tree(entry);
        } else {
            unlink(entry);
        }
    }
    rmdir(path);
}

static void remove_tmpdir(void)
{
    if (tmpdir) {
        remove_tree(tmpdir);
        g_clear_pointer(&tmpdir, g_free);
    }
}

const char *harness_tmpdir(void)
{
    if (!tmpdir) {
        tmpdir = g_dir_make_tmp("unit-XXXXXX", NULL);
        g_assert_nonnull(tmpdir);
    }
    return tmpdir;
}

char *harness_tmpfile(const char *name)
{
    return g_build_filename(harness_tmpdir(), name, NULL);
}

static void compare_fds(GHashTable *before, GHashTable *after)
{
    GHashTableIter iter;
    gpointer fd, target;

    if (g_hash_table_size(after) <= g_hash_table_size(before)) {
        return;
    }
    g_hash_table_iter_init(&iter, after);
    while (g_hash_table_iter_next(&iter, &fd, &target)) {
        if (!g_hash_table_contains(before, fd)) {
            g_printerr("descriptor %s was left open: %s\n", (char *)fd, (char *)target);
        }
    }
    g_test_fail();
}

static void run_test(gconstpointer opaque)
{
    const HarnessTest *t = opaque;
    g_autoptr(GHashTable) before = list_fds();
    g_autoptr(GHashTable) after = NULL;

    if (t->fn) {
        t->fn();
    } else {
        t->data_fn(t->data);
    }
    after = list_fds();
    compare_fds(before, after);
    remove_tmpdir();
}

static void add_test(const char *path, HarnessTest test)
{
    HarnessTest *t = g_memdup2(&test, sizeof(test));

    g_ptr_array_add(tests, t);
    g_test_add_data_func(path, t, run_test);
}

void harness_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    tests = g_ptr_array_new_with_free_func(g_free);
}

void harness_add(const char *path, void (*fn)(void))
{
    add_test(path, (HarnessTest){ .fn = fn });
}

void harness_add_data(const char *path, const void *data, void (*fn)(const void *data))
{
    add_test(path, (HarnessTest){ .data_fn = fn, .data = data });
}

int harness_run(void)
{
    int status = g_test_run();

    g_clear_pointer(&tests, g_ptr_array_unref);
    return status;
}
