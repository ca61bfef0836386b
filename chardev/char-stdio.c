/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on the process's standard input and output.
 *
 * A terminal gets its settings back at the end, and both descriptors their blocking mode: other
 * processes share them. There is one such device at a time.
 */
#include "qemu/osdep.h"
#include <termios.h>
#include "chardev/char-fd.h"

typedef struct StdioState {
    bool in_use;
    bool is_tty;
    bool signal;
    struct termios old_tty;
    int old_flags[2];
} StdioState;

static StdioState stdio;

static void set_echo(bool echo)
{
    struct termios tty = stdio.old_tty;

    if (!stdio.is_tty) {
        return;
    }
    if (!echo) {
        tty.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        tty.c_oflag |= OPOST;
        tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
        tty.c_cflag &= ~(CSIZE | PARENB);
        tty.c_cflag |= CS8;
        tty.c_cc[VMIN] = 1;
        tty.c_cc[VTIME] = 0;
    }
    if (!stdio.signal) {
        tty.c_lflag &= ~ISIG;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &tty);
}

static void stdio_chr_set_echo(Chardev *chr, bool echo)
{
    set_echo(echo);
}

/* Also at exit(), which does not finalize objects. */
static void stdio_restore(void)
{
    if (!stdio.in_use) {
        return;
    }
    if (stdio.is_tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &stdio.old_tty);
    }
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        if (stdio.old_flags[fd] >= 0) {
            fcntl(fd, F_SETFL, stdio.old_flags[fd]);
        }
    }
    stdio.in_use = false;
}

static void stdio_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    static bool at_exit;
    ChardevStdio *opts = backend->u.stdio.data;
    int in, out;

    if (is_daemonized()) {
        error_setg(errp, "cannot use stdio with -daemonize");
        return;
    }
    if (stdio.in_use) {
        error_setg(errp, "cannot use stdio by multiple character devices");
        return;
    }
    in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (in < 0 || out < 0) {
        error_setg_errno(errp, errno, "standard input or output is not open");
        if (in >= 0) {
            close(in);
        }
        return;
    }
    stdio.old_flags[STDIN_FILENO] = fcntl(STDIN_FILENO, F_GETFL);
    stdio.old_flags[STDOUT_FILENO] = fcntl(STDOUT_FILENO, F_GETFL);
    stdio.is_tty = tcgetattr(STDIN_FILENO, &stdio.old_tty) == 0;
    stdio.signal = !opts->has_signal || opts->signal;
    stdio.in_use = true;
    if (!at_exit) {
        at_exit = true;
        atexit(stdio_restore);
    }
    if (qemu_chr_open_fd(chr, in, out, errp)) {
        set_echo(false);
    }
}

static void stdio_chr_finalize(Object *obj)
{
    /* A device that was refused because another one has the terminal has no channels. */
    if (FD_CHARDEV(obj)->ioc_out) {
        stdio_restore();
    }
}

static void stdio_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = stdio_chr_open;
    cc->chr_set_echo = stdio_chr_set_echo;
}

static const TypeInfo stdio_chr_types[] = {
    {
        .name = TYPE_CHARDEV_STDIO,
        .parent = TYPE_CHARDEV_FD,
        .instance_finalize = stdio_chr_finalize,
        .class_init = stdio_chr_class_init,
    },
};

DEFINE_TYPES(stdio_chr_types)
