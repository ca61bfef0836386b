/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening what a character device leads to, which may keep us waiting: a file on a server that does
 * not answer, a named pipe that nobody reads, a peer on a network.
 *
 * It happens in a thread of its own. A command waits for it as a coroutine, and not for ever, so
 * that it holds up nobody; at the start of the program a signal ends the wait.
 */
#include "qemu/osdep.h"
#include "char-open.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sockets.h"
#include "qemu/coroutine.h"
#include "qemu/roles.h"
#include "qemu/storage-call.h"

typedef struct Opening {
    int (*open)(struct Opening *o);
    char *path;
    int flags;
    SocketAddress *remote;
    SocketAddress *local;
    /* What came of it. */
    int fd;
    Error *err;
} Opening;

static int opening_run(void *opaque)
{
    Opening *o = opaque;

    o->fd = o->open(o);
    return 0;
}

static void opening_free(void *opaque)
{
    Opening *o = opaque;

    if (o->fd >= 0) {
        close(o->fd);
    }
    error_free(o->err);
    qapi_free_SocketAddress(o->remote);
    qapi_free_SocketAddress(o->local);
    g_free(o->path);
    g_free(o);
}

static bool run_elsewhere(Opening *o, int *ret)
{
    if (!qemu_in_coroutine()) {
        return storage_call(opening_run, o, opening_free, -1, ret);
    }
    assert_coroutine_role();
    return storage_co_call(opening_run, o, opening_free,
                           o->path ? STORAGE_QUICK_MS : STORAGE_SLOW_MS, ret);
}

/* The descriptor of @o, which goes; or -errno, with *@err where more than that is known. */
static int opening_wait(Opening *o, Error **err)
{
    int ret;

    o->fd = -1;
    if (!run_elsewhere(o, &ret)) {
        return ret;
    }
    ret = o->fd;
    o->fd = -1;
    error_propagate(err, g_steal_pointer(&o->err));
    opening_free(o);
    return ret;
}

static int opening_path(Opening *o)
{
    int fd = open(o->path, o->flags | O_CLOEXEC, 0666);

    return fd < 0 ? -errno : fd;
}

static int opening_stream(Opening *o)
{
    return socket_connect(o->remote, &o->err);
}

static int opening_dgram(Opening *o)
{
    return socket_dgram(o->remote, o->local, &o->err);
}

int qemu_chr_try_open_path(const char *path, int flags)
{
    Opening *o = g_new0(Opening, 1);

    *o = (Opening){ .open = opening_path, .path = g_strdup(path), .flags = flags };
    return opening_wait(o, NULL);
}

int qemu_chr_open_path(const char *path, int flags, Error **errp)
{
    int fd = qemu_chr_try_open_path(path, flags);

    if (fd < 0) {
        error_setg_file_open(errp, -fd, path);
    }
    return fd;
}

static int open_socket(int (*open)(Opening *o), SocketAddress *remote, SocketAddress *local,
                       Error **errp)
{
    Opening *o = g_new0(Opening, 1);
    Error *err = NULL;
    int fd;

    *o = (Opening){ .open = open,
                    .remote = QAPI_CLONE(SocketAddress, remote),
                    .local = local ? QAPI_CLONE(SocketAddress, local) : NULL };
    fd = opening_wait(o, &err);
    if (fd < 0 && !err) {
        g_autofree char *what = socket_uri(remote);

        error_setg_errno(&err, -fd, "Could not open '%s'", what);
    }
    error_propagate(errp, err);
    return fd;
}

int qemu_chr_open_stream(SocketAddress *addr, Error **errp)
{
    return open_socket(opening_stream, addr, NULL, errp);
}

int qemu_chr_open_dgram(SocketAddress *remote, SocketAddress *local, Error **errp)
{
    return open_socket(opening_dgram, remote, local, errp);
}
