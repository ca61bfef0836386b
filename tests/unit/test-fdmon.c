/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor handlers, the same tests over every way of waiting that the host has. */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "util/aio-posix.h"
#include <glib-unix.h>
#include <sys/socket.h>

static AioContext *ctx;

/* Each test gets a context of its own, run by this thread. */
typedef struct {
    const FDMonOps *ops;
    void (*fn)(void);
} FDMonTest;

static void run_test(const void *opaque)
{
    const FDMonTest *test = opaque;
    AioContext *before = qemu_get_current_aio_context();

    ctx = aio_context_new(&error_abort);
    qemu_set_current_aio_context(ctx);
    if (aio_context_set_fdmon(ctx, test->ops) < 0) {
        g_test_skip("not on this host");
    } else {
        test->fn();
    }
    aio_context_unref(ctx);
    qemu_set_current_aio_context(before);
}

typedef struct Pipe Pipe;
struct Pipe {
    int fd[2];
    int reads;
    int writes;
    int ready;    /* io_poll_ready calls */
    int asked;    /* io_poll calls */
    int begins;   /* io_poll_begin minus io_poll_end calls */
    bool pending; /* work that busy polling sees */
    bool drain;
    Pipe *victim;  /* whose handler to remove */
    Pipe *awaited; /* whose read to wait for in a nested loop */
};

static void pipe_init(Pipe *p)
{
    *p = (Pipe){ .drain = true };
    g_assert_cmpint(qemu_pipe(p->fd), ==, 0);
    g_unix_set_fd_nonblocking(p->fd[0], TRUE, NULL);
    g_unix_set_fd_nonblocking(p->fd[1], TRUE, NULL);
}

static void pipe_done(Pipe *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

static void pipe_put(Pipe *p)
{
    g_assert_cmpint(write(p->fd[1], "x", 1), ==, 1);
}

static void pipe_forget(Pipe *p)
{
    aio_set_fd_handler(ctx, p->fd[0], NULL, NULL, NULL, NULL, NULL);
}

static void pipe_read(void *opaque)
{
    Pipe *p = opaque;
    char buf[64];

    p->reads++;
    if (p->drain && read(p->fd[0], buf, sizeof(buf)) == 0) {
        pipe_forget(p);
    }
    if (p->victim) {
        pipe_forget(p->victim);
    }
    while (p->awaited && !p->awaited->reads) {
        aio_poll(ctx, true);
    }
}

static void pipe_write(void *opaque)
{
    Pipe *p = opaque;

    p->writes++;
    aio_set_fd_handler(ctx, p->fd[1], NULL, NULL, NULL, NULL, NULL);
}

static void pipe_watch(Pipe *p)
{
    aio_set_fd_handler(ctx, p->fd[0], pipe_read, NULL, NULL, NULL, p);
}

static void flush(void)
{
    while (aio_poll(ctx, false)) {
    }
}

static void test_readable(void)
{
    Pipe p;

    pipe_init(&p);
    pipe_watch(&p);
    flush();
    g_assert_cmpint(p.reads, ==, 0);
    for (int i = 1; i <= 3; i++) {
        pipe_put(&p);
        g_assert_true(aio_poll(ctx, i & 1));
        g_assert_cmpint(p.reads, ==, i);
        g_assert_false(aio_poll(ctx, false));
        g_assert_cmpint(p.reads, ==, i);
    }
    pipe_forget(&p);
    pipe_put(&p);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(p.reads, ==, 3);
    pipe_done(&p);
}

static void test_level_triggered(void)
{
    Pipe p;

    pipe_init(&p);
    p.drain = false;
    pipe_watch(&p);
    pipe_put(&p);
    for (int i = 1; i <= 5; i++) {
        g_assert_true(aio_poll(ctx, true));
        g_assert_cmpint(p.reads, ==, i);
    }
    pipe_forget(&p);
    pipe_done(&p);
}

static void test_writable(void)
{
    Pipe p;

    pipe_init(&p);
    aio_set_fd_handler(ctx, p.fd[1], NULL, pipe_write, NULL, NULL, &p);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.writes, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    pipe_done(&p);
}

static void test_replaced(void)
{
    Pipe p;
    int sv[2];

    pipe_init(&p);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    pipe_done(&p);
    p.fd[0] = p.fd[1] = sv[0];
    p.drain = false;
    pipe_watch(&p);
    g_assert_false(aio_poll(ctx, false));
    aio_set_fd_handler(ctx, sv[0], NULL, pipe_write, NULL, NULL, &p);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.writes, ==, 1);
    g_assert_cmpint(p.reads, ==, 0);
    close(sv[0]);
    close(sv[1]);
}

