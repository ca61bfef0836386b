/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings and numbers. */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include <math.h>

/* Strings */

void pstrcpy(char *buf, int buf_size, const char *str)
{
    if (buf_size > 0) {
        g_strlcpy(buf, str, buf_size);
    }
}

void strpadcpy(char *buf, int buf_size, const char *str, char pad)
{
    int len = qemu_strnlen(str, buf_size);

    memcpy(buf, str, len);
    memset(buf + len, pad, buf_size - len);
}

char *pstrcat(char *buf, int buf_size, const char *s)
{
    int len = strlen(buf);

    if (len < buf_size) {
        pstrcpy(buf + len, buf_size - len, s);
    }
    return buf;
}

static int skip_prefix(const char *rest, bool matches, const char **ptr)
{
    if (matches && ptr) {
        *ptr = rest;
    }
    return matches;
}

int strstart(const char *str, const char *val, const char **ptr)
{
    size_t len = strlen(val);

    return skip_prefix(str + len, strncmp(str, val, len) == 0, ptr);
}

int stristart(const char *str, const char *val, const char **ptr)
{
    size_t len = strlen(val);

    return skip_prefix(str + len, g_ascii_strncasecmp(str, val, len) == 0, ptr);
}

int qemu_strnlen(const char *s, int max_len)
{
    return strnlen(s, max_len);
}

char *qemu_strsep(char **input, const char *delim)
{
    return strsep(input, delim);
}

const char *qemu_strchrnul(const char *s, int c)
{
    return strchrnul(s, c);
}

int qemu_pstrcmp0(const char **str1, const char **str2)
{
    return g_strcmp0(*str1, *str2);
}

/* Numbers */

/*
 * What a libc parser left behind: @end is where it stopped and errno what it said. 0, -EINVAL or
 * -ERANGE.
 */
static int parse_result(const char *nptr, const char *end, const char **endptr)
{
    int libc_errno = errno;

    if (endptr) {
        *endptr = end;
    }
    if (end == nptr || (!endptr && *end)) {
        return -EINVAL;
    }
    return -libc_errno;
}

/* No string: no number, and nothing used of it. */
static int parse_null(const char **endptr)
{
    if (endptr) {
        *endptr = NULL;
    }
    return -EINVAL;
}

int qemu_strtoi64(const char *nptr, const char **endptr, int base, int64_t *result)
{
    char *end;

    QEMU_BUILD_BUG_ON(sizeof(int64_t) != sizeof(long long));
    if (!nptr) {
        *result = 0;
        return parse_null(endptr);
    }
    errno = 0;
    *result = strtoll(nptr, &end, base);
    return parse_result(nptr, end, endptr);
}

/* Where the sign of the number at @s is, if it has one. */
static const char *skip_space(const char *s)
{
    while (g_ascii_isspace(*s)) {
        s++;
    }
    return s;
}

int qemu_strtou64(const char *nptr, const char **endptr, int base, uint64_t *result)
{
    char *end;

    if (!nptr) {
        *result = 0;
        return parse_null(endptr);
    }
    errno = 0;
    *result = strtoull(nptr, &end, base);
    /* Below zero, out of range is the upper bound negated; libc says the upper bound. */
    if (errno == ERANGE && *skip_space(nptr) == '-') {
        *result = 1;
    }
    return parse_result(nptr, end, endptr);
}

int qemu_strtol(const char *nptr, const char **endptr, int base, long *result)
{
    char *end;

    if (!nptr) {
        *result = 0;
        return parse_null(endptr);
    }
    errno = 0;
    *result = strtol(nptr, &end, base);
    return parse_result(nptr, end, endptr);
}

int qemu_strtoul(const char *nptr, const char **endptr, int base, unsigned long *result)
{
    char *end;

    if (!nptr) {
        *result = 0;
        return parse_null(endptr);
    }
    errno = 0;
    *result = strtoul(nptr, &end, base);
    if (errno == ERANGE && *skip_space(nptr) == '-') {
        *result = 1;
    }
    return parse_result(nptr, end, endptr);
}

