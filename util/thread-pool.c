/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker threads for calls that block.
 *
 * Theory of operation
 *
 * A request waits on @queue, is taken by a worker, and goes by way of @completed, a stack without
 * a lock, back to the context: the completion bottom half moves the stack to @done, oldest first,
 * and calls back.  Cancelling takes a waiting request off the queue and completes it the same way.
 *
 * A thread is started when more requests wait than threads are idle.  A thread ends when there
 * are more than thread-pool-max, or when it has found nothing to do for the idle time and there
 * are more than thread-pool-min.  Threads are detached; freeing waits until the last one has left.
 *
 * A thread whose request takes long may wait for a disk that never answers. It does not count, so
 * that the requests of other disks find threads; a timer looks for such threads while requests
 * wait.
 *
 * Where threads, or address space for them, are short, fewer do the work; where not even one can be
 * had, a request runs in the home thread.
 */
#include "qemu/osdep.h"
#include "block/thread-pool.h"
#include "qemu/address-space.h"
#include "qemu/coroutine.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "util/aio-posix.h"
#include "trace.h"

#define IDLE_MS_DEFAULT 10000
/* A request that takes longer waits for something that may never come. */
#define STUCK_NS INT64_C(250000000)
/* So many of them have threads beside those that there are for others. */
#define STUCK_THREADS_MAX 1024

typedef enum {
    REQUEST_QUEUED,
    REQUEST_TAKEN
} RequestState;

typedef struct ThreadPoolRequest ThreadPoolRequest;
struct ThreadPoolRequest {
    BlockAIOCB common;
    ThreadPoolAio *pool;
    ThreadPoolFunc *func;
    void *arg;
    RequestState state;                        /* lock */
    QTAILQ_ENTRY(ThreadPoolRequest) queued;    /* lock */
    int64_t begin;                             /* lock; get_clock() */
    bool stuck;                                /* lock */
    QTAILQ_ENTRY(ThreadPoolRequest) running;   /* lock */
    int ret;                                   /* worker, then home */
    QSLIST_ENTRY(ThreadPoolRequest) completed; /* worker, then home */
};

struct ThreadPoolAio {
    /* Constant after creation. */
    AioContext *ctx;
    QEMUBH *completion_bh;

    QemuMutex lock;
    QemuCond work;                          /* something to do, or to end */
    QemuCond left;                          /* nr_threads has become 0 */
    QTAILQ_HEAD(, ThreadPoolRequest) queue; /* lock, and what follows */
    int nr_queued;
    /* What threads are at, the oldest first; without those that are known to be stuck. */
    QTAILQ_HEAD(, ThreadPoolRequest) running;
    int nr_stuck;
    int nr_threads;
    int nr_idle;
    int min_threads;
    int max_threads;
    int idle_ms;
    bool stopping;

    QSLIST_HEAD(, ThreadPoolRequest) completed; /* atomic */

    /* Home thread. */
    QSLIST_HEAD(, ThreadPoolRequest) done; /* oldest first */
    int nr_requests;
    QEMUTimer *stuck_timer; /* pending: requests wait, and all threads are busy */
};

/*
 * How many threads there may be, under the lock. Those that are stuck do not count, since the
 * requests of a disk that never answers would take all of them, and all other disks' with them.
 */
static int threads_allowed(ThreadPoolAio *pool)
{
    int64_t since = get_clock() - STUCK_NS;
    ThreadPoolRequest *req;

    while ((req = QTAILQ_FIRST(&pool->running)) && req->begin < since) {
        QTAILQ_REMOVE(&pool->running, req, running);
        req->stuck = true;
        pool->nr_stuck++;
    }
    return pool->max_threads + MIN(pool->nr_stuck, STUCK_THREADS_MAX);
}

static void begin_running(ThreadPoolAio *pool, ThreadPoolRequest *req)
{
    req->begin = get_clock();
    QTAILQ_INSERT_TAIL(&pool->running, req, running);
}

static void end_running(ThreadPoolAio *pool, ThreadPoolRequest *req)
{
    if (req->stuck) {
        pool->nr_stuck--;
    } else {
        QTAILQ_REMOVE(&pool->running, req, running);
    }
}

/* Worker threads */

/* False when nothing came within the idle time.  One of the last threads waits without end. */
static bool wait_for_work(ThreadPoolAio *pool)
{
    bool in_time = true;

    pool->nr_idle++;
    if (pool->nr_threads > pool->min_threads) {
        in_time = qemu_cond_timedwait(&pool->work, &pool->lock, pool->idle_ms);
    } else {
        qemu_cond_wait(&pool->work, &pool->lock);
    }
    pool->nr_idle--;
    return in_time;
}

