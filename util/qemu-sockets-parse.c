/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses from text and back. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/cutils.h"
#include "qemu/sockets.h"

typedef struct InetOption {
    const char *name;
    enum {
        OPTION_BOOL,
        OPTION_UINT16,
        OPTION_UINT32
    } kind;
    size_t has;   /* offset of the bool that says whether it was given */
    size_t value; /* offset of the value */
} InetOption;

#define INET_OPTION(name, kind, member)                                                            \
    {                                                                                              \
        name, kind, offsetof(InetSocketAddress, has_##member), offsetof(InetSocketAddress, member) \
    }

static const InetOption inet_options[] = {
    INET_OPTION("to", OPTION_UINT16, to),
    INET_OPTION("ipv4", OPTION_BOOL, ipv4),
    INET_OPTION("ipv6", OPTION_BOOL, ipv6),
    INET_OPTION("numeric", OPTION_BOOL, numeric),
    INET_OPTION("keep-alive", OPTION_BOOL, keep_alive),
    INET_OPTION("keep-alive-count", OPTION_UINT32, keep_alive_count),
    INET_OPTION("keep-alive-idle", OPTION_UINT32, keep_alive_idle),
    INET_OPTION("keep-alive-interval", OPTION_UINT32, keep_alive_interval),
    INET_OPTION("mptcp", OPTION_BOOL, mptcp),
};

static const InetOption *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(inet_options); i++) {
        if (strlen(inet_options[i].name) == len && !memcmp(inet_options[i].name, name, len)) {
            return &inet_options[i];
        }
    }
    return NULL;
}

/* @value is NULL if the option was given without one. */
static bool set_option(InetSocketAddress *addr, const InetOption *option, const char *value,
                       Error **errp)
{
    void *dest = (char *)addr + option->value;
    unsigned max = option->kind == OPTION_UINT16 ? UINT16_MAX : UINT32_MAX;
    unsigned number;

    if (option->kind == OPTION_BOOL) {
        if (!qapi_bool_parse(option->name, value ? value : "on", dest, errp)) {
            return false;
        }
    } else {
        /* strtoul() takes a sign; an address does not. */
        if (!value || !g_ascii_isdigit(*value) || qemu_strtoui(value, NULL, 10, &number) < 0 ||
            number > max) {
            error_setg(errp, "Parameter '%s' expects a number from 0 to %u", option->name, max);
            return false;
        }
        if (option->kind == OPTION_UINT16) {
            *(uint16_t *)dest = number;
        } else {
            *(uint32_t *)dest = number;
        }
    }
    *((bool *)addr + option->has) = true;
    return true;
}

/* NAME or NAME=VALUE */
static bool parse_option(InetSocketAddress *addr, const char *text, Error **errp)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const InetOption *option = find_option(text, len);

    if (!option) {
        error_setg(errp, "Parameter '%.*s' is unexpected", (int)len, text);
        return false;
    }
    return set_option(addr, option, equals ? equals + 1 : NULL, errp);
}

/* [IPV6]:PORT or HOST:PORT; HOST may be empty and has no colon. */
static bool parse_host_port(InetSocketAddress *addr, const char *str, Error **errp)
{
    bool bracketed = *str == '[';
    const char *host = str + bracketed;
    const char *end = strchr(host, bracketed ? ']' : ':');
    const char *port = end ? end + bracketed : NULL;

    if (!end) {
        error_setg(errp, bracketed ? "Address '%s' lacks a ']'" : "Address '%s' lacks a port", str);
        return false;
    }
    if (*port != ':' || !port[1] || strchr(port + 1, ':')) {
        error_setg(errp, "Address '%s' has no valid port", str);
        return false;
    }
    addr->host = g_strndup(host, end - host);
    addr->port = g_strdup(port + 1);
    return true;
}

int inet_parse(InetSocketAddress *addr, const char *str, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(str, ",", -1);

    memset(addr, 0, sizeof(*addr));
    if (!parse_host_port(addr, parts[0] ? parts[0] : "", errp)) {
        return -1;
    }
    for (char **part = parts + 1; *part; part++) {
        if (!parse_option(addr, *part, errp)) {
            return -1;
        }
    }
    return 0;
}

static bool parse_inet_address(SocketAddress *addr, const char *text, Error **errp)
{
    addr->type = SOCKET_ADDRESS_TYPE_INET;
    return inet_parse(&addr->u.inet, text, errp) == 0;
}

static bool parse_unix_address(SocketAddress *addr, const char *text, Error **errp)
{
    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    if (!*text) {
        error_setg(errp, "invalid Unix socket address");
        return false;
    }
    addr->u.q_unix.path = g_strdup(text);
    return true;
}

static bool parse_fd_address(SocketAddress *addr, const char *text, Error **errp)
{
    addr->type = SOCKET_ADDRESS_TYPE_FD;
    if (!*text) {
        error_setg(errp, "invalid file descriptor address");
        return false;
    }
    addr->u.fd.str = g_strdup(text);
    return true;
}

static bool parse_vsock_address(SocketAddress *addr, const char *text, Error **errp)
{
    const char *colon = strchr(text, ':');

    addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
    if (!colon || colon == text || !colon[1]) {
        error_setg(errp, "invalid vsock address '%s'", text);
        return false;
    }
    addr->u.vsock.cid = g_strndup(text, colon - text);
    addr->u.vsock.port = g_strdup(colon + 1);
    return true;
}

SocketAddress *socket_parse(const char *str, Error **errp)
{
    static const struct {
        const char *prefix;
        bool (*parse)(SocketAddress *addr, const char *text, Error **errp);
    } families[] = {
        { "unix:", parse_unix_address },   { "fd:", parse_fd_address },
        { "vsock:", parse_vsock_address }, { "tcp:", parse_inet_address },
        { "", parse_inet_address },
    };
    g_autoptr(SocketAddress) addr = g_new0(SocketAddress, 1);

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        const char *text;

        if (strstart(str, families[i].prefix, &text)) {
            return families[i].parse(addr, text, errp) ? g_steal_pointer(&addr) : NULL;
        }
    }
    g_assert_not_reached();
}

char *socket_uri(SocketAddress *addr)
{
    const InetSocketAddress *inet = &addr->u.inet;
    bool is_ipv6;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        is_ipv6 = strchr(inet->host, ':');
        return g_strdup_printf("tcp:%s%s%s:%s", is_ipv6 ? "[" : "", inet->host, is_ipv6 ? "]" : "",
                               inet->port);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return g_strdup_printf("unix:%s", addr->u.q_unix.path);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("vsock:%s:%s", addr->u.vsock.cid, addr->u.vsock.port);
    case SOCKET_ADDRESS_TYPE_FD:
        return g_strdup_printf("fd:%s", addr->u.fd.str);
    default:
        g_assert_not_reached();
    }
}
