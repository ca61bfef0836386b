/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to end the program.
 *
 * A signal handler may only set a flag and write to a descriptor, which wakes the main loop, or
 * a chardev that waits for its client during start-up.
 */
#include "qemu/osdep.h"
#include "chardev/char.h"
#include "daemonize.h"
#include "messages.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"
#include "shutdown.h"

static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
static EventNotifier notifier;
static int requested;
static unsigned limit_s;

static void on_signal(int signum)
{
    int saved_errno = errno;

    shutdown_request();
    errno = saved_errno;
}

static void catch_signals(void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &action, NULL);
    }
}

/* Waking is all that the event is for; the main loop looks at the flag itself. */
static void woken(EventNotifier *e)
{
    event_notifier_test_and_clear(e);
}

bool shutdown_init(Error **errp)
{
    int ret = event_notifier_init(&notifier, false);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot make an event notifier");
        return false;
    }
    event_notifier_set_handler(&notifier, woken);
    qemu_chr_set_interrupt_fd(event_notifier_get_fd(&notifier));
    catch_signals(on_signal, SA_RESETHAND);
    return true;
}

void shutdown_started(void)
{
    catch_signals(on_signal, 0);
}

void shutdown_done(void)
{
    catch_signals(SIG_IGN, 0);
    qemu_chr_set_interrupt_fd(-1);
    event_notifier_set_handler(&notifier, NULL);
    event_notifier_cleanup(&notifier);
}

static void *watchdog_run(void *opaque)
{
    g_usleep(limit_s * (gulong)G_USEC_PER_SEC);
    error_report("storage does not answer: its requests are given up");
    pidfile_remove();
    unix_listen_cleanup_all();
    messages_flush();
    _exit(EXIT_FAILURE);
}

void shutdown_set_limit(unsigned seconds)
{
    limit_s = seconds;
}

void shutdown_watch(void)
{
    static bool watching;
    QemuThread thread;

    if (!watching) {
        watching = true;
        qemu_thread_create(&thread, "watchdog", watchdog_run, NULL, QEMU_THREAD_DETACHED);
    }
}

void shutdown_request(void)
{
    __atomic_store_n(&requested, true, __ATOMIC_RELEASE);
    event_notifier_set(&notifier);
}

bool shutdown_requested(void)
{
    return __atomic_load_n(&requested, __ATOMIC_ACQUIRE);
}
