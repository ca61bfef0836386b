/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings and numbers, and numbers in strings. */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "harness.h"
#include <math.h>

/* A parser's answer: status, value and how many characters it used (-1: endptr not asked for). */
typedef struct IntCase {
    const char *text;
    int base;
    int status;
    int64_t value;
    int used;
} IntCase;

static void test_strtoi_table(void)
{
    static const IntCase cases[] = {
        { "12345", 0, 0, 12345, 5 },
        { " \t-7x", 0, 0, -7, 4 },
        { "0x1F", 0, 0, 31, 4 },
        { "0123", 0, 0, 83, 4 },
        { "123", 8, 0, 83, 3 },
        { "", 0, -EINVAL, 0, 0 },
        { "   ", 0, -EINVAL, 0, 0 },
        { "xyz", 0, -EINVAL, 0, 0 },
        { "2147483647", 0, 0, INT_MAX, 10 },
        { "2147483648", 0, -ERANGE, INT_MAX, 10 },
        { "-2147483649", 0, -ERANGE, INT_MIN, 11 },
        { "99999999999999999999x", 0, -ERANGE, INT_MAX, 20 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        const IntCase *c = &cases[i];
        const char *end = "untouched";
        int value = 999;

        g_assert_cmpint(qemu_strtoi(c->text, &end, c->base, &value), ==, c->status);
        g_assert_cmpint(value, ==, c->value);
        g_assert_true(end == c->text + c->used);
    }
}

static void test_trailing_text_is_refused_without_endptr(void)
{
    uint64_t u = 9;
    int64_t s = 9;
    int i = 9;
    double d = 9;

    g_assert_cmpint(qemu_strtoi("1x", NULL, 0, &i), ==, -EINVAL);
    g_assert_cmpint(qemu_strtoi64("1 ", NULL, 0, &s), ==, -EINVAL);
    g_assert_cmpint(qemu_strtou64("1,2", NULL, 0, &u), ==, -EINVAL);
    g_assert_cmpint(qemu_strtod("1.5e", NULL, &d), ==, -EINVAL);
    g_assert_cmpint(qemu_strtoi64("-9223372036854775808", NULL, 0, &s), ==, 0);
    g_assert_cmpint(s, ==, INT64_MIN);
}

static void test_no_string_is_no_number(void)
{
    const char *end = "untouched";
    uint64_t u = 9;
    int i = 9;

    g_assert_cmpint(qemu_strtoi(NULL, &end, 0, &i), ==, -EINVAL);
    g_assert_null(end);
    g_assert_cmpint(i, ==, 0);
    g_assert_cmpint(qemu_strtou64(NULL, NULL, 0, &u), ==, -EINVAL);
    g_assert_cmpint(qemu_strtosz(NULL, NULL, &u), ==, -EINVAL);
    g_assert_cmpint(parse_uint(NULL, &end, 0, &u), ==, -EINVAL);
}

static void test_unsigned_parsers_at_their_bounds(void)
{
    unsigned int ui;
    uint64_t u;

    g_assert_cmpint(qemu_strtoui("4294967295", NULL, 0, &ui), ==, 0);
    g_assert_cmpuint(ui, ==, UINT_MAX);
    g_assert_cmpint(qemu_strtoui("4294967296", NULL, 0, &ui), ==, -ERANGE);
    g_assert_cmpuint(ui, ==, UINT_MAX);
    g_assert_cmpint(qemu_strtoui("-1", NULL, 0, &ui), ==, 0);
    g_assert_cmpuint(ui, ==, UINT_MAX);
    g_assert_cmpint(qemu_strtou64("18446744073709551615", NULL, 0, &u), ==, 0);
    g_assert_cmpuint(u, ==, UINT64_MAX);
    g_assert_cmpint(qemu_strtou64("18446744073709551616", NULL, 0, &u), ==, -ERANGE);
    g_assert_cmpuint(u, ==, UINT64_MAX);
}

static void test_parse_uint_takes_no_sign(void)
{
    const char *text = " 42 rest", *end;
    uint64_t u = 9;

    g_assert_cmpint(parse_uint(text, &end, 0, &u), ==, 0);
    g_assert_cmpuint(u, ==, 42);
    g_assert_cmpstr(end, ==, " rest");
    g_assert_cmpint(parse_uint(" -1", &end, 0, &u), ==, -EINVAL);
    g_assert_cmpuint(u, ==, 0);
    g_assert_cmpint(parse_uint_full("42 ", 0, &u), ==, -EINVAL);
    g_assert_cmpuint(u, ==, 0);
    g_assert_cmpint(parse_uint_full("0xff", 16, &u), ==, 0);
    g_assert_cmpuint(u, ==, 255);
}

static void test_finite_doubles_only(void)
{
    const char *text = "inf", *end;
    double d = 9;

    g_assert_cmpint(qemu_strtod_finite("-2.5e3", NULL, &d), ==, 0);
    g_assert_cmpfloat(d, ==, -2500);
    g_assert_cmpint(qemu_strtod_finite(text, &end, &d), ==, -EINVAL);
    g_assert_true(end == text);
    g_assert_cmpfloat(d, ==, 0);
    g_assert_cmpint(qemu_strtod_finite("nan", NULL, &d), ==, -EINVAL);
    g_assert_cmpint(qemu_strtod_finite("1e999", NULL, &d), ==, -ERANGE);
    g_assert_true(isinf(d));
    g_assert_cmpint(qemu_strtod("inf", NULL, &d), ==, 0);
}

typedef struct SizeCase {
    const char *text;
    int status;
    uint64_t value;
    int used;
} SizeCase;

static void test_sizes(void)
{
    static const SizeCase cases[] = {
        { "0", 0, 0, 1 },
        { "12345", 0, 12345, 5 },
        { "8k", 0, 8 * KiB, 2 },
        { " +8K", 0, 8 * KiB, 4 },
        { "1B", 0, 1, 2 },
        { "2M,x", 0, 2 * MiB, 2 },
        { "3GiB", 0, 3 * GiB, 2 },
        { "1T", 0, TiB, 2 },
        { "7E", 0, 7 * EiB, 2 },
        { "1.5G", 0, GiB + GiB / 2, 4 },
        { "0.125k", 0, 128, 6 },
        { ".5k", 0, 512, 3 },
        { "1.k", 0, KiB, 3 },
        { "0x10", 0, 16, 4 },
        { "0x1k", 0, 1, 3 },
        { "18446744073709551615", 0, UINT64_MAX, 20 },
        { "18446744073709551616", -ERANGE, UINT64_MAX, 20 },
        { "16E", -ERANGE, UINT64_MAX, 3 },
        { "15.9999999999999999999E", -ERANGE, UINT64_MAX, 23 },
        { "-1", -EINVAL, 0, 0 },
        { "", -EINVAL, 0, 0 },
        { "k", -EINVAL, 0, 0 },
        { ".k", -EINVAL, 0, 0 },
        { "inf", -EINVAL, 0, 0 },
        { "1.5", -EINVAL, 0, 0 },
        { "1.5B", -EINVAL, 0, 0 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        const SizeCase *c = &cases[i];
        const char *end = "untouched";
        uint64_t value = 999;

        g_test_message("%s", c->text);
        g_assert_cmpint(qemu_strtosz(c->text, &end, &value), ==, c->status);
        g_assert_cmpuint(value, ==, c->value);
        g_assert_true(end == c->text + c->used);
    }
}

static void test_sizes_with_other_units(void)
{
    uint64_t value = 9;

    g_assert_cmpint(qemu_strtosz_MiB("3", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 3 * MiB);
    g_assert_cmpint(qemu_strtosz_MiB("3k", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 3 * KiB);
    g_assert_cmpint(qemu_strtosz_MiB("0.5", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, MiB / 2);
    g_assert_cmpint(qemu_strtosz_metric("2G", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 2000000000);
    g_assert_cmpint(qemu_strtosz("2Gx", NULL, &value), ==, -EINVAL);
    g_assert_cmpuint(value, ==, 0);
}

static void test_sizes_are_printed_for_people(void)
{
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1023, "1.02e+03 B" },
        { 1024, "1 KiB" },
        { 1536 * MiB, "1.5 GiB" },
        { UINT64_MAX, "16 EiB" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *text = size_to_str(cases[i].value);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_frequencies_are_printed_for_people(void)
{
    g_autofree char *text = freq_to_str(2500000000);

    g_assert_cmpstr(text, ==, "2.5 GHz");
}

static void test_copies_are_cut_and_terminated(void)
{
    char buf[5] = "....";
    char pad[6] = "......";

    pstrcpy(buf, sizeof(buf), "abcdefg");
    g_assert_cmpstr(buf, ==, "abcd");
    pstrcpy(buf, 0, "zzz");
    g_assert_cmpstr(buf, ==, "abcd");
    pstrcpy(buf, sizeof(buf), "ab");
    g_assert_cmpstr(pstrcat(buf, sizeof(buf), "cdef"), ==, "abcd");
    strpadcpy(pad, 5, "ab", ' ');
    g_assert_cmpmem(pad, 6, "ab   .", 6);
    strpadcpy(pad, 3, "uvwxyz", ' ');
    g_assert_cmpmem(pad, 6, "uvw  .", 6);
}

static void test_prefixes(void)
{
    const char *rest = "untouched";

    g_assert_true(strstart("file=x", "file=", &rest));
    g_assert_cmpstr(rest, ==, "x");
    g_assert_false(strstart("fil", "file", &rest));
    g_assert_cmpstr(rest, ==, "x");
    g_assert_false(strstart("File", "file", NULL));
    g_assert_true(stristart("FiLeX", "file", &rest));
    g_assert_cmpstr(rest, ==, "X");
    g_assert_true(strstart("", "", NULL));
}

static void test_separators(void)
{
    char text[] = "a,,b";
    char *in = text;
    const char *x = "x", *none = NULL;

    g_assert_cmpstr(qemu_strsep(&in, ","), ==, "a");
    g_assert_cmpstr(qemu_strsep(&in, ","), ==, "");
    g_assert_cmpstr(qemu_strsep(&in, ","), ==, "b");
    g_assert_null(qemu_strsep(&in, ","));
    g_assert_cmpstr(qemu_strchrnul("ab=c", '='), ==, "=c");
    g_assert_cmpstr(qemu_strchrnul("abc", '='), ==, "");
    g_assert_cmpint(qemu_strnlen("abc", 2), ==, 2);
    g_assert_cmpint(qemu_pstrcmp0(&none, &x), <, 0);
}

static void test_zero_buffers_of_any_length_and_place(void)
{
    uint8_t buf[200] = { 0 };

    for (int start = 0; start < 20; start++) {
        for (int len = 0; start + len <= 150; len++) {
            g_assert_true(buffer_is_zero(buf + start, len));
            for (int i = 0; i < len; i += 1 + len / 8) {
                buf[start + i] = 1;
                g_assert_false(buffer_is_zero(buf + start, len));
                buf[start + i] = 0;
            }
            if (len) {
                buf[start + len - 1] = 0x80;
                g_assert_false(buffer_is_zero(buf + start, len));
                buf[start + len - 1] = 0;
            }
            buf[start + len] = 1;
            g_assert_true(buffer_is_zero(buf + start, len));
            buf[start + len] = 0;
        }
    }
}

static void test_utc_time(void)
{
    struct tm tm = { .tm_year = 100, .tm_mon = 1, .tm_mday = 29, .tm_hour = 1 };

    g_assert_cmpint(mktimegm(&tm), ==, 951786000);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/cutils/integers_by_table", test_strtoi_table);
    harness_add("/cutils/trailing_text_is_refused_without_endptr",
                test_trailing_text_is_refused_without_endptr);
    harness_add("/cutils/no_string_is_no_number", test_no_string_is_no_number);
    harness_add("/cutils/unsigned_parsers_at_their_bounds", test_unsigned_parsers_at_their_bounds);
    harness_add("/cutils/parse_uint_takes_no_sign", test_parse_uint_takes_no_sign);
    harness_add("/cutils/finite_doubles_only", test_finite_doubles_only);
    harness_add("/cutils/sizes_by_table", test_sizes);
    harness_add("/cutils/sizes_with_other_units", test_sizes_with_other_units);
    harness_add("/cutils/sizes_are_printed_for_people", test_sizes_are_printed_for_people);
    harness_add("/cutils/frequencies_are_printed_for_people",
                test_frequencies_are_printed_for_people);
    harness_add("/cutils/copies_are_cut_and_terminated", test_copies_are_cut_and_terminated);
    harness_add("/cutils/prefixes", test_prefixes);
    harness_add("/cutils/separators", test_separators);
    harness_add("/cutils/zero_buffers_of_any_length_and_place",
                test_zero_buffers_of_any_length_and_place);
    harness_add("/cutils/utc_time", test_utc_time);
    return harness_run();
}
