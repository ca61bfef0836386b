/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of null-co and null-aio. */
#include "qemu/osdep.h"
#include "tests/unit/block-test.h"

static void test_reads_leave_the_buffer_alone_by_default(void)
{
    BlockBackend *blk = backend_on(open_node("{'driver': 'null-co', 'node-name': 'n'}"));
    char buf[16];

    g_assert_cmpint(blk_getlength(blk), ==, INT64_C(1) << 30);
    memset(buf, 'x', sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 0, sizeof(buf), buf, 0), ==, 0);
    g_assert_cmpmem(buf, sizeof(buf), "xxxxxxxxxxxxxxxx", 16);
    blk_unref(blk);
}

static void test_every_request_succeeds(const void *data)
{
    BlockBackend *blk = backend_on(open_node("{'driver': '%s', 'node-name': 'n', 'size': 1048576,"
                                             " 'read-zeroes': true, 'discard': 'unmap'}",
                                             (const char *)data));
    char buf[512] = "x";

    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(buf[0], ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 1048576 - 512, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 1048576, BDRV_REQ_MAY_UNMAP), ==, 0);
    g_assert_cmpint(blk_pdiscard(blk, 0, 1048576), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
}

typedef struct Read {
    BlockBackend *blk;
    bool done;
} Read;

static void coroutine_fn read_entry(void *opaque)
{
    Read *r = opaque;
    char c;

    g_assert_cmpint(blk_co_pread(r->blk, 0, 1, &c, 0), ==, 0);
    r->done = true;
}

/* Whether a request has completed when its coroutine is left for the first time. */
static bool completes_at_once(const char *options)
{
    BlockBackend *blk = backend_on(open_node("{%s, 'node-name': 'n'}", options));
    Read r = { .blk = blk };
    bool at_once;

    qemu_coroutine_enter(qemu_coroutine_create(read_entry, &r));
    at_once = r.done;
    while (!r.done) {
        aio_poll(qemu_get_aio_context(), true);
    }
    blk_unref(blk);
    return at_once;
}

static void test_null_co_completes_at_once_and_null_aio_later(void)
{
    g_assert_true(completes_at_once("'driver': 'null-co'"));
    g_assert_false(completes_at_once("'driver': 'null-aio'"));
    g_assert_false(completes_at_once("'driver': 'null-co', 'latency-ns': 1000"));
}

static void test_latency_is_waited_for(void)
{
    BlockBackend *blk =
        backend_on(open_node("{'driver': 'null-co', 'node-name': 'n', 'latency-ns': 5000000}"));
    int64_t start = g_get_monotonic_time();

    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 4900);
    blk_unref(blk);
}

static void test_bad_numbers_are_refused(void)
{
    open_fails("size is invalid", "{'driver': 'null-aio', 'node-name': 'n', 'size': -512}");
    open_fails("latency-ns is invalid",
               "{'driver': 'null-co', 'node-name': 'n', 'latency-ns': 18446744073709551615}");
    open_fails("Could not refresh total sector count: File too large",
               "{'driver': 'null-co', 'node-name': 'n', 'size': 9223372036854775807}");
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/null/reads_leave_the_buffer_alone_by_default",
                test_reads_leave_the_buffer_alone_by_default);
    harness_add_data("/null/every_request_succeeds/co", "null-co", test_every_request_succeeds);
    harness_add_data("/null/every_request_succeeds/aio", "null-aio", test_every_request_succeeds);
    harness_add("/null/null_co_completes_at_once_and_null_aio_later",
                test_null_co_completes_at_once_and_null_aio_later);
    harness_add("/null/latency_is_waited_for", test_latency_is_waited_for);
    harness_add("/null/bad_numbers_are_refused", test_bad_numbers_are_refused);
    return harness_run();
}
