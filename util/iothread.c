/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IOThread: an AioContext with a thread that runs it.
 *
 * Theory of operation
 *
 * complete() makes the context and starts the thread, which calls aio_poll() until a bottom half
 * tells it to stop.  When somebody asks for a GMainContext, the thread changes over to running
 * that, with the AioContext's GSource attached.  What is left in the context when the thread is
 * told to stop is run before it ends.
 *
 * Properties set before completion are kept; later ones take effect at once.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/wakeup-cost.h"
#include "block/thread-pool.h"
#include "qom/object_interfaces.h"
#include "system/iothread.h"

struct IOThread {
    Object parent_obj;

    /* Main loop. */
    QemuThread thread;
    AioContext *ctx;              /* NULL until completed */
    GMainContext *worker_context; /* NULL until asked for */
    GMainLoop *main_loop;         /* likewise */
    unsigned users;
    bool started;

    /* Properties; main loop. */
    int64_t poll_max_ns;
    bool poll_max_is_set; /* by the user: no more than that, then */
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t poll_weight;
    int64_t aio_max_batch;
    int64_t thread_pool_min;
    int64_t thread_pool_max;

    QemuSemaphore ready; /* thread_id is set */
    int thread_id;

    bool running;      /* the thread's own, after its start */
    bool run_gcontext; /* atomic */
};

static __thread IOThread *my_iothread;

static GHashTable *iothreads; /* those that run, by their contexts; main loop */

bool qemu_in_iothread(void)
{
    return my_iothread != NULL;
}

/* The thread */

static void *iothread_run(void *opaque)
{
    IOThread *iothread = opaque;

    my_iothread = iothread;
    qemu_set_current_aio_context(iothread->ctx);
    iothread->thread_id = qemu_get_thread_id();
    qemu_sem_post(&iothread->ready);
    while (iothread->running) {
        if (qatomic_load_acquire(&iothread->run_gcontext)) {
            g_main_context_push_thread_default(iothread->worker_context);
            g_main_loop_run(iothread->main_loop);
            g_main_context_pop_thread_default(iothread->worker_context);
        } else {
            aio_poll(iothread->ctx, true);
        }
    }
    while (aio_poll(iothread->ctx, false)) {
        /* What came after the order to stop. */
    }
    qemu_set_current_aio_context(NULL);
    return NULL;
}

static void iothread_stop_bh(void *opaque)
{
    IOThread *iothread = opaque;

    iothread->running = false;
    if (iothread->main_loop) {
        g_main_loop_quit(iothread->main_loop);
    }
}

void iothread_stop(IOThread *iothread)
{
    if (!iothread->started) {
        return;
    }
    iothread->started = false;
    aio_bh_schedule_oneshot(iothread->ctx, iothread_stop_bh, iothread);
    qemu_thread_join(&iothread->thread);
}

GMainContext *iothread_get_g_main_context(IOThread *iothread)
{
    g_autoptr(GSource) source = NULL;

    GLOBAL_STATE_CODE();
    if (!iothread->worker_context) {
        iothread->worker_context = g_main_context_new();
        iothread->main_loop = g_main_loop_new(iothread->worker_context, TRUE);
        source = aio_get_g_source(iothread->ctx);
        g_source_attach(source, iothread->worker_context);
        qatomic_store_release(&iothread->run_gcontext, true);
        aio_notify(iothread->ctx);
    }
    return iothread->worker_context;
}

/* Properties */

/*
 * Who answers us may have to wake up for it, and so may whoever wakes us: the default is for hosts
 * where that is cheap.
 */
static int64_t poll_ceiling(IOThread *iothread)
{
    return iothread->poll_max_is_set ? 0 : iothread->poll_max_ns + 2 * qemu_wakeup_cost_ns();
}

static bool apply_poll(IOThread *iothread, Error **errp)
{
    Error *local_err = NULL;

    aio_context_set_poll_ceiling(iothread->ctx, poll_ceiling(iothread));
    aio_context_set_poll_params(iothread->ctx, iothread->poll_max_ns, iothread->poll_grow,
                                iothread->poll_shrink, &local_err);
    if (!local_err) {
        aio_context_set_poll_weight(iothread->ctx, iothread->poll_weight, &local_err);
    }
    error_propagate(errp, local_err);
    return !local_err;
}

static bool apply_batch(IOThread *iothread, Error **errp)
{
    aio_context_set_aio_params(iothread->ctx, iothread->aio_max_batch);
    return true;
}

