/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to the page cache: at once, or many of them by one thread of the pool.
 *
 * Theory of operation
 *
 * While writes are quick, an IOThread does them itself: to hand one to another thread takes longer.
 * When one was slow, it does no more for a while, so that whoever shares the thread has waited for
 * one such write (write-judge.h). Then, to begin with, and in the main loop, which serves monitors
 * and signals too, a thread of the pool writes.
 *
 * A kernel lets one write at a time into a file's page cache, so nothing is lost by doing a node's
 * writes one after the other, and much is gained: what it costs to wake a thread, and to be woken
 * by it, is paid for once in a batch. Most file systems cannot write to the page cache without
 * perhaps waiting; there io_uring wakes a thread of the kernel for each write. Where they can
 * (RWF_NOWAIT), io_uring is better; the first write of a node finds out.
 *
 * Each thread that writes to a node has a RawWriter for it while something is under way. Writes
 * gather in @waiting while a batch is being done, and become the next batch: the more there is
 * to do, the larger. The worker says now and then how far it is, and the home thread calls back up
 * to there.
 *
 * What is written here has neither RWF_DSYNC nor an alignment to keep.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/defer-call.h"
#include "qemu/notify.h"
#include "qemu/thread.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "block/thread-pool.h"
#include "block/try-io.h"
#include "qemu/timer.h"
#include "system/iothread.h"

enum {
    /* Writes of one batch at most. */
    BATCH_MAX = 64,
    /* The worker says how far it is after so many writes: the guest goes on meanwhile. */
    REPORT_EVERY = 16,
};

typedef struct RawWriter {
    BDRVRawState *s;
    QEMUBH *progress_bh;
    /* Home thread. */
    QSIMPLEQ_HEAD(, BlkTryWrite) waiting;
    unsigned called;  /* back, of the batch */
    unsigned calling; /* how many loops deep */
    bool running;     /* the batch has a worker */
    /* Constant while it has. */
    BlkTryWrite *batch[BATCH_MAX];
    unsigned size;
    unsigned done; /* atomic; worker */
} RawWriter;

/* Those of a thread by their BDRVRawState: there may be as many as the thread serves disks. */
typedef struct ThreadWriters {
    GHashTable *table;
    Notifier exit_notifier;
} ThreadWriters;

static __thread ThreadWriters thread_writers;

/* Worker */

static ssize_t write_once(int fd, const BlkTryWrite *w, int rw_flags)
{
    if (w->niov == 1 && !rw_flags) {
        return RETRY_ON_EINTR(pwrite(fd, w->iov->iov_base, w->iov->iov_len, w->offset));
    }
    return RETRY_ON_EINTR(pwritev2(fd, w->iov, w->niov, w->offset, rw_flags));
}

/* The first write of a node: can its file system do without waiting? */
static ssize_t probe_write(BDRVRawState *s, const BlkTryWrite *w)
{
    ssize_t ret = write_once(s->fd, w, RWF_NOWAIT);

    if (ret >= 0 || errno == EAGAIN) {
        qatomic_set(&s->writes, RAW_WRITES_NOWAIT);
    } else {
        qatomic_set(&s->writes, RAW_WRITES_BATCHED);
    }
    return ret >= 0 ? ret : write_once(s->fd, w, 0);
}

static int raw_writer_run(void *opaque)
{
    RawWriter *writer = opaque;
    BDRVRawState *s = writer->s;
    int64_t begin = get_clock(), end;

    for (unsigned i = 0; i < writer->size; i++) {
        BlkTryWrite *w = writer->batch[i];
        ssize_t ret = likely(qatomic_read(&s->writes) != RAW_WRITES_UNKNOWN)
                          ? write_once(s->fd, w, 0)
                          : probe_write(s, w);

        w->ret = ret < 0 ? -errno : (int)ret;
        end = get_clock();
        write_judge_note(&s->write_judge, begin, end, false);
        begin = end;
        if ((i + 1) % REPORT_EVERY == 0 && i + 1 < writer->size) {
            qatomic_store_release(&writer->done, i + 1);
            qemu_bh_schedule(writer->progress_bh);
        }
    }
    return 0;
}

/* Home thread */

static void raw_writer_done(void *opaque, int ret);

static void raw_writer_start(void *opaque)
{
    RawWriter *writer = opaque;

    if (writer->running || writer->called < writer->size) {
        return; /* raw_writer_progress() will */
    }
    writer->size = writer->called = 0;
    qatomic_set(&writer->done, 0);
    while (writer->size < BATCH_MAX && !QSIMPLEQ_EMPTY(&writer->waiting)) {
        writer->batch[writer->size++] = QSIMPLEQ_FIRST(&writer->waiting);
        QSIMPLEQ_REMOVE_HEAD(&writer->waiting, next);
    }
    if (writer->size > 0) {
        writer->running = true;
        thread_pool_submit_aio(raw_writer_run, writer, raw_writer_done, writer);
    }
}

