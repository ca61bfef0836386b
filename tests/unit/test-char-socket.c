/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices on sockets: servers, clients, who comes when, what a full peer does. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "harness.h"
#include "qemu/sockets.h"

static char *server_text(const char *path)
{
    return g_strdup_printf("socket,id=a,path=%s,server=on,wait=off", path);
}

static void expect(int fd, const char *text)
{
    char buf[64];
    size_t len = strlen(text), got = 0;

    while (got < len) {
        ssize_t n = recv(fd, buf + got, len - got, 0);
        g_assert_cmpint(n, >, 0);
        got += n;
    }
    g_assert_cmpmem(buf, got, text, len);
}

static void test_server(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    CharRig rig;

    char_rig_attach(&rig, char_rig_new(text), 100);
    g_assert_cmpint(rig.opened, ==, 0);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"lost", 4), ==, 4);
    for (unsigned i = 1; i <= 3; i++) {
        int fd = unix_connect(path, &error_abort);

        char_rig_wait_events(&rig, i, i - 1);
        g_assert_cmpint(send(fd, "ping", 4, 0), ==, 4);
        char_rig_wait_input(&rig, i * 4);
        g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"pong", 4), ==, 4);
        expect(fd, "pong");
        close(fd);
        char_rig_wait_events(&rig, i, i);
    }
    char_rig_done(&rig);
    g_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_one_client_at_a_time(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    CharRig rig;
    int first, second;

    char_rig_attach(&rig, char_rig_new(text), 100);
    first = unix_connect(path, &error_abort);
    char_rig_wait_events(&rig, 1, 0);
    second = unix_connect(path, &error_abort);
    g_assert_cmpint(send(second, "two", 3, 0), ==, 3);
    char_rig_settle();
    g_assert_cmpint(rig.opened, ==, 1);
    g_assert_cmpint(rig.input->len, ==, 0);
    close(first);
    char_rig_wait_events(&rig, 2, 1);
    char_rig_wait_input(&rig, 3);
    close(second);
    char_rig_done(&rig);
}

static void test_input_before_end_is_not_lost(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    CharRig rig;
    int fd;

    char_rig_attach(&rig, char_rig_new(text), 2);
    fd = unix_connect(path, &error_abort);
    g_assert_cmpint(send(fd, "abcdef", 6, 0), ==, 6);
    close(fd);
    char_rig_wait_input(&rig, 2);
    char_rig_settle();
    g_assert_cmpint(rig.closed, ==, 0);
    char_rig_set_room(&rig, 100);
    char_rig_wait_events(&rig, 1, 1);
    g_assert_cmpstr(rig.input->str, ==, "abcdef");
    char_rig_done(&rig);
}

static void test_full_client(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    uint8_t block[65536] = {};
    CharRig rig;
    int fd, n;

    char_rig_attach(&rig, char_rig_new(text), 100);
    fd = unix_connect(path, &error_abort);
    char_rig_wait_events(&rig, 1, 0);
    do {
        n = qemu_chr_fe_write(&rig.fe, block, sizeof(block));
    } while (n > 0);
    g_assert_cmpint(n, ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    /* The connection breaks: the writer learns that, the reader ends it. */
    close(fd);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, block, sizeof(block)), ==, -1);
    g_assert_cmpint(errno, ==, EPIPE);
    char_rig_wait_events(&rig, 1, 1);
    char_rig_done(&rig);
}

static void test_disconnect(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    CharRig rig;
    char c;
    int fd;

    char_rig_attach(&rig, char_rig_new(text), 0);
    fd = unix_connect(path, &error_abort);
    char_rig_wait_events(&rig, 1, 0);
    qemu_chr_fe_disconnect(&rig.fe);
    g_assert_cmpint(rig.closed, ==, 1);
    g_assert_cmpint(recv(fd, &c, 1, 0), ==, 0);
    close(fd);
    qemu_chr_fe_disconnect(&rig.fe);
    g_assert_cmpint(rig.closed, ==, 1);
    char_rig_done(&rig);
}

static void test_client(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *text = g_strdup_printf("socket,id=a,path=%s", path);
    g_autofree char *missing =
        g_strdup_printf("Failed to connect to '%s': No such file or directory", path);
    int listener, fd;
    CharRig rig;

    char_rig_refused(text, missing);
    listener = unix_listen(path, &error_abort);
    char_rig_attach(&rig, char_rig_new(text), 100);
    g_assert_cmpint(rig.opened, ==, 1);
    fd = qemu_accept(listener, NULL, NULL);
    g_assert_cmpint(send(fd, "hi", 2, 0), ==, 2);
    char_rig_wait_input(&rig, 2);
    close(fd);
    char_rig_wait_events(&rig, 1, 1);
    char_rig_done(&rig);
    socket_listen_cleanup(listener, NULL);
    close(listener);
}

