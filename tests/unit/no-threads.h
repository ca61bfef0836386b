/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For one file of a test program: threads that cannot be had. */
#ifndef TESTS_UNIT_NO_THREADS_H
#define TESTS_UNIT_NO_THREADS_H

#include <dlfcn.h>
#include <pthread.h>

static bool no_threads; /* pthread_create() says that there are none */

/* Our own instead of the C library's, which it calls when it may. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*routine)(void *),
                   void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (no_threads) {
        return EAGAIN;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    }
    return real(thread, attr, routine, arg);
}

#endif
