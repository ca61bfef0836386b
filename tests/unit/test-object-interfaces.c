/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User-created objects: from properties to completion, and back out of the way. */
#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qom/object_interfaces.h"

#define TYPE_MACHINE "test-machine"

typedef struct Machine {
    Object parent_obj;
    bool faulty;
    bool completed;
} Machine;

DECLARE_INSTANCE_CHECKER(Machine, MACHINE, TYPE_MACHINE)

static unsigned finalized;
static bool busy;

static void machine_set_faulty(Object *obj, bool value, Error **errp)
{
    MACHINE(obj)->faulty = value;
}

static void machine_complete(UserCreatable *uc, Error **errp)
{
    if (MACHINE(uc)->faulty) {
        error_setg(errp, "it does not start");
        return;
    }
    MACHINE(uc)->completed = true;
}

static bool machine_can_be_deleted(UserCreatable *uc)
{
    return !busy;
}

static void machine_finalize(Object *obj)
{
    finalized++;
}

static void machine_class_init(ObjectClass *oc, const void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = machine_complete;
    ucc->can_be_deleted = machine_can_be_deleted;
    object_class_property_add_bool(oc, "faulty", NULL, machine_set_faulty);
    object_class_property_set_description(oc, "faulty", "whether it works");
}

static const TypeInfo machine_types[] = {
    {
        .name = TYPE_MACHINE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Machine),
        .instance_finalize = machine_finalize,
        .class_init = machine_class_init,
        .interfaces = (const InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
    },
    {
        .name = "test-machine-base",
        .parent = TYPE_MACHINE,
        .abstract = true,
    },
};

DEFINE_TYPES(machine_types)

/* Like object-add: @props is JSON. */
static Object *add(const char *type, const char *id, const char *props, Error **errp)
{
    QDict *dict = qdict_from_jsonf_nofail(props);
    Visitor *v = qobject_input_visitor_new(QOBJECT(dict));
    Object *obj = user_creatable_add_type(type, id, dict, v, errp);

    visit_free(v);
    qobject_unref(dict);
    return obj;
}

static void refused(const char *type, const char *id, const char *props, const char *message)
{
    Error *err = NULL;

    g_assert_null(add(type, id, props, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_life(void)
{
    Object *obj = add(TYPE_MACHINE, "m", "{'faulty': false}", &error_abort);
    Error *err = NULL;

    g_assert(MACHINE(obj)->completed);
    g_assert(object_resolve_path("/objects/m", NULL) == obj);
    object_unref(obj);
    busy = true;
    g_assert(!user_creatable_del("m", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "object 'm' is in use, can not be deleted");
    g_clear_pointer(&err, error_free);
    busy = false;
    finalized = 0;
    g_assert(user_creatable_del("m", &error_abort));
    g_assert_cmpint(finalized, ==, 1);
    g_assert(!user_creatable_del("m", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "object 'm' not found");
    error_free(err);
    g_assert(!user_creatable_del("type", NULL));
}

static void test_refusals(void)
{
    finalized = 0;
    refused("nosuch", "m", "{}", "invalid object type: nosuch");
    refused(TYPE_CONTAINER, "m", "{}", "object type 'container' isn't supported by object-add");
    refused("test-machine-base", "m", "{}", "object type 'test-machine-base' is abstract");
    refused(TYPE_MACHINE, "1m", "{}", "Parameter 'id' expects an identifier");
    g_assert_cmpint(finalized, ==, 0);
    refused(TYPE_MACHINE, "m", "{'nosuch': 1}", "Property 'test-machine.nosuch' not found");
    refused(TYPE_MACHINE, "m", "{'faulty': true}", "it does not start");
    g_assert_cmpint(finalized, ==, 2);
    g_assert_null(object_resolve_path("/objects/m", NULL));
}

static void test_cleanup(void)
{
    object_unref(add(TYPE_MACHINE, "a", "{}", &error_abort));
    object_unref(add(TYPE_MACHINE, "b", "{}", &error_abort));
    finalized = 0;
    user_creatable_cleanup();
    g_assert_cmpint(finalized, ==, 2);
    g_assert_null(object_resolve_path("/objects/a", NULL));
}

static void test_help(void)
{
    g_autofree char *types = user_creatable_help("help");
    g_autofree char *props = user_creatable_help(TYPE_MACHINE ",help");
    g_autofree char *unknown = user_creatable_help("nosuch,help");

    g_assert_nonnull(strstr(types, "  " TYPE_MACHINE "\n"));
    g_assert_null(strstr(types, "test-machine-base"));
    g_assert_cmpstr(props, ==, "test-machine options:\n  faulty=<bool> - whether it works\n");
    g_assert_cmpstr(unknown, ==, types);
    g_assert_null(user_creatable_help("iothread,id=help"));
    g_assert_null(user_creatable_help("{'qom-type': 'help'}"));
}

static void test_schema_types(void)
{
    Error *err = NULL;

    g_assert(!user_creatable_add_from_str("nosuch,id=a", &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Parameter 'qom-type' does not accept value 'nosuch'");
    g_clear_pointer(&err, error_free);
    g_assert(!user_creatable_add_from_str("iothread", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Parameter 'id' is missing");
    error_free(err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/object-interfaces/object_completes_and_is_deleted_when_free", test_life);
    harness_add("/object-interfaces/refused_object_leaves_nothing", test_refusals);
    harness_add("/object-interfaces/cleanup_deletes_all", test_cleanup);
    harness_add("/object-interfaces/help_lists_types_and_properties", test_help);
    harness_add("/object-interfaces/option_text_goes_through_the_schema", test_schema_types);
    return harness_run();
}
