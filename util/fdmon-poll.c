/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting by poll(2): the fallback that every host has.
 *
 * Theory of operation
 *
 * The home thread keeps an array of descriptors and makes it anew when the handlers have changed.
 * In a GMainContext, the array's elements are the GSource's poll records.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "util/aio-posix.h"

typedef struct FDMonPoll {
    /* Home thread. */
    GArray *fds;      /* GPollFD */
    GPtrArray *nodes; /* AioHandler, in the same order */
    unsigned gen;     /* handlers_gen of both arrays */
    bool in_source;   /* the GSource has the descriptors */
} FDMonPoll;

static int fdmon_poll_init(AioContext *ctx)
{
    FDMonPoll *s = g_new0(FDMonPoll, 1);

    s->fds = g_array_new(FALSE, FALSE, sizeof(GPollFD));
    s->nodes = g_ptr_array_new();
    s->gen = qatomic_read(&ctx->handlers_gen) - 1;
    ctx->fdmon_state = s;
    return 0;
}

static void leave_source(AioContext *ctx, FDMonPoll *s)
{
    if (s->in_source) {
        for (guint i = 0; i < s->fds->len; i++) {
            g_source_remove_poll(&ctx->source, &g_array_index(s->fds, GPollFD, i));
        }
        s->in_source = false;
    }
}

static void fdmon_poll_destroy(AioContext *ctx)
{
    FDMonPoll *s = ctx->fdmon_state;

    if (!g_source_is_destroyed(&ctx->source)) {
        leave_source(ctx, s);
    }
    g_array_free(s->fds, TRUE);
    g_ptr_array_free(s->nodes, TRUE);
    g_free(s);
}

static void fdmon_poll_update(AioContext *ctx, AioHandler *old_node, AioHandler *new_node)
{
    /* handlers_gen tells all. */
}

static FDMonPoll *fdmon_poll_sync(AioContext *ctx)
{
    FDMonPoll *s = ctx->fdmon_state;
    AioHandler *node;

    if (s->gen == qatomic_load_acquire(&ctx->handlers_gen)) {
        return s;
    }
    leave_source(ctx, s);
    g_array_set_size(s->fds, 0);
    g_ptr_array_set_size(s->nodes, 0);
    QEMU_LOCK_GUARD(&ctx->list_lock);
    s->gen = qatomic_read(&ctx->handlers_gen);
    QLIST_FOREACH (node, &ctx->handlers, node) {
        GPollFD pfd = { .fd = node->fd, .events = node->events };

        if (node->events) {
            g_array_append_val(s->fds, pfd);
            g_ptr_array_add(s->nodes, node);
        }
    }
    return s;
}

static void collect(AioContext *ctx, FDMonPoll *s)
{
    for (guint i = 0; i < s->fds->len; i++) {
        GPollFD *pfd = &g_array_index(s->fds, GPollFD, i);

        if (pfd->revents) {
            fdmon_add_ready(ctx, g_ptr_array_index(s->nodes, i), pfd->revents);
            pfd->revents = 0;
        }
    }
}

static int fdmon_poll_wait(AioContext *ctx, int64_t timeout)
{
    FDMonPoll *s = fdmon_poll_sync(ctx);
    int ret = qemu_poll_ns((GPollFD *)s->fds->data, s->fds->len, timeout);

    if (ret > 0) {
        collect(ctx, s);
    }
    return ret < 0 ? -errno : 0;
}

static bool fdmon_poll_need_wait(AioContext *ctx)
{
    return false;
}

static void fdmon_poll_gsource_prepare(AioContext *ctx)
{
    FDMonPoll *s = fdmon_poll_sync(ctx);

    for (guint i = 0; i < s->fds->len; i++) {
        GPollFD *pfd = &g_array_index(s->fds, GPollFD, i);

        pfd->revents = 0;
        if (!s->in_source) {
            g_source_add_poll(&ctx->source, pfd);
        }
    }
    s->in_source = true;
}

static bool fdmon_poll_gsource_check(AioContext *ctx)
{
    FDMonPoll *s = ctx->fdmon_state;

    for (guint i = 0; i < s->fds->len; i++) {
        if (g_array_index(s->fds, GPollFD, i).revents) {
            return true;
        }
    }
    return false;
}

static void fdmon_poll_gsource_dispatch(AioContext *ctx)
{
    FDMonPoll *s = ctx->fdmon_state;

    /* A nested loop may have polled, and the handlers changed, since GLib filled in revents. */
    if (s->gen == qatomic_load_acquire(&ctx->handlers_gen)) {
        collect(ctx, s);
    }
}

const FDMonOps fdmon_poll_ops = {
    .name = "poll",
    .init = fdmon_poll_init,
    .destroy = fdmon_poll_destroy,
    .update = fdmon_poll_update,
    .wait = fdmon_poll_wait,
    .need_wait = fdmon_poll_need_wait,
    .gsource_prepare = fdmon_poll_gsource_prepare,
    .gsource_check = fdmon_poll_gsource_check,
    .gsource_dispatch = fdmon_poll_gsource_dispatch,
};
