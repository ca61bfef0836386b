/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: streams of bytes between something outside and one user inside.
 *
 * Theory of operation: a Chardev is made by an option (--chardev) or chardev-add and lives in
 * the container /chardevs until chardev-remove or qemu_chr_cleanup(). Its kind decides what lies
 * outside: a socket, a terminal, files. Inside, one CharFrontend (chardev/char-fe.h) may attach
 * to it; it says how much it can take, gets input and the events OPENED and CLOSED, and writes.
 * A device of the kind mux carries several, of which one at a time has the input.
 * A backend watches its input only while the frontend can take some.
 *
 * Everything here runs in the main loop. Writing never blocks unless its name says so.
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include "io/channel.h"
#include "qapi/qapi-types-char.h"
#include "qemu/bitmap.h"
#include "qemu/main-loop.h"
#include "qom/object.h"

/* What happens to the connection; handed to the frontend. */
typedef enum QEMUChrEvent {
    CHR_EVENT_BREAK,
    CHR_EVENT_OPENED,
    CHR_EVENT_MUX_IN,  /* input comes to this frontend from now on */
    CHR_EVENT_MUX_OUT, /* to another one */
    CHR_EVENT_CLOSED,
    CHR_EVENT__MAX,
} QEMUChrEvent;

typedef struct CharFrontend CharFrontend;

#define TYPE_CHARDEV "chardev"
OBJECT_DECLARE_TYPE(Chardev, ChardevClass, CHARDEV)

/* The types of the kinds; "chardev-KIND". */
#define TYPE_CHARDEV_FD      "chardev-fd"
#define TYPE_CHARDEV_FILE    "chardev-file"
#define TYPE_CHARDEV_MUX     "chardev-mux"
#define TYPE_CHARDEV_NULL    "chardev-null"
#define TYPE_CHARDEV_PIPE    "chardev-pipe"
#define TYPE_CHARDEV_PTY     "chardev-pty"
#define TYPE_CHARDEV_RINGBUF "chardev-ringbuf"
#define TYPE_CHARDEV_MEMORY  "chardev-memory"
#define TYPE_CHARDEV_SOCKET  "chardev-socket"
#define TYPE_CHARDEV_STDIO   "chardev-stdio"
#define TYPE_CHARDEV_UDP     "chardev-udp"

struct Chardev {
    Object parent_obj;

    /* Constant after creation. */
    char *label;
    int logfd;
    /* Main loop. */
    char *filename;
    CharFrontend *fe; /* who gets the input, NULL: nobody is attached */
    bool be_open;
    /* The watch on the input, NULL while nobody wants any. */
    GSource *gsource;
};

struct ChardevClass {
    ObjectClass parent_class;

    /* Not to be made by name. */
    bool internal;
    /*
     * Open what @backend describes. On success *@be_opened says whether it is connected now.
     * On failure the object is released; chr_finalize must cope with what is half there.
     */
    void (*open)(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp);
    /* Of a device that carries several frontends: attach one, or not (false); detach one. */
    bool (*chr_attach)(Chardev *chr, CharFrontend *fe, Error **errp);
    void (*chr_detach)(Chardev *chr, CharFrontend *fe);
    /* Write at most @len bytes now: the number, or -1 with errno (EAGAIN: later). */
    int (*chr_write)(Chardev *chr, const uint8_t *buf, int len);
    /* Descriptors beside the bytes, as qemu_chr_fe_set_msgfds() and _get_msgfds(); NULL: none. */
    int (*set_msgfds)(Chardev *chr, int *fds, int num);
    int (*get_msgfds)(Chardev *chr, int *fds, int num);
    /* Block for input: bytes, 0 at the end, or -1 with errno. NULL: it cannot. */
    int (*chr_sync_read)(Chardev *chr, uint8_t *buf, int len);
    /* The channel that output goes to, NULL if it has none (now). */
    QIOChannel *(*chr_out_channel)(Chardev *chr);
    /* Start or stop watching the input, as the frontend can take it. */
    void (*chr_update_read_handler)(Chardev *chr);
    /* Cut the connection. */
    void (*chr_disconnect)(Chardev *chr);
    /* Block until there is a connection; 0 or -1. */
    int (*chr_wait_connected)(Chardev *chr, Error **errp);
    /* Whether typed characters are shown. */
    void (*chr_set_echo)(Chardev *chr, bool echo);
};

