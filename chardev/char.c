/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: making and finding them, and the path from a backend to its frontend.
 */
#include "qemu/osdep.h"
#include "char-open.h"
#include "chardev/char-fe.h"
#include "qemu/cutils.h"
#include "qemu/id.h"

/* One read takes at most this much, so that other sources get their turn. */
#define READ_BUF_LEN 4096

Object *get_chardevs_root(void)
{
    Object *root = object_get_container("chardevs");

    return root ? root : object_property_add_new_container(object_get_root(), "chardevs");
}

Chardev *qemu_chr_find(const char *name)
{
    Object *obj = object_resolve_path_component(get_chardevs_root(), name);

    return (Chardev *)object_dynamic_cast(obj, TYPE_CHARDEV);
}

void qemu_chr_cleanup(void)
{
    object_unparent(get_chardevs_root());
}

static int interrupt_fd = -1;

void qemu_chr_set_interrupt_fd(int fd)
{
    interrupt_fd = fd;
}

int qemu_chr_get_interrupt_fd(void)
{
    return interrupt_fd;
}

bool qemu_chr_is_busy(Chardev *s)
{
    return s->fe;
}

int qemu_chr_be_can_write(Chardev *s)
{
    CharFrontend *fe = s->fe;

    return fe && fe->chr_can_read ? fe->chr_can_read(fe->opaque) : 0;
}

void qemu_chr_be_write(Chardev *s, const uint8_t *buf, int len)
{
    CharFrontend *fe = s->fe;

    if (fe && fe->chr_read) {
        fe->chr_read(fe->opaque, buf, len);
    }
}

void qemu_chr_be_event(Chardev *s, QEMUChrEvent event)
{
    CharFrontend *fe = s->fe;

    if (event == CHR_EVENT_OPENED || event == CHR_EVENT_CLOSED) {
        s->be_open = event == CHR_EVENT_OPENED;
    }
    if (fe && fe->chr_event) {
        fe->chr_event(fe->opaque, event);
    }
}

void qemu_chr_be_update_read_handlers(Chardev *s)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(s);

    if (cc->chr_update_read_handler) {
        cc->chr_update_read_handler(s);
    }
}

void qemu_chr_watch_input(Chardev *chr, QIOChannel *ioc, QIOChannelFunc func)
{
    bool wanted = ioc && qemu_chr_be_can_write(chr) > 0;

    if (wanted == !!chr->gsource) {
        return;
    }
    if (wanted) {
        chr->gsource =
            qio_channel_add_watch_source(ioc, G_IO_IN | G_IO_HUP | G_IO_ERR, func, chr, NULL, NULL);
        return;
    }
    g_source_destroy(chr->gsource);
    g_clear_pointer(&chr->gsource, g_source_unref);
}

static ssize_t read_bytes(void *opaque, QIOChannel *ioc, uint8_t *buf, size_t len)
{
    return qio_channel_read(ioc, (char *)buf, len, NULL);
}

bool qemu_chr_take_input(Chardev *chr, QIOChannel *ioc)
{
    return qemu_chr_take_input_by(chr, ioc, read_bytes);
}

bool qemu_chr_take_input_by(Chardev *chr, QIOChannel *ioc, ChardevReadFunc *read)
{
    uint8_t buf[READ_BUF_LEN];
    int room = MIN(qemu_chr_be_can_write(chr), (int)sizeof(buf));
    ssize_t n = QIO_CHANNEL_ERR_BLOCK;

    if (room > 0) {
        n = read(chr, ioc, buf, room);
    }
    if (n > 0) {
        qemu_chr_be_write(chr, buf, n);
    }
    return n > 0 || n == QIO_CHANNEL_ERR_BLOCK;
}

int qemu_chr_write_done(ssize_t n)
{
    if (n < 0) {
        /* A broken connection is noticed by the reader, after what still waits there. */
        errno = n == QIO_CHANNEL_ERR_BLOCK ? EAGAIN : EPIPE;
        return -1;
    }
    return n;
}

int qemu_chr_write_channel(QIOChannel *ioc, const uint8_t *buf, int len)
{
    return qemu_chr_write_done(qio_channel_write(ioc, buf, len, NULL));
}

