/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting by io_uring(7): one ring for descriptors and for the context's own I/O.
 *
 * Theory of operation
 *
 * Each handler is a one-shot poll request.  When it completes, the handler is put on a list and
 * asked for anew before the next wait, after it has run: if the descriptor is still ready then,
 * the request completes at once, so handlers are level-triggered as with poll(2), at the cost of
 * one SQE for each event and of no system call.  Other threads leave their changes on a list under
 * list_lock, which the home thread turns into requests.
 *
 * I/O requests (aio_add_sqe()) share the submission queue.  An iteration makes one
 * io_uring_enter(), which submits everything and waits.  The completion queue is large; what does
 * not fit nevertheless is kept by the kernel and fetched when there is room.
 *
 * Where the kernel can, completions are not delivered by interrupting the thread but when it asks
 * (DEFER_TASKRUN, else COOP_TASKRUN); a flag in the ring says that there are some.  The former
 * binds the ring to one thread, so it is enabled by the first wait and not when it is made.  If
 * another thread (or a forked child) goes on with the context, the kernel refuses, and the ring is
 * made anew; no I/O may be in flight then.
 *
 * The flag may be raised just after what it speaks of has been delivered, when thread and kernel
 * meet at the wrong moment; it then stands until something else completes.  A flag that a system
 * call has not lowered, and that brought nothing, does not keep the loop from sleeping.
 *
 * In a GMainContext the GSource polls the ring's descriptor, which a ring with DEFER_TASKRUN does
 * not support: the ring is changed for one without.
 *
 * user_data is a pointer whose low bits say what it points to.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "util/aio-posix.h"
#include "util/io_uring-guard.h"
#include <sys/syscall.h>

#define RING_ENTRIES     256
#define RING_COMPLETIONS 4096

/* Default of aio-max-batch; and while the storage and whoever waits for it have nothing to do. */
#define BATCH_MAX  16
#define BATCH_IDLE 4

enum {
    TAG_REQUEST = 0,
    TAG_HANDLER = 1,
    TAG_CANCEL = 2,
    TAG_MASK = 3
};

typedef struct FDMonUring {
    struct io_uring ring;
    bool for_source; /* made to be polled in a GMainContext */
    bool deferring;  /* made with DEFER_TASKRUN */
    bool disabled;   /* made with R_DISABLED and not yet enabled */
    bool task_flag;  /* the ring's flags tell of completions not yet delivered */
    bool flag_empty; /* home thread: they do, but there was nothing to deliver */

    /* Under list_lock. */
    QSIMPLEQ_HEAD(, AioHandler) changes;
    bool has_changes; /* atomic to read */

    /* Home thread. */
    QSIMPLEQ_HEAD(, AioHandler) rearm; /* have completed; to be asked for anew */
    unsigned nr_requests;              /* aio_add_sqe()'s in flight */
    unsigned nr_unsubmitted;           /* of them: not yet brought to the kernel */
    uint64_t enters;
    GPollFD pfd;    /* the ring */
    bool in_source; /* pfd is the GSource's */
} FDMonUring;

/* The ring */

static const unsigned ring_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};

static struct io_uring_params ring_params(size_t kind)
{
    return (struct io_uring_params){
        .flags = ring_flags[kind] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = RING_COMPLETIONS,
    };
}

/* Stores rings of the best kind that the kernel has, for a GMainContext or not. */
static int store_rings(unsigned count, bool for_source)
{
    int ret = -EINVAL;

    for (size_t i = for_source; i < ARRAY_SIZE(ring_flags) && ret < 0; i++) {
        struct io_uring_params params = ring_params(i);

        ret = uring_guard_store(count, RING_ENTRIES, &params);
    }
    return ret;
}

int fdmon_io_uring_restrict(unsigned contexts)
{
    int ret;

    uring_guard_begin();
    ret = store_rings(contexts, false);
    /* The main loop's two contexts change theirs when it first runs. */
    return ret < 0 ? ret : store_rings(2, true);
}

static int ring_setup(FDMonUring *s)
{
    const unsigned features = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
    struct io_uring_params params;
    int ret = -EINVAL;

    for (size_t i = s->for_source; i < ARRAY_SIZE(ring_flags) && ret < 0; i++) {
        params = ring_params(i);
        ret = uring_guard_init(RING_ENTRIES, &s->ring, &params);
    }
    if (ret < 0) {
        return ret;
    }
    if ((params.features & features) != features) {
        io_uring_queue_exit(&s->ring);
        return -ENOSYS;
    }
    s->deferring = params.flags & IORING_SETUP_DEFER_TASKRUN;
    s->disabled = params.flags & IORING_SETUP_R_DISABLED;
    s->task_flag = params.flags & IORING_SETUP_TASKRUN_FLAG;
    s->pfd = (GPollFD){ .fd = s->ring.ring_fd, .events = G_IO_IN };
    return 0;
}

