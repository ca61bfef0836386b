/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program knows of a generated type at run time.
 *
 * Theory of operation
 *
 * The generator makes one constant QapiType a schema type: its kind, its size and where its members
 * lie. One walker (qapi/type-visit.c) takes any visitor through a value of any type by that
 * description, another one frees and copies values (qapi/type-copy.c). visit_type_X() and
 * qapi_free_X() are one-line calls of them.
 *
 * A scalar is held by value; strings, objects, alternates, lists, any and null by pointer. In a
 * union's or alternate's branch an object lies in the union itself.
 */
#ifndef QAPI_TYPE_INFO_H
#define QAPI_TYPE_INFO_H

#include "qapi/util.h"
#include "qobject/qtype.h"

typedef enum QapiKind {
    QAPI_KIND_BOOL,
    QAPI_KIND_INT8,
    QAPI_KIND_INT16,
    QAPI_KIND_INT32,
    QAPI_KIND_INT64,
    QAPI_KIND_UINT8,
    QAPI_KIND_UINT16,
    QAPI_KIND_UINT32,
    QAPI_KIND_UINT64,
    QAPI_KIND_SIZE,
    QAPI_KIND_NUMBER,
    QAPI_KIND_STR,
    QAPI_KIND_ANY,
    QAPI_KIND_NULL,
    QAPI_KIND_ENUM,
    QAPI_KIND_OBJECT,
    QAPI_KIND_ALTERNATE,
    QAPI_KIND_LIST,
    QAPI_KIND__MAX,
} QapiKind;

typedef struct QapiType QapiType;

/* A member of an object. */
typedef struct QapiMember {
    const char *name;
    const QapiType *type;
    const char *doc;     /* one line for people */
    uint32_t offset;     /* of the value in the struct */
    uint32_t has_offset; /* of the bool that says it is there; 0 if the pointer does */
    bool optional;
    uint64_t features;
} QapiMember;

struct QapiType {
    const char *name;
    QapiKind kind;
    uint32_t size;             /* of the C value; of the struct for objects and alternates */
    const QEnumLookup *lookup; /* enumerations */
    const QapiType *element;   /* lists */
    const QapiMember *members; /* objects: their own and their bases', in the schema's order */
    uint32_t n_members;
    uint32_t tag; /* unions: which member decides */
    const QapiType *const
        *variants; /* by the tag's value, or by QType for alternates; may be NULL */
    uint32_t n_variants;
    uint32_t variants_offset; /* of the C union */
};

extern const QapiType qapi_type_bool, qapi_type_int8, qapi_type_int16, qapi_type_int32,
    qapi_type_int64, qapi_type_int, qapi_type_uint8, qapi_type_uint16, qapi_type_uint32,
    qapi_type_uint64, qapi_type_size, qapi_type_number, qapi_type_str, qapi_type_any,
    qapi_type_null, qapi_type_empty;

/*
 * From now on members with the feature "own" count: every struct in this program has them set, or
 * zero. Before, no walker below looks at them: code that was written for QEMU does not know them
 * and leaves them as they were on its stack. Any thread; for the life of the program.
 */
void qapi_use_own_members(void);
bool qapi_own_members_used(void);

/* Objects, alternates and lists: take @v through *@obj. */
bool qapi_visit_type(Visitor *v, const char *name, void **obj, const QapiType *type, Error **errp);
/* The members of an object that is there, and of its variant. */
bool qapi_visit_members(Visitor *v, void *obj, const QapiType *type, Error **errp);

/* Free an object, alternate or list, or what the members of an object point to. NULL is legal. */
void qapi_free_type(void *obj, const QapiType *type);
void qapi_free_members(void *obj, const QapiType *type);
/* A deep copy; NULL of NULL. The second form makes the members of @dst copies of @src's. */
void *qapi_clone_type(const void *src, const QapiType *type);
void qapi_clone_members(void *dst, const void *src, const QapiType *type);

/*
 * Help for people: a line an option of object @type, how it looks on the command line and what it
 * is for, options within options by their full keys, in the schema's order. With @tag_value the
 * options of that variant, without it those of all. The caller frees the text.
 */
char *qapi_option_help(const QapiType *type, const char *tag_value);

#endif
