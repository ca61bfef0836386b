/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on a new pseudo terminal.
 *
 * The kernel reports a hang-up as long as nobody has the terminal open, and does not report
 * that somebody opens it; so while it is closed the device looks once a second, and only when a
 * frontend wants input. Output vanishes while nobody has the terminal open.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <termios.h>
#include "chardev/char-fe.h"
#include "io/channel-file.h"
#include "qemu/error-report.h"

#define LOOK_INTERVAL_MS 1000

typedef struct PtyChardev {
    Chardev parent;

    QIOChannel *ioc;
    bool connected;
    GSource *look_timer;
    /* The symbolic link that was asked for; open, so that its number is no other file's. */
    char *link;
    int link_fd;
} PtyChardev;

DECLARE_INSTANCE_CHECKER(PtyChardev, PTY_CHARDEV, TYPE_CHARDEV_PTY)

static void pty_chr_update_read_handler(Chardev *chr);

static bool somebody_has_it_open(PtyChardev *s)
{
    struct pollfd pfd = { .fd = QIO_CHANNEL_FILE(s->ioc)->fd, .events = POLLOUT };

    return poll(&pfd, 1, 0) >= 0 && !(pfd.revents & POLLHUP);
}

static gboolean look(gpointer data)
{
    PtyChardev *s = data;

    g_clear_pointer(&s->look_timer, g_source_unref);
    pty_chr_update_read_handler(CHARDEV(s));
    return G_SOURCE_REMOVE;
}

static void stop_looking(PtyChardev *s)
{
    if (s->look_timer) {
        g_source_destroy(s->look_timer);
        g_clear_pointer(&s->look_timer, g_source_unref);
    }
}

static void set_connected(PtyChardev *s, bool connected)
{
    if (s->connected != connected) {
        s->connected = connected;
        if (!connected) {
            qemu_chr_watch_input(CHARDEV(s), NULL, NULL);
        }
        qemu_chr_be_event(CHARDEV(s), connected ? CHR_EVENT_OPENED : CHR_EVENT_CLOSED);
    }
}

static gboolean pty_chr_read(QIOChannel *ioc, GIOCondition cond, gpointer data)
{
    g_autoptr(Chardev) chr = CHARDEV(object_ref(data));

    if (!qemu_chr_take_input(chr, ioc)) {
        set_connected(PTY_CHARDEV(chr), false);
    }
    qemu_chr_be_update_read_handlers(chr);
    return G_SOURCE_CONTINUE;
}

static void pty_chr_update_read_handler(Chardev *chr)
{
    PtyChardev *s = PTY_CHARDEV(chr);

    stop_looking(s);
    if (!s->connected && somebody_has_it_open(s)) {
        set_connected(s, true);
    }
    if (s->connected) {
        qemu_chr_watch_input(chr, s->ioc, pty_chr_read);
    } else if (chr->fe && chr->fe->chr_read) {
        s->look_timer = qemu_chr_timeout_add_ms(chr, LOOK_INTERVAL_MS, look, s);
    }
}

static int pty_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    PtyChardev *s = PTY_CHARDEV(chr);

    return s->connected ? qemu_chr_write_channel(s->ioc, buf, len) : len;
}

static QIOChannel *pty_chr_out_channel(Chardev *chr)
{
    return PTY_CHARDEV(chr)->ioc;
}

/* The master side, its own; the terminal is raw and stays even when nobody has it open. */
static int open_master(char *name, size_t size, Error **errp)
{
    struct termios tty;
    int master, slave;

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
        error_setg_errno(errp, errno, "Failed to create PTY");
        return -1;
    }
    if (ttyname_r(slave, name, size) != 0) {
        snprintf(name, size, "unknown");
    }
    if (tcgetattr(slave, &tty) == 0) {
        cfmakeraw(&tty);
        tcsetattr(slave, TCSAFLUSH, &tty);
    }
    close(slave);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    return master;
}

static bool make_link(PtyChardev *s, const char *name, const char *link, Error **errp)
{
    if (symlink(name, link) < 0) {
        error_setg_errno(errp, errno, "Failed to create PTY symlink '%s'", link);
        return false;
    }
    s->link = g_canonicalize_filename(link, NULL);
    s->link_fd = open(link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (s->link_fd < 0) {
        error_setg_errno(errp, errno, "Failed to open PTY symlink '%s'", link);
        return false;
    }
    return true;
}

/* What somebody else has put there since stays. */
static void remove_link(PtyChardev *s)
{
    struct stat ours, there;

    if (fstat(s->link_fd, &ours) == 0 && lstat(s->link, &there) == 0 &&
        ours.st_dev == there.st_dev && ours.st_ino == there.st_ino) {
        unlink(s->link);
    }
    close(s->link_fd);
}

static void pty_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    PtyChardev *s = PTY_CHARDEV(chr);
    const char *link = backend->u.pty.data->path;
    char name[PATH_MAX];
    int master = open_master(name, sizeof(name), errp);

    *be_opened = false;
    if (master < 0) {
        return;
    }
    s->ioc = QIO_CHANNEL(qio_channel_file_new_fd(master));
    qio_channel_set_name(s->ioc, "chardev-pty");
    if (!qio_channel_set_blocking(s->ioc, false, errp)) {
        return;
    }
    if (link && !make_link(s, name, link, errp)) {
        return;
    }
    chr->filename = g_strdup_printf("pty:%s", name);
    error_printf("char device redirected to %s (label %s)\n", name, chr->label);
}

static void pty_chr_init(Object *obj)
{
    PTY_CHARDEV(obj)->link_fd = -1;
}

static void pty_chr_finalize(Object *obj)
{
    PtyChardev *s = PTY_CHARDEV(obj);

    stop_looking(s);
    qemu_chr_watch_input(CHARDEV(obj), NULL, NULL);
    object_unref(s->ioc);
    if (s->link_fd >= 0) {
        remove_link(s);
    }
    g_free(s->link);
}

static void pty_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = pty_chr_open;
    cc->chr_write = pty_chr_write;
    cc->chr_out_channel = pty_chr_out_channel;
    cc->chr_update_read_handler = pty_chr_update_read_handler;
}

static const TypeInfo pty_chr_types[] = {
    {
        .name = TYPE_CHARDEV_PTY,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(PtyChardev),
        .instance_init = pty_chr_init,
        .instance_finalize = pty_chr_finalize,
        .class_init = pty_chr_class_init,
    },
};

DEFINE_TYPES(pty_chr_types)