/* By the thread that is to run the context from now on. */
static void enable(FDMonUring *s)
{
    if (s->disabled) {
        s->disabled = false;
        /* liburing's own function for this is missing from Debian 12's shared library. */
        if (syscall(__NR_io_uring_register, s->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                    0)) {
            g_error("cannot enable an io_uring: %s", strerror(errno));
        }
    }
}

static void queue_change(FDMonUring *s, AioHandler *node)
{
    if (!node->fdmon_queued) {
        node->fdmon_queued = true;
        QSIMPLEQ_INSERT_TAIL(&s->changes, node, fdmon_change);
        qatomic_set(&s->has_changes, true);
    }
}

static void leave_source(AioContext *ctx, FDMonUring *s)
{
    if (s->in_source && !g_source_is_destroyed(&ctx->source)) {
        g_source_remove_poll(&ctx->source, &s->pfd);
    }
    s->in_source = false;
}

/* Makes the ring anew, for the calling thread and with all handlers still to be asked for. */
static void ring_remake(AioContext *ctx, FDMonUring *s)
{
    AioHandler *node;
    int ret;

    assert(s->nr_requests == 0);
    leave_source(ctx, s);
    io_uring_queue_exit(&s->ring);
    ret = ring_setup(s);
    if (ret < 0) {
        g_error("cannot make an io_uring: %s", strerror(-ret));
    }
    QEMU_LOCK_GUARD(&ctx->list_lock);
    QSIMPLEQ_INIT(&s->rearm);
    QSIMPLEQ_FOREACH (node, &ctx->deleted_handlers, node_deleted) {
        node->fdmon_busy = false;
    }
    QLIST_FOREACH (node, &ctx->handlers, node) {
        node->fdmon_busy = false;
        queue_change(s, node);
    }
}

/* Descriptors */

static void fdmon_uring_update(AioContext *ctx, AioHandler *old_node, AioHandler *new_node)
{
    FDMonUring *s = ctx->fdmon_state;

    if (old_node && old_node->events) {
        queue_change(s, old_node);
    }
    if (new_node && new_node->events) {
        queue_change(s, new_node);
    }
}

static int enter(AioContext *ctx, FDMonUring *s, int64_t timeout);
static unsigned harvest(AioContext *ctx, FDMonUring *s);

