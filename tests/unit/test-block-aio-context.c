/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of nodes that move between AioContexts, idle and under load from several threads. */
#include "qemu/osdep.h"
#include "block/throttle-groups.h"
#include "qapi/qapi-commands-block-core.h"
#include "qapi/qapi-types-common.h"
#include "qom/object_interfaces.h"
#include "qemu/module.h"
#include "tests/unit/block-workers.h"

#define AREA (64 * 1024)

typedef struct Moves {
    int attached, detached;
    AioContext *ctx;
} Moves;

static void moves_attached(AioContext *ctx, void *opaque)
{
    Moves *m = opaque;

    m->attached++;
    m->ctx = ctx;
}

static void moves_detached(void *opaque)
{
    ((Moves *)opaque)->detached++;
}

static void test_everything_connected_moves_together(void)
{
    IOThread *t = iothread_create("t", &error_abort);
    AioContext *ctx = iothread_get_aio_context(t);
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *a = backend_on(open_node("{'driver': 'raw', 'node-name': 'a', 'file': 'n'}"));
    BlockBackend *b = backend_on(open_node("{'driver': 'raw', 'node-name': 'b', 'file': 'n'}"));
    Moves moves = { 0 };

    blk_set_allow_aio_context_change(a, true);
    blk_set_allow_aio_context_change(b, true);
    blk_add_aio_context_notifier(b, moves_attached, moves_detached, &moves);
    g_assert_cmpint(bdrv_try_change_aio_context(blk_bs(a), ctx, NULL, &error_abort), ==, 0);
    g_assert_true(bdrv_get_aio_context(n) == ctx);
    g_assert_true(bdrv_get_aio_context(blk_bs(b)) == ctx);
    g_assert_true(blk_get_aio_context(a) == ctx);
    g_assert_true(blk_get_aio_context(b) == ctx);
    g_assert_cmpint(moves.attached, ==, 1);
    g_assert_cmpint(moves.detached, ==, 1);
    g_assert_true(moves.ctx == ctx);

    blk_remove_aio_context_notifier(b, moves_attached, moves_detached, &moves);
    g_assert_cmpint(blk_set_aio_context(a, qemu_get_aio_context(), &error_abort), ==, 0);
    g_assert_true(bdrv_get_aio_context(n) == qemu_get_aio_context());
    g_assert_cmpint(moves.attached, ==, 1);
    blk_unref(b);
    blk_unref(a);
    bdrv_unref(n);
    iothread_destroy(t);
}

static void test_parent_that_must_not_move_refuses_for_all(void)
{
    IOThread *t = iothread_create("t", &error_abort);
    AioContext *ctx = iothread_get_aio_context(t);
    BlockDriverState *n = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *a = backend_on(open_node("{'driver': 'raw', 'node-name': 'a', 'file': 'n'}"));
    BlockBackend *b = backend_on(open_node("{'driver': 'raw', 'node-name': 'b', 'file': 'n'}"));
    Error *err = NULL;

    blk_set_allow_aio_context_change(a, true);
    g_assert_cmpint(bdrv_try_change_aio_context(n, ctx, NULL, &err), ==, -EPERM);
    g_assert_cmpstr(error_get_pretty(err), ==, "Cannot change iothread of active block backend");
    error_free(err);
    g_assert_true(bdrv_get_aio_context(blk_bs(a)) == qemu_get_aio_context());
    g_assert_true(blk_get_aio_context(a) == qemu_get_aio_context());
    /* The one who asks moves himself. */
    g_assert_cmpint(blk_set_aio_context(b, ctx, &error_abort), ==, 0);
    g_assert_true(blk_get_aio_context(b) == ctx);
    g_assert_cmpint(blk_set_aio_context(b, qemu_get_aio_context(), &error_abort), ==, 0);
    blk_unref(b);
    blk_unref(a);
    bdrv_unref(n);
    iothread_destroy(t);
}

