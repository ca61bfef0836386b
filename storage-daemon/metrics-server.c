/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics over HTTP. All of this runs in the main loop. */
#include "qemu/osdep.h"
#include <arpa/inet.h>
#include "block/aio-wait.h"
#include "io/net-listener.h"
#include "metrics-server.h"
#include "qapi/qapi-commands-block-export-stats.h"
#include "qapi/qapi-visit-block-export-stats.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/queue.h"
#include "qemu/timer.h"

#define BACKLOG         128
#define MAX_CLIENTS     16    /* at once; more of them wait in the backlog */
#define MAX_HEAD        8192  /* bytes; what HTTP servers take for a request line and its fields */
#define CLIENT_LIMIT_MS 10000 /* the default time-out of a scrape */
#define CONTENT_TYPE    "application/openmetrics-text; version=1.0.0; charset=utf-8"

typedef struct Client {
    QIOChannel *ioc;
    QEMUTimer *limit;
    QLIST_ENTRY(Client) next;
} Client;

static QIONetListener *listener;
static QLIST_HEAD(, Client) clients = QLIST_HEAD_INITIALIZER(clients);
static unsigned n_clients;

static void client_came(QIONetListener *from, QIOChannelSocket *sioc, gpointer opaque);

/* The time is over, or the program ends: the coroutine finds its connection closed. */
static void client_cut_off(void *opaque)
{
    Client *client = opaque;

    qio_channel_shutdown(client->ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
}

static Client *client_new(QIOChannelSocket *sioc)
{
    Client *client = g_new0(Client, 1);

    client->ioc = QIO_CHANNEL(object_ref(sioc));
    client->limit = timer_new_ms(QEMU_CLOCK_REALTIME, client_cut_off, client);
    timer_mod(client->limit, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + CLIENT_LIMIT_MS);
    QLIST_INSERT_HEAD(&clients, client, next);
    if (++n_clients == MAX_CLIENTS) {
        qio_net_listener_set_client_func(listener, NULL, NULL, NULL);
    }
    return client;
}

static void client_free(Client *client)
{
    QLIST_REMOVE(client, next);
    if (n_clients-- == MAX_CLIENTS && listener) {
        qio_net_listener_set_client_func(listener, client_came, NULL, NULL);
    }
    timer_free(client->limit);
    qio_channel_close(client->ioc, NULL);
    object_unref(client->ioc);
    g_free(client);
    aio_wait_kick();
}

/* Whether @head holds an empty line, which ends a request's head. */
static bool head_is_whole(const GString *head)
{
    return memmem(head->str, head->len, "\r\n\r\n", 4) || memmem(head->str, head->len, "\n\n", 2);
}

/* As read(2); waits until there is something. */
static ssize_t coroutine_fn client_co_read(Client *client, char *buf, size_t size)
{
    ssize_t got;

    while ((got = qio_channel_read(client->ioc, buf, size, NULL)) == QIO_CHANNEL_ERR_BLOCK) {
        qio_channel_yield(client->ioc, G_IO_IN);
    }
    return got;
}

/* The head of one request into @head; false if the client leaves before its end. */
static bool coroutine_fn client_co_read_head(Client *client, GString *head)
{
    char piece[1024];

    while (!head_is_whole(head) && head->len < MAX_HEAD) {
        ssize_t got = client_co_read(client, piece, sizeof(piece));

        if (got <= 0) {
            return false;
        }
        g_string_append_len(head, piece, got);
    }
    return true;
}

/* A socket that is closed with something unread takes the answer back from the client. */
static void coroutine_fn client_co_linger(Client *client)
{
    char piece[1024];
    size_t left = MAX_HEAD;
    ssize_t got = 1;

    qio_channel_shutdown(client->ioc, QIO_CHANNEL_SHUTDOWN_WRITE, NULL);
    while (got > 0 && left > 0) {
        got = client_co_read(client, piece, MIN(sizeof(piece), left));
        left -= MAX(got, 0);
    }
}

/* "GET /metrics?x=y HTTP/1.1" against @target. */
static bool asks_for(const char *target, const char *path)
{
    size_t len = strlen(path);

    return !strncmp(target, path, len) && (target[len] == '\0' || target[len] == '?');
}

/* The status line's number and words for @head; *ret_body tells whether a body is wanted. */
static const char *judge(const GString *head, bool *ret_body)
{
    g_autofree char *line = g_strndup(head->str, strcspn(head->str, "\r\n"));
    g_auto(GStrv) words = g_strsplit(line, " ", 4);
    bool get, head_only;

    *ret_body = true;
    if (!head_is_whole(head)) {
        return "431 Request Header Fields Too Large";
    }
    if (strlen(head->str) != head->len || g_strv_length(words) != 3 ||
        !g_str_has_prefix(words[2], "HTTP/1.")) {
        return "400 Bad Request";
    }
    get = !strcmp(words[0], "GET");
    head_only = !strcmp(words[0], "HEAD");
    *ret_body = !head_only;
    if (!get && !head_only) {
        return "405 Method Not Allowed";
    }
    return asks_for(words[1], "/metrics") ? "200 OK" : "404 Not Found";
}

static GString *answer_to(const GString *head)
{
    GString *answer = g_string_new("HTTP/1.1 ");
    bool with_body;
    const char *status = judge(head, &with_body);
    bool found = g_str_has_prefix(status, "200");
    OpenMetrics *metrics = found ? qmp_query_openmetrics(&error_abort) : NULL;
    g_autofree char *problem = found ? NULL : g_strdup_printf("%s: GET /metrics\n", status);
    const char *body = found ? metrics->text : problem;

    g_string_append_printf(answer,
                           "%s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                           "Connection: close\r\n\r\n",
                           status, found ? CONTENT_TYPE : "text/plain; charset=utf-8", strlen(body),
                           status[0] == '4' && status[2] == '5' ? "Allow: GET, HEAD\r\n" : "");
    if (with_body) {
        g_string_append(answer, body);
    }
    qapi_free_OpenMetrics(metrics);
    return answer;
}

static void coroutine_fn client_co_run(void *opaque)
{
    Client *client = opaque;
    GString *head = g_string_new(NULL);

    if (client_co_read_head(client, head)) {
        GString *answer = answer_to(head);

        qio_channel_write_all(client->ioc, answer->str, answer->len, NULL);
        g_string_free(answer, true);
        client_co_linger(client);
    }
    g_string_free(head, true);
    client_free(client);
}

static void client_came(QIONetListener *from, QIOChannelSocket *sioc, gpointer opaque)
{
    Client *client = client_new(sioc);

    qio_channel_set_name(client->ioc, "metrics-client");
    qio_channel_set_blocking(client->ioc, false, NULL);
    qio_channel_set_follow_coroutine_ctx(client->ioc, true);
    aio_co_enter(qemu_get_aio_context(), qemu_coroutine_create(client_co_run, client));
}

static bool is_loopback(const SocketAddress *addr)
{
    struct in_addr in;
    struct in6_addr in6;

    if (addr->type != SOCKET_ADDRESS_TYPE_INET) {
        return addr->type == SOCKET_ADDRESS_TYPE_UNIX;
    }
    if (inet_pton(AF_INET, addr->u.inet.host, &in) == 1) {
        return ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return inet_pton(AF_INET6, addr->u.inet.host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

/* Whether nobody but this host can reach any of the listening sockets. */
static bool check_reach(QIONetListener *l, Error **errp)
{
    for (size_t i = 0; i < l->nsioc; i++) {
        g_autoptr(SocketAddress) addr = qio_channel_socket_get_local_address(l->sioc[i], errp);

        if (!addr) {
            return false;
        }
        if (!is_loopback(addr)) {
            error_setg(errp,
                       "Metrics are not encrypted: '%s' is neither a UNIX socket nor a loopback "
                       "address",
                       addr->type == SOCKET_ADDRESS_TYPE_INET ? addr->u.inet.host
                                                              : SocketAddressType_str(addr->type));
            return false;
        }
    }
    return true;
}

static bool listen_at(SocketAddress *addr, Error **errp)
{
    QIONetListener *l = qio_net_listener_new();

    if (qio_net_listener_open_sync(l, addr, BACKLOG, errp) < 0 || !check_reach(l, errp)) {
        qio_net_listener_disconnect(l);
        object_unref(l);
        return false;
    }
    qio_net_listener_set_name(l, "metrics");
    listener = l;
    qio_net_listener_set_client_func(listener, client_came, NULL, NULL);
    return true;
}

bool metrics_server_start(const char *arg, Error **errp)
{
    g_autoptr(MetricsOptions) opts = NULL;
    Visitor *v = qobject_input_visitor_new_str(arg, NULL, errp);
    bool ok = v && visit_type_MetricsOptions(v, NULL, &opts, errp);

    visit_free(v);
    if (ok && listener) {
        error_setg(errp, "There are metrics at an address already");
        return false;
    }
    return ok && listen_at(opts->addr, errp);
}

void metrics_server_stop(void)
{
    Client *client;

    if (!listener) {
        return;
    }
    qio_net_listener_disconnect(listener);
    g_clear_pointer(&listener, object_unref);
    QLIST_FOREACH (client, &clients, next) {
        client_cut_off(client);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, !QLIST_EMPTY(&clients));
}
