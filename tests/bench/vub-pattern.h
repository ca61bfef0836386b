/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which block comes next, and what is done with it: the same for daemons and for their limits. */
#ifndef TESTS_BENCH_VUB_PATTERN_H
#define TESTS_BENCH_VUB_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum VubOperation {
    VUB_READ,
    VUB_WRITE,
    VUB_MIX, /* 70 of 100 requests read */
    VUB_OPERATION__MAX,
} VubOperation;

typedef struct VubPattern {
    VubOperation operation;
    bool sequential;
    uint64_t blocks; /* of the disk */
    uint64_t next;   /* of a sequential pattern */
    uint64_t random;
} VubPattern;

/* VUB_OPERATION__MAX if there is none of that name. */
static inline VubOperation vub_operation(const char *name)
{
    static const char *const names[] = { "read", "write", "mix" };
    int operation = 0;

    while (operation < VUB_OPERATION__MAX && strcmp(names[operation], name)) {
        operation++;
    }
    return operation;
}

/* The number of the next block, and whether it is written. */
static inline uint64_t vub_pattern_next(VubPattern *pattern, bool *ret_write)
{
    uint64_t random = pattern->random * 6364136223846793005ull + 1442695040888963407ull;
    uint64_t block;

    pattern->random = random;
    *ret_write = pattern->operation == VUB_WRITE ||
                 (pattern->operation == VUB_MIX && ((random >> 16) & 0xffff) >= 0x10000 * 7 / 10);
    if (!pattern->sequential) {
        return (random >> 32) * pattern->blocks >> 32;
    }
    block = pattern->next;
    pattern->next = block + 1 < pattern->blocks ? block + 1 : 0;
    return block;
}

#endif