static struct io_uring_sqe *get_sqe(AioContext *ctx, FDMonUring *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

    while (!sqe) {
        /* Full.  Making room for completions lets the kernel take the submissions. */
        if (enter(ctx, s, 0) == -EEXIST) {
            ring_remake(ctx, s);
            enable(s);
        }
        harvest(ctx, s);
        sqe = io_uring_get_sqe(&s->ring);
    }
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

static void prep_poll(AioContext *ctx, FDMonUring *s, AioHandler *node)
{
    struct io_uring_sqe *sqe = get_sqe(ctx, s);

    io_uring_prep_poll_add(sqe, node->fd, node->events);
    sqe->user_data = (uintptr_t)node | TAG_HANDLER;
    node->fdmon_busy = true;
}

static void prep_cancel(AioContext *ctx, FDMonUring *s, AioHandler *node)
{
    struct io_uring_sqe *sqe = get_sqe(ctx, s);

    io_uring_prep_poll_remove(sqe, (uintptr_t)node | TAG_HANDLER);
    sqe->user_data = TAG_CANCEL;
}

/* Takes one change off the list; NULL: there is none. */
static AioHandler *next_change(AioContext *ctx, FDMonUring *s)
{
    AioHandler *node;

    QEMU_LOCK_GUARD(&ctx->list_lock);
    node = QSIMPLEQ_FIRST(&s->changes);
    if (!node) {
        qatomic_set(&s->has_changes, false);
        return NULL;
    }
    QSIMPLEQ_REMOVE_HEAD(&s->changes, fdmon_change);
    node->fdmon_queued = false;
    return node;
}

static bool handler_deleted(const AioHandler *node)
{
    return qatomic_load_acquire(&node->deleted);
}

/* Brings what has changed since the last wait into the submission queue. */
static void prepare(AioContext *ctx, FDMonUring *s)
{
    /* Should the queue become full, what completes meanwhile has its turn in the next wait. */
    AioHandler *last = QSIMPLEQ_LAST(&s->rearm, AioHandler, fdmon_rearm), *node;

    enable(s);
    while ((node = QSIMPLEQ_FIRST(&s->rearm))) {
        QSIMPLEQ_REMOVE_HEAD(&s->rearm, fdmon_rearm);
        node->fdmon_busy = false;
        if (!handler_deleted(node)) {
            prep_poll(ctx, s, node);
        }
        if (node == last) {
            break;
        }
    }
    while (qatomic_read(&s->has_changes) && (node = next_change(ctx, s))) {
        bool deleted = handler_deleted(node);

        if (!deleted && !node->fdmon_busy) {
            prep_poll(ctx, s, node);
        } else if (deleted && node->fdmon_busy) {
            prep_cancel(ctx, s, node);
        }
    }
}

/* Completions */

static void handler_done(AioContext *ctx, FDMonUring *s, AioHandler *node, int res)
{
    node->fdmon_busy = false;
    if (handler_deleted(node)) {
        return;
    }
    if (res == -EBADF) {
        warn_report("event loop: descriptor %d was closed before its handler was removed",
                    node->fd);
        return;
    }
    if (res > 0) {
        fdmon_add_ready(ctx, node, res);
    }
    node->fdmon_busy = true;
    QSIMPLEQ_INSERT_TAIL(&s->rearm, node, fdmon_rearm);
}

/* How many there were. */
static unsigned harvest(AioContext *ctx, FDMonUring *s)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_for_each_cqe(&s->ring, head, cqe)
    {
        uint64_t what = cqe->user_data;
        void *ptr = (void *)(uintptr_t)(what & ~(uint64_t)TAG_MASK);

        n++;
        if ((what & TAG_MASK) == TAG_HANDLER) {
            handler_done(ctx, s, ptr, cqe->res);
        } else if ((what & TAG_MASK) == TAG_REQUEST) {
            CqeHandler *cqe_handler = ptr;

            s->nr_requests--;
            cqe_handler->cqe = *cqe;
            QSIMPLEQ_INSERT_TAIL(&ctx->ready_cqes, cqe_handler, next);
        }
    }
    io_uring_cq_advance(&s->ring, n);
    return n;
}

/* Waiting */

static bool task_flag_raised(FDMonUring *s)
{
    return IO_URING_READ_ONCE(*s->ring.sq.kflags) & IORING_SQ_TASKRUN;
}

/* Is a system call worth while? */
static bool completions_waiting(FDMonUring *s)
{
    unsigned flags = IO_URING_READ_ONCE(*s->ring.sq.kflags);

    return io_uring_cq_ready(&s->ring) || (flags & IORING_SQ_CQ_OVERFLOW) ||
           (!s->flag_empty && (flags & IORING_SQ_TASKRUN));
}

/* Submits and waits in one system call.  @timeout in ns; -1: without end. */
static int enter(AioContext *ctx, FDMonUring *s, int64_t timeout)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec ts = {
        .tv_sec = timeout / NANOSECONDS_PER_SECOND,
        .tv_nsec = timeout % NANOSECONDS_PER_SECOND,
    };

    s->enters++;
    s->nr_unsubmitted = 0;
    if (timeout == 0) {
        return io_uring_submit_and_get_events(&s->ring);
    }
    if (timeout < 0) {
        return io_uring_submit_and_wait(&s->ring, 1);
    }
    return io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1, &ts, NULL);
}

static bool fdmon_uring_need_wait(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;

    return io_uring_sq_ready(&s->ring) || !QSIMPLEQ_EMPTY(&s->rearm) ||
           qatomic_read(&s->has_changes);
}

static bool fdmon_uring_poll_ready(AioContext *ctx)
{
    return completions_waiting(ctx->fdmon_state);
}

static int fdmon_uring_wait(AioContext *ctx, int64_t timeout)
{
    FDMonUring *s = ctx->fdmon_state;
    int ret;

    prepare(ctx, s);
    if (io_uring_cq_ready(&s->ring)) {
        timeout = 0;
    }
    /* Without the flag only a system call delivers what has been completed meanwhile. */
    if (timeout == 0 && s->task_flag && !io_uring_sq_ready(&s->ring) && !completions_waiting(s) &&
        !s->flag_empty) {
        return 0;
    }
    ret = enter(ctx, s, timeout);
    if (ret == -EEXIST) {
        ring_remake(ctx, s);
        prepare(ctx, s);
        ret = enter(ctx, s, timeout);
    }
    s->flag_empty = harvest(ctx, s) == 0 && task_flag_raised(s);
    return ret == -ETIME || ret > 0 ? 0 : ret;
}

