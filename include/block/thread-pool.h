/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker threads for calls that block: one pool per AioContext.
 *
 * Theory of operation
 *
 * The pool starts threads as work comes, up to the context's thread-pool-max besides those that
 * have been at one request for a quarter of a second, and lets those beyond thread-pool-min end
 * after ten idle seconds.  Work is taken in the order of submission.
 * A worker puts the result on the context's list of completions; a bottom half calls back.
 */
#ifndef QEMU_THREAD_POOL_H
#define QEMU_THREAD_POOL_H

#include "block/aio.h"

#define THREAD_POOL_MAX_THREADS_DEFAULT 64

/* Runs in a worker thread; returns the result: 0 or positive, or -errno. */
typedef int ThreadPoolFunc(void *opaque);

/** thread_pool_new_aio: a pool whose completions run in @ctx; no thread yet. */
ThreadPoolAio *thread_pool_new_aio(AioContext *ctx);

/** thread_pool_free_aio: end all threads.  Home thread; nothing is submitted any more. */
void thread_pool_free_aio(ThreadPoolAio *pool);

/**
 * thread_pool_submit_aio: run @func(@arg) in a worker of the current context's pool, then
 * @cb(@opaque, result) in the current context.  The request may be cancelled by
 * bdrv_aio_cancel(): work that no thread has begun completes with -ECANCELED.
 */
BlockAIOCB *thread_pool_submit_aio(ThreadPoolFunc *func, void *arg, BlockCompletionFunc *cb,
                                   void *opaque);

/** thread_pool_submit_co: run @func(@arg) in a worker; yields; returns its result. */
int coroutine_fn thread_pool_submit_co(ThreadPoolFunc *func, void *arg);

/** thread_pool_update_params: take over @ctx's numbers of threads.  Any thread. */
void thread_pool_update_params(ThreadPoolAio *pool, AioContext *ctx);

/** thread_pool_set_idle_ms: how long a thread too many waits for work before it ends.  Any thread.
 */
void thread_pool_set_idle_ms(ThreadPoolAio *pool, int ms);

/** thread_pool_nr_threads: how many threads there are now.  Any thread. */
int thread_pool_nr_threads(ThreadPoolAio *pool);

#endif
