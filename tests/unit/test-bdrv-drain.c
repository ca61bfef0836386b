/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of drains: nothing runs inside one, and everything goes on after it. */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "tests/unit/block-workers.h"

/* A driver that notices requests inside a drained section. */
static bool drained;
static uint64_t requests;

static int coroutine_fn watch_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                     QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    g_assert_false(qatomic_read(&drained));
    aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
    qemu_coroutine_yield();
    g_assert_false(qatomic_read(&drained));
    qatomic_inc(&requests);
    return 0;
}

static int drain_begins, drain_ends;

static void watch_drain_begin(BlockDriverState *bs)
{
    drain_begins++;
}

static void watch_drain_end(BlockDriverState *bs)
{
    drain_ends++;
}

static BlockDriver watch_driver = {
    .format_name = "watch",
    .bdrv_co_preadv = watch_preadv,
    .bdrv_drain_begin = watch_drain_begin,
    .bdrv_drain_end = watch_drain_end,
};

/* A backend on raw on a node that watches. */
static BlockBackend *watched_backend(void)
{
    BlockDriverState *bs =
        open_node("{'driver': 'raw', 'node-name': 'r', 'file': {'driver': 'null-co',"
                  " 'node-name': 'n', 'read-zeroes': true}}");

    bs->file->bs->drv = &watch_driver;
    drain_begins = drain_ends = 0;
    return backend_on(bs);
}

static void coroutine_fn read_step(Worker *w)
{
    char buf[512];

    g_assert_cmpint(blk_co_pread(w->blk, 0, sizeof(buf), buf, 0), ==, 0);
}

static void drained_section(void)
{
    qatomic_set(&drained, true);
    g_usleep(300);
    qatomic_set(&drained, false);
}

static void test_no_request_runs_in_a_drained_section(void)
{
    BlockBackend *blk = watched_backend();
    BlockDriverState *n = bdrv_find_node("n");

    workers_start(blk, read_step);
    for (int i = 0; i < 200; i++) {
        bdrv_drained_begin(n);
        drained_section();
        bdrv_drained_end(n);
        workers_let_run(5);
    }
    bdrv_drain_all_begin();
    drained_section();
    bdrv_drain_all_end();
    workers_let_run(5);
    workers_stop();
    g_assert_cmpint(drain_begins, ==, drain_ends);
    blk_unref(blk);
    workers_free_threads();
}

static void test_backend_can_be_taken_off_under_load(void)
{
    BlockBackend *blk = watched_backend();
    BlockBackend *other =
        blk_new_with_bs(blk_bs(blk), BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);

    workers_start(blk, read_step);
    for (int i = 0; i < 50; i++) {
        blk_remove_bs(other);
        g_assert_cmpint(blk_insert_bs(other, blk_bs(blk), &error_abort), ==, 0);
        workers_let_run(3);
    }
    workers_stop();
    blk_unref(other);
    blk_unref(blk);
    workers_free_threads();
}

static void test_drains_nest_and_reach_the_parents(void)
{
    BlockBackend *blk = watched_backend();
    BlockDriverState *r = blk_bs(blk);
    BlockDriverState *n = r->file->bs;

    bdrv_drained_begin(n);
    g_assert_true(blk_in_drain(blk));
    g_assert_cmpuint(qatomic_read(&r->quiesce_counter), ==, 1);
    bdrv_drained_begin(r);
    bdrv_drained_begin(n);
    bdrv_drained_end(n);
    bdrv_drained_end(n);
    g_assert_true(blk_in_drain(blk));
    g_assert_cmpint(drain_begins, ==, 1);
    g_assert_cmpint(drain_ends, ==, 1);
    bdrv_drained_end(r);
    g_assert_false(blk_in_drain(blk));
    g_assert_cmpuint(qatomic_read(&n->quiesce_counter), ==, 0);
    blk_unref(blk);
}

static void test_drain_of_the_parent_leaves_the_child(void)
{
    BlockBackend *blk = watched_backend();
    BlockBackend *below =
        blk_new_with_bs(bdrv_find_node("n"), BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);

    bdrv_drained_begin(blk_bs(blk));
    g_assert_true(blk_in_drain(blk));
    g_assert_false(blk_in_drain(below));
    bdrv_drained_end(blk_bs(blk));
    blk_unref(below);
    blk_unref(blk);
}

static void test_parents_that_come_and_go_in_a_drain_are_counted_right(void)
{
    BlockBackend *blk = watched_backend();
    BlockDriverState *n = bdrv_find_node("n");
    BlockBackend *guest, *stays;
    BlockDriverState *top;

    bdrv_drained_begin(n);
    guest = blk_new_with_bs(n, 0, BLK_PERM_ALL, &error_abort);
    g_assert_true(blk_in_drain(guest));
    blk_remove_bs(guest);
    g_assert_false(blk_in_drain(guest));
    blk_unref(guest);

    stays = blk_new_with_bs(n, 0, BLK_PERM_ALL, &error_abort);
    top = open_node("{'driver': 'raw', 'node-name': 'top', 'file': 'n'}");
    g_assert_cmpuint(qatomic_read(&top->quiesce_counter), ==, 1);
    bdrv_drained_end(n);
    g_assert_false(blk_in_drain(stays));
    g_assert_cmpuint(qatomic_read(&top->quiesce_counter), ==, 0);
    bdrv_unref(top);
    blk_unref(stays);
    blk_unref(blk);
}

static void test_node_activity_keeps_a_drain_waiting(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");

    bdrv_inc_in_flight(bs);
    bdrv_do_drained_begin_quiesce(bs, NULL);
    g_assert_true(bdrv_drain_poll(bs, NULL));
    bdrv_dec_in_flight(bs);
    g_assert_false(bdrv_drain_poll(bs, NULL));
    bdrv_drained_end(bs);
    bdrv_unref(bs);
}

static void test_nodes_may_come_inside_drain_all(void)
{
    BlockDriverState *a = open_node("{'driver': 'null-co', 'node-name': 'a'}");
    BlockDriverState *b;

    bdrv_drain_all_begin();
    b = open_node("{'driver': 'null-co', 'node-name': 'b'}");
    bdrv_unref(a);
    g_assert_true(bdrv_find_node("a") == a);
    bdrv_drain_all_end();
    g_assert_null(bdrv_find_node("a"));
    g_assert_cmpuint(qatomic_read(&b->quiesce_counter), ==, 0);
    bdrv_unref(b);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/drain/no_request_runs_in_a_drained_section",
                test_no_request_runs_in_a_drained_section);
    harness_add("/drain/backend_can_be_taken_off_under_load",
                test_backend_can_be_taken_off_under_load);
    harness_add("/drain/drains_nest_and_reach_the_parents", test_drains_nest_and_reach_the_parents);
    harness_add("/drain/drain_of_the_parent_leaves_the_child",
                test_drain_of_the_parent_leaves_the_child);
    harness_add("/drain/parents_that_come_and_go_in_a_drain_are_counted_right",
                test_parents_that_come_and_go_in_a_drain_are_counted_right);
    harness_add("/drain/node_activity_keeps_a_drain_waiting",
                test_node_activity_keeps_a_drain_waiting);
    harness_add("/drain/nodes_may_come_inside_drain_all", test_nodes_may_come_inside_drain_all);
    return harness_run();
}