/* Takes the next request; NULL: the thread shall end.  Under the lock. */
static ThreadPoolRequest *next_request(ThreadPoolAio *pool)
{
    ThreadPoolRequest *req;
    bool in_time = true;

    for (;;) {
        if (pool->stopping || pool->nr_threads > threads_allowed(pool)) {
            return NULL;
        }
        req = QTAILQ_FIRST(&pool->queue);
        if (req) {
            break;
        }
        if (!in_time && pool->nr_threads > pool->min_threads) {
            return NULL;
        }
        in_time = wait_for_work(pool);
    }
    QTAILQ_REMOVE(&pool->queue, req, queued);
    pool->nr_queued--;
    req->state = REQUEST_TAKEN;
    begin_running(pool, req);
    return req;
}

static void complete_request(ThreadPoolRequest *req, int ret)
{
    ThreadPoolAio *pool = req->pool;

    req->ret = ret;
    QSLIST_INSERT_HEAD_ATOMIC(&pool->completed, req, completed);
    qemu_bh_schedule(pool->completion_bh);
}

static void *worker_thread(void *opaque)
{
    ThreadPoolAio *pool = opaque;
    ThreadPoolRequest *req;

    qemu_mutex_lock(&pool->lock);
    pool->nr_idle--;
    while ((req = next_request(pool))) {
        int ret;

        qemu_mutex_unlock(&pool->lock);
        ret = req->func(req->arg);
        qemu_mutex_lock(&pool->lock);
        end_running(pool, req);
        /* It is gone after that. */
        complete_request(req, ret);
    }
    pool->nr_threads--;
    if (pool->nr_threads == 0) {
        qemu_cond_signal(&pool->left);
    }
    qemu_mutex_unlock(&pool->lock);
    return NULL;
}

/* One that is starting counts as idle.  False: it cannot be had.  Under the lock. */
static bool start_thread(ThreadPoolAio *pool)
{
    QemuThread thread;

    if (!qemu_address_space_left(ADDRESS_SPACE_OF_THREAD + ADDRESS_SPACE_RESERVE) ||
        qemu_thread_try_create(&thread, "worker", worker_thread, pool, QEMU_THREAD_DETACHED) < 0) {
        return false;
    }
    pool->nr_threads++;
    pool->nr_idle++;
    return true;
}

/* Starts threads as they are needed.  Under the lock.  False if requests wait for more. */
static bool start_threads(ThreadPoolAio *pool)
{
    while (pool->nr_threads < pool->min_threads || pool->nr_queued > pool->nr_idle) {
        if (pool->nr_threads >= MAX(pool->min_threads, threads_allowed(pool)) ||
            !start_thread(pool)) {
            break;
        }
    }
    return pool->nr_queued <= pool->nr_idle;
}

/* Home thread */

static void look_for_stuck(void *opaque)
{
    ThreadPoolAio *pool = opaque;
    bool enough;

    WITH_QEMU_LOCK_GUARD (&pool->lock) {
        enough = start_threads(pool);
    }
    if (!enough) {
        timer_mod(pool->stuck_timer, get_clock() + STUCK_NS);
    }
}

static void take_completed(ThreadPoolAio *pool)
{
    QSLIST_HEAD(, ThreadPoolRequest) newest_first,
        oldest_first = QSLIST_HEAD_INITIALIZER(oldest_first);
    ThreadPoolRequest *req, **tail = &pool->done.slh_first;

    QSLIST_MOVE_ATOMIC(&newest_first, &pool->completed);
    while ((req = QSLIST_FIRST(&newest_first))) {
        QSLIST_REMOVE_HEAD(&newest_first, completed);
        QSLIST_INSERT_HEAD(&oldest_first, req, completed);
    }
    while (*tail) {
        tail = &(*tail)->completed.sle_next;
    }
    *tail = QSLIST_FIRST(&oldest_first);
}

static void thread_pool_completion_bh(void *opaque)
{
    ThreadPoolAio *pool = opaque;
    ThreadPoolRequest *req;

    take_completed(pool);
    while ((req = QSLIST_FIRST(&pool->done))) {
        QSLIST_REMOVE_HEAD(&pool->done, completed);
        pool->nr_requests--;
        if (!QSLIST_EMPTY(&pool->done)) {
            /* The callback may run a nested loop, which must serve the rest. */
            qemu_bh_schedule(pool->completion_bh);
        }
        trace_thread_pool_complete_aio(pool, req, req->common.opaque, req->ret);
        if (req->common.cb) {
            req->common.cb(req->common.opaque, req->ret);
        }
        qemu_aio_unref(req);
    }
}

static void thread_pool_cancel(BlockAIOCB *acb)
{
    ThreadPoolRequest *req = container_of(acb, ThreadPoolRequest, common);
    ThreadPoolAio *pool = req->pool;

    WITH_QEMU_LOCK_GUARD (&pool->lock) {
        if (req->state != REQUEST_QUEUED) {
            return;
        }
        QTAILQ_REMOVE(&pool->queue, req, queued);
        pool->nr_queued--;
        req->state = REQUEST_TAKEN;
    }
    trace_thread_pool_cancel_aio(req, req->common.opaque);
    complete_request(req, -ECANCELED);
}

