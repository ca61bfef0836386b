/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The insides of qemu/thread.h's types on POSIX; include that header. */
#ifndef QEMU_THREAD_POSIX_H
#define QEMU_THREAD_POSIX_H

#include <pthread.h>

struct QemuMutex {
    pthread_mutex_t lock;
    bool initialized;
};

typedef struct QemuRecMutex {
    QemuMutex m;
} QemuRecMutex;

typedef struct QemuCond {
    pthread_cond_t cond;
    bool initialized;
} QemuCond;

typedef struct QemuSemaphore {
    QemuMutex mutex;
    QemuCond cond;
    unsigned count; /* mutex: how many may pass */
} QemuSemaphore;

typedef struct QemuEvent {
    unsigned value; /* atomic */
    bool initialized;
} QemuEvent;

typedef struct QemuThread {
    pthread_t thread;
} QemuThread;

#endif
