/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of --chardev, and its help. */
#include "qemu/osdep.h"
#include "char-keys.h"
#include "chardev/char.h"
#include "qapi/qapi-visit-char.h"
#include "qapi/qapi-visit-sockets.h"

#define KIND(name) (1u << CHARDEV_BACKEND_KIND_##name)
#define ALL_KINDS  (~0u)
/* Where explanations begin, as in the help of other options. */
#define HELP_COLUMN 44

static const CharKey char_keys[] = {
    { "logfile", ALL_KINDS },
    { "logappend", ALL_KINDS },
    { "mux", ALL_KINDS & ~KIND(MUX), .help = "several monitors share the device" },
    { "chardev", KIND(MUX) },
    { "path", KIND(FILE), "out" },
    { "input-path", KIND(FILE), "in" },
    { "append", KIND(FILE) },
    { "path", KIND(PIPE), "device" },
    { "path", KIND(PTY) },
    { "signal", KIND(STDIO) },
    { "size", KIND(RINGBUF) | KIND(MEMORY) },
    { "server", KIND(SOCKET) },
    { "wait", KIND(SOCKET) },
    { "nodelay", KIND(SOCKET) },
    { "reconnect", KIND(SOCKET) },
    { "reconnect-ms", KIND(SOCKET) },
    { "path", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "abstract", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "tight", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "mode", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "group", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "host", KIND(SOCKET) | KIND(UDP), NULL, CHAR_KEY_ADDRESS },
    { "port", KIND(SOCKET) | KIND(UDP), NULL, CHAR_KEY_ADDRESS },
    { "to", KIND(SOCKET), NULL, CHAR_KEY_ADDRESS },
    { "ipv4", KIND(SOCKET) | KIND(UDP), NULL, CHAR_KEY_ADDRESS },
    { "ipv6", KIND(SOCKET) | KIND(UDP), NULL, CHAR_KEY_ADDRESS },
    { "localaddr", KIND(UDP), "host", CHAR_KEY_LOCAL },
    { "localport", KIND(UDP), "port", CHAR_KEY_LOCAL },
    { "fd", KIND(SOCKET), "str", CHAR_KEY_ADDRESS },
};

const CharKey *char_key_find(const char *key, ChardevBackendKind type)
{
    for (size_t i = 0; i < ARRAY_SIZE(char_keys); i++) {
        if (!strcmp(char_keys[i].key, key) && (char_keys[i].kinds & (1u << type))) {
            return &char_keys[i];
        }
    }
    return NULL;
}

const QapiType *const char_data_types[CHARDEV_BACKEND_KIND__MAX] = {
    [CHARDEV_BACKEND_KIND_FILE] = &qapi_type_ChardevFile,
    [CHARDEV_BACKEND_KIND_PIPE] = &qapi_type_ChardevHostdev,
    [CHARDEV_BACKEND_KIND_SOCKET] = &qapi_type_ChardevSocket,
    [CHARDEV_BACKEND_KIND_UDP] = &qapi_type_ChardevUdp,
    [CHARDEV_BACKEND_KIND_PTY] = &qapi_type_ChardevPty,
    [CHARDEV_BACKEND_KIND_NULL] = &qapi_type_ChardevCommon,
    [CHARDEV_BACKEND_KIND_MUX] = &qapi_type_ChardevMux,
    [CHARDEV_BACKEND_KIND_STDIO] = &qapi_type_ChardevStdio,
    [CHARDEV_BACKEND_KIND_RINGBUF] = &qapi_type_ChardevRingbuf,
    [CHARDEV_BACKEND_KIND_MEMORY] = &qapi_type_ChardevRingbuf,
};

/* "  KEY=..." as the help of @type says it about the member; false if there is none. */
static bool add_help_line(GString *text, const QapiType *type, const CharKey *row)
{
    g_autofree char *help = qapi_option_help(type, NULL);
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    g_autofree char *start = g_strdup_printf("  %s=", row->member ? row->member : row->key);

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, start)) {
            const char *form = *line + strlen(start), *end = strchrnul(form, ' ');
            g_autofree char *left = g_strdup_printf("  %s=%.*s", row->key, (int)(end - form), form);

            g_string_append_printf(text, "%-*s%s\n", HELP_COLUMN, left, end + strspn(end, " "));
            return true;
        }
    }
    return false;
}

static char *kind_help(ChardevBackendKind kind)
{
    static const QapiType *const addresses[] = {
        &qapi_type_UnixSocketAddress,
        &qapi_type_InetSocketAddress,
        &qapi_type_FdSocketAddress,
    };
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%s options:\n", ChardevBackendKind_str(kind));
    for (size_t i = 0; i < ARRAY_SIZE(char_keys); i++) {
        const CharKey *row = &char_keys[i];

        if (!(row->kinds & (1u << kind))) {
            continue;
        }
        if (row->help) {
            g_autofree char *left = g_strdup_printf("  %s=on|off", row->key);

            g_string_append_printf(text, "%-*s%s\n", HELP_COLUMN, left, row->help);
            continue;
        }
        if (row->place == CHAR_KEY_DEVICE) {
            add_help_line(text, char_data_types[kind], row);
            continue;
        }
        for (size_t a = 0; a < ARRAY_SIZE(addresses); a++) {
            if (add_help_line(text, addresses[a], row)) {
                break;
            }
        }
    }
    return g_string_free(text, false);
}

char *qemu_chr_kind_help(const char *name, Error **errp)
{
    int kind = qapi_enum_parse(&ChardevBackendKind_lookup, name, -1, NULL);

    if (kind < 0) {
        error_setg(errp, "'%s' is not a valid char driver name", name);
        return NULL;
    }
    return kind_help(kind);
}

char *qemu_chr_help(void)
{
    GString *text = g_string_new("Available chardev backend types:\n");

    for (int kind = 0; kind < CHARDEV_BACKEND_KIND__MAX; kind++) {
        g_string_append_printf(text, "  %s\n", ChardevBackendKind_str(kind));
    }
    return g_string_free(text, false);
}
