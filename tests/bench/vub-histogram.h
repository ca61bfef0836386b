/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests took: counts by time, in steps of about three per cent. */
#ifndef TESTS_BENCH_VUB_HISTOGRAM_H
#define TESTS_BENCH_VUB_HISTOGRAM_H

#include <stdint.h>

enum {
    /* 32 steps for each power of two nanoseconds. */
    VUB_STEP_BITS = 5,
    VUB_STEPS = (65 - VUB_STEP_BITS) << VUB_STEP_BITS,
};

typedef struct VubHistogram {
    uint64_t count;
    uint64_t longest; /* nanoseconds */
    uint64_t steps[VUB_STEPS];
} VubHistogram;

void vub_histogram_add(VubHistogram *histogram, uint64_t ns);
void vub_histogram_merge(VubHistogram *histogram, const VubHistogram *other);
/* Nanoseconds that a part (0 to 1) of all requests did not exceed. */
uint64_t vub_histogram_quantile(const VubHistogram *histogram, double part);

#endif