static void test_hang_up_reaches_the_reader(void)
{
    Pipe p;

    pipe_init(&p);
    pipe_watch(&p);
    flush();
    close(p.fd[1]);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.reads, ==, 1);
    g_assert_false(aio_poll(ctx, false));
    close(p.fd[0]);
}

static void test_hang_up_reaches_the_writer(void)
{
    Pipe p;

    pipe_init(&p);
    while (write(p.fd[1], &p, sizeof(p)) > 0) {
    }
    aio_set_fd_handler(ctx, p.fd[1], NULL, pipe_write, NULL, NULL, &p);
    g_assert_false(aio_poll(ctx, false));
    close(p.fd[0]);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.writes, ==, 1);
    close(p.fd[1]);
}

static void test_handler_removes_another(void)
{
    Pipe p[2];

    for (int i = 0; i < 2; i++) {
        pipe_init(&p[i]);
        p[i].victim = &p[!i];
        pipe_watch(&p[i]);
    }
    flush();
    pipe_put(&p[0]);
    pipe_put(&p[1]);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p[0].reads + p[1].reads, ==, 1);
    flush();
    pipe_forget(&p[0]);
    pipe_forget(&p[1]);
    pipe_done(&p[0]);
    pipe_done(&p[1]);
}

static void test_handler_removes_itself(void)
{
    Pipe p;

    pipe_init(&p);
    p.victim = &p;
    p.drain = false;
    pipe_watch(&p);
    pipe_put(&p);
    g_assert_true(aio_poll(ctx, true));
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(p.reads, ==, 1);
    pipe_done(&p);
}

static void test_nested_loop_serves_what_the_outer_found(void)
{
    Pipe p[3];

    for (int i = 0; i < 3; i++) {
        pipe_init(&p[i]);
        pipe_watch(&p[i]);
    }
    flush();
    p[0].awaited = &p[1];
    p[1].awaited = &p[2];
    p[2].awaited = &p[0];
    for (int i = 0; i < 3; i++) {
        pipe_put(&p[i]);
    }
    g_assert_true(aio_poll(ctx, true));
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(p[i].reads, ==, 1);
        pipe_forget(&p[i]);
        pipe_done(&p[i]);
    }
}

static void test_descriptor_number_is_used_again(void)
{
    Pipe p;

    pipe_init(&p);
    pipe_watch(&p);
    flush();
    for (int i = 0; i < 10; i++) {
        int fd = p.fd[0];

        pipe_forget(&p);
        pipe_done(&p);
        pipe_init(&p);
        g_assert_cmpint(p.fd[0], ==, fd);
        pipe_watch(&p);
        pipe_put(&p);
        g_assert_true(aio_poll(ctx, true));
        g_assert_cmpint(p.reads, ==, 1);
    }
    pipe_forget(&p);
    pipe_done(&p);
}

#define MANY 400

static void test_many_descriptors(void)
{
    g_autofree Pipe *p = g_new(Pipe, MANY);
    int reads = 0;

    for (int i = 0; i < MANY; i++) {
        pipe_init(&p[i]);
        pipe_put(&p[i]);
        pipe_watch(&p[i]);
    }
    flush();
    for (int i = 0; i < MANY; i++) {
        reads += p[i].reads;
        g_assert_cmpint(p[i].reads, ==, 1);
        pipe_put(&p[i]);
    }
    g_assert_cmpint(reads, ==, MANY);
    flush();
    for (int i = 0; i < MANY; i++) {
        g_assert_cmpint(p[i].reads, ==, 2);
        pipe_forget(&p[i]);
        pipe_done(&p[i]);
    }
}

static void *add_and_remove(void *opaque)
{
    Pipe *p = opaque;

    for (int i = 0; i < 1000; i++) {
        aio_set_fd_handler(ctx, p->fd[1], NULL, NULL, NULL, NULL, NULL);
        aio_set_fd_handler(ctx, p->fd[1], pipe_read, NULL, NULL, NULL, p);
    }
    aio_set_fd_handler(ctx, p->fd[1], NULL, NULL, NULL, NULL, NULL);
    pipe_watch(&p[1]);
    pipe_put(&p[1]);
    return NULL;
}

