/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QIOChannel: transfers that go on until everything has gone or come. */
#include "qemu/osdep.h"
#include "io/channel.h"
#include "qapi/error.h"
#include "qemu/iov.h"

/* What is left of a transfer: a private copy of the caller's vector, consumed in front. */
typedef struct Remainder {
    struct iovec *copy; /* to be freed */
    struct iovec *iov;
    unsigned niov;
} Remainder;

static void remainder_done(Remainder *rest)
{
    g_free(rest->copy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remainder, remainder_done)

/* Elements of no length are dropped, so that no transfer is of 0 bytes. */
static Remainder remainder_of(const struct iovec *iov, size_t niov)
{
    Remainder rest = { .copy = g_new(struct iovec, niov) };

    for (size_t i = 0; i < niov; i++) {
        if (iov[i].iov_len) {
            rest.copy[rest.niov++] = iov[i];
        }
    }
    rest.iov = rest.copy;
    return rest;
}

static void remainder_consume(Remainder *rest, size_t len)
{
    iov_discard_front(&rest->iov, &rest->niov, len);
}

static void coroutine_mixed_fn wait_for(QIOChannel *ioc, GIOCondition condition)
{
    if (qemu_in_coroutine()) {
        assert_coroutine_role();
        qio_channel_yield(ioc, condition);
    } else {
        qio_channel_wait(ioc, condition);
    }
}

/* Move the array @from behind those of *@fds. */
static void append_fds(int **fds, size_t *nfds, int *from, size_t nfrom)
{
    if (!nfrom) {
        return;
    }
    *fds = g_renew(int, *fds, *nfds + nfrom);
    memcpy(*fds + *nfds, from, nfrom * sizeof(int));
    *nfds += nfrom;
    g_free(from);
}

static void close_fds(int **fds, size_t *nfds)
{
    for (size_t i = 0; i < *nfds; i++) {
        close((*fds)[i]);
    }
    g_clear_pointer(fds, g_free);
    *nfds = 0;
}

/* One piece of a longer read; as qio_channel_readv_full(), but waits. */
static ssize_t coroutine_mixed_fn read_piece(QIOChannel *ioc, Remainder *rest, int **fds,
                                             size_t *nfds, int flags, Error **errp)
{
    for (;;) {
        int *more = NULL;
        size_t nmore = 0;
        ssize_t len = qio_channel_readv_full(ioc, rest->iov, rest->niov, fds ? &more : NULL,
                                             fds ? &nmore : NULL, flags, errp);

        if (len != QIO_CHANNEL_ERR_BLOCK) {
            if (fds) {
                append_fds(fds, nfds, more, nmore);
            }
            return len;
        }
        wait_for(ioc, G_IO_IN);
    }
}

int coroutine_mixed_fn qio_channel_readv_full_all_eof(QIOChannel *ioc, const struct iovec *iov,
                                                      size_t niov, int **fds, size_t *nfds,
                                                      int flags, Error **errp)
{
    g_auto(Remainder) rest = remainder_of(iov, niov);
    bool started = false;

    assert(!fds == !nfds);
    /* Peeking again would see the first bytes again, so it cannot fill a vector. */
    assert(!(flags & QIO_CHANNEL_READ_FLAG_MSG_PEEK));
    if (fds) {
        *fds = NULL;
        *nfds = 0;
    }

    while (rest.niov) {
        ssize_t len = read_piece(ioc, &rest, fds, nfds, flags, errp);

        if (len <= 0) {
            if (fds) {
                close_fds(fds, nfds);
            }
            if (len == 0 && !started) {
                return 0;
            }
            if (len == 0) {
                error_setg(errp, "Unexpected end-of-file before all data were read");
            }
            return -1;
        }
        started = true;
        remainder_consume(&rest, len);
    }
    return 1;
}

int coroutine_mixed_fn qio_channel_readv_full_all(QIOChannel *ioc, const struct iovec *iov,
                                                  size_t niov, int **fds, size_t *nfds,
                                                  Error **errp)
{
    int ret = qio_channel_readv_full_all_eof(ioc, iov, niov, fds, nfds, 0, errp);

    if (ret == 0) {
        error_setg(errp, "Unexpected end-of-file before all data were read");
    }
    return ret == 1 ? 0 : -1;
}

int coroutine_mixed_fn qio_channel_readv_all_eof(QIOChannel *ioc, const struct iovec *iov,
                                                 size_t niov, Error **errp)
{
    return qio_channel_readv_full_all_eof(ioc, iov, niov, NULL, NULL, 0, errp);
}

int coroutine_mixed_fn qio_channel_readv_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                                             Error **errp)
{
    return qio_channel_readv_full_all(ioc, iov, niov, NULL, NULL, errp);
}

int coroutine_mixed_fn qio_channel_read_all_eof(QIOChannel *ioc, void *buf, size_t buflen,
                                                Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_readv_all_eof(ioc, &iov, 1, errp);
}

int coroutine_mixed_fn qio_channel_read_all(QIOChannel *ioc, void *buf, size_t buflen, Error **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = buflen };

    return qio_channel_readv_all(ioc, &iov, 1, errp);
}

int coroutine_mixed_fn qio_channel_writev_full_all(QIOChannel *ioc, const struct iovec *iov,
                                                   size_t niov, int *fds, size_t nfds, int flags,
                                                   Error **errp)
{
    g_auto(Remainder) rest = remainder_of(iov, niov);

    if (nfds && !rest.niov) {
        error_setg(errp, "File descriptors cannot be passed without data");
        return -1;
    }
    while (rest.niov) {
        ssize_t len = qio_channel_writev_full(ioc, rest.iov, rest.niov, fds, nfds, flags, errp);

        if (len == QIO_CHANNEL_ERR_BLOCK) {
            wait_for(ioc, G_IO_OUT);
            continue;
        }
        if (len < 0) {
            return -1;
        }
        remainder_consume(&rest, len);
        nfds = len > 0 ? 0 : nfds;
    }
    return 0;
}

int coroutine_mixed_fn qio_channel_writev_all(QIOChannel *ioc, const struct iovec *iov, size_t niov,
                                              Error **errp)
{
    return qio_channel_writev_full_all(ioc, iov, niov, NULL, 0, 0, errp);
}

int coroutine_mixed_fn qio_channel_write_all(QIOChannel *ioc, const void *buf, size_t buflen,
                                             Error **errp)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = buflen };

    return qio_channel_writev_all(ioc, &iov, 1, errp);
}
