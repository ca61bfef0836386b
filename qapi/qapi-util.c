/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Enumerations, booleans and names as texts. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"

const char *qapi_enum_lookup(const QEnumLookup *lookup, int val)
{
    assert(val >= 0 && val < lookup->size);
    return lookup->array[val];
}

int qapi_enum_parse(const QEnumLookup *lookup, const char *buf, int def, Error **errp)
{
    if (!buf) {
        return def;
    }
    for (int i = 0; i < lookup->size; i++) {
        if (g_str_equal(buf, lookup->array[i])) {
            return i;
        }
    }
    error_setg(errp, "invalid parameter value: %s", buf);
    return def;
}

bool qapi_bool_parse(const char *name, const char *value, bool *obj, Error **errp)
{
    static const char *const words[][2] = {
        { "off", "on" },
        { "no", "yes" },
        { "false", "true" },
        { "n", "y" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (int truth = 0; truth < 2; truth++) {
            if (g_str_equal(value, words[i][truth])) {
                *obj = truth;
                return true;
            }
        }
    }
    error_setg(errp, "Parameter '%s' expects 'on' or 'off'", name);
    return false;
}

/* The length of a vendor's prefix "__example.com_", 0 if there is none, -1 if it is broken. */
static int vendor_prefix(const char *name)
{
    const char *p = name + 2;

    if (!g_str_has_prefix(name, "__")) {
        return 0;
    }
    while (g_ascii_isalnum(*p) || *p == '-' || *p == '.') {
        p++;
    }
    return p > name + 2 && *p == '_' ? p + 1 - name : -1;
}

int parse_qapi_name(const char *name, bool complete)
{
    int prefix = vendor_prefix(name);
    const char *p;

    if (prefix < 0) {
        return -1;
    }
    p = name + prefix;
    if (!g_ascii_isalpha(*p)) {
        return -1;
    }
    while (g_ascii_isalnum(*p) || *p == '-' || *p == '_') {
        p++;
    }
    if (complete && *p) {
        return -1;
    }
    return p - name;
}
