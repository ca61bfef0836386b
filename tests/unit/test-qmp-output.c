/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output to a QMP client: order, backlog, a client that stalls or goes. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "harness.h"
#include "monitor/monitor-internal.h"

typedef struct OutputRig {
    CharRig chr;
    MonitorOutput out;
    int peer;
    unsigned drained;
} OutputRig;

static void count_drained(void *opaque)
{
    ((OutputRig *)opaque)->drained++;
}

static void rig_init(OutputRig *rig)
{
    g_autofree char *text = NULL;
    int sv[2];

    *rig = (OutputRig){};
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    rig->peer = sv[1];
    text = g_strdup_printf("socket,id=a,fd=%d", sv[0]);
    char_rig_attach(&rig->chr, char_rig_new(text), 100);
    monitor_output_init(&rig->out, &rig->chr.fe, count_drained, rig);
}

static void rig_done(OutputRig *rig)
{
    monitor_output_done(&rig->out);
    char_rig_done(&rig->chr);
    if (rig->peer >= 0) {
        close(rig->peer);
    }
}

/* Numbered lines until @backlog bytes wait; how many. */
static unsigned put_lines(OutputRig *rig, size_t backlog)
{
    unsigned n = 0;

    while (monitor_output_pending(&rig->out) <= backlog) {
        g_autofree char *line = g_strdup_printf("%09u\n", n++);

        monitor_output_put(&rig->out, line, 10);
    }
    return n;
}

static void expect_lines(OutputRig *rig, unsigned count)
{
    char line[11] = {};

    for (unsigned n = 0; n < count; n++) {
        for (size_t got = 0; got < 10;) {
            ssize_t len = recv(rig->peer, line + got, 10 - got, MSG_DONTWAIT);
            if (len < 0) {
                g_assert_cmpint(errno, ==, EAGAIN);
                main_loop_wait(false);
                continue;
            }
            g_assert_cmpint(len, >, 0);
            got += len;
        }
        g_assert_cmpint(g_ascii_strtoull(line, NULL, 10), ==, n);
    }
}

static void test_order(void)
{
    OutputRig rig;
    unsigned lines;

    rig_init(&rig);
    lines = put_lines(&rig, 2 * MONITOR_OUTPUT_LOW);
    g_assert_cmpint(rig.drained, ==, 0);
    expect_lines(&rig, lines);
    g_assert_cmpint(monitor_output_pending(&rig.out), ==, 0);
    g_assert_cmpint(rig.drained, ==, 1);
    rig_done(&rig);
}

static void test_broken(void)
{
    OutputRig rig;

    rig_init(&rig);
    put_lines(&rig, 100);
    close(rig.peer);
    rig.peer = -1;
    char_rig_wait_events(&rig.chr, 1, 1);
    while (monitor_output_pending(&rig.out)) {
        main_loop_wait(false);
    }
    monitor_output_put(&rig.out, "x", 1);
    g_assert_cmpint(monitor_output_pending(&rig.out), ==, 0);
    rig_done(&rig);
}

static void test_flush(void)
{
    OutputRig rig;
    size_t before;

    rig_init(&rig);
    put_lines(&rig, 100);
    before = monitor_output_pending(&rig.out);
    /* Nobody reads: it gives up. */
    monitor_output_flush(&rig.out, 1);
    g_assert_cmpint(monitor_output_pending(&rig.out), ==, before);
    while (recv(rig.peer, (char[4096]){}, 4096, MSG_DONTWAIT) > 0) {
        continue;
    }
    monitor_output_flush(&rig.out, -1);
    g_assert_cmpint(monitor_output_pending(&rig.out), ==, 0);
    rig_done(&rig);
}

static void test_clear(void)
{
    OutputRig rig;

    rig_init(&rig);
    put_lines(&rig, 100);
    monitor_output_clear(&rig.out);
    g_assert_cmpint(monitor_output_pending(&rig.out), ==, 0);
    g_assert_cmpint(rig.out.watch, ==, 0);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    signal(SIGPIPE, SIG_IGN);
    char_rig_main_init();
    harness_add("/qmp-output/backlog_keeps_its_order_and_tells_its_end", test_order);
    harness_add("/qmp-output/broken_connection_swallows_output", test_broken);
    harness_add("/qmp-output/flush_waits_for_readers_only", test_flush);
    harness_add("/qmp-output/clear_forgets_the_backlog", test_clear);
    return harness_run();
}
