/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Atomic operations and memory barriers, in the C11 memory model.
 *
 * Read-modify-write operations are sequentially consistent; qatomic_read() and qatomic_set() are
 * relaxed: they only promise one undivided access. Order comes from qatomic_load_acquire(),
 * qatomic_store_release() or the barriers.
 */
#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

#include "qemu/compiler.h"

#define QATOMIC_CHECK_SIZE_(ptr) \
    _Static_assert(sizeof(*(ptr)) <= 8, "no undivided access to something this large")

/*
 * QEMU strips qualifiers of a value by adding 0 to it, in the operations that have a variable for
 * it, so no pointer to an incomplete type goes there. What compiles here shall compile there.
 */
#define QATOMIC_CHECK_COMPLETE_(ptr) ((void)sizeof(*(ptr) + 0))

/* Barriers between accesses of this thread. The thread sanitizer's runtime has its own entry. */
#if defined(__SANITIZE_THREAD__) || (defined(__clang__) && __has_feature(thread_sanitizer))
void __tsan_atomic_thread_fence(int order);
#define QATOMIC_FENCE_(order) __tsan_atomic_thread_fence(order)
#else
#define QATOMIC_FENCE_(order) __atomic_thread_fence(order)
#endif

#define smp_mb()         QATOMIC_FENCE_(__ATOMIC_SEQ_CST)
#define smp_mb_acquire() QATOMIC_FENCE_(__ATOMIC_ACQUIRE)
#define smp_mb_release() QATOMIC_FENCE_(__ATOMIC_RELEASE)
#define smp_rmb()        smp_mb_acquire()
#define smp_wmb()        smp_mb_release()
/* Full barriers beside a sequentially consistent read-modify-write, which is one itself on x86. */
#if defined(__x86_64__) || defined(__i386__) || defined(__s390x__)
#define smp_mb__before_rmw() barrier()
#define smp_mb__after_rmw()  barrier()
#else
#define smp_mb__before_rmw() smp_mb()
#define smp_mb__after_rmw()  smp_mb()
#endif
#define smp_read_barrier_depends() barrier()

/* Kept apart from other data that other processors write. */
#define QEMU_CACHE_LINE 64

/* One access */
#define qatomic_read__nocheck(ptr)   __atomic_load_n(ptr, __ATOMIC_RELAXED)
#define qatomic_set__nocheck(ptr, i) __atomic_store_n(ptr, i, __ATOMIC_RELAXED)
#define qatomic_read(ptr)                       \
    __extension__({                             \
        QATOMIC_CHECK_SIZE_(ptr);               \
        __atomic_load_n(ptr, __ATOMIC_RELAXED); \
    })
#define qatomic_set(ptr, i)                         \
    do {                                            \
        QATOMIC_CHECK_SIZE_(ptr);                   \
        __atomic_store_n(ptr, i, __ATOMIC_RELAXED); \
    } while (0)
#define qatomic_load_acquire(ptr)               \
    __extension__({                             \
        QATOMIC_CHECK_SIZE_(ptr);               \
        QATOMIC_CHECK_COMPLETE_(ptr);           \
        __atomic_load_n(ptr, __ATOMIC_ACQUIRE); \
    })
#define qatomic_store_release(ptr, i)               \
    do {                                            \
        QATOMIC_CHECK_SIZE_(ptr);                   \
        __atomic_store_n(ptr, i, __ATOMIC_RELEASE); \
    } while (0)
/* Store, then a full barrier. */
#define qatomic_set_mb(ptr, i)  ((void)qatomic_xchg(ptr, i))
#define qatomic_rcu_read(ptr)   qatomic_load_acquire(ptr)
#define qatomic_rcu_set(ptr, i) qatomic_store_release(ptr, i)

/* Exchanges: the value before */
#define qatomic_xchg__nocheck(ptr, i) __atomic_exchange_n(ptr, (i), __ATOMIC_SEQ_CST)
#define qatomic_xchg(ptr, i)                             \
    __extension__({                                      \
        QATOMIC_CHECK_SIZE_(ptr);                        \
        __atomic_exchange_n(ptr, (i), __ATOMIC_SEQ_CST); \
    })
#define qatomic_cmpxchg__nocheck(ptr, expected, desired)                                     \
    __extension__({                                                                          \
        QATOMIC_CHECK_COMPLETE_(ptr);                                                        \
        __typeof__(*(ptr)) cmpxchg_seen_ = (expected);                                       \
        (void)__atomic_compare_exchange_n(ptr, &cmpxchg_seen_, desired, 0, __ATOMIC_SEQ_CST, \
                                          __ATOMIC_SEQ_CST);                                 \
        cmpxchg_seen_;                                                                       \
    })
#define qatomic_cmpxchg(ptr, expected, desired)           \
    __extension__({                                       \
        QATOMIC_CHECK_SIZE_(ptr);                         \
        qatomic_cmpxchg__nocheck(ptr, expected, desired); \
    })

/* Arithmetic: fetch_op gives the value before, op_fetch the value after */
#define qatomic_fetch_add(ptr, n) __atomic_fetch_add(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_fetch_sub(ptr, n) __atomic_fetch_sub(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_fetch_and(ptr, n) __atomic_fetch_and(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_fetch_or(ptr, n)  __atomic_fetch_or(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_fetch_xor(ptr, n) __atomic_fetch_xor(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_fetch_inc(ptr)    qatomic_fetch_add(ptr, 1)
#define qatomic_fetch_dec(ptr)    qatomic_fetch_sub(ptr, 1)
#define qatomic_add_fetch(ptr, n) __atomic_add_fetch(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_sub_fetch(ptr, n) __atomic_sub_fetch(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_and_fetch(ptr, n) __atomic_and_fetch(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_or_fetch(ptr, n)  __atomic_or_fetch(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_xor_fetch(ptr, n) __atomic_xor_fetch(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_inc_fetch(ptr)    qatomic_add_fetch(ptr, 1)
#define qatomic_dec_fetch(ptr)    qatomic_sub_fetch(ptr, 1)

/* The same without a result */
#define qatomic_inc(ptr)    ((void)qatomic_fetch_add(ptr, 1))
#define qatomic_dec(ptr)    ((void)qatomic_fetch_sub(ptr, 1))
#define qatomic_add(ptr, n) ((void)qatomic_fetch_add(ptr, n))
#define qatomic_sub(ptr, n) ((void)qatomic_fetch_sub(ptr, n))
#define qatomic_and(ptr, n) ((void)qatomic_fetch_and(ptr, n))
#define qatomic_or(ptr, n)  ((void)qatomic_fetch_or(ptr, n))
#define qatomic_xor(ptr, n) ((void)qatomic_fetch_xor(ptr, n))

#endif
