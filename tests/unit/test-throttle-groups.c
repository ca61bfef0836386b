/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits that BlockBackends share: who waits, for how long, in which order, and who need not. */
#include "qemu/osdep.h"
#include "block/throttle-groups.h"
#include "qemu/module.h"
#include "tests/unit/block-test.h"
#include "tests/unit/block-workers.h"

/* Requests in flight, and the order of their ends: one letter each. */
static struct {
    GString *order;
    int in_flight;
} seen;

static BlockBackend *null_backend(const char *name)
{
    return backend_on(open_node("{'driver': 'null-co', 'node-name': '%s', 'size': 65536}", name));
}

static ThrottleGroupMember *member_of(BlockBackend *blk)
{
    return &blk_get_public(blk)->throttle_group_member;
}

static void set_limit(BlockBackend *blk, BucketType type, uint64_t avg)
{
    ThrottleConfig cfg;

    throttle_config_init(&cfg);
    cfg.buckets[type].avg = avg;
    g_assert_true(throttle_is_valid(&cfg, &error_abort));
    throttle_group_config(member_of(blk), &cfg);
}

/* In @group, with no requests seen yet. */
static BlockBackend *limited_backend(const char *node, const char *group)
{
    BlockBackend *blk = null_backend(node);

    g_assert_cmpint(seen.in_flight, ==, 0);
    g_string_truncate(seen.order, 0);
    throttle_group_register_tgm(member_of(blk), group, blk_get_aio_context(blk));
    return blk;
}

typedef struct Request {
    BlockBackend *blk;
    char letter;
    bool write;
} Request;

static void coroutine_fn request_entry(void *opaque)
{
    g_autofree Request *r = opaque;
    char c = 0;
    int ret = r->write ? blk_co_pwrite(r->blk, 0, 1, &c, 0) : blk_co_pread(r->blk, 0, 1, &c, 0);

    g_assert_cmpint(ret, ==, 0);
    g_string_append_c(seen.order, r->letter);
    seen.in_flight--;
}

static void start(BlockBackend *blk, char letter, bool write, int n)
{
    for (int i = 0; i < n; i++) {
        Request *r = g_new(Request, 1);

        *r = (Request){ blk, letter, write };
        seen.in_flight++;
        qemu_coroutine_enter(qemu_coroutine_create(request_entry, r));
    }
}

static void finish(void)
{
    while (seen.in_flight) {
        aio_poll(qemu_get_aio_context(), true);
    }
}

