/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on a stream socket.
 *
 * Theory of operation: a server listens from the beginning to the end of the device and serves
 * one client at a time; while one is there, others wait in the kernel's backlog. A client
 * connects when the device is made, and again reconnect-ms after its connection ended, in the
 * background. The state is CONNECTED while there is a channel to talk over; a connection
 * attempt in the background keeps the device alive and finds out at its end whether the device
 * has left the tree meanwhile.
 */
#include "qemu/osdep.h"
#include "char-msgfds.h"
#include "char-open.h"
#include "chardev/char-fe.h"
#include <glib-unix.h>
#include "io/net-listener.h"
#include "qemu/coroutine.h"
#include "qemu/error-report.h"
#include "qemu/roles.h"

typedef enum SocketState {
    SOCKET_DISCONNECTED,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_STATE__MAX,
} SocketState;

typedef struct SocketChardev {
    Chardev parent;

    /* Constant after creation. */
    SocketAddress *addr;
    bool is_listen;
    bool nodelay;
    int64_t reconnect_ms;
    /* Main loop. */
    SocketState state;
    QIOChannel *ioc;
    QIONetListener *listener;
    GSource *reconnect_timer;
    bool failure_reported;
    /* Of the connection. */
    CharMsgfds in;
    CharMsgfds out;
} SocketChardev;

DECLARE_INSTANCE_CHECKER(SocketChardev, SOCKET_CHARDEV, TYPE_CHARDEV_SOCKET)

static void socket_chr_connect_async(SocketChardev *s);
static void socket_chr_accept(QIONetListener *listener, QIOChannelSocket *sioc, gpointer data);

static void set_state(SocketChardev *s, SocketState state)
{
    static const bool allowed[SOCKET_STATE__MAX][SOCKET_STATE__MAX] = {
        [SOCKET_DISCONNECTED] = { [SOCKET_CONNECTING] = true, [SOCKET_CONNECTED] = true },
        [SOCKET_CONNECTING] = { [SOCKET_DISCONNECTED] = true, [SOCKET_CONNECTED] = true },
        [SOCKET_CONNECTED] = { [SOCKET_DISCONNECTED] = true },
    };

    assert(allowed[s->state][state]);
    s->state = state;
}

static char *address_text(SocketAddress *addr)
{
    g_autofree char *text = addr ? socket_uri(addr) : NULL;

    qapi_free_SocketAddress(addr);
    return g_strdup(text ? text : "unknown");
}

/* For query-chardev: where the device listens or connects, and who is there. */
static void update_filename(SocketChardev *s)
{
    Chardev *chr = CHARDEV(s);
    const char *server = s->is_listen ? ",server=on" : "";
    g_autofree char *configured = socket_uri(s->addr);

    g_free(chr->filename);
    if (s->state != SOCKET_CONNECTED) {
        chr->filename = g_strdup_printf("disconnected:%s%s", configured, server);
    } else if (s->addr->type == SOCKET_ADDRESS_TYPE_INET) {
        QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(s->ioc);
        g_autofree char *local = address_text(qio_channel_socket_get_local_address(sioc, NULL));
        g_autofree char *remote = address_text(qio_channel_socket_get_remote_address(sioc, NULL));

        chr->filename = g_strdup_printf("%s%s <-> %s", local, server, remote);
    } else {
        chr->filename = g_strdup_printf("%s%s", configured, server);
    }
}

static ssize_t read_some(void *opaque, QIOChannel *ioc, uint8_t *buf, size_t len)
{
    return char_msgfds_read(&SOCKET_CHARDEV(opaque)->in, ioc, buf, len);
}

static gboolean socket_chr_read(QIOChannel *ioc, GIOCondition cond, gpointer data)
{
    g_autoptr(Chardev) chr = CHARDEV(object_ref(data));

    if (!qemu_chr_take_input_by(chr, ioc, read_some)) {
        CHARDEV_GET_CLASS(chr)->chr_disconnect(chr);
    }
    qemu_chr_be_update_read_handlers(chr);
    return G_SOURCE_CONTINUE;
}

static int socket_chr_sync_read(Chardev *chr, uint8_t *buf, int len)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    ssize_t n;

    if (s->state != SOCKET_CONNECTED) {
        return 0;
    }
    while ((n = char_msgfds_read(&s->in, s->ioc, buf, len)) == QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_wait(s->ioc, G_IO_IN);
    }
    if (n <= 0) {
        CHARDEV_GET_CLASS(chr)->chr_disconnect(chr);
        errno = EIO;
    }
    return n;
}