static void test_changes_by_another_thread(void)
{
    QemuThread thread;
    Pipe p[2];

    pipe_init(&p[0]);
    pipe_init(&p[1]);
    qemu_thread_create(&thread, "changes", add_and_remove, p, QEMU_THREAD_JOINABLE);
    while (!p[1].reads) {
        aio_poll(ctx, true);
    }
    qemu_thread_join(&thread);
    g_assert_cmpint(p[0].reads, ==, 0);
    pipe_forget(&p[1]);
    flush();
    pipe_done(&p[0]);
    pipe_done(&p[1]);
}

static void timer_fired(void *opaque)
{
    bool *fired = opaque;

    *fired = true;
}

/* Runs the loop for @ns; returns the iterations. */
static uint64_t run_for(int64_t ns)
{
    bool fired = false;
    QEMUTimer *timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, timer_fired, &fired);
    uint64_t before = ctx->iterations;

    timer_mod(timer, get_clock() + ns);
    while (!fired) {
        aio_poll(ctx, true);
    }
    timer_free(timer);
    return ctx->iterations - before;
}

static void test_idle_loop_does_not_wake_up(void)
{
    Pipe p[8];

    for (int i = 0; i < 8; i++) {
        pipe_init(&p[i]);
        pipe_watch(&p[i]);
    }
    flush();
    /* One for the timer; a kernel may round its own timer down by less than a tick. */
    g_assert_cmpint(run_for(50 * SCALE_MS), <=, 2);
    for (int i = 0; i < 8; i++) {
        pipe_forget(&p[i]);
        pipe_done(&p[i]);
    }
}

static void test_gsource(void)
{
    GMainContext *context = g_main_context_new();
    g_autoptr(GSource) source = aio_get_g_source(ctx);
    Pipe p;

    pipe_init(&p);
    g_source_attach(source, context);
    pipe_watch(&p);
    while (g_main_context_iteration(context, FALSE)) {
    }
    for (int i = 1; i <= 3; i++) {
        pipe_put(&p);
        g_assert_true(g_main_context_iteration(context, i & 1));
        g_assert_cmpint(p.reads, ==, i);
        g_assert_false(g_main_context_iteration(context, FALSE));
        g_assert_cmpint(p.reads, ==, i);
    }
    /* In between the context may be run directly as well. */
    pipe_put(&p);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.reads, ==, 4);
    while (g_main_context_iteration(context, FALSE)) {
    }
    g_assert_cmpint(p.reads, ==, 4);
    pipe_forget(&p);
    g_source_destroy(source);
    g_main_context_unref(context);
    pipe_done(&p);
}

static void test_regular_file_is_always_ready(void)
{
    g_autofree char *name = harness_tmpfile("file");
    Pipe p = { .drain = false };

    p.fd[0] = qemu_create(name, O_RDWR, 0600, &error_abort);
    p.victim = &p;
    pipe_watch(&p);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.reads, ==, 1);
    flush();
    close(p.fd[0]);
}

static void *run_elsewhere(void *opaque)
{
    Pipe *p = opaque;

    qemu_set_current_aio_context(ctx);
    pipe_put(p);
    while (p->reads < 2) {
        aio_poll(ctx, true);
    }
    qemu_set_current_aio_context(NULL);
    return NULL;
}

