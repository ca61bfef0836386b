/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings and numbers.
 *
 * Number parsers: leading white space and a sign are accepted as in strtol(3); 0, or -EINVAL when
 * there is no number (*@result is 0 then) or trailing text with @endptr NULL, or -ERANGE with
 * *@result at the nearest bound. *@endptr, if wanted, is the first character not used. Base as in
 * strtol(3).
 */
#ifndef QEMU_CUTILS_H
#define QEMU_CUTILS_H

/* Copies @str into @buf of @buf_size bytes, cut short to fit, always terminated. */
void pstrcpy(char *buf, int buf_size, const char *str);
/* Copies at most @buf_size bytes and fills the rest with @pad; not terminated. */
void strpadcpy(char *buf, int buf_size, const char *str, char pad);
/* Appends with the same rule as pstrcpy(); @buf. */
char *pstrcat(char *buf, int buf_size, const char *s);
/* Whether @str begins with @val (stristart: letters of any case); *@ptr, if wanted, is the rest. */
int strstart(const char *str, const char *val, const char **ptr);
int stristart(const char *str, const char *val, const char **ptr);
/* strnlen(3). */
int qemu_strnlen(const char *s, int max_len);
/* As strsep(3): the token before the next of @delim in *@input, which moves on. */
char *qemu_strsep(char **input, const char *delim);
/* As strchrnul(3). */
const char *qemu_strchrnul(const char *s, int c);
/* strcmp() that sorts NULL first; arguments point to the strings. */
int qemu_pstrcmp0(const char **str1, const char **str2);

int qemu_strtoi(const char *nptr, const char **endptr, int base, int *result);
int qemu_strtoui(const char *nptr, const char **endptr, int base, unsigned int *result);
int qemu_strtol(const char *nptr, const char **endptr, int base, long *result);
int qemu_strtoul(const char *nptr, const char **endptr, int base, unsigned long *result);
int qemu_strtoi64(const char *nptr, const char **endptr, int base, int64_t *result);
int qemu_strtou64(const char *nptr, const char **endptr, int base, uint64_t *result);
int qemu_strtod(const char *nptr, const char **endptr, double *result);
/* The same, refusing infinities and NaN with -EINVAL. */
int qemu_strtod_finite(const char *nptr, const char **endptr, double *result);

/* Unsigned without a sign: "-1" is -EINVAL. parse_uint_full() also refuses trailing text. */
int parse_uint(const char *s, const char **endptr, int base, uint64_t *value);
int parse_uint_full(const char *s, int base, uint64_t *value);

/*
 * A size with an optional fraction ("1.5G") and suffix B K M G T P E (any case, powers of 1024; for
 * _metric powers of 1000). Without a suffix: bytes, or mebibytes for _MiB. Hexadecimal takes
 * neither fraction nor suffix. 0, -EINVAL or -ERANGE as above.
 */
int qemu_strtosz(const char *nptr, const char **end, uint64_t *result);
int qemu_strtosz_MiB(const char *nptr, const char **end, uint64_t *result);
int qemu_strtosz_metric(const char *nptr, const char **end, uint64_t *result);

/* "1.5 GiB"; the caller frees. */
char *size_to_str(uint64_t val);
/* "3.2 GHz"; the caller frees. */
char *freq_to_str(uint64_t freq_hz);

/* Whether all @len bytes are zero. Fast for large buffers. */
bool buffer_is_zero(const void *buf, size_t len);

/* Prints @bufptr in lines of sixteen bytes: "prefix: offset: hex  text". */
void qemu_hexdump(FILE *fp, const char *prefix, const void *bufptr, size_t size);

/* Seconds since 1970 of a broken-down time in UTC. */
time_t mktimegm(struct tm *tm);

#define STR_OR_NULL(str) ((str) ? (str) : "null")

#endif
