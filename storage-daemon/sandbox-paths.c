/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that options name.
 *
 * An option is read here before it is carried out, and by a simpler reader: only the keys in the
 * table below matter. For a file its folder is noted, so that it may be made anew, and a neighbour
 * opened later; for a device only the device.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "sandbox-internal.h"
#include <sys/stat.h>

#define FILE_MADE (SANDBOX_READ | SANDBOX_WRITE | SANDBOX_CREATE)

/* In which key of which option there is a path. A NULL key: the argument itself. */
static const struct {
    const char *option;
    const char *kind; /* the first value, where that makes a difference */
    const char *key;  /* its last fragment */
    SandboxAccess access;
} path_keys[] = {
    { "blockdev", NULL, "filename", SANDBOX_READ | SANDBOX_WRITE },
    { "export", NULL, "path", SANDBOX_SOCKET },
    { "chardev", "socket", "path", SANDBOX_SOCKET },
    { "chardev", "pty", "path", SANDBOX_CREATE | SANDBOX_REMOVE },
    { "chardev", "file", "path", FILE_MADE },
    { "chardev", "pipe", "path", SANDBOX_READ | SANDBOX_WRITE },
    { "chardev", NULL, "out", FILE_MADE },
    { "chardev", NULL, "in", SANDBOX_READ },
    { "chardev", NULL, "input-path", SANDBOX_READ },
    { "chardev", NULL, "device", SANDBOX_READ | SANDBOX_WRITE },
    { "chardev", NULL, "logfile", FILE_MADE },
    { "metrics", NULL, "path", SANDBOX_SOCKET },
    { "trace", NULL, "file", FILE_MADE },
    { "trace", NULL, "events", SANDBOX_READ },
    { "log", NULL, "file", FILE_MADE },
    { "D", NULL, NULL, FILE_MADE },
    { "pidfile", NULL, NULL, FILE_MADE | SANDBOX_REMOVE },
};

/* What a pair of an option's argument is reported to. */
typedef void PairFn(const char *kind, const char *key, const char *value, void *opaque);

static void sandbox_path_clear(gpointer opaque)
{
    g_free(((SandboxPath *)opaque)->path);
}

GArray *sandbox_paths_new(void)
{
    GArray *paths = g_array_new(false, false, sizeof(SandboxPath));

    g_array_set_clear_func(paths, sandbox_path_clear);
    return paths;
}

void sandbox_paths_add(GArray *paths, const char *path, SandboxAccess access)
{
    SandboxPath item = { .path = g_strdup(path), .access = access };

    g_array_append_val(paths, item);
}

void sandbox_paths_resolve(GArray *paths)
{
    for (guint i = 0; i < paths->len; i++) {
        SandboxPath *item = &g_array_index(paths, SandboxPath, i);
        char *real = realpath(item->path, NULL);

        if (real) {
            g_free(item->path);
            item->path = g_strdup(real);
            free(real);
        }
    }
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return !strncmp(path, folder, n) && (!path[n] || path[n] == '/' || folder[n - 1] == '/');
}

bool sandbox_paths_allow(const GArray *paths, const char *path, SandboxAccess access)
{
    g_autofree char *folder = g_path_get_dirname(path);
    char *real = realpath(path, NULL);
    bool allowed = false;

    real = real ?: realpath(folder, NULL);
    for (guint i = 0; real && i < paths->len && !allowed; i++) {
        const SandboxPath *item = &g_array_index(paths, SandboxPath, i);

        allowed = (item->access & access) && item->path[0] && is_beneath(real, item->path);
    }
    free(real);
    return allowed;
}

/* What lies behind such a name is open already. */
static bool names_a_descriptor(const char *path)
{
    return g_str_has_prefix(path, "/dev/fd/") || g_str_has_prefix(path, "/proc/self/fd/");
}