static bool apply_pool(IOThread *iothread, Error **errp)
{
    Error *local_err = NULL;

    aio_context_set_thread_pool_params(iothread->ctx, iothread->thread_pool_min,
                                       iothread->thread_pool_max, &local_err);
    error_propagate(errp, local_err);
    return !local_err;
}

typedef struct {
    const char *name;
    size_t offset;
    int64_t min, max;
    bool (*apply)(IOThread *iothread, Error **errp);
    const char *description;
} IOThreadParam;

static const IOThreadParam iothread_params[] = {
    { "poll-max-ns", offsetof(IOThread, poll_max_ns), 0, INT64_MAX, apply_poll,
      "longest busy wait for events, in nanoseconds; 0: none" },
    { "poll-grow", offsetof(IOThread, poll_grow), 0, INT64_MAX, apply_poll,
      "factor by which the busy wait grows; 0: the default" },
    { "poll-shrink", offsetof(IOThread, poll_shrink), 0, INT64_MAX, apply_poll,
      "divisor by which the busy wait shrinks; 0: to nothing" },
    { "poll-weight", offsetof(IOThread, poll_weight), 0, 31, apply_poll,
      "the last wait counts one part in two to this power; 0: the default" },
    { "aio-max-batch", offsetof(IOThread, aio_max_batch), 0, INT64_MAX, apply_batch,
      "most requests in one submission; 0: the engine's default" },
    { "thread-pool-min", offsetof(IOThread, thread_pool_min), 0, INT_MAX, apply_pool,
      "worker threads kept when idle" },
    { "thread-pool-max", offsetof(IOThread, thread_pool_max), 1, INT_MAX, apply_pool,
      "worker threads at most" },
};

static int64_t *param_field(Object *obj, const IOThreadParam *param)
{
    return (int64_t *)((char *)IOTHREAD(obj) + param->offset);
}

static void iothread_get_param(Object *obj, Visitor *v, const char *name, void *opaque,
                               Error **errp)
{
    int64_t value = *param_field(obj, opaque);

    visit_type_int64(v, name, &value, errp);
}

static void iothread_set_param(Object *obj, Visitor *v, const char *name, void *opaque,
                               Error **errp)
{
    const IOThreadParam *param = opaque;
    IOThread *iothread = IOTHREAD(obj);
    int64_t *field = param_field(obj, param), before = *field, value;

    if (!visit_type_int64(v, name, &value, errp)) {
        return;
    }
    if (value < param->min || value > param->max) {
        error_setg(errp, "%s value must be in range [%" PRId64 ", %" PRId64 "]", name, param->min,
                   param->max);
        return;
    }
    *field = value;
    iothread->poll_max_is_set |= field == &iothread->poll_max_ns;
    if (iothread->ctx && !param->apply(iothread, errp)) {
        *field = before;
    }
}

/* The object */

static void iothread_complete(UserCreatable *uc, Error **errp)
{
    IOThread *iothread = IOTHREAD(uc);
    g_autofree char *id = iothread_get_id(iothread);
    g_autofree char *thread_name = g_strdup_printf("IO %s", id ?: "");
    int err;

    iothread->ctx = aio_context_new(errp);
    if (!iothread->ctx) {
        return;
    }
    if (!apply_poll(iothread, errp) || !apply_batch(iothread, errp) ||
        !apply_pool(iothread, errp)) {
        aio_context_unref(iothread->ctx);
        iothread->ctx = NULL;
        return;
    }
    iothread->running = true;
    err = qemu_thread_try_create(&iothread->thread, thread_name, iothread_run, iothread,
                                 QEMU_THREAD_JOINABLE);
    if (err < 0) {
        error_setg_errno(errp, -err, "Cannot start the thread of iothread '%s'", id ?: "");
        iothread->running = false;
        aio_context_unref(iothread->ctx);
        iothread->ctx = NULL;
        return;
    }
    iothread->started = true;
    qemu_sem_wait(&iothread->ready);
    if (!iothreads) {
        iothreads = g_hash_table_new(NULL, NULL);
    }
    g_hash_table_insert(iothreads, iothread->ctx, iothread);
}

static bool iothread_can_be_deleted(UserCreatable *uc)
{
    return IOTHREAD(uc)->users == 0;
}

