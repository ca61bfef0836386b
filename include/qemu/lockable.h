/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any lock: code that takes "a lock" of whatever kind, and guards that unlock at the end of a
 * block.
 *
 *     QEMU_LOCK_GUARD(&s->mutex);                      until the end of the block
 *     WITH_QEMU_LOCK_GUARD(&s->mutex) { ... }          for this block; break and return unlock too
 *
 * The lock may be a QemuMutex, QemuRecMutex, QemuSpin, CoMutex (in a coroutine) or QemuLockable.
 */
#ifndef QEMU_LOCKABLE_H
#define QEMU_LOCKABLE_H

#include "qemu/coroutine-core.h"
#include "qemu/thread.h"

typedef void QemuLockUnlockFunc(void *);

struct QemuLockable {
    void *object;
    QemuLockUnlockFunc *lock;
    QemuLockUnlockFunc *unlock;
};

#define QEMU_LOCKABLE_FNS_(name, type, lock_fn, unlock_fn)               \
    static inline void TSA_NO_TSA qemu_lockable_##name##_lock(void *x)   \
    {                                                                    \
        lock_fn((type *)x);                                              \
    }                                                                    \
    static inline void TSA_NO_TSA qemu_lockable_##name##_unlock(void *x) \
    {                                                                    \
        unlock_fn((type *)x);                                            \
    }

QEMU_LOCKABLE_FNS_(mutex, QemuMutex, qemu_mutex_lock, qemu_mutex_unlock)
QEMU_LOCKABLE_FNS_(rec_mutex, QemuRecMutex, qemu_rec_mutex_lock, qemu_rec_mutex_unlock)
QEMU_LOCKABLE_FNS_(co_mutex, CoMutex, qemu_co_mutex_lock, qemu_co_mutex_unlock)
QEMU_LOCKABLE_FNS_(spin, QemuSpin, qemu_spin_lock, qemu_spin_unlock)
#undef QEMU_LOCKABLE_FNS_

/* @lockable, or NULL when the lock @x is NULL. */
static inline QemuLockable *qemu_make_lockable(void *x, QemuLockable *lockable)
{
    return x ? lockable : NULL;
}

/* For a literal NULL; any other untyped pointer is refused. */
static inline QemuLockable *qemu_null_lockable(void *x)
{
    assert(x == NULL);
    return NULL;
}

#define QEMU_LOCKABLE_OF_(x, name)                          \
    &(QemuLockable)                                         \
    {                                                       \
        .object = (x), .lock = qemu_lockable_##name##_lock, \
        .unlock = qemu_lockable_##name##_unlock             \
    }

/* A QemuLockable for @x that lives as long as the block; NULL for NULL. */
#define QEMU_MAKE_LOCKABLE(x) \
    _Generic((x),                                                                                  \
        QemuLockable *: (x),                                                                       \
        void *: qemu_null_lockable(x),                                                             \
        QemuMutex *: qemu_make_lockable(x, QEMU_LOCKABLE_OF_(x, mutex)),                           \
        QemuRecMutex *: qemu_make_lockable(x, QEMU_LOCKABLE_OF_(x, rec_mutex)),                    \
        CoMutex *: qemu_make_lockable(x, QEMU_LOCKABLE_OF_(x, co_mutex)),                          \
        QemuSpin *: qemu_make_lockable(x, QEMU_LOCKABLE_OF_(x, spin)))

/* The same for a lock that is known not to be NULL. */
#define QEMU_MAKE_LOCKABLE_NONNULL(x)                      \
    _Generic((x), QemuLockable *                           \
             : (x), QemuMutex *                            \
             : QEMU_LOCKABLE_OF_(x, mutex), QemuRecMutex * \
             : QEMU_LOCKABLE_OF_(x, rec_mutex), CoMutex *  \
             : QEMU_LOCKABLE_OF_(x, co_mutex), QemuSpin *  \
             : QEMU_LOCKABLE_OF_(x, spin))

static inline void qemu_lockable_lock(QemuLockable *x)
{
    x->lock(x->object);
}

static inline void qemu_lockable_unlock(QemuLockable *x)
{
    x->unlock(x->object);
}

static inline QemuLockable *qemu_lockable_auto_lock(QemuLockable *x)
{
    qemu_lockable_lock(x);
    return x;
}

static inline void qemu_lockable_auto_unlock(QemuLockable *x)
{
    if (x) {
        qemu_lockable_unlock(x);
    }
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuLockable, qemu_lockable_auto_unlock)

#define QEMU_LOCK_GUARD_NAMED_(x, var)          \
    g_autoptr(QemuLockable) var G_GNUC_UNUSED = \
        qemu_lockable_auto_lock(QEMU_MAKE_LOCKABLE_NONNULL(x))
#define QEMU_LOCK_GUARD(x) QEMU_LOCK_GUARD_NAMED_(x, MAKE_IDENTIFIER(lock_guard_))

#define WITH_QEMU_LOCK_GUARD_NAMED_(x, var)                                                    \
    for (g_autoptr(QemuLockable) var = qemu_lockable_auto_lock(QEMU_MAKE_LOCKABLE_NONNULL(x)); \
         var; qemu_lockable_auto_unlock(var), var = NULL)
#define WITH_QEMU_LOCK_GUARD(x) WITH_QEMU_LOCK_GUARD_NAMED_(x, MAKE_IDENTIFIER(with_lock_))

#endif
