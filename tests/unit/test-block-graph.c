/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of nodes and edges: names, references, inline children, and what a failed open leaves. */
#include "qemu/osdep.h"
#include "qapi/qapi-commands-block-core.h"
#include "qapi/qapi-commands-block-stats.h"
#include "tests/unit/block-test.h"

static unsigned count_nodes(void)
{
    unsigned n = 0;

    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        n++;
    }
    return n;
}

static void test_names_are_checked(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'd'}");

    open_fails("Duplicate nodes with node-name='d'", "{'driver': 'null-co', 'node-name': 'd'}");
    open_fails("Invalid node-name: '1d'", "{'driver': 'null-co', 'node-name': '1d'}");
    open_fails("Invalid node-name: ''", "{'driver': 'null-co', 'node-name': ''}");
    open_fails("Node name too long",
               "{'driver': 'null-co', 'node-name': 'a234567890b234567890c234567890d2'}");
    g_assert_true(bdrv_find_node("d") == bs);
    g_assert_cmpstr(bdrv_get_node_name(bs), ==, "d");
    bdrv_unref(bs);
    g_assert_null(bdrv_find_node("d"));
}

static void test_inline_child_lives_and_dies_with_its_parent(void)
{
    BlockDriverState *bs = open_node("{'driver': 'raw', 'node-name': 'r', 'file':"
                                     " {'driver': 'null-co', 'node-name': 'c', 'size': 4096}}");

    g_assert_cmpuint(count_nodes(), ==, 2);
    g_assert_true(bdrv_find_node("c") == bs->file->bs);
    g_assert_cmpint(bdrv_getlength(bs), ==, 4096);
    bdrv_unref(bs);
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_child_without_a_name_gets_one(void)
{
    BlockDriverState *bs =
        open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'null-co'}}");
    const char *name = bdrv_get_node_name(bs->file->bs);

    g_assert_true(g_str_has_prefix(name, "#block"));
    g_assert_true(bdrv_find_node(name) == bs->file->bs);
    bdrv_unref(bs);
}

static void test_inline_child_inherits_what_it_leaves_open(void)
{
    BlockDriverState *bs = open_node(
        "{'driver': 'raw', 'node-name': 'r', 'read-only': true, 'cache': {'no-flush': true},"
        " 'file': {'driver': 'null-co', 'cache': {'direct': true}}}");
    int flags = bdrv_get_flags(bs->file->bs);

    g_assert_true(bdrv_is_read_only(bs->file->bs));
    g_assert_true(flags & BDRV_O_NO_FLUSH);
    g_assert_true(flags & BDRV_O_NOCACHE);
    g_assert_true(flags & BDRV_O_UNMAP);
    g_assert_false(bdrv_get_flags(bs) & (BDRV_O_NOCACHE | BDRV_O_UNMAP));
    bdrv_unref(bs);
}

static void test_referenced_child_stays(void)
{
    BlockDriverState *child = open_node("{'driver': 'null-co', 'node-name': 'c'}");
    BlockDriverState *bs = open_node("{'driver': 'raw', 'node-name': 'r', 'file': 'c'}");

    g_assert_true(bs->file->bs == child);
    g_assert_cmpuint(child->refcnt, ==, 2);
    bdrv_unref(bs);
    g_assert_cmpuint(child->refcnt, ==, 1);
    g_assert_true(bdrv_find_node("c") == child);
    bdrv_unref(child);
}

