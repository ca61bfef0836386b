/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits, bitmaps, byte order and arithmetic. */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "harness.h"

#ifdef UNDEFINED_OPTION
#error the tests count on it
#endif
#define DEFINED_AS_ONE 1
#define DEFINED_AS_NOTHING

static void test_is_enabled(void)
{
    g_assert_cmpint(IS_ENABLED(UNDEFINED_OPTION), ==, 0);
    g_assert_cmpint(IS_ENABLED(DEFINED_AS_ONE), ==, 1);
    g_assert_cmpint(IS_ENABLED(DEFINED_AS_NOTHING), ==, 1);
#if IS_ENABLED(UNDEFINED_OPTION)
    g_assert_not_reached();
#endif
}

static void test_min_max_and_rounding(void)
{
    int calls = 3;

    g_assert_cmpint(MIN(calls++, 10), ==, 3);
    g_assert_cmpint(calls, ==, 4);
    g_assert_cmpint(MAX(MIN(1, 2), MAX(0, -1)), ==, 1);
    g_assert_cmpint(MIN_NON_ZERO(0, 5), ==, 5);
    g_assert_cmpint(MIN_NON_ZERO(7, 0), ==, 7);
    g_assert_cmpint(MIN_NON_ZERO(7, 5), ==, 5);
    g_assert_cmpuint(ROUND_UP(13, 8), ==, 16);
    g_assert_cmpuint(ROUND_UP(UINT64_C(0x100000001), 4096u), ==, UINT64_C(0x100001000));
    g_assert_cmpuint(ROUND_DOWN(UINT64_C(0x100001fff), 4096u), ==, UINT64_C(0x100001000));
    g_assert_cmpuint(DIV_ROUND_UP(13, 5), ==, 3);
    g_assert_cmpuint(QEMU_ALIGN_UP(13, 5), ==, 15);
    g_assert_cmpuint(QEMU_ALIGN_DOWN(13, 5), ==, 10);
    g_assert_true(QEMU_IS_ALIGNED(15, 5));
    g_assert_cmpint(TYPE_MAXIMUM(int32_t), ==, INT32_MAX);
    g_assert_cmpuint(TYPE_MAXIMUM(uint16_t), ==, UINT16_MAX);
}

static void test_counting(void)
{
    g_assert_cmpint(clz32(0), ==, 32);
    g_assert_cmpint(clz32(1), ==, 31);
    g_assert_cmpint(clz64(0), ==, 64);
    g_assert_cmpint(clo64(UINT64_MAX << 60), ==, 4);
    g_assert_cmpint(ctz32(0), ==, 32);
    g_assert_cmpint(ctz64(UINT64_C(1) << 40), ==, 40);
    g_assert_cmpint(cto32(7), ==, 3);
    g_assert_cmpint(ctpop64(0xff00ff), ==, 16);
    g_assert_cmpint(ctpop8(0xff), ==, 8);
}

static void test_powers_of_two(void)
{
    g_assert_true(is_power_of_2(1));
    g_assert_true(is_power_of_2(UINT64_C(1) << 63));
    g_assert_false(is_power_of_2(0));
    g_assert_false(is_power_of_2(6));
    g_assert_cmpuint(pow2floor(0), ==, 0);
    g_assert_cmpuint(pow2floor(7), ==, 4);
    g_assert_cmpuint(pow2floor(8), ==, 8);
    g_assert_cmpuint(pow2ceil(0), ==, 1);
    g_assert_cmpuint(pow2ceil(5), ==, 8);
    g_assert_cmpuint(pow2ceil(8), ==, 8);
    g_assert_cmpuint(pow2ceil(UINT64_C(1) << 63), ==, UINT64_C(1) << 63);
    g_assert_cmpuint(pow2ceil((UINT64_C(1) << 63) + 1), ==, 0);
}

static void test_wide_arithmetic(void)
{
    uint64_t lo, hi, sum;
    int32_t s;

    g_assert_cmpuint(muldiv64(UINT64_MAX, 1000, 1000), ==, UINT64_MAX);
    mulu64(&lo, &hi, UINT64_MAX, UINT64_MAX);
    g_assert_cmpuint(lo, ==, 1);
    g_assert_cmpuint(hi, ==, UINT64_MAX - 1);
    g_assert_true(uadd64_overflow(UINT64_MAX, 2, &sum));
    g_assert_cmpuint(sum, ==, 1);
    g_assert_false(uadd64_overflow(1, 2, &sum));
    g_assert_true(smul32_overflow(INT32_MAX, 2, &s));
    g_assert_true(usub64_overflow(1, 2, &sum));
}

static void test_fields(void)
{
    g_assert_cmpuint(extract32(0x12345678, 8, 12), ==, 0x456);
    g_assert_cmpuint(extract64(UINT64_MAX, 0, 64), ==, UINT64_MAX);
    g_assert_cmpint(sextract32(0xf00, 8, 4), ==, -1);
    g_assert_cmpint(sextract64(0x700, 8, 4), ==, 7);
    g_assert_cmpuint(deposit32(0, 4, 8, 0xfab), ==, 0xab0);
    g_assert_cmpuint(deposit64(UINT64_MAX, 32, 32, 0), ==, UINT32_MAX);
    g_assert_cmpuint(MAKE_64BIT_MASK(4, 8), ==, 0xff0);
    g_assert_cmpuint(MAKE_64BIT_MASK(0, 64), ==, UINT64_MAX);
    g_assert_cmpuint(rol32(0x80000001, 1), ==, 3);
    g_assert_cmpuint(ror64(1, 1), ==, UINT64_C(1) << 63);
    g_assert_cmpuint(rol32(5, 0), ==, 5);
}

