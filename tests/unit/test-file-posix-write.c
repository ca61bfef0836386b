/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of writes to the page cache: many of them by one thread. */
#include "qemu/osdep.h"
#include <sys/resource.h>
#include "qemu/module.h"
#include "block/accounting.h"
#include "block/file-posix.h"
#include "block/thread-pool.h"
#include "block/try-io.h"
#include "tests/unit/block-workers.h"

enum {
    BYTES = 4096,
    WRITES = 150, /* more than two batches */
    SIZE = WRITES * BYTES,
};

/* Is the thread that writes an IOThread? */
static bool in_iothread;

bool __wrap_qemu_in_iothread(void);

bool __wrap_qemu_in_iothread(void)
{
    return in_iothread;
}

typedef struct Write {
    BlkTryWrite write;
    BlockBackend *blk;
    struct iovec iov[2];
    int64_t offset;
    int ret;
    struct Write *awaited; /* by the callback */
    struct Write *next;    /* which the callback begins */
    uint8_t data[BYTES];
} Write;

typedef struct Fixture {
    char *path;
    BlockBackend *blk;
    BDRVRawState *s;
    ThreadPoolAio *pool;
    Write *writes;
} Fixture;

static Fixture fixture_new(const char *more)
{
    Fixture f = { .path = make_file("img", SIZE), .writes = g_new0(Write, WRITES) };
    BlockDriverState *bs = open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'%s}",
                                     f.path, ring_or_default(more));

    f.s = bs->opaque;
    in_iothread = false;
    f.blk = backend_on(bs);
    f.pool = aio_get_thread_pool(qemu_get_aio_context());
    for (int i = 0; i < WRITES; i++) {
        Write *w = &f.writes[i];

        *w = (Write){ .blk = f.blk, .offset = (int64_t)i * BYTES, .ret = -EINPROGRESS };
        fill_pattern(w->data, BYTES, w->offset, 5);
        w->iov[0] = (struct iovec){ w->data, i % 2 ? BYTES / 2 : BYTES };
        w->iov[1] = (struct iovec){ w->data + BYTES / 2, BYTES / 2 };
    }
    return f;
}

static void fixture_free(Fixture *f)
{
    blk_unref(f->blk);
    g_free(f->writes);
    g_free(f->path);
}

static void wait_for(const Write *w)
{
    while (w->ret == -EINPROGRESS) {
        aio_poll(qemu_get_aio_context(), true);
    }
}

static void wait_for_all(const Fixture *f)
{
    for (int i = 0; i < WRITES; i++) {
        wait_for(&f->writes[i]);
    }
}

/* What is in the file, read past all that is tested. */
static void check_file(const Fixture *f, int first, int end)
{
    g_autofree char *content = NULL;
    gsize bytes;

    g_assert_true(g_file_get_contents(f->path, &content, &bytes, NULL));
    g_assert_cmpint(bytes, >=, end * BYTES);
    for (int i = first; i < end; i++) {
        g_assert_cmpint(f->writes[i].ret, ==, 0);
        g_assert_cmpmem(content + i * BYTES, BYTES, f->writes[i].data, BYTES);
    }
}

/* In coroutines */

static void coroutine_fn write_entry(void *opaque)
{
    Write *w = opaque;
    QEMUIOVector qiov;

    qemu_iovec_init_external(&qiov, w->iov, w->iov[0].iov_len == BYTES ? 1 : 2);
    w->ret = blk_co_pwritev(w->blk, w->offset, BYTES, &qiov, 0);
}

static void start_coroutines(Fixture *f)
{
    for (int i = 0; i < WRITES; i++) {
        qemu_coroutine_enter(qemu_coroutine_create(write_entry, &f->writes[i]));
    }
}

static void test_many_writes_are_one_threads_work(const void *more)
{
    Fixture f = fixture_new(more);

    qatomic_set(&f.s->writes, RAW_WRITES_BATCHED);
    start_coroutines(&f);
    wait_for_all(&f);
    /* One may be started while the other has just ended a batch. */
    g_assert_cmpint(thread_pool_nr_threads(f.pool), <=, 2);
    check_file(&f, 0, WRITES);
    fixture_free(&f);
}

static void test_the_first_write_finds_out_how(void)
{
    Fixture f = fixture_new("");

    g_assert_cmpint(f.s->writes, ==, RAW_WRITES_UNKNOWN);
    start_coroutines(&f);
    wait_for_all(&f);
    g_assert_cmpint(f.s->writes, !=, RAW_WRITES_UNKNOWN);
    check_file(&f, 0, WRITES);
    fixture_free(&f);
}

/* Without coroutines */

static void write_called_back(BlkTryWrite *write, int ret);

