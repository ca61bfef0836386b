/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making, finding and using character devices: what does not depend on their kind. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "chardev/char-ringbuf.h"
#include "harness.h"

static void test_find(void)
{
    Chardev *chr = char_rig_new("null,id=a");

    g_assert(qemu_chr_find("a") == chr);
    g_assert_null(qemu_chr_find("b"));
    char_rig_refused("null,id=a", "Chardev with id 'a' already exists");
    char_rig_refused("null,id=1", "Parameter 'id' expects an identifier");
    qemu_chr_cleanup();
    g_assert_null(qemu_chr_find("a"));
}

static void test_one_frontend(void)
{
    Chardev *chr = char_rig_new("null,id=a");
    CharFrontend first, second;
    Error *err = NULL;

    g_assert(qemu_chr_fe_init(&first, chr, &error_abort));
    g_assert(qemu_chr_is_busy(chr));
    g_assert(!qemu_chr_fe_init(&second, chr, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Device 'a' is in use");
    error_free(err);
    qemu_chr_fe_deinit(&first, false);
    g_assert(qemu_chr_fe_init(&second, chr, &error_abort));
    qemu_chr_fe_deinit(&second, true);
    g_assert_null(qemu_chr_find("a"));
}

static void test_without_device(void)
{
    CharFrontend fe;

    g_assert(qemu_chr_fe_init(&fe, NULL, &error_abort));
    g_assert(!qemu_chr_fe_backend_connected(&fe));
    g_assert_cmpint(qemu_chr_fe_write(&fe, (const uint8_t *)"abc", 3), ==, 3);
    g_assert_cmpint(qemu_chr_fe_write_all(&fe, (const uint8_t *)"abc", 3), ==, 3);
    g_assert(!qemu_chr_fe_wait_writable(&fe, 0));
    g_assert_cmpint(qemu_chr_fe_wait_connected(&fe, NULL), ==, -1);
    qemu_chr_fe_deinit(&fe, true);
}

static void test_null(void)
{
    CharRig rig;

    char_rig_attach(&rig, char_rig_new("null,id=a"), 10);
    g_assert_cmpint(rig.opened, ==, 0);
    g_assert(!qemu_chr_fe_backend_open(&rig.fe));
    g_assert_cmpint(qemu_chr_fe_write_all(&rig.fe, (const uint8_t *)"abc", 3), ==, 3);
    char_rig_done(&rig);
}

static void test_opened_comes_at_attach(void)
{
    CharRig rig;

    char_rig_attach(&rig, char_rig_new("ringbuf,id=a,size=16"), 10);
    g_assert_cmpint(rig.opened, ==, 1);
    g_assert(qemu_chr_fe_backend_open(&rig.fe));
    char_rig_done(&rig);
}

static void test_ringbuf_keeps_the_end(void)
{
    Chardev *chr = char_rig_new("ringbuf,id=a,size=8");
    CharRig rig;
    uint8_t buf[16];

    char_rig_attach(&rig, chr, 0);
    g_assert_cmpint(qemu_chr_ringbuf_read(chr, buf, sizeof(buf)), ==, 0);
    qemu_chr_fe_printf(&rig.fe, "%s-%d", "abcdef", 123456);
    g_assert_cmpint(qemu_chr_ringbuf_read(chr, buf, 3), ==, 3);
    g_assert_cmpmem(buf, 3, "f-1", 3);
    g_assert_cmpint(qemu_chr_ringbuf_read(chr, buf, sizeof(buf)), ==, 5);
    g_assert_cmpmem(buf, 5, "23456", 5);
    char_rig_done(&rig);
}

static void test_ringbuf_sizes(void)
{
    char_rig_refused("ringbuf,id=a,size=3", "size of ringbuf chardev must be power of two");
    char_rig_refused("ringbuf,id=a,size=0", "size of ringbuf chardev must be power of two");
    char_rig_refused("ringbuf,id=a,size=2G", "size of ringbuf chardev must be at most 1073741824");
}

static void test_log(void)
{
    g_autofree char *path = harness_tmpfile("log");
    g_autofree char *text = g_strdup_printf("ringbuf,id=a,size=2,logfile=%s", path);
    g_autofree char *again = g_strdup_printf("%s,logappend=on", text);
    g_autofree char *content = NULL;
    CharRig rig;

    char_rig_attach(&rig, char_rig_new(text), 0);
    qemu_chr_fe_printf(&rig.fe, "one ");
    char_rig_done(&rig);
    char_rig_attach(&rig, char_rig_new(again), 0);
    qemu_chr_fe_printf(&rig.fe, "two");
    char_rig_done(&rig);
    g_assert(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "one two");
    char_rig_refused("null,id=a,logfile=/nosuch/log",
                     "Unable to open logfile /nosuch/log: No such file or directory");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    char_rig_main_init();
    harness_add("/char/device_is_found_by_its_name_until_it_goes", test_find);
    harness_add("/char/device_carries_one_frontend", test_one_frontend);
    harness_add("/char/frontend_without_device_swallows_output", test_without_device);
    harness_add("/char/null_is_never_open", test_null);
    harness_add("/char/open_device_says_so_when_a_frontend_attaches", test_opened_comes_at_attach);
    harness_add("/char/ringbuf_keeps_the_end_of_its_output", test_ringbuf_keeps_the_end);
    harness_add("/char/ringbuf_refuses_odd_sizes", test_ringbuf_sizes);
    harness_add("/char/log_gets_a_copy_of_the_output", test_log);
    return harness_run();
}
