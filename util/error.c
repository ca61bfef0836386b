/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors: making them, adding to them, handing them on. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/access-denied.h"
#include "qemu/error-report.h"

struct Error {
    char *msg;
    GString *hint;
    ErrorClass err_class;
    /* Where it was made; constant strings. */
    const char *src;
    const char *func;
    int line;
};

Error *error_abort;
Error *error_fatal;

/* Ends the process when the caller said that there must be, or can be, no error. */
static void error_check_final(Error **errp, Error *err)
{
    if (errp == &error_abort) {
        fprintf(stderr, "Unexpected error in %s() at %s:%d:\n", err->func, err->src, err->line);
        error_report_err(err);
        error_sink_flush();
        abort();
    }
    if (errp == &error_fatal) {
        error_report_err(err);
        error_sink_flush();
        exit(1);
    }
}

typedef struct ErrorPlace {
    const char *src;
    const char *func;
    int line;
} ErrorPlace;

/* @suffix may be NULL. errno stays as it is. */
static void error_setv(Error **errp, ErrorPlace place, ErrorClass err_class, const char *suffix,
                       const char *fmt, va_list ap) G_GNUC_PRINTF(5, 0);
static void error_setv(Error **errp, ErrorPlace place, ErrorClass err_class, const char *suffix,
                       const char *fmt, va_list ap)
{
    int saved_errno = errno;
    Error *err;

    if (!errp) {
        return;
    }
    assert(*errp == NULL);

    err = g_new0(Error, 1);
    err->msg = g_strdup_vprintf(fmt, ap);
    if (suffix) {
        char *msg = err->msg;

        err->msg = g_strdup_printf("%s: %s", msg, suffix);
        g_free(msg);
    }
    err->err_class = err_class;
    err->src = place.src;
    err->line = place.line;
    err->func = place.func;

    error_check_final(errp, err);
    *errp = err;
    errno = saved_errno;
}

void error_setg_internal(Error **errp, const char *src, int line, const char *func, const char *fmt,
                         ...)
{
    ErrorPlace place = { .src = src, .line = line, .func = func };
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, place, ERROR_CLASS_GENERIC_ERROR, NULL, fmt, ap);
    va_end(ap);
}

void error_set_internal(Error **errp, const char *src, int line, const char *func,
                        ErrorClass err_class, const char *fmt, ...)
{
    ErrorPlace place = { .src = src, .line = line, .func = func };
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, place, err_class, NULL, fmt, ap);
    va_end(ap);
}

void error_setg_errno_internal(Error **errp, const char *src, int line, const char *func,
                               int os_error, const char *fmt, ...)
{
    ErrorPlace place = { .src = src, .line = line, .func = func };
    const char *suffix = os_error ? g_strerror(os_error) : NULL;
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, place, ERROR_CLASS_GENERIC_ERROR, suffix, fmt, ap);
    va_end(ap);
}

void error_setg_file_open_internal(Error **errp, const char *src, int line, const char *func,
                                   int os_errno, const char *filename)
{
    error_setg_internal(errp, src, line, func, "Could not open '%s': %s%s", filename,
                        g_strerror(os_errno), access_denied_why(os_errno, ACCESS_FILE, filename));
}

const char *error_get_pretty(const Error *err)
{
    return err->msg;
}

ErrorClass error_get_class(const Error *err)
{
    return err->err_class;
}

const char *error_get_hint(const Error *err)
{
    return err->hint ? err->hint->str : NULL;
}

void error_vprepend(Error *const *errp, const char *fmt, va_list ap)
{
    g_autofree char *tail = NULL;
    g_autofree char *head = NULL;

    if (!errp) {
        return;
    }
    tail = (*errp)->msg;
    head = g_strdup_vprintf(fmt, ap);
    (*errp)->msg = g_strconcat(head, tail, NULL);
}

void error_prepend(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(errp, fmt, ap);
    va_end(ap);
}

void error_append_hint(Error *const *errp, const char *fmt, ...)
{
    int saved_errno = errno;
    va_list ap;

    if (!errp) {
        return;
    }
    /* A hint for an error that ended the process, or was reported, would be lost. */
    assert(*errp && errp != &error_abort && errp != &error_fatal);

    if (!(*errp)->hint) {
        (*errp)->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf((*errp)->hint, fmt, ap);
    va_end(ap);
    errno = saved_errno;
}

void error_propagate(Error **dst_errp, Error *local_err)
{
    if (!local_err) {
        return;
    }
    error_check_final(dst_errp, local_err);
    if (dst_errp && !*dst_errp) {
        *dst_errp = local_err;
    } else {
        error_free(local_err);
    }
}

void error_propagate_prepend(Error **dst_errp, Error *local_err, const char *fmt, ...)
{
    va_list ap;

    if (!local_err) {
        return;
    }
    va_start(ap, fmt);
    error_vprepend(&local_err, fmt, ap);
    va_end(ap);
    error_propagate(dst_errp, local_err);
}

void error_move(Error **dst, Error **src)
{
    assert(*dst == NULL);
    *dst = *src;
    *src = NULL;
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);

    *copy = *err;
    copy->msg = g_strdup(err->msg);
    copy->hint = err->hint ? g_string_new(err->hint->str) : NULL;
    return copy;
}

void error_free(Error *err)
{
    int saved_errno = errno;

    if (err) {
        g_free(err->msg);
        if (err->hint) {
            g_string_free(err->hint, true);
        }
        g_free(err);
    }
    errno = saved_errno;
}

void error_free_or_abort(Error **errp)
{
    assert(errp && *errp);
    error_free(*errp);
    *errp = NULL;
}

/* @kind is error_report() or warn_report(). */
static void report_and_free(Error *err, void (*kind)(const char *fmt, ...))
{
    kind("%s", err->msg);
    if (err->hint) {
        error_printf("%s", err->hint->str);
    }
    error_free(err);
}

void error_report_err(Error *err)
{
    report_and_free(err, error_report);
}

void warn_report_err(Error *err)
{
    report_and_free(err, warn_report);
}

void error_reportf_err(Error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(&err, fmt, ap);
    va_end(ap);
    error_report_err(err);
}

void warn_reportf_err(Error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(&err, fmt, ap);
    va_end(ap);
    warn_report_err(err);
}

bool warn_report_err_once_cond(bool *printed, Error *err)
{
    if (__atomic_exchange_n(printed, true, __ATOMIC_RELAXED)) {
        error_free(err);
        return false;
    }
    warn_report_err(err);
    return true;
}
