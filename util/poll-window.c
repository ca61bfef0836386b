/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "util/poll-window.h"

int64_t poll_window_begin(AioPollWindow *w, int64_t max_ns, int64_t now)
{
    if (now && w->vain_ns > 0) {
        w->vain_ns = MAX(w->vain_ns - (now - w->vain_since) / POLL_SHARE, (int64_t)0);
        w->vain_since = now;
    }
    w->limit_ns = w->vain_ns > POLL_VAIN_NS ? 0 : max_ns;
    return MIN(w->ns, w->limit_ns);
}

void poll_window_found(AioPollWindow *w)
{
    w->vain_ns = MAX(w->vain_ns - POLL_SAVED_NS, (int64_t)0);
}

void poll_window_vain(AioPollWindow *w, int64_t begin, int64_t now)
{
    if (w->vain_ns == 0) {
        w->vain_since = now;
    }
    w->vain_ns += now - begin;
}

void poll_window_preempted(AioPollWindow *w, int64_t max_ns)
{
    w->avg_ns = POLL_BACK_OFF * max_ns;
}

void poll_window_waited(AioPollWindow *w, const PollParams *params, int64_t ns)
{
    int64_t max_ns = w->limit_ns;

    /* One very long wait must not outweigh many short ones after it. */
    ns = MIN(ns, 2 * max_ns);
    w->avg_ns += (ns - w->avg_ns) / (1LL << (params->weight ?: POLL_WEIGHT_DEFAULT));
    if (w->avg_ns > max_ns) {
        w->ns = params->shrink ? w->ns / params->shrink : 0;
    } else if (ns > w->ns) {
        w->ns = w->ns ? w->ns * (params->grow ?: POLL_GROW_DEFAULT) : POLL_START_NS;
    }
    w->ns = MIN(w->ns, max_ns);
}
