/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buffer channels. */
#include "qemu/osdep.h"
#include "harness.h"
#include "io/channel-buffer.h"
#include "qapi/error.h"

static void test_growth(void)
{
    g_autoptr(QIOChannelBuffer) bioc = qio_channel_buffer_new(0);
    QIOChannel *ioc = QIO_CHANNEL(bioc);
    char out[3000], in[3000];

    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = i * 7;
    }
    for (size_t i = 0; i < sizeof(out); i += 300) {
        g_assert_cmpint(qio_channel_write(ioc, out + i, 300, &error_abort), ==, 300);
    }
    g_assert_cmpint(bioc->usage, ==, sizeof(out));
    g_assert_cmpint(bioc->capacity, >=, bioc->usage);
    bioc->offset = 0;
    qio_channel_read_all(ioc, in, sizeof(in), &error_abort);
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpint(qio_channel_read(ioc, in, 1, &error_abort), ==, 0);
}

static void test_overwrite(void)
{
    g_autoptr(QIOChannelBuffer) bioc = qio_channel_buffer_new(4);
    QIOChannel *ioc = QIO_CHANNEL(bioc);

    qio_channel_write_all(ioc, "abcdef", 6, &error_abort);
    g_assert_cmpint(qio_channel_io_seek(ioc, 1, SEEK_SET, &error_abort), ==, 1);
    qio_channel_write_all(ioc, "XY", 2, &error_abort);
    g_assert_cmpint(bioc->usage, ==, 6);
    g_assert_cmpmem(bioc->data, 6, "aXYdef", 6);
}

static void test_gap(void)
{
    g_autoptr(QIOChannelBuffer) bioc = qio_channel_buffer_new(2);
    QIOChannel *ioc = QIO_CHANNEL(bioc);
    char buf[8];

    qio_channel_write_all(ioc, "ab", 2, &error_abort);
    g_assert_cmpint(qio_channel_io_seek(ioc, 4, SEEK_END, &error_abort), ==, 6);
    /* Reading beyond the end is the end of file, not a wrapped length. */
    g_assert_cmpint(qio_channel_read(ioc, buf, 1, &error_abort), ==, 0);
    qio_channel_write_all(ioc, "c", 1, &error_abort);
    g_assert_cmpmem(bioc->data, 7, "ab\0\0\0\0c", 7);
}

static void test_bad_positions(void)
{
    g_autoptr(QIOChannelBuffer) bioc = qio_channel_buffer_new(0);
    QIOChannel *ioc = QIO_CHANNEL(bioc);
    Error *err = NULL;

    g_assert_cmpint(qio_channel_io_seek(ioc, -1, SEEK_CUR, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_io_seek(ioc, INT64_MAX, SEEK_SET, &error_abort), ==, INT64_MAX);
    g_assert_cmpint(qio_channel_io_seek(ioc, 1, SEEK_CUR, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_write(ioc, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(bioc->usage, ==, 0);
}

static void test_never_waits(void)
{
    g_autoptr(QIOChannelBuffer) bioc = qio_channel_buffer_new(0);

    qio_channel_wait(QIO_CHANNEL(bioc), G_IO_IN);
    qio_channel_wait(QIO_CHANNEL(bioc), G_IO_OUT);
    g_assert_true(qio_channel_set_blocking(QIO_CHANNEL(bioc), false, &error_abort));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    harness_add("/io/buffer/grows_and_gives_back_what_was_written", test_growth);
    harness_add("/io/buffer/overwrites_in_the_middle", test_overwrite);
    harness_add("/io/buffer/gap_reads_as_zeroes", test_gap);
    harness_add("/io/buffer/impossible_positions_are_refused", test_bad_positions);
    harness_add("/io/buffer/never_waits", test_never_waits);
    return harness_run();
}
