/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage daemon's layers in the fuzzer's process.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include "block/block-global-state.h"
#include "block/export.h"
#include "chardev/char.h"
#include "fuzz-daemon.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/type-info.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qom/object_interfaces.h"
#include "storage-daemon/commands.h"
#include "storage-daemon/shutdown.h"

/* A loop that never rests would be a find. */
#define ITERATIONS_MAX 10000

/* The program's end is the input's business, not ours. */
void shutdown_request(void)
{
}

void shutdown_watch(void)
{
}

void fuzz_daemon_setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    qapi_use_own_members();
    error_init("fuzz");
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    bdrv_init();
    /* A device that would wait for its client gives up. */
    qemu_chr_set_interrupt_fd(eventfd(1, EFD_CLOEXEC));
}

void fuzz_daemon_settle(void)
{
    for (int i = 0; g_main_context_pending(NULL); i++) {
        g_assert(i < ITERATIONS_MAX);
        main_loop_wait(true);
    }
}

void fuzz_daemon_clear(void)
{
    blk_exp_close_all();
    bdrv_close_all();
    monitor_cleanup();
    qemu_chr_cleanup();
    user_creatable_cleanup();
    fuzz_daemon_settle();
}
