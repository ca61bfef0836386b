/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices on descriptors: files, pipes, standard input and output, terminals. */
#include "qemu/osdep.h"
#include <sys/stat.h>
#include "char-rig.h"
#include "harness.h"

static void test_file_output(void)
{
    g_autofree char *path = harness_tmpfile("out");
    g_autofree char *text = g_strdup_printf("file,id=a,path=%s", path);
    g_autofree char *again = g_strdup_printf("%s,append=on", text);
    g_autofree char *content = NULL;
    CharRig rig;

    for (int i = 0; i < 2; i++) {
        char_rig_attach(&rig, char_rig_new(i ? again : text), 0);
        g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"abc", 3), ==, 3);
        char_rig_done(&rig);
    }
    g_assert(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "abcabc");
}

static void test_file_input(void)
{
    g_autofree char *in = harness_tmpfile("in"), *out = harness_tmpfile("out");
    g_autofree char *text = g_strdup_printf("file,id=a,path=%s,input-path=%s", out, in);
    CharRig rig;

    g_assert(g_file_set_contents(in, "0123456789", -1, NULL));
    char_rig_attach(&rig, char_rig_new(text), 4);
    char_rig_wait_input(&rig, 4);
    char_rig_settle();
    g_assert_cmpstr(rig.input->str, ==, "0123");
    g_assert_cmpint(rig.closed, ==, 0);
    char_rig_set_room(&rig, 100);
    char_rig_wait_events(&rig, 1, 1);
    g_assert_cmpstr(rig.input->str, ==, "0123456789");
    char_rig_done(&rig);
}

static void test_file_errors(void)
{
    char_rig_refused("file,id=a,path=/nosuch/out",
                     "Could not open '/nosuch/out': No such file or directory");
    char_rig_refused("file,id=a,path=/dev/null,input-path=/nosuch/in",
                     "Could not open '/nosuch/in': No such file or directory");
}

static void test_pipe_pair(void)
{
    g_autofree char *base = harness_tmpfile("p");
    g_autofree char *in = g_strconcat(base, ".in", NULL), *out = g_strconcat(base, ".out", NULL);
    g_autofree char *text = g_strdup_printf("pipe,id=a,path=%s", base);
    char buf[8];
    CharRig rig;
    int fd;

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    char_rig_attach(&rig, char_rig_new(text), 100);
    fd = open(in, O_WRONLY);
    g_assert_cmpint(write(fd, "ping", 4), ==, 4);
    close(fd);
    char_rig_wait_input(&rig, 4);
    g_assert_cmpstr(rig.input->str, ==, "ping");
    /* A peer that left does not end the device. */
    char_rig_settle();
    g_assert_cmpint(rig.closed, ==, 0);
    fd = open(out, O_RDONLY | O_NONBLOCK);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"pong", 4), ==, 4);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 4);
    close(fd);
    char_rig_done(&rig);
    char_rig_refused("pipe,id=a,path=/nosuch/p",
                     "Could not open '/nosuch/p': No such file or directory");
}

static gboolean count_ready(void *do_not_use, GIOCondition condition, void *data)
{
    ++*(int *)data;
    return G_SOURCE_REMOVE;
}

static void test_full_pipe(void)
{
    g_autofree char *path = harness_tmpfile("p");
    g_autofree char *text = g_strdup_printf("pipe,id=a,path=%s", path);
    uint8_t block[4096] = {};
    CharRig rig;
    int n, ready = 0, total = 0, fd;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    char_rig_attach(&rig, char_rig_new(text), 0);
    while ((n = qemu_chr_fe_write(&rig.fe, block, sizeof(block))) > 0) {
        total += n;
    }
    g_assert_cmpint(n, ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(total, >, 0);
    g_assert(!qemu_chr_fe_wait_writable(&rig.fe, 1));
    g_assert_cmpint(qemu_chr_fe_add_watch(&rig.fe, G_IO_OUT, count_ready, &ready), >, 0);
    char_rig_settle();
    g_assert_cmpint(ready, ==, 0);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    for (int got = 0; got < total; got += sizeof(block)) {
        g_assert_cmpint(read(fd, block, sizeof(block)), ==, sizeof(block));
    }
    close(fd);
    while (!ready) {
        main_loop_wait(false);
    }
    g_assert(qemu_chr_fe_wait_writable(&rig.fe, -1));
    char_rig_done(&rig);
}

static void test_stdio_once(void)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    CharRig rig;

    char_rig_attach(&rig, char_rig_new("stdio,id=a"), 0);
    char_rig_refused("stdio,id=b", "cannot use stdio by multiple character devices");
    g_assert(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK);
    char_rig_done(&rig);
    g_assert_cmpint(fcntl(STDOUT_FILENO, F_GETFL), ==, flags);
    char_rig_attach(&rig, char_rig_new("stdio,id=b"), 0);
    char_rig_done(&rig);
}

static void test_pty(void)
{
    g_autofree char *link = harness_tmpfile("tty");
    g_autofree char *text = g_strdup_printf("pty,id=a,path=%s", link);
    char buf[8];
    CharRig rig;
    int fd;

    char_rig_attach(&rig, char_rig_new(text), 100);
    g_assert_cmpint(rig.opened, ==, 0);
    g_assert(g_str_has_prefix(qemu_chr_fe_get_driver(&rig.fe)->filename, "pty:/dev/"));
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"lost", 4), ==, 4);

    fd = open(link, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    qemu_chr_fe_accept_input(&rig.fe);
    g_assert_cmpint(rig.opened, ==, 1);
    g_assert_cmpint(write(fd, "ping", 4), ==, 4);
    char_rig_wait_input(&rig, 4);
    g_assert_cmpstr(rig.input->str, ==, "ping");
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"pong", 4), ==, 4);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 4);
    g_assert_cmpmem(buf, 4, "pong", 4);
    close(fd);
    char_rig_wait_events(&rig, 1, 1);
    char_rig_done(&rig);
    g_assert(!g_file_test(link, G_FILE_TEST_IS_SYMLINK));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    char_rig_main_init();
    harness_add("/char-file/output_replaces_or_appends", test_file_output);
    harness_add("/char-file/input_is_read_as_the_frontend_takes_it", test_file_input);
    harness_add("/char-file/missing_folder_is_named", test_file_errors);
    harness_add("/char-pipe/both_directions_outlive_their_peers", test_pipe_pair);
    harness_add("/char-fd/full_output_says_try_again_and_is_watched", test_full_pipe);
    harness_add("/char-stdio/there_is_one_and_flags_come_back", test_stdio_once);
    harness_add("/char-pty/terminal_opens_talks_and_closes", test_pty);
    return harness_run();
}
