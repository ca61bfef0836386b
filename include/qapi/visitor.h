/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks over C values that are described by the schema.
 *
 * Theory of operation
 *
 * A visitor is one way to treat a value: an input visitor builds it from something (a QObject,
 * say), an output visitor makes something from it. visit_type_X() of the generated code takes a
 * visitor through a value of type X; the functions here are the steps it is made of. A visit is one
 * call of visit_type_X(), then, if it succeeded, visit_complete() for output visitors, then
 * visit_free().
 *
 * @name: the member's name in the enclosing struct; NULL in a list; anything at the root (an input
 * visitor ignores it there, except for messages).
 * All functions that may fail return false with *@errp set. On failure of an input visitor the
 * value is freed and set to NULL. A visitor belongs to one thread; nothing blocks or yields.
 */
#ifndef QAPI_VISITOR_H
#define QAPI_VISITOR_H

#include "qapi/qapi-builtin-types.h"
#include "qapi/util.h"

typedef struct GenericList {
    struct GenericList *next;
    char padding[];
} GenericList;

typedef struct GenericAlternate {
    QType type;
    char padding[];
} GenericAlternate;

/* The end of a visit that succeeded: an output visitor hands its result to where it was told. */
void visit_complete(Visitor *v, void *opaque);
/* At any time; NULL is legal. */
void visit_free(Visitor *v);

/*
 * A struct: start, members, check (nothing may be left over in the input), end. Every start that
 * succeeded needs its end. Input: *@obj becomes a new zeroed block of @size bytes, unless @obj is
 * NULL, for a struct that has no C value of its own.
 */
bool visit_start_struct(Visitor *v, const char *name, void **obj, size_t size, Error **errp);
bool visit_check_struct(Visitor *v, Error **errp);
void visit_end_struct(Visitor *v, void **obj);

/*
 * A list: start, then the element with NULL as name and visit_next_list() in turn until NULL,
 * check, end. Input: *@list and each next element become new zeroed blocks of @size bytes.
 */
bool visit_start_list(Visitor *v, const char *name, GenericList **list, size_t size, Error **errp);
GenericList *visit_next_list(Visitor *v, GenericList *tail, size_t size);
bool visit_check_list(Visitor *v, Error **errp);
void visit_end_list(Visitor *v, void **list);

/* An alternate. Input: *@obj becomes a new zeroed block with the type of the input's value. */
bool visit_start_alternate(Visitor *v, const char *name, GenericAlternate **obj, size_t size,
                           Error **errp);
void visit_end_alternate(Visitor *v, void **obj);

/* Input: sets *@present to whether the member is there. Output: reads it. Returns *@present. */
bool visit_optional(Visitor *v, const char *name, bool *present);

bool visit_is_input(Visitor *v);

/* Scalars. */
bool visit_type_enum(Visitor *v, const char *name, int *obj, const QEnumLookup *lookup,
                     Error **errp);
bool visit_type_int(Visitor *v, const char *name, int64_t *obj, Error **errp);
bool visit_type_int8(Visitor *v, const char *name, int8_t *obj, Error **errp);
bool visit_type_int16(Visitor *v, const char *name, int16_t *obj, Error **errp);
bool visit_type_int32(Visitor *v, const char *name, int32_t *obj, Error **errp);
bool visit_type_int64(Visitor *v, const char *name, int64_t *obj, Error **errp);
bool visit_type_uint8(Visitor *v, const char *name, uint8_t *obj, Error **errp);
bool visit_type_uint16(Visitor *v, const char *name, uint16_t *obj, Error **errp);
bool visit_type_uint32(Visitor *v, const char *name, uint32_t *obj, Error **errp);
bool visit_type_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp);
/* Like uint64; texts of the command line may have a suffix k, M, G, T, P or E. */
bool visit_type_size(Visitor *v, const char *name, uint64_t *obj, Error **errp);
bool visit_type_bool(Visitor *v, const char *name, bool *obj, Error **errp);
/* Input: a new string, to be freed by g_free(). Output: NULL counts as "". */
bool visit_type_str(Visitor *v, const char *name, char **obj, Error **errp);
bool visit_type_number(Visitor *v, const char *name, double *obj, Error **errp);
/* Input: a new reference. */
bool visit_type_any(Visitor *v, const char *name, QObject **obj, Error **errp);
bool visit_type_null(Visitor *v, const char *name, QNull **obj, Error **errp);

#endif
