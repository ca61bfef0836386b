/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command channels. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-command.h"
#include "qapi/error.h"

static QIOChannelCommand *spawn_shell(const char *script, int flags)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };

    return qio_channel_command_new_spawn(argv, flags, &error_abort);
}

static void test_read(void)
{
    g_autoptr(QIOChannelCommand) cioc = spawn_shell("echo hello; cat", O_RDONLY);
    char buf[7] = "";

    qio_channel_read_all(QIO_CHANNEL(cioc), buf, 6, &error_abort);
    g_assert_cmpstr(buf, ==, "hello\n");
    /* The child's input is empty, so cat ends and with it the output. */
    g_assert_cmpint(qio_channel_read(QIO_CHANNEL(cioc), buf, 6, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_close(QIO_CHANNEL(cioc), &error_abort), ==, 0);
}

static void test_write(void)
{
    g_autofree char *path = harness_tmpfile("out");
    g_autofree char *script = g_strdup_printf("cat > %s; echo lost", path);
    g_autoptr(QIOChannelCommand) cioc = spawn_shell(script, O_WRONLY);
    g_autofree char *text = NULL;

    qio_channel_write_all(QIO_CHANNEL(cioc), "hello", 5, &error_abort);
    g_assert_cmpint(qio_channel_close(QIO_CHANNEL(cioc), &error_abort), ==, 0);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello");
}

static void test_both(void)
{
    g_autoptr(QIOChannelCommand) cioc = spawn_shell("exec cat", O_RDWR);
    QIOChannel *ioc = QIO_CHANNEL(cioc);
    char buf[5] = "";

    g_assert_true(qio_channel_set_blocking(ioc, false, &error_abort));
    g_assert_cmpint(qio_channel_read(ioc, buf, 4, &error_abort), ==, QIO_CHANNEL_ERR_BLOCK);
    qio_channel_write_all(ioc, "ping", 4, &error_abort);
    qio_channel_read_all(ioc, buf, 4, &error_abort);
    g_assert_cmpstr(buf, ==, "ping");
    g_assert_cmpint(qio_channel_close(ioc, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_close(ioc, &error_abort), ==, 0);
}

static void test_exit_status(void)
{
    g_autoptr(QIOChannelCommand) cioc = spawn_shell("exit 3", O_RDONLY);
    Error *err = NULL;

    g_assert_cmpint(qio_channel_close(QIO_CHANNEL(cioc), &err), ==, -1);
    g_assert_cmpstr(error_get_pretty(err), ==, "Command failed with exit status 3");
    error_free(err);
}

static void test_stubborn(void)
{
    g_autoptr(QIOChannelCommand) cioc = spawn_shell("exec sleep 1000", O_RDONLY);
    pid_t pid = cioc->pid;

    g_assert_cmpint(qio_channel_close(QIO_CHANNEL(cioc), &error_abort), ==, 0);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
}

static void test_missing(void)
{
    const char *argv[] = { "/nonexistent/command", NULL };
    Error *err = NULL;

    g_assert_null(qio_channel_command_new_spawn(argv, O_RDWR, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/nonexistent/command"));
    error_free(err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/io/command/output_is_read", test_read);
    harness_add("/io/command/input_is_written", test_write);
    harness_add("/io/command/both_directions_wait", test_both);
    harness_add("/io/command/failed_command_fails_the_close", test_exit_status);
    harness_add("/io/command/stubborn_command_is_killed", test_stubborn);
    harness_add("/io/command/missing_command_is_named", test_missing);
    return harness_run();
}
