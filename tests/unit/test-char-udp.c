/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices on datagrams: both ways, what is taken in parts, what is lost. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "harness.h"

#include <arpa/inet.h>

/* A peer on a port of its own. */
static int peer_new(struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*addr);

    *addr =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    g_assert_cmpint(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)addr, &len), ==, 0);
    return fd;
}

/* A device whose peer is @fd, attached; the peer knows it by its first datagram, "hello". */
static void attach_to_peer(CharRig *rig, int fd, const struct sockaddr_in *addr, int room)
{
    g_autofree char *text =
        g_strdup_printf("udp,id=a,host=127.0.0.1,port=%u", ntohs(addr->sin_port));
    struct sockaddr_in device;
    socklen_t len = sizeof(device);
    char buf[16];

    char_rig_attach(rig, char_rig_new(text), room);
    g_assert_cmpint(rig->opened, ==, 1);
    g_assert_cmpint(qemu_chr_fe_write(&rig->fe, (const uint8_t *)"hello", 5), ==, 5);
    g_assert_cmpint(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&device, &len), ==, 5);
    g_assert_cmpmem(buf, 5, "hello", 5);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&device, len), ==, 0);
}

static void test_both_ways(void)
{
    struct sockaddr_in addr;
    int fd = peer_new(&addr);
    CharRig rig;

    attach_to_peer(&rig, fd, &addr, 100);
    g_assert_cmpint(send(fd, "one ", 4, 0), ==, 4);
    g_assert_cmpint(send(fd, "", 0, 0), ==, 0);
    g_assert_cmpint(send(fd, "two", 3, 0), ==, 3);
    char_rig_wait_input(&rig, 7);
    g_assert_cmpstr(rig.input->str, ==, "one two");
    char_rig_done(&rig);
    close(fd);
}

static void test_rest_of_a_datagram_waits(void)
{
    struct sockaddr_in addr;
    int fd = peer_new(&addr);
    CharRig rig;

    attach_to_peer(&rig, fd, &addr, 3);
    g_assert_cmpint(send(fd, "abcdefg", 7, 0), ==, 7);
    g_assert_cmpint(send(fd, "h", 1, 0), ==, 1);
    char_rig_wait_input(&rig, 3);
    char_rig_settle();
    g_assert_cmpstr(rig.input->str, ==, "abc");
    char_rig_set_room(&rig, 2);
    char_rig_wait_input(&rig, 5);
    char_rig_set_room(&rig, 100);
    char_rig_wait_input(&rig, 8);
    g_assert_cmpstr(rig.input->str, ==, "abcdefgh");
    char_rig_done(&rig);
    close(fd);
}

static void test_device_goes_with_a_rest(void)
{
    struct sockaddr_in addr;
    int fd = peer_new(&addr);
    CharRig rig;

    attach_to_peer(&rig, fd, &addr, 3);
    g_assert_cmpint(send(fd, "abcdefg", 7, 0), ==, 7);
    char_rig_wait_input(&rig, 3);
    char_rig_set_room(&rig, 1);
    char_rig_done(&rig);
    char_rig_settle();
    close(fd);
}

/* The peer's system answers that nobody is there, which is an error of the next call. */
static void test_nobody_there(void)
{
    struct sockaddr_in addr;
    int fd = peer_new(&addr);
    CharRig rig;

    attach_to_peer(&rig, fd, &addr, 100);
    close(fd);
    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(qemu_chr_fe_write_all(&rig.fe, (const uint8_t *)"lost", 4), ==, 4);
        char_rig_settle();
    }
    g_assert_cmpint(rig.closed, ==, 0);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(qemu_chr_fe_write_all(&rig.fe, (const uint8_t *)"x", 1), ==, 1);
    char_rig_done(&rig);
    close(fd);
}

static void test_long_output_is_several_datagrams(void)
{
    g_autofree uint8_t *bytes = g_malloc0(100000), *got = g_malloc(100000);
    struct sockaddr_in addr;
    int fd = peer_new(&addr);
    CharRig rig;

    attach_to_peer(&rig, fd, &addr, 100);
    g_assert_cmpint(qemu_chr_fe_write_all(&rig.fe, bytes, 100000), ==, 100000);
    g_assert_cmpint(recv(fd, got, 100000, 0), ==, 65507);
    g_assert_cmpint(recv(fd, got, 100000, 0), ==, 100000 - 65507);
    char_rig_done(&rig);
    close(fd);
}

static void test_own_address(void)
{
    struct sockaddr_in addr, other;
    int fd = peer_new(&addr), busy = peer_new(&other);
    g_autofree char *text = g_strdup_printf(
        "{'id': 'a', 'backend': {'type': 'udp', 'data': {"
        " 'remote': {'type': 'inet', 'data': {'host': '127.0.0.1', 'port': '%u'}},"
        " 'local': {'type': 'inet', 'data': {'host': '127.0.0.1', 'port': '%u'}}}}}",
        ntohs(addr.sin_port), ntohs(other.sin_port));
    struct sockaddr_in device;
    socklen_t len = sizeof(device);
    CharRig rig;
    char c;

    close(busy);
    char_rig_attach(&rig, char_rig_new(text), 100);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"x", 1), ==, 1);
    g_assert_cmpint(recvfrom(fd, &c, 1, 0, (struct sockaddr *)&device, &len), ==, 1);
    g_assert_cmpint(device.sin_port, ==, other.sin_port);
    char_rig_done(&rig);
    close(fd);
}

static void test_refusals(void)
{
    char_rig_refused("{'id': 'a', 'backend': {'type': 'udp', 'data': {"
                     " 'remote': {'type': 'unix', 'data': {'path': '/nosuch'}}}}}",
                     "Only socket addresses of type 'inet' can be used for datagrams");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    char_rig_main_init();
    harness_add("/char-udp/datagrams_go_both_ways", test_both_ways);
    harness_add("/char-udp/rest_of_a_datagram_waits_for_room", test_rest_of_a_datagram_waits);
    harness_add("/char-udp/device_goes_with_a_rest_that_waits", test_device_goes_with_a_rest);
    harness_add("/char-udp/nobody_there_is_no_error", test_nobody_there);
    harness_add("/char-udp/long_output_is_several_datagrams",
                test_long_output_is_several_datagrams);
    harness_add("/char-udp/own_end_has_the_address_that_was_asked_for", test_own_address);
    harness_add("/char-udp/only_addresses_that_have_datagrams", test_refusals);
    return harness_run();
}