static int socket_chr_set_msgfds(Chardev *chr, int *fds, int num)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    char_msgfds_clear(&s->out);
    if (s->state != SOCKET_CONNECTED ||
        !qio_channel_has_feature(s->ioc, QIO_CHANNEL_FEATURE_FD_PASS)) {
        return -1;
    }
    char_msgfds_set(&s->out, fds, num);
    return 0;
}

static int socket_chr_get_msgfds(Chardev *chr, int *fds, int num)
{
    return char_msgfds_take(&SOCKET_CHARDEV(chr)->in, fds, num);
}

static void socket_chr_update_read_handler(Chardev *chr)
{
    qemu_chr_watch_input(chr, SOCKET_CHARDEV(chr)->ioc, socket_chr_read);
}

static int socket_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    return s->state == SOCKET_CONNECTED
               ? qemu_chr_write_done(char_msgfds_write(&s->out, s->ioc, buf, len))
               : len;
}

static QIOChannel *socket_chr_out_channel(Chardev *chr)
{
    return SOCKET_CHARDEV(chr)->ioc;
}

static void watch_listener(SocketChardev *s, bool watch)
{
    if (s->listener) {
        qio_net_listener_set_client_func(s->listener, watch ? socket_chr_accept : NULL, s, NULL);
    }
}

/* @sioc is connected: it is the device's connection from now on. */
static bool socket_chr_start(SocketChardev *s, QIOChannelSocket *sioc, Error **errp)
{
    if (!qio_channel_set_blocking(QIO_CHANNEL(sioc), false, errp)) {
        return false;
    }
    if (s->nodelay) {
        qio_channel_set_delay(QIO_CHANNEL(sioc), false);
    }
    watch_listener(s, false);
    s->ioc = QIO_CHANNEL(object_ref(sioc));
    s->failure_reported = false;
    set_state(s, SOCKET_CONNECTED);
    update_filename(s);
    return true;
}

static void socket_chr_opened(SocketChardev *s)
{
    qemu_chr_be_event(CHARDEV(s), CHR_EVENT_OPENED);
    qemu_chr_be_update_read_handlers(CHARDEV(s));
}

static void socket_chr_accept(QIONetListener *listener, QIOChannelSocket *sioc, gpointer data)
{
    SocketChardev *s = data;
    Error *err = NULL;

    qio_channel_set_name(QIO_CHANNEL(sioc), "chardev-tcp-server");
    if (socket_chr_start(s, sioc, &err)) {
        socket_chr_opened(s);
    } else {
        warn_reportf_err(err, "chardev '%s': ", CHARDEV(s)->label);
    }
}

static gboolean reconnect_now(gpointer data)
{
    SocketChardev *s = data;

    g_clear_pointer(&s->reconnect_timer, g_source_unref);
    socket_chr_connect_async(s);
    return G_SOURCE_REMOVE;
}

static void schedule_reconnect(SocketChardev *s)
{
    if (s->reconnect_ms > 0 && !s->reconnect_timer) {
        s->reconnect_timer = qemu_chr_timeout_add_ms(CHARDEV(s), s->reconnect_ms, reconnect_now, s);
    }
}

static void connect_failed(SocketChardev *s, Error *err)
{
    set_state(s, SOCKET_DISCONNECTED);
    if (s->failure_reported) {
        error_free(err);
    } else {
        s->failure_reported = true;
        error_reportf_err(err, "Unable to connect character device %s: ", CHARDEV(s)->label);
    }
    schedule_reconnect(s);
}

static void connect_done(QIOTask *task, gpointer opaque)
{
    SocketChardev *s = opaque;
    g_autoptr(QIOChannelSocket) sioc = QIO_CHANNEL_SOCKET(qio_task_get_source(task));
    Error *err = NULL;

    if (!OBJECT(s)->parent) {
        return;
    }
    if (qio_task_propagate_error(task, &err) || !socket_chr_start(s, sioc, &err)) {
        connect_failed(s, err);
        return;
    }
    socket_chr_opened(s);
}

static void socket_chr_connect_async(SocketChardev *s)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    set_state(s, SOCKET_CONNECTING);
    qio_channel_set_name(QIO_CHANNEL(sioc), "chardev-tcp-client");
    qio_channel_socket_connect_async(sioc, s->addr, connect_done, object_ref(s), object_unref,
                                     NULL);
}

