/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A front-end that shrinks the file under our mapping.
 */
#include "qemu/osdep.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "harness.h"
#include "huge-file.h"
#include "vu-iommu.h"

static void shrink(VuRig *rig)
{
    g_assert_cmpint(ftruncate(rig->client.mem_fd, 4096), ==, 0);
}

static VuVirtqElement *pop_one(VuRig *rig)
{
    VuGuestRing *r = &rig->ring[0];

    vu_ring_desc(r, 0, vu_client_gpa(&rig->client, vu_rig_buffer(rig, 0)), 64, VRING_DESC_F_WRITE,
                 0);
    vu_ring_offer(r, 0);
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(VuVirtqElement));
}

static void test_access_to_a_lost_page_breaks_only_the_device(void)
{
    VuRig rig, other;
    VuVirtqElement *e;
    VuDevStats stats;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    vu_rig_init(&other);
    vu_rig_ready(&other, 0);
    vu_rig_start(&other, 0, 16);
    e = pop_one(&rig);
    shrink(&rig);
    memset(e->in_sg[0].iov_base, 1, 64); /* SIGBUS, if nobody guards */
    g_assert_true(rig.dev.broken);
    g_assert_false(other.dev.broken);
    vu_queue_push(&rig.dev, vu_get_queue(&rig.dev, 0), e, 64);
    free(e);
    vu_get_stats(&rig.dev, &stats);
    g_assert_cmpuint(stats.bus_errors, ==, 1);
    /* The trip finds the end of the stream, and why. */
    g_assert_true(vu_client_closed(&rig.client));
    g_assert_false(vu_dispatch(&rig.dev));
    g_assert_nonnull(strstr(rig.panic->str, "shrank"));
    vu_rig_done(&rig);

    e = pop_one(&other);
    g_assert_nonnull(e);
    vu_queue_push(&other.dev, vu_get_queue(&other.dev, 0), e, 64);
    free(e);
    vu_rig_done(&other);
}

static void test_lost_ring_is_survived(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 1, 16);
    g_assert_cmpint(ftruncate(rig.client.mem_fd, 0), ==, 0);
    g_assert_null(vu_queue_pop(&rig.dev, vu_get_queue(&rig.dev, 1), sizeof(VuVirtqElement)));
    g_assert_true(rig.dev.broken);
    g_assert_false(vu_dispatch(&rig.dev));
    vu_rig_done(&rig);
}

/* Its pages are shown a second time, in another order. */
static void test_lost_ring_behind_an_iommu_is_survived(void)
{
    VuIommu i;
    VuVirtq *vq;

    vu_iommu_init(&i, 0);
    vu_iommu_start(&i, 0, 1024, 0x800);
    vu_iommu_serve(&i);
    vq = vu_get_queue(&i.rig.dev, 0);
    g_assert_nonnull(vq->vring.desc);
    g_assert_cmpint(ftruncate(i.rig.client.mem_fd, 0), ==, 0);
    g_assert_null(vu_queue_pop(&i.rig.dev, vq, sizeof(VuVirtqElement)));
    g_assert_true(i.rig.dev.broken);
    g_assert_false(vu_dispatch(&i.rig.dev));
    vu_iommu_done(&i);
}

static void test_lost_log_is_survived(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    VhostUserLog log = { 0x20000, 0 };
    VuVirtqElement *e;
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 1ull << VHOST_F_LOG_ALL);
    vu_rig_start(&rig, 0, 16);
    g_assert_cmpint(ftruncate(fd, 0x20000), ==, 0);
    vu_client_send(&rig.client, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), fd);
    vu_rig_accepted(&rig, VHOST_USER_SET_LOG_BASE);
    e = pop_one(&rig);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    vu_queue_push(&rig.dev, vu_get_queue(&rig.dev, 0), e, 64);
    free(e);
    g_assert_true(rig.dev.broken);
    g_assert_false(vu_dispatch(&rig.dev));
    g_assert_nonnull(strstr(rig.panic->str, "shrank"));
    vu_rig_done(&rig);
    close(fd);
}

static void test_lost_huge_page_is_survived(void)
{
    VhostUserMemRegMsg add = { .region = { 0, 2 * HUGE_FILE_PAGE, 0x10000, 0 } };
    g_autofree char *why = NULL;
    int fd = huge_file(2 * HUGE_FILE_PAGE, &why);
    uint64_t len = 1;
    uint8_t *p;
    VuRig rig;

    if (fd < 0) {
        g_test_skip(why);
        return;
    }
    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 0, 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
    vu_client_send(&rig.client, VHOST_USER_ADD_MEM_REG, &add, sizeof(add), fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    p = vu_gpa_to_va(&rig.dev, &len, HUGE_FILE_PAGE + 12345);
    *p = 1;
    g_assert_cmpint(ftruncate(fd, HUGE_FILE_PAGE), ==, 0);
    *p = 2;
    g_assert_cmpuint(*p, ==, 2);
    g_assert_true(rig.dev.broken);
    g_assert_false(vu_dispatch(&rig.dev));
    vu_rig_done(&rig);
    close(fd);
}

static void test_system_call_on_a_lost_page_fails_quietly(void)
{
    VuRig rig;
    VuVirtqElement *e;
    int p[2];

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    e = pop_one(&rig);
    g_assert_cmpint(pipe(p), ==, 0);
    shrink(&rig);
    g_assert_cmpint(write(p[1], e->in_sg[0].iov_base, 64), ==, -1);
    g_assert_cmpint(errno, ==, EFAULT);
    g_assert_false(rig.dev.broken);
    close(p[0]);
    close(p[1]);
    vu_queue_detach_element(&rig.dev, vu_get_queue(&rig.dev, 0), e, 0);
    free(e);
    vu_rig_done(&rig);
}

/* A fault elsewhere is not ours: the process must die of it as it would have. */
static void test_other_faults_are_passed_on(void)
{
    g_test_trap_subprocess("/vu-sigbus/other_faults_are_passed_on/subprocess", 0, 0);
    g_test_trap_assert_failed();
}

static void test_other_fault(void)
{
    VuRig rig;
    int fd = memfd_create("mine", MFD_CLOEXEC);
    volatile uint8_t *p;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    *p = 1;
    _exit(0);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-sigbus/access_to_a_lost_page_breaks_only_the_device",
                test_access_to_a_lost_page_breaks_only_the_device);
    harness_add("/vu-sigbus/lost_ring_is_survived", test_lost_ring_is_survived);
    harness_add("/vu-sigbus/lost_ring_behind_an_iommu_is_survived",
                test_lost_ring_behind_an_iommu_is_survived);
    harness_add("/vu-sigbus/lost_log_is_survived", test_lost_log_is_survived);
    harness_add("/vu-sigbus/lost_huge_page_is_survived", test_lost_huge_page_is_survived);
    harness_add("/vu-sigbus/system_call_on_a_lost_page_fails_quietly",
                test_system_call_on_a_lost_page_fails_quietly);
    harness_add("/vu-sigbus/other_faults_are_passed_on", test_other_faults_are_passed_on);
    harness_add("/vu-sigbus/other_faults_are_passed_on/subprocess", test_other_fault);
    return harness_run();
}