int qemu_strtoi(const char *nptr, const char **endptr, int base, int *result)
{
    int64_t value;
    int ret = qemu_strtoi64(nptr, endptr, base, &value);

    *result = CLAMP(value, INT_MIN, INT_MAX);
    if (*result != value && ret == 0) {
        ret = -ERANGE;
    }
    return ret;
}

int qemu_strtoui(const char *nptr, const char **endptr, int base, unsigned int *result)
{
    int64_t value;
    int ret = qemu_strtoi64(nptr, endptr, base, &value);

    /* "-1" is UINT_MAX, as strtoul() would have it for a type of this width. */
    if (value > (int64_t)UINT_MAX) {
        *result = UINT_MAX;
    } else if (value < -(int64_t)UINT_MAX) {
        *result = 1;
    } else {
        *result = value;
        return ret;
    }
    return ret == -EINVAL ? ret : -ERANGE;
}

int qemu_strtod(const char *nptr, const char **endptr, double *result)
{
    char *end;

    if (!nptr) {
        *result = 0.0;
        return parse_null(endptr);
    }
    errno = 0;
    *result = strtod(nptr, &end);
    return parse_result(nptr, end, endptr);
}

int qemu_strtod_finite(const char *nptr, const char **endptr, double *result)
{
    const char *end;
    int ret = qemu_strtod(nptr, &end, result);

    if (ret != -EINVAL && !isfinite(*result) && ret != -ERANGE) {
        ret = -EINVAL;
        end = nptr;
    }
    if (ret == -EINVAL) {
        *result = 0.0;
    }
    if (endptr) {
        *endptr = end;
    } else if (end && *end && ret != -EINVAL) {
        ret = -EINVAL;
    }
    return ret;
}

int parse_uint(const char *s, const char **endptr, int base, uint64_t *value)
{
    if (!s || *skip_space(s) == '-') {
        *value = 0;
        if (endptr) {
            *endptr = s;
        }
        return -EINVAL;
    }
    return qemu_strtou64(s, endptr, base, value);
}

int parse_uint_full(const char *s, int base, uint64_t *value)
{
    int ret = parse_uint(s, NULL, base, value);

    if (ret == -EINVAL) {
        *value = 0;
    }
    return ret;
}

/* Sizes */

/* How many times the unit goes into a suffix, or -1 for no suffix. */
static int suffix_power(char c)
{
    static const char suffixes[] = "BKMGTPE";
    const char *p = c ? strchr(suffixes, g_ascii_toupper(c)) : NULL;

    return p ? p - suffixes : -1;
}

/* @unit to the power of @power. */
static uint64_t unit_power(uint64_t unit, int power)
{
    uint64_t mul = 1;

    while (power-- > 0) {
        mul *= unit;
    }
    return mul;
}

/* The digits after the point as a double below 1; *@end is moved behind them. */
static double parse_fraction(const char **end)
{
    double value = 0, digit = 0.1;

    for (; g_ascii_isdigit(**end); (*end)++, digit /= 10) {
        value += digit * (**end - '0');
    }
    return value;
}

/*
 * @whole + @fraction units of @mul into *@result; -ERANGE when it does not fit, -EINVAL for a part
 * of a byte.
 */
static int scale_size(uint64_t whole, double fraction, uint64_t mul, uint64_t *result)
{
    uint64_t part = fraction * mul + 0.5;

    if (fraction > 0 && mul == 1) {
        return -EINVAL;
    }
    if (__builtin_mul_overflow(whole, mul, result) ||
        __builtin_add_overflow(*result, part, result)) {
        *result = UINT64_MAX;
        return -ERANGE;
    }
    return 0;
}

/*
 * Digits, a point and digits at @digits (no sign, no space): the whole and the fraction; *@end is
 * moved behind them. Hexadecimal has no fraction and sets *@hex. 0, -EINVAL or -ERANGE.
 */
