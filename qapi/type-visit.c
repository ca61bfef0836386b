/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes any visitor through a value of any type of the schema, by the type's description. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "type-walk.h"

typedef bool VisitScalar(Visitor *v, const char *name, void *slot, Error **errp);

/* Each of them takes a pointer to the C type that its kind has. */
#define SCALAR_VISIT(type, c_type)                                                    \
    static bool scalar_##type(Visitor *v, const char *name, void *slot, Error **errp) \
    {                                                                                 \
        return visit_type_##type(v, name, (c_type *)slot, errp);                      \
    }

SCALAR_VISIT(bool, bool)
SCALAR_VISIT(int8, int8_t)
SCALAR_VISIT(int16, int16_t)
SCALAR_VISIT(int32, int32_t)
SCALAR_VISIT(int64, int64_t)
SCALAR_VISIT(uint8, uint8_t)
SCALAR_VISIT(uint16, uint16_t)
SCALAR_VISIT(uint32, uint32_t)
SCALAR_VISIT(uint64, uint64_t)
SCALAR_VISIT(size, uint64_t)
SCALAR_VISIT(number, double)
SCALAR_VISIT(str, char *)
SCALAR_VISIT(any, QObject *)
SCALAR_VISIT(null, QNull *)

static VisitScalar *const scalars[QAPI_KIND__MAX] = {
    [QAPI_KIND_BOOL] = scalar_bool,     [QAPI_KIND_INT8] = scalar_int8,
    [QAPI_KIND_INT16] = scalar_int16,   [QAPI_KIND_INT32] = scalar_int32,
    [QAPI_KIND_INT64] = scalar_int64,   [QAPI_KIND_UINT8] = scalar_uint8,
    [QAPI_KIND_UINT16] = scalar_uint16, [QAPI_KIND_UINT32] = scalar_uint32,
    [QAPI_KIND_UINT64] = scalar_uint64, [QAPI_KIND_SIZE] = scalar_size,
    [QAPI_KIND_NUMBER] = scalar_number, [QAPI_KIND_STR] = scalar_str,
    [QAPI_KIND_ANY] = scalar_any,       [QAPI_KIND_NULL] = scalar_null,
};

#define BUILTIN_TYPE(name_, kind_, c_type) \
    const QapiType qapi_type_##name_ = { .name = #name_, .kind = kind_, .size = sizeof(c_type) }

BUILTIN_TYPE(bool, QAPI_KIND_BOOL, bool);
BUILTIN_TYPE(int8, QAPI_KIND_INT8, int8_t);
BUILTIN_TYPE(int16, QAPI_KIND_INT16, int16_t);
BUILTIN_TYPE(int32, QAPI_KIND_INT32, int32_t);
BUILTIN_TYPE(int64, QAPI_KIND_INT64, int64_t);
BUILTIN_TYPE(int, QAPI_KIND_INT64, int64_t);
BUILTIN_TYPE(uint8, QAPI_KIND_UINT8, uint8_t);
BUILTIN_TYPE(uint16, QAPI_KIND_UINT16, uint16_t);
BUILTIN_TYPE(uint32, QAPI_KIND_UINT32, uint32_t);
BUILTIN_TYPE(uint64, QAPI_KIND_UINT64, uint64_t);
BUILTIN_TYPE(size, QAPI_KIND_SIZE, uint64_t);
BUILTIN_TYPE(number, QAPI_KIND_NUMBER, double);
BUILTIN_TYPE(str, QAPI_KIND_STR, char *);
BUILTIN_TYPE(any, QAPI_KIND_ANY, QObject *);
BUILTIN_TYPE(null, QAPI_KIND_NULL, QNull *);
const QapiType qapi_type_empty = { .name = "empty", .kind = QAPI_KIND_OBJECT, .size = 1 };

bool qapi_visit_slot(Visitor *v, const char *name, void *slot, const QapiType *type, Error **errp)
{
    if (type->kind == QAPI_KIND_ENUM) {
        return visit_type_enum(v, name, (int *)slot, type->lookup, errp);
    }
    if (scalars[type->kind]) {
        return scalars[type->kind](v, name, slot, errp);
    }
    return qapi_visit_type(v, name, (void **)slot, type, errp);
}

/* Whether an optional member is there, and after an input visit's visit_optional() that it is. */
static bool member_present(Visitor *v, void *obj, const QapiMember *m)
{
    bool *has = qapi_member_has_flag(m) ? (bool *)((char *)obj + m->has_offset) : NULL;
    bool present;

    if (!m->optional) {
        return true;
    }
    present = has ? *has : *(void **)((char *)obj + m->offset) != NULL;
    visit_optional(v, m->name, &present);
    if (has) {
        *has = present;
    }
    return present;
}

