/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors that name the thing and the value, handed from where they happen to whom they concern.
 *
 * Theory of operation
 *
 * A function that can fail for a reason worth a sentence takes "Error **errp" as its last argument.
 * It sets *errp exactly when it fails, and it also shows failure in its result (false, -1, -errno,
 * NULL), so that callers test the result. The caller passes
 *   NULL            the sentence is not wanted;
 *   &local_err      (an Error * that is NULL) it is: the caller then owns it and either reports it
 *                   (error_report_err), hands it on (error_propagate) or frees it (error_free);
 *   errp            its own, to hand it on without touching it. To look at *errp or to add to it,
 *                   the function begins with ERRP_GUARD();
 *   &error_fatal    failure is reported and ends the process with status 1 (start-up only);
 *   &error_abort    failure is a bug of ours: reported with its place, then abort().
 *
 * Any thread; an Error itself belongs to one thread at a time. Nothing blocks or yields, and errno
 * is preserved by error_setg*() and error_free().
 */
#ifndef QAPI_ERROR_H
#define QAPI_ERROR_H

/* What a QMP client can branch on besides the sentence. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
    ERROR_CLASS__MAX,
} ErrorClass;

/* The sentence, without a newline; valid as long as @err. */
const char *error_get_pretty(const Error *err);
ErrorClass error_get_class(const Error *err);
/* The hint made by error_append_hint(), or NULL. */
const char *error_get_hint(const Error *err);

/*
 * Set *@errp (which must be NULL if there is one) to a new Error: a printf sentence, without a
 * capital letter rule, without a newline or full stop. Ends the process for error_fatal and
 * error_abort. The variants add ": " and the text of errno value @os_error (positive; 0 adds
 * nothing), or an error class other than GenericError.
 */
#define error_setg(errp, ...) error_setg_internal((errp), __FILE__, __LINE__, __func__, __VA_ARGS__)
#define error_setg_errno(errp, os_error, ...) \
    error_setg_errno_internal((errp), __FILE__, __LINE__, __func__, (os_error), __VA_ARGS__)
#define error_set(errp, err_class, ...) \
    error_set_internal((errp), __FILE__, __LINE__, __func__, (err_class), __VA_ARGS__)
/* "Could not open '@filename'" with the text of @os_errno. */
#define error_setg_file_open(errp, os_errno, filename) \
    error_setg_file_open_internal((errp), __FILE__, __LINE__, __func__, (os_errno), (filename))

void error_setg_internal(Error **errp, const char *src, int line, const char *func, const char *fmt,
                         ...) G_GNUC_PRINTF(5, 6);
void error_setg_errno_internal(Error **errp, const char *src, int line, const char *func,
                               int os_error, const char *fmt, ...) G_GNUC_PRINTF(6, 7);
void error_set_internal(Error **errp, const char *src, int line, const char *func,
                        ErrorClass err_class, const char *fmt, ...) G_GNUC_PRINTF(6, 7);
void error_setg_file_open_internal(Error **errp, const char *src, int line, const char *func,
                                   int os_errno, const char *filename);

/*
 * Hands @local_err (may be NULL: nothing happens) to *@dst_errp, or frees it when nobody wants it
 * or an earlier error is there already. Consumes @local_err.
 */
void error_propagate(Error **dst_errp, Error *local_err);
/* The same with a printf text put before the sentence. */
void error_propagate_prepend(Error **dst_errp, Error *local_err, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* Put a printf text before the sentence of *@errp. Needs ERRP_GUARD() unless @errp is local. */
void error_prepend(Error *const *errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void error_vprepend(Error *const *errp, const char *fmt, va_list ap) G_GNUC_PRINTF(2, 0);
/* Add lines of advice for a person (with their newlines); clients do not see them. As above. */
void error_append_hint(Error *const *errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* A copy with everything; the caller owns it. */
Error *error_copy(const Error *err);
/* NULL is legal. */
void error_free(Error *err);
/* Frees *@errp, which must hold an error, and sets it to NULL; aborts when it holds none. */
void error_free_or_abort(Error **errp);
/* Moves *@src into *@dst, which must be NULL. */
void error_move(Error **dst, Error **src);

/* Report @err to the user (error-report.h) as error or warning, and free it. */
void error_report_err(Error *err);
void warn_report_err(Error *err);
/* The same with a printf text before the sentence. */
void error_reportf_err(Error *err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void warn_reportf_err(Error *err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Warns once per process and call site; frees @err. *@printed remembers. */
bool warn_report_err_once_cond(bool *printed, Error *err);
#define warn_report_err_once(err)                            \
    __extension__({                                          \
        static bool warn_once_printed_;                      \
        warn_report_err_once_cond(&warn_once_printed_, err); \
    })

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * First statement of a function that looks at *errp or adds to it: afterwards errp is never NULL
 * nor &error_fatal, and what it holds at the end of the function is handed to the caller's errp.
 */
typedef struct ErrorPropagator {
    Error *local_err;
    Error **errp;
} ErrorPropagator;

static inline void error_propagator_cleanup(ErrorPropagator *prop)
{
    error_propagate(prop->errp, prop->local_err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ErrorPropagator, error_propagator_cleanup)

#define ERRP_GUARD()                                        \
    g_auto(ErrorPropagator) errp_guard_ = { .errp = errp }; \
    do {                                                    \
        if (!errp || errp == &error_fatal) {                \
            errp = &errp_guard_.local_err;                  \
        }                                                   \
    } while (0)

extern Error *error_fatal;
extern Error *error_abort;

#endif
