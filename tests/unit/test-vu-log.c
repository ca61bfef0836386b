/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dirty log: what is marked, and that nothing else is.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "harness.h"
#include "vu-rig.h"

#define LOG_ALL  (1ull << VHOST_F_LOG_ALL)
#define BASE     (1ull << 32 | 1ull << 30)
#define PAGE     4096ull
#define LOG_FILE 0x20000

typedef struct LogRig {
    VuRig rig;
    int fd;
    uint8_t *file; /* the whole log file */
    uint64_t offset;
} LogRig;

static void send_log(LogRig *l, uint64_t size, uint64_t offset)
{
    VhostUserLog log = { size, offset };

    vu_client_send(&l->rig.client, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), l->fd);
}

/* The answer is a u64 always. */
static uint64_t set_log(LogRig *l, uint64_t size, uint64_t offset)
{
    l->offset = offset;
    send_log(l, size, offset);
    g_assert_true(vu_dispatch(&l->rig.dev));
    return vu_client_recv_u64(&l->rig.client, VHOST_USER_SET_LOG_BASE);
}

static void set_features(LogRig *l, uint64_t features)
{
    vu_client_send_u64(&l->rig.client, VHOST_USER_SET_FEATURES, BASE | features);
    vu_rig_accepted(&l->rig, VHOST_USER_SET_FEATURES);
}

