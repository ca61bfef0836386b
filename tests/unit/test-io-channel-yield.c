/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines that wait for channels: where they are watched, who wakes them, moves. */
#include "qemu/osdep.h"
#include "harness.h"
#include "block/aio.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"

#define ROUNDS 10000

/* ---- a thread that runs an AioContext ---- */

typedef struct LoopThread {
    AioContext *ctx;
    QemuThread thread;
    bool stop; /* its own */
} LoopThread;

static LoopThread loops[2];

static void *loop_run(void *opaque)
{
    LoopThread *loop = opaque;

    qemu_set_current_aio_context(loop->ctx);
    while (!loop->stop) {
        aio_poll(loop->ctx, true);
    }
    qemu_set_current_aio_context(NULL);
    return NULL;
}

static void start_loops(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        loops[i] = (LoopThread){ .ctx = aio_context_new(&error_abort) };
        qemu_thread_create(&loops[i].thread, "loop", loop_run, &loops[i], QEMU_THREAD_JOINABLE);
    }
}

static void stop_bh(void *opaque)
{
    LoopThread *loop = opaque;

    loop->stop = true;
}

static void stop_loops(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        aio_bh_schedule_oneshot(loops[i].ctx, stop_bh, &loops[i]);
        qemu_thread_join(&loops[i].thread);
    }
    /* Only now, as one loop may still be scheduling something in the other. */
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        aio_context_unref(loops[i].ctx);
    }
}

static void wait_until_equal(const unsigned *value, unsigned want)
{
    while (qatomic_load_acquire(value) != want) {
        g_thread_yield();
    }
}

/* ---- the two ends of a channel ---- */

typedef struct Ends {
    QIOChannel *ours; /* not blocking */
    QIOChannel *peer; /* blocking */
} Ends;

