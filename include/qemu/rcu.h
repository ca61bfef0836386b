/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Read-copy-update, as far as code that comes from QEMU needs it to compile and be right.
 *
 * Readers mark what they do; synchronize_rcu() returns when every reader that had begun before has
 * ended. It is a lock that prefers readers: they never wait for more than the moment in which
 * synchronize_rcu() finds out that there are none, and may nest. Nothing of ours is that busy.
 * What readers look at is read by qatomic_rcu_read() and replaced by qatomic_rcu_set().
 */
#ifndef QEMU_RCU_H
#define QEMU_RCU_H

#include "qemu/atomic.h"
#include "qemu/compiler.h"

/* Readers need no registration here; kept because threads of QEMU's do it. Any thread. */
void rcu_register_thread(void);
void rcu_unregister_thread(void);

/* Begin and end of a reader; they nest. Any thread; not to be held across a coroutine's yield. */
void rcu_read_lock(void);
void rcu_read_unlock(void);

/* Wait for the readers that have begun. Any thread that is no reader itself. */
void synchronize_rcu(void);

/* Lies in what call_rcu() shall free. */
struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};
typedef void RCUCBFunc(struct rcu_head *head);

/*
 * Have @func(@head) called in a thread of RCU's, after the readers that have begun have ended; in
 * the order of the calls. Any thread, readers too; does not wait.
 */
void call_rcu1(struct rcu_head *head, RCUCBFunc *func);

/* Wait until what has been given to call_rcu1() has been called. Not from a reader. */
void drain_call_rcu(void);

/* @func(@obj) later, of any type that has the rcu_head @field as its first member. */
#define call_rcu(obj, func, field)                                   \
    ({                                                               \
        __typeof__(obj) rcu_obj_ = (obj);                            \
        void (*rcu_func_)(__typeof__(obj)) = (func);                 \
        QEMU_BUILD_BUG_ON(offsetof(__typeof__(*(obj)), field) != 0); \
        call_rcu1(&rcu_obj_->field, (RCUCBFunc *)rcu_func_);         \
    })

/* The same with g_free(). */
#define g_free_rcu(obj, field)                                       \
    ({                                                               \
        QEMU_BUILD_BUG_ON(offsetof(__typeof__(*(obj)), field) != 0); \
        call_rcu1(&(obj)->field, (RCUCBFunc *)(void *)g_free);       \
    })

/* A reader until the end of the block, or for this block: break and return end it too. */
typedef struct RCUReadAuto RCUReadAuto;

static inline RCUReadAuto *rcu_read_auto_lock(void)
{
    rcu_read_lock();
    /* Anything that is not NULL: nobody follows it. */
    return (RCUReadAuto *)1;
}

static inline void rcu_read_auto_unlock(RCUReadAuto *reader)
{
    rcu_read_unlock();
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RCUReadAuto, rcu_read_auto_unlock)

#define RCU_READ_LOCK_GUARD() \
    g_autoptr(RCUReadAuto) MAKE_IDENTIFIER(rcu_read_) G_GNUC_UNUSED = rcu_read_auto_lock()
#define WITH_RCU_READ_LOCK_NAMED_(var)                           \
    for (g_autoptr(RCUReadAuto) var = rcu_read_auto_lock(); var; \
         rcu_read_auto_unlock(var), var = NULL)
#define WITH_RCU_READ_LOCK_GUARD() WITH_RCU_READ_LOCK_NAMED_(MAKE_IDENTIFIER(with_rcu_))

#endif /* QEMU_RCU_H */
