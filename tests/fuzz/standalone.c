/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A main() for fuzz targets without a fuzzer: runs the files, and those in the folders, that are
 * given as arguments, in the order of their names, and reports them as one case in TAP.
 *
 * Every file runs twice, so that what one input leaves behind meets another. A find ends the
 * process, by a sanitizer or by abort(); then the last "running" on stderr names the input.
 */
#include "qemu/osdep.h"
#include "fuzz.h"

static void add_folder(GPtrArray *files, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *full = g_build_filename(path, name, NULL);

        if (g_file_test(full, G_FILE_TEST_IS_REGULAR)) {
            g_ptr_array_add(files, g_steal_pointer(&full));
        }
    }
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *collect(int argc, char **argv)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);

    for (int i = 1; i < argc; i++) {
        if (g_file_test(argv[i], G_FILE_TEST_IS_DIR)) {
            add_folder(files, argv[i]);
        } else if (argv[i][0] != '-') {
            g_ptr_array_add(files, g_strdup(argv[i]));
        }
    }
    g_ptr_array_sort(files, by_name);
    return files;
}

/* The input in memory of exactly its size, so that a read behind its end is noticed. */
static bool run_file(const char *path)
{
    g_autofree char *text = NULL;
    uint8_t *exact;
    size_t size;

    if (!g_file_get_contents(path, &text, &size, NULL)) {
        return false;
    }
    fprintf(stderr, "running %s\n", path);
    exact = malloc(size ?: 1);
    memcpy(exact, text, size);
    LLVMFuzzerTestOneInput(exact, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = collect(argc, argv);
    /* A target may change the folder, and print what it likes. */
    FILE *tap = fdopen(dup(STDOUT_FILENO), "w");
    unsigned failed = !freopen("/dev/null", "w", stdout);

    for (guint i = 0; i < files->len; i++) {
        char *full = g_canonicalize_filename(files->pdata[i], NULL);

        g_free(files->pdata[i]);
        files->pdata[i] = full;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    for (guint i = 0; i < files->len; i++) {
        failed += !run_file(files->pdata[i]);
    }
    failed += !files->len;
    fprintf(tap, "%s 1 %u inputs leave the process as it was\n1..1\n", failed ? "not ok" : "ok",
            files->len);
    fclose(tap);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