/* Whether the driver has taken it. */
static bool try_write(BlkTryBatch *batch, Write *w)
{
    w->write.cb = write_called_back;
    return blk_try_pwritev(batch, w->offset, BYTES, w->iov, w->iov[0].iov_len == BYTES ? 1 : 2,
                           &w->write) == -EINPROGRESS;
}

static void try_next(Write *w)
{
    BlkTryBatch batch;

    blk_try_begin(&batch, w->blk);
    g_assert_true(try_write(&batch, w));
    blk_try_end(&batch);
}

static void write_called_back(BlkTryWrite *write, int ret)
{
    Write *w = container_of(write, Write, write);

    w->ret = ret;
    if (ret == 0) {
        blk_try_write_done(write);
    }
    if (w->next) {
        try_next(w->next);
    }
    if (w->awaited) {
        wait_for(w->awaited);
    }
}

static int try_all(Fixture *f)
{
    BlkTryBatch batch;
    int taken = 0;

    blk_try_begin(&batch, f->blk);
    for (int i = 0; i < WRITES; i++) {
        taken += try_write(&batch, &f->writes[i]);
    }
    blk_try_end(&batch);
    return taken;
}

static void test_writes_are_taken_and_called_back(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");
    BlockAcctTotals totals = { 0 };

    g_assert_cmpint(try_all(&f), ==, WRITES);
    wait_for_all(&f);
    check_file(&f, 0, WRITES);
    block_acct_sum(blk_get_stats(f.blk), &totals);
    g_assert_cmpint(totals.nr_ops[BLOCK_ACCT_WRITE], ==, WRITES);
    g_assert_cmpint(totals.nr_bytes[BLOCK_ACCT_WRITE], ==, SIZE);
    fixture_free(&f);
}

static void test_a_callback_may_wait_for_another(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");

    for (int i = 0; i + 1 < WRITES; i += 3) {
        f.writes[i].awaited = &f.writes[i + 1];
    }
    f.writes[2].awaited = &f.writes[WRITES - 1];
    g_assert_cmpint(try_all(&f), ==, WRITES);
    wait_for_all(&f);
    check_file(&f, 0, WRITES);
    fixture_free(&f);
}

static void test_a_callback_may_write(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");

    for (int i = 0; i + 1 < WRITES; i++) {
        f.writes[i].next = &f.writes[i + 1];
    }
    f.writes[WRITES / 2].awaited = &f.writes[WRITES / 2 + 1];
    try_next(&f.writes[0]);
    wait_for_all(&f);
    check_file(&f, 0, WRITES);
    fixture_free(&f);
}