/* Lets the GSource poll the ring; waits for the requests of a ring that has to be changed. */
static void join_source(AioContext *ctx, FDMonUring *s)
{
    if (s->deferring) {
        while (s->nr_requests > 0) {
            enter(ctx, s, -1);
            harvest(ctx, s);
        }
        s->for_source = true;
        ring_remake(ctx, s);
        fdmon_uring_wait(ctx, 0);
    }
    g_source_add_poll(&ctx->source, &s->pfd);
    s->in_source = true;
}

static void fdmon_uring_gsource_prepare(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;

    fdmon_uring_wait(ctx, 0);
    if (!s->in_source) {
        join_source(ctx, s);
    }
    s->pfd.revents = 0;
}

static bool fdmon_uring_gsource_check(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;

    return s->pfd.revents || completions_waiting(s);
}

static void fdmon_uring_gsource_dispatch(AioContext *ctx)
{
    if (fdmon_uring_gsource_check(ctx)) {
        fdmon_uring_wait(ctx, 0);
    }
}

/*
 * So many are submitted together.  A request may be done at once, in the system call that submits
 * it (data in the page cache): then a large batch keeps the client waiting, who could take
 * the first results and ask for more while we go on.
 */
static unsigned batch_limit(AioContext *ctx, FDMonUring *s)
{
    int64_t max_batch = qatomic_read(&ctx->aio_max_batch);

    if (max_batch) {
        return MIN(max_batch, RING_ENTRIES);
    }
    return s->nr_requests > s->nr_unsubmitted || !QSIMPLEQ_EMPTY(&ctx->ready_cqes) ? BATCH_MAX
                                                                                   : BATCH_IDLE;
}

static void fdmon_uring_add_sqe(AioContext *ctx,
                                void (*prep_sqe)(struct io_uring_sqe *sqe, void *opaque),
                                void *opaque, CqeHandler *cqe_handler)
{
    FDMonUring *s = ctx->fdmon_state;
    struct io_uring_sqe *sqe;

    if (s->disabled || s->nr_unsubmitted >= batch_limit(ctx, s)) {
        fdmon_uring_wait(ctx, 0);
    }
    sqe = get_sqe(ctx, s);
    prep_sqe(sqe, opaque);
    sqe->user_data = (uintptr_t)cqe_handler | TAG_REQUEST;
    s->nr_requests++;
    s->nr_unsubmitted++;
}

void fdmon_io_uring_raise_flag(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;

    assert(ctx->fdmon_ops == &fdmon_io_uring_ops);
    *s->ring.sq.kflags |= IORING_SQ_TASKRUN;
}

uint64_t fdmon_io_uring_enters(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;

    assert(ctx->fdmon_ops == &fdmon_io_uring_ops);
    return s->enters;
}

/* Life */

static int fdmon_uring_init(AioContext *ctx)
{
    FDMonUring *s = g_new0(FDMonUring, 1);
    int ret = ring_setup(s);

    if (ret < 0) {
        g_free(s);
        return ret;
    }
    QSIMPLEQ_INIT(&s->changes);
    QSIMPLEQ_INIT(&s->rearm);
    ctx->fdmon_state = s;
    return 0;
}

static void fdmon_uring_destroy(AioContext *ctx)
{
    FDMonUring *s = ctx->fdmon_state;
    AioHandler *node;

    assert(s->nr_requests == 0);
    leave_source(ctx, s);
    io_uring_queue_exit(&s->ring);
    QLIST_FOREACH (node, &ctx->handlers, node) {
        node->fdmon_busy = node->fdmon_queued = false;
    }
    QSIMPLEQ_FOREACH (node, &ctx->deleted_handlers, node_deleted) {
        node->fdmon_busy = node->fdmon_queued = false;
    }
    g_free(s);
}

const FDMonOps fdmon_io_uring_ops = {
    .name = "io_uring",
    .init = fdmon_uring_init,
    .destroy = fdmon_uring_destroy,
    .update = fdmon_uring_update,
    .wait = fdmon_uring_wait,
    .need_wait = fdmon_uring_need_wait,
    .poll_ready = fdmon_uring_poll_ready,
    .gsource_prepare = fdmon_uring_gsource_prepare,
    .gsource_check = fdmon_uring_gsource_check,
    .gsource_dispatch = fdmon_uring_gsource_dispatch,
    .add_sqe = fdmon_uring_add_sqe,
};