static bool visit_own_members(Visitor *v, void *obj, const QapiType *type, Error **errp)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];

        if (qapi_member_counts(m) && member_present(v, obj, m) &&
            !qapi_visit_slot(v, m->name, (char *)obj + m->offset, m->type, errp)) {
            return false;
        }
    }
    return true;
}

const QapiType *qapi_union_variant(const void *obj, const QapiType *type)
{
    int tag;

    if (!type->variants) {
        return NULL;
    }
    memcpy(&tag, (const char *)obj + type->members[type->tag].offset, sizeof(tag));
    return tag >= 0 && tag < type->n_variants ? type->variants[tag] : NULL;
}

bool qapi_visit_members(Visitor *v, void *obj, const QapiType *type, Error **errp)
{
    const QapiType *variant;

    assert(type->kind == QAPI_KIND_OBJECT);
    if (!visit_own_members(v, obj, type, errp)) {
        return false;
    }
    variant = qapi_union_variant(obj, type);
    return !variant || visit_own_members(v, (char *)obj + type->variants_offset, variant, errp);
}

static bool visit_object(Visitor *v, const char *name, void **obj, const QapiType *type,
                         Error **errp)
{
    bool ok;

    if (!visit_start_struct(v, name, obj, type->size, errp)) {
        return false;
    }
    ok = qapi_visit_members(v, *obj, type, errp) && visit_check_struct(v, errp);
    visit_end_struct(v, obj);
    return ok;
}

static bool visit_list(Visitor *v, const char *name, void **list, const QapiType *type,
                       Error **errp)
{
    bool ok = true;
    GenericList *tail;

    if (!visit_start_list(v, name, (GenericList **)list, type->size, errp)) {
        return false;
    }
    for (tail = *list; tail; tail = visit_next_list(v, tail, type->size)) {
        ok = qapi_visit_slot(v, NULL, tail->padding, type->element, errp);
        if (!ok) {
            break;
        }
    }
    ok = ok && visit_check_list(v, errp);
    visit_end_list(v, list);
    return ok;
}

/* An object in a branch: it lies in the C union itself. */
static bool visit_inner_object(Visitor *v, const char *name, void *branch, const QapiType *type,
                               Error **errp)
{
    bool ok;

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return false;
    }
    ok = qapi_visit_members(v, branch, type, errp) && visit_check_struct(v, errp);
    visit_end_struct(v, NULL);
    return ok;
}

static bool visit_alternate(Visitor *v, const char *name, void **obj, const QapiType *type,
                            Error **errp)
{
    const QapiType *branch;
    GenericAlternate *alternate;
    void *slot;
    bool ok = false;

    if (!visit_start_alternate(v, name, (GenericAlternate **)obj, type->size, errp)) {
        return false;
    }
    alternate = *obj;
    branch = alternate->type < type->n_variants ? type->variants[alternate->type] : NULL;
    slot = (char *)alternate + type->variants_offset;
    if (!branch) {
        assert(visit_is_input(v));
        /* nothing of the branch is there yet, so nothing may be freed */
        alternate->type = QTYPE_NONE;
        error_setg(errp, "Invalid parameter type for '%s', expected: %s", name ? name : "null",
                   type->name);
    } else if (branch->kind == QAPI_KIND_OBJECT) {
        ok = visit_inner_object(v, name, slot, branch, errp);
    } else {
        ok = qapi_visit_slot(v, name, slot, branch, errp);
    }
    visit_end_alternate(v, obj);
    return ok;
}

bool qapi_visit_type(Visitor *v, const char *name, void **obj, const QapiType *type, Error **errp)
{
    static bool (*const visits[QAPI_KIND__MAX])(Visitor *, const char *, void **, const QapiType *,
                                                Error **) = {
        [QAPI_KIND_OBJECT] = visit_object,
        [QAPI_KIND_LIST] = visit_list,
        [QAPI_KIND_ALTERNATE] = visit_alternate,
    };
    bool ok;

    if (visit_is_input(v)) {
        *obj = NULL;
    }
    ok = visits[type->kind](v, name, obj, type, errp);
    if (!ok && visit_is_input(v)) {
        qapi_free_type(*obj, type);
        *obj = NULL;
    }
    return ok;
}
