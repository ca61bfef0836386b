/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A character device that several frontends share: who gets the input, the keys, the ends. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "harness.h"

#define ESCAPE "\001"

/* A shared device on one end of a pair; the other end, without waiting. */
static int pair_new(void)
{
    g_autofree char *text = NULL;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    text = g_strdup_printf("socket,id=a,mux=on,fd=%d", sv[0]);
    char_rig_new(text);
    return sv[1];
}

static void feed(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

static void expect(int fd, const char *text)
{
    g_autofree char *buf = g_malloc0(strlen(text) + 1);

    for (size_t n = 0; n < strlen(text);) {
        ssize_t got = read(fd, buf + n, strlen(text) - n);

        g_assert_cmpint(got, >, 0);
        n += got;
    }
    g_assert_cmpstr(buf, ==, text);
}

static void print(CharRig *rig, const char *text)
{
    g_assert_cmpint(qemu_chr_fe_write_all(&rig->fe, (const uint8_t *)text, strlen(text)), ==,
                    strlen(text));
}

static void done(int fd)
{
    qemu_chr_cleanup();
    close(fd);
}

static void test_last_has_the_input(void)
{
    int fd = pair_new();
    CharRig first, second;

    char_rig_attach(&first, qemu_chr_find("a"), 100);
    g_assert_cmpint(first.opened, ==, 1);
    feed(fd, "1");
    char_rig_wait_input(&first, 1);
    char_rig_attach(&second, qemu_chr_find("a"), 100);
    g_assert(!first.in_focus);
    feed(fd, "2");
    char_rig_wait_input(&second, 1);
    print(&first, "one ");
    print(&second, "two ");
    expect(fd, "one two ");
    char_rig_detach(&second);
    g_assert(first.in_focus);
    feed(fd, "3");
    char_rig_wait_input(&first, 2);
    g_assert_cmpstr(first.input->str, ==, "13");
    char_rig_detach(&first);
    g_assert(!qemu_chr_is_busy(qemu_chr_find("a")));
    done(fd);
}

static void test_keys(void)
{
    int fd = pair_new();
    CharRig first, second, third;

    char_rig_attach(&first, qemu_chr_find("a"), 100);
    char_rig_attach(&second, qemu_chr_find("a"), 100);
    char_rig_attach(&third, qemu_chr_find("a"), 100);
    feed(fd, "3" ESCAPE "c1" ESCAPE "c2" ESCAPE ESCAPE ESCAPE "b" ESCAPE "z" ESCAPE "c3");
    char_rig_wait_input(&third, 2);
    g_assert_cmpstr(first.input->str, ==, "1");
    g_assert_cmpstr(second.input->str, ==, "2" ESCAPE);
    g_assert_cmpstr(third.input->str, ==, "33");
    g_assert_cmpuint(second.breaks, ==, 1);
    g_assert(!first.in_focus && !second.in_focus && third.in_focus);
    /* One that has not got the input goes; the order of the others stays. */
    char_rig_detach(&first);
    feed(fd, ESCAPE "c4" ESCAPE "c5");
    char_rig_wait_input(&third, 3);
    g_assert_cmpstr(second.input->str, ==, "2" ESCAPE "4");
    char_rig_detach(&third);
    char_rig_detach(&second);
    done(fd);
}

static void test_help_and_times(void)
{
    int fd = pair_new();
    CharRig rig;
    char buf[1000];

    char_rig_attach(&rig, qemu_chr_find("a"), 100);
    feed(fd, ESCAPE "h" ESCAPE "tx");
    char_rig_wait_input(&rig, 1);
    expect(fd, "\r\nC-a h    these keys\r\n");
    g_assert_cmpint(read(fd, buf, sizeof(buf)), >, 0);
    print(&rig, "one\ntwo");
    print(&rig, "three\n");
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 4 + 9 + 2 * strlen("[00:00:00.000] "));
    g_assert(g_regex_match_simple("^\\[00:00:\\d\\d\\.\\d{3}\\] one\n"
                                  "\\[00:00:\\d\\d\\.\\d{3}\\] twothree\n$",
                                  buf, 0, 0));
    feed(fd, ESCAPE "ty");
    char_rig_wait_input(&rig, 2);
    print(&rig, "plain");
    expect(fd, "plain");
    char_rig_detach(&rig);
    done(fd);
}

