/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which IOThreads an export uses, and which queue runs in which. */
#include "qemu/osdep.h"
#include "export-threads.h"
#include "qapi/error.h"
#include "system/iothread.h"

struct BlockExportThreads {
    GPtrArray *iothreads; /* in use by us, in the user's order */
    GHashTable *queues;   /* queue -> number of its thread; NULL: in turn */
};

static void put_iothread(gpointer iothread)
{
    iothread_put_user(iothread);
}

static bool take_iothread(BlockExportThreads *t, const char *id, Error **errp)
{
    IOThread *iothread = iothread_by_id(id);

    if (!iothread) {
        error_setg(errp, "iothread \"%s\" not found", id);
        return false;
    }
    if (g_ptr_array_find(t->iothreads, iothread, NULL)) {
        error_setg(errp, "iothread \"%s\" is named more than once", id);
        return false;
    }
    iothread_get_user(iothread);
    g_ptr_array_add(t->iothreads, iothread);
    return true;
}

static bool take_list(BlockExportThreads *t, const BlockExportIothreads *iothread, Error **errp)
{
    if (iothread->type == QTYPE_QSTRING) {
        return take_iothread(t, iothread->u.single, errp);
    }
    if (!iothread->u.multi) {
        error_setg(errp, "The set of I/O threads must not be empty");
        return false;
    }
    for (const strList *entry = iothread->u.multi; entry; entry = entry->next) {
        if (!take_iothread(t, entry->value, errp)) {
            return false;
        }
    }
    return true;
}

/* The queues that are pinned to the thread that was taken last. */
static bool pin_queues(BlockExportThreads *t, const IOThreadVirtQueueMapping *entry, Error **errp)
{
    for (const uint16List *vq = entry->vqs; vq; vq = vq->next) {
        gpointer key = GUINT_TO_POINTER(vq->value);

        if (g_hash_table_contains(t->queues, key)) {
            error_setg(errp, "iothread-vq-mapping names queue %u more than once", vq->value);
            return false;
        }
        g_hash_table_insert(t->queues, key, GUINT_TO_POINTER(t->iothreads->len - 1));
    }
    return true;
}

static bool take_mapping(BlockExportThreads *t, const IOThreadVirtQueueMappingList *mapping,
                         Error **errp)
{
    if (mapping->value->has_vqs) {
        t->queues = g_hash_table_new(NULL, NULL);
    }
    for (; mapping; mapping = mapping->next) {
        const IOThreadVirtQueueMapping *entry = mapping->value;

        if (!take_iothread(t, entry->iothread, errp)) {
            return false;
        }
        if (entry->has_vqs != !!t->queues) {
            error_setg(errp,
                       "iothread-vq-mapping: either all entries have 'vqs' or none, unlike "
                       "that of iothread \"%s\"",
                       entry->iothread);
            return false;
        }
        if (t->queues && !pin_queues(t, entry, errp)) {
            return false;
        }
    }
    return true;
}

BlockExportThreads *blk_exp_threads_new(const BlockExportDriver *drv,
                                        const BlockExportThreadOptions *options, Error **errp)
{
    g_autoptr(BlockExportThreads) t = g_new0(BlockExportThreads, 1);

    t->iothreads = g_ptr_array_new_with_free_func(put_iothread);
    if (options->iothread && options->mapping) {
        error_setg(errp, "iothread and iothread-vq-mapping cannot be given together");
        return NULL;
    }
    if ((options->iothread && !take_list(t, options->iothread, errp)) ||
        (options->mapping && !take_mapping(t, options->mapping, errp))) {
        return NULL;
    }
    if (t->iothreads->len > 1 && !drv->supports_multithreading) {
        error_setg(errp, "%s export does not support multi-threading",
                   BlockExportType_str(drv->type));
        return NULL;
    }
    return g_steal_pointer(&t);
}

void blk_exp_threads_free(BlockExportThreads *t)
{
    if (t) {
        g_ptr_array_unref(t->iothreads);
        g_clear_pointer(&t->queues, g_hash_table_unref);
        g_free(t);
    }
}

bool blk_exp_threads_fit(const BlockExportThreads *t, unsigned num_queues, Error **errp)
{
    GHashTableIter iter;
    gpointer key;

    if (!t->queues) {
        return true;
    }
    g_hash_table_iter_init(&iter, t->queues);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (GPOINTER_TO_UINT(key) >= num_queues) {
            error_setg(errp, "iothread-vq-mapping names queue %u, but num-queues=%u",
                       GPOINTER_TO_UINT(key), num_queues);
            return false;
        }
    }
    for (unsigned i = 0; i < num_queues; i++) {
        if (!g_hash_table_contains(t->queues, GUINT_TO_POINTER(i))) {
            error_setg(errp, "iothread-vq-mapping has no iothread for queue %u", i);
            return false;
        }
    }
    return true;
}

strList *blk_exp_threads_names(const BlockExportThreads *t)
{
    strList *head = NULL, **tail = &head;

    for (guint i = 0; i < t->iothreads->len; i++) {
        QAPI_LIST_APPEND(tail, iothread_get_id(t->iothreads->pdata[i]));
    }
    return head;
}

AioContext *blk_exp_threads_home(const BlockExportThreads *t)
{
    return t->iothreads->len ? iothread_get_aio_context(t->iothreads->pdata[0]) : NULL;
}

AioContext *blk_exp_threads_queue(const BlockExportThreads *t, unsigned queue)
{
    unsigned n = t->iothreads->len;

    if (n < 2) {
        return NULL;
    }
    if (t->queues) {
        n = GPOINTER_TO_UINT(g_hash_table_lookup(t->queues, GUINT_TO_POINTER(queue)));
    } else {
        n = queue % n;
    }
    return iothread_get_aio_context(t->iothreads->pdata[n]);
}
