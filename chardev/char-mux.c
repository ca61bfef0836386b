/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device that several frontends share.
 *
 * It is the frontend of the device below. Output of all goes there, as it comes. Input goes to the
 * one in focus, which is the last that attached, or whom Control-A c has chosen since; it waits
 * in a buffer of its own while its user does not take it, so that Control-A is heard meanwhile.
 */
#include "qemu/osdep.h"
#include "chardev/char-fe.h"
#include "qemu/timer.h"

enum {
    USERS_MAX = 4,
    INPUT_MAX = 4096,
    ESCAPE = 'A' - '@',
};

typedef struct MuxUser {
    CharFrontend *fe;
    uint8_t input[INPUT_MAX];
    unsigned begin, end;
} MuxUser;

OBJECT_DECLARE_SIMPLE_TYPE(MuxChardev, CHARDEV_MUX)

struct MuxChardev {
    Chardev parent_obj;

    Chardev *base; /* a reference */
    CharFrontend below;
    MuxUser *users[USERS_MAX]; /* in the order of attaching */
    unsigned count;
    unsigned focus; /* of users, if there are any */
    bool escaped;   /* the byte before was ESCAPE */
    bool giving;
    /* Times before each line of output, and what is still to be written of one. */
    bool timestamps;
    bool line_begins;
    int64_t timestamps_begin; /* ns of the realtime clock */
    char stamp[32];
    size_t stamp_done;
};

/* Focus */

static void tell(MuxChardev *s, unsigned user, QEMUChrEvent event)
{
    CharFrontend *fe = s->users[user]->fe;

    if (fe->chr_event) {
        fe->chr_event(fe->opaque, event);
    }
}

static void set_focus(MuxChardev *s, unsigned user)
{
    s->focus = user;
    CHARDEV(s)->fe = s->users[user]->fe;
    tell(s, user, CHR_EVENT_MUX_IN);
}

static bool mux_chr_attach(Chardev *chr, CharFrontend *fe, Error **errp)
{
    MuxChardev *s = CHARDEV_MUX(chr);

    if (s->count == USERS_MAX) {
        error_setg(errp, "Device '%s' is in use by %u users, and takes no more", chr->label,
                   s->count);
        return false;
    }
    if (s->count > 0) {
        tell(s, s->focus, CHR_EVENT_MUX_OUT);
    }
    s->users[s->count] = g_new0(MuxUser, 1);
    s->users[s->count]->fe = fe;
    set_focus(s, s->count++);
    return true;
}

static unsigned user_of(MuxChardev *s, CharFrontend *fe)
{
    unsigned user = 0;

    while (s->users[user]->fe != fe) {
        user++;
        assert(user < s->count);
    }
    return user;
}

static void mux_chr_detach(Chardev *chr, CharFrontend *fe)
{
    MuxChardev *s = CHARDEV_MUX(chr);
    unsigned user = user_of(s, fe);

    g_free(s->users[user]);
    s->count--;
    memmove(&s->users[user], &s->users[user + 1], (s->count - user) * sizeof(s->users[0]));
    if (chr->fe == fe) {
        chr->fe = NULL;
        if (s->count > 0) {
            set_focus(s, s->count - 1);
        }
    } else if (s->focus > user) {
        s->focus--;
    }
    qemu_chr_be_update_read_handlers(chr);
}

/* Output */

static bool write_stamp(MuxChardev *s)
{
    while (s->stamp[s->stamp_done]) {
        const char *rest = s->stamp + s->stamp_done;
        int n = qemu_chr_fe_write(&s->below, (const uint8_t *)rest, strlen(rest));

        if (n <= 0) {
            return false;
        }
        s->stamp_done += n;
    }
    return true;
}

static void begin_line(MuxChardev *s)
{
    int64_t ms = (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - s->timestamps_begin) / SCALE_MS;
    int64_t sec = ms / 1000;

    snprintf(s->stamp, sizeof(s->stamp), "[%02d:%02d:%02d.%03d] ", (int)(sec / 3600),
             (int)(sec / 60 % 60), (int)(sec % 60), (int)(ms % 1000));
    s->stamp_done = 0;
    s->line_begins = false;
}

static int mux_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    MuxChardev *s = CHARDEV_MUX(chr);
    int done = 0, n;

    while (s->timestamps && done < len) {
        const uint8_t *newline = memchr(buf + done, '\n', len - done);
        int line = newline ? newline + 1 - (buf + done) : len - done;

        if (s->line_begins) {
            begin_line(s);
        }
        n = write_stamp(s) ? qemu_chr_fe_write(&s->below, buf + done, line) : -1;
        if (n <= 0) {
            return done ? done : n;
        }
        done += n;
        s->line_begins = buf[done - 1] == '\n';
    }
    return done < len ? qemu_chr_fe_write(&s->below, buf, len) : done;
}

static QIOChannel *mux_chr_out_channel(Chardev *chr)
{
    Chardev *base = CHARDEV_MUX(chr)->base;
    ChardevClass *cc = CHARDEV_GET_CLASS(base);

    return cc->chr_out_channel ? cc->chr_out_channel(base) : NULL;
}

/* Input */

static void give(MuxChardev *s)
{
    int room;

    if (s->giving) {
        return;
    }
    s->giving = true;
    while (s->count > 0 && (room = qemu_chr_be_can_write(CHARDEV(s))) > 0) {
        MuxUser *user = s->users[s->focus];
        unsigned n = MIN((unsigned)room, user->end - user->begin);

        if (n == 0) {
            user->begin = user->end = 0;
            break;
        }
        user->begin += n;
        qemu_chr_be_write(CHARDEV(s), user->input + user->begin - n, n);
    }
    s->giving = false;
}

