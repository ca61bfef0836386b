/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the walkers over described values share. */
#ifndef QAPI_TYPE_WALK_H
#define QAPI_TYPE_WALK_H

#include "qapi/type-info.h"
#include "qapi/visitor.h"

/* Take @v through the value of any type that lies at @slot. */
bool qapi_visit_slot(Visitor *v, const char *name, void *slot, const QapiType *type, Error **errp);

/* The type of the branch that union @obj has taken; NULL if there is none, or @type is no union. */
const QapiType *qapi_union_variant(const void *obj, const QapiType *type);

/* Whether C has a bool to say that @m is there; for the other optional ones a pointer says it. */
static inline bool qapi_member_has_flag(const QapiMember *m)
{
    QapiKind kind = m->type->kind;

    return m->optional &&
           (kind < QAPI_KIND_STR || kind == QAPI_KIND_ENUM || kind == QAPI_KIND_LIST);
}

/* Whether this program knows member @m; others lie in its structs as they were on a stack. */
static inline bool qapi_member_counts(const QapiMember *m)
{
    return !(m->features & (1u << QAPI_FEATURE_OWN)) || qapi_own_members_used();
}

/* Whether what is held by @m of the object at @obj is its own: a list that is not there is not. */
static inline bool qapi_member_held(const void *obj, const QapiMember *m)
{
    if (!qapi_member_counts(m)) {
        return false;
    }
    return m->type->kind != QAPI_KIND_LIST || !qapi_member_has_flag(m) ||
           *(const bool *)((const char *)obj + m->has_offset);
}

#endif
