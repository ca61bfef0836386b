/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a --chardev option: KIND,id=ID,key=value,...
 *
 * A table (char-keys.c) says which keys a kind has and where they go in the schema's struct, which
 * is then filled by the same visitor that serves other options, so that values are checked alike.
 * A key without a value is an old way to write key=on, and nokey one to write key=off. The
 * option may also be a JSON object, with the members of chardev-add.
 */
#include "qemu/osdep.h"
#include "char-keys.h"
#include "chardev/char.h"
#include "qapi/qapi-visit-char.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qstring.h"

/* What the text has become so far. */
typedef struct CharText {
    char *id;
    char *kind;
    ChardevBackendKind type;
    bool mux;
    /* Strings only. */
    QDict *members[CHAR_KEY_PLACE__MAX];
} CharText;

static void char_text_done(CharText *t)
{
    g_free(t->id);
    g_free(t->kind);
    for (int i = 0; i < CHAR_KEY_PLACE__MAX; i++) {
        qobject_unref(t->members[i]);
    }
}

/* Up to the next single comma; a doubled one stands for itself. Moves *@text behind the comma. */
static char *next_item(const char **text)
{
    GString *item = g_string_new(NULL);
    const char *p = *text;

    for (; *p; p++) {
        if (*p == ',') {
            p++;
            if (*p != ',') {
                break;
            }
        }
        g_string_append_c(item, *p);
    }
    *text = p;
    return g_string_free(item, false);
}

/* KEY is an old way to write KEY=on, noKEY one to write KEY=off. */
static char *expand_short_form(const char *key)
{
    bool off = g_str_has_prefix(key, "no") && key[2];
    char *full = g_strdup_printf("%s=%s", off ? key + 2 : key, off ? "off" : "on");

    warn_report("short-form boolean option '%s' deprecated", key);
    error_printf("Please use %s instead\n", full);
    return full;
}

static GPtrArray *split_items(const char *text)
{
    GPtrArray *items = g_ptr_array_new_with_free_func(g_free);
    bool first = true;

    for (; *text; first = false) {
        g_autofree char *item = next_item(&text);

        if (strchr(item, '=')) {
            g_ptr_array_add(items, g_steal_pointer(&item));
        } else if (first) {
            g_ptr_array_add(items, g_strdup_printf("backend=%s", item));
        } else {
            g_ptr_array_add(items, expand_short_form(item));
        }
    }
    return items;
}

/* The option is called delay, the member nodelay. */
static bool put_delay(CharText *t, const char *value, Error **errp)
{
    bool delay;

    if (!qapi_bool_parse("delay", value, &delay, errp)) {
        return false;
    }
    qdict_put_str(t->members[CHAR_KEY_DEVICE], "nodelay", delay ? "off" : "on");
    return true;
}

/* Sizes may have a suffix, which the schema's plain integer has not. */
static bool put_size(CharText *t, const char *value, Error **errp)
{
    g_autofree char *number = NULL;
    uint64_t size;

    if (qemu_strtosz(value, NULL, &size) < 0) {
        error_setg(errp, "Parameter '%s' expects a size", "size");
        return false;
    }
    number = g_strdup_printf("%" PRIu64, size);
    qdict_put_str(t->members[CHAR_KEY_DEVICE], "size", number);
    return true;
}

static bool put_option(CharText *t, const char *key, const char *value, Error **errp)
{
    const CharKey *row = char_key_find(key, t->type);

    if (!strcmp(key, "delay") && t->type == CHARDEV_BACKEND_KIND_SOCKET) {
        return put_delay(t, value, errp);
    }
    if (!row) {
        error_setg(errp, "Invalid parameter '%s'", key);
        return false;
    }
    if (!strcmp(key, "size")) {
        return put_size(t, value, errp);
    }
    if (!strcmp(key, "mux")) {
        return qapi_bool_parse("mux", value, &t->mux, errp);
    }
    qdict_put_str(t->members[row->place], row->member ? row->member : key, value);
    return true;
}

