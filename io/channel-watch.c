/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GLib sources that watch the descriptors behind a channel. */
#include "qemu/osdep.h"
#include "io/channel-watch.h"

typedef struct FdWatch {
    GSource parent;
    QIOChannel *ioc; /* referenced */
    GIOCondition condition;
    gpointer tag[2]; /* of the descriptors given to GLib; NULL where unused */
    bool always;     /* ready without any descriptor */
} FdWatch;

static gboolean fd_watch_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return ((FdWatch *)source)->always;
}

/* What has come that the watch is for; an error or a hang-up is for everybody. */
static GIOCondition fd_watch_ready(FdWatch *watch)
{
    GIOCondition ready = watch->always ? watch->condition : 0;

    for (unsigned i = 0; i < ARRAY_SIZE(watch->tag); i++) {
        if (watch->tag[i]) {
            ready |= g_source_query_unix_fd(&watch->parent, watch->tag[i]);
        }
    }
    return ready & (watch->condition | G_IO_ERR | G_IO_HUP | G_IO_NVAL);
}

static gboolean fd_watch_check(GSource *source)
{
    return fd_watch_ready((FdWatch *)source) != 0;
}

static gboolean fd_watch_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    FdWatch *watch = (FdWatch *)source;
    QIOChannelFunc func = (QIOChannelFunc)(void (*)(void))callback;

    return func ? func(watch->ioc, fd_watch_ready(watch), user_data) : G_SOURCE_REMOVE;
}

static void fd_watch_finalize(GSource *source)
{
    object_unref(OBJECT(((FdWatch *)source)->ioc));
}

static GSourceFuncs fd_watch_funcs = {
    .prepare = fd_watch_prepare,
    .check = fd_watch_check,
    .dispatch = fd_watch_dispatch,
    .finalize = fd_watch_finalize,
};

static FdWatch *fd_watch_new(QIOChannel *ioc, GIOCondition condition)
{
    FdWatch *watch = (FdWatch *)g_source_new(&fd_watch_funcs, sizeof(FdWatch));

    watch->ioc = ioc;
    watch->condition = condition;
    object_ref(OBJECT(ioc));
    return watch;
}

GSource *qio_channel_create_fd_watch(QIOChannel *ioc, int fd, GIOCondition condition)
{
    FdWatch *watch = fd_watch_new(ioc, condition);

    watch->tag[0] = g_source_add_unix_fd(&watch->parent, fd, condition | G_IO_ERR | G_IO_HUP);
    return &watch->parent;
}

GSource *qio_channel_create_fd_pair_watch(QIOChannel *ioc, int fdread, int fdwrite,
                                          GIOCondition condition)
{
    FdWatch *watch;

    if (fdread == fdwrite) {
        return qio_channel_create_fd_watch(ioc, fdread, condition);
    }
    watch = fd_watch_new(ioc, condition);
    if (condition & G_IO_IN) {
        watch->tag[0] = g_source_add_unix_fd(&watch->parent, fdread, G_IO_IN | G_IO_ERR | G_IO_HUP);
    }
    if (condition & G_IO_OUT) {
        watch->tag[1] =
            g_source_add_unix_fd(&watch->parent, fdwrite, G_IO_OUT | G_IO_ERR | G_IO_HUP);
    }
    return &watch->parent;
}

GSource *qio_channel_create_ready_watch(QIOChannel *ioc, GIOCondition condition)
{
    FdWatch *watch = fd_watch_new(ioc, condition);

    watch->always = true;
    return &watch->parent;
}
