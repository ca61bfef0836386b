/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading from a mapping of a file that somebody may cut short.
 *
 * Theory of operation: a page that is gone, or cannot be read, raises SIGBUS. The handler looks the
 * address up in the list of guarded mappings, first marks the guard as hit, then puts a page of
 * zeroes in the place; so whoever went on reading from there finds the mark afterwards. Any other
 * SIGBUS goes to the handler that was there before (libvhost-user has one for guest memory).
 *
 * The list changes under a mutex; handlers walk it without, and are counted, so that one that was
 * taken off can be waited for.
 */
#include "qemu/osdep.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "block/sigbus-guard.h"

static SigbusGuard *guards;    /* atomic */
static unsigned handlers;      /* atomic: walking the list */
static bool handler_installed; /* mutex */
static struct sigaction previous;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Async-signal-safe. True: the access may be repeated. */
static bool repair(uintptr_t addr)
{
    SigbusGuard *g = qatomic_load_acquire(&guards);

    for (; g; g = qatomic_load_acquire(&g->next)) {
        if (addr >= g->start && addr < g->end) {
            void *page = (void *)(addr & ~(uintptr_t)(g->page_size - 1));

            qatomic_set_mb(&g->hit, true);
            return mmap(page, g->page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                        0) != MAP_FAILED;
        }
    }
    return false;
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(sig, info, context);
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
        /* The access is repeated on return and meets the default. */
        sigaction(SIGBUS, &previous, NULL);
        if (info->si_code <= 0) {
            raise(SIGBUS);
        }
    } else {
        previous.sa_handler(sig);
    }
}

static void sigbus(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    bool repaired;

    qatomic_inc(&handlers);
    smp_mb__after_rmw();
    repaired = (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) &&
               repair((uintptr_t)info->si_addr);
    qatomic_dec(&handlers);
    if (!repaired) {
        pass_on(sig, info, context);
    }
    errno = saved;
}

void sigbus_guard_on(SigbusGuard *guard, void *addr, size_t size, size_t page_size)
{
    struct sigaction action = { .sa_sigaction = sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    guard->start = (uintptr_t)addr;
    guard->end = (uintptr_t)addr + size;
    guard->page_size = page_size;
    guard->hit = false;
    pthread_mutex_lock(&mutex);
    if (!handler_installed) {
        handler_installed = true;
        sigemptyset(&action.sa_mask);
        /* The handler may be needed before the call that installs it has filled this in. */
        sigaction(SIGBUS, NULL, &previous);
        sigaction(SIGBUS, &action, NULL);
    }
    guard->next = guards;
    qatomic_store_release(&guards, guard);
    pthread_mutex_unlock(&mutex);
}

void sigbus_guard_off(SigbusGuard *guard)
{
    SigbusGuard **link = &guards;

    pthread_mutex_lock(&mutex);
    while (*link != guard) {
        link = &(*link)->next;
    }
    qatomic_set_mb(link, guard->next);
    while (qatomic_load_acquire(&handlers)) {
        sched_yield();
    }
    pthread_mutex_unlock(&mutex);
}