static void test_failed_open_leaves_nothing(void)
{
    open_fails("Cannot find device='nosuch' nor node-name='nosuch'",
               "{'driver': 'raw', 'node-name': 'r', 'file': 'nosuch'}");
    open_fails("Duplicate nodes with node-name='r'", "{'driver': 'raw', 'node-name': 'r', 'file':"
                                                     " {'driver': 'null-co', 'node-name': 'r'}}");
    open_fails("Could not open '/nonexistent/x': No such file or directory",
               "{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'raw', 'node-name': 's',"
               " 'file': {'driver': 'file', 'node-name': 't', 'filename': '/nonexistent/x'}}}");
    open_fails("size is invalid", "{'driver': 'null-co', 'node-name': 'r', 'size': -1}");
    open_fails("Parameter 'active' must be on: nodes cannot be inactive",
               "{'driver': 'null-co', 'node-name': 'r', 'active': false}");
    open_fails("setting detect-zeroes to unmap is not allowed without setting discard operation to "
               "unmap",
               "{'driver': 'null-co', 'node-name': 'r', 'detect-zeroes': 'unmap'}");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_node_cannot_be_its_own_child(void)
{
    open_fails("Cannot find device='r' nor node-name='r'",
               "{'driver': 'raw', 'node-name': 'r', 'file': 'r'}");
    open_fails("Cannot find device='r' nor node-name='r'",
               "{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'raw', 'file': 'r'}}");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_deep_graphs_work(void)
{
    GString *json = g_string_new("{'driver': 'null-co', 'size': 8192, 'read-zeroes': true}");
    BlockBackend *blk;
    char buf[512];

    for (int i = 0; i < 40; i++) {
        g_autofree char *inner = g_strdup(json->str);

        g_string_printf(json, "{'driver': 'raw', %s'file': %s}",
                        i == 39 ? "'node-name': 'top', " : "", inner);
    }
    blk = backend_on(open_json(json->str, &error_abort));
    g_assert_cmpuint(count_nodes(), ==, 41);
    g_assert_cmpint(blk_pread(blk, 512, 512, buf, 0), ==, 0);
    blk_unref(blk);
    g_assert_cmpuint(count_nodes(), ==, 0);
    g_string_free(json, true);
}

/* The monitor's commands */

static void add(const char *json, Error **errp)
{
    QObject *obj = qobject_from_json(json, &error_abort);
    Visitor *v = qobject_input_visitor_new(obj);
    BlockdevOptions *options = NULL;

    visit_type_BlockdevOptions(v, NULL, &options, &error_abort);
    qmp_blockdev_add(options, errp);
    qapi_free_BlockdevOptions(options);
    visit_free(v);
    qobject_unref(obj);
}

static void del_fails(const char *name, const char *message)
{
    Error *err = NULL;

    qmp_blockdev_del(name, &err);
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_blockdev_add_needs_a_name(void)
{
    Error *err = NULL;

    add("{'driver': 'null-co'}", &err);
    g_assert_cmpstr(error_get_pretty(err), ==, "'node-name' must be specified for the root node");
    error_free(err);
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_blockdev_del_refuses_what_is_used(void)
{
    BlockBackend *blk;

    add("{'driver': 'null-co', 'node-name': 'd'}", &error_abort);
    add("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'raw', 'node-name': 'm',"
        " 'file': 'd'}}",
        &error_abort);
    blk = blk_new_with_bs(bdrv_find_node("r"), 0, BLK_PERM_ALL, &error_abort);
    del_fails("nosuch", "Failed to find node with node-name='nosuch'");
    del_fails("r", "Node r is in use");
    del_fails("d", "Block device d is in use");
    del_fails("m", "Node m is not owned by the monitor");
    blk_unref(blk);
    qmp_blockdev_del("r", &error_abort);
    g_assert_null(bdrv_find_node("m"));
    qmp_blockdev_del("d", &error_abort);
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_close_all_closes_what_the_monitor_owns(void)
{
    add("{'driver': 'null-co', 'node-name': 'd'}", &error_abort);
    add("{'driver': 'raw', 'node-name': 'r', 'file': 'd'}", &error_abort);
    add("{'driver': 'raw', 'node-name': 'r2', 'file': 'd'}", &error_abort);
    bdrv_close_all();
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_query_tells_names_and_children(void)
{
    g_autofree char *path = make_file("img", 1024 * 1024);
    g_autofree char *json =
        g_strdup_printf("{'driver': 'raw', 'node-name': 'r', 'read-only': true, 'file':"
                        " {'driver': 'file', 'node-name': 'f', 'filename': '%s'}}",
                        path);
    BlockDeviceInfoList *list;
    BlockDeviceInfo *info;

    add(json, &error_abort);
    list = qmp_query_named_block_nodes(false, false, &error_abort);
    g_assert_nonnull(list->next);
    g_assert_null(list->next->next);
    info = !strcmp(list->value->node_name, "r") ? list->value : list->next->value;
    g_assert_cmpstr(info->node_name, ==, "r");
    g_assert_cmpstr(info->drv, ==, "raw");
    g_assert_cmpstr(info->file, ==, path);
    g_assert_true(info->ro);
    g_assert_cmpint(info->image->virtual_size, ==, 1024 * 1024);
    g_assert_true(info->image->has_actual_size);
    g_assert_cmpstr(info->children->value->child, ==, "file");
    g_assert_cmpstr(info->children->value->node_name, ==, "f");
    qapi_free_BlockDeviceInfoList(list);
    bdrv_close_all();
}

static void test_statistics_of_a_node_are_those_of_its_users(void)
{
    BlockBackend *a, *b;
    BlockStatsList *list;
    char c = 0;

    add("{'driver': 'null-co', 'node-name': 'd'}", &error_abort);
    a = blk_new_with_bs(bdrv_find_node("d"), BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    b = blk_new_with_bs(bdrv_find_node("d"), BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    g_assert_true(monitor_add_blk(b, "disk", &error_abort));
    g_assert_cmpint(blk_pwrite(a, 1000, 1, &c, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(b, 0, 1, &c, 0), ==, 0);

    list = qmp_query_blockstats(true, true, &error_abort);
    g_assert_null(list->next);
    g_assert_cmpstr(list->value->node_name, ==, "d");
    g_assert_cmpint(list->value->stats->wr_operations, ==, 2);
    g_assert_cmpint(list->value->stats->wr_highest_offset, ==, 1001);
    qapi_free_BlockStatsList(list);

    list = qmp_query_blockstats(false, false, &error_abort);
    g_assert_null(list->next);
    g_assert_cmpstr(list->value->device, ==, "disk");
    g_assert_cmpint(list->value->stats->wr_operations, ==, 1);
    qapi_free_BlockStatsList(list);
    monitor_remove_blk(b);
    blk_unref(b);
    blk_unref(a);
    bdrv_close_all();
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/graph/names_are_checked", test_names_are_checked);
    harness_add("/graph/inline_child_lives_and_dies_with_its_parent",
                test_inline_child_lives_and_dies_with_its_parent);
    harness_add("/graph/child_without_a_name_gets_one", test_child_without_a_name_gets_one);
    harness_add("/graph/inline_child_inherits_what_it_leaves_open",
                test_inline_child_inherits_what_it_leaves_open);
    harness_add("/graph/referenced_child_stays", test_referenced_child_stays);
    harness_add("/graph/failed_open_leaves_nothing", test_failed_open_leaves_nothing);
    harness_add("/graph/node_cannot_be_its_own_child", test_node_cannot_be_its_own_child);
    harness_add("/graph/deep_graphs_work", test_deep_graphs_work);
    harness_add("/graph/blockdev_add_needs_a_name", test_blockdev_add_needs_a_name);
    harness_add("/graph/blockdev_del_refuses_what_is_used", test_blockdev_del_refuses_what_is_used);
    harness_add("/graph/close_all_closes_what_the_monitor_owns",
                test_close_all_closes_what_the_monitor_owns);
    harness_add("/graph/query_tells_names_and_children", test_query_tells_names_and_children);
    harness_add("/graph/statistics_of_a_node_are_those_of_its_users",
                test_statistics_of_a_node_are_those_of_its_users);
    return harness_run();
}