/*
 * qemu_chardev_new: make a device.
 * @id: its name; must be an identifier that no other device has.
 * @typename: its type (TYPE_CHARDEV_*).
 * @gcontext: NULL, the default main context.
 * In a coroutine it may yield before the device is there for others.
 * Returns a borrowed pointer: the tree owns the device. NULL with @errp set.
 */
Chardev *qemu_chardev_new(const char *id, const char *typename, ChardevBackend *backend,
                          GMainContext *gcontext, Error **errp);

/*
 * qemu_chr_new_from_str: make a device from the text of a --chardev option. With mux=on the name is
 * that of a mux on top, and the device itself is called NAME-base.
 */
Chardev *qemu_chr_new_from_str(const char *text, Error **errp);

/*
 * qemu_chr_parse_str: what the text of a --chardev option describes, without making it.
 * Short forms of booleans are accepted with a warning.
 * @ret_id: set to the name, to be freed by the caller.
 * @ret_mux: whether several frontends shall share it.
 */
ChardevBackend *qemu_chr_parse_str(const char *text, char **ret_id, bool *ret_mux, Error **errp);

/* qemu_chr_help: the list of kinds, as text; the caller frees it. */
char *qemu_chr_help(void);
/* qemu_chr_kind_help: the keys of the kind called @name; the caller frees it; NULL with *errp. */
char *qemu_chr_kind_help(const char *name, Error **errp);

/* qemu_chr_find: a device by its name; borrowed, NULL if there is none. */
Chardev *qemu_chr_find(const char *name);
/* get_chardevs_root: /chardevs, where devices live. */
Object *get_chardevs_root(void);
/* qemu_chr_cleanup: delete all devices; socket files go. No frontend may be attached. */
void qemu_chr_cleanup(void);
/* qemu_chr_timeout_add_ms: like g_timeout_add(), as a source that the caller owns. */
GSource *qemu_chr_timeout_add_ms(Chardev *chr, guint ms, GSourceFunc func, void *opaque);

/*
 * qemu_chr_set_interrupt_fd: a descriptor that becomes readable when the program shall end: a
 * server that waits for its client then gives up. -1 for none.
 */
void qemu_chr_set_interrupt_fd(int fd);
int qemu_chr_get_interrupt_fd(void);

/* qemu_chr_is_busy: whether a frontend is attached. */
bool qemu_chr_is_busy(Chardev *s);

/* For backends. */

/* qemu_chr_be_can_write: how many bytes the frontend takes now. */
int qemu_chr_be_can_write(Chardev *s);
/* qemu_chr_be_write: hand input to the frontend; @len is at most what it can take. */
void qemu_chr_be_write(Chardev *s, const uint8_t *buf, int len);
/* qemu_chr_be_event: the connection is there, or gone. */
void qemu_chr_be_event(Chardev *s, QEMUChrEvent event);
/* qemu_chr_be_update_read_handlers: the frontend's wishes changed; watch or do not watch. */
void qemu_chr_be_update_read_handlers(Chardev *s);

/*
 * qemu_chr_watch_input: watch @ioc with @func as long as the frontend can take bytes, or stop
 * (also when @ioc is NULL). @func gets @chr as its data; it returns G_SOURCE_CONTINUE.
 */
void qemu_chr_watch_input(Chardev *chr, QIOChannel *ioc, QIOChannelFunc func);

/*
 * qemu_chr_take_input: read once from @ioc as much as the frontend takes, and hand it over. False
 * when the stream has ended or is broken.
 */
bool qemu_chr_take_input(Chardev *chr, QIOChannel *ioc);

/* The same by another function than qio_channel_read(), with its results; it gets @chr. */
typedef ssize_t ChardevReadFunc(void *chr, QIOChannel *ioc, uint8_t *buf, size_t len);
bool qemu_chr_take_input_by(Chardev *chr, QIOChannel *ioc, ChardevReadFunc *read);

/* qemu_chr_write_done: what chr_write() returns where a channel's write has returned @n. */
int qemu_chr_write_done(ssize_t n);
/* qemu_chr_write_channel: chr_write() for a device whose output is @ioc. */
int qemu_chr_write_channel(QIOChannel *ioc, const uint8_t *buf, int len);

#endif /* CHARDEV_CHAR_H */
