/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bits in words and in arrays of unsigned long (bit 0 is the lowest of the first word).
 *
 * Not atomic unless the name says so. Field helpers take a first bit @start and a @length in bits,
 * which must lie inside the word.
 */
#ifndef BITOPS_H
#define BITOPS_H

#include "qemu/atomic.h"
#include "qemu/host-utils.h"

#define BITS_PER_BYTE CHAR_BIT
#define BITS_PER_LONG ((int)(sizeof(unsigned long) * BITS_PER_BYTE))

#define BIT(nr)           (1UL << (nr))
#define BIT_ULL(nr)       (1ULL << (nr))
#define BIT_MASK(nr)      (1UL << ((nr) % BITS_PER_LONG))
#define BIT_WORD(nr)      ((nr) / BITS_PER_LONG)
#define BITS_TO_LONGS(nr) DIV_ROUND_UP(nr, BITS_PER_LONG)

/* @length ones from bit @shift; @length 1..64. */
#define MAKE_64BIT_MASK(shift, length) ((~0ULL >> (64 - (length))) << (shift))

static inline void set_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void set_bit_atomic(long nr, unsigned long *addr)
{
    qatomic_or(&addr[BIT_WORD(nr)], BIT_MASK(nr));
}

static inline void clear_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline void clear_bit_atomic(long nr, unsigned long *addr)
{
    qatomic_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr));
}

static inline void change_bit(long nr, unsigned long *addr)
{
    addr[BIT_WORD(nr)] ^= BIT_MASK(nr);
}

static inline int test_bit(long nr, const unsigned long *addr)
{
    return 1UL & (addr[BIT_WORD(nr)] >> (nr % BITS_PER_LONG));
}

/* Set or clear, and whether it was set before. */
static inline int test_and_set_bit(long nr, unsigned long *addr)
{
    int was = test_bit(nr, addr);

    set_bit(nr, addr);
    return was;
}

static inline int test_and_clear_bit(long nr, unsigned long *addr)
{
    int was = test_bit(nr, addr);

    clear_bit(nr, addr);
    return was;
}

/* Number of the next one (zero) at or after @offset in the first @size bits, or @size. */
unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long offset);
unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
                                 unsigned long offset);
/* Number of the last one in the first @size bits, or @size. */
unsigned long find_last_bit(const unsigned long *addr, unsigned long size);

static inline unsigned long find_first_bit(const unsigned long *addr, unsigned long size)
{
    return find_next_bit(addr, size, 0);
}

static inline unsigned long find_first_zero_bit(const unsigned long *addr, unsigned long size)
{
    return find_next_zero_bit(addr, size, 0);
}

/* Rotations by @shift bits. */
static inline uint32_t rol32(uint32_t word, unsigned int shift)
{
    return (word << (shift & 31)) | (word >> (-shift & 31));
}

static inline uint32_t ror32(uint32_t word, unsigned int shift)
{
    return (word >> (shift & 31)) | (word << (-shift & 31));
}

static inline uint64_t rol64(uint64_t word, unsigned int shift)
{
    return (word << (shift & 63)) | (word >> (-shift & 63));
}

static inline uint64_t ror64(uint64_t word, unsigned int shift)
{
    return (word >> (shift & 63)) | (word << (-shift & 63));
}

/* The field's value, unsigned or sign-extended. */
static inline uint32_t extract32(uint32_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 32 - start);
    return (value >> start) & (~0U >> (32 - length));
}

static inline uint64_t extract64(uint64_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 64 - start);
    return (value >> start) & (~0ULL >> (64 - length));
}

static inline int32_t sextract32(uint32_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 32 - start);
    return ((int32_t)(value << (32 - length - start))) >> (32 - length);
}

static inline int64_t sextract64(uint64_t value, int start, int length)
{
    assert(start >= 0 && length > 0 && length <= 64 - start);
    return ((int64_t)(value << (64 - length - start))) >> (64 - length);
}

/* @value with the field replaced by the low bits of @fieldval. */
static inline uint32_t deposit32(uint32_t value, int start, int length, uint32_t fieldval)
{
    assert(start >= 0 && length > 0 && length <= 32 - start);
    uint32_t mask = (~0U >> (32 - length)) << start;

    return (value & ~mask) | ((fieldval << start) & mask);
}

static inline uint64_t deposit64(uint64_t value, int start, int length, uint64_t fieldval)
{
    assert(start >= 0 && length > 0 && length <= 64 - start);
    uint64_t mask = (~0ULL >> (64 - length)) << start;

    return (value & ~mask) | ((fieldval << start) & mask);
}

#endif
