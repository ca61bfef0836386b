/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on named pipes: PATH.in to read and PATH.out to write, or PATH for both.
 *
 * Each end is opened for reading and writing, so that opening does not wait for a peer and a
 * peer that leaves does not end the stream.
 */
#include "qemu/osdep.h"
#include "char-open.h"
#include "chardev/char-fd.h"

static int open_pipe(const char *path, const char *suffix, Error **errp)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);

    return qemu_chr_open_path(name, O_RDWR, errp);
}

static void pipe_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    const char *path = backend->u.pipe.data->device;
    int in = open_pipe(path, ".in", NULL);
    int out = in < 0 ? -1 : open_pipe(path, ".out", NULL);

    if (out < 0) {
        if (in >= 0) {
            close(in);
        }
        in = out = open_pipe(path, "", errp);
        if (in < 0) {
            return;
        }
    }
    qemu_chr_open_fd(chr, in, out, errp);
}

static void pipe_chr_class_init(ObjectClass *oc, const void *data)
{
    CHARDEV_CLASS(oc)->open = pipe_chr_open;
}

static const TypeInfo pipe_chr_types[] = {
    {
        .name = TYPE_CHARDEV_PIPE,
        .parent = TYPE_CHARDEV_FD,
        .class_init = pipe_chr_class_init,
    },
};

DEFINE_TYPES(pipe_chr_types)
