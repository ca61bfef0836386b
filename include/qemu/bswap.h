/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Byte order.
 *
 * cpu_to_le32() and its like convert a value; le32_to_cpus() and its like convert in place;
 * ldl_le_p() and stl_le_p() load and store at any address, aligned or not: b = 8, w = 16, l = 32, q
 * = 64 bits.
 */
#ifndef QEMU_BSWAP_H
#define QEMU_BSWAP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#undef bswap16
#undef bswap32
#undef bswap64

static inline uint16_t bswap16(uint16_t x)
{
    return __builtin_bswap16(x);
}

static inline uint32_t bswap32(uint32_t x)
{
    return __builtin_bswap32(x);
}

static inline uint64_t bswap64(uint64_t x)
{
    return __builtin_bswap64(x);
}

#define HOST_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

#if HOST_BIG_ENDIAN
#define QEMU_BSWAP_LE_(size, v) bswap##size(v)
#define QEMU_BSWAP_BE_(size, v) (v)
#else
#define QEMU_BSWAP_LE_(size, v) (v)
#define QEMU_BSWAP_BE_(size, v) bswap##size(v)
#endif

/* Constant expressions, for static tables. */
#if HOST_BIG_ENDIAN
#define const_le16(v) __builtin_bswap16(v)
#define const_le32(v) __builtin_bswap32(v)
#define const_le64(v) __builtin_bswap64(v)
#else
#define const_le16(v) (v)
#define const_le32(v) (v)
#define const_le64(v) (v)
#endif

#define QEMU_BSWAP_FNS_(endian, ENDIAN, size)                            \
    static inline uint##size##_t cpu_to_##endian##size(uint##size##_t v) \
    {                                                                    \
        return QEMU_BSWAP_##ENDIAN##_(size, v);                          \
    }                                                                    \
    static inline uint##size##_t endian##size##_to_cpu(uint##size##_t v) \
    {                                                                    \
        return QEMU_BSWAP_##ENDIAN##_(size, v);                          \
    }                                                                    \
    static inline void cpu_to_##endian##size##s(uint##size##_t *p)       \
    {                                                                    \
        *p = cpu_to_##endian##size(*p);                                  \
    }                                                                    \
    static inline void endian##size##_to_cpus(uint##size##_t *p)         \
    {                                                                    \
        *p = endian##size##_to_cpu(*p);                                  \
    }

QEMU_BSWAP_FNS_(le, LE, 16)
QEMU_BSWAP_FNS_(le, LE, 32)
QEMU_BSWAP_FNS_(le, LE, 64)
QEMU_BSWAP_FNS_(be, BE, 16)
QEMU_BSWAP_FNS_(be, BE, 32)
QEMU_BSWAP_FNS_(be, BE, 64)

static inline int ldub_p(const void *p)
{
    return *(const uint8_t *)p;
}

static inline int ldsb_p(const void *p)
{
    return *(const int8_t *)p;
}

static inline void stb_p(void *p, uint8_t v)
{
    *(uint8_t *)p = v;
}

/* @LOAD, @STORE: letters of the loads and the store; @ret: what a load returns. */
#define QEMU_BSWAP_MEM_(LOAD, STORE, endian, size, ret)                    \
    static inline ret ld##LOAD##_##endian##_p(const void *p)               \
    {                                                                      \
        uint##size##_t v;                                                  \
        memcpy(&v, p, sizeof(v));                                          \
        return endian##size##_to_cpu(v);                                   \
    }                                                                      \
    static inline void st##STORE##_##endian##_p(void *p, uint##size##_t v) \
    {                                                                      \
        v = cpu_to_##endian##size(v);                                      \
        memcpy(p, &v, sizeof(v));                                          \
    }

QEMU_BSWAP_MEM_(uw, w, le, 16, int)
QEMU_BSWAP_MEM_(l, l, le, 32, int)
QEMU_BSWAP_MEM_(q, q, le, 64, uint64_t)
QEMU_BSWAP_MEM_(uw, w, be, 16, int)
QEMU_BSWAP_MEM_(l, l, be, 32, int)
QEMU_BSWAP_MEM_(q, q, be, 64, uint64_t)

static inline int ldsw_le_p(const void *p)
{
    return (int16_t)lduw_le_p(p);
}

static inline int ldsw_be_p(const void *p)
{
    return (int16_t)lduw_be_p(p);
}

#endif