static void raw_writer_free(RawWriter *writer)
{
    g_hash_table_remove(thread_writers.table, writer->s);
    qemu_bh_delete(writer->progress_bh);
    g_free(writer);
}

/*
 * Calls back who is done. A callback may poll: then a nested loop has to find the rest, and a
 * worker for what waits.
 */
static void raw_writer_progress(void *opaque)
{
    RawWriter *writer = opaque;

    writer->calling++;
    while (writer->called < qatomic_load_acquire(&writer->done)) {
        BlkTryWrite *w = writer->batch[writer->called++];

        if (writer->called == writer->size) {
            raw_writer_start(writer);
        } else if (writer->called < qatomic_read(&writer->done)) {
            qemu_bh_schedule(writer->progress_bh);
        }
        w->cb(w, w->ret < 0 ? w->ret : w->ret == w->bytes ? 0 : -EIO);
    }
    writer->calling--;
    if (!writer->running && !writer->calling && QSIMPLEQ_EMPTY(&writer->waiting)) {
        raw_writer_free(writer);
    }
}

static void raw_writer_done(void *opaque, int ret)
{
    RawWriter *writer = opaque;

    writer->running = false;
    qatomic_set(&writer->done, writer->size);
    raw_writer_progress(writer);
}

static void thread_writers_done(Notifier *notifier, void *unused)
{
    g_clear_pointer(&thread_writers.table, g_hash_table_unref);
}

static GHashTable *writers_of_thread(void)
{
    ThreadWriters *writers = &thread_writers;

    if (!writers->table) {
        writers->table = g_hash_table_new(NULL, NULL);
        writers->exit_notifier.notify = thread_writers_done;
        qemu_thread_atexit_add(&writers->exit_notifier);
    }
    return writers->table;
}

static RawWriter *raw_writer_of(BDRVRawState *s)
{
    GHashTable *writers = writers_of_thread();
    RawWriter *writer = g_hash_table_lookup(writers, s);

    if (writer) {
        return writer;
    }
    writer = g_new(RawWriter, 1);
    writer->s = s;
    writer->progress_bh = aio_bh_new(qemu_get_current_aio_context(), raw_writer_progress, writer);
    QSIMPLEQ_INIT(&writer->waiting);
    writer->called = writer->size = writer->done = writer->calling = 0;
    writer->running = false;
    g_hash_table_insert(writers, s, writer);
    return writer;
}

static void raw_write_later(BDRVRawState *s, BlkTryWrite *w)
{
    RawWriter *writer = raw_writer_of(s);

    QSIMPLEQ_INSERT_TAIL(&writer->waiting, w, next);
    if (!writer->running) {
        defer_call(raw_writer_start, writer);
    }
}

bool raw_writes_batched(const BDRVRawState *s)
{
    return s->batch_writes && !(s->use_io_uring && qatomic_read(&s->writes) == RAW_WRITES_NOWAIT &&
                                aio_has_io_uring());
}

/* 0 if it was done; else nothing is known of what has been written. */
static int raw_write_at_once(BDRVRawState *s, const BlkTryWrite *w)
{
    int64_t begin;
    ssize_t ret;

    if (!qemu_in_iothread()) {
        return -EAGAIN;
    }
    begin = get_clock();
    if (!write_judge_allows(&s->write_judge, w->bytes, begin)) {
        return -EAGAIN;
    }
    ret = write_once(s->fd, w, 0);
    write_judge_note(&s->write_judge, begin, get_clock(), true);
    return ret == w->bytes ? 0 : -EAGAIN;
}

int raw_try_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes, const struct iovec *iov,
                    int niov, BlkTryWrite *write)
{
    BDRVRawState *s = bs->opaque;

    if (!write || !raw_writes_batched(s) || niov > bs->bl.max_iov || bytes > bs->bl.max_transfer) {
        return -EAGAIN;
    }
    write->iov = iov;
    write->niov = niov;
    write->offset = offset;
    write->bytes = bytes;
    if (raw_write_at_once(s, write) == 0) {
        return 0;
    }
    raw_write_later(s, write);
    return -EINPROGRESS;
}

typedef struct RawCoWrite {
    BlkTryWrite write;
    Coroutine *co;
    bool done;
} RawCoWrite;

static void raw_co_write_done(BlkTryWrite *w, int ret)
{
    RawCoWrite *co_write = container_of(w, RawCoWrite, write);

    co_write->done = true;
    aio_co_wake(co_write->co);
}

int coroutine_fn raw_co_write_batched(BDRVRawState *s, const struct iovec *iov, int niov,
                                      int64_t offset, int64_t bytes)
{
    RawCoWrite w = {
        .write = { .cb = raw_co_write_done,
                   .iov = iov,
                   .niov = niov,
                   .offset = offset,
                   .bytes = bytes },
        .co = qemu_coroutine_self(),
    };

    raw_write_later(s, &w.write);
    while (!w.done) {
        qemu_coroutine_yield();
    }
    return w.write.ret;
}
