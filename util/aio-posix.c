/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One iteration of an AioContext, and its descriptor handlers.
 *
 * Theory of operation
 *
 * A handler is a node that does not change: setting a descriptor's handlers anew puts a new node
 * in the place of the old one, under list_lock, and counts handlers_gen up.  The home thread walks
 * a copy of those that poll, made anew when the count has changed, so walking takes no lock.  A
 * removed node is marked and stays in memory until the home thread is outside all iterations.
 *
 * What the monitor finds is put on ready_handlers and ready_cqes, which belong to the context
 * and not to the iteration: a nested loop serves what the outer one has found but not yet served,
 * so a callback can wait for anything.
 */
#include "qemu/osdep.h"
#include "qemu/defer-call.h"
#include "qemu/lockable.h"
#include "util/aio-posix.h"
#include "trace.h"

/* Handlers */

static AioHandler *find_handler(AioContext *ctx, int fd)
{
    return g_hash_table_lookup(ctx->handler_by_fd, GINT_TO_POINTER(fd));
}

/* Does a loop that only polls busily miss what comes for @node? */
static bool handler_unpolled(AioContext *ctx, const AioHandler *node)
{
    return !node->io_poll && node->opaque != &ctx->notifier;
}

static void link_handler(AioContext *ctx, AioHandler *node)
{
    QLIST_INSERT_HEAD(&ctx->handlers, node, node);
    g_hash_table_insert(ctx->handler_by_fd, GINT_TO_POINTER(node->fd), node);
    if (node->io_poll) {
        QLIST_INSERT_HEAD(&ctx->polled_handlers, node, node_polled);
    }
    qatomic_set(&ctx->nr_unpolled, ctx->nr_unpolled + handler_unpolled(ctx, node));
}

static void unlink_handler(AioContext *ctx, AioHandler *node)
{
    QLIST_REMOVE(node, node);
    g_hash_table_remove(ctx->handler_by_fd, GINT_TO_POINTER(node->fd));
    if (node->io_poll) {
        QLIST_REMOVE(node, node_polled);
    }
    qatomic_set(&ctx->nr_unpolled, ctx->nr_unpolled - handler_unpolled(ctx, node));
}

static AioHandler *replace_handler(AioContext *ctx, int fd, AioHandler *new_node)
{
    AioHandler *old_node;

    QEMU_LOCK_GUARD(&ctx->list_lock);
    old_node = find_handler(ctx, fd);
    if (!old_node && !new_node) {
        return NULL;
    }
    if (old_node) {
        unlink_handler(ctx, old_node);
        qatomic_store_release(&old_node->deleted, true);
        QSIMPLEQ_INSERT_TAIL(&ctx->deleted_handlers, old_node, node_deleted);
        qatomic_inc(&ctx->nr_deleted);
    }
    if (new_node) {
        link_handler(ctx, new_node);
    }
    ctx->fdmon_ops->update(ctx, old_node, new_node);
    qatomic_inc(&ctx->handlers_gen);
    return old_node;
}

/* A handler that goes away in a phase of busy polling is told of the phase's end. */
static void end_poll_of_removed(AioContext *ctx, AioHandler *node)
{
    if (node->begun) {
        node->begun = false;
        if (node->io_poll_end) {
            node->io_poll_end(node->opaque);
        }
    }
}

void aio_set_fd_handler(AioContext *ctx, int fd, IOHandler *io_read, IOHandler *io_write,
                        AioPollFn *io_poll, IOHandler *io_poll_ready, void *opaque)
{
    bool home = qemu_get_current_aio_context() == ctx;
    AioHandler *new_node = NULL, *old_node;

    if (io_poll && !io_poll_ready) {
        io_poll = NULL;
    }
    if (io_read || io_write || io_poll) {
        new_node = g_new0(AioHandler, 1);
        new_node->fd = fd;
        new_node->io_read = io_read;
        new_node->io_write = io_write;
        new_node->io_poll = io_poll;
        new_node->io_poll_ready = io_poll_ready;
        new_node->opaque = opaque;
        new_node->events = (io_read ? POLLIN : 0) | (io_write ? POLLOUT : 0);
    }
    old_node = replace_handler(ctx, fd, new_node);
    if (old_node && home) {
        end_poll_of_removed(ctx, old_node);
    }
    if (old_node || new_node) {
        aio_notify_work(ctx);
    }
}

