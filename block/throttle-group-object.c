/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object "throttle-group": a group of block/throttle-groups.h that a user makes, names, and
 * changes while it is used.
 *
 * Properties set before completion are kept and checked there; later ones take effect at once, for
 * all members. The object keeps the group alive; it cannot be deleted while the group has others.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-qom.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "block/throttle-groups.h"
#include "qom/object_interfaces.h"

#define TYPE_THROTTLE_GROUP "throttle-group"

OBJECT_DECLARE_SIMPLE_TYPE(ThrottleGroupObject, THROTTLE_GROUP)

/* Main loop. */
struct ThrottleGroupObject {
    Object parent_obj;
    ThrottleConfig cfg;   /* until completion */
    ThrottleGroup *group; /* from then on */
};

/* One limit: where it is in a ThrottleLimits, and in a bucket. */
typedef struct Limit {
    const char *name; /* with the prefix of its property */
    size_t has, value;
    int bucket; /* BUCKETS_COUNT: op_size */
    size_t field;
} Limit;

#define LIMIT(name_, member, bucket_, field_)                                                 \
    {                                                                                         \
        "x-" name_, offsetof(ThrottleLimits, has_##member), offsetof(ThrottleLimits, member), \
            bucket_, offsetof(LeakyBucket, field_)                                            \
    }
#define LIMITS(name, member, bucket)                                                 \
    LIMIT(name, member, bucket, avg), LIMIT(name "-max", member##_max, bucket, max), \
        LIMIT(name "-max-length", member##_max_length, bucket, burst_length)

static const Limit limits[] = {
    LIMITS("iops-total", iops_total, THROTTLE_OPS_TOTAL),
    LIMITS("iops-read", iops_read, THROTTLE_OPS_READ),
    LIMITS("iops-write", iops_write, THROTTLE_OPS_WRITE),
    LIMITS("bps-total", bps_total, THROTTLE_BPS_TOTAL),
    LIMITS("bps-read", bps_read, THROTTLE_BPS_READ),
    LIMITS("bps-write", bps_write, THROTTLE_BPS_WRITE),
    LIMIT("iops-size", iops_size, BUCKETS_COUNT, avg),
};

static uint64_t *limit_field(const Limit *limit, ThrottleConfig *cfg)
{
    return limit->bucket == BUCKETS_COUNT
               ? &cfg->op_size
               : (uint64_t *)((char *)&cfg->buckets[limit->bucket] + limit->field);
}

static bool set_limit(const Limit *limit, ThrottleConfig *cfg, int64_t value, Error **errp)
{
    if (value < 0) {
        error_setg(errp, "%s must not be negative: %" PRId64, limit->name + strlen("x-"), value);
        return false;
    }
    *limit_field(limit, cfg) = value;
    return true;
}

static void get_config(ThrottleGroupObject *o, ThrottleConfig *cfg)
{
    if (o->group) {
        throttle_group_read_limits(o->group, cfg);
    } else {
        *cfg = o->cfg;
    }
}

static void set_config(ThrottleGroupObject *o, ThrottleConfig *cfg, Error **errp)
{
    if (!o->group) {
        o->cfg = *cfg;
    } else if (throttle_is_valid(cfg, errp)) {
        throttle_group_write_limits(o->group, cfg);
    }
}

/* Properties */

static void limit_get(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ThrottleConfig cfg;
    int64_t value;

    get_config(THROTTLE_GROUP(obj), &cfg);
    value = *limit_field(opaque, &cfg);
    visit_type_int64(v, name, &value, errp);
}

static void limit_set(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ThrottleGroupObject *o = THROTTLE_GROUP(obj);
    ThrottleConfig cfg;
    int64_t value;

    get_config(o, &cfg);
    if (visit_type_int64(v, name, &value, errp) && set_limit(opaque, &cfg, value, errp)) {
        set_config(o, &cfg, errp);
    }
}

static void limits_get(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ThrottleLimits all = {}, *p = &all;
    ThrottleConfig cfg;

    get_config(THROTTLE_GROUP(obj), &cfg);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        *(bool *)((char *)p + limits[i].has) = true;
        *(int64_t *)((char *)p + limits[i].value) = *limit_field(&limits[i], &cfg);
    }
    visit_type_ThrottleLimits(v, name, &p, errp);
}

static void limits_set(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    ThrottleGroupObject *o = THROTTLE_GROUP(obj);
    g_autoptr(ThrottleLimits) given = NULL;
    ThrottleConfig cfg;

    if (!visit_type_ThrottleLimits(v, name, &given, errp)) {
        return;
    }
    get_config(o, &cfg);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (*(bool *)((char *)given + limits[i].has) &&
            !set_limit(&limits[i], &cfg, *(int64_t *)((char *)given + limits[i].value), errp)) {
            return;
        }
    }
    set_config(o, &cfg, errp);
}

/* The object */

static void throttle_group_complete(UserCreatable *uc, Error **errp)
{
    ThrottleGroupObject *o = THROTTLE_GROUP(uc);
    const char *id = object_get_canonical_path_component(OBJECT(o));

    if (!throttle_is_valid(&o->cfg, errp)) {
        return;
    }
    if (throttle_group_exists(id)) {
        error_setg(errp, "A throttle group named '%s' exists already", id);
        return;
    }
    o->group = throttle_group_new(id);
    throttle_group_write_limits(o->group, &o->cfg);
}

static bool throttle_group_can_be_deleted(UserCreatable *uc)
{
    return !throttle_group_has_members(THROTTLE_GROUP(uc)->group);
}

static void throttle_group_instance_init(Object *obj)
{
    throttle_config_init(&THROTTLE_GROUP(obj)->cfg);
}

static void throttle_group_instance_finalize(Object *obj)
{
    ThrottleGroupObject *o = THROTTLE_GROUP(obj);

    if (o->group) {
        throttle_group_release(o->group);
    }
}

static void throttle_group_class_init(ObjectClass *klass, const void *class_data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(klass);

    ucc->complete = throttle_group_complete;
    ucc->can_be_deleted = throttle_group_can_be_deleted;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        object_class_property_add(klass, limits[i].name, "int", limit_get, limit_set, NULL,
                                  (void *)&limits[i]);
    }
    object_class_property_add(klass, "limits", "ThrottleLimits", limits_get, limits_set, NULL,
                              NULL);
    object_class_property_set_description(klass, "limits", "what the members may do together");
}

static const TypeInfo throttle_group_info = {
    .name = TYPE_THROTTLE_GROUP,
    .parent = TYPE_OBJECT,
    .class_init = throttle_group_class_init,
    .instance_size = sizeof(ThrottleGroupObject),
    .instance_init = throttle_group_instance_init,
    .instance_finalize = throttle_group_instance_finalize,
    .interfaces = (const InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};

static void throttle_group_register_types(void)
{
    type_register_static(&throttle_group_info);
}

type_init(throttle_group_register_types)
