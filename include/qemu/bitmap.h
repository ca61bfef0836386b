/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of small numbers as bits of an unsigned long array; @nbits is the number of bits that count.
 * Not atomic unless the name says so. Allocated maps are freed by g_free().
 */
#ifndef BITMAP_H
#define BITMAP_H

#include "qemu/bitops.h"

#define DECLARE_BITMAP(name, bits)    unsigned long name[BITS_TO_LONGS(bits)]
#define BITMAP_FIRST_WORD_MASK(start) (~0UL << ((start) & (BITS_PER_LONG - 1)))
#define BITMAP_LAST_WORD_MASK(nbits)  (~0UL >> (-(nbits) & (BITS_PER_LONG - 1)))

/* All zero; NULL (try) or the end of the process when memory is short. */
static inline unsigned long *bitmap_try_new(long nbits)
{
    return g_try_new0(unsigned long, BITS_TO_LONGS(nbits));
}

static inline unsigned long *bitmap_new(long nbits)
{
    return g_new0(unsigned long, BITS_TO_LONGS(nbits));
}

static inline void bitmap_zero(unsigned long *dst, long nbits)
{
    memset(dst, 0, BITS_TO_LONGS(nbits) * sizeof(unsigned long));
}

static inline void bitmap_copy(unsigned long *dst, const unsigned long *src, long nbits)
{
    memcpy(dst, src, BITS_TO_LONGS(nbits) * sizeof(unsigned long));
}

/* Sets the first @nbits. */
void bitmap_fill(unsigned long *dst, long nbits);
/* Set or clear @nr bits from @start. */
void bitmap_set(unsigned long *map, long start, long nr);
void bitmap_clear(unsigned long *map, long start, long nr);
/* Whether none (all) of the first @nbits is set. */
bool bitmap_empty(const unsigned long *src, long nbits);
bool bitmap_full(const unsigned long *src, long nbits);
bool bitmap_equal(const unsigned long *a, const unsigned long *b, long nbits);
/* Number of ones among the first @nbits. */
long bitmap_count_one(const unsigned long *bitmap, long nbits);
/* Operations on the first @nbits; and() says whether the result has ones. */
bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits);
void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits);
void bitmap_andnot(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits);
void bitmap_complement(unsigned long *dst, const unsigned long *src, long nbits);
/* @new_nbits instead of @old_nbits; new bits are zero. The array may move. */
unsigned long *bitmap_zero_extend(unsigned long *old, long old_nbits, long new_nbits);

#endif
