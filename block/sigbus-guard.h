/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading from a mapping of a file that somebody may cut short. */
#ifndef BLOCK_SIGBUS_GUARD_H
#define BLOCK_SIGBUS_GUARD_H

typedef struct SigbusGuard {
    /* Constant while it is on. */
    uintptr_t start;
    uintptr_t end;
    size_t page_size; /* bytes, a power of two */
    /* Atomic: a page was gone, and what was read from the mapping may be zeroes. Look afterwards.
     */
    bool hit;
    struct SigbusGuard *next;
} SigbusGuard;

/**
 * sigbus_guard_on: Survive faults in the @size bytes at @addr, a shared mapping that is only read.
 *
 * Any thread. @guard and the mapping stay until sigbus_guard_off().
 */
void sigbus_guard_on(SigbusGuard *guard, void *addr, size_t size, size_t page_size);

/** sigbus_guard_off: Any thread; nobody reads from the mapping any more. */
void sigbus_guard_off(SigbusGuard *guard);

#endif /* BLOCK_SIGBUS_GUARD_H */
