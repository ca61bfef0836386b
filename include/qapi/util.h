/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What generated types are made of, and lists of them. */
#ifndef QAPI_UTIL_H
#define QAPI_UTIL_H

#include "qemu/typedefs.h"

/* Features that the code knows; a bit each. */
typedef enum QapiFeature {
    QAPI_FEATURE_DEPRECATED,
    QAPI_FEATURE_UNSTABLE,
    QAPI_FEATURE_OWN, /* of members: QEMU's struct has it not; see qapi/type-info.h */
    QAPI_FEATURE__MAX,
} QapiFeature;

/* Names of an enumeration's values. */
typedef struct QEnumLookup {
    const char *const *array;
    const uint64_t *const features; /* bits by QapiFeature, or NULL */
    const int size;
} QEnumLookup;

/* The name of @val, which must be a value of the enumeration. */
const char *qapi_enum_lookup(const QEnumLookup *lookup, int val);
/* The value whose name is @buf; @def when @buf is NULL; @def and *@errp set when there is none. */
int qapi_enum_parse(const QEnumLookup *lookup, const char *buf, int def, Error **errp);
/*
 * "on", "yes", "true", "y", "off", "no", "false", "n" into *@obj; anything else is an error that
 * names @name.
 */
bool qapi_bool_parse(const char *name, const char *value, bool *obj, Error **errp);
/* How many bytes of @name make a valid QAPI name, -1 if it does not begin with one. */
int parse_qapi_name(const char *name, bool complete);

/* Put @element in front of @list (an lvalue). */
#define QAPI_LIST_PREPEND(list, element)                         \
    do {                                                         \
        __typeof__(list) node_ = g_new0(__typeof__(*(list)), 1); \
        node_->value = (element);                                \
        node_->next = (list);                                    \
        (list) = node_;                                          \
    } while (0)

/* Put @element at the end; @tail is the address of the last next pointer and moves on. */
#define QAPI_LIST_APPEND(tail, element)            \
    do {                                           \
        *(tail) = g_new0(__typeof__(**(tail)), 1); \
        (*(tail))->value = (element);              \
        (tail) = &(*(tail))->next;                 \
    } while (0)

#define QAPI_LIST_LENGTH(list)                                              \
    __extension__({                                                         \
        size_t length_ = 0;                                                 \
        for (__typeof__(list) node_ = (list); node_; node_ = node_->next) { \
            length_++;                                                      \
        }                                                                   \
        length_;                                                            \
    })

#endif