enum {
    BITS = 200
};

/* Every operation on ranges against the same done bit by bit. */
static void check_range(long start, long nr)
{
    DECLARE_BITMAP(map, BITS);

    bitmap_fill(map, BITS);
    bitmap_clear(map, start, nr);
    for (long i = 0; i < BITS; i++) {
        g_assert_cmpint(test_bit(i, map), ==, i < start || i >= start + nr);
    }
    g_assert_cmpint(bitmap_count_one(map, BITS), ==, BITS - nr);
    bitmap_zero(map, BITS);
    bitmap_set(map, start, nr);
    for (long i = 0; i < BITS; i++) {
        g_assert_cmpint(test_bit(i, map), ==, i >= start && i < start + nr);
    }
    g_assert_cmpint(bitmap_empty(map, BITS), ==, nr == 0);
    g_assert_cmpint(bitmap_full(map, BITS), ==, nr == BITS);
    if (nr) {
        g_assert_cmpint(find_first_bit(map, BITS), ==, start);
        g_assert_cmpint(find_last_bit(map, BITS), ==, start + nr - 1);
        g_assert_cmpint(find_next_zero_bit(map, BITS, start), ==, start + nr);
        g_assert_cmpint(find_next_bit(map, BITS, start + nr), ==, BITS);
    }
}

static void test_bitmap_ranges(void)
{
    for (long start = 0; start < BITS; start += 7) {
        for (long nr = 0; start + nr <= BITS; nr++) {
            check_range(start, nr);
        }
    }
}

static void test_bitmap_operations(void)
{
    DECLARE_BITMAP(a, BITS);
    DECLARE_BITMAP(b, BITS);
    DECLARE_BITMAP(c, BITS);

    bitmap_zero(a, BITS);
    bitmap_zero(b, BITS);
    bitmap_set(a, 10, 100);
    bitmap_set(b, 50, 100);
    g_assert_true(bitmap_and(c, a, b, BITS));
    g_assert_cmpint(bitmap_count_one(c, BITS), ==, 60);
    bitmap_or(c, a, b, BITS);
    g_assert_cmpint(bitmap_count_one(c, BITS), ==, 140);
    bitmap_andnot(c, a, b, BITS);
    g_assert_cmpint(bitmap_count_one(c, BITS), ==, 40);
    g_assert_false(bitmap_and(c, c, b, BITS));
    bitmap_complement(c, a, BITS);
    g_assert_cmpint(bitmap_count_one(c, BITS), ==, BITS - 100);
    bitmap_copy(c, a, BITS);
    g_assert_true(bitmap_equal(a, c, BITS));
    change_bit(BITS - 1, c);
    g_assert_false(bitmap_equal(a, c, BITS));
    g_assert_true(bitmap_equal(a, c, BITS - 1));
    g_assert_cmpint(test_and_set_bit(5, a), ==, 0);
    g_assert_cmpint(test_and_clear_bit(5, a), ==, 1);
    g_assert_cmpint(test_bit(5, a), ==, 0);
}

static void test_bitmap_grows_with_zeroes(void)
{
    unsigned long *map = bitmap_new(70);

    bitmap_fill(map, 70);
    map = bitmap_zero_extend(map, 70, 300);
    g_assert_cmpint(find_next_zero_bit(map, 300, 0), ==, 70);
    g_assert_cmpint(find_next_bit(map, 300, 70), ==, 300);
    g_free(map);
}

static void test_byte_order(void)
{
    uint8_t buf[9] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8 };
    uint32_t v = 0x01020304;

    g_assert_cmpuint(lduw_le_p(buf + 1), ==, 0x0201);
    g_assert_cmpuint(lduw_be_p(buf + 1), ==, 0x0102);
    g_assert_cmpuint(ldl_le_p(buf + 1), ==, 0x04030201);
    g_assert_cmpuint(ldq_be_p(buf + 1), ==, UINT64_C(0x0102030405060708));
    g_assert_cmpuint(ldq_le_p(buf + 1), ==, UINT64_C(0x0807060504030201));
    g_assert_cmpint(ldsb_p(buf), ==, -1);
    stl_be_p(buf + 3, 0xa0b0c0d0);
    g_assert_cmpmem(buf + 2, 6, "\x02\xa0\xb0\xc0\xd0\x07", 6);
    stw_le_p(buf, 0x8001);
    g_assert_cmpint(ldsw_le_p(buf), ==, (int16_t)0x8001);
    g_assert_cmpuint(be32_to_cpu(cpu_to_be32(v)), ==, v);
    g_assert_cmpuint(le64_to_cpu(cpu_to_le64(v)), ==, v);
    cpu_to_be32s(&v);
    g_assert_cmpint(((uint8_t *)&v)[0], ==, 1);
    g_assert_cmpuint(bswap16(0x1234), ==, 0x3412);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/compiler/is_enabled_tells_defined_from_undefined", test_is_enabled);
    harness_add("/osdep/min_max_and_rounding", test_min_max_and_rounding);
    harness_add("/host-utils/counting_bits", test_counting);
    harness_add("/host-utils/powers_of_two", test_powers_of_two);
    harness_add("/host-utils/wide_arithmetic_and_overflow", test_wide_arithmetic);
    harness_add("/bitops/fields_and_rotations", test_fields);
    harness_add("/bitmap/ranges_are_exact", test_bitmap_ranges);
    harness_add("/bitmap/set_operations", test_bitmap_operations);
    harness_add("/bitmap/grows_with_zeroes", test_bitmap_grows_with_zeroes);
    harness_add("/bswap/loads_and_stores_at_any_address", test_byte_order);
    return harness_run();
}
