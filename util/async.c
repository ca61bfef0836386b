/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AioContext: its life, whose it is, and how it is woken.
 *
 * Theory of operation
 *
 * To wake costs a system call, so it is done only for a loop that sleeps.  A loop that is about to
 * sleep raises notify_me and then looks at notified; one who brings work sets notified and then
 * looks at notify_me.  Both do so in one total order (sequential consistency), so at least one of
 * them sees the other: the loop does not sleep, or it is woken through its event notifier.  Who
 * finds notified set already can stop there: whoever set it does the rest.
 *
 * The loop clears notified before it looks at what has been brought (aio_notify_accept()).
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "block/thread-pool.h"
#include "qapi/error.h"
#include "qemu/defer-call.h"
#include "qemu/main-loop.h"
#include "util/aio-posix.h"

/* notify_me: the GSource's bit, and what each aio_poll() adds. */
#define NOTIFY_ME_GSOURCE 1u
#define NOTIFY_ME_POLL    2u

#define AIO_POLL_GROW_MAX (1 << 16)

static __thread AioContext *current_ctx;

AioContext *qemu_get_current_aio_context(void)
{
    return current_ctx;
}

void qemu_set_current_aio_context(AioContext *ctx)
{
    current_ctx = ctx;
}

/* Waking */

void aio_notify(AioContext *ctx)
{
    if (qatomic_xchg(&ctx->notified, true)) {
        return;
    }
    if (__atomic_load_n(&ctx->notify_me, __ATOMIC_SEQ_CST)) {
        event_notifier_set(&ctx->notifier);
    }
}

void aio_notify_work(AioContext *ctx)
{
    /* A loop that is not between looking for work and sleeping sees its own thread's work. */
    if (current_ctx != ctx || qatomic_read(&ctx->notify_me)) {
        aio_notify(ctx);
    }
}

void aio_notify_accept(AioContext *ctx)
{
    /* The exchange also makes visible what was written before the notifications. */
    if (qatomic_read(&ctx->notified)) {
        qatomic_xchg(&ctx->notified, false);
    }
}

bool aio_sleep_begin(AioContext *ctx)
{
    qatomic_fetch_add(&ctx->notify_me, NOTIFY_ME_POLL);
    return !__atomic_load_n(&ctx->notified, __ATOMIC_SEQ_CST);
}

void aio_sleep_end(AioContext *ctx)
{
    qatomic_fetch_sub(&ctx->notify_me, NOTIFY_ME_POLL);
}

int64_t aio_compute_timeout(AioContext *ctx)
{
    int64_t timeout;

    if (aio_pending(ctx) || aio_co_pending(ctx)) {
        return 0;
    }
    timeout = aio_bh_timeout(ctx);
    if (timeout == 0) {
        return 0;
    }
    return qemu_soonest_timeout(timeout, timerlistgroup_deadline_ns(&ctx->tlg));
}

static void aio_notifier_read(EventNotifier *notifier)
{
    event_notifier_test_and_clear(notifier);
}

static void aio_timerlist_notify(void *opaque, QEMUClockType type)
{
    aio_notify_work(opaque);
}

/* As a GSource */

static gboolean aio_source_prepare(GSource *source, gint *timeout)
{
    AioContext *ctx = container_of(source, AioContext, source);
    int64_t ns;

    qatomic_fetch_or(&ctx->notify_me, NOTIFY_ME_GSOURCE);
    defer_call_flush();
    aio_poll_end(ctx);
    ctx->fdmon_ops->gsource_prepare(ctx);
    ns = aio_compute_timeout(ctx);
    /* What the kernel did not take (it was interrupted, say) must not be slept over. */
    if (__atomic_load_n(&ctx->notified, __ATOMIC_SEQ_CST) || ctx->fdmon_ops->need_wait(ctx)) {
        ns = 0;
    }
    *timeout = qemu_timeout_ns_to_ms(ns);
    return ns == 0;
}

bool aio_has_event(AioContext *ctx)
{
    return qatomic_read(&ctx->notified) || ctx->fdmon_ops->gsource_check(ctx) ||
           aio_compute_timeout(ctx) == 0;
}

static gboolean aio_source_check(GSource *source)
{
    AioContext *ctx = container_of(source, AioContext, source);

    qatomic_fetch_and(&ctx->notify_me, ~NOTIFY_ME_GSOURCE);
    return aio_has_event(ctx);
}

static gboolean aio_source_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    AioContext *ctx = container_of(source, AioContext, source);

    assert(callback == NULL);
    /* check() has not run if prepare() had found work. */
    qatomic_fetch_and(&ctx->notify_me, ~NOTIFY_ME_GSOURCE);
    ctx->fdmon_ops->gsource_dispatch(ctx);
    aio_dispatch(ctx);
    return G_SOURCE_CONTINUE;
}

