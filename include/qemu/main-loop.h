/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main thread's loop: GLib's default main context with the main AioContext attached.
 *
 * Theory of operation
 *
 * qemu_init_main_loop() makes the calling thread the main thread.  main_loop_wait() runs one
 * iteration of GLib's default context: GLib sources, the main AioContext, timers without a
 * context, and the descriptors of qemu_set_fd_handler(), which have an AioContext of their own
 * so that a nested aio_poll() of the main context does not run them.
 */
#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

#include "block/aio.h"

/** qemu_init_main_loop: once, before everything else here.  0, or -errno with @errp set. */
int qemu_init_main_loop(Error **errp);

/** qemu_cleanup_main_loop: undo it; for tests.  Main thread. */
void qemu_cleanup_main_loop(void);

/** main_loop_wait: one iteration; sleeps unless @nonblocking.  Main thread. */
void main_loop_wait(int nonblocking);

/** qemu_get_aio_context: the main AioContext; NULL before qemu_init_main_loop().  Any thread. */
AioContext *qemu_get_aio_context(void);

/** iohandler_get_aio_context: the context behind qemu_set_fd_handler().  Main thread. */
AioContext *iohandler_get_aio_context(void);
/** iohandler_get_g_source: likewise, as a GSource with a reference. */
GSource *iohandler_get_g_source(void);

/** qemu_notify_event: end main_loop_wait()'s sleep.  Any thread. */
void qemu_notify_event(void);

/**
 * qemu_set_fd_handler: aio_set_fd_handler() in the main loop's handler context.  Main thread.
 */
void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write, void *opaque);

/** event_notifier_set_handler: likewise for @e; NULL removes. */
void event_notifier_set_handler(EventNotifier *e, EventNotifierHandler *handler);

/** qemu_bh_new: aio_bh_new() in the main context. */
#define qemu_bh_new(cb, opaque) qemu_bh_new_full((cb), (opaque), (stringify(cb)), NULL)
#define qemu_bh_new_guarded(cb, opaque, guard) \
    qemu_bh_new_full((cb), (opaque), (stringify(cb)), guard)
QEMUBH *qemu_bh_new_full(QEMUBHFunc *cb, void *opaque, const char *name,
                         MemReentrancyGuard *reentrancy_guard);

/** qemu_in_main_thread: does the caller run the main context? */
bool qemu_in_main_thread(void);

/*
 * First line of a function that only the main thread may run; tells clang so too.  IO_CODE():
 * of one that any thread with an AioContext may run.
 */
#define GLOBAL_STATE_CODE()              \
    do {                                 \
        g_assert(qemu_in_main_thread()); \
    } while (0)
#define IO_CODE() \
    do {          \
    } while (0)
#define IO_OR_GS_CODE() \
    do {                \
    } while (0)

#endif
