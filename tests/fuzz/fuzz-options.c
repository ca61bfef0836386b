/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: --blockdev, --export, --object and --chardev, one a line, as far as the first
 * that fails.
 *
 * An input is lines of "b ARGUMENT", "e ARGUMENT", "o ARGUMENT", "c ARGUMENT".
 */
#include "qemu/osdep.h"
#include "fuzz-daemon.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "storage-daemon/commands.h"
#include "storage-daemon/options.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_guard_begin();
    fuzz_daemon_setup();
    LLVMFuzzerTestOneInput((const uint8_t *)"b null-co,node-name=d", 21);
    fuzz_leaks_begin();
    return 0;
}

static const Option *option_by_letter(char letter)
{
    static const char *const names[] = { "blockdev", "export", "object", "chardev" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (const Option *o = options; letter == names[i][0] && o->name; o++) {
            if (!strcmp(o->name, names[i])) {
                return o;
            }
        }
    }
    return NULL;
}

/* False: the line is no option, or failed. */
static bool carry_out(const char *line)
{
    const Option *option = option_by_letter(line[0]);
    Error *err = NULL;
    OptionResult result;

    if (!option || line[1] != ' ') {
        return false;
    }
    result = option->handle(line + 2, &err);
    g_assert((result == OPTION_FAILED) == (err != NULL));
    error_free(err);
    return result != OPTION_FAILED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 16);

    monitor_init_globals(commands_register);
    for (char **line = lines; *line && carry_out(*line); line++) {
        fuzz_daemon_settle();
    }
    fuzz_daemon_clear();
    fuzz_guard_clean();
    fuzz_check_leaks();
    return 0;
}