GSource *qemu_chr_timeout_add_ms(Chardev *chr, guint ms, GSourceFunc func, void *opaque)
{
    GSource *source = g_timeout_source_new(ms);

    g_source_set_callback(source, func, opaque, NULL);
    g_source_attach(source, NULL);
    return source;
}

static bool open_log(Chardev *chr, ChardevCommon *common, Error **errp)
{
    int flags = O_WRONLY | O_CREAT;

    if (!common->logfile) {
        return true;
    }
    flags |= common->has_logappend && common->logappend ? O_APPEND : O_TRUNC;
    chr->logfd = qemu_chr_try_open_path(common->logfile, flags);
    if (chr->logfd < 0) {
        error_setg_errno(errp, -chr->logfd, "Unable to open logfile %s", common->logfile);
        return false;
    }
    return true;
}

static const char *const default_filenames[] = {
    [CHARDEV_BACKEND_KIND_FILE] = "file",       [CHARDEV_BACKEND_KIND_PIPE] = "pipe",
    [CHARDEV_BACKEND_KIND_SOCKET] = "socket",   [CHARDEV_BACKEND_KIND_UDP] = "udp",
    [CHARDEV_BACKEND_KIND_PTY] = "pty",         [CHARDEV_BACKEND_KIND_NULL] = "null",
    [CHARDEV_BACKEND_KIND_MUX] = "mux",         [CHARDEV_BACKEND_KIND_STDIO] = "stdio",
    [CHARDEV_BACKEND_KIND_RINGBUF] = "ringbuf", [CHARDEV_BACKEND_KIND_MEMORY] = "memory",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(default_filenames) != CHARDEV_BACKEND_KIND__MAX);

static bool check_name_free(const char *id, Error **errp)
{
    if (qemu_chr_find(id)) {
        error_setg(errp, "Chardev with id '%s' already exists", id);
        return false;
    }
    return true;
}

static bool chardev_open(Chardev *chr, ChardevBackend *backend, Error **errp)
{
    ERRP_GUARD();
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);
    bool be_opened = true;

    /* Every kind's data begins with the members of ChardevCommon. */
    if (!open_log(chr, (ChardevCommon *)backend->u.null.data, errp)) {
        return false;
    }
    if (cc->open) {
        cc->open(chr, backend, &be_opened, errp);
        if (*errp) {
            return false;
        }
    }
    if (!chr->filename) {
        chr->filename = g_strdup(default_filenames[backend->type]);
    }
    if (be_opened) {
        qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    }
    return true;
}

Chardev *qemu_chardev_new(const char *id, const char *typename, ChardevBackend *backend,
                          GMainContext *gcontext, Error **errp)
{
    g_autoptr(Chardev) chr = NULL;

    assert(!gcontext);
    if (!id_wellformed(id)) {
        error_setg(errp, "Parameter '%s' expects %s", "id", "an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting "
                                "with a letter.\n");
        return NULL;
    }
    if (!check_name_free(id, errp)) {
        return NULL;
    }
    chr = CHARDEV(object_new(typename));
    chr->label = g_strdup(id);
    /* Another command may have come meanwhile. */
    if (!chardev_open(chr, backend, errp) || !check_name_free(id, errp) ||
        !object_property_try_add_child(get_chardevs_root(), id, OBJECT(chr), errp)) {
        return NULL;
    }
    /* The tree keeps its own reference. */
    return chr;
}

static void chardev_instance_init(Object *obj)
{
    CHARDEV(obj)->logfd = -1;
}

static void chardev_finalize(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    assert(!chr->fe);
    if (chr->gsource) {
        g_source_destroy(chr->gsource);
        g_source_unref(chr->gsource);
    }
    g_free(chr->label);
    g_free(chr->filename);
    if (chr->logfd >= 0) {
        close(chr->logfd);
    }
}

static const TypeInfo chardev_types[] = {
    {
        .name = TYPE_CHARDEV,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Chardev),
        .instance_init = chardev_instance_init,
        .instance_finalize = chardev_finalize,
        .class_size = sizeof(ChardevClass),
        .abstract = true,
    },
};

DEFINE_TYPES(chardev_types)