void aio_set_fd_poll(AioContext *ctx, int fd, IOHandler *io_poll_begin, IOHandler *io_poll_end)
{
    AioHandler *node;

    QEMU_LOCK_GUARD(&ctx->list_lock);
    node = find_handler(ctx, fd);
    if (node) {
        qatomic_set(&node->io_poll_begin, io_poll_begin);
        qatomic_set(&node->io_poll_end, io_poll_end);
    }
}

void aio_set_event_notifier(AioContext *ctx, EventNotifier *notifier, EventNotifierHandler *io_read,
                            AioPollFn *io_poll, EventNotifierHandler *io_poll_ready)
{
    aio_set_fd_handler(ctx, event_notifier_get_fd(notifier), (IOHandler *)io_read, NULL, io_poll,
                       (IOHandler *)io_poll_ready, notifier);
}

void aio_set_event_notifier_poll(AioContext *ctx, EventNotifier *notifier,
                                 EventNotifierHandler *io_poll_begin,
                                 EventNotifierHandler *io_poll_end)
{
    aio_set_fd_poll(ctx, event_notifier_get_fd(notifier), (IOHandler *)io_poll_begin,
                    (IOHandler *)io_poll_end);
}

void aio_free_deleted(AioContext *ctx)
{
    QSIMPLEQ_HEAD(, AioHandler) keep = QSIMPLEQ_HEAD_INITIALIZER(keep);
    AioHandler *node;

    if (qatomic_read(&ctx->nr_deleted) == 0) {
        return;
    }
    aio_poll_sync(ctx);
    QEMU_LOCK_GUARD(&ctx->list_lock);
    if (ctx->pollers_gen != qatomic_read(&ctx->handlers_gen)) {
        return; /* another change came meanwhile: next time */
    }
    while ((node = QSIMPLEQ_FIRST(&ctx->deleted_handlers))) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->deleted_handlers, node_deleted);
        if (node->fdmon_busy || node->fdmon_queued || node->ready) {
            QSIMPLEQ_INSERT_TAIL(&keep, node, node_deleted);
        } else {
            qatomic_dec(&ctx->nr_deleted);
            g_free(node);
        }
    }
    QSIMPLEQ_CONCAT(&ctx->deleted_handlers, &keep);
}

/* Dispatch */

void fdmon_add_ready(AioContext *ctx, AioHandler *node, unsigned revents)
{
    node->revents |= revents;
    if (!node->ready) {
        node->ready = true;
        QTAILQ_INSERT_TAIL(&ctx->ready_handlers, node, node_ready);
    }
}

bool aio_pending(AioContext *ctx)
{
    return !QTAILQ_EMPTY(&ctx->ready_handlers) || !QSIMPLEQ_EMPTY(&ctx->ready_cqes);
}

static bool handler_alive(const AioHandler *node)
{
    return !qatomic_load_acquire(&node->deleted);
}

static bool dispatch_handler(AioContext *ctx, AioHandler *node)
{
    bool poll_ready = node->poll_ready;
    unsigned revents = node->revents;
    unsigned hangup = revents & (POLLHUP | POLLERR);
    bool progress = false;

    node->poll_ready = false;
    node->revents = 0;
    node->running++;
    if (handler_alive(node) && node->io_read && (revents & (POLLIN | hangup))) {
        node->io_read(node->opaque);
        progress = node->opaque != &ctx->notifier;
    } else if (handler_alive(node) && poll_ready) {
        node->io_poll_ready(node->opaque);
        progress = true;
    }
    /* Who only writes learns of a hang-up by writing; otherwise the loop would spin. */
    if (handler_alive(node) && node->io_write &&
        (revents & (POLLOUT | POLLERR | (node->io_read ? 0 : hangup)))) {
        node->io_write(node->opaque);
        progress = true;
    }
    node->running--;
    return progress;
}

