/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AioContexts in several threads that send each other coroutines, bottom halves and timers. */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"

#define THREADS 4
#define ROUNDS  2000

typedef struct {
    AioContext *ctx;
    QemuThread thread;
    bool stop; /* its thread's */
} Loop;

static Loop loops[THREADS];

static void *run_loop(void *opaque)
{
    Loop *loop = opaque;

    qemu_set_current_aio_context(loop->ctx);
    while (!loop->stop) {
        aio_poll(loop->ctx, true);
    }
    return NULL;
}

static void stop_loop(void *opaque)
{
    ((Loop *)opaque)->stop = true;
}

static void loops_start(int64_t poll_max_ns)
{
    for (int i = 0; i < THREADS; i++) {
        loops[i] = (Loop){ .ctx = aio_context_new(&error_abort) };
        aio_context_set_poll_params(loops[i].ctx, poll_max_ns, 0, 0, &error_abort);
        qemu_thread_create(&loops[i].thread, "loop", run_loop, &loops[i], QEMU_THREAD_JOINABLE);
    }
}

static void loops_end(void)
{
    for (int i = 0; i < THREADS; i++) {
        aio_bh_schedule_oneshot(loops[i].ctx, stop_loop, &loops[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_join(&loops[i].thread);
    }
    /* A loop may have been waking another up until its own end. */
    for (int i = 0; i < THREADS; i++) {
        aio_context_unref(loops[i].ctx);
    }
}

static int left; /* atomic: coroutines or chains not yet at their end */

static void one_less(void)
{
    qatomic_dec(&left);
    aio_wait_kick();
}

static void wait_for_all(void)
{
    AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_load_acquire(&left) > 0);
}

/* Coroutines that go round. */

static void coroutine_fn go_round(void *opaque)
{
    unsigned *seed = opaque;

    for (int i = 0; i < ROUNDS; i++) {
        AioContext *to = loops[rand_r(seed) % THREADS].ctx;

        aio_co_reschedule_self(to);
        g_assert_true(qemu_get_current_aio_context() == to);
        g_assert_true(qemu_coroutine_get_aio_context(qemu_coroutine_self()) == to);
    }
    one_less();
}

static void go_round_with(int64_t poll_max_ns)
{
    unsigned seeds[16];

    loops_start(poll_max_ns);
    left = ARRAY_SIZE(seeds);
    for (int i = 0; i < ARRAY_SIZE(seeds); i++) {
        seeds[i] = i;
        aio_co_enter(loops[i % THREADS].ctx, qemu_coroutine_create(go_round, &seeds[i]));
    }
    wait_for_all();
    loops_end();
}

static void test_coroutines_move(void)
{
    go_round_with(0);
}

static void test_coroutines_move_between_polling_loops(void)
{
    go_round_with(20000);
}

/* One coroutine sleeps, another thread wakes it. */

static Coroutine *sleeper; /* atomic */

static void coroutine_fn sleep_often(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        qatomic_set_mb(&sleeper, qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    one_less();
}

static void *wake_often(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        Coroutine *co;

        while (!(co = qatomic_xchg(&sleeper, NULL))) {
            g_thread_yield();
        }
        aio_co_wake(co);
    }
    return NULL;
}

static void test_wake_from_outside(void)
{
    QemuThread thread;

    loops_start(0);
    left = 1;
    qemu_thread_create(&thread, "wake", wake_often, NULL, QEMU_THREAD_JOINABLE);
    aio_co_enter(loops[0].ctx, qemu_coroutine_create(sleep_often, NULL));
    wait_for_all();
    qemu_thread_join(&thread);
    loops_end();
}

/* Bottom halves. */

typedef struct {
    QEMUBH *bh;
    int turn;
    int seen; /* written by whichever thread has the turn */
} Chain;

static void chain_bh(void *opaque)
{
    Chain *chain = opaque;

    g_assert_cmpint(chain->seen, ==, chain->turn);
    chain->seen++;
    if (++chain->turn == ROUNDS) {
        one_less();
    } else {
        aio_bh_schedule_oneshot(loops[chain->turn % THREADS].ctx, chain_bh, chain);
    }
}

static void test_bottom_halves_hand_over(void)
{
    Chain chains[8] = { 0 };

    loops_start(0);
    left = ARRAY_SIZE(chains);
    for (int i = 0; i < ARRAY_SIZE(chains); i++) {
        aio_bh_schedule_oneshot(loops[i % THREADS].ctx, chain_bh, &chains[i]);
    }
    wait_for_all();
    loops_end();
}

typedef struct {
    QEMUBH *bh;
    int posted; /* atomic */
    int taken;  /* home */
} Mailbox;

static void take_mail(void *opaque)
{
    Mailbox *box = opaque;

    box->taken += qatomic_xchg(&box->posted, 0);
}

static void *post_mail(void *opaque)
{
    Mailbox *box = opaque;

    for (int i = 0; i < ROUNDS; i++) {
        qatomic_inc(&box->posted);
        qemu_bh_schedule(box->bh);
    }
    return NULL;
}

static void test_no_schedule_is_lost(void)
{
    QemuThread threads[THREADS];
    Mailbox box = { 0 };

    loops_start(0);
    box.bh = aio_bh_new(loops[0].ctx, take_mail, &box);
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_create(&threads[i], "post", post_mail, &box, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_join(&threads[i]);
    }
    aio_wait_bh_oneshot(loops[0].ctx, take_mail, &box);
    g_assert_cmpint(box.taken, ==, THREADS * ROUNDS);
    qemu_bh_delete(box.bh);
    loops_end();
}

static void never_called(void *opaque)
{
    g_assert_not_reached();
}

static void delete_again(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        QEMUBH *bh = aio_bh_new(loops[1].ctx, never_called, NULL);

        qemu_bh_delete(bh);
    }
    one_less();
}

