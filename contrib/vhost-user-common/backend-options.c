/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that every back-end program has, by the conventions of the vhost-user specification.
 */
#include "qemu/osdep.h"
#include "backend-options.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"

/* What GOption fills in. */
typedef struct RawOptions {
    char *socket_path;
    char *fd;
    char *threads;
    char *queue_threads;
    gboolean connect;
    gboolean once;
    gboolean version;
} RawOptions;

static void raw_options_done(RawOptions *raw)
{
    g_free(raw->socket_path);
    g_free(raw->fd);
    g_free(raw->threads);
    g_free(raw->queue_threads);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RawOptions, raw_options_done)

void vu_backend_options_free(VuBackendOptions *options)
{
    if (options) {
        g_free(options->socket_path);
        g_free(options->queue_map);
        g_free(options);
    }
}

/* Management programs ask for this with any other options beside it, which mean nothing then. */
static bool asks_for_capabilities(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (g_str_equal(argv[i], "--print-capabilities")) {
            return true;
        }
    }
    return false;
}

static void print_capabilities(const VuBackendClass *cls)
{
    g_autoptr(QDict) answer = qdict_new();
    g_autoptr(GString) text = NULL;
    QList *features = qlist_new();

    for (const char *const *name = cls->features; name && *name; name++) {
        qlist_append_str(features, *name);
    }
    qdict_put_str(answer, "type", cls->type);
    qdict_put(answer, "features", features);
    text = qobject_to_json_pretty(QOBJECT(answer), true);
    printf("%s\n", text->str);
}

static bool parse_number(const char *option, const char *value, int max, int *ret, Error **errp)
{
    int number;

    if (!value) {
        return true;
    }
    if (qemu_strtoi(value, NULL, 10, &number) < 0 || number < 0 || number > max) {
        error_setg(errp, "--%s=%s: expected a number from 0 to %d", option, value, max);
        return false;
    }
    *ret = number;
    return true;
}

static bool parse_queue_map(VuBackendOptions *o, const char *value, int num_queues, Error **errp)
{
    g_auto(GStrv) words = NULL;

    if (!value) {
        return true;
    }
    words = g_strsplit(value, ",", -1);
    if (g_strv_length(words) != num_queues) {
        error_setg(errp, "--queue-threads=%s: expected a thread for each of %d queues", value,
                   num_queues);
        return false;
    }
    o->queue_map = g_new0(int, num_queues);
    for (int i = 0; i < num_queues; i++) {
        if (!parse_number("queue-threads", words[i], MAX(o->threads, 1) - 1, &o->queue_map[i],
                          errp)) {
            return false;
        }
    }
    return true;
}

static bool check(const VuBackendOptions *o, Error **errp)
{
    if (!o->socket_path == (o->fd < 0)) {
        error_setg(errp, "exactly one of --socket-path and --fd is needed");
        return false;
    }
    if (o->connect && !o->socket_path) {
        error_setg(errp, "--connect needs --socket-path");
        return false;
    }
    return true;
}

static bool parse(int *argc, char ***argv, const VuBackendClass *cls, RawOptions *raw, Error **errp)
{
    const GOptionEntry entries[] = {
        { "socket-path", 's', 0, G_OPTION_ARG_FILENAME, &raw->socket_path,
          "listen on this UNIX socket", "PATH" },
        { "fd", 'f', 0, G_OPTION_ARG_STRING, &raw->fd,
          "use this inherited socket, listening or connected", "N" },
        { "connect", 'c', 0, G_OPTION_ARG_NONE, &raw->connect,
          "connect to a front-end that listens on the path, again when it has gone", NULL },
        { "once", '1', 0, G_OPTION_ARG_NONE, &raw->once,
          "end when the first front-end has disconnected", NULL },
        { "threads", 't', 0, G_OPTION_ARG_STRING, &raw->threads,
          "serve the queues in so many threads (default 0: in the main thread)", "N" },
        { "queue-threads", 0, 0, G_OPTION_ARG_STRING, &raw->queue_threads,
          "the thread, from 0, of each queue (default: in turn)", "T0,T1,..." },
        { "print-capabilities", 0, 0, G_OPTION_ARG_NONE, &raw->version,
          "say in JSON what this program can do, and exit", NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &raw->version, "show the version and exit", NULL },
        {}
    };
    GOptionContext *context = g_option_context_new(NULL);
    GError *gerr = NULL;
    bool ok;

    g_option_context_set_summary(context, cls->summary);
    g_option_context_add_main_entries(context, entries, NULL);
    if (cls->options) {
        g_option_context_add_main_entries(context, cls->options, NULL);
    }
    ok = g_option_context_parse(context, argc, argv, &gerr);
    g_option_context_free(context);
    if (!ok) {
        error_setg(errp, "%s", gerr->message);
        g_error_free(gerr);
    } else if (*argc > 1) {
        error_setg(errp, "unexpected argument '%s'", (*argv)[1]);
        ok = false;
    }
    return ok;
}

bool vu_backend_options_parse(int argc, char **argv, const VuBackendClass *cls,
                              VuBackendOptions **ret_options, VuBackendAction *ret_action,
                              Error **errp)
{
    g_auto(RawOptions) raw = {};
    VuBackendOptions *o;

    *ret_action = VU_BACKEND_EXIT;
    *ret_options = NULL;
    if (asks_for_capabilities(argc, argv)) {
        print_capabilities(cls);
        return true;
    }
    if (!parse(&argc, &argv, cls, &raw, errp)) {
        return false;
    }
    if (raw.version) {
        printf("%s (QEMU device back-ends) %s\n", g_get_prgname(), VU_BACKEND_VERSION);
        return true;
    }
    o = g_new0(VuBackendOptions, 1);
    *o = (VuBackendOptions){ .fd = -1, .connect = raw.connect, .once = raw.once };
    o->socket_path = g_steal_pointer(&raw.socket_path);
    if (!parse_number("fd", raw.fd, INT_MAX, &o->fd, errp) ||
        !parse_number("threads", raw.threads, VU_BACKEND_MAX_THREADS, &o->threads, errp) ||
        !parse_queue_map(o, raw.queue_threads, cls->num_queues, errp) || !check(o, errp)) {
        vu_backend_options_free(o);
        return false;
    }
    *ret_options = o;
    *ret_action = VU_BACKEND_SERVE;
    return true;
}
