/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frees and copies values of any type of the schema, by the type's description. */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qobject/qnull.h"
#include "qobject/qobject.h"
#include "type-walk.h"

static bool own_members; /* atomic */

void qapi_use_own_members(void)
{
    qatomic_set(&own_members, true);
}

bool qapi_own_members_used(void)
{
    return qatomic_read(&own_members);
}

/* Free what the value at @slot points to. */
static void free_slot(void *slot, const QapiType *type)
{
    switch (type->kind) {
    case QAPI_KIND_STR:
        g_free(*(char **)slot);
        break;
    case QAPI_KIND_ANY:
    case QAPI_KIND_NULL:
        qobject_unref(*(QObject **)slot);
        break;
    case QAPI_KIND_OBJECT:
    case QAPI_KIND_ALTERNATE:
    case QAPI_KIND_LIST:
        qapi_free_type(*(void **)slot, type);
        break;
    default:
        break;
    }
}

/* Objects lie in the union itself. */
static void free_branch(void *branch, const QapiType *type)
{
    if (type->kind == QAPI_KIND_OBJECT) {
        qapi_free_members(branch, type);
    } else {
        free_slot(branch, type);
    }
}

static const QapiType *alternate_branch(const void *obj, const QapiType *type)
{
    const GenericAlternate *alternate = obj;

    return alternate->type < type->n_variants ? type->variants[alternate->type] : NULL;
}

void qapi_free_members(void *obj, const QapiType *type)
{
    const QapiType *variant = qapi_union_variant(obj, type);

    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];

        if (qapi_member_held(obj, m)) {
            free_slot((char *)obj + m->offset, m->type);
        }
    }
    if (variant) {
        qapi_free_members((char *)obj + type->variants_offset, variant);
    }
}

static void free_list(GenericList *list, const QapiType *type)
{
    while (list) {
        GenericList *next = list->next;

        free_slot(list->padding, type->element);
        g_free(list);
        list = next;
    }
}

void qapi_free_type(void *obj, const QapiType *type)
{
    const QapiType *branch;

    if (!obj) {
        return;
    }
    switch (type->kind) {
    case QAPI_KIND_LIST:
        free_list(obj, type);
        return;
    case QAPI_KIND_ALTERNATE:
        branch = alternate_branch(obj, type);
        if (branch) {
            free_branch((char *)obj + type->variants_offset, branch);
        }
        break;
    default:
        assert(type->kind == QAPI_KIND_OBJECT);
        qapi_free_members(obj, type);
    }
    g_free(obj);
}

static void clone_slot(void *dst, const void *src, const QapiType *type)
{
    void *copy;

    switch (type->kind) {
    case QAPI_KIND_STR:
        copy = g_strdup(*(char *const *)src);
        break;
    case QAPI_KIND_ANY:
    case QAPI_KIND_NULL:
        copy = qobject_ref(*(QObject *const *)src);
        break;
    case QAPI_KIND_OBJECT:
    case QAPI_KIND_ALTERNATE:
    case QAPI_KIND_LIST:
        copy = qapi_clone_type(*(void *const *)src, type);
        break;
    default:
        memcpy(dst, src, type->size);
        return;
    }
    memcpy(dst, &copy, sizeof(copy));
}

static size_t slot_bytes(const QapiType *type)
{
    return type->kind < QAPI_KIND_STR || type->kind == QAPI_KIND_ENUM ? type->size : sizeof(void *);
}

void qapi_clone_members(void *dst, const void *src, const QapiType *type)
{
    const QapiType *variant = qapi_union_variant(src, type);

    /* scalars and flags by this; then whatever is held by pointer */
    memcpy(dst, src, type->size);
    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];

        if (qapi_member_held(src, m)) {
            clone_slot((char *)dst + m->offset, (const char *)src + m->offset, m->type);
        } else {
            memset((char *)dst + m->offset, 0, slot_bytes(m->type));
        }
    }
    if (variant) {
        qapi_clone_members((char *)dst + type->variants_offset,
                           (const char *)src + type->variants_offset, variant);
    }
}

static void *clone_list(const GenericList *src, const QapiType *type)
{
    GenericList *head = NULL, **tail = &head;

    for (; src; src = src->next) {
        *tail = g_malloc0(type->size);
        clone_slot((*tail)->padding, src->padding, type->element);
        tail = &(*tail)->next;
    }
    return head;
}

static void *clone_alternate(const void *src, const QapiType *type)
{
    const QapiType *branch = alternate_branch(src, type);
    char *dst = g_memdup2(src, type->size);
    const char *from = (const char *)src + type->variants_offset;

    if (branch && branch->kind == QAPI_KIND_OBJECT) {
        qapi_clone_members(dst + type->variants_offset, from, branch);
    } else if (branch) {
        clone_slot(dst + type->variants_offset, from, branch);
    }
    return dst;
}

void *qapi_clone_type(const void *src, const QapiType *type)
{
    void *dst;

    if (!src) {
        return NULL;
    }
    switch (type->kind) {
    case QAPI_KIND_LIST:
        return clone_list(src, type);
    case QAPI_KIND_ALTERNATE:
        return clone_alternate(src, type);
    default:
        assert(type->kind == QAPI_KIND_OBJECT);
        dst = g_malloc0(type->size);
        qapi_clone_members(dst, src, type);
        return dst;
    }
}