static void test_deleted_elsewhere_is_freed(void)
{
    loops_start(0);
    left = 1;
    aio_bh_schedule_oneshot(loops[0].ctx, delete_again, NULL);
    wait_for_all();
    loops_end();
}

/* A mutex between coroutines of all threads. */

static CoMutex mutex;
static int guarded;

static void coroutine_fn lock_often(void *opaque)
{
    for (int i = 0; i < ROUNDS; i++) {
        qemu_co_mutex_lock(&mutex);
        guarded++;
        qemu_co_mutex_unlock(&mutex);
    }
    one_less();
}

static void test_comutex_excludes(void)
{
    qemu_co_mutex_init(&mutex);
    guarded = 0;
    loops_start(0);
    left = 2 * THREADS;
    for (int i = 0; i < 2 * THREADS; i++) {
        aio_co_enter(loops[i % THREADS].ctx, qemu_coroutine_create(lock_often, NULL));
    }
    wait_for_all();
    g_assert_cmpint(guarded, ==, 2 * THREADS * ROUNDS);
    loops_end();
}

static void count_one(void *opaque)
{
    qatomic_inc((int *)opaque);
}

/* Just when its thread runs it, or has taken it off the list to do so. */
static void test_timers_freed_elsewhere(void)
{
    int count = 0;

    loops_start(SCALE_MS);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t expire = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + 20 * SCALE_US;
        QEMUTimer *timer =
            aio_timer_new(loops[0].ctx, QEMU_CLOCK_REALTIME, SCALE_NS, count_one, &count);

        timer_mod(timer, expire);
        while (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < expire + i % 100 * 100) {
        }
        timer_free(timer);
    }
    loops_end();
    g_assert_cmpint(count, <=, ROUNDS);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    qemu_init_main_loop(&error_abort);
    harness_add("/aio-multithread/coroutines_move", test_coroutines_move);
    harness_add("/aio-multithread/coroutines_move_between_polling_loops",
                test_coroutines_move_between_polling_loops);
    harness_add("/aio-multithread/sleeping_coroutine_is_woken_from_outside",
                test_wake_from_outside);
    harness_add("/aio-multithread/bottom_halves_hand_over", test_bottom_halves_hand_over);
    harness_add("/aio-multithread/no_schedule_is_lost", test_no_schedule_is_lost);
    harness_add("/aio-multithread/deleted_elsewhere_is_freed", test_deleted_elsewhere_is_freed);
    harness_add("/aio-multithread/comutex_excludes", test_comutex_excludes);
    harness_add("/aio-multithread/timers_freed_elsewhere", test_timers_freed_elsewhere);
    return harness_run();
}
