/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic that processors have and C lacks: counting bits, wide products, overflow, powers of 2.
 */
#ifndef HOST_UTILS_H
#define HOST_UTILS_H

#include "qemu/bswap.h"

/* Leading and trailing zeros or ones, and ones; the width of the type when there is no other bit.
 */
static inline int clz32(uint32_t val)
{
    return val ? __builtin_clz(val) : 32;
}

static inline int clo32(uint32_t val)
{
    return clz32(~val);
}

static inline int clz64(uint64_t val)
{
    return val ? __builtin_clzll(val) : 64;
}

static inline int clo64(uint64_t val)
{
    return clz64(~val);
}

static inline int ctz32(uint32_t val)
{
    return val ? __builtin_ctz(val) : 32;
}

static inline int cto32(uint32_t val)
{
    return ctz32(~val);
}

static inline int ctz64(uint64_t val)
{
    return val ? __builtin_ctzll(val) : 64;
}

static inline int cto64(uint64_t val)
{
    return ctz64(~val);
}

static inline int ctpop8(uint8_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop16(uint16_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop32(uint32_t val)
{
    return __builtin_popcount(val);
}

static inline int ctpop64(uint64_t val)
{
    return __builtin_popcountll(val);
}

static inline int ctpopl(unsigned long val)
{
    return __builtin_popcountl(val);
}

static inline int ctzl(unsigned long val)
{
    return ctz64(val);
}

static inline int clzl(unsigned long val)
{
    return sizeof(val) == 8 ? clz64(val) : clz32(val);
}

/* @a * @b / @c with a 96-bit product; @c must not be 0 and the result must fit. */
static inline uint64_t muldiv64(uint64_t a, uint32_t b, uint32_t c)
{
    return (unsigned __int128)a * b / c;
}

/* The 128-bit product in two halves. */
static inline void mulu64(uint64_t *plow, uint64_t *phigh, uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    *plow = product;
    *phigh = product >> 64;
}

/* *@ret is the wrapped result; true when it overflowed. */
#define QEMU_OVERFLOW_FN_(name, type, builtin)         \
    static inline bool name(type x, type y, type *ret) \
    {                                                  \
        return builtin(x, y, ret);                     \
    }
QEMU_OVERFLOW_FN_(sadd32_overflow, int32_t, __builtin_add_overflow)
QEMU_OVERFLOW_FN_(sadd64_overflow, int64_t, __builtin_add_overflow)
QEMU_OVERFLOW_FN_(uadd32_overflow, uint32_t, __builtin_add_overflow)
QEMU_OVERFLOW_FN_(uadd64_overflow, uint64_t, __builtin_add_overflow)
QEMU_OVERFLOW_FN_(ssub32_overflow, int32_t, __builtin_sub_overflow)
QEMU_OVERFLOW_FN_(ssub64_overflow, int64_t, __builtin_sub_overflow)
QEMU_OVERFLOW_FN_(usub32_overflow, uint32_t, __builtin_sub_overflow)
QEMU_OVERFLOW_FN_(usub64_overflow, uint64_t, __builtin_sub_overflow)
QEMU_OVERFLOW_FN_(smul32_overflow, int32_t, __builtin_mul_overflow)
QEMU_OVERFLOW_FN_(smul64_overflow, int64_t, __builtin_mul_overflow)
QEMU_OVERFLOW_FN_(umul32_overflow, uint32_t, __builtin_mul_overflow)
QEMU_OVERFLOW_FN_(umul64_overflow, uint64_t, __builtin_mul_overflow)
#undef QEMU_OVERFLOW_FN_

static inline bool is_power_of_2(uint64_t value)
{
    return value && !(value & (value - 1));
}

/* The largest power of two that is not above @value; 0 for 0. */
static inline uint64_t pow2floor(uint64_t value)
{
    return value ? 1ULL << (63 - clz64(value)) : 0;
}

/* The smallest power of two that is not below @value; 1 for 0; 0 when it would be 2^64. */
static inline uint64_t pow2ceil(uint64_t value)
{
    if (value <= 1) {
        return 1;
    }
    return value > 1ULL << 63 ? 0 : 1ULL << (64 - clz64(value - 1));
}

static inline uint32_t pow2roundup32(uint32_t x)
{
    return pow2ceil(x);
}

#endif
