/* SPDX-License-Identifier: GPL-2.0-or-later */
/* I/O requests through a context's io_uring. */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "util/aio-posix.h"

static AioContext *ctx;
static int active;

typedef struct Request Request;
struct Request {
    int fd;
    char byte;
    off_t offset;
    int res;
    bool again; /* submit once more from the callback */
    Request *awaited;
    CqeHandler handler; /* last: it ends in an array without a size */
};

static void prep_read(struct io_uring_sqe *sqe, void *opaque)
{
    Request *req = opaque;

    io_uring_prep_read(sqe, req->fd, &req->byte, 1, req->offset);
}

static void prep_nop(struct io_uring_sqe *sqe, void *opaque)
{
    io_uring_prep_nop(sqe);
}

static void request_done(CqeHandler *handler)
{
    Request *req = container_of(handler, Request, handler);

    g_assert_cmpint(req->res, ==, -EINPROGRESS);
    req->res = handler->cqe.res;
    active--;
    if (req->again) {
        req->again = false;
        req->res = -EINPROGRESS;
        active++;
        aio_add_sqe(prep_read, req, &req->handler);
    }
    while (req->awaited && req->awaited->res == -EINPROGRESS) {
        aio_poll(ctx, true);
    }
}

static void request_start(Request *req, int fd, off_t offset)
{
    req->handler.cb = request_done;
    req->fd = fd;
    req->offset = offset;
    req->res = -EINPROGRESS;
    active++;
    aio_add_sqe(prep_read, req, &req->handler);
}

static void finish(void)
{
    while (active > 0) {
        aio_poll(ctx, true);
    }
}

static int open_pattern(void)
{
    g_autofree char *name = harness_tmpfile("pattern");
    g_autofree char *data = g_malloc(65536);
    int fd;

    for (int i = 0; i < 65536; i++) {
        data[i] = i * 31 + (i >> 8);
    }
    g_assert_true(g_file_set_contents(name, data, 65536, NULL));
    fd = qemu_open(name, O_RDONLY, &error_abort);
    return fd;
}

static void test_result_arrives_in_dispatch(void)
{
    Request req = { 0 };
    int fd = open_pattern();

    request_start(&req, fd, 1000);
    g_assert_cmpint(req.res, ==, -EINPROGRESS);
    g_assert_true(aio_poll(ctx, true) || aio_poll(ctx, true));
    finish();
    g_assert_cmpint(req.res, ==, 1);
    g_assert_cmpint((uint8_t)req.byte, ==, (uint8_t)(1000 * 31 + 3));
    close(fd);
}

static void test_error_arrives_too(void)
{
    Request bad = { 0 }, eof = { 0 };
    int fd = open_pattern();

    request_start(&bad, -1, 0);
    request_start(&eof, fd, 65536);
    finish();
    g_assert_cmpint(bad.res, ==, -EBADF);
    g_assert_cmpint(eof.res, ==, 0);
    close(fd);
}

#define MANY 10000

/* More than both rings hold. */
static void test_more_requests_than_the_ring_holds(void)
{
    g_autofree Request *reqs = g_new0(Request, MANY);
    int fd = open_pattern();

    for (int i = 0; i < MANY; i++) {
        request_start(&reqs[i], fd, i);
    }
    finish();
    for (int i = 0; i < MANY; i++) {
        g_assert_cmpint(reqs[i].res, ==, 1);
        g_assert_cmpint((uint8_t)reqs[i].byte, ==, (uint8_t)(i * 31 + (i >> 8)));
    }
    close(fd);
}

/* Requests that cannot complete before all are in, so that completions come at once. */
static void test_completions_overflow_the_ring(void)
{
    g_autofree Request *reqs = g_new0(Request, MANY);
    int fds[2];

    g_assert_cmpint(qemu_pipe(fds), ==, 0);
    for (int i = 0; i < MANY; i++) {
        request_start(&reqs[i], fds[0], -1);
        while (i % 500 == 0 && aio_poll(ctx, false)) {
        }
    }
    close(fds[1]);
    finish();
    for (int i = 0; i < MANY; i++) {
        g_assert_cmpint(reqs[i].res, ==, 0);
    }
    close(fds[0]);
}