static void log_rig_init(LogRig *l)
{
    l->fd = memfd_create("log", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(l->fd, LOG_FILE), ==, 0);
    l->file = mmap(NULL, LOG_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    l->offset = 0;
    vu_rig_init(&l->rig);
    vu_rig_ready(&l->rig, 0);
    vu_rig_start(&l->rig, 0, 16);
}

static void log_rig_done(LogRig *l)
{
    vu_rig_done(&l->rig);
    munmap(l->file, LOG_FILE);
    close(l->fd);
}

static bool marked(const LogRig *l, uint64_t gpa)
{
    return l->file[l->offset + gpa / PAGE / 8] >> (gpa / PAGE % 8) & 1;
}

static unsigned int count_marked(const LogRig *l)
{
    unsigned int n = 0;

    for (int i = 0; i < LOG_FILE; i++) {
        n += __builtin_popcount(l->file[i]);
    }
    return n;
}

/* Complete one request that lets the device write @len bytes at @gpa. */
static void write_guest(LogRig *l, uint64_t gpa, uint32_t len)
{
    VuGuestRing *r = &l->rig.ring[0];
    VuVirtq *vq = vu_get_queue(&l->rig.dev, 0);
    VuVirtqElement *e;

    vu_ring_desc(r, 0, gpa, len, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(r, 0);
    e = vu_queue_pop(&l->rig.dev, vq, sizeof(*e));
    g_assert_nonnull(e);
    vu_queue_push(&l->rig.dev, vq, e, len);
    free(e);
}

static void log_ring(LogRig *l, bool on, uint64_t log_addr)
{
    struct vhost_vring_addr addr = vu_ring_addr(&l->rig.ring[0]);

    addr.flags = on;
    addr.log_guest_addr = log_addr;
    vu_client_send(&l->rig.client, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    vu_rig_accepted(&l->rig, VHOST_USER_SET_VRING_ADDR);
}

/* Enough for all of the guest's memory. */
static uint64_t log_size(void)
{
    return (VU_CLIENT_GPA + VU_RIG_MEM) / PAGE / 8;
}

static void test_written_pages_are_marked(void)
{
    LogRig l;
    const uint64_t at = VU_CLIENT_GPA + 0x80000;

    log_rig_init(&l);
    g_assert_cmpuint(set_log(&l, log_size(), 0), ==, 0);
    write_guest(&l, at, 100);
    g_assert_cmpuint(count_marked(&l), ==, 0); /* LOG_ALL is off */
    set_features(&l, LOG_ALL);
    write_guest(&l, at + PAGE - 1, 2);
    g_assert_true(marked(&l, at));
    g_assert_true(marked(&l, at + PAGE));
    g_assert_cmpuint(count_marked(&l), ==, 2);
    write_guest(&l, at + 9 * PAGE, 16 * PAGE);
    g_assert_cmpuint(count_marked(&l), ==, 18);
    g_assert_false(marked(&l, at + 8 * PAGE));
    g_assert_true(marked(&l, at + 24 * PAGE));
    g_assert_false(marked(&l, at + 25 * PAGE));
    set_features(&l, 0);
    write_guest(&l, at + 40 * PAGE, 1);
    g_assert_cmpuint(count_marked(&l), ==, 18);
    log_rig_done(&l);
}

static void test_log_begins_at_its_offset(void)
{
    LogRig l;

    log_rig_init(&l);
    g_assert_cmpuint(set_log(&l, log_size(), 4096 + 24), ==, 0);
    set_features(&l, LOG_ALL);
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_true(marked(&l, VU_CLIENT_GPA + 0x80000));
    g_assert_cmpuint(count_marked(&l), ==, 1);
    log_rig_done(&l);
}

/* Of a request that was popped before the log was switched on, too. */
static void test_request_under_way_is_marked(void)
{
    LogRig l;
    VuGuestRing *r = &l.rig.ring[0];
    VuVirtq *vq;
    VuVirtqElement *e;

    log_rig_init(&l);
    vq = vu_get_queue(&l.rig.dev, 0);
    vu_ring_desc(r, 0, VU_CLIENT_GPA + 0x90000, PAGE, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(r, 0);
    e = vu_queue_pop(&l.rig.dev, vq, sizeof(*e));
    g_assert_cmpuint(set_log(&l, log_size(), 0), ==, 0);
    set_features(&l, LOG_ALL);
    e->in_sg[0].iov_len = 1; /* the device may consume its lists */
    vu_queue_push(&l.rig.dev, vq, e, 1);
    free(e);
    g_assert_true(marked(&l, VU_CLIENT_GPA + 0x90000));
    log_rig_done(&l);
}

static void test_used_ring_is_marked_where_the_front_end_says(void)
{
    LogRig l;
    const uint64_t other = 0x4000;

    log_rig_init(&l);
    g_assert_cmpuint(set_log(&l, log_size(), 0), ==, 0);
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_cmpuint(count_marked(&l), ==, 0);
    log_ring(&l, true, other);
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_true(marked(&l, other));
    g_assert_cmpuint(count_marked(&l), ==, 1);
    log_ring(&l, false, other);
    memset(l.file, 0, LOG_FILE);
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_cmpuint(count_marked(&l), ==, 0);
    log_rig_done(&l);
}

static void test_write_beyond_the_log_is_not_marked(void)
{
    static const uint64_t sizes[] = { 1, 2, 4096, 8192 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        LogRig l;

        log_rig_init(&l);
        g_assert_cmpuint(set_log(&l, sizes[i], 0), ==, 0);
        set_features(&l, LOG_ALL);
        log_ring(&l, true, UINT64_MAX - 2);
        write_guest(&l, VU_CLIENT_GPA + 0x80000, 64 * PAGE);
        log_ring(&l, true, sizes[i] * 8 * PAGE - 1);
        write_guest(&l, VU_CLIENT_GPA + 0x80000, 64 * PAGE);
        for (size_t j = sizes[i]; j < LOG_FILE; j++) {
            g_assert_cmphex(l.file[j], ==, 0);
        }
        log_rig_done(&l);
    }
}

static void test_bad_log_is_refused(void)
{
    static const uint64_t bad[][2] = { { 0, 0 },
                                       { LOG_FILE + 1, 0 },
                                       { LOG_FILE, 1 },
                                       { 1, LOG_FILE },
                                       { UINT64_MAX, 0 },
                                       { PAGE, UINT64_MAX - 10 },
                                       { UINT64_MAX - PAGE, PAGE + 1 },
                                       { 1ull << 63, 1ull << 63 } };
    LogRig l;

    log_rig_init(&l);
    g_assert_cmpuint(set_log(&l, log_size(), 0), ==, 0);
    set_features(&l, LOG_ALL);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpuint(set_log(&l, bad[i][0], bad[i][1]), !=, 0);
    }
    /* The old one is still in force. */
    l.offset = 0;
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_true(marked(&l, VU_CLIENT_GPA + 0x80000));
    log_rig_done(&l);
}

static void test_log_can_be_replaced(void)
{
    LogRig l;

    log_rig_init(&l);
    set_features(&l, LOG_ALL);
    for (int i = 0; i < 20; i++) {
        memset(l.file, 0, LOG_FILE);
        g_assert_cmpuint(set_log(&l, log_size(), i * 1000), ==, 0);
        write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
        g_assert_true(marked(&l, VU_CLIENT_GPA + 0x80000));
        g_assert_cmpuint(count_marked(&l), ==, 1);
    }
    log_rig_done(&l);
}

static void test_log_descriptor_is_signalled(void)
{
    LogRig l;
    int fds[2];

    log_rig_init(&l);
    for (int i = 0; i < 2; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        vu_client_send(&l.rig.client, VHOST_USER_SET_LOG_FD, NULL, 0, fds[i]);
        vu_rig_accepted(&l.rig, VHOST_USER_SET_LOG_FD);
    }
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_cmpuint(vu_ring_take_signal(fds[1]), ==, 0);
    g_assert_cmpuint(set_log(&l, log_size(), 0), ==, 0);
    set_features(&l, LOG_ALL);
    write_guest(&l, VU_CLIENT_GPA + 0x80000, 1);
    g_assert_cmpuint(vu_ring_take_signal(fds[0]), ==, 0);
    g_assert_cmpuint(vu_ring_take_signal(fds[1]), ==, 1);
    close(fds[0]);
    close(fds[1]);
    log_rig_done(&l);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-log/written_pages_are_marked", test_written_pages_are_marked);
    harness_add("/vu-log/log_begins_at_its_offset", test_log_begins_at_its_offset);
    harness_add("/vu-log/request_under_way_is_marked", test_request_under_way_is_marked);
    harness_add("/vu-log/used_ring_is_marked_where_the_front_end_says",
                test_used_ring_is_marked_where_the_front_end_says);
    harness_add("/vu-log/write_beyond_the_log_is_not_marked",
                test_write_beyond_the_log_is_not_marked);
    harness_add("/vu-log/bad_log_is_refused", test_bad_log_is_refused);
    harness_add("/vu-log/log_can_be_replaced", test_log_can_be_replaced);
    harness_add("/vu-log/log_descriptor_is_signalled", test_log_descriptor_is_signalled);
    return harness_run();
}