static void test_node_follows_its_user_and_comes_home(void)
{
    IOThread *t = iothread_create("t", &error_abort);
    AioContext *ctx = iothread_get_aio_context(t);
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *blk = blk_new(ctx, 0, BLK_PERM_ALL);

    g_assert_cmpint(blk_insert_bs(blk, bs, &error_abort), ==, 0);
    g_assert_true(bdrv_get_aio_context(bs) == ctx);
    blk_unref(blk);
    g_assert_true(bdrv_get_aio_context(bs) == qemu_get_aio_context());
    bdrv_unref(bs);
    iothread_destroy(t);
}

/* What is put over a node in a thread follows it while its driver is still being opened. */
static void test_filters_open_over_a_node_in_a_thread(const void *data)
{
    IOThread *t = iothread_create("t", &error_abort);
    AioContext *ctx = iothread_get_aio_context(t);
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}"), *filter;
    ThrottleGroup *tg = throttle_group_new("t");
    BlockBackend *blk = blk_new(ctx, 0, BLK_PERM_ALL);

    blk_set_allow_aio_context_change(blk, true);
    g_assert_cmpint(blk_insert_bs(blk, bs, &error_abort), ==, 0);
    /* Twice: the second time the node is drained meanwhile. */
    for (int drained = 0; drained <= 1; drained++) {
        if (drained) {
            bdrv_drained_begin(bs);
        }
        filter = open_node("{'driver': %s}", (const char *)data);
        g_assert_true(bdrv_get_aio_context(filter) == ctx);
        if (drained) {
            bdrv_drained_end(bs);
        }
        g_assert_cmpint(bdrv_try_change_aio_context(bs, qemu_get_aio_context(), NULL, &error_abort),
                        ==, 0);
        g_assert_true(bdrv_get_aio_context(filter) == qemu_get_aio_context());
        g_assert_cmpint(bdrv_try_change_aio_context(bs, ctx, NULL, &error_abort), ==, 0);
        bdrv_unref(filter);
    }
    blk_unref(blk);
    bdrv_unref(bs);
    throttle_group_release(tg);
    iothread_destroy(t);
}

static void test_user_that_may_moves_to_a_node_that_must_not(void)
{
    IOThread *t = iothread_create("t", &error_abort);
    AioContext *ctx = iothread_get_aio_context(t);
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *fixed = blk_new_with_bs(bs, 0, BLK_PERM_ALL, &error_abort);
    BlockBackend *stubborn = blk_new(ctx, 0, BLK_PERM_ALL);
    BlockBackend *blk = blk_new(ctx, 0, BLK_PERM_ALL);
    Error *err = NULL;

    blk_set_allow_aio_context_change(blk, true);
    g_assert_cmpint(blk_insert_bs(blk, bs, &error_abort), ==, 0);
    g_assert_true(blk_get_aio_context(blk) == qemu_get_aio_context());
    g_assert_cmpint(blk_insert_bs(stubborn, bs, &err), <, 0);
    g_assert_cmpstr(error_get_pretty(err), ==, "Cannot change iothread of active block backend");
    error_free(err);
    blk_unref(stubborn);
    blk_unref(blk);
    blk_unref(fixed);
    bdrv_unref(bs);
    iothread_destroy(t);
}

static void set_iothread(const char *node, const char *iothread, bool force, Error **errp)
{
    StrOrNull where = { .type = iothread ? QTYPE_QSTRING : QTYPE_QNULL };

    if (iothread) {
        where.u.s = (char *)iothread;
    }
    qmp_x_blockdev_set_iothread(node, &where, force, force, errp);
}

