/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One complete JSON text to a value: json-c parses, we copy its tree and refuse what json-c lets
 * pass: members of one name, numbers beyond a double, strings that C cannot hold.
 */

#include "qemu/osdep.h"
#include <json-c/json.h>
#include <math.h>
#include "json-tree.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qnull.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

typedef struct Copy {
    size_t members;  /* of all objects so far */
    const char *why; /* it cannot be copied */
} Copy;

static QObject *copy_value(Copy *copy, struct json_object *json);

static QObject *copy_null(Copy *copy, struct json_object *json)
{
    return QOBJECT(qnull());
}

static QObject *copy_bool(Copy *copy, struct json_object *json)
{
    return QOBJECT(qbool_from_bool(json_object_get_boolean(json)));
}

static QObject *copy_int(Copy *copy, struct json_object *json)
{
    int64_t value = json_object_get_int64(json);
    uint64_t large = json_object_get_uint64(json);

    if (value >= 0 && large > INT64_MAX) {
        return QOBJECT(qnum_from_uint(large));
    }
    return QOBJECT(qnum_from_int(value));
}

static QObject *copy_double(Copy *copy, struct json_object *json)
{
    double value = json_object_get_double(json);

    if (!isfinite(value)) {
        copy->why = "number out of range";
        return NULL;
    }
    return QOBJECT(qnum_from_double(value));
}

static QObject *copy_string(Copy *copy, struct json_object *json)
{
    const char *str = json_object_get_string(json);

    if (strlen(str) != (size_t)json_object_get_string_len(json)) {
        copy->why = "zero byte in string";
        return NULL;
    }
    return QOBJECT(qstring_from_str(str));
}

static QObject *copy_array(Copy *copy, struct json_object *json)
{
    g_autoptr(QList) qlist = qlist_new();

    for (size_t i = 0; i < json_object_array_length(json); i++) {
        QObject *value = copy_value(copy, json_object_array_get_idx(json, i));

        if (!value) {
            return NULL;
        }
        qlist_append_obj(qlist, value);
    }
    return QOBJECT(g_steal_pointer(&qlist));
}

static QObject *copy_object(Copy *copy, struct json_object *json)
{
    g_autoptr(QDict) qdict = qdict_new();

    json_object_object_foreach(json, key, member)
    {
        QObject *value = copy_value(copy, member);

        if (!value) {
            return NULL;
        }
        qdict_put_obj(qdict, key, value);
        copy->members++;
    }
    return QOBJECT(g_steal_pointer(&qdict));
}

/* NULL with @copy->why set if it cannot be. */
static QObject *copy_value(Copy *copy, struct json_object *json)
{
    static QObject *(*const copies[])(Copy *, struct json_object *) = {
        [json_type_null] = copy_null,     [json_type_boolean] = copy_bool,
        [json_type_double] = copy_double, [json_type_int] = copy_int,
        [json_type_object] = copy_object, [json_type_array] = copy_array,
        [json_type_string] = copy_string,
    };

    return copies[json_object_get_type(json)](copy, json);
}

/* What json-c did not like, in our words. */
static const char *parser_reason(enum json_tokener_error error)
{
    static const char *const reasons[] = {
        [json_tokener_continue] = "premature end",
        [json_tokener_error_depth] = "nesting is too deep",
        [json_tokener_error_parse_eof] = "premature end",
        [json_tokener_error_parse_unexpected] = "expecting value",
        [json_tokener_error_parse_number] = "invalid number",
        [json_tokener_error_parse_array] = "expected separator in list",
        [json_tokener_error_parse_object_key_name] = "member name is not a string",
        [json_tokener_error_parse_object_key_sep] = "expected ':' behind member name",
        [json_tokener_error_parse_object_value_sep] = "expected separator in dict",
        [json_tokener_error_parse_string] = "invalid escape sequence in string",
        [json_tokener_error_parse_utf8_string] = "invalid UTF-8",
    };

    return error < ARRAY_SIZE(reasons) && reasons[error] ? reasons[error] : "syntax error";
}

/* The word that byte @at of @text is in, or ends. */
static char *word_around(const GString *text, size_t *at)
{
    size_t begin = MIN(*at, text->len), end = begin;

    while (begin > 0 && g_ascii_isalnum(text->str[begin - 1])) {
        begin--;
    }
    while (end < text->len && g_ascii_isalnum(text->str[end])) {
        end++;
    }
    *at = begin;
    return g_strndup(text->str + begin, end - begin);
}

static char *describe_failure(const GString *text, enum json_tokener_error error, size_t *at)
{
    bool unfinished = error == json_tokener_continue || error == json_tokener_error_parse_eof;
    bool keyword =
        error == json_tokener_error_parse_null || error == json_tokener_error_parse_boolean ||
        (error == json_tokener_error_parse_unexpected && g_ascii_isalpha(text->str[*at])) ||
        (unfinished && g_ascii_isalpha(text->str[0]));

    if (keyword) {
        g_autofree char *word = word_around(text, at);

        return g_strdup_printf("invalid keyword '%s'", word);
    }
    return g_strdup(parser_reason(error));
}

QObject *json_tree_parse(const GString *text, size_t colons, size_t *ret_at, char **ret_why)
{
    struct json_tokener *tokener;
    struct json_object *json;
    enum json_tokener_error error;
    Copy copy = { 0 };
    QObject *value = NULL;
    const char *invalid;

    *ret_at = 0;
    if (!g_utf8_validate(text->str, text->len, &invalid)) {
        *ret_at = invalid - text->str;
        *ret_why = g_strdup("invalid UTF-8");
        return NULL;
    }
    tokener = json_tokener_new_ex(JSON_NESTING_MAX + 1);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    /* with the zero byte behind it, which ends a number */
    json = json_tokener_parse_ex(tokener, text->str, text->len + 1);
    error = json_tokener_get_error(tokener);
    if (error == json_tokener_success) {
        value = copy_value(&copy, json);
        if (value && copy.members != colons) {
            qobject_unref(value);
            value = NULL;
            copy.why = "duplicate key";
        }
        *ret_why = value ? NULL : g_strdup(copy.why);
    } else {
        *ret_at = json_tokener_get_parse_end(tokener);
        *ret_why = describe_failure(text, error, ret_at);
    }
    json_object_put(json);
    json_tokener_free(tokener);
    return value;
}
