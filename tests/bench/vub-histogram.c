/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests took; see vub-histogram.h. */
#include "vub-histogram.h"

static unsigned step_of(uint64_t ns)
{
    unsigned log2 = 63 - __builtin_clzll(ns | 1);

    if (log2 < VUB_STEP_BITS) {
        return ns;
    }
    return ((log2 - VUB_STEP_BITS) << VUB_STEP_BITS) + (ns >> (log2 - VUB_STEP_BITS));
}

/* The smallest number of that step. */
static uint64_t ns_of(unsigned step)
{
    unsigned shift = step >> VUB_STEP_BITS;

    if (shift == 0) {
        return step;
    }
    return (uint64_t)((step & ((1 << VUB_STEP_BITS) - 1)) | 1 << VUB_STEP_BITS) << (shift - 1);
}

void vub_histogram_add(VubHistogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->steps[step_of(ns)]++;
    if (ns > histogram->longest) {
        histogram->longest = ns;
    }
}

void vub_histogram_merge(VubHistogram *histogram, const VubHistogram *other)
{
    histogram->count += other->count;
    if (other->longest > histogram->longest) {
        histogram->longest = other->longest;
    }
    for (unsigned step = 0; step < VUB_STEPS; step++) {
        histogram->steps[step] += other->steps[step];
    }
}

uint64_t vub_histogram_quantile(const VubHistogram *histogram, double part)
{
    uint64_t left = part * histogram->count;
    unsigned step = 0;

    while (step < VUB_STEPS - 1 && histogram->steps[step] <= left) {
        left -= histogram->steps[step++];
    }
    return ns_of(step);
}