static bool dispatch_ready(AioContext *ctx)
{
    bool progress = false;
    CqeHandler *cqe_handler;
    AioHandler *node;

    while ((node = QTAILQ_FIRST(&ctx->ready_handlers))) {
        QTAILQ_REMOVE(&ctx->ready_handlers, node, node_ready);
        node->ready = false;
        progress |= dispatch_handler(ctx, node);
    }
    while ((cqe_handler = QSIMPLEQ_FIRST(&ctx->ready_cqes))) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->ready_cqes, next);
        cqe_handler->cb(cqe_handler);
        progress = true;
    }
    return progress;
}

static bool dispatch_all(AioContext *ctx)
{
    bool progress;

    ctx->depth++;
    ctx->iterations++;
    defer_call_begin();
    aio_notify_accept(ctx);
    progress = aio_bh_poll(ctx);
    progress |= aio_co_dispatch(ctx);
    progress |= dispatch_ready(ctx);
    defer_call_end();
    progress |= timerlistgroup_run_timers(&ctx->tlg);
    if (--ctx->depth == 0) {
        aio_free_deleted(ctx);
    }
    return progress;
}

void aio_dispatch(AioContext *ctx)
{
    dispatch_all(ctx);
}

/* Waiting */

/* Sleeps for at most @timeout ns, and less if something has come that needs no sleep. */
static void wait_in_kernel(AioContext *ctx, int64_t timeout)
{
    bool sleeping;

    if (timeout && ctx->poll_started) {
        /* The handlers' poll callbacks may have brought work. */
        timeout = aio_poll_end(ctx) ? 0 : qemu_soonest_timeout(timeout, aio_compute_timeout(ctx));
    }
    sleeping = timeout != 0;
    if (sleeping && !aio_sleep_begin(ctx)) {
        timeout = 0;
    }
    ctx->fdmon_ops->wait(ctx, timeout);
    if (sleeping) {
        aio_sleep_end(ctx);
    }
}

/* May the kernel be left alone now that busy polling has found something? */
static bool wait_needless(AioContext *ctx)
{
    const FDMonOps *ops = ctx->fdmon_ops;

    return ops->poll_ready && !ops->poll_ready(ctx) && !ops->need_wait(ctx);
}

bool aio_poll(AioContext *ctx, bool blocking)
{
    /* Whatever the loop around this one has put off, we may be waiting for. */
    bool progress = defer_call_flush();
    int64_t timeout = blocking && !progress ? aio_compute_timeout(ctx) : 0;
    bool found;

    if (timeout && qatomic_read(&ctx->notified)) {
        timeout = 0;
    }
    ctx->poll_since = timeout && qatomic_read(&ctx->poll_max_ns) ? get_clock() : 0;
    found = aio_poll_busy(ctx, timeout);
    if (!found || !wait_needless(ctx)) {
        wait_in_kernel(ctx, found ? 0 : timeout);
    }
    aio_poll_adjust(ctx);
    return dispatch_all(ctx) || progress;
}

bool aio_poll_sleepless(AioContext *ctx, int64_t max_timeout)
{
    bool progress = defer_call_flush();
    int64_t timeout = qemu_soonest_timeout(aio_compute_timeout(ctx), max_timeout);
    bool found;

    if (progress || qatomic_read(&ctx->notified)) {
        timeout = 0;
    }
    if (timeout && !ctx->poll_since && qatomic_read(&ctx->poll_max_ns)) {
        ctx->poll_since = get_clock();
    }
    found = aio_poll_busy(ctx, timeout);
    if (timeout && !found) {
        return false;
    }
    aio_poll_adjust(ctx);
    if (!found || !wait_needless(ctx)) {
        wait_in_kernel(ctx, 0);
    }
    dispatch_all(ctx);
    return true;
}