static void socket_chr_disconnect(Chardev *chr)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);

    if (s->state != SOCKET_CONNECTED) {
        return;
    }
    qemu_chr_watch_input(chr, NULL, NULL);
    qio_channel_shutdown(s->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    g_clear_pointer(&s->ioc, object_unref);
    char_msgfds_clear(&s->in);
    char_msgfds_clear(&s->out);
    set_state(s, SOCKET_DISCONNECTED);
    update_filename(s);
    qemu_chr_be_event(chr, CHR_EVENT_CLOSED);
    /* The frontend may have taken the device away. */
    if (OBJECT(s)->parent) {
        watch_listener(s, true);
        schedule_reconnect(s);
    }
}

static bool connect_sync(SocketChardev *s, Error **errp)
{
    bool inherited = s->addr->type == SOCKET_ADDRESS_TYPE_FD;
    int fd = inherited ? socket_connect(s->addr, errp) : qemu_chr_open_stream(s->addr, errp);
    g_autoptr(QIOChannelSocket) sioc = fd < 0 ? NULL : qio_channel_socket_new_fd(fd, errp);

    if (!sioc) {
        return false;
    }
    qio_channel_set_name(QIO_CHANNEL(sioc), "chardev-tcp-client");
    return socket_chr_start(s, sioc, errp);
}

typedef struct WaitClient {
    QIOChannelSocket *sioc;
    bool interrupted;
    QemuCoSleep sleep; /* of a coroutine that waits */
} WaitClient;

static void client_came(QIONetListener *listener, QIOChannelSocket *sioc, gpointer data)
{
    WaitClient *wait = data;

    if (!wait->sioc) {
        wait->sioc = QIO_CHANNEL_SOCKET(object_ref(sioc));
        qemu_co_sleep_wake(&wait->sleep);
    }
}

static gboolean interrupted(int fd, GIOCondition condition, gpointer data)
{
    WaitClient *wait = data;

    wait->interrupted = true;
    return G_SOURCE_REMOVE;
}

static GSource *watch_interrupt(GMainContext *context, WaitClient *wait)
{
    int fd = qemu_chr_get_interrupt_fd();
    GSource *source;

    if (fd < 0) {
        return NULL;
    }
    source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(interrupted), wait, NULL);
    g_source_attach(source, context);
    return source;
}

/* In a context of its own: nothing else may run meanwhile. */
static void block_for_client(SocketChardev *s, WaitClient *wait)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) interrupt = watch_interrupt(context, wait);

    qio_net_listener_set_client_func_full(s->listener, client_came, wait, NULL, context);
    while (!wait->sioc && !wait->interrupted) {
        g_main_context_iteration(context, true);
    }
    watch_listener(s, false);
    if (interrupt) {
        g_source_destroy(interrupt);
    }
}

/* A command waits, and others go on. */
static void coroutine_fn yield_for_client(SocketChardev *s, WaitClient *wait)
{
    qio_net_listener_set_client_func_full(s->listener, client_came, wait, NULL, NULL);
    qemu_co_sleep(&wait->sleep);
    watch_listener(s, false);
}

static bool wait_client(SocketChardev *s, Error **errp)
{
    g_autofree char *where = socket_uri(s->addr);
    WaitClient wait = {};
    bool ok = false;

    info_report("waiting for connection on: %s,server=on", where);
    if (qemu_in_coroutine()) {
        assert_coroutine_role();
        yield_for_client(s, &wait);
    } else {
        block_for_client(s, &wait);
    }
    if (wait.sioc) {
        ok = socket_chr_start(s, wait.sioc, errp);
        object_unref(wait.sioc);
    } else {
        error_setg(errp, "interrupted while waiting for a client");
    }
    return ok;
}

static int socket_chr_wait_connected(Chardev *chr, Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    bool ok;

    if (s->state == SOCKET_CONNECTED) {
        return 0;
    }
    if (s->state == SOCKET_CONNECTING) {
        error_setg(errp, "chardev '%s' is being connected in the background", chr->label);
        return -1;
    }
    ok = s->is_listen ? wait_client(s, errp) : connect_sync(s, errp);
    if (ok) {
        socket_chr_opened(s);
    }
    return ok ? 0 : -1;
}

