/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device that writes to a file, and reads from another if told.
 */
#include "qemu/osdep.h"
#include "char-open.h"
#include "chardev/char-fd.h"

static void file_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    ChardevFile *file = backend->u.file.data;
    int flags = O_WRONLY | O_CREAT;
    int out, in = -1;

    flags |= file->has_append && file->append ? O_APPEND : O_TRUNC;
    out = qemu_chr_open_path(file->out, flags, errp);
    if (out < 0) {
        return;
    }
    if (file->in) {
        in = qemu_chr_open_path(file->in, O_RDONLY, errp);
        if (in < 0) {
            close(out);
            return;
        }
    }
    qemu_chr_open_fd(chr, in, out, errp);
}

static void file_chr_class_init(ObjectClass *oc, const void *data)
{
    CHARDEV_CLASS(oc)->open = file_chr_open;
}

static const TypeInfo file_chr_types[] = {
    {
        .name = TYPE_CHARDEV_FILE,
        .parent = TYPE_CHARDEV_FD,
        .class_init = file_chr_class_init,
    },
};

DEFINE_TYPES(file_chr_types)