static void settle(void)
{
    while (aio_poll(ctx, false)) {
    }
}

static void test_batch_is_one_system_call(void)
{
    Request reqs[64] = { 0 };
    int fd = open_pattern();
    uint64_t before, iterations;

    settle();
    aio_context_set_aio_params(ctx, 64);
    for (int round = 0; round < 3; round++) {
        before = fdmon_io_uring_enters(ctx);
        iterations = ctx->iterations;
        for (int i = 0; i < 64; i++) {
            request_start(&reqs[i], fd, i);
        }
        g_assert_cmpint(fdmon_io_uring_enters(ctx), ==, before);
        finish();
        g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, <=, ctx->iterations - iterations);
        g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, <, 64);
    }
    close(fd);
}

/* Four, so that something is going on, and then sixteen by sixteen. */
static void test_idle_storage_gets_its_first_requests_early(void)
{
    Request reqs[64] = { 0 };
    int fd = open_pattern();
    uint64_t before;

    settle();
    before = fdmon_io_uring_enters(ctx);
    for (int i = 0; i < 4; i++) {
        request_start(&reqs[i], fd, i);
    }
    g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, ==, 0);
    request_start(&reqs[4], fd, 4);
    g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, ==, 1);
    for (int i = 5; i < 64; i++) {
        request_start(&reqs[i], fd, i);
    }
    g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, ==, 4);
    finish();
    close(fd);
}

static void test_small_batches_are_submitted_early(void)
{
    Request reqs[64] = { 0 };
    int fd = open_pattern();
    uint64_t before;

    aio_context_set_aio_params(ctx, 8);
    before = fdmon_io_uring_enters(ctx);
    for (int i = 0; i < 64; i++) {
        request_start(&reqs[i], fd, i);
    }
    g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, >=, 7);
    finish();
    close(fd);
}

static void test_callback_submits_again(void)
{
    Request req = { .again = true };
    int fd = open_pattern();

    request_start(&req, fd, 1);
    finish();
    g_assert_cmpint(req.res, ==, 1);
    g_assert_false(req.again);
    close(fd);
}

static void test_callback_waits_for_another(void)
{
    Request a = { 0 }, b = { 0 };
    int fd = open_pattern();

    a.awaited = &b;
    b.awaited = &a;
    request_start(&a, fd, 1);
    request_start(&b, fd, 2);
    finish();
    g_assert_cmpint(a.res, ==, 1);
    g_assert_cmpint(b.res, ==, 1);
    close(fd);
}

static void test_busy_polling_sees_completions(void)
{
    Request req;
    int fd = open_pattern();

    aio_context_set_poll_params(ctx, NANOSECONDS_PER_SECOND, 1000, 0, &error_abort);
    for (int i = 0; i < 100; i++) {
        req = (Request){ 0 };
        request_start(&req, fd, i);
        finish();
        g_assert_cmpint(req.res, ==, 1);
    }
    close(fd);
}

static void set_true(void *opaque)
{
    *(bool *)opaque = true;
}

static void wait_ms(int ms)
{
    bool over = false;
    QEMUTimer *timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_MS, set_true, &over);

    timer_mod(timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
    while (!over) {
        aio_poll(ctx, true);
    }
    timer_free(timer);
}

/* The kernel may raise its flag after what it speaks of has been fetched. */
static void test_flag_without_completions_is_no_reason_to_spin(void)
{
    Request req = { 0 };
    int fd = open_pattern();
    uint64_t before;

    settle();
    for (int i = 0; i < 2; i++) {
        aio_context_set_poll_params(ctx, i * 100 * SCALE_US, 0, 0, &error_abort);
        ctx->poll.ns = ctx->poll_max_ns;
        ctx->poll.avg_ns = 0;
        fdmon_io_uring_raise_flag(ctx);
        before = fdmon_io_uring_enters(ctx);
        wait_ms(50);
        g_assert_cmpint(fdmon_io_uring_enters(ctx) - before, <, 10);
    }
    request_start(&req, fd, 1);
    finish();
    g_assert_cmpint(req.res, ==, 1);
    close(fd);
}