static int64_t now_ms(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

static void test_members_of_a_name_share_a_group(void)
{
    BlockBackend *a = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
    BlockBackend *b = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
    BlockBackend *c = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
    ThrottleConfig got;

    g_assert_null(member_of(a)->throttle_state);
    g_assert_null(throttle_group_get_name(member_of(a)));
    throttle_group_register_tgm(member_of(a), "slow", blk_get_aio_context(a));
    throttle_group_register_tgm(member_of(b), "fast", blk_get_aio_context(b));
    throttle_group_register_tgm(member_of(c), "slow", blk_get_aio_context(c));
    g_assert_true(member_of(a)->throttle_state == member_of(c)->throttle_state);
    g_assert_true(member_of(a)->throttle_state != member_of(b)->throttle_state);
    g_assert_cmpstr(throttle_group_get_name(member_of(c)), ==, "slow");
    g_assert_cmpstr(throttle_group_get_name(member_of(b)), ==, "fast");
    g_assert_true(throttle_timers_are_initialized(&member_of(c)->throttle_timers));

    set_limit(a, THROTTLE_BPS_READ, 1000);
    throttle_group_get_config(member_of(c), &got);
    g_assert_cmpuint(got.buckets[THROTTLE_BPS_READ].avg, ==, 1000);
    throttle_group_get_config(member_of(b), &got);
    g_assert_false(throttle_enabled(&got));

    throttle_group_unregister_tgm(member_of(a));
    g_assert_null(member_of(a)->throttle_state);
    g_assert_false(throttle_timers_are_initialized(&member_of(a)->throttle_timers));
    throttle_group_unregister_tgm(member_of(a));
    blk_unref(a);
    blk_unref(b);
    blk_unref(c);
}

static void test_group_ends_with_its_last_member(void)
{
    BlockBackend *a = blk_new(NULL, 0, BLK_PERM_ALL), *b = blk_new(NULL, 0, BLK_PERM_ALL);
    ThrottleConfig got;

    throttle_group_register_tgm(member_of(a), "g", qemu_get_aio_context());
    throttle_group_register_tgm(member_of(b), "g", qemu_get_aio_context());
    set_limit(a, THROTTLE_OPS_TOTAL, 5);
    throttle_group_unregister_tgm(member_of(a));
    throttle_group_register_tgm(member_of(a), "g", qemu_get_aio_context());
    throttle_group_get_config(member_of(a), &got);
    g_assert_true(throttle_enabled(&got));
    throttle_group_unregister_tgm(member_of(a));
    /* The BlockBackend leaves when it goes. */
    blk_unref(b);
    throttle_group_register_tgm(member_of(a), "g", qemu_get_aio_context());
    throttle_group_get_config(member_of(a), &got);
    g_assert_false(throttle_enabled(&got));
    blk_unref(a);
}

static void test_requests_wait_for_the_limits(void)
{
    BlockBackend *blk = limited_backend("n", "g");
    int64_t begin;

    /* Five fit at once, the sixth makes the bucket overfull; then one in 20 ms. */
    set_limit(blk, THROTTLE_OPS_TOTAL, 50);
    begin = now_ms();
    start(blk, 'w', true, 11);
    g_assert_cmpint(seen.in_flight, >, 0);
    finish();
    g_assert_cmpint(now_ms() - begin, >=, 100);
    blk_unref(blk);
}

static void test_directions_wait_for_themselves(void)
{
    BlockBackend *blk = limited_backend("n", "g");

    set_limit(blk, THROTTLE_OPS_WRITE, 1);
    start(blk, 'w', true, 3);
    start(blk, 'r', false, 50);
    g_assert_cmpuint(seen.order->len, >=, 51);
    g_assert_cmpint(seen.in_flight, >=, 1);
    blk_drain(blk);
    blk_unref(blk);
}

static void test_members_take_turns(void)
{
    BlockBackend *busy = limited_backend("n", "g"), *modest = limited_backend("m", "g");
    const char *third;
    int at_once;

    set_limit(busy, THROTTLE_OPS_TOTAL, 100);
    start(busy, 'a', true, 40);
    at_once = seen.order->len;
    start(modest, 'b', true, 3);
    g_assert_null(strchr(seen.order->str, 'b'));
    finish();
    third = strrchr(seen.order->str, 'b');
    g_assert_nonnull(third);
    /* One each, and what may have gone on between the two calls. */
    g_assert_cmpint(third - seen.order->str, <=, at_once + 7);
    blk_unref(busy);
    blk_unref(modest);
}

static void test_drain_does_not_wait_for_the_limits(void)
{
    BlockBackend *blk = limited_backend("n", "g"), *other = limited_backend("m", "g");
    int64_t begin = now_ms();

    set_limit(blk, THROTTLE_OPS_TOTAL, 1);
    start(blk, 'a', true, 100);
    start(other, 'b', true, 1);
    g_assert_cmpint(seen.in_flight, >, 90);
    blk_drain(blk);
    /* A hundred seconds' worth of requests, and the other still waits for its turn. */
    g_assert_cmpint(now_ms() - begin, <, 50000);
    g_assert_cmpstr(strchr(seen.order->str, 'b'), ==, NULL);
    g_assert_cmpint(seen.in_flight, ==, 1);
    blk_drain(other);
    g_assert_cmpint(seen.in_flight, ==, 0);
    blk_unref(other);
    blk_unref(blk);
}

static void test_new_limits_count_at_once(void)
{
    BlockBackend *blk = limited_backend("n", "g");
    int64_t begin = now_ms();

    set_limit(blk, THROTTLE_BPS_TOTAL, 1);
    start(blk, 'a', true, 100);
    g_assert_cmpint(seen.in_flight, >, 90);
    set_limit(blk, THROTTLE_BPS_TOTAL, 0);
    finish();
    g_assert_cmpint(now_ms() - begin, <, 50000);
    blk_unref(blk);
}

static void coroutine_fn write_one(Worker *w)
{
    char c = 0;

    g_assert_cmpint(blk_co_pwrite(w->blk, w->nr, 1, &c, 0), ==, 0);
}

static void test_limits_of_many_threads_change_live(void)
{
    BlockBackend *blk = limited_backend("n", "g"), *other = limited_backend("m", "g");
    IOThread *home = iothread_create("home", &error_abort);

    blk_set_allow_aio_context_change(blk, true);
    workers_start(blk, write_one);
    for (int i = 0; i < 20; i++) {
        set_limit(other, i % 2 ? THROTTLE_OPS_TOTAL : THROTTLE_BPS_WRITE, 100 << (i % 8));
        blk_set_aio_context(blk, i % 2 ? iothread_get_aio_context(home) : qemu_get_aio_context(),
                            &error_abort);
        start(other, 'o', true, 2);
        blk_drain(i % 4 ? other : blk);
        aio_poll(qemu_get_aio_context(), false);
    }
    set_limit(other, THROTTLE_OPS_TOTAL, 0);
    workers_stop();
    finish();
    blk_set_aio_context(blk, qemu_get_aio_context(), &error_abort);
    blk_unref(blk);
    blk_unref(other);
    workers_free_threads();
    iothread_destroy(home);
}

int main(int argc, char **argv)
{
    int status;

    block_test_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    seen.order = g_string_new(NULL);
    harness_add("/throttle-groups/members_of_a_name_share_a_group",
                test_members_of_a_name_share_a_group);
    harness_add("/throttle-groups/group_ends_with_its_last_member",
                test_group_ends_with_its_last_member);
    harness_add("/throttle-groups/requests_wait_for_the_limits", test_requests_wait_for_the_limits);
    harness_add("/throttle-groups/directions_wait_for_themselves",
                test_directions_wait_for_themselves);
    harness_add("/throttle-groups/members_take_turns", test_members_take_turns);
    harness_add("/throttle-groups/drain_does_not_wait_for_the_limits",
                test_drain_does_not_wait_for_the_limits);
    harness_add("/throttle-groups/new_limits_count_at_once", test_new_limits_count_at_once);
    harness_add("/throttle-groups/limits_of_many_threads_change_live",
                test_limits_of_many_threads_change_live);
    status = harness_run();
    g_string_free(seen.order, true);
    return status;
}
