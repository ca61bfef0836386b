/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every fuzz target stands on: the entry points, a reader of the input, checks that an input
 * leaves nothing behind.
 *
 * A target is one file fuzz-NAME.c with LLVMFuzzerTestOneInput(). libFuzzer, AFL++'s driver and
 * standalone.c each bring a main() that calls it. An input must give the same run every time, and
 * the next input must find the process as the first did.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "qemu/osdep.h"

/* Once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* One input; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The input as a tape: what is read beyond its end is zero ---- */

typedef struct FuzzTape {
    const uint8_t *at;
    const uint8_t *end;
} FuzzTape;

static inline bool fuzz_more(const FuzzTape *tape)
{
    return tape->at < tape->end;
}

/* Copy @len bytes to @buf. */
void fuzz_bytes(FuzzTape *tape, void *buf, size_t len);
/* Numbers, little-endian. */
uint8_t fuzz_u8(FuzzTape *tape);
uint16_t fuzz_u16(FuzzTape *tape);
uint32_t fuzz_u32(FuzzTape *tape);
uint64_t fuzz_u64(FuzzTape *tape);

/* ---- Nothing stays behind ---- */

/*
 * What is open after the next input is there to stay: the fuzzer itself opens some after
 * LLVMFuzzerInitialize(). From then on fuzz_check_leaks() compares with that.
 */
void fuzz_leaks_begin(void);
/* Aborts if the process has more descriptors, or more guest memory mapped, than it may. */
void fuzz_check_leaks(void);

/* ---- The outside world ---- */

/*
 * From now on no file outside of an empty folder of our own can be opened, no address be
 * connected or bound, by code linked into this program (tests/fuzz/meson.build, guarded targets).
 */
void fuzz_guard_begin(void);
/* Remove what the input has put into that folder. */
void fuzz_guard_clean(void);

#endif