static void test_full_user_keeps_the_focus_key(void)
{
    int fd = pair_new();
    CharRig full, other;

    char_rig_attach(&other, qemu_chr_find("a"), 100);
    char_rig_attach(&full, qemu_chr_find("a"), 2);
    feed(fd, "abcdef" ESCAPE "cX");
    char_rig_wait_input(&other, 1);
    g_assert_cmpstr(full.input->str, ==, "ab");
    g_assert_cmpstr(other.input->str, ==, "X");
    char_rig_set_room(&full, 100);
    feed(fd, ESCAPE "cg");
    char_rig_wait_input(&full, 7);
    g_assert_cmpstr(full.input->str, ==, "abcdefg");
    char_rig_detach(&full);
    char_rig_detach(&other);
    done(fd);
}

static void test_much_input_is_not_lost(void)
{
    int fd = pair_new();
    CharRig rig;
    g_autofree char *text = g_strnfill(20000, 'x');

    char_rig_attach(&rig, qemu_chr_find("a"), 0);
    feed(fd, text);
    char_rig_settle();
    g_assert_cmpuint(rig.input->len, ==, 0);
    while (rig.input->len < 20000) {
        char_rig_set_room(&rig, 7);
        char_rig_settle();
    }
    char_rig_detach(&rig);
    done(fd);
}

static void test_all_hear_of_the_end(void)
{
    int fd = pair_new();
    CharRig first, second;

    char_rig_attach(&first, qemu_chr_find("a"), 100);
    char_rig_attach(&second, qemu_chr_find("a"), 100);
    close(fd);
    char_rig_wait_events(&first, 1, 1);
    char_rig_wait_events(&second, 1, 1);
    g_assert(!qemu_chr_fe_backend_open(&first.fe));
    char_rig_detach(&first);
    char_rig_detach(&second);
    qemu_chr_cleanup();
}

static void test_limits(void)
{
    int fd = pair_new();
    CharRig rigs[4];
    CharFrontend fifth, base;
    Error *err = NULL;

    for (int i = 0; i < 4; i++) {
        char_rig_attach(&rigs[i], qemu_chr_find("a"), 100);
    }
    g_assert(!qemu_chr_fe_init(&fifth, qemu_chr_find("a"), &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Device 'a' is in use by 4 users, and takes no more");
    error_free(err);
    err = NULL;
    g_assert(!qemu_chr_fe_init(&base, qemu_chr_find("a-base"), &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Device 'a-base' is in use");
    error_free(err);
    char_rig_refused("mux,id=b,chardev=a-base", "Device 'a-base' is in use");
    for (int i = 0; i < 4; i++) {
        char_rig_detach(&rigs[i]);
    }
    char_rig_refused("null,id=a-base", "Chardev with id 'a-base' already exists");
    done(fd);
    /* The name of the mux is taken: what was made below goes again. */
    char_rig_new("null,id=a");
    char_rig_refused("null,id=a,mux=on", "Chardev with id 'a' already exists");
    g_assert_null(qemu_chr_find("a-base"));
    qemu_chr_cleanup();
}

static void test_mux_of_a_mux(void)
{
    int fd = pair_new();
    CharRig inner, outer;

    char_rig_attach(&outer, qemu_chr_find("a"), 100);
    char_rig_new("mux,id=b,chardev=a");
    char_rig_attach(&inner, qemu_chr_find("b"), 100);
    g_assert_cmpint(inner.opened, ==, 1);
    feed(fd, "1" ESCAPE "c2");
    char_rig_wait_input(&outer, 1);
    g_assert_cmpstr(inner.input->str, ==, "1");
    g_assert(qemu_chr_fe_backend_open(&inner.fe));
    char_rig_detach(&inner);
    char_rig_detach(&outer);
    done(fd);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    char_rig_main_init();
    harness_add("/char-mux/last_frontend_has_the_input", test_last_has_the_input);
    harness_add("/char-mux/keys_choose_who_has_the_input", test_keys);
    harness_add("/char-mux/keys_tell_of_themselves_and_time_lines", test_help_and_times);
    harness_add("/char-mux/full_frontend_does_not_keep_the_keys_from_others",
                test_full_user_keeps_the_focus_key);
    harness_add("/char-mux/much_input_is_not_lost", test_much_input_is_not_lost);
    harness_add("/char-mux/all_hear_of_the_end", test_all_hear_of_the_end);
    harness_add("/char-mux/frontends_and_names_are_limited", test_limits);
    harness_add("/char-mux/mux_of_a_mux", test_mux_of_a_mux);
    return harness_run();
}
