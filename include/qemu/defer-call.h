/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that are put off to the end of a section, so that what many events of one round of the
 * event loop want done (one interrupt for all requests that have completed) is done once.
 *
 * Theory of operation
 *
 * Sections nest, and belong to the thread. Each iteration of an AioContext is one, from its bottom
 * halves to its last descriptor. A nested loop begins by running what its surroundings have put
 * off: it may be waiting for just that.
 */
#ifndef QEMU_DEFER_CALL_H
#define QEMU_DEFER_CALL_H

/** defer_call_begin: a section begins. Any thread. */
void defer_call_begin(void);

/** defer_call_end: it ends; the outermost runs what was put off, in the order of the requests. */
void defer_call_end(void);

/**
 * defer_call: have @fn(@opaque) run at the end of the outermost section of this thread, once
 * however often it was asked for; at once when there is no section, or no room to remember it.
 * Any thread; a coroutine too, if it copes with @fn running outside of it. @opaque must live until
 * then.
 */
void defer_call(void (*fn)(void *), void *opaque);

/**
 * defer_call_flush: run now what was put off, whatever the section. Any thread.
 * True if there was something.
 */
bool defer_call_flush(void);

#endif
