/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of a visit: each hands on to the visitor and holds it to its promises. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor-impl.h"

void visit_complete(Visitor *v, void *opaque)
{
    assert(v->type != VISITOR_OUTPUT || v->complete);
    if (v->complete) {
        v->complete(v, opaque);
    }
}

void visit_free(Visitor *v)
{
    if (v) {
        v->free(v);
    }
}

bool visit_is_input(Visitor *v)
{
    return v->type == VISITOR_INPUT;
}

bool visit_start_struct(Visitor *v, const char *name, void **obj, size_t size, Error **errp)
{
    bool ok;

    assert(!obj || size);
    ok = v->start_struct(v, name, obj, size, errp);
    assert(!obj || !visit_is_input(v) || ok == !!*obj);
    return ok;
}

bool visit_check_struct(Visitor *v, Error **errp)
{
    return v->check_struct ? v->check_struct(v, errp) : true;
}

void visit_end_struct(Visitor *v, void **obj)
{
    v->end_struct(v, obj);
}

bool visit_start_list(Visitor *v, const char *name, GenericList **list, size_t size, Error **errp)
{
    assert(!list || size >= sizeof(GenericList));
    return v->start_list(v, name, list, size, errp);
}

GenericList *visit_next_list(Visitor *v, GenericList *tail, size_t size)
{
    assert(tail && size >= sizeof(GenericList));
    return v->next_list(v, tail, size);
}

bool visit_check_list(Visitor *v, Error **errp)
{
    return v->check_list ? v->check_list(v, errp) : true;
}

void visit_end_list(Visitor *v, void **list)
{
    v->end_list(v, list);
}

bool visit_start_alternate(Visitor *v, const char *name, GenericAlternate **obj, size_t size,
                           Error **errp)
{
    assert(obj && size >= sizeof(GenericAlternate));
    assert(visit_is_input(v) == !!v->start_alternate);
    return v->start_alternate ? v->start_alternate(v, name, obj, size, errp) : true;
}

void visit_end_alternate(Visitor *v, void **obj)
{
    if (v->end_alternate) {
        v->end_alternate(v, obj);
    }
}

bool visit_optional(Visitor *v, const char *name, bool *present)
{
    if (v->optional) {
        v->optional(v, name, present);
    }
    return *present;
}

bool visit_type_int64(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    return v->type_int64(v, name, obj, errp);
}

bool visit_type_int(Visitor *v, const char *name, int64_t *obj, Error **errp)
{
    return visit_type_int64(v, name, obj, errp);
}

/* A signed integer of less than 64 bits. */
static bool visit_narrow_int(Visitor *v, const char *name, int64_t *value, int bits, Error **errp)
{
    int64_t limit = INT64_C(1) << (bits - 1);

    if (!visit_type_int64(v, name, value, errp)) {
        return false;
    }
    if (*value < -limit || *value >= limit) {
        assert(visit_is_input(v));
        error_setg(errp, "Parameter '%s' expects int%d_t", name ? name : "null", bits);
        return false;
    }
    return true;
}

bool visit_type_uint64(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    return v->type_uint64(v, name, obj, errp);
}

static bool visit_narrow_uint(Visitor *v, const char *name, uint64_t *value, int bits, Error **errp)
{
    if (!visit_type_uint64(v, name, value, errp)) {
        return false;
    }
    if (*value >> bits) {
        assert(visit_is_input(v));
        error_setg(errp, "Parameter '%s' expects uint%d_t", name ? name : "null", bits);
        return false;
    }
    return true;
}

#define DEFINE_NARROW_VISIT(type, wide, narrow, bits)                                 \
    bool visit_type_##type(Visitor *v, const char *name, type##_t *obj, Error **errp) \
    {                                                                                 \
        wide value = *obj;                                                            \
        bool ok = narrow(v, name, &value, bits, errp);                                \
                                                                                      \
        if (ok) {                                                                     \
            *obj = value;                                                             \
        }                                                                             \
        return ok;                                                                    \
    }

DEFINE_NARROW_VISIT(int8, int64_t, visit_narrow_int, 8)
DEFINE_NARROW_VISIT(int16, int64_t, visit_narrow_int, 16)
DEFINE_NARROW_VISIT(int32, int64_t, visit_narrow_int, 32)
DEFINE_NARROW_VISIT(uint8, uint64_t, visit_narrow_uint, 8)
DEFINE_NARROW_VISIT(uint16, uint64_t, visit_narrow_uint, 16)
DEFINE_NARROW_VISIT(uint32, uint64_t, visit_narrow_uint, 32)

bool visit_type_size(Visitor *v, const char *name, uint64_t *obj, Error **errp)
{
    return v->type_size ? v->type_size(v, name, obj, errp) : v->type_uint64(v, name, obj, errp);
}

bool visit_type_bool(Visitor *v, const char *name, bool *obj, Error **errp)
{
    return v->type_bool(v, name, obj, errp);
}

bool visit_type_str(Visitor *v, const char *name, char **obj, Error **errp)
{
    bool ok = v->type_str(v, name, obj, errp);

    assert(!visit_is_input(v) || ok == !!*obj);
    return ok;
}

bool visit_type_number(Visitor *v, const char *name, double *obj, Error **errp)
{
    return v->type_number(v, name, obj, errp);
}

bool visit_type_any(Visitor *v, const char *name, QObject **obj, Error **errp)
{
    bool ok;

    assert(visit_is_input(v) || *obj);
    ok = v->type_any(v, name, obj, errp);
    assert(!visit_is_input(v) || ok == !!*obj);
    return ok;
}

bool visit_type_null(Visitor *v, const char *name, QNull **obj, Error **errp)
{
    return v->type_null(v, name, obj, errp);
}

static bool output_enum(Visitor *v, const char *name, const int *obj, const QEnumLookup *lookup,
                        Error **errp)
{
    char *text = (char *)qapi_enum_lookup(lookup, *obj);

    return visit_type_str(v, name, &text, errp);
}

bool visit_type_enum(Visitor *v, const char *name, int *obj, const QEnumLookup *lookup,
                     Error **errp)
{
    g_autofree char *text = NULL;
    int value;

    if (!visit_is_input(v)) {
        return output_enum(v, name, obj, lookup, errp);
    }
    if (!visit_type_str(v, name, &text, errp)) {
        return false;
    }
    value = qapi_enum_parse(lookup, text, -1, NULL);
    if (value < 0) {
        error_setg(errp, "Parameter '%s' does not accept value '%s'", name ? name : "null", text);
        return false;
    }
    *obj = value;
    return true;
}
