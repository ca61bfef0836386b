/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QIOChannel: a stream of bytes, and where possible of file descriptors, that a
 * coroutine, a GLib source or a plain blocking caller may wait for.
 *
 * Theory of operation
 * -------------------
 * A channel is a QOM object; object_unref() of the last reference closes it. The
 * abstract class here gives loops, waiting and argument checks; the concrete
 * channels (socket, file, command, buffer, null) give one system call per method.
 *
 * A transfer that cannot go on reports QIO_CHANNEL_ERR_BLOCK and no Error. There
 * are three ways to wait then:
 *  - in a coroutine, qio_channel_yield(): the descriptor is watched by an
 *    AioContext only while the coroutine is parked;
 *  - outside one, qio_channel_wait(): blocks the thread;
 *  - with a callback, qio_channel_add_watch() and its relatives.
 * The functions named *_all choose between the first two by themselves.
 *
 * At any time one coroutine may wait to read and one may wait to write, also in
 * different threads. Everything else on one channel is for one thread at a time,
 * except where a function says otherwise. A parked coroutine may be entered
 * early, by anybody who owns it: it takes its handler off and returns, and the
 * caller looks again.
 *
 * All functions return -1 or false with *errp set on failure, unless they say
 * something else.
 */
#ifndef QIO_CHANNEL_H
#define QIO_CHANNEL_H

#include "qom/object.h"
#include "qemu/coroutine-core.h"
#include "qemu/thread.h"
#include "block/aio.h"

#define TYPE_QIO_CHANNEL "qio-channel"
OBJECT_DECLARE_TYPE(QIOChannel, QIOChannelClass, QIO_CHANNEL)

/* What a transfer returns, with *errp untouched, when it would have to wait. */
#define QIO_CHANNEL_ERR_BLOCK -2

/* qio_channel_writev_full(): do not copy the data; needs WRITE_ZERO_COPY. */
#define QIO_CHANNEL_WRITE_FLAG_ZERO_COPY 0x1

/* qio_channel_readv_full(): leave the data in the channel; needs READ_MSG_PEEK. */
#define QIO_CHANNEL_READ_FLAG_MSG_PEEK 0x1
/* An end of file without the protocol's own farewell is no error (for TLS). */
#define QIO_CHANNEL_READ_FLAG_RELAXED_EOF 0x2
/* Received descriptors keep O_NONBLOCK as the sender had it; else it is cleared. */
#define QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING 0x4

typedef enum QIOChannelFeature {
    QIO_CHANNEL_FEATURE_FD_PASS,         /* descriptors travel with the bytes */
    QIO_CHANNEL_FEATURE_SHUTDOWN,        /* qio_channel_shutdown() works */
    QIO_CHANNEL_FEATURE_LISTEN,          /* a listening socket: accept, no I/O */
    QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY, /* QIO_CHANNEL_WRITE_FLAG_ZERO_COPY works */
    QIO_CHANNEL_FEATURE_READ_MSG_PEEK,   /* QIO_CHANNEL_READ_FLAG_MSG_PEEK works */
    QIO_CHANNEL_FEATURE_SEEKABLE,        /* seek, pread and pwrite work */
} QIOChannelFeature;

typedef enum QIOChannelShutdown {
    QIO_CHANNEL_SHUTDOWN_READ = 1,
    QIO_CHANNEL_SHUTDOWN_WRITE = 2,
    QIO_CHANNEL_SHUTDOWN_BOTH = 3,
} QIOChannelShutdown;

/* A watch's callback; return G_SOURCE_CONTINUE to be called again. */
typedef gboolean (*QIOChannelFunc)(QIOChannel *ioc, GIOCondition condition, gpointer data);

typedef struct QIOChannelWaiter QIOChannelWaiter;

/* One direction of a channel: who is parked, and which context watches for it. */
struct QIOChannelWaiter {
    Coroutine *co;    /* parked in qio_channel_yield(), or NULL */
    AioContext *ctx;  /* where the descriptor is being watched, or NULL */
    bool wake_missed; /* a wake-up came while nobody was parked */
};

