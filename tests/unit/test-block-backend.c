/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of BlockBackends: requests, their checks, drains as the user sees them, counters. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "tests/unit/block-test.h"

static BlockBackend *null_backend(const char *more)
{
    return backend_on(open_node("{'driver': 'null-co', 'node-name': 'n', 'size': 65536%s}", more));
}

static void test_read_zeroes(void)
{
    BlockBackend *blk = null_backend(", 'read-zeroes': true");
    uint8_t buf[512];

    memset(buf, 0xff, sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 512, sizeof(buf), buf, 0), ==, 0);
    for (size_t i = 0; i < sizeof(buf); i++) {
        g_assert_cmpint(buf[i], ==, 0);
    }
    blk_unref(blk);
}

static void test_requests_outside_the_disk_fail(void)
{
    BlockBackend *blk = null_backend("");
    uint8_t buf[1024] = { 0 };

    g_assert_cmpint(blk_pread(blk, 65536 - 512, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pread(blk, 65536 - 512, 1024, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, 65536, 1, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, -1, 1, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, INT64_MAX - 100, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 512, INT64_MAX, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 65537, 0), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, 1, 65536), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, 0, -1), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, 65536, 0, buf, 0), ==, 0);
    blk_unref(blk);
}

static void test_without_a_node_there_is_no_medium(void)
{
    BlockBackend *blk = blk_new(qemu_get_aio_context(), BLK_PERM_ALL, BLK_PERM_ALL);
    uint64_t sectors = 1;
    char c;

    g_assert_cmpint(blk_pread(blk, 0, 1, &c, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_flush(blk), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_getlength(blk), ==, -ENOMEDIUM);
    blk_get_geometry(blk, &sectors);
    g_assert_cmpuint(sectors, ==, 0);
    g_assert_false(blk_is_inserted(blk));
    blk_unref(blk);
}

static void test_write_needs_the_permission(void)
{
    BlockDriverState *bs = open_node("{'driver': 'null-co', 'node-name': 'n'}");
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    char c = 0;

    g_assert_false(blk_is_writable(blk));
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &c, 0), ==, -EPERM);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, -EPERM);
    g_assert_cmpint(blk_pdiscard(blk, 0, 512), ==, -EPERM);
    g_assert_cmpint(blk_pread(blk, 0, 1, &c, 0), ==, 0);
    blk_unref(blk);
    bdrv_unref(bs);
}

typedef struct Devops {
    int begun, ended, polls, busy, resizes;
} Devops;

static void dev_begin(void *opaque)
{
    ((Devops *)opaque)->begun++;
}

static void dev_end(void *opaque)
{
    ((Devops *)opaque)->ended++;
}

static void dev_resize(void *opaque)
{
    ((Devops *)opaque)->resizes++;
}

static bool dev_poll(void *opaque)
{
    Devops *d = opaque;

    d->polls++;
    if (d->busy > 0) {
        d->busy--;
        aio_wait_kick();
        return true;
    }
    return false;
}

static const BlockDevOps dev_ops = {
    .drained_begin = dev_begin,
    .drained_end = dev_end,
    .drained_poll = dev_poll,
    .resize_cb = dev_resize,
};

static void test_user_is_told_of_drains_once(void)
{
    BlockBackend *blk = null_backend("");
    Devops d = { .busy = 3 };

    blk_set_dev_ops(blk, &dev_ops, &d);
    bdrv_drained_begin(blk_bs(blk));
    bdrv_drained_begin(blk_bs(blk));
    g_assert_true(blk_in_drain(blk));
    g_assert_cmpint(d.begun, ==, 1);
    g_assert_cmpint(d.busy, ==, 0);
    bdrv_drained_end(blk_bs(blk));
    g_assert_cmpint(d.ended, ==, 0);
    bdrv_drained_end(blk_bs(blk));
    g_assert_cmpint(d.ended, ==, 1);
    g_assert_false(blk_in_drain(blk));
    blk_set_dev_ops(blk, NULL, NULL);
    blk_unref(blk);
}

static void test_user_that_comes_during_a_drain_is_told(void)
{
    BlockBackend *blk = null_backend("");
    Devops d = { 0 };

    bdrv_drained_begin(blk_bs(blk));
    blk_set_dev_ops(blk, &dev_ops, &d);
    g_assert_cmpint(d.begun, ==, 1);
    bdrv_drained_end(blk_bs(blk));
    g_assert_cmpint(d.ended, ==, 1);
    blk_set_dev_ops(blk, NULL, NULL);
    blk_unref(blk);
}

typedef struct Request {
    BlockBackend *blk;
    int ret;
    bool done;
} Request;

static void coroutine_fn read_entry(void *opaque)
{
    Request *r = opaque;
    char buf[512];

    r->ret = blk_co_pread(r->blk, 0, sizeof(buf), buf, 0);
    r->done = true;
}

static void test_requests_wait_for_the_end_of_a_drain(void)
{
    BlockBackend *blk = null_backend("");
    Request r = { .blk = blk, .ret = -1 };

    bdrv_drained_begin(blk_bs(blk));
    qemu_coroutine_enter(qemu_coroutine_create(read_entry, &r));
    while (aio_poll(qemu_get_aio_context(), false)) {
    }
    g_assert_false(r.done);
    bdrv_drained_end(blk_bs(blk));
    while (!r.done) {
        aio_poll(qemu_get_aio_context(), true);
    }
    g_assert_cmpint(r.ret, ==, 0);
    blk_unref(blk);
}

