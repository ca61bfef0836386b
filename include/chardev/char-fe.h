/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside end of a character device, which its user embeds.
 *
 * A frontend attaches to one device (or to none: then writes vanish) and installs handlers. As
 * soon as fd_can_read() may return more than before, the user calls qemu_chr_fe_accept_input():
 * nothing polls it. Main loop only.
 */
#ifndef CHARDEV_CHAR_FE_H
#define CHARDEV_CHAR_FE_H

#include "chardev/char.h"

/* How many bytes fd_read() takes at most, 0 for none. */
typedef int IOCanReadHandler(void *opaque);
/* Input: 1 to fd_can_read() bytes. */
typedef void IOReadHandler(void *opaque, const uint8_t *buf, int size);
/* The connection came or went. */
typedef void IOEventHandler(void *opaque, QEMUChrEvent event);
/* The output can take bytes again (or is broken); returns G_SOURCE_CONTINUE or _REMOVE. */
typedef gboolean (*FEWatchFunc)(void *do_not_use, GIOCondition condition, void *data);

struct CharFrontend {
    Chardev *chr;
    IOEventHandler *chr_event;
    IOCanReadHandler *chr_can_read;
    IOReadHandler *chr_read;
    void *opaque;
    bool fe_is_open;
};

/*
 * qemu_chr_fe_init: attach @c to @s, which may be NULL. Only a mux takes more than one frontend;
 * the last to attach has its input.
 */
bool qemu_chr_fe_init(CharFrontend *c, Chardev *s, Error **errp);
/* qemu_chr_fe_deinit: detach; with @del, delete the device too. */
void qemu_chr_fe_deinit(CharFrontend *c, bool del);
/* qemu_chr_fe_get_driver: the device, borrowed; NULL if none. */
Chardev *qemu_chr_fe_get_driver(CharFrontend *c);
/* qemu_chr_fe_backend_connected: whether @c has a device at all. */
bool qemu_chr_fe_backend_connected(CharFrontend *c);
/* qemu_chr_fe_backend_open: whether the device is connected to something. */
bool qemu_chr_fe_backend_open(CharFrontend *c);

/*
 * qemu_chr_fe_set_handlers: install the handlers, all NULL to remove them.
 * @be_change: not used here; NULL.
 * @context: NULL, the default main context.
 * @set_open: tell the device that its frontend is open (or closed, without handlers).
 * If the device is connected already, OPENED comes before this returns.
 */
void qemu_chr_fe_set_handlers(CharFrontend *c, IOCanReadHandler *fd_can_read,
                              IOReadHandler *fd_read, IOEventHandler *fd_event,
                              int (*be_change)(void *opaque), void *opaque, GMainContext *context,
                              bool set_open);

/* qemu_chr_fe_accept_input: fd_can_read() may return more now. */
void qemu_chr_fe_accept_input(CharFrontend *c);
/* qemu_chr_fe_disconnect: cut the connection; a server then takes the next client. */
void qemu_chr_fe_disconnect(CharFrontend *c);
/* qemu_chr_fe_wait_connected: block until there is a connection; 0 or -1. */
int qemu_chr_fe_wait_connected(CharFrontend *c, Error **errp);
void qemu_chr_fe_set_echo(CharFrontend *c, bool echo);
void qemu_chr_fe_set_open(CharFrontend *c, bool is_open);

/*
 * qemu_chr_fe_write: write what goes now. The number of bytes (@len if there is no device or
 * nobody is connected, so that output has no say in what its user does), or -1 with errno.
 */
int qemu_chr_fe_write(CharFrontend *c, const uint8_t *buf, int len);
/* qemu_chr_fe_write_all: write all of it, blocking; the number written, or -1 with errno. */
int qemu_chr_fe_write_all(CharFrontend *c, const uint8_t *buf, int len);
/*
 * qemu_chr_fe_read_all: read @len bytes, blocking: @len, fewer at the end of the stream or where
 * nobody is connected, or -1 with errno (EINVAL: the device cannot). What the device reads by
 * itself goes to fd_read(); so there are no handlers meanwhile.
 */
int qemu_chr_fe_read_all(CharFrontend *c, uint8_t *buf, int len);

/*
 * qemu_chr_fe_set_msgfds: the @num descriptors go with the first byte that is written from now on,
 * instead of those of the last call; they stay the caller's, and open until then. 0, or -1: nobody
 * is connected, or the device carries none.
 */
int qemu_chr_fe_set_msgfds(CharFrontend *c, int *fds, int num);
/*
 * qemu_chr_fe_get_msgfds: up to @num of the descriptors that came with the last bytes that had any;
 * they are the caller's, the rest is closed. How many, or -1: the device carries none. Those that
 * nobody gets are closed when others come.
 */
int qemu_chr_fe_get_msgfds(CharFrontend *c, int *fds, int num);
/* qemu_chr_fe_get_msgfd: the first of them; -1: there is none. */
int qemu_chr_fe_get_msgfd(CharFrontend *c);

/*
 * qemu_chr_fe_wait_writable: block until the output can take bytes (or is broken), at most
 * @timeout_ms (-1: for ever). False when the time is over or there is nothing to wait for.
 */
bool qemu_chr_fe_wait_writable(CharFrontend *c, int timeout_ms);
/* qemu_chr_fe_printf: formatted text; blocks like write_all. */
void qemu_chr_fe_printf(CharFrontend *c, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/*
 * qemu_chr_fe_add_watch: call @func when the output is ready for @cond. Returns a source id of
 * the default main context, 0 if the device has nothing to watch.
 */
guint qemu_chr_fe_add_watch(CharFrontend *c, GIOCondition cond, FEWatchFunc func, void *user_data);

#endif /* CHARDEV_CHAR_FE_H */