/* First the name and the kind, which say what the other keys mean. */
static bool find_id_and_kind(CharText *t, GPtrArray *items, Error **errp)
{
    int kind;

    for (guint i = 0; i < items->len; i++) {
        const char *item = items->pdata[i], *value;

        if (strstart(item, "id=", &value)) {
            g_free(t->id);
            t->id = g_strdup(value);
        } else if (strstart(item, "backend=", &value)) {
            g_free(t->kind);
            t->kind = g_strdup(value);
        }
    }
    if (!t->id) {
        error_setg(errp, "chardev: no id specified");
        return false;
    }
    if (!t->kind) {
        error_setg(errp, "chardev: \"%s\" missing backend", t->id);
        return false;
    }
    kind = qapi_enum_parse(&ChardevBackendKind_lookup, t->kind, -1, NULL);
    if (kind < 0) {
        error_setg(errp, "'%s' is not a valid char driver name", t->kind);
        return false;
    }
    t->type = kind;
    return true;
}

static bool put_items(CharText *t, GPtrArray *items, Error **errp)
{
    for (guint i = 0; i < items->len; i++) {
        const char *item = items->pdata[i], *value = strchr(item, '=') + 1;
        g_autofree char *key = g_strndup(item, value - 1 - item);

        if (strcmp(key, "id") && strcmp(key, "backend") && !put_option(t, key, value, errp)) {
            return false;
        }
    }
    return true;
}

/* Errors shall name the keys as the user wrote them, not as they are nested. */
static bool check_address(QDict *members, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_keyval(QOBJECT(members));
    SocketAddress *addr = NULL;

    visit_type_SocketAddress(v, NULL, &addr, errp);
    visit_free(v);
    qapi_free_SocketAddress(addr);
    return addr;
}

/* Nests @members, of an address of @type, as the device's @member; false: they are not right. */
static bool put_address(CharText *t, QDict *members, const char *type, const char *member,
                        Error **errp)
{
    QDict *addr;

    qdict_put_str(members, "type", type);
    if (!check_address(members, errp)) {
        return false;
    }
    qdict_del(members, "type");
    addr = qdict_new();
    qdict_put_str(addr, "type", type);
    qdict_put(addr, "data", qobject_ref(members));
    qdict_put(t->members[CHAR_KEY_DEVICE], member, addr);
    return true;
}

static void put_default(QDict *members, const char *key, const char *value)
{
    if (!qdict_haskey(members, key)) {
        qdict_put_str(members, key, value);
    }
}

/* The family follows from which of its keys is there. */
static bool complete_address(CharText *t, Error **errp)
{
    QDict *members = t->members[CHAR_KEY_ADDRESS];
    bool path = qdict_haskey(members, "path");
    bool inet = qdict_haskey(members, "host") || qdict_haskey(members, "port");
    bool fd = qdict_haskey(members, "str");

    if (path + inet + fd != 1) {
        error_setg(errp, "chardev: socket: one of 'path', 'host' and 'fd' is needed");
        return false;
    }
    if (inet && !qdict_haskey(members, "port")) {
        error_setg(errp, "chardev: socket: no port given");
        return false;
    }
    if (inet) {
        put_default(members, "host", "");
    }
    return put_address(t, members, path ? "unix" : inet ? "inet" : "fd", "addr", errp);
}

static bool complete_socket(CharText *t, Error **errp)
{
    QDict *data = t->members[CHAR_KEY_DEVICE];
    bool server = false;

    if (!complete_address(t, errp) ||
        !qapi_bool_parse("server", qdict_get_try_str(data, "server") ?: "off", &server, errp)) {
        return false;
    }
    /* On the command line the defaults are those of a client, and of a patient server. */
    qdict_put_str(data, "server", server ? "on" : "off");
    if (server) {
        put_default(data, "wait", "on");
    }
    return true;
}

static bool complete_udp(CharText *t, Error **errp)
{
    QDict *remote = t->members[CHAR_KEY_ADDRESS], *local = t->members[CHAR_KEY_LOCAL];

    if (!*(qdict_get_try_str(remote, "port") ?: "")) {
        error_setg(errp, "chardev: udp: remote port not specified");
        return false;
    }
    put_default(remote, "host", "localhost");
    if (!put_address(t, remote, "inet", "remote", errp)) {
        return false;
    }
    if (!qdict_size(local)) {
        return true;
    }
    put_default(local, "host", "");
    put_default(local, "port", "0");
    return put_address(t, local, "inet", "local", errp);
}