static const AIOCBInfo thread_pool_aiocb_info = {
    .aiocb_size = sizeof(ThreadPoolRequest),
    .cancel_async = thread_pool_cancel,
};

/* False: there is no thread that could take it. */
static bool queue_request(ThreadPoolAio *pool, ThreadPoolRequest *req)
{
    QEMU_LOCK_GUARD(&pool->lock);
    pool->nr_queued++;
    if (!start_threads(pool) && !timer_pending(pool->stuck_timer)) {
        timer_mod(pool->stuck_timer, get_clock() + STUCK_NS);
    }
    if (pool->nr_threads == 0) {
        pool->nr_queued--;
        req->state = REQUEST_TAKEN;
        return false;
    }
    QTAILQ_INSERT_TAIL(&pool->queue, req, queued);
    qemu_cond_signal(&pool->work);
    return true;
}

BlockAIOCB *thread_pool_submit_aio(ThreadPoolFunc *func, void *arg, BlockCompletionFunc *cb,
                                   void *opaque)
{
    AioContext *ctx = qemu_get_current_aio_context();
    ThreadPoolAio *pool = aio_get_thread_pool(ctx);
    ThreadPoolRequest *req = qemu_aio_get(&thread_pool_aiocb_info, NULL, cb, opaque);

    req->pool = pool;
    req->func = func;
    req->arg = arg;
    req->state = REQUEST_QUEUED;
    pool->nr_requests++;
    trace_thread_pool_submit_aio(pool, req, arg);
    if (!queue_request(pool, req)) {
        complete_request(req, func(arg));
    }
    return &req->common;
}

typedef struct {
    Coroutine *co;
    int ret;
    bool done;
} ThreadPoolCall;

static void thread_pool_co_cb(void *opaque, int ret)
{
    ThreadPoolCall *call = opaque;

    call->ret = ret;
    call->done = true;
    aio_co_wake(call->co);
}

int coroutine_fn thread_pool_submit_co(ThreadPoolFunc *func, void *arg)
{
    ThreadPoolCall call = { .co = qemu_coroutine_self() };

    thread_pool_submit_aio(func, arg, thread_pool_co_cb, &call);
    while (!call.done) {
        qemu_coroutine_yield();
    }
    return call.ret;
}

/* Life */

void thread_pool_update_params(ThreadPoolAio *pool, AioContext *ctx)
{
    QEMU_LOCK_GUARD(&pool->lock);
    pool->min_threads = qatomic_read(&ctx->thread_pool_min);
    pool->max_threads = qatomic_read(&ctx->thread_pool_max);
    start_threads(pool);
    /* Idle threads beyond the new maximum end. */
    qemu_cond_broadcast(&pool->work);
}

void thread_pool_set_idle_ms(ThreadPoolAio *pool, int ms)
{
    QEMU_LOCK_GUARD(&pool->lock);
    pool->idle_ms = ms;
    qemu_cond_broadcast(&pool->work);
}

int thread_pool_nr_threads(ThreadPoolAio *pool)
{
    QEMU_LOCK_GUARD(&pool->lock);
    return pool->nr_threads;
}

ThreadPoolAio *thread_pool_new_aio(AioContext *ctx)
{
    ThreadPoolAio *pool = g_new0(ThreadPoolAio, 1);

    pool->ctx = ctx;
    pool->completion_bh = aio_bh_new(ctx, thread_pool_completion_bh, pool);
    pool->stuck_timer = aio_timer_new(ctx, QEMU_CLOCK_REALTIME, SCALE_NS, look_for_stuck, pool);
    pool->idle_ms = IDLE_MS_DEFAULT;
    qemu_mutex_init(&pool->lock);
    qemu_cond_init(&pool->work);
    qemu_cond_init(&pool->left);
    QTAILQ_INIT(&pool->queue);
    QTAILQ_INIT(&pool->running);
    thread_pool_update_params(pool, ctx);
    return pool;
}

void thread_pool_free_aio(ThreadPoolAio *pool)
{
    if (!pool) {
        return;
    }
    assert(pool->nr_requests == 0);
    WITH_QEMU_LOCK_GUARD (&pool->lock) {
        pool->stopping = true;
        qemu_cond_broadcast(&pool->work);
        while (pool->nr_threads > 0) {
            qemu_cond_wait(&pool->left, &pool->lock);
        }
    }
    timer_free(pool->stuck_timer);
    qemu_bh_delete(pool->completion_bh);
    qemu_cond_destroy(&pool->left);
    qemu_cond_destroy(&pool->work);
    qemu_mutex_destroy(&pool->lock);
    g_free(pool);
}