static void iothread_instance_init(Object *obj)
{
    IOThread *iothread = IOTHREAD(obj);

    iothread->poll_max_ns = IOTHREAD_POLL_MAX_NS_DEFAULT;
    iothread->thread_pool_max = THREAD_POOL_MAX_THREADS_DEFAULT;
    qemu_sem_init(&iothread->ready, 0);
}

static void iothread_instance_finalize(Object *obj)
{
    IOThread *iothread = IOTHREAD(obj);

    assert(iothread->users == 0);
    if (iothreads) {
        g_hash_table_remove(iothreads, iothread->ctx);
        if (!g_hash_table_size(iothreads)) {
            g_clear_pointer(&iothreads, g_hash_table_unref);
        }
    }
    iothread_stop(iothread);
    if (iothread->worker_context) {
        g_source_destroy(&iothread->ctx->source);
        g_main_loop_unref(iothread->main_loop);
        g_main_context_unref(iothread->worker_context);
    }
    if (iothread->ctx) {
        aio_context_unref(iothread->ctx);
    }
    qemu_sem_destroy(&iothread->ready);
}

static void iothread_class_init(ObjectClass *klass, const void *class_data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(klass);

    ucc->complete = iothread_complete;
    ucc->can_be_deleted = iothread_can_be_deleted;
    for (size_t i = 0; i < ARRAY_SIZE(iothread_params); i++) {
        const IOThreadParam *param = &iothread_params[i];

        object_class_property_add(klass, param->name, "int", iothread_get_param, iothread_set_param,
                                  NULL, (void *)param);
        object_class_property_set_description(klass, param->name, param->description);
    }
}

static const TypeInfo iothread_info = {
    .name = TYPE_IOTHREAD,
    .parent = TYPE_OBJECT,
    .class_init = iothread_class_init,
    .instance_size = sizeof(IOThread),
    .instance_init = iothread_instance_init,
    .instance_finalize = iothread_instance_finalize,
    .interfaces = (const InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};

static void iothread_register_types(void)
{
    type_register_static(&iothread_info);
}

type_init(iothread_register_types)

/* For users */

char *iothread_get_id(IOThread *iothread)
{
    return g_strdup(object_get_canonical_path_component(OBJECT(iothread)));
}

AioContext *iothread_get_aio_context(IOThread *iothread)
{
    return iothread->ctx;
}

IOThread *iothread_by_id(const char *id)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    return obj ? (IOThread *)object_dynamic_cast(obj, TYPE_IOTHREAD) : NULL;
}

IOThread *iothread_by_aio_context(AioContext *ctx)
{
    IOThread *iothread = iothreads ? g_hash_table_lookup(iothreads, ctx) : NULL;

    GLOBAL_STATE_CODE();
    return iothread && OBJECT(iothread)->parent == object_get_objects_root() ? iothread : NULL;
}

IOThread *iothread_create(const char *id, Error **errp)
{
    Object *obj = object_new_with_props(TYPE_IOTHREAD, object_get_internal_root(), id, errp, NULL);

    return obj ? IOTHREAD(obj) : NULL;
}

void iothread_destroy(IOThread *iothread)
{
    object_unparent(OBJECT(iothread));
}

void iothread_get_user(IOThread *iothread)
{
    GLOBAL_STATE_CODE();
    iothread->users++;
}

void iothread_put_user(IOThread *iothread)
{
    GLOBAL_STATE_CODE();
    assert(iothread->users > 0);
    iothread->users--;
}

typedef struct {
    void (*fn)(const IOThreadStatus *status, void *opaque);
    void *opaque;
} IOThreadWalk;

static int iothread_visit(Object *obj, void *opaque)
{
    IOThread *iothread = (IOThread *)object_dynamic_cast(obj, TYPE_IOTHREAD);
    IOThreadWalk *walk = opaque;
    IOThreadStatus status;

    if (iothread) {
        status = (IOThreadStatus){
            .id = object_get_canonical_path_component(obj),
            .thread_id = iothread->thread_id,
            .poll_max_ns = iothread->poll_max_ns,
            .poll_grow = iothread->poll_grow,
            .poll_shrink = iothread->poll_shrink,
            .poll_weight = iothread->poll_weight,
            .aio_max_batch = iothread->aio_max_batch,
        };
        walk->fn(&status, walk->opaque);
    }
    return 0;
}

void iothread_foreach(void (*fn)(const IOThreadStatus *status, void *opaque), void *opaque)
{
    IOThreadWalk walk = { .fn = fn, .opaque = opaque };

    object_child_foreach(object_get_objects_root(), iothread_visit, &walk);
}