/* Life */

static const FDMonOps *const fdmon_by_preference[] = {
#ifdef CONFIG_LINUX_IO_URING
    &fdmon_io_uring_ops,
#endif
    &fdmon_epoll_ops,
    &fdmon_poll_ops,
};

/* AIO_FDMON in the environment names one to use, so that tests can be run with each. */
static bool fdmon_wanted(const FDMonOps *ops)
{
    const char *name = g_getenv("AIO_FDMON");

    return !name || ops == &fdmon_poll_ops || g_str_equal(ops->name, name);
}

void aio_context_setup(AioContext *ctx)
{
    QLIST_INIT(&ctx->handlers);
    QLIST_INIT(&ctx->polled_handlers);
    ctx->handler_by_fd = g_hash_table_new(NULL, NULL);
    QSIMPLEQ_INIT(&ctx->deleted_handlers);
    QTAILQ_INIT(&ctx->ready_handlers);
    QSIMPLEQ_INIT(&ctx->ready_cqes);
    ctx->pollers = g_ptr_array_new();
    for (size_t i = 0; i < ARRAY_SIZE(fdmon_by_preference); i++) {
        ctx->fdmon_ops = fdmon_by_preference[i];
        if (fdmon_wanted(ctx->fdmon_ops) && ctx->fdmon_ops->init(ctx) == 0) {
            trace_aio_context_new(ctx, ctx->fdmon_ops->name);
            return;
        }
    }
    g_assert_not_reached(); /* poll(2) is always there */
}

int aio_context_set_fdmon(AioContext *ctx, const FDMonOps *ops)
{
    const FDMonOps *old_ops = ctx->fdmon_ops;
    void *old_state = ctx->fdmon_state, *new_state;
    AioHandler *node;
    int ret = ops->init(ctx);

    if (ret < 0) {
        ctx->fdmon_state = old_state;
        return ret;
    }
    new_state = ctx->fdmon_state;
    QEMU_LOCK_GUARD(&ctx->list_lock);
    ctx->fdmon_state = old_state;
    old_ops->destroy(ctx);
    ctx->fdmon_state = new_state;
    ctx->fdmon_ops = ops;
    QLIST_FOREACH (node, &ctx->handlers, node) {
        ops->update(ctx, NULL, node);
    }
    qatomic_inc(&ctx->handlers_gen);
    return 0;
}

void aio_context_destroy(AioContext *ctx)
{
    AioHandler *node;

    assert(QLIST_EMPTY(&ctx->handlers));
    ctx->fdmon_ops->destroy(ctx);
    while ((node = QSIMPLEQ_FIRST(&ctx->deleted_handlers))) {
        QSIMPLEQ_REMOVE_HEAD(&ctx->deleted_handlers, node_deleted);
        g_free(node);
    }
    g_ptr_array_free(ctx->pollers, TRUE);
    g_hash_table_destroy(ctx->handler_by_fd);
}

bool aio_has_io_uring(void)
{
#ifdef CONFIG_LINUX_IO_URING
    AioContext *ctx = qemu_get_current_aio_context();

    return ctx && ctx->fdmon_ops->add_sqe;
#else
    return false;
#endif
}

#ifdef CONFIG_LINUX_IO_URING
void aio_add_sqe(void (*prep_sqe)(struct io_uring_sqe *sqe, void *opaque), void *opaque,
                 CqeHandler *cqe_handler)
{
    AioContext *ctx = qemu_get_current_aio_context();

    ctx->fdmon_ops->add_sqe(ctx, prep_sqe, opaque, cqe_handler);
}
#endif
