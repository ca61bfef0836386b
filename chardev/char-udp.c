/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device whose output goes to one peer as datagrams, and whose input are its datagrams.
 *
 * Nobody connects, so it is always open; what the peer does not receive is lost, and is no error.
 */
#include "qemu/osdep.h"
#include "char-open.h"
#include "chardev/char.h"
#include "io/channel-socket.h"

/* The largest payload of a datagram over IPv4. */
#define DATAGRAM_MAX 65507

OBJECT_DECLARE_SIMPLE_TYPE(UdpChardev, CHARDEV_UDP)

struct UdpChardev {
    Chardev parent_obj;

    QIOChannel *ioc;
    /* What the frontend has not taken yet of the last datagram; the rest would be lost there. */
    uint8_t buf[DATAGRAM_MAX];
    size_t begin, end;
    GSource *rest; /* gives it when the frontend takes more; NULL: not scheduled */
};

static gboolean udp_chr_read(QIOChannel *ioc, GIOCondition cond, gpointer data);

static void give(UdpChardev *s)
{
    int room;

    while (s->begin < s->end && (room = qemu_chr_be_can_write(CHARDEV(s))) > 0) {
        size_t n = MIN((size_t)room, s->end - s->begin);

        s->begin += n;
        qemu_chr_be_write(CHARDEV(s), s->buf + s->begin - n, n);
    }
}

static gboolean give_rest(gpointer opaque)
{
    g_autoptr(UdpChardev) s = CHARDEV_UDP(object_ref(opaque));

    g_clear_pointer(&s->rest, g_source_unref);
    give(s);
    qemu_chr_be_update_read_handlers(CHARDEV(s));
    return G_SOURCE_REMOVE;
}

static gboolean udp_chr_read(QIOChannel *ioc, GIOCondition cond, gpointer data)
{
    g_autoptr(UdpChardev) s = CHARDEV_UDP(object_ref(data));
    ssize_t n = qio_channel_read(ioc, (char *)s->buf, sizeof(s->buf), NULL);

    /* An error is about something that was sent before. */
    s->begin = 0;
    s->end = MAX(n, 0);
    give(s);
    qemu_chr_be_update_read_handlers(CHARDEV(s));
    return G_SOURCE_CONTINUE;
}

static void udp_chr_update_read_handler(Chardev *chr)
{
    UdpChardev *s = CHARDEV_UDP(chr);
    bool rest = s->begin < s->end;

    qemu_chr_watch_input(chr, rest ? NULL : s->ioc, udp_chr_read);
    if (rest && !s->rest && qemu_chr_be_can_write(chr) > 0) {
        s->rest = qemu_chr_timeout_add_ms(chr, 0, give_rest, chr);
    }
}

static int udp_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    int n = qemu_chr_write_channel(CHARDEV_UDP(chr)->ioc, buf, MIN(len, DATAGRAM_MAX));

    return n < 0 && errno != EAGAIN ? len : n;
}

static QIOChannel *udp_chr_out_channel(Chardev *chr)
{
    return CHARDEV_UDP(chr)->ioc;
}

static void udp_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    ChardevUdp *udp = backend->u.udp.data;
    g_autoptr(SocketAddress) remote = socket_address_flatten(udp->remote);
    g_autoptr(SocketAddress) local = udp->local ? socket_address_flatten(udp->local) : NULL;
    g_autofree char *name = g_strdup_printf("chardev-udp-%s", chr->label);
    int fd = qemu_chr_open_dgram(remote, local, errp);
    QIOChannelSocket *sioc = fd < 0 ? NULL : qio_channel_socket_new_fd(fd, errp);

    if (!sioc) {
        return;
    }
    CHARDEV_UDP(chr)->ioc = QIO_CHANNEL(sioc);
    qio_channel_set_name(QIO_CHANNEL(sioc), name);
    qio_channel_set_blocking(QIO_CHANNEL(sioc), false, errp);
}

static void udp_chr_finalize(Object *obj)
{
    UdpChardev *s = CHARDEV_UDP(obj);

    if (s->rest) {
        g_source_destroy(s->rest);
        g_source_unref(s->rest);
    }
    qemu_chr_watch_input(CHARDEV(obj), NULL, NULL);
    object_unref(s->ioc);
}

static void udp_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = udp_chr_open;
    cc->chr_write = udp_chr_write;
    cc->chr_out_channel = udp_chr_out_channel;
    cc->chr_update_read_handler = udp_chr_update_read_handler;
}

static const TypeInfo udp_chr_types[] = {
    {
        .name = TYPE_CHARDEV_UDP,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(UdpChardev),
        .instance_finalize = udp_chr_finalize,
        .class_init = udp_chr_class_init,
    },
};

DEFINE_TYPES(udp_chr_types)