/* The file's folder, by its name and behind symbolic links; or the device. */
static void add_file(GArray *paths, const char *path, SandboxAccess access)
{
    g_autofree char *folder = g_path_get_dirname(path);
    char *real = realpath(path, NULL);
    struct stat st;

    if (names_a_descriptor(path)) {
        free(real);
        return;
    }
    if (real && stat(real, &st) == 0 && (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))) {
        sandbox_paths_add(paths, real, access);
    } else {
        sandbox_paths_add(paths, folder, access);
        if (real) {
            g_autofree char *real_folder = g_path_get_dirname(real);

            sandbox_paths_add(paths, real_folder, access);
        }
    }
    free(real);
}

/* "a,,b,c=d": the text up to a single comma, with double ones made single; *text goes behind it. */
static char *take_item(const char **text)
{
    GString *item = g_string_new(NULL);
    const char *p = *text;

    for (; *p && !(p[0] == ',' && p[1] != ','); p++) {
        p += *p == ',';
        g_string_append_c(item, *p);
    }
    *text = *p ? p + 1 : p;
    return g_string_free(item, false);
}

static const char *last_fragment(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot ? dot + 1 : key;
}

static void each_text_pair(const char *text, PairFn *fn, void *opaque)
{
    g_autofree char *kind = NULL;

    while (*text) {
        char *item = take_item(&text);
        char *value = strchr(item, '=');

        if (value) {
            *value++ = '\0';
            fn(kind, last_fragment(item), value, opaque);
        }
        if (!kind) {
            kind = g_strdup(value ?: item);
        }
        g_free(item);
    }
}

static void each_json_pair(const char *key, const QObject *obj, PairFn *fn, void *opaque)
{
    const QDict *dict = qobject_to(QDict, obj);
    const QList *list = qobject_to(QList, obj);
    const QString *string = qobject_to(QString, obj);
    const QListEntry *item;

    if (string) {
        fn(NULL, key, qstring_get_str(string), opaque);
    }
    for (const QDictEntry *e = dict ? qdict_first(dict) : NULL; e; e = qdict_next(dict, e)) {
        each_json_pair(qdict_entry_key(e), qdict_entry_value(e), fn, opaque);
    }
    if (list) {
        QLIST_FOREACH_ENTRY (list, item) {
            each_json_pair(key, qlist_entry_obj(item), fn, opaque);
        }
    }
}

static void each_pair(const char *arg, PairFn *fn, void *opaque)
{
    QObject *json;

    if (arg[0] != '{') {
        each_text_pair(arg, fn, opaque);
        return;
    }
    json = qobject_from_json(arg, NULL);
    if (json) {
        each_json_pair("", json, fn, opaque);
        qobject_unref(json);
    }
}

typedef struct Noting {
    GArray *paths;
    const char *option;
} Noting;

static void note_pair(const char *kind, const char *key, const char *value, void *opaque)
{
    Noting *noting = opaque;

    for (size_t i = 0; i < ARRAY_SIZE(path_keys); i++) {
        const char *wanted = path_keys[i].kind;

        if (!strcmp(path_keys[i].option, noting->option) && !g_strcmp0(path_keys[i].key, key) &&
            (!wanted || !kind || !strcmp(wanted, kind))) {
            add_file(noting->paths, value, path_keys[i].access);
        }
    }
}

void sandbox_paths_add_option(GArray *paths, const char *name, const char *arg)
{
    Noting noting = { .paths = paths, .option = name };

    note_pair(NULL, NULL, arg, &noting);
    each_pair(arg, note_pair, &noting);
}

static void find_network(const char *kind, const char *key, const char *value, void *opaque)
{
    bool *found = opaque;

    *found |= !strcmp(key, "host") || !strcmp(key, "port") || !strcmp(key, "cid") ||
              !strcmp(key, "abstract");
}

bool sandbox_uses_network(const char *name, const char *arg)
{
    bool found = false;

    if (!strcmp(name, "chardev")) {
        each_pair(arg, find_network, &found);
    }
    return found;
}
