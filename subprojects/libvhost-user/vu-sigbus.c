/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front-end may shrink the file behind a mapping; reading there raises SIGBUS. Survive it.
 *
 * Theory of operation: every mapping of a front-end's file is written into a process-wide table.
 * The handler, installed once with the first mapping, looks the faulting address up. If it is ours,
 * the page is replaced by one of zeroes, the device is marked broken and its socket shut down, so
 * that its connection ends while the faulting code goes on as if it had read zeroes. Any other
 * SIGBUS goes to the handler that was there before.
 *
 * The table is a list of blocks that only grows. Slots are claimed under a mutex; the handler reads
 * them without. A slot cannot be given up while its memory is being accessed, because the accessor
 * holds the region.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vu-internal.h"

#define SLOTS_PER_BLOCK 64

typedef struct VuBusSlot {
    uintptr_t start; /* atomic; valid while end is not 0 */
    uintptr_t end;   /* atomic; published last, 0 = not in use */
    size_t page_size;
    VuDev *dev;
    bool claimed; /* bus_mutex */
} VuBusSlot;

typedef struct BusBlock {
    struct BusBlock *next; /* constant once the block is reachable */
    VuBusSlot slots[SLOTS_PER_BLOCK];
} BusBlock;

static BusBlock *bus_blocks; /* atomic */
static pthread_mutex_t bus_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t bus_once = PTHREAD_ONCE_INIT;
static struct sigaction bus_previous;

static VuBusSlot *bus_slot_at(uintptr_t addr)
{
    BusBlock *block = __atomic_load_n(&bus_blocks, __ATOMIC_ACQUIRE);

    for (; block; block = block->next) {
        for (int i = 0; i < SLOTS_PER_BLOCK; i++) {
            VuBusSlot *slot = &block->slots[i];
            uintptr_t end = __atomic_load_n(&slot->end, __ATOMIC_ACQUIRE);

            /* Read the end again: the slot may be given to another mapping right now. */
            if (addr < end && addr >= __atomic_load_n(&slot->start, __ATOMIC_ACQUIRE) &&
                end == __atomic_load_n(&slot->end, __ATOMIC_RELAXED)) {
                return slot;
            }
        }
    }
    return NULL;
}

static bool bus_repair(uintptr_t addr)
{
    VuBusSlot *slot = bus_slot_at(addr);
    VuDev *dev;
    void *page;

    if (!slot) {
        return false;
    }
    page = (void *)(addr & ~(uintptr_t)(slot->page_size - 1));
    if (mmap(page, slot->page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED) {
        return false;
    }
    dev = slot->dev;
    __atomic_store_n(&dev->priv->bus_error, true, __ATOMIC_RELAXED);
    __atomic_store_n(&dev->broken, true, __ATOMIC_RELAXED);
    vu_count(&dev->priv->stats.bus_errors);
    if (dev->sock >= 0) {
        shutdown(dev->sock, SHUT_RDWR);
    }
    return true;
}

static void bus_pass_on(int sig, siginfo_t *info, void *context)
{
    if (bus_previous.sa_flags & SA_SIGINFO) {
        bus_previous.sa_sigaction(sig, info, context);
    } else if (bus_previous.sa_handler == SIG_DFL || bus_previous.sa_handler == SIG_IGN) {
        /* The access is repeated on return and meets the default. */
        sigaction(SIGBUS, &bus_previous, NULL);
        if (info->si_code <= 0) {
            raise(SIGBUS);
        }
    } else {
        bus_previous.sa_handler(sig);
    }
}

static void bus_handler(int sig, siginfo_t *info, void *context)
{
    int saved = errno;

    if (info->si_code != BUS_ADRERR || !bus_repair((uintptr_t)info->si_addr)) {
        bus_pass_on(sig, info, context);
    }
    errno = saved;
}

static void bus_install(void)
{
    struct sigaction action = { .sa_sigaction = bus_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigemptyset(&action.sa_mask);
    /* The handler may be needed before the call that installs it has filled this in. */
    sigaction(SIGBUS, NULL, &bus_previous);
    sigaction(SIGBUS, &action, NULL);
}

static VuBusSlot *bus_claim(void)
{
    BusBlock *block;

    for (block = bus_blocks; block; block = block->next) {
        for (int i = 0; i < SLOTS_PER_BLOCK; i++) {
            if (!block->slots[i].claimed) {
                return &block->slots[i];
            }
        }
    }
    block = calloc(1, sizeof(*block));
    if (!block) {
        return NULL;
    }
    block->next = bus_blocks;
    __atomic_store_n(&bus_blocks, block, __ATOMIC_RELEASE);
    return &block->slots[0];
}

VuBusSlot *vu_bus_guard(VuDev *dev, void *addr, size_t len, size_t page_size)
{
    VuBusSlot *slot;

    pthread_once(&bus_once, bus_install);
    pthread_mutex_lock(&bus_mutex);
    slot = bus_claim();
    if (slot) {
        slot->claimed = true;
        slot->dev = dev;
        slot->page_size = page_size;
        __atomic_store_n(&slot->start, (uintptr_t)addr, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->end, (uintptr_t)addr + len, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&bus_mutex);
    return slot;
}

void vu_bus_unguard(VuBusSlot *slot)
{
    pthread_mutex_lock(&bus_mutex);
    __atomic_store_n(&slot->end, 0, __ATOMIC_RELEASE);
    slot->claimed = false;
    pthread_mutex_unlock(&bus_mutex);
}
