/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that are put off to the end of a section: a short queue for each thread. */
#include "qemu/osdep.h"
#include "qemu/defer-call.h"

/* More queues than this rarely complete something in one round; the rest is done at once. */
#define DEFERRED_MAX 64

typedef struct Deferred {
    void (*fn)(void *);
    void *opaque;
} Deferred;

static __thread struct {
    unsigned nesting;
    unsigned first; /* the next to run */
    unsigned end;
    Deferred calls[DEFERRED_MAX];
} deferred;

bool defer_call_flush(void)
{
    bool any = deferred.first != deferred.end;

    /* Each is off the queue before it runs: it may flush, or put off another. */
    while (deferred.first != deferred.end) {
        Deferred call = deferred.calls[deferred.first++];

        if (deferred.first == deferred.end) {
            deferred.first = deferred.end = 0;
        }
        call.fn(call.opaque);
    }
    return any;
}

void defer_call_begin(void)
{
    deferred.nesting++;
}

void defer_call_end(void)
{
    assert(deferred.nesting > 0);
    if (--deferred.nesting == 0) {
        defer_call_flush();
    }
}

static bool is_deferred(void (*fn)(void *), void *opaque)
{
    for (unsigned i = deferred.first; i != deferred.end; i++) {
        if (deferred.calls[i].fn == fn && deferred.calls[i].opaque == opaque) {
            return true;
        }
    }
    return false;
}

void defer_call(void (*fn)(void *), void *opaque)
{
    if (deferred.nesting > 0 && is_deferred(fn, opaque)) {
        return;
    }
    if (deferred.nesting == 0 || deferred.end == DEFERRED_MAX) {
        fn(opaque);
        return;
    }
    deferred.calls[deferred.end++] = (Deferred){ fn, opaque };
}