struct QIOChannel {
    Object parent;

    /* Constant after creation. */
    unsigned int features; /* bits, 1 << QIOChannelFeature */
    char *name;
    bool follow_coroutine_ctx;

    /* Any thread, under the lock. */
    QemuMutex waiters_lock;
    QIOChannelWaiter reader;
    QIOChannelWaiter writer;
};

/*
 * What a concrete channel provides. Required: io_readv, io_writev, io_close,
 * io_set_blocking, io_create_watch; io_set_aio_fd_handler and io_poll_fd if a transfer
 * may have to wait; the rest may be NULL.
 * Transfers follow the rules of qio_channel_readv_full() and _writev_full().
 */
struct QIOChannelClass {
    ObjectClass parent;

    ssize_t (*io_writev)(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                         size_t nfds, int flags, Error **errp);
    ssize_t (*io_readv)(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                        size_t *nfds, int flags, Error **errp);
    int (*io_close)(QIOChannel *ioc, Error **errp);
    GSource *(*io_create_watch)(QIOChannel *ioc, GIOCondition condition);
    bool (*io_set_blocking)(QIOChannel *ioc, bool enabled, Error **errp);

    ssize_t (*io_pwritev)(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                          Error **errp);
    ssize_t (*io_preadv)(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                         Error **errp);
    int (*io_shutdown)(QIOChannel *ioc, QIOChannelShutdown how, Error **errp);
    void (*io_set_cork)(QIOChannel *ioc, bool enabled);
    void (*io_set_delay)(QIOChannel *ioc, bool enabled);
    off_t (*io_seek)(QIOChannel *ioc, off_t offset, int whence, Error **errp);
    /*
     * Watch (a handler) or stop watching (NULL) for reading in @read_ctx and for
     * writing in @write_ctx; a context that is NULL leaves its direction alone. One
     * context has one pair of handlers for a descriptor: to keep a direction that
     * shares the context, name both. Any thread.
     */
    void (*io_set_aio_fd_handler)(QIOChannel *ioc, AioContext *read_ctx, IOHandler *io_read,
                                  AioContext *write_ctx, IOHandler *io_write, void *opaque);
    /* The descriptor whose poll(2) tells that the channel is ready for @condition. */
    int (*io_poll_fd)(QIOChannel *ioc, GIOCondition condition);
    int (*io_flush)(QIOChannel *ioc, Error **errp);
    int (*io_peerpid)(QIOChannel *ioc, unsigned int *pid, Error **errp);
};

/* ---- properties ---- */

/* Whether the channel has @feature. Any thread. */
bool qio_channel_has_feature(QIOChannel *ioc, QIOChannelFeature feature);

/* For concrete channels, while they are created. */
void qio_channel_set_feature(QIOChannel *ioc, QIOChannelFeature feature);

/* Name the channel (copied) for traces and GLib's source names. */
void qio_channel_set_name(QIOChannel *ioc, const char *name);

/* Whether transfers wait in the kernel (@enabled) or return QIO_CHANNEL_ERR_BLOCK. */
bool qio_channel_set_blocking(QIOChannel *ioc, bool enabled, Error **errp);

/*
 * Where qio_channel_yield() watches: in the AioContext that the coroutine runs in
 * (@enabled), or in the main loop (the default). Call it while nobody is parked.
 */
void qio_channel_set_follow_coroutine_ctx(QIOChannel *ioc, bool enabled);

/* Send small writes at once (@enabled false: TCP_NODELAY) or gather them. A hint. */
void qio_channel_set_delay(QIOChannel *ioc, bool enabled);

/* Hold partial packets back until uncorked. A hint. */
void qio_channel_set_cork(QIOChannel *ioc, bool enabled);

