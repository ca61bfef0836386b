/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IOThread: a user-creatable object that is a thread with an AioContext.
 *
 * Theory of operation
 *
 * The thread starts when the object is completed and ends when it is finalized.  A user (an
 * export, say) names itself with iothread_get_user() and lets go with iothread_put_user(); while
 * there is one, object-del is refused.
 */
#ifndef IOTHREAD_H
#define IOTHREAD_H

#include "block/aio.h"
#include "qemu/thread.h"
#include "qom/object.h"

#define TYPE_IOTHREAD "iothread"

typedef struct IOThread IOThread;

#define IOTHREAD_POLL_MAX_NS_DEFAULT 32768

OBJECT_DECLARE_SIMPLE_TYPE(IOThread, IOTHREAD)

/* What query-iothreads tells of one. */
typedef struct IOThreadStatus {
    const char *id;
    int thread_id;
    int64_t poll_max_ns;
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t poll_weight;
    int64_t aio_max_batch;
} IOThreadStatus;

/** iothread_get_id: the object's name; the caller frees it.  Main loop. */
char *iothread_get_id(IOThread *iothread);

/** iothread_by_id: the object /objects/@id if it is an IOThread, else NULL.  Main loop. */
IOThread *iothread_by_id(const char *id);

/** iothread_by_aio_context: the object in /objects whose context is @ctx, or NULL.  Main loop. */
IOThread *iothread_by_aio_context(AioContext *ctx);

/** iothread_get_aio_context: lives as long as @iothread.  Any thread. */
AioContext *iothread_get_aio_context(IOThread *iothread);

/** iothread_get_g_main_context: a GMainContext that @iothread runs from now on.  Main loop. */
GMainContext *iothread_get_g_main_context(IOThread *iothread);

/** iothread_create: an IOThread named @id among the internal objects; NULL and @errp set. */
IOThread *iothread_create(const char *id, Error **errp);

/** iothread_stop: end the thread and join it; no user may be left.  Main loop; blocks. */
void iothread_stop(IOThread *iothread);

/** iothread_destroy: stop and drop the reference of iothread_create(). */
void iothread_destroy(IOThread *iothread);

/** iothread_get_user, iothread_put_user: while used, @iothread cannot be deleted.  Main loop. */
void iothread_get_user(IOThread *iothread);
void iothread_put_user(IOThread *iothread);

/** iothread_foreach: call @fn for each user-created IOThread with its state.  Main loop. */
void iothread_foreach(void (*fn)(const IOThreadStatus *status, void *opaque), void *opaque);

/** qemu_in_iothread: is the calling thread an IOThread? */
bool qemu_in_iothread(void);

#endif