static void test_requests_do_not_wait_when_queuing_is_disabled(void)
{
    BlockBackend *blk = null_backend("");
    Request r = { .blk = blk, .ret = -1 };

    blk_set_disable_request_queuing(blk, true);
    bdrv_drained_begin(blk_bs(blk));
    qemu_coroutine_enter(qemu_coroutine_create(read_entry, &r));
    g_assert_true(r.done);
    g_assert_cmpint(r.ret, ==, 0);
    bdrv_drained_end(blk_bs(blk));
    blk_unref(blk);
}

static void test_drain_waits_for_requests(void)
{
    BlockBackend *blk = null_backend(", 'latency-ns': 20000000");
    Request r = { .blk = blk, .ret = -1 };

    qemu_coroutine_enter(qemu_coroutine_create(read_entry, &r));
    g_assert_false(r.done);
    blk_drain(blk);
    g_assert_true(r.done);
    blk_unref(blk);
}

static void test_counters_count(void)
{
    BlockBackend *blk = null_backend("");
    BlockAcctTotals t = { 0 };
    uint8_t buf[1024] = { 0 };

    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(blk_pread(blk, 0, 1024, buf, 0), ==, 0);
    }
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(blk_pdiscard(blk, 0, 4096), ==, 0);
    g_assert_cmpint(blk_pread(blk, 65536, 512, buf, 0), ==, -EIO);
    block_acct_sum(blk_get_stats(blk), &t);
    g_assert_cmpuint(t.nr_ops[BLOCK_ACCT_READ], ==, 3);
    g_assert_cmpuint(t.nr_bytes[BLOCK_ACCT_READ], ==, 3072);
    g_assert_cmpuint(t.nr_ops[BLOCK_ACCT_WRITE], ==, 1);
    g_assert_cmpuint(t.nr_bytes[BLOCK_ACCT_WRITE], ==, 512);
    g_assert_cmpuint(t.nr_ops[BLOCK_ACCT_FLUSH], ==, 1);
    g_assert_cmpuint(t.nr_bytes[BLOCK_ACCT_UNMAP], ==, 4096);
    g_assert_cmpuint(t.invalid_ops[BLOCK_ACCT_READ], ==, 1);
    g_assert_cmpuint(t.failed_ops[BLOCK_ACCT_READ], ==, 0);
    g_assert_cmpuint(t.total_time_ns[BLOCK_ACCT_READ], >, 0);
    blk_unref(blk);
}

static void test_names_are_unique(void)
{
    BlockBackend *a = null_backend("");
    BlockBackend *b = blk_new(NULL, 0, BLK_PERM_ALL);
    Error *err = NULL;

    g_assert_true(monitor_add_blk(a, "disk", &error_abort));
    g_assert_true(blk_by_name("disk") == a);
    g_assert_cmpstr(blk_name(a), ==, "disk");
    g_assert_cmpstr(bdrv_get_device_or_node_name(blk_bs(a)), ==, "disk");
    g_assert_false(monitor_add_blk(b, "disk", &err));
    error_free_or_abort(&err);
    g_assert_false(monitor_add_blk(b, "n", &err));
    error_free_or_abort(&err);
    g_assert_false(monitor_add_blk(b, "1x", &err));
    error_free_or_abort(&err);
    open_fails("node-name=disk is conflicting with a device id",
               "{'driver': 'null-co', 'node-name': 'disk'}");
    monitor_remove_blk(a);
    g_assert_null(blk_by_name("disk"));
    blk_unref(b);
    blk_unref(a);
}

static void test_limits_are_never_zero(void)
{
    BlockBackend *blk = null_backend("");

    g_assert_cmpuint(blk_get_request_alignment(blk), ==, 1);
    g_assert_cmpuint(blk_get_max_transfer(blk), ==, BDRV_REQUEST_MAX_BYTES);
    g_assert_cmpint(blk_get_max_iov(blk), ==, IOV_MAX);
    blk_unref(blk);
}

static void test_iostatus_keeps_the_first_error(void)
{
    BlockBackend *blk = null_backend("");

    blk_iostatus_set_err(blk, EIO);
    g_assert_cmpint(blk_iostatus(blk), ==, BLOCK_DEVICE_IO_STATUS_OK);
    blk_iostatus_enable(blk);
    blk_iostatus_set_err(blk, ENOSPC);
    blk_iostatus_set_err(blk, EIO);
    g_assert_cmpint(blk_iostatus(blk), ==, BLOCK_DEVICE_IO_STATUS_NOSPACE);
    blk_iostatus_reset(blk);
    g_assert_cmpint(blk_iostatus(blk), ==, BLOCK_DEVICE_IO_STATUS_OK);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/backend/reads_of_null_give_zeroes_when_asked", test_read_zeroes);
    harness_add("/backend/requests_outside_the_disk_fail", test_requests_outside_the_disk_fail);
    harness_add("/backend/without_a_node_there_is_no_medium",
                test_without_a_node_there_is_no_medium);
    harness_add("/backend/write_needs_the_permission", test_write_needs_the_permission);
    harness_add("/backend/user_is_told_of_drains_once", test_user_is_told_of_drains_once);
    harness_add("/backend/user_that_comes_during_a_drain_is_told",
                test_user_that_comes_during_a_drain_is_told);
    harness_add("/backend/requests_wait_for_the_end_of_a_drain",
                test_requests_wait_for_the_end_of_a_drain);
    harness_add("/backend/requests_do_not_wait_when_queuing_is_disabled",
                test_requests_do_not_wait_when_queuing_is_disabled);
    harness_add("/backend/drain_waits_for_requests", test_drain_waits_for_requests);
    harness_add("/backend/counters_count", test_counters_count);
    harness_add("/backend/names_are_unique", test_names_are_unique);
    harness_add("/backend/limits_are_never_zero", test_limits_are_never_zero);
    harness_add("/backend/iostatus_keeps_the_first_error", test_iostatus_keeps_the_first_error);
    return harness_run();
}