static void set_iothread_fails(const char *node, const char *iothread, const char *message)
{
    Error *err = NULL;

    set_iothread(node, iothread, false, &err);
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static Object *new_iothread_object(const char *id)
{
    Object *t = object_new(TYPE_IOTHREAD);

    object_property_add_child(object_get_objects_root(), id, t);
    object_unref(t);
    g_assert_true(user_creatable_complete(USER_CREATABLE(t), &error_abort));
    return t;
}

static void test_monitor_moves_nodes(void)
{
    Object *t = new_iothread_object("io0");
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *blk;

    set_iothread_fails("nosuch", NULL, "Failed to find node with node-name='nosuch'");
    set_iothread_fails("n", "nosuch", "Cannot find iothread nosuch");
    set_iothread("n", "io0", false, &error_abort);
    g_assert_true(bdrv_get_aio_context(bs) == iothread_get_aio_context(IOTHREAD(t)));
    g_assert_false(user_creatable_can_be_deleted(USER_CREATABLE(t)));
    set_iothread("n", NULL, false, &error_abort);
    g_assert_true(bdrv_get_aio_context(bs) == qemu_get_aio_context());
    g_assert_true(user_creatable_can_be_deleted(USER_CREATABLE(t)));

    blk = blk_new_with_bs(bs, 0, BLK_PERM_ALL, &error_abort);
    set_iothread_fails("n", "io0",
                       "Node n is associated with a BlockBackend and could be in use (use "
                       "force=true to override this check)");
    blk_set_allow_aio_context_change(blk, true);
    set_iothread("n", "io0", true, &error_abort);
    g_assert_true(blk_get_aio_context(blk) == iothread_get_aio_context(IOTHREAD(t)));
    blk_unref(blk);
    bdrv_unref(bs);
    g_assert_true(user_creatable_can_be_deleted(USER_CREATABLE(t)));
    object_unparent(t);
}

/* What exports do: the first one brings the node into the thread, another one finds it there. */
static void test_nodes_stay_with_their_users(void)
{
    Object *t = new_iothread_object("io0");
    AioContext *ctx = iothread_get_aio_context(IOTHREAD(t));
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockDriverState *above;
    BlockBackend *first, *second;

    g_assert_cmpint(bdrv_try_change_aio_context(bs, ctx, NULL, &error_abort), ==, 0);
    first = blk_new_with_bs(bs, 0, BLK_PERM_ALL, &error_abort);
    blk_set_allow_aio_context_change(first, true);
    qmp_block_resize(NULL, "n", 1 << 20, &error_abort);
    g_assert_true(bdrv_get_aio_context(bs) == ctx);

    above = open_node("{'driver': 'raw', 'node-name': 'above', 'file': 'n'}");
    g_assert_true(bdrv_get_aio_context(bs) == ctx);
    bdrv_unref(above);
    g_assert_true(bdrv_get_aio_context(bs) == ctx);

    second = blk_new_with_bs(bs, 0, BLK_PERM_ALL, &error_abort);
    blk_unref(first);
    g_assert_true(blk_get_aio_context(second) == ctx);
    g_assert_false(user_creatable_can_be_deleted(USER_CREATABLE(t)));
    blk_set_allow_aio_context_change(second, true);
    blk_unref(second);
    g_assert_true(bdrv_get_aio_context(bs) == qemu_get_aio_context());
    g_assert_true(user_creatable_can_be_deleted(USER_CREATABLE(t)));
    bdrv_unref(bs);
    object_unparent(t);
}

static void test_placed_nodes_stay_without_parents(void)
{
    Object *t = new_iothread_object("io0");
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");

    set_iothread("n", "io0", false, &error_abort);
    qmp_block_resize(NULL, "n", 1 << 20, &error_abort);
    g_assert_true(bdrv_get_aio_context(bs) == iothread_get_aio_context(IOTHREAD(t)));
    bdrv_unref(bs);
    g_assert_true(user_creatable_can_be_deleted(USER_CREATABLE(t)));
    object_unparent(t);
}

/* Each worker writes its own area with a new pattern and reads it back. */
static void coroutine_fn verify_step(Worker *w)
{
    g_autofree uint8_t *buf = g_malloc(AREA);
    g_autofree uint8_t *expected = g_malloc(AREA);
    int64_t offset = (int64_t)w->nr * AREA + w->round % 512;
    int64_t bytes = 512 + w->round * 37 % (AREA - 1024);

    fill_pattern(expected, bytes, offset, w->round);
    g_assert_cmpint(blk_co_pwrite(w->blk, offset, bytes, expected, 0), ==, 0);
    if (w->round % 16 == 0) {
        g_assert_cmpint(blk_co_flush(w->blk), ==, 0);
    }
    memset(buf, 0, bytes);
    g_assert_cmpint(blk_co_pread(w->blk, offset, bytes, buf, 0), ==, 0);
    g_assert_cmpmem(buf, bytes, expected, bytes);
    w->round++;
}

static void test_moves_under_load_lose_nothing(const void *data)
{
    g_autofree char *path = make_file("img", WORKERS * AREA);
    BlockBackend *blk =
        backend_on(open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'file',"
                             " 'node-name': 'f', 'filename': '%s'%s}}",
                             path, (const char *)data));
    Moves moves = { 0 };

    blk_set_allow_aio_context_change(blk, true);
    blk_add_aio_context_notifier(blk, moves_attached, moves_detached, &moves);
    workers_start(blk, verify_step);
    for (int i = 0; i < 100; i++) {
        IOThread *t = crew.threads[i % THREADS];

        g_assert_cmpint(bdrv_try_change_aio_context(blk_bs(blk), iothread_get_aio_context(t), NULL,
                                                    &error_abort),
                        ==, 0);
        workers_let_run(5);
        if (i % 10 == 0) {
            bdrv_drain_all();
        }
    }
    g_assert_cmpint(moves.attached, ==, 100);
    workers_stop();
    blk_remove_aio_context_notifier(blk, moves_attached, moves_detached, &moves);
    blk_unref(blk);
    workers_free_threads();
}

