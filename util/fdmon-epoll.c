/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting by epoll(7): where io_uring is not to be had.
 *
 * Theory of operation
 *
 * The kernel keeps the set of descriptors; changes go to it at once, from any thread.  In a
 * GMainContext the epoll descriptor stands for all.  Files that epoll refuses (regular ones) make
 * the context change over to poll(2), which calls them ready at all times.
 */
#include "qemu/osdep.h"
#include "util/aio-posix.h"
#include <sys/epoll.h>

/* Taken from the kernel in one call; what is left over comes with the next. */
#define EVENTS_AT_ONCE 64

typedef struct FDMonEpoll {
    int epfd;
    bool refused; /* atomic: a file cannot be waited for in this way */

    /* Home thread. */
    GPollFD pfd;
    bool in_source;
} FDMonEpoll;

static int fdmon_epoll_init(AioContext *ctx)
{
    FDMonEpoll *s;
    int epfd = epoll_create1(EPOLL_CLOEXEC);

    if (epfd < 0) {
        return -errno;
    }
    s = g_new0(FDMonEpoll, 1);
    s->epfd = epfd;
    s->pfd.fd = epfd;
    s->pfd.events = G_IO_IN;
    ctx->fdmon_state = s;
    return 0;
}

static void fdmon_epoll_destroy(AioContext *ctx)
{
    FDMonEpoll *s = ctx->fdmon_state;

    if (s->in_source && !g_source_is_destroyed(&ctx->source)) {
        g_source_remove_poll(&ctx->source, &s->pfd);
    }
    close(s->epfd);
    g_free(s);
}

static uint32_t to_epoll(unsigned events)
{
    return (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0);
}

static unsigned from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0) |
           (events & EPOLLHUP ? POLLHUP : 0) | (events & EPOLLERR ? POLLERR : 0);
}

static void fdmon_epoll_update(AioContext *ctx, AioHandler *old_node, AioHandler *new_node)
{
    FDMonEpoll *s = ctx->fdmon_state;
    struct epoll_event event = { 0 };

    if (!new_node || !new_node->events) {
        if (old_node && old_node->events) {
            /* Fails if the descriptor is closed already, and then has left the set by itself. */
            epoll_ctl(s->epfd, EPOLL_CTL_DEL, old_node->fd, &event);
        }
        return;
    }
    event.events = to_epoll(new_node->events);
    event.data.ptr = new_node;
    if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, new_node->fd, &event) < 0 &&
        !(errno == EEXIST && epoll_ctl(s->epfd, EPOLL_CTL_MOD, new_node->fd, &event) == 0)) {
        qatomic_set(&s->refused, true);
    }
}

/* True if the context has changed over to poll(2). */
static bool change_over(AioContext *ctx)
{
    FDMonEpoll *s = ctx->fdmon_state;

    return qatomic_read(&s->refused) && aio_context_set_fdmon(ctx, &fdmon_poll_ops) == 0;
}

/* @timeout in ms as epoll_wait() has it. */
static int collect(AioContext *ctx, FDMonEpoll *s, int timeout)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(s->epfd, events, EVENTS_AT_ONCE, timeout);

    for (int i = 0; i < n; i++) {
        fdmon_add_ready(ctx, events[i].data.ptr, from_epoll(events[i].events));
    }
    return n < 0 ? -errno : 0;
}

static int fdmon_epoll_wait(AioContext *ctx, int64_t timeout)
{
    FDMonEpoll *s = ctx->fdmon_state;

    if (change_over(ctx)) {
        return ctx->fdmon_ops->wait(ctx, timeout);
    }
    if (timeout > 0) {
        /* epoll_wait() itself counts milliseconds. */
        GPollFD pfd = { .fd = s->epfd, .events = G_IO_IN };

        if (qemu_poll_ns(&pfd, 1, timeout) <= 0) {
            return 0;
        }
        timeout = 0;
    }
    return collect(ctx, s, timeout < 0 ? -1 : 0);
}

static bool fdmon_epoll_need_wait(AioContext *ctx)
{
    return false;
}

static void fdmon_epoll_gsource_prepare(AioContext *ctx)
{
    FDMonEpoll *s = ctx->fdmon_state;

    if (change_over(ctx)) {
        ctx->fdmon_ops->gsource_prepare(ctx);
        return;
    }
    s->pfd.revents = 0;
    if (!s->in_source) {
        g_source_add_poll(&ctx->source, &s->pfd);
        s->in_source = true;
    }
}

static bool fdmon_epoll_gsource_check(AioContext *ctx)
{
    FDMonEpoll *s = ctx->fdmon_state;

    return s->pfd.revents != 0;
}

static void fdmon_epoll_gsource_dispatch(AioContext *ctx)
{
    FDMonEpoll *s = ctx->fdmon_state;

    if (s->pfd.revents) {
        s->pfd.revents = 0;
        collect(ctx, s, 0);
    }
}

const FDMonOps fdmon_epoll_ops = {
    .name = "epoll",
    .init = fdmon_epoll_init,
    .destroy = fdmon_epoll_destroy,
    .update = fdmon_epoll_update,
    .wait = fdmon_epoll_wait,
    .need_wait = fdmon_epoll_need_wait,
    .gsource_prepare = fdmon_epoll_gsource_prepare,
    .gsource_check = fdmon_epoll_gsource_check,
    .gsource_dispatch = fdmon_epoll_gsource_dispatch,
};