/* The process id at the other end of a UNIX socket, in *@pid; 0, or -1. */
int qio_channel_get_peerpid(QIOChannel *ioc, unsigned int *pid, Error **errp);

/* ---- one transfer; blocks only if the channel is blocking ---- */

/*
 * Read up to the size of @iov (@niov elements).
 *
 * @fds, @nfds: both or neither. *@fds becomes a new array (g_free it) of *@nfds
 * descriptors that came with the bytes and now belong to the caller, close-on-exec;
 * NULL and 0 if none came. Without them, descriptors that come are closed. A failed
 * read gives none. Asking a channel without FD_PASS is an error.
 * @flags: QIO_CHANNEL_READ_FLAG_*; no descriptors with MSG_PEEK.
 *
 * Returns the number of bytes; 0 at the end of file; QIO_CHANNEL_ERR_BLOCK; or -1.
 */
ssize_t qio_channel_readv_full(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                               size_t *nfds, int flags, Error **errp);

/*
 * Write from @iov, and pass duplicates of the @nfds descriptors in @fds (they stay
 * the caller's) with the first byte. @flags: QIO_CHANNEL_WRITE_FLAG_*.
 *
 * Returns the number of bytes, perhaps fewer than asked; QIO_CHANNEL_ERR_BLOCK; or
 * -1. If it is positive, the descriptors have gone.
 */
ssize_t qio_channel_writev_full(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                                size_t nfds, int flags, Error **errp);

/* qio_channel_readv_full() without descriptors and flags. */
ssize_t qio_channel_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, Error **errp);

/* qio_channel_writev_full() without descriptors and flags. */
ssize_t qio_channel_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, Error **errp);

/* qio_channel_readv() into one buffer of @buflen bytes. */
ssize_t qio_channel_read(QIOChannel *ioc, void *buf, size_t buflen, Error **errp);

/* qio_channel_writev() from one buffer of @buflen bytes. */
ssize_t qio_channel_write(QIOChannel *ioc, const void *buf, size_t buflen, Error **errp);

/* Read at @offset bytes without moving the position; needs SEEKABLE. As _readv(). */
ssize_t qio_channel_preadv(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                           Error **errp);
ssize_t qio_channel_pread(QIOChannel *ioc, void *buf, size_t buflen, off_t offset, Error **errp);

/* Write at @offset bytes without moving the position; needs SEEKABLE. As _writev(). */
ssize_t qio_channel_pwritev(QIOChannel *ioc, const struct iovec *iov, size_t niov, off_t offset,
                            Error **errp);
ssize_t qio_channel_pwrite(QIOChannel *ioc, void *buf, size_t buflen, off_t offset, Error **errp);

/* ---- everything; yields in a coroutine, else blocks ---- */

/*
 * Fill @iov completely. 1: done; 0: the end of file came before the first byte;
 * -1: an error, or the end of file came in the middle.
 */
int coroutine_mixed_fn qio_channel_readv_all_eof(QIOChannel *ioc, const struct iovec *iov,
                                                 size_t niov, Error **errp);

/* Fill @iov completely; 0, or -1 (also for an end of file, wherever it comes). */
int coroutine_mixed_fn qio_channel_readv_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                                             Error **errp);

/* Write all of @iov; 0, or -1. */
int coroutine_mixed_fn qio_channel_writev_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                                              Error **errp);

/* The same three with one buffer. */
int coroutine_mixed_fn qio_channel_read_all_eof(QIOChannel *ioc, void *buf, size_t buflen,
                                                Error **errp);
int coroutine_mixed_fn qio_channel_read_all(QIOChannel *ioc, void *buf, size_t buflen,
                                            Error **errp);
int coroutine_mixed_fn qio_channel_write_all(QIOChannel *ioc, const void *buf, size_t buflen,
                                             Error **errp);

/*
 * qio_channel_readv_all_eof() with the descriptors that came with any of the bytes,
 * in one array as qio_channel_readv_full() describes it. Only success gives any:
 * after 0 and -1 there are none left to close.
 */