int main(int argc, char **argv)
{
    static const char *const filters[] = {
        "'throttle', 'throttle-group': 't', 'file': 'n'",
        "'raw', 'file': 'n'",
        "'raw', 'offset': 4096, 'file': 'n'",
        "'blkdebug', 'image': 'n'",
        "'throttle', 'throttle-group': 't', 'file': {'driver': 'blkdebug', 'image': 'n'}",
    };

    block_test_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/aio-context/everything_connected_moves_together",
                test_everything_connected_moves_together);
    harness_add("/aio-context/parent_that_must_not_move_refuses_for_all",
                test_parent_that_must_not_move_refuses_for_all);
    harness_add("/aio-context/node_follows_its_user_and_comes_home",
                test_node_follows_its_user_and_comes_home);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        g_autofree char *path =
            g_strdup_printf("/aio-context/filters_open_over_a_node_in_a_thread/%zu", i);

        harness_add_data(path, filters[i], test_filters_open_over_a_node_in_a_thread);
    }
    harness_add("/aio-context/user_that_may_moves_to_a_node_that_must_not",
                test_user_that_may_moves_to_a_node_that_must_not);
    harness_add("/aio-context/monitor_moves_nodes", test_monitor_moves_nodes);
    harness_add("/aio-context/nodes_stay_where_other_users_are", test_nodes_stay_with_their_users);
    harness_add("/aio-context/placed_nodes_stay_without_parents",
                test_placed_nodes_stay_without_parents);
    harness_add_data("/aio-context/moves_under_load_lose_nothing/io_uring", "",
                     test_moves_under_load_lose_nothing);
    harness_add_data("/aio-context/moves_under_load_lose_nothing/threads", ", 'aio': 'threads'",
                     test_moves_under_load_lose_nothing);
    harness_add_data("/aio-context/moves_under_load_lose_nothing/direct",
                     ", 'cache': {'direct': true}", test_moves_under_load_lose_nothing);
    return harness_run();
}
