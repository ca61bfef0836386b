/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long to poll busily before going to sleep: the judgement alone, with times that the caller
 * brings (ns of any clock that does not go back).
 *
 * Theory of operation
 *
 * The window follows a running average of how long a loop waits: it grows while events come soon
 * enough but after polling has ended, and shrinks when the average is beyond what is worth it. A
 * loop that waits for long therefore does not poll at all.
 *
 * What is polled in vain is never more than POLL_VAIN_NS at once, one part in POLL_SHARE of the
 * time beyond that, and what polling has saved by finding something: a light load is not worth
 * more, and there are hosts where nobody else gets anywhere while we poll. Who was preempted while
 * he polled sleeps for his next some twenty events instead.
 */
#ifndef UTIL_POLL_WINDOW_H
#define UTIL_POLL_WINDOW_H

#include "block/aio.h"

enum {
    POLL_START_NS = 4000,
    POLL_GROW_DEFAULT = 2,
    POLL_WEIGHT_DEFAULT = 3,
    /* So much may be polled in vain at once; beyond it one part in POLL_SHARE of the time. */
    POLL_VAIN_NS = 500000,
    POLL_SHARE = 64,
    /* What finding something has saved: a part of what it costs to sleep and to be woken. */
    POLL_SAVED_NS = 1000,
    /* After a preemption the average is set to so many times the longest polling. */
    POLL_BACK_OFF = 32,
};

/* As for aio_context_set_poll_params(); 0 stands for the default. */
typedef struct PollParams {
    int64_t grow;
    int64_t shrink;
    int64_t weight;
} PollParams;

/**
 * poll_window_begin: A wait begins.
 * @max_ns: what is worth polling for at most
 * @now: when; 0: it is no real wait, and nothing is reckoned
 *
 * Returns how long to poll.
 */
int64_t poll_window_begin(AioPollWindow *w, int64_t max_ns, int64_t now);

/** poll_window_found: Polling has found something. */
void poll_window_found(AioPollWindow *w);

/** poll_window_vain: From @begin to @now it has not. */
void poll_window_vain(AioPollWindow *w, int64_t begin, int64_t now);

/** poll_window_preempted: Another thread was given the processor while we polled. */
void poll_window_preempted(AioPollWindow *w, int64_t max_ns);

/** poll_window_waited: The wait, polled or slept through, took @ns. */
void poll_window_waited(AioPollWindow *w, const PollParams *params, int64_t ns);

#endif
