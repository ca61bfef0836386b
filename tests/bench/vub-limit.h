/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways to access a file in one thread, straight: what a daemon can at best come near to. */
#ifndef TESTS_BENCH_VUB_LIMIT_H
#define TESTS_BENCH_VUB_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "vub-pattern.h"

typedef struct VubLimit {
    VubPattern pattern;
    int fd;
    uint64_t bytes; /* of the file */
    uint32_t block_bytes;
    int depth;
    bool fixed;       /* buffers are registered */
    uint8_t *buffers; /* one for each request in flight */
    uint64_t done;
} VubLimit;

typedef struct VubLimitWay {
    const char *name;
    void (*start)(VubLimit *limit);
    void (*step)(VubLimit *limit); /* some requests, at least one */
    void (*end)(VubLimit *limit);  /* completes what is in flight */
} VubLimitWay;

/* Ends the program; @error is an errno, or 0 for a short transfer. */
_Noreturn void vub_limit_die(const char *what, int error);

extern const VubLimitWay vub_limit_uring;

#endif
