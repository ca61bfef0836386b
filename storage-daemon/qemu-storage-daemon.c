/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program: options in order, the main loop, and the end of everything.
 *
 * Theory of operation: the command line is taken apart first; --help, --version, --daemonize and
 * --pidfile, --run-with and --sandbox are looked at before anything exists, so that fork() happens
 * in a process without threads, and what threads inherit of a sandbox is there before them. Then
 * the layers are initialised, the other options are carried out in order, the trace and pid files
 * are written, privileges dropped, the sandbox closed and a waiting parent let go. The main loop
 * runs until a signal or the command quit ends it. The end is the same after a failure: exports,
 * nodes, monitors, character devices and objects go, in this order, and nothing stays behind.
 */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "block/block-global-state.h"
#include "block/export.h"
#include "qemu/storage-call.h"
#include "chardev/char.h"
#include "commands.h"
#include "daemonize.h"
#include "messages.h"
#include "metrics-server.h"
#include "monitor/monitor.h"
#include "notify.h"
#include "options.h"
#include "qapi/type-info.h"
#include "qemu/error-report.h"
#include "qemu/inherited-fds.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qom/object_interfaces.h"
#include "run-as.h"
#include "sandbox.h"
#include "shutdown.h"
#include "trace/control.h"

/* What is opened later must not become standard input, output or error by chance. */
static bool occupy_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/*
 * Nobody's disk shall end for a broken pipe, a write beyond the limit of file size, or a signal
 * that means something to other programs ("kill -USR1").
 */
static void ignore_signals(void)
{
    static const int harmless[] = {
        SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT,
    };

    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
        signal(harmless[i], SIG_IGN);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        signal(number, SIG_IGN);
    }
}

/* Exports, their clients and their queues need many; the soft limit is for programs that select().
 */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool init_layers(Error **errp)
{
    module_call_init(MODULE_INIT_QOM);
    if (qemu_init_main_loop(errp) < 0 || !shutdown_init(errp)) {
        return false;
    }
    bdrv_init();
    storage_call_set_interrupt(shutdown_requested);
    monitor_init_globals(commands_register);
    return true;
}

static void cleanup(const StartupOptions *startup)
{
    g_autofree char *stopping =
        g_strdup_printf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64,
                        (uint64_t)(startup->shutdown_timeout + 5) * G_USEC_PER_SEC);

    service_notify(stopping);
    shutdown_watch();
    metrics_server_stop();
    blk_exp_close_all();
    bdrv_close_all();
    monitor_cleanup();
    qemu_chr_cleanup();
    user_creatable_cleanup();
    shutdown_done();
    trace_close_file();
    pidfile_remove();
    messages_flush();
}

/* Everything that the command line asks for exists and works when this returns true. */
static bool start(const StartupOptions *startup, Error **errp)
{
    return trace_init_file(errp) && (!startup->pidfile || pidfile_create(startup->pidfile, errp)) &&
           messages_start(startup->daemonize, errp) && run_as_apply(errp) && sandbox_enter(errp) &&
           daemonize_ready(errp);
}

/* The files that the options name stay usable inside of a sandbox. */
static bool begin_sandbox(const GArray *parsed, Error **errp)
{
    for (guint i = 0; i < parsed->len; i++) {
        const ParsedOption *p = &g_array_index(parsed, ParsedOption, i);

        if (p->arg) {
            sandbox_note_option(p->option->name, p->arg);
        }
    }
    return sandbox_begin(errp);
}

static int run(GArray *parsed, char **argv, const StartupOptions *startup)
{
    Error *err = NULL;
    OptionResult result = options_run(parsed, argv);
    bool failed = result == OPTION_FAILED && !shutdown_requested();

    if (result == OPTION_DONE && !start(startup, &err)) {
        error_report_err(err);
        failed = true;
    } else if (result == OPTION_DONE) {
        messages_take_over();
        shutdown_started();
        service_notify("READY=1");
        while (!shutdown_requested()) {
            main_loop_wait(false);
        }
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    StartupOptions startup = { .shutdown_timeout = SHUTDOWN_TIMEOUT_DEFAULT };
    g_autoptr(GArray) parsed = NULL;
    Error *err = NULL;
    OptionResult early;
    int status;

    inherited_fds_record();
    qapi_use_own_members();
    error_init(argv[0]);
    ignore_signals();
    if (!occupy_standard_fds()) {
        return EXIT_FAILURE;
    }
    raise_descriptor_limit();

    parsed = options_parse(argc, argv);
    if (!parsed) {
        return EXIT_FAILURE;
    }
    early = options_run_early(parsed, argv, &startup);
    if (early != OPTION_DONE) {
        return early == OPTION_EXIT ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    shutdown_set_limit(startup.shutdown_timeout);
    service_notify_init();
    if ((startup.daemonize && !daemonize_begin(&err)) || !begin_sandbox(parsed, &err) ||
        !init_layers(&err)) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    status = run(parsed, argv, &startup);
    cleanup(&startup);
    return status;
}