static void test_a_failure_is_the_failing_writes_only(void)
{
    enum {
        GOOD = 20
    };
    Fixture f = fixture_new(", 'aio': 'threads'");
    struct rlimit old, limit;

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    /* The first of the bad ones is written in part. */
    limit = (struct rlimit){ GOOD * BYTES + 512, old.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_cmpint(try_all(&f), ==, WRITES);
    wait_for_all(&f);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
    check_file(&f, 0, GOOD);
    g_assert_cmpint(f.writes[GOOD].ret, ==, -EIO);
    for (int i = GOOD + 1; i < WRITES; i++) {
        g_assert_cmpint(f.writes[i].ret, ==, -EFBIG);
    }
    fixture_free(&f);
}

static void test_where_io_uring_is_better_nothing_is_taken(void)
{
    Fixture f = fixture_new(", 'aio': 'io_uring'");

    if (!aio_has_io_uring()) {
        g_test_skip("no io_uring on this host");
    } else {
        qatomic_set(&f.s->writes, RAW_WRITES_NOWAIT);
        g_assert_cmpint(try_all(&f), ==, 0);
        start_coroutines(&f);
        wait_for_all(&f);
        check_file(&f, 0, WRITES);
    }
    fixture_free(&f);
}

static void test_past_the_page_cache_nothing_is_taken(void)
{
    g_autofree char *path = make_file("direct", SIZE);
    g_autofree char *json =
        g_strdup_printf("{'driver': 'file', 'node-name': 'd', 'filename': '%s', "
                        "'cache': {'direct': true}}",
                        path);
    BlockDriverState *bs = open_json(json, NULL);
    Fixture f = fixture_new("");

    if (!bs) {
        g_test_skip("no O_DIRECT on this file system");
    } else {
        Fixture direct = { .blk = backend_on(bs), .writes = f.writes };

        g_assert_cmpint(try_all(&direct), ==, 0);
        blk_unref(direct.blk);
    }
    fixture_free(&f);
}

/* Several threads */

static uint8_t expected[WORKERS][BYTES];

/* How many were done at once, of those of a thread of that kind. */
static int write_all(Fixture *f, bool iothread)
{
    BlkTryBatch batch;
    int at_once = 0;

    in_iothread = iothread;
    for (int i = 0; i < WRITES; i++) {
        Write *w = &f->writes[i];

        w->write.cb = write_called_back;
        blk_try_begin(&batch, f->blk);
        w->ret = blk_try_pwritev(&batch, w->offset, BYTES, w->iov, i % 2 ? 2 : 1, &w->write);
        blk_try_end(&batch);
        at_once += w->ret == 0;
        wait_for(w);
        g_assert_cmpint(w->ret, ==, 0);
    }
    check_file(f, 0, WRITES);
    return at_once;
}

static void test_quick_writes_are_done_at_once(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");
    int at_once = write_all(&f, true);

    /* Was one slow, on a busy machine? */
    if (f.s->write_judge.slow_at == 0) {
        g_assert_cmpint(at_once, ==, WRITES - WRITE_JUDGE_QUICK);
    }
    fixture_free(&f);
}

static void test_the_main_loop_writes_nothing_at_once(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");

    g_assert_cmpint(write_all(&f, false), ==, 0);
    fixture_free(&f);
}

/* What fails goes the other way, where its error is told. */
static void test_a_failure_at_once_is_told_as_any(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");
    Write *w = &f.writes[0];
    BlkTryBatch batch;

    in_iothread = true;
    f.s->write_judge = (WriteJudge){ .quick = WRITE_JUDGE_QUICK };
    w->iov[0].iov_base = (void *)16;
    w->write.cb = write_called_back;
    blk_try_begin(&batch, f.blk);
    g_assert_cmpint(blk_try_pwritev(&batch, 0, BYTES, w->iov, 1, &w->write), ==, -EINPROGRESS);
    blk_try_end(&batch);
    wait_for(w);
    g_assert_cmpint(w->ret, ==, -EFAULT);
    fixture_free(&f);
}

/* Each worker has a block of its own. */
static void coroutine_fn rewrite(Worker *w)
{
    uint8_t buf[BYTES];
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, BYTES);

    fill_pattern(expected[w->nr], BYTES, w->nr, w->round++);
    memcpy(buf, expected[w->nr], BYTES);
    g_assert_cmpint(blk_co_pwritev(w->blk, w->nr * BYTES, BYTES, &qiov, 0), ==, 0);
    memset(buf, 0, BYTES);
    g_assert_cmpint(blk_co_preadv(w->blk, w->nr * BYTES, BYTES, &qiov, 0), ==, 0);
    g_assert_cmpmem(buf, BYTES, expected[w->nr], BYTES);
}

static void test_threads_write_to_one_node(void)
{
    Fixture f = fixture_new(", 'aio': 'threads'");

    workers_start(f.blk, rewrite);
    workers_let_run(3000);
    workers_stop();
    workers_free_threads();
    fixture_free(&f);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add_data("/file-posix-write/many_writes_are_one_threads_work", ", 'aio': 'io_uring'",
                     test_many_writes_are_one_threads_work);
    harness_add_data("/file-posix-write/many_writes_are_one_threads_work_without_io_uring",
                     ", 'aio': 'threads'", test_many_writes_are_one_threads_work);
    harness_add("/file-posix-write/the_first_write_finds_out_how",
                test_the_first_write_finds_out_how);
    harness_add("/file-posix-write/writes_are_taken_and_called_back",
                test_writes_are_taken_and_called_back);
    harness_add("/file-posix-write/a_callback_may_wait_for_another",
                test_a_callback_may_wait_for_another);
    harness_add("/file-posix-write/a_callback_may_write", test_a_callback_may_write);
    harness_add("/file-posix-write/a_failure_is_the_failing_writes_only",
                test_a_failure_is_the_failing_writes_only);
    harness_add("/file-posix-write/where_io_uring_is_better_nothing_is_taken",
                test_where_io_uring_is_better_nothing_is_taken);
    harness_add("/file-posix-write/past_the_page_cache_nothing_is_taken",
                test_past_the_page_cache_nothing_is_taken);
    harness_add("/file-posix-write/quick_writes_are_done_at_once",
                test_quick_writes_are_done_at_once);
    harness_add("/file-posix-write/the_main_loop_writes_nothing_at_once",
                test_the_main_loop_writes_nothing_at_once);
    harness_add("/file-posix-write/a_failure_at_once_is_told_as_any",
                test_a_failure_at_once_is_told_as_any);
    harness_add("/file-posix-write/threads_write_to_one_node", test_threads_write_to_one_node);
    return harness_run();
}