int coroutine_mixed_fn qio_channel_readv_full_all_eof(QIOChannel *ioc, const struct iovec *iov,
                                                      size_t niov, int **fds, size_t *nfds,
                                                      int flags, Error **errp);

/* The same, where an end of file is always an error; 0, or -1. */
int coroutine_mixed_fn qio_channel_readv_full_all(QIOChannel *ioc, const struct iovec *iov,
                                                  size_t niov, int **fds, size_t *nfds,
                                                  Error **errp);

/* Write all of @iov, the descriptors with its first byte; 0, or -1. */
int coroutine_mixed_fn qio_channel_writev_full_all(QIOChannel *ioc, const struct iovec *iov,
                                                   size_t niov, int *fds, size_t nfds, int flags,
                                                   Error **errp);

/* ---- the end, and positions ---- */

/*
 * Close the channel, while no coroutine is parked and no handler is set; 0, or -1.
 * Closing a closed channel succeeds.
 */
int qio_channel_close(QIOChannel *ioc, Error **errp);

/*
 * End one or both directions; the channel stays open and whoever waits sees the end
 * of file. Any thread. Needs SHUTDOWN; 0, or -1.
 */
int qio_channel_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp);

/* Move the position; @whence as lseek(2). The new position in bytes, or -1. */
off_t qio_channel_io_seek(QIOChannel *ioc, off_t offset, int whence, Error **errp);

/* Wait until zero-copy writes have left their buffers. 0; 1: all were copied; -1. */
int qio_channel_flush(QIOChannel *ioc, Error **errp);

/* ---- waiting ---- */

/*
 * Park the calling coroutine until the channel can be read (@condition G_IO_IN) or
 * written (G_IO_OUT), until qio_channel_wake_read(), or until somebody enters the
 * coroutine: look again after it returns. Where the descriptor is watched:
 * qio_channel_set_follow_coroutine_ctx(). The coroutine goes on in its own context.
 */
void coroutine_fn qio_channel_yield(QIOChannel *ioc, GIOCondition condition);

/*
 * Let the coroutine that is parked for reading go on. If there is none, its next
 * qio_channel_yield(G_IO_IN) returns at once, so that a wake-up is never lost
 * between a coroutine's check and its yield. Any thread; does not block.
 */
void qio_channel_wake_read(QIOChannel *ioc);

/* Block the thread until the channel is ready for G_IO_IN or G_IO_OUT, not in a coroutine. */
void qio_channel_wait(QIOChannel *ioc, GIOCondition condition);

/*
 * Watch the channel from @read_ctx and @write_ctx by plain handlers; see
 * QIOChannelClass.io_set_aio_fd_handler. Not while a coroutine is parked in
 * qio_channel_yield(). The channel must outlive the handlers.
 */
void qio_channel_set_aio_fd_handler(QIOChannel *ioc, AioContext *read_ctx, IOHandler *io_read,
                                    AioContext *write_ctx, IOHandler *io_write, void *opaque);

/* A new GSource (g_source_unref it) whose callback is a QIOChannelFunc. */
GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition);

/*
 * Call @func(@ioc, condition, @user_data) from the default GMainContext whenever the
 * channel is ready for @condition; @notify(@user_data) when the watch goes. The watch
 * holds a reference to the channel. Returns the source's id for g_source_remove().
 */
guint qio_channel_add_watch(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                            gpointer user_data, GDestroyNotify notify);

/* The same from @context; NULL is the default one. */
guint qio_channel_add_watch_full(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                                 gpointer user_data, GDestroyNotify notify, GMainContext *context);

/* The same, returning a reference to the source (g_source_unref it). */
GSource *qio_channel_add_watch_source(QIOChannel *ioc, GIOCondition condition, QIOChannelFunc func,
                                      gpointer user_data, GDestroyNotify notify,
                                      GMainContext *context);

#endif /* QIO_CHANNEL_H */
