/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File channels, and qio_channel_new_fd(). */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "qapi/error.h"

static void test_path(void)
{
    g_autofree char *path = harness_tmpfile("f");
    g_autoptr(QIOChannelFile) fioc =
        qio_channel_file_new_path(path, O_RDWR | O_CREAT, 0600, &error_abort);
    QIOChannel *ioc = QIO_CHANNEL(fioc);
    char buf[8] = "";

    g_assert_cmpint(fcntl(fioc->fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    qio_channel_write_all(ioc, "abcdef", 6, &error_abort);
    g_assert_cmpint(qio_channel_io_seek(ioc, 2, SEEK_SET, &error_abort), ==, 2);
    g_assert_cmpint(qio_channel_read(ioc, buf, sizeof(buf), &error_abort), ==, 4);
    g_assert_cmpstr(buf, ==, "cdef");
    g_assert_cmpint(qio_channel_read(ioc, buf, sizeof(buf), &error_abort), ==, 0);
}

static void test_missing_path(void)
{
    g_autofree char *path = harness_tmpfile("none");
    g_autofree char *message =
        g_strdup_printf("Unable to open '%s': No such file or directory", path);
    Error *err = NULL;

    g_assert_null(qio_channel_file_new_path(path, O_RDONLY, 0, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void test_positioned(void)
{
    g_autofree char *path = harness_tmpfile("f");
    g_autoptr(QIOChannelFile) fioc =
        qio_channel_file_new_path(path, O_RDWR | O_CREAT, 0600, &error_abort);
    QIOChannel *ioc = QIO_CHANNEL(fioc);
    char buf[8] = "";
    Error *err = NULL;

    g_assert_true(qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_SEEKABLE));
    g_assert_cmpint(qio_channel_pwrite(ioc, (void *)"xyz", 3, 100, &error_abort), ==, 3);
    g_assert_cmpint(qio_channel_pread(ioc, buf, 3, 99, &error_abort), ==, 3);
    g_assert_cmpmem(buf, 3, "\0xy", 3);
    g_assert_cmpint(qio_channel_io_seek(ioc, 0, SEEK_CUR, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_pread(ioc, buf, 3, -1, &err), ==, -1);
    error_free_or_abort(&err);
}

static void test_pipe(void)
{
    int fds[2];
    g_autoptr(QIOChannelFile) in = NULL;
    g_autoptr(QIOChannelFile) out = NULL;
    char buf[4] = "";
    Error *err = NULL;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    in = qio_channel_file_new_fd(fds[0]);
    out = qio_channel_file_new_fd(fds[1]);
    g_assert_true(qio_channel_set_blocking(QIO_CHANNEL(in), false, &error_abort));
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(in), buf, 3, &error_abort), ==,
                    QIO_CHANNEL_ERR_BLOCK);
    qio_channel_write_all(QIO_CHANNEL(out), "abc", 3, &error_abort);
    qio_channel_wait(QIO_CHANNEL(in), G_IO_IN);
    qio_channel_read_all(QIO_CHANNEL(in), buf, 3, &error_abort);
    g_assert_cmpstr(buf, ==, "abc");

    g_assert_false(qio_channel_has_feature(QIO_CHANNEL(in), QIO_CHANNEL_FEATURE_SEEKABLE));
    g_assert_cmpint(qio_channel_pread(QIO_CHANNEL(in), buf, 1, 0, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_io_seek(QIO_CHANNEL(in), 0, SEEK_SET, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_shutdown(QIO_CHANNEL(in), QIO_CHANNEL_SHUTDOWN_BOTH, &err), ==, -1);
    error_free_or_abort(&err);

    qio_channel_close(QIO_CHANNEL(out), &error_abort);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(in), buf, 1, &error_abort), ==, 0);
}

static void test_dupfd(void)
{
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    g_autoptr(QIOChannelFile) fioc = qio_channel_file_new_dupfd(fd, &error_abort);
    Error *err = NULL;
    char c = 1;

    close(fd);
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(fioc), &c, 1, &error_abort), ==, 1);
    g_assert_cmpint(c, ==, 0);
    g_assert_null(qio_channel_file_new_dupfd(-1, &err));
    error_free_or_abort(&err);
}

static void test_new_fd(void)
{
    int sock = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_autoptr(QIOChannel) sioc = qio_channel_new_fd(sock, &error_abort);
    g_autoptr(QIOChannel) fioc = qio_channel_new_fd(file, &error_abort);
    Error *err = NULL;

    g_assert_nonnull(object_dynamic_cast(OBJECT(sioc), TYPE_QIO_CHANNEL_SOCKET));
    g_assert_nonnull(object_dynamic_cast(OBJECT(fioc), TYPE_QIO_CHANNEL_FILE));
    g_assert_null(qio_channel_new_fd(999999, &err));
    error_free_or_abort(&err);
}

static void test_no_fds(void)
{
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_autoptr(QIOChannelFile) fioc = qio_channel_file_new_fd(file);
    struct iovec iov = { (void *)"x", 1 };
    Error *err = NULL;

    g_assert_cmpint(qio_channel_writev_full(QIO_CHANNEL(fioc), &iov, 1, &file, 1, 0, &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "Channel does not support file descriptor passing");
    error_free(err);
    err = NULL;
    g_assert_cmpint(qio_channel_readv_full(QIO_CHANNEL(fioc), &iov, 1, NULL, NULL,
                                           QIO_CHANNEL_READ_FLAG_MSG_PEEK, &err),
                    ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/io/file/what_was_written_is_read", test_path);
    harness_add("/io/file/missing_path_is_named", test_missing_path);
    harness_add("/io/file/positioned_transfers_leave_the_position", test_positioned);
    harness_add("/io/file/pipe_waits_and_ends_but_has_no_position", test_pipe);
    harness_add("/io/file/duplicate_outlives_the_original", test_dupfd);
    harness_add("/io/file/descriptor_decides_the_kind_of_channel", test_new_fd);
    harness_add("/io/file/descriptors_and_peeking_are_refused", test_no_fds);
    return harness_run();
}