static void test_reconnect(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *text = g_strdup_printf("socket,id=a,path=%s,reconnect-ms=1", path);
    int listener, fd;
    CharRig rig;

    /* Nobody listens yet: that is no error. */
    char_rig_attach(&rig, char_rig_new(text), 100);
    listener = unix_listen(path, &error_abort);
    for (unsigned i = 1; i <= 3; i++) {
        char_rig_wait_events(&rig, i, i - 1);
        fd = qemu_accept(listener, NULL, NULL);
        close(fd);
        char_rig_wait_events(&rig, i, i);
    }
    char_rig_done(&rig);
    /* The attempt that may be under way ends without its device. */
    while (qemu_chr_find("a")) {
        main_loop_wait(false);
    }
    socket_listen_cleanup(listener, NULL);
    close(listener);
}

static void test_descriptor(void)
{
    g_autofree char *text = NULL;
    CharRig rig;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    text = g_strdup_printf("socket,id=a,fd=%d", sv[0]);
    char_rig_attach(&rig, char_rig_new(text), 100);
    g_assert_cmpint(rig.opened, ==, 1);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"x", 1), ==, 1);
    expect(sv[1], "x");
    close(sv[1]);
    char_rig_done(&rig);
}

static int temporary_file(const char *name)
{
    g_autofree char *path = harness_tmpfile(name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void send_fd(int sock, const char *byte, int fd)
{
    union {
        struct cmsghdr cmsg;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control = { .cmsg = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
    struct iovec iov = { (char *)byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };

    *(int *)CMSG_DATA(&control.cmsg) = fd;
    g_assert_cmpint(sendmsg(sock, &msg, 0), ==, 1);
}

/* The descriptor that came with the next byte, -1: none. */
static int receive_fd(int sock, char byte)
{
    uint8_t control[CMSG_SPACE(sizeof(int))];
    char got;
    struct iovec iov = { &got, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };

    g_assert_cmpint(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), ==, 1);
    g_assert_cmpint(got, ==, byte);
    return msg.msg_controllen ? *(int *)CMSG_DATA(CMSG_FIRSTHDR(&msg)) : -1;
}

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    g_assert_cmpint(fstat(a, &sa), ==, 0);
    g_assert_cmpint(fstat(b, &sb), ==, 0);
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static void attach_to_pair(CharRig *rig, int *peer, int room)
{
    g_autofree char *text = NULL;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    text = g_strdup_printf("socket,id=a,fd=%d", sv[0]);
    char_rig_attach(rig, char_rig_new(text), room);
    *peer = sv[1];
}

static void test_descriptors_go(void)
{
    int one[] = { temporary_file("one"), temporary_file("two") }, peer, fd;
    CharRig rig;

    attach_to_pair(&rig, &peer, 100);
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&rig.fe, &one[0], 1), ==, 0);
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&rig.fe, &one[1], 1), ==, 0);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"ab", 2), ==, 2);
    g_assert_cmpint(qemu_chr_fe_write(&rig.fe, (const uint8_t *)"c", 1), ==, 1);
    fd = receive_fd(peer, 'a');
    g_assert_true(same_file(fd, one[1]));
    close(fd);
    g_assert_cmpint(receive_fd(peer, 'b'), ==, -1);
    g_assert_cmpint(receive_fd(peer, 'c'), ==, -1);
    /* Not those of a connection that is gone. */
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&rig.fe, &one[0], 1), ==, 0);
    qemu_chr_fe_disconnect(&rig.fe);
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&rig.fe, &one[0], 1), ==, -1);
    char_rig_done(&rig);
    close(peer);
    close(one[0]);
    close(one[1]);
}

static void test_descriptors_come(void)
{
    int file = temporary_file("one"), fds[4], peer, fd;
    CharRig rig;

    attach_to_pair(&rig, &peer, 100);
    g_assert_cmpint(qemu_chr_fe_get_msgfd(&rig.fe), ==, -1);
    send_fd(peer, "a", file);
    char_rig_wait_input(&rig, 1);
    g_assert_cmpint(write(peer, "b", 1), ==, 1);
    char_rig_wait_input(&rig, 2);
    fd = qemu_chr_fe_get_msgfd(&rig.fe);
    g_assert_true(same_file(fd, file));
    close(fd);
    g_assert_cmpint(qemu_chr_fe_get_msgfds(&rig.fe, fds, 4), ==, 0);
    /* Nobody takes these: the next ones, or the end, close them. */
    send_fd(peer, "c", file);
    char_rig_wait_input(&rig, 3);
    send_fd(peer, "d", file);
    char_rig_wait_input(&rig, 4);
    g_assert_cmpint(qemu_chr_fe_get_msgfds(&rig.fe, fds, 4), ==, 1);
    close(fds[0]);
    send_fd(peer, "e", file);
    char_rig_wait_input(&rig, 5);
    close(peer);
    char_rig_wait_events(&rig, 1, 1);
    g_assert_cmpint(qemu_chr_fe_get_msgfd(&rig.fe), ==, -1);
    char_rig_done(&rig);
    close(file);
}