static void aio_source_finalize(GSource *source)
{
    AioContext *ctx = container_of(source, AioContext, source);

    if (!ctx->pollers) {
        return; /* aio_context_new() has failed */
    }
    thread_pool_free_aio(ctx->thread_pool);
    aio_bh_destroy_all(ctx);
    assert(QSLIST_EMPTY(&ctx->co_incoming) && QSLIST_EMPTY(&ctx->co_pending));
    aio_set_event_notifier(ctx, &ctx->notifier, NULL, NULL, NULL);
    aio_context_destroy(ctx);
    event_notifier_cleanup(&ctx->notifier);
    timerlistgroup_deinit(&ctx->tlg);
    qemu_mutex_destroy(&ctx->list_lock);
}

static GSourceFuncs aio_source_funcs = {
    aio_source_prepare, aio_source_check, aio_source_dispatch, aio_source_finalize, NULL, NULL,
};

GSource *aio_get_g_source(AioContext *ctx)
{
    g_source_ref(&ctx->source);
    return &ctx->source;
}

/* Life */

AioContext *aio_context_new(Error **errp)
{
    AioContext *ctx = (AioContext *)g_source_new(&aio_source_funcs, sizeof(AioContext));
    int ret;

    g_source_set_can_recurse(&ctx->source, TRUE);
    g_source_set_name(&ctx->source, "AioContext");
    QSIMPLEQ_INIT(&ctx->bh_pending);
    ctx->thread_pool_max = THREAD_POOL_MAX_THREADS_DEFAULT;
    ret = event_notifier_init(&ctx->notifier, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to create the event notifier of an event loop");
        g_source_unref(&ctx->source);
        return NULL;
    }
    qemu_mutex_init(&ctx->list_lock);
    timerlistgroup_init(&ctx->tlg, aio_timerlist_notify, ctx);
    aio_context_setup(ctx);
    aio_set_event_notifier(ctx, &ctx->notifier, aio_notifier_read, NULL, NULL);
    return ctx;
}

void aio_context_ref(AioContext *ctx)
{
    g_source_ref(&ctx->source);
}

void aio_context_unref(AioContext *ctx)
{
    g_source_unref(&ctx->source);
}

/* Parameters */

void aio_context_set_poll_params(AioContext *ctx, int64_t max_ns, int64_t grow, int64_t shrink,
                                 Error **errp)
{
    if (max_ns < 0 || grow < 0 || shrink < 0) {
        error_setg(errp, "Polling parameters must not be negative");
        return;
    }
    qatomic_set(&ctx->poll_max_ns, max_ns);
    qatomic_set(&ctx->poll_grow, MIN(grow, AIO_POLL_GROW_MAX));
    qatomic_set(&ctx->poll_shrink, shrink);
    aio_notify(ctx);
}

void aio_context_set_poll_ceiling(AioContext *ctx, int64_t ns)
{
    qatomic_set(&ctx->poll_ceiling_ns, ns);
}

void aio_context_set_poll_weight(AioContext *ctx, int64_t weight, Error **errp)
{
    if (weight < 0 || weight > 31) {
        error_setg(errp, "The polling weight must be between 0 and 31, not %" PRId64, weight);
        return;
    }
    qatomic_set(&ctx->poll_weight, weight);
}

void aio_context_set_aio_params(AioContext *ctx, int64_t max_batch)
{
    qatomic_set(&ctx->aio_max_batch, max_batch);
}

void aio_context_set_thread_pool_params(AioContext *ctx, int64_t min, int64_t max, Error **errp)
{
    if (min < 0 || min > max || max < 1 || max > INT_MAX) {
        error_setg(errp,
                   "Thread pool sizes must satisfy 0 <= min <= max and max >= 1, "
                   "not min %" PRId64 " and max %" PRId64,
                   min, max);
        return;
    }
    qemu_mutex_lock(&ctx->list_lock);
    qatomic_set(&ctx->thread_pool_min, min);
    qatomic_set(&ctx->thread_pool_max, max);
    if (ctx->thread_pool) {
        thread_pool_update_params(ctx->thread_pool, ctx);
    }
    qemu_mutex_unlock(&ctx->list_lock);
}

ThreadPoolAio *aio_get_thread_pool(AioContext *ctx)
{
    if (ctx->thread_pool) {
        return ctx->thread_pool; /* written by this thread alone */
    }
    qemu_mutex_lock(&ctx->list_lock);
    ctx->thread_pool = thread_pool_new_aio(ctx);
    qemu_mutex_unlock(&ctx->list_lock);
    return ctx->thread_pool;
}