static Ends make_ends(bool follow)
{
    int fds[2];
    Ends e;

    g_assert_cmpint(qemu_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    e.ours = qio_channel_new_fd(fds[0], &error_abort);
    e.peer = qio_channel_new_fd(fds[1], &error_abort);
    qio_channel_set_blocking(e.ours, false, &error_abort);
    qio_channel_set_follow_coroutine_ctx(e.ours, follow);
    return e;
}

static void free_ends(Ends *e)
{
    object_unref(e->ours);
    object_unref(e->peer);
}

/* ---- where a coroutine is watched and goes on ---- */

typedef struct OneRead {
    QIOChannel *ioc;
    AioContext *home;
    unsigned started, done; /* atomic */
    char c;
    bool drop; /* give the last reference back */
} OneRead;

static void coroutine_fn one_read_co(void *opaque)
{
    OneRead *one = opaque;

    g_assert_true(qemu_get_current_aio_context() == one->home);
    qatomic_store_release(&one->started, 1);
    qio_channel_read_all(one->ioc, &one->c, 1, &error_abort);
    g_assert_true(qemu_get_current_aio_context() == one->home);
    if (one->drop) {
        object_unref(one->ioc);
    }
    qatomic_store_release(&one->done, 1);
}

static void test_follow(void)
{
    Ends e = make_ends(true);
    OneRead one = { .ioc = e.ours };

    start_loops();
    one.home = loops[0].ctx;
    aio_co_schedule(one.home, qemu_coroutine_create(one_read_co, &one));
    wait_until_equal(&one.started, 1);
    qio_channel_write_all(e.peer, "f", 1, &error_abort);
    /* The main loop does not run, so it cannot be the one that watches. */
    wait_until_equal(&one.done, 1);
    g_assert_cmpint(one.c, ==, 'f');
    stop_loops();
    free_ends(&e);
}

static void run_main_loop_until(const unsigned *value)
{
    while (!qatomic_load_acquire(value)) {
        main_loop_wait(true);
    }
}

static void test_main_loop(void)
{
    Ends e = make_ends(false);
    OneRead one = { .ioc = e.ours, .home = qemu_get_aio_context() };

    qemu_coroutine_enter(qemu_coroutine_create(one_read_co, &one));
    g_assert_cmpint(one.started, ==, 1);
    g_assert_cmpint(one.done, ==, 0);
    qio_channel_write_all(e.peer, "m", 1, &error_abort);
    /* A nested loop of the main context does not serve channels. */
    while (aio_poll(qemu_get_aio_context(), false)) {
        continue;
    }
    g_assert_cmpint(one.done, ==, 0);
    run_main_loop_until(&one.done);
    g_assert_cmpint(one.c, ==, 'm');
    free_ends(&e);
}

/* The main loop watches for a coroutine that lives, and drops the channel, elsewhere. */
static void test_main_loop_for_others(void)
{
    start_loops();
    for (unsigned i = 0; i < ROUNDS / 20; i++) {
        Ends e = make_ends(false);
        OneRead one = { .ioc = e.ours, .home = loops[i % 2].ctx, .drop = true };

        aio_co_schedule(one.home, qemu_coroutine_create(one_read_co, &one));
        wait_until_equal(&one.started, 1);
        qio_channel_write_all(e.peer, "o", 1, &error_abort);
        run_main_loop_until(&one.done);
        object_unref(e.peer);
    }
    stop_loops();
    /* The references of the last watches come back by bottom halves. */
    main_loop_wait(true);
}

/* ---- handlers are there only while somebody waits ---- */

typedef struct Sleeper {
    QIOChannel *ioc;
    Coroutine *co;
    GIOCondition condition;
    unsigned returns;
} Sleeper;

static void coroutine_fn sleeper_co(void *opaque)
{
    Sleeper *s = opaque;

    qio_channel_yield(s->ioc, s->condition);
    s->returns++;
    qemu_coroutine_yield();
    qio_channel_yield(s->ioc, s->condition);
    s->returns++;
}

static void drain(AioContext *ctx)
{
    while (aio_poll(ctx, false)) {
        continue;
    }
}

static void test_unwatched(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Ends e = make_ends(true);
    Sleeper s = { .ioc = e.ours, .condition = G_IO_IN };

    s.co = qemu_coroutine_create(sleeper_co, &s);
    qio_channel_write_all(e.peer, "x", 1, &error_abort);
    qemu_coroutine_enter(s.co);
    drain(ctx);
    g_assert_cmpint(s.returns, ==, 1);
    /* The byte is still there, but nobody asks for it. */
    g_assert_false(aio_poll(ctx, false));
    qemu_coroutine_enter(s.co);
    g_assert_cmpint(s.returns, ==, 1);
    drain(ctx);
    g_assert_cmpint(s.returns, ==, 2);
    g_assert_false(aio_poll(ctx, false));
    free_ends(&e);
}

static void test_spurious_entry(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Ends e = make_ends(true);
    Sleeper s = { .ioc = e.ours, .condition = G_IO_IN };

    s.co = qemu_coroutine_create(sleeper_co, &s);
    qemu_coroutine_enter(s.co);
    g_assert_cmpint(s.returns, ==, 0);
    qemu_coroutine_enter(s.co);
    g_assert_cmpint(s.returns, ==, 1);
    /* It is out of the channel: data must not enter it, nor must a wake-up. */
    qio_channel_write_all(e.peer, "x", 1, &error_abort);
    g_assert_false(aio_poll(ctx, false));
    qio_channel_wake_read(e.ours);
    g_assert_false(aio_poll(ctx, false));
    g_assert_cmpint(s.returns, ==, 1);
    /* The wake-up ends the next wait at once. */
    qemu_coroutine_enter(s.co);
    g_assert_cmpint(s.returns, ==, 2);
    drain(ctx);
    free_ends(&e);
}

static void test_writer(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Ends e = make_ends(true);
    Sleeper s = { .ioc = e.ours, .condition = G_IO_OUT };
    static char buf[65536];

    while (qio_channel_write(e.ours, buf, sizeof(buf), &error_abort) > 0) {
        continue;
    }
    s.co = qemu_coroutine_create(sleeper_co, &s);
    qemu_coroutine_enter(s.co);
    drain(ctx);
    g_assert_cmpint(s.returns, ==, 0);
    while (!s.returns) {
        qio_channel_read(e.peer, buf, sizeof(buf), &error_abort);
        drain(ctx);
    }
    qemu_coroutine_enter(s.co);
    drain(ctx);
    g_assert_cmpint(s.returns, ==, 2);
    g_assert_false(aio_poll(ctx, false));
    free_ends(&e);
}

/* ---- plain handlers ---- */

typedef struct Calls {
    unsigned reads, writes; /* atomic */
} Calls;

static void on_readable(void *opaque)
{
    qatomic_inc(&((Calls *)opaque)->reads);
}

static void on_writable(void *opaque)
{
    qatomic_inc(&((Calls *)opaque)->writes);
}

static void test_plain_handlers(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Ends e = make_ends(true);
    Calls calls = { 0 };

    qio_channel_set_aio_fd_handler(e.ours, ctx, on_readable, ctx, on_writable, &calls);
    aio_poll(ctx, false);
    g_assert_cmpint(calls.reads, ==, 0);
    g_assert_cmpint(calls.writes, ==, 1);
    qio_channel_write_all(e.peer, "x", 1, &error_abort);
    qio_channel_set_aio_fd_handler(e.ours, ctx, on_readable, ctx, NULL, &calls);
    aio_poll(ctx, false);
    g_assert_cmpint(calls.reads, ==, 1);
    g_assert_cmpint(calls.writes, ==, 1);
    qio_channel_set_aio_fd_handler(e.ours, ctx, NULL, ctx, NULL, NULL);
    g_assert_false(aio_poll(ctx, false));
    free_ends(&e);
}

static void test_plain_handlers_apart(void)
{
    AioContext *ctx = qemu_get_aio_context();
    Ends e = make_ends(true);
    Calls calls = { 0 };

    /* Writing is watched for in another thread, and only there. */
    start_loops();
    qio_channel_set_aio_fd_handler(e.ours, ctx, on_readable, loops[0].ctx, on_writable, &calls);
    while (!qatomic_read(&calls.writes)) {
        g_thread_yield();
    }
    g_assert_false(aio_poll(ctx, false));
    qio_channel_set_aio_fd_handler(e.ours, NULL, NULL, loops[0].ctx, NULL, NULL);
    qio_channel_write_all(e.peer, "x", 1, &error_abort);
    aio_poll(ctx, false);
    g_assert_cmpint(calls.reads, ==, 1);
    qio_channel_set_aio_fd_handler(e.ours, ctx, NULL, NULL, NULL, NULL);
    stop_loops();
    free_ends(&e);
}

/* ---- a reader and a writer ---- */

#define STREAM_LEN 400000

static uint8_t stream_byte(size_t pos)
{
    return pos * 167 + (pos >> 9);
}

typedef struct Duplex {
    QIOChannel *ioc;
    unsigned done; /* atomic; coroutines that have ended */
} Duplex;

static void coroutine_fn duplex_read_co(void *opaque)
{
    Duplex *d = opaque;
    g_autofree uint8_t *data = g_malloc(STREAM_LEN);

    qio_channel_read_all(d->ioc, data, STREAM_LEN, &error_abort);
    for (size_t i = 0; i < STREAM_LEN; i++) {
        g_assert_cmpint(data[i], ==, stream_byte(i));
    }
    qatomic_inc(&d->done);
}

static void coroutine_fn duplex_write_co(void *opaque)
{
    Duplex *d = opaque;
    g_autofree uint8_t *data = g_malloc(STREAM_LEN);

    for (size_t i = 0; i < STREAM_LEN; i++) {
        data[i] = stream_byte(i);
    }
    qio_channel_write_all(d->ioc, data, STREAM_LEN, &error_abort);
    qatomic_inc(&d->done);
}

/* Sends back what comes, in small pieces, so that both sides have to wait often. */
static void *echo_run(void *opaque)
{
    QIOChannel *ioc = opaque;
    g_autofree char *data = g_malloc(STREAM_LEN);

    for (size_t pos = 0; pos < STREAM_LEN;) {
        size_t piece = MIN(STREAM_LEN - pos, 1 + pos % 4093);

        qio_channel_read_all(ioc, data, piece, &error_abort);
        qio_channel_write_all(ioc, data, piece, &error_abort);
        pos += piece;
    }
    return NULL;
}

static void duplex(AioContext *read_ctx, AioContext *write_ctx)
{
    Ends e = make_ends(true);
    Duplex d = { .ioc = e.ours };
    QemuThread echo;

    qemu_thread_create(&echo, "echo", echo_run, e.peer, QEMU_THREAD_JOINABLE);
    aio_co_schedule(read_ctx, qemu_coroutine_create(duplex_read_co, &d));
    aio_co_schedule(write_ctx, qemu_coroutine_create(duplex_write_co, &d));
    wait_until_equal(&d.done, 2);
    qemu_thread_join(&echo);
    free_ends(&e);
}

static void test_duplex_one_context(void)
{
    start_loops();
    duplex(loops[0].ctx, loops[0].ctx);
    stop_loops();
}

static void test_duplex_two_contexts(void)
{
    start_loops();
    duplex(loops[0].ctx, loops[1].ctx);
    duplex(loops[1].ctx, loops[0].ctx);
    stop_loops();
}

/* ---- wake-ups ---- */

typedef struct Wakes {
    QIOChannel *ioc;
    unsigned want, seen; /* atomic */
} Wakes;

static void coroutine_fn wakes_co(void *opaque)
{
    Wakes *w = opaque;

    while (w->seen < ROUNDS) {
        unsigned want = qatomic_load_acquire(&w->want);

        if (want == w->seen) {
            qio_channel_yield(w->ioc, G_IO_IN);
        }
        qatomic_store_release(&w->seen, want);
    }
}

static void test_no_wake_is_lost(void)
{
    Ends e = make_ends(true);
    Wakes w = { .ioc = e.ours };

    start_loops();
    aio_co_schedule(loops[0].ctx, qemu_coroutine_create(wakes_co, &w));
    for (unsigned i = 1; i <= ROUNDS; i++) {
        qatomic_store_release(&w.want, i);
        qio_channel_wake_read(e.ours);
        wait_until_equal(&w.seen, i);
    }
    stop_loops();
    free_ends(&e);
}

/* ---- moves ---- */

typedef struct Mover {
    QIOChannel *ioc;
    AioContext *target; /* atomic; where the reader shall be */
    unsigned moves;     /* atomic; how often it has moved */
    unsigned quiesce;   /* atomic; the reader shall end */
    unsigned ended;     /* atomic */
    bool respawn;       /* move by ending and starting anew */
    size_t pos;         /* bytes read */
} Mover;

/* One piece of the stream; false at its end. */
static bool coroutine_fn mover_read(Mover *m)
{
    uint8_t buf[97];
    ssize_t len = qio_channel_read(m->ioc, buf, sizeof(buf), &error_abort);

    if (len == QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_yield(m->ioc, G_IO_IN);
        return true;
    }
    for (ssize_t i = 0; i < len; i++) {
        g_assert_cmpint(buf[i], ==, stream_byte(m->pos + i));
    }
    m->pos += len;
    return len > 0;
}

static void coroutine_fn mover_co(void *opaque)
{
    Mover *m = opaque;

    do {
        AioContext *target = qatomic_load_acquire(&m->target);

        if (qatomic_load_acquire(&m->quiesce)) {
            break;
        }
        if (!m->respawn && target != qemu_get_current_aio_context()) {
            aio_co_reschedule_self(target);
            qatomic_store_release(&m->moves, m->moves + 1);
        }
    } while (mover_read(m));
    qatomic_store_release(&m->ended, 1);
}

typedef struct Talker {
    QIOChannel *ioc;
    unsigned stop; /* atomic */
    size_t pos;    /* bytes written */
    GRand *rand;
} Talker;

static void *talker_run(void *opaque)
{
    Talker *t = opaque;
    uint8_t buf[200];

    while (!qatomic_load_acquire(&t->stop)) {
        size_t len = g_rand_int_range(t->rand, 1, sizeof(buf));

        for (size_t i = 0; i < len; i++) {
            buf[i] = stream_byte(t->pos + i);
        }
        qio_channel_write_all(t->ioc, buf, len, &error_abort);
        t->pos += len;
        if (len % 4 == 0) {
            g_thread_yield();
        }
    }
    qio_channel_shutdown(t->ioc, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
    return NULL;
}

static void move_reader(Mover *m, unsigned i)
{
    AioContext *target = loops[i % 2].ctx;

    if (!m->respawn) {
        qatomic_store_release(&m->target, target);
        qio_channel_wake_read(m->ioc);
        wait_until_equal(&m->moves, i);
        return;
    }
    qatomic_store_release(&m->quiesce, 1);
    qio_channel_wake_read(m->ioc);
    wait_until_equal(&m->ended, 1);
    qatomic_set(&m->ended, 0);
    qatomic_set(&m->quiesce, 0);
    aio_co_schedule(target, qemu_coroutine_create(mover_co, m));
}

static void run_moves(bool respawn)
{
    Ends e = make_ends(true);
    Mover m = { .ioc = e.ours, .respawn = respawn };
    Talker t = { .ioc = e.peer, .rand = g_rand_new_with_seed(7) };
    QemuThread talker;

    start_loops();
    m.target = loops[0].ctx;
    aio_co_schedule(loops[0].ctx, qemu_coroutine_create(mover_co, &m));
    qemu_thread_create(&talker, "talker", talker_run, &t, QEMU_THREAD_JOINABLE);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        move_reader(&m, i);
    }
    qatomic_store_release(&t.stop, 1);
    qemu_thread_join(&talker);
    wait_until_equal(&m.ended, 1);
    /* Not a byte was lost or read twice. */
    g_assert_cmpint(m.pos, ==, t.pos);
    g_assert_cmpint(m.pos, >, 0);
    stop_loops();
    g_rand_free(t.rand);
    free_ends(&e);
}

static void test_moves(void)
{
    run_moves(false);
}

static void test_respawns(void)
{
    run_moves(true);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/io/yield/follower_is_watched_in_its_own_context", test_follow);
    harness_add("/io/yield/others_are_watched_in_the_main_loop", test_main_loop);
    harness_add("/io/yield/main_loop_watches_for_other_threads", test_main_loop_for_others);
    harness_add("/io/yield/nothing_is_watched_after_the_wait", test_unwatched);
    harness_add("/io/yield/entering_the_coroutine_ends_the_wait", test_spurious_entry);
    harness_add("/io/yield/writer_waits_for_room", test_writer);
    harness_add("/io/handlers/both_directions_share_a_context", test_plain_handlers);
    harness_add("/io/handlers/each_direction_has_its_context", test_plain_handlers_apart);
    harness_add("/io/yield/reader_and_writer_share_a_context", test_duplex_one_context);
    harness_add("/io/yield/reader_and_writer_have_a_context_each", test_duplex_two_contexts);
    harness_add("/io/yield/no_wake_up_is_lost", test_no_wake_is_lost);
    harness_add("/io/yield/reader_moves_between_threads", test_moves);
    harness_add("/io/yield/reader_ends_here_and_starts_there", test_respawns);
    return harness_run();
}
