/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Read-copy-update, as far as code that comes from QEMU needs it to compile and be right.
 *
 * Readers mark what they do; synchronize_rcu() returns when every reader that had begun before has
 * ended. It is a lock that prefers readers: they never wait for more than the moment in which
 * synchronize_rcu() finds out that there are none, and may nest. Nothing of ours is that busy.
 * There is no call_rcu().
 */
#ifndef QEMU_RCU_H
#define QEMU_RCU_H

/* Readers need no registration here; kept because threads of QEMU's do it. Any thread. */
void rcu_register_thread(void);
void rcu_unregister_thread(void);

/* Begin and end of a reader; they nest. Any thread; not to be held across a coroutine's yield. */
void rcu_read_lock(void);
void rcu_read_unlock(void);

/* Wait for the readers that have begun. Any thread that is no reader itself. */
void synchronize_rcu(void);

#endif /* QEMU_RCU_H */