static bool complete(CharText *t, Error **errp)
{
    if (t->type == CHARDEV_BACKEND_KIND_SOCKET) {
        return complete_socket(t, errp);
    }
    if (t->type == CHARDEV_BACKEND_KIND_UDP) {
        return complete_udp(t, errp);
    }
    if (t->type == CHARDEV_BACKEND_KIND_MUX &&
        !qdict_haskey(t->members[CHAR_KEY_DEVICE], "chardev")) {
        error_setg(errp, "chardev: mux: no chardev given");
        return false;
    }
    if (t->type == CHARDEV_BACKEND_KIND_FILE && !qdict_haskey(t->members[CHAR_KEY_DEVICE], "out")) {
        error_setg(errp, "chardev: file: no filename given");
        return false;
    }
    if (t->type == CHARDEV_BACKEND_KIND_PIPE &&
        !qdict_haskey(t->members[CHAR_KEY_DEVICE], "device")) {
        error_setg(errp, "chardev: pipe: no device path given");
        return false;
    }
    return true;
}

static ChardevBackend *build(CharText *t, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_keyval(QOBJECT(t->members[CHAR_KEY_DEVICE]));
    ChardevBackend *backend = NULL;
    void *data = NULL;

    if (qapi_visit_type(v, NULL, &data, char_data_types[t->type], errp)) {
        backend = g_new0(ChardevBackend, 1);
        backend->type = t->type;
        backend->u.null.data = data;
    }
    visit_free(v);
    return backend;
}

static ChardevBackend *parse_json(const char *text, char **ret_id, Error **errp)
{
    QObject *obj = qobject_from_json(text, errp);
    ChardevBackend *backend = NULL;
    g_autofree char *id = NULL;
    Visitor *v;

    if (!obj) {
        return NULL;
    }
    v = qobject_input_visitor_new(obj);
    if (visit_start_struct(v, NULL, NULL, 0, errp)) {
        if (visit_type_str(v, "id", &id, errp) &&
            visit_type_ChardevBackend(v, "backend", &backend, errp) &&
            !visit_check_struct(v, errp)) {
            g_clear_pointer(&backend, qapi_free_ChardevBackend);
        }
        visit_end_struct(v, NULL);
    }
    visit_free(v);
    qobject_unref(obj);
    if (backend) {
        *ret_id = g_steal_pointer(&id);
    }
    return backend;
}

ChardevBackend *qemu_chr_parse_str(const char *text, char **ret_id, bool *ret_mux, Error **errp)
{
    CharText t = {};
    g_autoptr(GPtrArray) items = NULL;
    ChardevBackend *backend = NULL;

    *ret_mux = false;
    if (text[0] == '{') {
        return parse_json(text, ret_id, errp);
    }
    for (int i = 0; i < CHAR_KEY_PLACE__MAX; i++) {
        t.members[i] = qdict_new();
    }
    items = split_items(text);
    if (find_id_and_kind(&t, items, errp) && put_items(&t, items, errp) && complete(&t, errp)) {
        backend = build(&t, errp);
    }
    if (backend) {
        *ret_id = g_steal_pointer(&t.id);
        *ret_mux = t.mux;
    }
    char_text_done(&t);
    return backend;
}

static Chardev *new_of_backend(const char *id, ChardevBackend *backend, Error **errp)
{
    g_autofree char *typename =
        g_strdup_printf("chardev-%s", ChardevBackendKind_str(backend->type));

    return qemu_chardev_new(id, typename, backend, NULL, errp);
}

static Chardev *new_shared(const char *id, ChardevBackend *backend, Error **errp)
{
    g_autofree char *base_id = g_strdup_printf("%s-base", id);
    ChardevMux data = { .chardev = base_id };
    ChardevMuxWrapper wrapper = { .data = &data };
    ChardevBackend mux = { .type = CHARDEV_BACKEND_KIND_MUX, .u.mux = wrapper };
    Chardev *base = new_of_backend(base_id, backend, errp), *chr;

    if (!base) {
        return NULL;
    }
    chr = new_of_backend(id, &mux, errp);
    if (!chr) {
        object_unparent(OBJECT(base));
    }
    return chr;
}

Chardev *qemu_chr_new_from_str(const char *text, Error **errp)
{
    g_autofree char *id = NULL;
    bool mux;
    g_autoptr(ChardevBackend) backend = qemu_chr_parse_str(text, &id, &mux, errp);

    if (!backend) {
        return NULL;
    }
    return mux ? new_shared(id, backend, errp) : new_of_backend(id, backend, errp);
}
