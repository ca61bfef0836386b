/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guards and locks of any kind. */
#include "qemu/osdep.h"
#include "qemu/coroutine.h"
#include "qemu/lockable.h"
#include "harness.h"

static QemuMutex mutex;
static QemuRecMutex rec_mutex;
static QemuSpin spin;
static CoMutex co_mutex;

static bool mutex_is_free(void)
{
    int ret = qemu_mutex_trylock(&mutex);

    if (ret == 0) {
        qemu_mutex_unlock(&mutex);
    }
    return ret == 0;
}

static int leave_in_the_middle(int how)
{
    for (int i = 0; i < 3; i++) {
        WITH_QEMU_LOCK_GUARD (&mutex) {
            g_assert_false(mutex_is_free());
            if (how == 0) {
                return i;
            }
            if (how == 1) {
                break;
            }
            if (how == 2) {
                continue;
            }
        }
        g_assert_true(mutex_is_free());
    }
    return -1;
}

static void test_guard_unlocks_however_the_block_is_left(void)
{
    {
        QEMU_LOCK_GUARD(&mutex);
        QEMU_LOCK_GUARD(&spin);
        g_assert_false(mutex_is_free());
        g_assert_true(qemu_spin_locked(&spin));
    }
    g_assert_true(mutex_is_free());
    g_assert_false(qemu_spin_locked(&spin));
    for (int how = 0; how < 4; how++) {
        g_assert_cmpint(leave_in_the_middle(how), ==, how == 0 ? 0 : -1);
        g_assert_true(mutex_is_free());
    }
}

static void test_null_makes_null(void)
{
    CoMutex *no_co_mutex = NULL;
    QemuMutex *no_mutex = NULL;
    QemuLockable *no_lockable = NULL;

    g_assert_null(QEMU_MAKE_LOCKABLE(NULL));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_co_mutex));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_mutex));
    g_assert_null(QEMU_MAKE_LOCKABLE(no_lockable));
}

static void lock_and_unlock(QemuLockable *x, bool (*is_free)(void))
{
    g_assert_nonnull(x);
    g_assert_true(is_free());
    qemu_lockable_lock(x);
    g_assert_false(is_free());
    qemu_lockable_unlock(x);
    g_assert_true(is_free());
}

static bool spin_is_free(void)
{
    return !qemu_spin_locked(&spin);
}

static bool co_mutex_is_free(void)
{
    return co_mutex.state == 0;
}

static void coroutine_fn lock_co_mutex(void *opaque)
{
    lock_and_unlock(QEMU_MAKE_LOCKABLE(&co_mutex), co_mutex_is_free);
    WITH_QEMU_LOCK_GUARD (&co_mutex) {
        qemu_co_mutex_assert_locked(&co_mutex);
    }
    *(bool *)opaque = co_mutex_is_free();
}

static void test_any_kind_locks_and_unlocks(void)
{
    QemuLockable *x = QEMU_MAKE_LOCKABLE_NONNULL(&mutex);
    bool done = false;

    lock_and_unlock(QEMU_MAKE_LOCKABLE(&mutex), mutex_is_free);
    lock_and_unlock(QEMU_MAKE_LOCKABLE(&spin), spin_is_free);
    g_assert_true(QEMU_MAKE_LOCKABLE(x) == x);
    WITH_QEMU_LOCK_GUARD (&rec_mutex) {
        WITH_QEMU_LOCK_GUARD (&rec_mutex) {
            g_assert_nonnull(QEMU_MAKE_LOCKABLE(&rec_mutex));
        }
    }
    qemu_coroutine_enter(qemu_coroutine_create(lock_co_mutex, &done));
    g_assert_true(done);
}

int main(int argc, char **argv)
{
    int status;

    harness_init(&argc, &argv);
    qemu_mutex_init(&mutex);
    qemu_rec_mutex_init(&rec_mutex);
    qemu_spin_init(&spin);
    qemu_co_mutex_init(&co_mutex);
    harness_add("/lockable/guard_unlocks_however_the_block_is_left",
                test_guard_unlocks_however_the_block_is_left);
    harness_add("/lockable/null_makes_null", test_null_makes_null);
    harness_add("/lockable/any_kind_locks_and_unlocks", test_any_kind_locks_and_unlocks);
    status = harness_run();
    qemu_rec_mutex_destroy(&rec_mutex);
    qemu_mutex_destroy(&mutex);
    return status;
}
