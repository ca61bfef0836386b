/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frontends: attaching to a device, handlers, writing.
 */
#include "qemu/osdep.h"
#include "chardev/char-fe.h"

static bool attach(Chardev *chr, CharFrontend *c, Error **errp)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);

    if (cc->chr_attach) {
        return cc->chr_attach(chr, c, errp);
    }
    if (chr->fe) {
        error_setg(errp, "Device '%s' is in use", chr->label);
        return false;
    }
    chr->fe = c;
    return true;
}

static void detach(Chardev *chr, CharFrontend *c)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);

    if (cc->chr_detach) {
        cc->chr_detach(chr, c);
    } else {
        chr->fe = NULL;
    }
}

bool qemu_chr_fe_init(CharFrontend *c, Chardev *s, Error **errp)
{
    *c = (CharFrontend){ .chr = s };
    if (s && !attach(s, c, errp)) {
        c->chr = NULL;
        return false;
    }
    return true;
}

void qemu_chr_fe_deinit(CharFrontend *c, bool del)
{
    Chardev *chr = c->chr;

    if (!chr) {
        return;
    }
    qemu_chr_fe_set_handlers(c, NULL, NULL, NULL, NULL, NULL, NULL, true);
    detach(chr, c);
    c->chr = NULL;
    if (del) {
        object_unparent(OBJECT(chr));
    }
}

Chardev *qemu_chr_fe_get_driver(CharFrontend *c)
{
    return c->chr;
}

bool qemu_chr_fe_backend_connected(CharFrontend *c)
{
    return c->chr;
}

bool qemu_chr_fe_backend_open(CharFrontend *c)
{
    return c->chr && c->chr->be_open;
}

void qemu_chr_fe_set_handlers(CharFrontend *c, IOCanReadHandler *fd_can_read,
                              IOReadHandler *fd_read, IOEventHandler *fd_event,
                              int (*be_change)(void *opaque), void *opaque, GMainContext *context,
                              bool set_open)
{
    bool fe_open = fd_can_read || fd_read || fd_event || opaque;

    assert(!context);
    if (!c->chr) {
        return;
    }
    c->chr_can_read = fd_can_read;
    c->chr_read = fd_read;
    c->chr_event = fd_event;
    c->opaque = opaque;
    if (set_open) {
        qemu_chr_fe_set_open(c, fe_open);
    }
    if (fd_event && c->chr->be_open) {
        fd_event(opaque, CHR_EVENT_OPENED);
    }
    qemu_chr_be_update_read_handlers(c->chr);
}

void qemu_chr_fe_accept_input(CharFrontend *c)
{
    if (c->chr) {
        qemu_chr_be_update_read_handlers(c->chr);
    }
}

void qemu_chr_fe_disconnect(CharFrontend *c)
{
    if (c->chr && CHARDEV_GET_CLASS(c->chr)->chr_disconnect) {
        CHARDEV_GET_CLASS(c->chr)->chr_disconnect(c->chr);
    }
}

int qemu_chr_fe_wait_connected(CharFrontend *c, Error **errp)
{
    ChardevClass *cc = c->chr ? CHARDEV_GET_CLASS(c->chr) : NULL;

    if (!cc) {
        error_setg(errp, "missing associated backend");
        return -1;
    }
    return cc->chr_wait_connected ? cc->chr_wait_connected(c->chr, errp) : 0;
}

void qemu_chr_fe_set_echo(CharFrontend *c, bool echo)
{
    if (c->chr && CHARDEV_GET_CLASS(c->chr)->chr_set_echo) {
        CHARDEV_GET_CLASS(c->chr)->chr_set_echo(c->chr, echo);
    }
}

void qemu_chr_fe_set_open(CharFrontend *c, bool is_open)
{
    if (c->chr) {
        c->fe_is_open = is_open;
    }
}

static void log_output(Chardev *chr, const uint8_t *buf, int len)
{
    while (chr->logfd >= 0 && len > 0) {
        ssize_t n = write(chr->logfd, buf, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            /* A log that cannot be written must not stop what it records. */
            return;
        }
        buf += n;
        len -= n;
    }
}

static int chr_write_some(Chardev *chr, const uint8_t *buf, int len)
{
    ChardevClass *cc = CHARDEV_GET_CLASS(chr);
    int saved_errno, n = cc->chr_write ? cc->chr_write(chr, buf, len) : len;

    saved_errno = errno;
    if (n > 0) {
        log_output(chr, buf, n);
    }
    errno = saved_errno;
    return n;
}

