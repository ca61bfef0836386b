/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Read-copy-update by a lock that prefers readers; see the header. */
#include "qemu/osdep.h"
#include "qemu/rcu.h"

/* The C library's default kind: who reads already may do so again, even if somebody synchronizes.
 */
static pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;

void rcu_register_thread(void)
{
}

void rcu_unregister_thread(void)
{
}

void rcu_read_lock(void)
{
    int ret = pthread_rwlock_rdlock(&readers);

    assert(ret == 0);
}

void rcu_read_unlock(void)
{
    pthread_rwlock_unlock(&readers);
}

void synchronize_rcu(void)
{
    int ret = pthread_rwlock_wrlock(&readers);

    assert(ret == 0);
    pthread_rwlock_unlock(&readers);
}
