/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices on plain descriptors: the base of file, pipe, stdio and pty.
 */
#include "qemu/osdep.h"
#include "chardev/char-fd.h"
#include "io/channel-file.h"

static gboolean fd_chr_read(QIOChannel *ioc, GIOCondition cond, gpointer data)
{
    g_autoptr(Chardev) chr = CHARDEV(object_ref(data));

    if (!qemu_chr_take_input(chr, ioc)) {
        qemu_chr_fd_disconnected(chr);
    }
    qemu_chr_be_update_read_handlers(chr);
    return G_SOURCE_CONTINUE;
}

void qemu_chr_fd_disconnected(Chardev *chr)
{
    FDChardev *s = FD_CHARDEV(chr);

    qemu_chr_watch_input(chr, NULL, NULL);
    g_clear_pointer(&s->ioc_in, object_unref);
    qemu_chr_be_event(chr, CHR_EVENT_CLOSED);
}

static void fd_chr_update_read_handler(Chardev *chr)
{
    qemu_chr_watch_input(chr, FD_CHARDEV(chr)->ioc_in, fd_chr_read);
}

static int fd_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    FDChardev *s = FD_CHARDEV(chr);

    return s->ioc_out ? qemu_chr_write_channel(s->ioc_out, buf, len) : len;
}

static QIOChannel *fd_chr_out_channel(Chardev *chr)
{
    return FD_CHARDEV(chr)->ioc_out;
}

static QIOChannel *open_channel(int fd, const char *label, const char *direction, Error **errp)
{
    g_autofree char *name = g_strdup_printf("chardev-file-%s-%s", direction, label);
    QIOChannel *ioc = QIO_CHANNEL(qio_channel_file_new_fd(fd));

    qio_channel_set_name(ioc, name);
    if (!qio_channel_set_blocking(ioc, false, errp)) {
        object_unref(ioc);
        return NULL;
    }
    return ioc;
}

bool qemu_chr_open_fd(Chardev *chr, int fd_in, int fd_out, Error **errp)
{
    FDChardev *s = FD_CHARDEV(chr);

    if (fd_in >= 0) {
        s->ioc_in = open_channel(fd_in, chr->label, "in", errp);
        if (!s->ioc_in) {
            return false;
        }
    }
    if (fd_out >= 0 && fd_out == fd_in) {
        s->ioc_out = QIO_CHANNEL(object_ref(s->ioc_in));
    } else if (fd_out >= 0) {
        s->ioc_out = open_channel(fd_out, chr->label, "out", errp);
        return s->ioc_out;
    }
    return true;
}

static void fd_chr_finalize(Object *obj)
{
    FDChardev *s = FD_CHARDEV(obj);

    qemu_chr_watch_input(CHARDEV(obj), NULL, NULL);
    object_unref(s->ioc_in);
    object_unref(s->ioc_out);
}

static void fd_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->chr_write = fd_chr_write;
    cc->chr_out_channel = fd_chr_out_channel;
    cc->chr_update_read_handler = fd_chr_update_read_handler;
}

static const TypeInfo fd_chr_types[] = {
    {
        .name = TYPE_CHARDEV_FD,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(FDChardev),
        .instance_finalize = fd_chr_finalize,
        .class_init = fd_chr_class_init,
        .abstract = true,
    },
};

DEFINE_TYPES(fd_chr_types)