static void nop_done(CqeHandler *handler)
{
    active--;
}

/* Copying what is in the page cache may take longer than it is worth polling. */
static void test_time_of_submission_is_no_waiting(void)
{
    CqeHandler handler = { .cb = nop_done };

    settle();
    aio_context_set_poll_params(ctx, NANOSECONDS_PER_SECOND, 0, 0, &error_abort);
    settle();
    ctx->poll.ns = ctx->poll_max_ns;
    ctx->poll.avg_ns = 0;
    active++;
    aio_add_sqe(prep_nop, NULL, &handler);
    finish();
    g_assert_cmpint(ctx->poll.avg_ns, ==, 0);
}

static void test_gsource_serves_requests(void)
{
    GMainContext *context = g_main_context_new();
    g_autoptr(GSource) source = aio_get_g_source(ctx);
    CqeHandler handlers[2] = { { .cb = nop_done }, { .cb = nop_done } };
    int fd = open_pattern();
    Request req = { 0 };

    g_source_attach(source, context);
    /* In flight when the ring is changed for one that the GSource can wait for. */
    active += 2;
    aio_add_sqe(prep_nop, NULL, &handlers[0]);
    aio_add_sqe(prep_nop, NULL, &handlers[1]);
    while (active > 0) {
        g_main_context_iteration(context, TRUE);
    }
    for (int i = 0; i < 10; i++) {
        request_start(&req, fd, i);
        while (active > 0) {
            g_main_context_iteration(context, TRUE);
        }
        g_assert_cmpint(req.res, ==, 1);
    }
    g_source_destroy(source);
    g_main_context_unref(context);
    close(fd);
}

static const struct {
    const char *path;
    void (*fn)(void);
} tests[] = {
    { "/io-uring/result_arrives_in_dispatch", test_result_arrives_in_dispatch },
    { "/io-uring/error_arrives_too", test_error_arrives_too },
    { "/io-uring/more_requests_than_the_ring_holds", test_more_requests_than_the_ring_holds },
    { "/io-uring/completions_overflow_the_ring", test_completions_overflow_the_ring },
    { "/io-uring/batch_is_one_system_call", test_batch_is_one_system_call },
    { "/io-uring/idle_storage_gets_its_first_requests_early",
      test_idle_storage_gets_its_first_requests_early },
    { "/io-uring/small_batches_are_submitted_early", test_small_batches_are_submitted_early },
    { "/io-uring/callback_submits_again", test_callback_submits_again },
    { "/io-uring/callback_waits_for_another", test_callback_waits_for_another },
    { "/io-uring/busy_polling_sees_completions", test_busy_polling_sees_completions },
    { "/io-uring/flag_without_completions_is_no_reason_to_spin",
      test_flag_without_completions_is_no_reason_to_spin },
    { "/io-uring/time_of_submission_is_no_waiting", test_time_of_submission_is_no_waiting },
    { "/io-uring/gsource_serves_requests", test_gsource_serves_requests },
};

static void run_test(const void *opaque)
{
    void (*const *fn)(void) = opaque;
    AioContext *before = qemu_get_current_aio_context();

    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);
    if (aio_context_set_fdmon(ctx, &fdmon_io_uring_ops) < 0) {
        g_test_skip("no io_uring on this host");
    } else {
        g_assert_true(aio_has_io_uring());
        (*fn)();
        g_assert_cmpint(active, ==, 0);
    }
    aio_context_unref(ctx);
    qemu_set_current_aio_context(before);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        harness_add_data(tests[i].path, &tests[i].fn, run_test);
    }
    return harness_run();
}