static void put(MuxChardev *s, uint8_t byte)
{
    MuxUser *user = s->users[s->focus];

    /* below_can_read() has seen to it that there is room. */
    user->input[user->end++] = byte;
}

static void say(MuxChardev *s, const char *text)
{
    qemu_chr_fe_write(&s->below, (const uint8_t *)text, strlen(text));
}

static void key_help(MuxChardev *s)
{
    say(s, "\r\n"
           "C-a h    these keys\r\n"
           "C-a x    ends the program\r\n"
           "C-a t    times before lines of output, or none\r\n"
           "C-a b    sends a break\r\n"
           "C-a c    gives the input to the next user\r\n"
           "C-a C-a  sends C-a\r\n");
}

static void key_exit(MuxChardev *s)
{
    say(s, "\r\nended by C-a x\r\n");
    /* To this thread, which the sandbox allows: it is the main one. */
    raise(SIGTERM);
}

static void key_times(MuxChardev *s)
{
    s->timestamps = !s->timestamps;
    s->timestamps_begin = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    s->line_begins = s->timestamps;
    s->stamp[0] = '\0';
    s->stamp_done = 0;
}

static void key_break(MuxChardev *s)
{
    qemu_chr_be_event(CHARDEV(s), CHR_EVENT_BREAK);
}

static void key_next(MuxChardev *s)
{
    give(s);
    tell(s, s->focus, CHR_EVENT_MUX_OUT);
    set_focus(s, (s->focus + 1) % s->count);
}

static void key_escape(MuxChardev *s)
{
    put(s, ESCAPE);
}

static const struct {
    uint8_t key;
    void (*act)(MuxChardev *s);
} keys[] = {
    { 'h', key_help },  { '?', key_help }, { 'x', key_exit },      { 't', key_times },
    { 'b', key_break }, { 'c', key_next }, { ESCAPE, key_escape },
};

static void take_byte(MuxChardev *s, uint8_t byte)
{
    bool escaped = s->escaped;

    s->escaped = !escaped && byte == ESCAPE;
    if (s->escaped) {
        return;
    }
    if (!escaped) {
        put(s, byte);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].key == byte) {
            keys[i].act(s);
        }
    }
}

/* So much that it has room wherever the keys in it may send it. */
static int below_can_read(void *opaque)
{
    MuxChardev *s = opaque;
    int room = s->count > 0 ? INPUT_MAX : 0;

    for (unsigned i = 0; i < s->count; i++) {
        room = MIN(room, INPUT_MAX - (int)s->users[i]->end);
    }
    return room;
}

static void below_read(void *opaque, const uint8_t *buf, int size)
{
    g_autoptr(MuxChardev) s = CHARDEV_MUX(object_ref(opaque));

    for (int i = 0; i < size && s->count > 0; i++) {
        take_byte(s, buf[i]);
    }
    give(s);
}

static void below_event(void *opaque, QEMUChrEvent event)
{
    MuxChardev *s = opaque;

    if (event == CHR_EVENT_BREAK) {
        qemu_chr_be_event(CHARDEV(s), event);
    }
    if (event != CHR_EVENT_OPENED && event != CHR_EVENT_CLOSED) {
        return;
    }
    CHARDEV(s)->be_open = event == CHR_EVENT_OPENED;
    s->escaped = false;
    for (unsigned i = 0; i < s->count; i++) {
        s->users[i]->begin = s->users[i]->end = 0;
        tell(s, i, event);
    }
}

static void mux_chr_update_read_handler(Chardev *chr)
{
    give(CHARDEV_MUX(chr));
    qemu_chr_fe_accept_input(&CHARDEV_MUX(chr)->below);
}

/* What is left to the device below */

static void mux_chr_disconnect(Chardev *chr)
{
    qemu_chr_fe_disconnect(&CHARDEV_MUX(chr)->below);
}

static int mux_chr_wait_connected(Chardev *chr, Error **errp)
{
    return qemu_chr_fe_wait_connected(&CHARDEV_MUX(chr)->below, errp);
}

static void mux_chr_set_echo(Chardev *chr, bool echo)
{
    qemu_chr_fe_set_echo(&CHARDEV_MUX(chr)->below, echo);
}

static void mux_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    const char *name = backend->u.mux.data->chardev;
    MuxChardev *s = CHARDEV_MUX(chr);
    Chardev *base = qemu_chr_find(name);

    *be_opened = false;
    if (!base) {
        error_setg(errp, "mux: base chardev %s not found", name);
        return;
    }
    if (!qemu_chr_fe_init(&s->below, base, errp)) {
        return;
    }
    s->base = CHARDEV(object_ref(OBJECT(base)));
    qemu_chr_fe_set_handlers(&s->below, below_can_read, below_read, below_event, NULL, s, NULL,
                             true);
}

static void mux_chr_finalize(Object *obj)
{
    MuxChardev *s = CHARDEV_MUX(obj);

    assert(s->count == 0);
    qemu_chr_fe_deinit(&s->below, false);
    object_unref(OBJECT(s->base));
}

static void mux_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = mux_chr_open;
    cc->chr_attach = mux_chr_attach;
    cc->chr_detach = mux_chr_detach;
    cc->chr_write = mux_chr_write;
    cc->chr_out_channel = mux_chr_out_channel;
    cc->chr_update_read_handler = mux_chr_update_read_handler;
    cc->chr_disconnect = mux_chr_disconnect;
    cc->chr_wait_connected = mux_chr_wait_connected;
    cc->chr_set_echo = mux_chr_set_echo;
}

static const TypeInfo mux_chr_types[] = {
    {
        .name = TYPE_CHARDEV_MUX,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(MuxChardev),
        .instance_finalize = mux_chr_finalize,
        .class_init = mux_chr_class_init,
    },
};

DEFINE_TYPES(mux_chr_types)