int qemu_chr_fe_write(CharFrontend *c, const uint8_t *buf, int len)
{
    return c->chr ? chr_write_some(c->chr, buf, len) : len;
}

static QIOChannel *out_channel(CharFrontend *c)
{
    ChardevClass *cc = c->chr ? CHARDEV_GET_CLASS(c->chr) : NULL;

    return cc && cc->chr_out_channel ? cc->chr_out_channel(c->chr) : NULL;
}

static gboolean set_flag(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

static gboolean set_flag_ready(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    return set_flag(opaque);
}

bool qemu_chr_fe_wait_writable(CharFrontend *c, int timeout_ms)
{
    g_autoptr(GMainContext) context = NULL;
    QIOChannel *out = out_channel(c);
    bool ready = false, late = false;
    GSource *timer = NULL;

    if (!out) {
        return false;
    }
    /* A context of its own: nothing else may run meanwhile. */
    context = g_main_context_new();
    qio_channel_add_watch_full(out, G_IO_OUT | G_IO_HUP | G_IO_ERR, set_flag_ready, &ready, NULL,
                               context);
    if (timeout_ms >= 0) {
        timer = g_timeout_source_new(timeout_ms);
        g_source_set_callback(timer, set_flag, &late, NULL);
        g_source_attach(timer, context);
        g_source_unref(timer);
    }
    while (!ready && !late) {
        g_main_context_iteration(context, true);
    }
    return ready;
}

int qemu_chr_fe_write_all(CharFrontend *c, const uint8_t *buf, int len)
{
    int done = 0;

    while (done < len) {
        int n = qemu_chr_fe_write(c, buf + done, len - done);

        if (n > 0) {
            done += n;
        } else if (n == 0 || errno != EAGAIN || !qemu_chr_fe_wait_writable(c, -1)) {
            return n < 0 && !done ? -1 : done;
        }
    }
    return done;
}

int qemu_chr_fe_read_all(CharFrontend *c, uint8_t *buf, int len)
{
    ChardevClass *cc = c->chr ? CHARDEV_GET_CLASS(c->chr) : NULL;
    int done = 0;

    if (!cc || !cc->chr_sync_read) {
        errno = EINVAL;
        return cc ? -1 : 0;
    }
    while (done < len) {
        int n = cc->chr_sync_read(c->chr, buf + done, len - done);

        if (n <= 0) {
            return n < 0 ? n : done;
        }
        done += n;
    }
    return done;
}

int qemu_chr_fe_set_msgfds(CharFrontend *c, int *fds, int num)
{
    ChardevClass *cc = c->chr ? CHARDEV_GET_CLASS(c->chr) : NULL;

    return cc && cc->set_msgfds ? cc->set_msgfds(c->chr, fds, num) : -1;
}

int qemu_chr_fe_get_msgfds(CharFrontend *c, int *fds, int num)
{
    ChardevClass *cc = c->chr ? CHARDEV_GET_CLASS(c->chr) : NULL;

    return cc && cc->get_msgfds ? cc->get_msgfds(c->chr, fds, num) : -1;
}

int qemu_chr_fe_get_msgfd(CharFrontend *c)
{
    int fd;

    return qemu_chr_fe_get_msgfds(c, &fd, 1) == 1 ? fd : -1;
}

void qemu_chr_fe_printf(CharFrontend *c, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qemu_chr_fe_write_all(c, (const uint8_t *)text, strlen(text));
}

typedef struct FEWatch {
    FEWatchFunc func;
    void *user_data;
} FEWatch;

static gboolean fe_watch_ready(QIOChannel *ioc, GIOCondition condition, gpointer data)
{
    FEWatch *watch = data;

    return watch->func(NULL, condition, watch->user_data);
}

guint qemu_chr_fe_add_watch(CharFrontend *c, GIOCondition cond, FEWatchFunc func, void *user_data)
{
    QIOChannel *out = out_channel(c);
    FEWatch *watch;

    if (!out) {
        return 0;
    }
    watch = g_new(FEWatch, 1);
    *watch = (FEWatch){ .func = func, .user_data = user_data };
    return qio_channel_add_watch(out, cond, fe_watch_ready, watch, g_free);
}
