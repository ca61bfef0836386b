/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Null channels. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-null.h"
#include "qapi/error.h"

static gboolean remember(QIOChannel *ioc, GIOCondition condition, gpointer opaque)
{
    *(GIOCondition *)opaque = condition;
    return G_SOURCE_REMOVE;
}

static void test_transfers(void)
{
    g_autoptr(QIOChannelNull) null = qio_channel_null_new();
    QIOChannel *ioc = QIO_CHANNEL(null);
    struct iovec iov[] = { { (void *)"abc", 3 }, { (void *)"defg", 4 } };
    char buf[4];

    g_assert_cmpint(qio_channel_writev(ioc, iov, 2, &error_abort), ==, 7);
    g_assert_cmpint(qio_channel_read(ioc, buf, sizeof(buf), &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_pwritev(ioc, iov, 2, 1000, &error_abort), ==, 7);
    g_assert_cmpint(qio_channel_pread(ioc, buf, sizeof(buf), 9, &error_abort), ==, 0);
}

static void test_watch(void)
{
    static const GIOCondition conditions[] = { G_IO_IN, G_IO_OUT };
    g_autoptr(QIOChannelNull) null = qio_channel_null_new();

    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
        GIOCondition got = 0;

        qio_channel_add_watch(QIO_CHANNEL(null), conditions[i], remember, &got, NULL);
        g_assert_true(g_main_context_iteration(NULL, FALSE));
        g_assert_cmpint(got, ==, conditions[i]);
        g_assert_false(g_main_context_iteration(NULL, FALSE));
    }
}

static void test_closed(void)
{
    g_autoptr(QIOChannelNull) null = qio_channel_null_new();
    QIOChannel *ioc = QIO_CHANNEL(null);
    Error *err = NULL;
    char c = 0;

    g_assert_cmpint(qio_channel_close(ioc, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_write(ioc, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(ioc, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    /* GLib keeps the wake-up descriptor of the default context. */
    g_main_context_iteration(NULL, FALSE);
    harness_add("/io/null/swallows_everything_and_is_at_its_end", test_transfers);
    harness_add("/io/null/is_always_ready", test_watch);
    harness_add("/io/null/fails_once_closed", test_closed);
    return harness_run();
}
