/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines in IOThreads that send requests without end until they are told to stop.
 *
 * workers_start() starts them; each calls the function it was given again and again. workers_stop()
 * runs the main loop until all have ended.
 */
#ifndef TESTS_UNIT_BLOCK_WORKERS_H
#define TESTS_UNIT_BLOCK_WORKERS_H

#include "qemu/atomic.h"
#include "system/iothread.h"
#include "tests/unit/block-test.h"

#define THREADS            3
#define WORKERS_PER_THREAD 4
#define WORKERS            (THREADS * WORKERS_PER_THREAD)

typedef struct Worker {
    /* Constant. */
    BlockBackend *blk;
    int nr;
    void coroutine_fn (*step)(struct Worker *w);
    /* Atomic. */
    uint64_t steps;
    /* The worker's own. */
    unsigned round;
} Worker;

static struct {
    IOThread *threads[THREADS];
    Worker workers[WORKERS];
    bool stop;
    int running;
} crew;

static void coroutine_fn worker_entry(void *opaque)
{
    Worker *w = opaque;

    while (!qatomic_read(&crew.stop)) {
        w->step(w);
        qatomic_inc(&w->steps);
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    qatomic_dec(&crew.running);
    aio_wait_kick();
}

static inline void workers_start(BlockBackend *blk, void coroutine_fn (*step)(Worker *w))
{
    crew.stop = false;
    crew.running = WORKERS;
    for (int i = 0; i < THREADS; i++) {
        g_autofree char *id = g_strdup_printf("t%d", i);

        crew.threads[i] = iothread_create(id, &error_abort);
    }
    for (int i = 0; i < WORKERS; i++) {
        crew.workers[i] = (Worker){ .blk = blk, .nr = i, .step = step };
        aio_co_schedule(iothread_get_aio_context(crew.threads[i % THREADS]),
                        qemu_coroutine_create(worker_entry, &crew.workers[i]));
    }
}

static inline void workers_stop(void)
{
    qatomic_set(&crew.stop, true);
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&crew.running) > 0);
}

/* After the node has gone home. */
static inline void workers_free_threads(void)
{
    for (int i = 0; i < THREADS; i++) {
        iothread_destroy(crew.threads[i]);
    }
}

static inline uint64_t workers_steps(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < WORKERS; i++) {
        sum += qatomic_read(&crew.workers[i].steps);
    }
    return sum;
}

/* Until at least @n steps more have been made. */
static inline void workers_let_run(uint64_t n)
{
    uint64_t goal = workers_steps() + n;

    while (workers_steps() < goal) {
        aio_poll(qemu_get_aio_context(), false);
        g_usleep(100);
    }
}

#endif
