/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that a user creates.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-types-qom.h"
#include "qapi/qapi-visit-qom.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qapi/type-info.h"
#include "qemu/id.h"
#include "qemu/keyval.h"
#include "qobject/qdict.h"
#include "qom/object_interfaces.h"

bool user_creatable_complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    UserCreatableClass *ucc = USER_CREATABLE_GET_CLASS(uc);

    if (ucc->complete) {
        ucc->complete(uc, errp);
    }
    return !*errp;
}

bool user_creatable_can_be_deleted(UserCreatable *uc)
{
    UserCreatableClass *ucc = USER_CREATABLE_GET_CLASS(uc);

    return !ucc->can_be_deleted || ucc->can_be_deleted(uc);
}

static bool check_type(const char *type, Error **errp)
{
    ObjectClass *klass = object_class_by_name(type);

    if (!klass) {
        error_setg(errp, "invalid object type: %s", type);
        return false;
    }
    if (!object_class_dynamic_cast(klass, TYPE_USER_CREATABLE)) {
        error_setg(errp, "object type '%s' isn't supported by object-add", type);
        return false;
    }
    if (object_class_is_abstract(klass)) {
        error_setg(errp, "object type '%s' is abstract", type);
        return false;
    }
    return true;
}

static bool check_id(const char *id, Error **errp)
{
    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter '%s' expects %s", "id", "an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting "
                                "with a letter.\n");
        return false;
    }
    return true;
}

static bool set_properties(Object *obj, const QDict *qdict, Visitor *v, Error **errp)
{
    bool ok = visit_start_struct(v, NULL, NULL, 0, errp);

    if (!ok) {
        return false;
    }
    for (const QDictEntry *e = qdict_first(qdict); ok && e; e = qdict_next(qdict, e)) {
        ok = object_property_set(obj, qdict_entry_key(e), v, errp);
    }
    ok = ok && visit_check_struct(v, errp);
    visit_end_struct(v, NULL);
    return ok;
}

Object *user_creatable_add_type(const char *type, const char *id, const QDict *qdict, Visitor *v,
                                Error **errp)
{
    ERRP_GUARD();
    g_autoptr(Object) obj = NULL;

    if (!check_id(id, errp) || !check_type(type, errp)) {
        return NULL;
    }
    obj = object_new(type);
    if (!set_properties(obj, qdict, v, errp)) {
        return NULL;
    }
    if (id && !object_property_try_add_child(object_get_objects_root(), id, obj, errp)) {
        return NULL;
    }
    if (!user_creatable_complete(USER_CREATABLE(obj), errp)) {
        object_unparent(obj);
        return NULL;
    }
    return g_steal_pointer(&obj);
}

/* The members of @options that are properties: all but the type and the name. */
static QDict *options_to_properties(ObjectOptions *options)
{
    QObject *all = NULL;
    Visitor *v = qobject_output_visitor_new(&all);
    QDict *props;

    visit_type_ObjectOptions(v, NULL, &options, &error_abort);
    visit_complete(v, &all);
    visit_free(v);
    props = qobject_to(QDict, all);
    qdict_del(props, "qom-type");
    qdict_del(props, "id");
    return props;
}

void user_creatable_add_qapi(ObjectOptions *options, Error **errp)
{
    QDict *props = options_to_properties(options);
    Visitor *v = qobject_input_visitor_new(QOBJECT(props));

    object_unref(
        user_creatable_add_type(ObjectType_str(options->qom_type), options->id, props, v, errp));
    visit_free(v);
    qobject_unref(props);
}

ObjectOptions *user_creatable_parse_str(const char *str, Error **errp)
{
    ObjectOptions *options = NULL;
    Visitor *v = qobject_input_visitor_new_str(str, "qom-type", errp);

    if (v) {
        visit_type_ObjectOptions(v, NULL, &options, errp);
        visit_free(v);
    }
    return options;
}

bool user_creatable_add_from_str(const char *str, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(ObjectOptions) options = user_creatable_parse_str(str, errp);

    if (options) {
        user_creatable_add_qapi(options, errp);
    }
    return !*errp;
}

static char *help_types(void)
{
    GString *text = g_string_new("List of user creatable objects:\n");
    GSList *list = object_class_get_list_sorted(TYPE_USER_CREATABLE, false);

    for (GSList *e = list; e; e = e->next) {
        g_string_append_printf(text, "  %s\n", object_class_get_name(e->data));
    }
    g_slist_free(list);
    return g_string_free(text, false);
}

static gint compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *help_properties(ObjectClass *klass)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    ObjectPropertyIterator iter;
    ObjectProperty *prop;
    GString *text;

    object_class_property_iter_init(&iter, klass);
    while ((prop = object_property_iter_next(&iter))) {
        if (!prop->set) {
            continue;
        }
        g_ptr_array_add(lines, g_strdup_printf("  %s=<%s>%s%s\n", prop->name, prop->type,
                                               prop->description ? " - " : "",
                                               prop->description ? prop->description : ""));
    }
    g_ptr_array_sort(lines, compare_strings);
    text = g_string_new(NULL);
    if (lines->len) {
        g_string_printf(text, "%s options:\n", object_class_get_name(klass));
    } else {
        g_string_printf(text, "There are no options for %s.\n", object_class_get_name(klass));
    }
    for (guint i = 0; i < lines->len; i++) {
        g_string_append(text, lines->pdata[i]);
    }
    return g_string_free(text, false);
}

char *user_creatable_help(const char *str)
{
    bool help = false;
    QDict *args = str[0] == '{' ? NULL : keyval_parse(str, "qom-type", &help, NULL);
    ObjectClass *klass = args ? object_class_by_name(qdict_get_try_str(args, "qom-type")) : NULL;
    char *text = NULL;

    if (help) {
        bool known = klass && object_class_dynamic_cast(klass, TYPE_USER_CREATABLE);
        text = known ? help_properties(klass) : help_types();
    }
    qobject_unref(args);
    return text;
}

bool user_creatable_del(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    if (!obj) {
        error_setg(errp, "object '%s' not found", id);
        return false;
    }
    if (!user_creatable_can_be_deleted(USER_CREATABLE(obj))) {
        error_setg(errp, "object '%s' is in use, can not be deleted", id);
        return false;
    }
    object_unparent(obj);
    return true;
}

void user_creatable_cleanup(void)
{
    object_unparent(object_get_objects_root());
}