static bool listen_open(SocketChardev *s, bool wait, Error **errp)
{
    g_autofree char *name = g_strdup_printf("chardev-tcp-listener-%s", CHARDEV(s)->label);

    s->listener = qio_net_listener_new();
    qio_net_listener_set_name(s->listener, name);
    if (qio_net_listener_open_sync(s->listener, s->addr, 1, errp) < 0) {
        return false;
    }
    if (wait) {
        return wait_client(s, errp);
    }
    watch_listener(s, true);
    return true;
}

/* Zero when the options are contradictory (*errp is set then) or ask for no reconnecting. */
static int64_t reconnect_option(ChardevSocket *sock, Error **errp)
{
    if (sock->has_reconnect && sock->has_reconnect_ms) {
        error_setg(errp, "'reconnect' and 'reconnect-ms' are mutually exclusive");
        return 0;
    }
    if (sock->has_reconnect) {
        if (sock->reconnect < 0 || sock->reconnect > INT_MAX / 1000) {
            error_setg(errp, "Parameter 'reconnect' expects a number of seconds up to %d",
                       INT_MAX / 1000);
            return 0;
        }
        return sock->reconnect * 1000;
    }
    if (sock->has_reconnect_ms && (sock->reconnect_ms < 0 || sock->reconnect_ms > INT_MAX)) {
        error_setg(errp, "Parameter 'reconnect-ms' expects a number of milliseconds up to %d",
                   INT_MAX);
        return 0;
    }
    return sock->has_reconnect_ms ? sock->reconnect_ms : 0;
}

static bool check_options(SocketChardev *s, ChardevSocket *sock, Error **errp)
{
    ERRP_GUARD();

    s->is_listen = !sock->has_server || sock->server;
    s->nodelay = sock->has_nodelay && sock->nodelay;
    s->reconnect_ms = reconnect_option(sock, errp);
    if (*errp) {
        return false;
    }
    if (s->is_listen && s->reconnect_ms) {
        error_setg(errp, "'reconnect' option is incompatible with socket in server listen mode");
        return false;
    }
    if (!s->is_listen && sock->has_wait) {
        error_setg(errp, "'wait' option is incompatible with socket in client connect mode");
        return false;
    }
    return true;
}

static void socket_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    SocketChardev *s = SOCKET_CHARDEV(chr);
    ChardevSocket *sock = backend->u.socket.data;
    bool ok;

    *be_opened = false;
    if (!check_options(s, sock, errp)) {
        return;
    }
    s->addr = socket_address_flatten(sock->addr);
    update_filename(s);
    if (s->is_listen) {
        ok = listen_open(s, sock->has_wait && sock->wait, errp);
    } else if (s->reconnect_ms) {
        socket_chr_connect_async(s);
        ok = true;
    } else {
        ok = connect_sync(s, errp);
    }
    *be_opened = ok && s->state == SOCKET_CONNECTED;
}

static void socket_chr_finalize(Object *obj)
{
    SocketChardev *s = SOCKET_CHARDEV(obj);

    if (s->reconnect_timer) {
        g_source_destroy(s->reconnect_timer);
        g_source_unref(s->reconnect_timer);
    }
    if (s->listener) {
        watch_listener(s, false);
        qio_net_listener_disconnect(s->listener);
        object_unref(s->listener);
    }
    qemu_chr_watch_input(CHARDEV(obj), NULL, NULL);
    object_unref(s->ioc);
    char_msgfds_clear(&s->in);
    char_msgfds_clear(&s->out);
    qapi_free_SocketAddress(s->addr);
}

static void socket_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = socket_chr_open;
    cc->chr_write = socket_chr_write;
    cc->set_msgfds = socket_chr_set_msgfds;
    cc->get_msgfds = socket_chr_get_msgfds;
    cc->chr_sync_read = socket_chr_sync_read;
    cc->chr_out_channel = socket_chr_out_channel;
    cc->chr_update_read_handler = socket_chr_update_read_handler;
    cc->chr_disconnect = socket_chr_disconnect;
    cc->chr_wait_connected = socket_chr_wait_connected;
}

static const TypeInfo socket_chr_types[] = {
    {
        .name = TYPE_CHARDEV_SOCKET,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(SocketChardev),
        .instance_finalize = socket_chr_finalize,
        .class_init = socket_chr_class_init,
    },
};

DEFINE_TYPES(socket_chr_types)
