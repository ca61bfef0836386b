/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RCU: what is synchronized waits for readers, and readers do not wait for it. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "harness.h"

static int *shared; /* atomic */
static int step;    /* atomic */

static void wait_for_step(int n)
{
    while (qatomic_load_acquire(&step) < n) {
        g_usleep(100);
    }
}

static void *reader(void *opaque)
{
    int *seen;

    rcu_register_thread();
    rcu_read_lock();
    seen = qatomic_load_acquire(&shared);
    qatomic_store_release(&step, 1);
    wait_for_step(2);
    /* The other one may be waiting; a nested reader goes on nevertheless. */
    rcu_read_lock();
    g_assert_cmpint(*seen, ==, 1);
    rcu_read_unlock();
    g_assert_cmpint(*seen, ==, 1);
    rcu_read_unlock();
    rcu_unregister_thread();
    return NULL;
}

static void *frees_the_old_one(void *opaque)
{
    int *old = qatomic_xchg(&shared, (int *)opaque);

    qatomic_store_release(&step, 2);
    synchronize_rcu();
    *old = 0;
    return NULL;
}

static void test_synchronize_waits_for_readers(void)
{
    for (int i = 0; i < 100; i++) {
        QemuThread threads[2];
        int old = 1, new = 2;

        shared = &old;
        step = 0;
        qemu_thread_create(&threads[0], "reader", reader, NULL, QEMU_THREAD_JOINABLE);
        wait_for_step(1);
        qemu_thread_create(&threads[1], "writer", frees_the_old_one, &new, QEMU_THREAD_JOINABLE);
        qemu_thread_join(&threads[0]);
        qemu_thread_join(&threads[1]);
        g_assert_cmpint(old, ==, 0);
        g_assert_true(shared == &new);
    }
}

static void test_nobody_reads(void)
{
    synchronize_rcu();
    rcu_read_lock();
    rcu_read_unlock();
    synchronize_rcu();
}

typedef struct Freed {
    struct rcu_head rcu;
    int number;
} Freed;

static int calls; /* atomic */

static void free_in_order(Freed *f)
{
    g_assert_cmpint(f->number, ==, qatomic_read(&calls));
    g_free(f);
    qatomic_inc(&calls);
}

static void test_later_calls_wait_for_readers(void)
{
    enum {
        COUNT = 1000,
    };

    calls = 0;
    WITH_RCU_READ_LOCK_GUARD()
    {
        for (int i = 0; i < COUNT; i++) {
            Freed *f = g_new0(Freed, 1);

            f->number = i;
            call_rcu(f, free_in_order, rcu);
        }
        /* Not that it would show every time: the thread has had no time, or waits for us. */
        g_usleep(1000);
        g_assert_cmpint(qatomic_read(&calls), ==, 0);
    }
    g_free_rcu(g_new0(Freed, 1), rcu);
    drain_call_rcu();
    g_assert_cmpint(qatomic_read(&calls), ==, COUNT);
    /* Nothing is left to wait for. */
    drain_call_rcu();
}

static int read_and_return(int *value)
{
    RCU_READ_LOCK_GUARD();

    for (;;) {
        WITH_RCU_READ_LOCK_GUARD()
        {
            return qatomic_read(value);
        }
    }
}

static void test_a_block_reads(void)
{
    int value = 5;

    g_assert_cmpint(read_and_return(&value), ==, 5);
    for (int i = 0; i < 2; i++) {
        WITH_RCU_READ_LOCK_GUARD()
        {
            break;
        }
    }
    /* Would wait for ever if one still read. */
    synchronize_rcu();
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/rcu/synchronize_waits_for_readers", test_synchronize_waits_for_readers);
    harness_add("/rcu/without_readers_nobody_waits", test_nobody_reads);
    harness_add("/rcu/later_calls_wait_for_readers", test_later_calls_wait_for_readers);
    harness_add("/rcu/a_block_reads_to_its_end_however_it_ends", test_a_block_reads);
    return harness_run();
}