static void test_another_thread_goes_on_with_the_context(void)
{
    QemuThread thread;
    Pipe p;

    pipe_init(&p);
    pipe_watch(&p);
    pipe_put(&p);
    g_assert_true(aio_poll(ctx, true));
    qemu_thread_create(&thread, "other", run_elsewhere, &p, QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    pipe_put(&p);
    while (p.reads < 3) {
        aio_poll(ctx, true);
    }
    pipe_forget(&p);
    pipe_done(&p);
}

/* Busy polling */

/* A peer that brings work, and signals it unless it has been told that someone polls. */
static void peer_kick(Pipe *p)
{
    p->pending = true;
    if (!p->begins) {
        pipe_put(p);
    }
}

static void peer_read(void *opaque)
{
    Pipe *p = opaque;

    pipe_read(p);
    p->pending = false;
}

static bool pipe_ask(void *opaque)
{
    Pipe *p = opaque;

    p->asked++;
    return p->pending;
}

static void pipe_ready(void *opaque)
{
    Pipe *p = opaque;

    g_assert_true(p->pending);
    p->pending = false;
    p->ready++;
}

static void pipe_begin(void *opaque)
{
    ((Pipe *)opaque)->begins++;
}

static void pipe_end(void *opaque)
{
    ((Pipe *)opaque)->begins--;
}

static void test_busy_polling_finds_work(void)
{
    Pipe p;

    pipe_init(&p);
    aio_context_set_poll_params(ctx, NANOSECONDS_PER_SECOND, 1000, 0, &error_abort);
    aio_set_fd_handler(ctx, p.fd[0], peer_read, NULL, pipe_ask, pipe_ready, &p);
    aio_set_fd_poll(ctx, p.fd[0], pipe_begin, pipe_end);
    for (int i = 0; i < 20; i++) {
        peer_kick(&p);
        g_assert_true(aio_poll(ctx, true));
        g_assert_cmpint(p.reads + p.ready, ==, i + 1);
    }
    g_assert_cmpint(p.ready, >, 0);
    g_assert_cmpint(p.begins, ==, 1);
    /* A loop that does not wait goes on in the phase; removing the handler ends it. */
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(p.begins, ==, 1);
    pipe_forget(&p);
    g_assert_cmpint(p.begins, ==, 0);
    pipe_done(&p);
}

static void test_busy_polling_ends_before_sleep(void)
{
    Pipe p;
    int asked;

    pipe_init(&p);
    aio_context_set_poll_params(ctx, 100000, 1000, 0, &error_abort);
    aio_set_fd_handler(ctx, p.fd[0], peer_read, NULL, pipe_ask, pipe_ready, &p);
    aio_set_fd_poll(ctx, p.fd[0], pipe_begin, pipe_end);
    for (int i = 0; i < 20 && !p.begins; i++) {
        peer_kick(&p);
        g_assert_true(aio_poll(ctx, true));
    }
    g_assert_cmpint(p.begins, ==, 1);
    for (int i = 0; i < 40; i++) {
        run_for(SCALE_MS);
        g_assert_cmpint(p.begins, ==, 0);
    }
    g_assert_cmpint(ctx->poll.ns, ==, 0);
    asked = p.asked;
    run_for(SCALE_MS);
    g_assert_cmpint(p.asked, ==, asked);
    pipe_forget(&p);
    pipe_done(&p);
}

static void pipe_end_late(void *opaque)
{
    pipe_end(opaque);
    ((Pipe *)opaque)->pending = true;
}

static void test_busy_polling_asks_after_its_end(void)
{
    Pipe p;

    pipe_init(&p);
    aio_context_set_poll_params(ctx, 1000, 2, 0, &error_abort);
    aio_set_fd_handler(ctx, p.fd[0], peer_read, NULL, pipe_ask, pipe_ready, &p);
    aio_set_fd_poll(ctx, p.fd[0], pipe_begin, pipe_end_late);
    flush();
    ctx->poll.ns = 1000;
    /* Nothing is there, so the phase ends, and its end brings something. */
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.reads + p.ready, ==, 1);
    g_assert_cmpint(p.begins, ==, 0);
    pipe_forget(&p);
    pipe_done(&p);
}

static bool slow_ask(void *opaque)
{
    int64_t until = get_clock() + SCALE_MS;

    while (get_clock() < until) {
    }
    return pipe_ask(opaque);
}

static void test_busy_polling_backs_off_when_preempted(void)
{
    int64_t max_ns = 100 * NANOSECONDS_PER_SECOND;
    Pipe p;

    pipe_init(&p);
    aio_context_set_poll_params(ctx, max_ns, 2, 0, &error_abort);
    aio_set_fd_handler(ctx, p.fd[0], peer_read, NULL, slow_ask, pipe_ready, &p);
    flush();
    ctx->poll.ns = max_ns;
    run_for(SCALE_MS);
    g_assert_cmpint(ctx->poll.ns, ==, 0);
    p.asked = 0;
    for (int i = 0; i < 5; i++) {
        run_for(SCALE_MS / 10);
    }
    g_assert_cmpint(p.asked, ==, 0);
    pipe_forget(&p);
    pipe_done(&p);
}

