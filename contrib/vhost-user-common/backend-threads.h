/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads of a back-end program, and which queue belongs to which. */
#ifndef BACKEND_THREADS_H
#define BACKEND_THREADS_H

#include "vhost-user-backend.h"

typedef struct VuBackendThreads VuBackendThreads;

/** vu_backend_threads_new: start as many as the options say. NULL with @errp set. Main thread. */
VuBackendThreads *vu_backend_threads_new(VuBackend *backend, Error **errp);

/** vu_backend_threads_free: join them. Main thread; blocks. NULL is fine. */
void vu_backend_threads_free(VuBackendThreads *threads);

/** vu_backend_threads_context: where @queue is handled. Any thread. */
AioContext *vu_backend_threads_context(const VuBackendThreads *threads, int queue);

/** vu_backend_threads_close: no queue is kicked any more when this returns. Main thread; blocks. */
void vu_backend_threads_close(VuBackendThreads *threads);

/** vu_backend_threads_open: may @queue be kicked? In its own thread. */
bool vu_backend_threads_open(const VuBackendThreads *threads, int queue);

#endif