static int parse_decimal(const char *digits, const char **end, uint64_t *whole, double *fraction,
                         bool *hex)
{
    int ret = 0;

    *hex = digits[0] == '0' && g_ascii_tolower(digits[1]) == 'x';
    /* ".5k" has a fraction without a whole. */
    if (!g_ascii_isdigit(digits[0]) && !(digits[0] == '.' && g_ascii_isdigit(digits[1]))) {
        return -EINVAL;
    }
    *end = digits;
    if (*digits != '.') {
        ret = parse_uint(digits, end, *hex ? 16 : 10, whole);
    }
    if (ret == 0 && !*hex && **end == '.') {
        (*end)++;
        *fraction = parse_fraction(end);
    }
    return ret;
}

/* @unit: 1024 or 1000; @default_power: of the unit, when there is no suffix. */
static int do_strtosz(const char *nptr, const char **endptr, uint64_t unit, int default_power,
                      uint64_t *result)
{
    const char *end = nptr;
    const char *digits = nptr ? skip_space(nptr) : "";
    double fraction = 0;
    bool hex;
    int ret;

    *result = 0;
    digits += *digits == '+';
    ret = parse_decimal(digits, &end, result, &fraction, &hex);
    if (ret == 0 && !hex) {
        int power = suffix_power(*end);

        end += power >= 0;
        ret = scale_size(*result, fraction, unit_power(unit, power >= 0 ? power : default_power),
                         result);
    }
    if (ret != -EINVAL && !endptr && *end) {
        ret = -EINVAL;
    }
    if (ret == -EINVAL) {
        *result = 0;
        end = nptr;
    }
    if (endptr) {
        *endptr = end;
    }
    return ret;
}

int qemu_strtosz(const char *nptr, const char **end, uint64_t *result)
{
    return do_strtosz(nptr, end, 1024, 0, result);
}

int qemu_strtosz_MiB(const char *nptr, const char **end, uint64_t *result)
{
    return do_strtosz(nptr, end, 1024, 2, result);
}

int qemu_strtosz_metric(const char *nptr, const char **end, uint64_t *result)
{
    return do_strtosz(nptr, end, 1000, 0, result);
}

/* @val in the largest of @units (each @step times the one before) that leaves at least 1. */
static char *scaled_to_str(uint64_t val, double step, const char *const *units, int n)
{
    double scaled = val;
    int i = 0;

    while (i < n - 1 && scaled >= step) {
        scaled /= step;
        i++;
    }
    return g_strdup_printf("%.3g %s", scaled, units[i]);
}

char *size_to_str(uint64_t val)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

    return scaled_to_str(val, 1024, units, ARRAY_SIZE(units));
}

char *freq_to_str(uint64_t freq_hz)
{
    static const char *const units[] = { "Hz", "KHz", "MHz", "GHz", "THz", "PHz", "EHz" };

    return scaled_to_str(freq_hz, 1000, units, ARRAY_SIZE(units));
}

/* Memory */

bool buffer_is_zero(const void *vbuf, size_t len)
{
    const unsigned char *buf = vbuf;
    size_t head = MIN(len, 16);

    for (size_t i = 0; i < head; i++) {
        if (buf[i]) {
            return false;
        }
    }
    /* Each byte equals the one sixteen before it: memcmp() is as fast as the processor can. */
    return len <= 16 || memcmp(buf, buf + 16, len - 16) == 0;
}

void qemu_hexdump(FILE *fp, const char *prefix, const void *bufptr, size_t size)
{
    const unsigned char *buf = bufptr;

    for (size_t line = 0; line < size; line += 16) {
        size_t n = MIN(size - line, 16);

        fprintf(fp, "%s: %04zx:", prefix, line);
        for (size_t i = 0; i < 16; i++) {
            fputs(i % 4 == 0 ? " " : "", fp);
            if (i < n) {
                fprintf(fp, " %02x", buf[line + i]);
            } else {
                fputs("   ", fp);
            }
        }
        fputs("   ", fp);
        for (size_t i = 0; i < n; i++) {
            fputc(g_ascii_isprint(buf[line + i]) ? buf[line + i] : '.', fp);
        }
        fputc('\n', fp);
    }
}

time_t mktimegm(struct tm *tm)
{
    return timegm(tm);
}