static void test_no_descriptors_elsewhere(void)
{
    int fd = 0;
    CharRig rig;

    char_rig_attach(&rig, char_rig_new("null,id=a"), 0);
    g_assert_cmpint(qemu_chr_fe_set_msgfds(&rig.fe, &fd, 1), ==, -1);
    g_assert_cmpint(qemu_chr_fe_get_msgfd(&rig.fe), ==, -1);
    g_assert_cmpint(qemu_chr_fe_read_all(&rig.fe, (uint8_t *)&fd, 1), ==, -1);
    g_assert_cmpint(errno, ==, EINVAL);
    char_rig_done(&rig);
}

static void test_reading_blocks_for_all(void)
{
    int file = temporary_file("one"), peer, fd;
    uint8_t buf[8];
    CharRig rig;

    attach_to_pair(&rig, &peer, 0);
    send_fd(peer, "a", file);
    g_assert_cmpint(write(peer, "bcd", 3), ==, 3);
    g_assert_cmpint(qemu_chr_fe_read_all(&rig.fe, buf, 3), ==, 3);
    g_assert_cmpmem(buf, 3, "abc", 3);
    fd = qemu_chr_fe_get_msgfd(&rig.fe);
    g_assert_true(same_file(fd, file));
    close(fd);
    close(peer);
    /* The frontend hears of the end before this returns. */
    g_assert_cmpint(qemu_chr_fe_read_all(&rig.fe, buf, 3), ==, 1);
    g_assert_cmpuint(rig.closed, ==, 1);
    g_assert_cmpint(qemu_chr_fe_read_all(&rig.fe, buf, 3), ==, 0);
    char_rig_done(&rig);
    close(file);
}

static void test_interrupt(void)
{
    g_autofree char *path = harness_tmpfile("s");
    g_autofree char *text = g_strdup_printf("socket,id=a,path=%s,server=on", path);
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], "", 1), ==, 1);
    qemu_chr_set_interrupt_fd(fds[0]);
    char_rig_refused(text, "interrupted while waiting for a client");
    qemu_chr_set_interrupt_fd(-1);
    g_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    close(fds[0]);
    close(fds[1]);
}

static void test_contradictions(void)
{
    char_rig_refused("socket,id=a,path=/nosuch/s,server=on,reconnect-ms=1",
                     "'reconnect' option is incompatible with socket in server listen mode");
    char_rig_refused("socket,id=a,path=/nosuch/s,wait=off",
                     "'wait' option is incompatible with socket in client connect mode");
    char_rig_refused("socket,id=a,path=/nosuch/s,reconnect=1,reconnect-ms=1",
                     "'reconnect' and 'reconnect-ms' are mutually exclusive");
}

static void test_filename(void)
{
    g_autofree char *path = harness_tmpfile("s"), *text = server_text(path);
    g_autofree char *idle = g_strdup_printf("disconnected:unix:%s,server=on", path);
    g_autofree char *busy = g_strdup_printf("unix:%s,server=on", path);
    Chardev *chr = char_rig_new(text);
    CharRig rig;
    int fd;

    g_assert_cmpstr(chr->filename, ==, idle);
    char_rig_attach(&rig, chr, 100);
    fd = unix_connect(path, &error_abort);
    char_rig_wait_events(&rig, 1, 0);
    g_assert_cmpstr(chr->filename, ==, busy);
    close(fd);
    char_rig_wait_events(&rig, 1, 1);
    g_assert_cmpstr(chr->filename, ==, idle);
    char_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    signal(SIGPIPE, SIG_IGN);
    char_rig_main_init();
    harness_add("/char-socket/server_serves_one_client_after_the_other", test_server);
    harness_add("/char-socket/second_client_waits", test_one_client_at_a_time);
    harness_add("/char-socket/input_before_the_end_is_not_lost", test_input_before_end_is_not_lost);
    harness_add("/char-socket/client_that_does_not_read_blocks_nobody", test_full_client);
    harness_add("/char-socket/frontend_can_cut_the_connection", test_disconnect);
    harness_add("/char-socket/client_connects_at_once_or_fails", test_client);
    harness_add("/char-socket/client_connects_again_in_the_background", test_reconnect);
    harness_add("/char-socket/descriptor_is_taken_over", test_descriptor);
    harness_add("/char-socket/waiting_for_a_client_can_be_interrupted", test_interrupt);
    harness_add("/char-socket/contradictory_options_are_refused", test_contradictions);
    harness_add("/char-socket/filename_says_whether_somebody_is_there", test_filename);
    harness_add("/char-socket/descriptors_go_with_the_first_byte", test_descriptors_go);
    harness_add("/char-socket/descriptors_come_and_do_not_stay", test_descriptors_come);
    harness_add("/char-socket/other_devices_carry_no_descriptors", test_no_descriptors_elsewhere);
    harness_add("/char-socket/reading_blocks_for_all_of_it", test_reading_blocks_for_all);
    return harness_run();
}
