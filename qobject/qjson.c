/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values from texts that are there as a whole, and from texts of the program with conversions. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/json-parser.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qstring.h"

typedef struct OneValue {
    QObject *value;
    Error *err;
} OneValue;

/* Keeps the first value, and the first error. */
static void keep_one(void *opaque, QObject *json, Error *err)
{
    OneValue *one = opaque;

    if (one->value) {
        qobject_unref(json);
        error_free(err);
        err = NULL;
        error_setg(&err, "Expecting at most one JSON value");
    } else {
        one->value = json;
    }
    if (err && !one->err) {
        one->err = err;
    } else {
        error_free(err);
    }
}

QObject *qobject_from_json(const char *string, Error **errp)
{
    OneValue one = { NULL, NULL };
    JSONMessageParser parser;

    json_message_parser_init(&parser, keep_one, &one, NULL);
    json_message_parser_feed(&parser, string, strlen(string));
    json_message_parser_flush(&parser);
    json_message_parser_destroy(&parser);
    if (!one.err && !one.value) {
        error_setg(&one.err, "Expecting a JSON value");
    }
    if (one.err) {
        qobject_unref(one.value);
        error_propagate(errp, one.err);
        return NULL;
    }
    return one.value;
}

/* The conversion at @p (behind the '%'), appended to @text as JSON; how many bytes it has. */
static size_t expand_conversion(GString *text, const char *p, va_list *ap)
{
    size_t longs = strspn(p, "l");
    g_autoptr(QObject) value = NULL;
    g_autoptr(GString) json = NULL;

    switch (p[longs]) {
    case 'd':
        g_string_append_printf(text, "%lld",
                               longs == 0   ? va_arg(*ap, int)
                               : longs == 1 ? va_arg(*ap, long)
                                            : va_arg(*ap, long long));
        return longs + 1;
    case 'u':
        g_string_append_printf(text, "%llu",
                               longs == 0   ? va_arg(*ap, unsigned)
                               : longs == 1 ? va_arg(*ap, unsigned long)
                                            : va_arg(*ap, unsigned long long));
        return longs + 1;
    case 'i':
        g_string_append(text, va_arg(*ap, int) ? "true" : "false");
        return longs + 1;
    case 'f':
        g_string_append_printf(text, "%.17g", va_arg(*ap, double));
        return longs + 1;
    case 's':
        value = QOBJECT(qstring_from_str(va_arg(*ap, const char *)));
        break;
    case 'p':
        value = va_arg(*ap, QObject *);
        break;
    default:
        g_assert_not_reached();
    }
    json = qobject_to_json(value);
    g_string_append_len(text, json->str, json->len);
    return longs + 1;
}

QObject *qobject_from_vjsonf_nofail(const char *string, va_list ap)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char quote = 0;
    va_list copy;
    QObject *value;

    va_copy(copy, ap);
    for (const char *p = string; *p; p++) {
        if (*p == '%' && !quote) {
            p += expand_conversion(text, p + 1, &copy);
            continue;
        }
        if (quote && *p == '\\' && p[1]) {
            g_string_append_c(text, *p++);
        } else if (*p == '"' || *p == '\'') {
            quote = !quote ? *p : quote == *p ? 0 : quote;
        }
        g_string_append_c(text, *p);
    }
    va_end(copy);
    value = qobject_from_json(text->str, &error_abort);
    assert(value);
    return value;
}

QObject *qobject_from_jsonf_nofail(const char *string, ...)
{
    QObject *value;
    va_list ap;

    va_start(ap, string);
    value = qobject_from_vjsonf_nofail(string, ap);
    va_end(ap);
    return value;
}

QDict *qdict_from_vjsonf_nofail(const char *string, va_list ap)
{
    QDict *qdict = qobject_to(QDict, qobject_from_vjsonf_nofail(string, ap));

    assert(qdict);
    return qdict;
}

QDict *qdict_from_jsonf_nofail(const char *string, ...)
{
    QDict *qdict;
    va_list ap;

    va_start(ap, string);
    qdict = qdict_from_vjsonf_nofail(string, ap);
    va_end(ap);
    return qdict;
}