/* A callback of busy polling that waits for another descriptor in a nested loop. */
static Pipe *nested_other;

static bool always_ready(void *opaque)
{
    return true;
}

static bool never_ready(void *opaque)
{
    return false;
}

static void not_called(void *opaque)
{
    g_assert_not_reached();
}

static void ready_with_nested_loop(void *opaque)
{
    Pipe *p = opaque;

    g_assert_cmpint(p->ready, ==, 0);
    p->ready++;
    pipe_put(nested_other);
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(nested_other->reads, ==, 1);
}

static void test_busy_polling_does_not_recurse(void)
{
    Pipe p, other;

    pipe_init(&p);
    pipe_init(&other);
    nested_other = &other;
    aio_context_set_poll_params(ctx, NANOSECONDS_PER_SECOND, 2, 2, &error_abort);
    pipe_put(&p);
    aio_set_fd_handler(ctx, p.fd[0], pipe_read, NULL, always_ready, ready_with_nested_loop, &p);
    aio_set_fd_handler(ctx, other.fd[0], pipe_read, NULL, never_ready, not_called, &other);
    aio_poll(ctx, false);
    while (p.reads == 0) {
        aio_poll(ctx, true);
    }
    /* The first event has turned polling on. */
    ctx->poll.ns = 1000;
    g_assert_true(aio_poll(ctx, true));
    g_assert_cmpint(p.ready, ==, 1);
    pipe_forget(&p);
    pipe_forget(&other);
    pipe_done(&p);
    pipe_done(&other);
}

static const struct {
    const char *name;
    void (*fn)(void);
} tests[] = {
    { "readable_descriptor_calls_its_reader", test_readable },
    { "handlers_are_level_triggered", test_level_triggered },
    { "writable_descriptor_calls_its_writer", test_writable },
    { "new_handlers_replace_the_old", test_replaced },
    { "hang_up_reaches_the_reader", test_hang_up_reaches_the_reader },
    { "hang_up_reaches_the_writer", test_hang_up_reaches_the_writer },
    { "handler_removed_by_another_is_not_called", test_handler_removes_another },
    { "handler_may_remove_itself", test_handler_removes_itself },
    { "nested_loop_serves_what_the_outer_found", test_nested_loop_serves_what_the_outer_found },
    { "descriptor_number_may_be_used_again", test_descriptor_number_is_used_again },
    { "many_descriptors_are_all_served", test_many_descriptors },
    { "another_thread_may_change_handlers", test_changes_by_another_thread },
    { "idle_loop_does_not_wake_up", test_idle_loop_does_not_wake_up },
    { "gsource_serves_descriptors", test_gsource },
    { "regular_file_is_always_ready", test_regular_file_is_always_ready },
    { "another_thread_may_go_on_with_the_context", test_another_thread_goes_on_with_the_context },
    { "busy_polling_finds_work", test_busy_polling_finds_work },
    { "busy_polling_ends_before_sleep", test_busy_polling_ends_before_sleep },
    { "busy_polling_asks_after_its_end", test_busy_polling_asks_after_its_end },
    { "busy_polling_backs_off_when_preempted", test_busy_polling_backs_off_when_preempted },
    { "busy_polling_does_not_recurse", test_busy_polling_does_not_recurse },
};

static const FDMonOps *const monitors[] = {
    &fdmon_poll_ops,
    &fdmon_epoll_ops,
#ifdef CONFIG_LINUX_IO_URING
    &fdmon_io_uring_ops,
#endif
};

int main(int argc, char **argv)
{
    static FDMonTest all[ARRAY_SIZE(monitors)][ARRAY_SIZE(tests)];

    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    for (size_t m = 0; m < ARRAY_SIZE(monitors); m++) {
        for (size_t t = 0; t < ARRAY_SIZE(tests); t++) {
            g_autofree char *path =
                g_strdup_printf("/fdmon/%s/%s", monitors[m]->name, tests[t].name);

            all[m][t] = (FDMonTest){ .ops = monitors[m], .fn = tests[t].fn };
            harness_add_data(path, &all[m][t], run_test);
        }
    }
    return harness_run();
}
