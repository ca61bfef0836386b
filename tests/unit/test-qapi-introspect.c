/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The description of all commands: well formed by its own rules, and complete. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qapi/qapi-introspect.h"
#include "qapi/qapi-visit-introspect.h"
#include "qapi/qobject-input-visitor.h"

static SchemaInfoList *schema;

static SchemaInfo *find(const char *name)
{
    for (SchemaInfoList *e = schema; e; e = e->next) {
        if (g_str_equal(e->value->name, name)) {
            return e->value;
        }
    }
    g_test_message("%s", name);
    g_assert_not_reached();
}

static SchemaInfoObjectMember *find_member(SchemaInfo *object, const char *name)
{
    g_assert_cmpint(object->meta_type, ==, SCHEMA_META_TYPE_OBJECT);
    for (SchemaInfoObjectMemberList *m = object->u.object.members; m; m = m->next) {
        if (g_str_equal(m->value->name, name)) {
            return m->value;
        }
    }
    return NULL;
}

/* The entry is what the schema of query-qmp-schema says it has to be. */
static void test_well_formed(void)
{
    g_autoptr(QObject) obj = qobject_from_qlit(&qmp_schema_qlit);
    Visitor *v = qobject_input_visitor_new(obj);

    g_assert_true(visit_type_SchemaInfoList(v, NULL, &schema, &error_abort));
    visit_free(v);
}

static void check_object(SchemaInfo *info)
{
    for (SchemaInfoObjectMemberList *m = info->u.object.members; m; m = m->next) {
        find(m->value->type);
    }
    for (SchemaInfoObjectVariantList *c = info->u.object.variants; c; c = c->next) {
        g_assert_cmpint(find(c->value->type)->meta_type, ==, SCHEMA_META_TYPE_OBJECT);
    }
    if (info->u.object.tag) {
        g_assert_nonnull(find_member(info, info->u.object.tag));
    }
}

static void check_references(SchemaInfo *info)
{
    switch (info->meta_type) {
    case SCHEMA_META_TYPE_ARRAY:
        find(info->u.array.element_type);
        break;
    case SCHEMA_META_TYPE_OBJECT:
        check_object(info);
        break;
    case SCHEMA_META_TYPE_ALTERNATE:
        for (SchemaInfoAlternateMemberList *m = info->u.alternate.members; m; m = m->next) {
            find(m->value->type);
        }
        break;
    case SCHEMA_META_TYPE_COMMAND:
        find(info->u.command.arg_type);
        find(info->u.command.ret_type);
        break;
    case SCHEMA_META_TYPE_EVENT:
        find(info->u.event.arg_type);
        break;
    default:
        break;
    }
}

static void test_references(void)
{
    for (SchemaInfoList *e = schema; e; e = e->next) {
        check_references(e->value);
        for (SchemaInfoList *other = e->next; other; other = other->next) {
            g_assert_cmpstr(e->value->name, !=, other->value->name);
        }
    }
}

/* Types of ours have no names, so that nobody relies on them. */
static void test_names_are_masked(void)
{
    for (SchemaInfoList *e = schema; e; e = e->next) {
        SchemaMetaType meta = e->value->meta_type;

        if (meta == SCHEMA_META_TYPE_OBJECT || meta == SCHEMA_META_TYPE_ENUM ||
            meta == SCHEMA_META_TYPE_ALTERNATE) {
            g_assert_cmpuint(strspn(e->value->name, "0123456789"), ==, strlen(e->value->name));
        }
    }
}

static void test_commands(void)
{
    static const char *const names[] = {
        "qmp_capabilities",
        "query-version",
        "query-commands",
        "query-qmp-schema",
        "quit",
        "block-export-add",
        "block-export-del",
        "query-block-exports",
        "blockdev-add",
        "blockdev-del",
        "block_resize",
        "query-named-block-nodes",
        "query-block",
        "query-blockstats",
        "query-block-jobs",
        "query-jobs",
        "x-blockdev-set-iothread",
        "object-add",
        "object-del",
        "qom-list",
        "qom-get",
        "qom-set",
        "qom-list-types",
        "qom-list-properties",
        "chardev-add",
        "chardev-remove",
        "query-chardev",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_assert_cmpint(find(names[i])->meta_type, ==, SCHEMA_META_TYPE_COMMAND);
    }
    g_assert_cmpint(find("BLOCK_EXPORT_DELETED")->meta_type, ==, SCHEMA_META_TYPE_EVENT);
    g_assert_cmpstr(find("quit")->u.command.arg_type, ==, "0");
    g_assert_cmpstr(find("x-blockdev-set-iothread")->features->value, ==, "unstable");
}

static void test_members(void)
{
    SchemaInfo *args = find(find("block-export-add")->u.command.arg_type);
    SchemaInfo *threads = find(find_member(args, "iothread")->type);
    SchemaInfo *branch = find(args->u.object.variants->value->type);

    g_assert_cmpstr(args->u.object.tag, ==, "type");
    g_assert_cmpstr(find_member(args, "id")->type, ==, "str");
    g_assert_null(find_member(args, "id")->q_default);
    g_assert_nonnull(find_member(args, "writable")->q_default);
    g_assert_cmpint(threads->meta_type, ==, SCHEMA_META_TYPE_ALTERNATE);
    g_assert_cmpstr(threads->u.alternate.members->value->type, ==, "[str]");
    g_assert_cmpstr(find_member(branch, "num-queues")->type, ==, "int");
    g_assert_cmpstr(find_member(branch, "logical-block-size")->type, ==, "int");
}

int main(int argc, char **argv)
{
    int status;

    harness_init(&argc, &argv);
    harness_add("/introspect/entries_are_well_formed", test_well_formed);
    harness_add("/introspect/references_lead_somewhere", test_references);
    harness_add("/introspect/names_of_types_are_numbers", test_names_are_masked);
    harness_add("/introspect/every_command_is_described", test_commands);
    harness_add("/introspect/members_have_wire_types", test_members);
    status = harness_run();
    qapi_free_SchemaInfoList(schema);
    return status;
}
