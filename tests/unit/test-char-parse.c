/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of --chardev: which struct it becomes, what is refused. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "harness.h"

static ChardevBackend *parse(const char *text, const char *id)
{
    g_autofree char *got = NULL;
    bool mux;
    ChardevBackend *backend = qemu_chr_parse_str(text, &got, &mux, &error_abort);

    g_assert_cmpstr(got, ==, id);
    g_assert(mux == !!strstr(text, "mux=on"));
    return backend;
}

static void test_server(void)
{
    g_autoptr(ChardevBackend) b = parse("socket,id=c,path=/a,,b,server=on", "c");
    ChardevSocket *s = b->u.socket.data;

    g_assert_cmpint(b->type, ==, CHARDEV_BACKEND_KIND_SOCKET);
    g_assert_cmpint(s->addr->type, ==, SOCKET_ADDRESS_TYPE_UNIX);
    g_assert_cmpstr(s->addr->u.q_unix.data->path, ==, "/a,b");
    g_assert(s->has_server && s->server);
    g_assert(s->has_wait && s->wait);
}

static void test_client(void)
{
    g_autoptr(ChardevBackend) b =
        parse("backend=socket,host=h,port=5,ipv4=off,delay=off,id=c,reconnect-ms=7", "c");
    ChardevSocket *s = b->u.socket.data;

    g_assert_cmpint(s->addr->type, ==, SOCKET_ADDRESS_TYPE_INET);
    g_assert_cmpstr(s->addr->u.inet.data->host, ==, "h");
    g_assert_cmpstr(s->addr->u.inet.data->port, ==, "5");
    g_assert(s->addr->u.inet.data->has_ipv4 && !s->addr->u.inet.data->ipv4);
    g_assert(s->has_server && !s->server);
    g_assert(!s->has_wait);
    g_assert(s->has_nodelay && s->nodelay);
    g_assert_cmpint(s->reconnect_ms, ==, 7);
}

static void test_datagrams(void)
{
    g_autoptr(ChardevBackend) b = parse("udp,port=5,ipv4=on,localaddr=127.0.0.1,id=c,mux=on", "c");
    ChardevUdp *s = b->u.udp.data;

    g_assert_cmpint(b->type, ==, CHARDEV_BACKEND_KIND_UDP);
    g_assert_cmpstr(s->remote->u.inet.data->host, ==, "localhost");
    g_assert_cmpstr(s->remote->u.inet.data->port, ==, "5");
    g_assert(s->remote->u.inet.data->ipv4);
    g_assert_cmpstr(s->local->u.inet.data->host, ==, "127.0.0.1");
    g_assert_cmpstr(s->local->u.inet.data->port, ==, "0");
    qapi_free_ChardevBackend(g_steal_pointer(&b));
    b = parse("udp,host=h,port=5,id=c", "c");
    g_assert_null(b->u.udp.data->local);
}

static void test_short_forms(void)
{
    if (g_test_subprocess()) {
        g_autoptr(ChardevBackend) b = parse("socket,id=c,fd=3,server,nowait,nodelay", "c");
        ChardevSocket *s = b->u.socket.data;

        g_assert_cmpint(s->addr->type, ==, SOCKET_ADDRESS_TYPE_FD);
        g_assert_cmpstr(s->addr->u.fd.data->str, ==, "3");
        g_assert(s->server && s->has_wait && !s->wait && s->nodelay);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*'server' deprecated*server=on*'nowait' deprecated*wait=off*"
                              "'nodelay' deprecated*delay=off*");
}

static void test_last_value_wins(void)
{
    g_autoptr(ChardevBackend) b = parse("null,id=a,backend=file,path=x,path=y,id=c", "c");

    g_assert_cmpint(b->type, ==, CHARDEV_BACKEND_KIND_FILE);
    g_assert_cmpstr(b->u.file.data->out, ==, "y");
}

static void test_sizes(void)
{
    g_autoptr(ChardevBackend) b = parse("ringbuf,id=c,size=4k", "c");

    g_assert_cmpint(b->u.ringbuf.data->size, ==, 4096);
}

static void test_json(void)
{
    g_autoptr(ChardevBackend) b =
        parse("{'id': 'c', 'backend': {'type': 'ringbuf', 'data': {'size': 8}}}", "c");

    g_assert_cmpint(b->u.ringbuf.data->size, ==, 8);
    char_rig_refused("{'id': 'c'}", "Parameter 'backend' is missing");
    char_rig_refused("{'id': 'c', 'foo': 1, 'backend': {'type': 'null', 'data': {}}}",
                     "Parameter 'foo' is unexpected");
}

static void test_refusals(void)
{
    static const char *const cases[][2] = {
        { "", "chardev: no id specified" },
        { "null", "chardev: no id specified" },
        { "id=c", "chardev: \"c\" missing backend" },
        { "nosuch,id=c", "'nosuch' is not a valid char driver name" },
        { "null,id=c,path=x", "Invalid parameter 'path'" },
        { "file,id=c", "chardev: file: no filename given" },
        { "pipe,id=c", "chardev: pipe: no device path given" },
        { "socket,id=c,host=h", "chardev: socket: no port given" },
        { "socket,id=c", "chardev: socket: one of 'path', 'host' and 'fd' is needed" },
        { "socket,id=c,path=a,fd=3", "chardev: socket: one of 'path', 'host' and 'fd' is needed" },
        { "socket,id=c,path=a,port=3",
          "chardev: socket: one of 'path', 'host' and 'fd' is needed" },
        { "socket,id=c,path=a,server=maybe", "Parameter 'server' expects 'on' or 'off'" },
        { "socket,id=c,path=a,delay=maybe", "Parameter 'delay' expects 'on' or 'off'" },
        { "socket,id=c,host=h,port=1,ipv4=maybe", "Parameter 'ipv4' expects 'on' or 'off'" },
        { "udp,id=c,host=h", "chardev: udp: remote port not specified" },
        { "udp,id=c,port=", "chardev: udp: remote port not specified" },
        { "udp,id=c,port=1,path=x", "Invalid parameter 'path'" },
        { "udp,id=c,port=1,ipv6=maybe", "Parameter 'ipv6' expects 'on' or 'off'" },
        { "mux,id=c", "chardev: mux: no chardev given" },
        { "mux,id=c,chardev=nosuch", "mux: base chardev nosuch not found" },
        { "null,id=c,mux=maybe", "Parameter 'mux' expects 'on' or 'off'" },
        { "mux,id=c,chardev=x,mux=on", "Invalid parameter 'mux'" },
        { "ringbuf,id=c,size=many", "Parameter 'size' expects a size" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char_rig_refused(cases[i][0], cases[i][1]);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    char_rig_main_init();
    harness_add("/char-parse/server_waits_unless_told", test_server);
    harness_add("/char-parse/client_is_the_default", test_client);
    harness_add("/char-parse/datagrams_have_two_addresses", test_datagrams);
    harness_add("/char-parse/short_forms_are_warned_of", test_short_forms);
    harness_add("/char-parse/last_value_wins", test_last_value_wins);
    harness_add("/char-parse/sizes_have_suffixes", test_sizes);
    harness_add("/char-parse/json_has_the_members_of_chardev_add", test_json);
    harness_add("/char-parse/refusals_name_key_and_value", test_refusals);
    return harness_run();
}
