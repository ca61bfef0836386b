/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * H5: what the guest writes into a ring is read once, so that it cannot change between check and
 * use.
 *
 * Theory of operation: while an element is popped, the device's mapping of the guest's memory is
 * inaccessible. Each access faults; the handler opens the memory for a single step of the CPU and
 * closes it again. After the step, what was read in a watched area is spoilt through the guest's
 * own mapping, as the worst of all guests would do it. A second read then finds another value, and
 * is counted besides. Single steps are the CPU's, so this needs x86-64.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <linux/virtio_config.h>

#include "harness.h"
#include "vu-rig.h"

#ifdef __x86_64__

#define PACKED    (1ull << VIRTIO_F_RING_PACKED)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define TRAP_FLAG 0x100
#define MAX_UNITS 64
#define NUM       16
#define WORD      8

typedef struct Area {
    size_t offset; /* in the guest's memory */
    size_t len;
    size_t unit; /* what is spoilt together: as much as one load may read */
    unsigned int reads[MAX_UNITS];
} Area;

static struct {
    uint8_t *device; /* as the device sees the memory */
    uint8_t *guest;  /* as we see it */
    Area areas[2];
    unsigned int nareas;
    size_t stepping; /* offset of the access that is being let through */
    unsigned int accesses;
    struct sigaction old_segv, old_trap;
} watch;

static void set_access(int prot)
{
    /* Not mprotect(): the thread sanitizer has one of its own. */
    syscall(SYS_mprotect, watch.device, (size_t)VU_RIG_MEM, prot);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    size_t offset = (uint8_t *)info->si_addr - watch.device;

    if (offset >= VU_RIG_MEM) {
        sigaction(SIGSEGV, &watch.old_segv, NULL); /* not ours: it happens again and kills us */
        return;
    }
    watch.stepping = offset;
    watch.accesses++;
    set_access(PROT_READ | PROT_WRITE);
    uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    for (unsigned int i = 0; i < watch.nareas; i++) {
        Area *a = &watch.areas[i];
        size_t unit = (watch.stepping - a->offset) / a->unit;

        if (watch.stepping >= a->offset && watch.stepping < a->offset + a->len) {
            a->reads[unit]++;
            memset(watch.guest + a->offset + unit * a->unit, 0xff, a->unit);
        }
    }
    uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    set_access(PROT_NONE);
}

static void watch_begin(VuRig *rig, VuVirtq *vq)
{
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

    watch.guest = rig->client.mem;
    watch.device = (uint8_t *)vq->vring.desc - vu_rig_ring_offset(0);
    watch.accesses = 0;
    sigaction(SIGSEGV, &fault, &watch.old_segv);
    sigaction(SIGTRAP, &step, &watch.old_trap);
    set_access(PROT_NONE);
}

static void watch_end(void)
{
    set_access(PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &watch.old_segv, NULL);
    sigaction(SIGTRAP, &watch.old_trap, NULL);
    g_assert_cmpuint(watch.accesses, >, 0);
    for (unsigned int i = 0; i < watch.nareas; i++) {
        const Area *a = &watch.areas[i];

        for (size_t unit = 0; unit < a->len / a->unit; unit++) {
            g_assert_cmpuint(a->reads[unit], ==, 1);
        }
    }
}

/* Each @unit of the @len bytes at @start must be read exactly once. */
static void watch_area(const VuRig *rig, const void *start, size_t len, size_t unit)
{
    Area *a = &watch.areas[watch.nareas++];

    g_assert_cmpuint(len / unit, <=, MAX_UNITS);
    *a = (Area){ (const uint8_t *)start - rig->client.mem, len, unit, { 0 } };
}

static VuVirtqElement *pop_watched(VuRig *rig)
{
    VuVirtq *vq = vu_get_queue(&rig->dev, 0);
    VuVirtqElement *e;

    watch_begin(rig, vq);
    e = vu_queue_pop(&rig->dev, vq, sizeof(*e));
    watch_end();
    watch.nareas = 0;
    return e;
}

/* The element is what the guest had written first: 16 bytes out, 512 and 1 in. */
static void assert_element(VuRig *rig, VuVirtqElement *e)
{
    g_assert_nonnull(e);
    g_assert_cmpuint(e->out_num, ==, 1);
    g_assert_cmpuint(e->in_num, ==, 2);
    g_assert_cmpuint(e->out_sg[0].iov_len, ==, 16);
    g_assert_cmpuint(e->in_sg[0].iov_len, ==, 512);
    g_assert_cmpuint(e->in_sg[1].iov_len, ==, 1);
    g_assert_true((uint8_t *)e->in_sg[0].iov_base - watch.device ==
                  vu_rig_buffer(rig, 1024) - watch.guest);
    vu_queue_push(&rig->dev, vu_get_queue(&rig->dev, 0), e, 513);
    free(e);
}

static uint64_t gpa_of(VuRig *rig, size_t offset)
{
    return vu_client_gpa(&rig->client, vu_rig_buffer(rig, offset));
}

static void split_chain(VuRig *rig)
{
    VuGuestRing *r = &rig->ring[0];

    vu_ring_desc(r, 0, gpa_of(rig, 0), 16, VRING_DESC_F_NEXT, 1);
    vu_ring_desc(r, 1, gpa_of(rig, 1024), 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
    vu_ring_desc(r, 2, gpa_of(rig, 2048), 1, VRING_DESC_F_WRITE, 0);
}

static void test_split_descriptors(void)
{
    VuRig rig;

    vu_rig_begin(&rig, 0, NUM);
    split_chain(&rig);
    vu_ring_offer(&rig.ring[0], 0);
    watch_area(&rig, rig.ring[0].desc, 3 * sizeof(struct vring_desc), WORD);
    watch_area(&rig, &rig.ring[0].avail->ring[0], sizeof(uint16_t), sizeof(uint16_t));
    assert_element(&rig, pop_watched(&rig));
    vu_rig_done(&rig);
}

static void test_split_table(void)
{
    void *table;
    VuRig rig;

    vu_rig_begin(&rig, INDIRECT, NUM);
    split_chain(&rig);
    table = vu_rig_buffer(&rig, 4096);
    memcpy(table, rig.ring[0].desc, 3 * sizeof(struct vring_desc));
    vu_ring_desc(&rig.ring[0], 5, gpa_of(&rig, 4096), 48, VRING_DESC_F_INDIRECT, 0);
    vu_ring_offer(&rig.ring[0], 5);
    watch_area(&rig, &rig.ring[0].desc[5], sizeof(struct vring_desc), WORD);
    watch_area(&rig, table, 48, WORD);
    assert_element(&rig, pop_watched(&rig));
    vu_rig_done(&rig);
}

static void packed_bufs(VuRig *rig, VuPackedBuf bufs[3])
{
    bufs[0] = (VuPackedBuf){ gpa_of(rig, 0), 16, 0 };
    bufs[1] = (VuPackedBuf){ gpa_of(rig, 1024), 512, VRING_DESC_F_WRITE };
    bufs[2] = (VuPackedBuf){ gpa_of(rig, 2048), 1, VRING_DESC_F_WRITE };
}

static void test_packed_descriptors(void)
{
    VuPackedBuf bufs[3];
    VuPackedRing ring;
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, PACKED);
    vu_rig_start_packed(&rig, &ring, 0, NUM);
    packed_bufs(&rig, bufs);
    vu_packed_offer(&ring, 7, bufs, 3);
    watch_area(&rig, ring.desc, 3 * sizeof(struct vring_packed_desc), WORD);
    assert_element(&rig, pop_watched(&rig));
    vu_packed_done(&ring);
    vu_rig_done(&rig);
}

static void test_packed_table(void)
{
    VuPackedBuf bufs[3], table;
    VuPackedRing ring;
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, PACKED | INDIRECT);
    vu_rig_start_packed(&rig, &ring, 0, NUM);
    packed_bufs(&rig, bufs);
    vu_packed_table(vu_rig_buffer(&rig, 4096), bufs, 3);
    table = (VuPackedBuf){ gpa_of(&rig, 4096), 48, VRING_DESC_F_INDIRECT };
    vu_packed_offer(&ring, 7, &table, 1);
    watch_area(&rig, ring.desc, sizeof(struct vring_packed_desc), WORD);
    watch_area(&rig, vu_rig_buffer(&rig, 4096), 48, WORD);
    assert_element(&rig, pop_watched(&rig));
    vu_packed_done(&ring);
    vu_rig_done(&rig);
}

static void add_tests(void)
{
    harness_add("/virtq-read-once/h05_split_descriptors", test_split_descriptors);
    harness_add("/virtq-read-once/h05_split_indirect_table", test_split_table);
    harness_add("/virtq-read-once/h05_packed_descriptors", test_packed_descriptors);
    harness_add("/virtq-read-once/h05_packed_indirect_table", test_packed_table);
}

#else

static void skipped(void)
{
    g_test_skip("single steps are x86-64's here");
}

static void add_tests(void)
{
    harness_add("/virtq-read-once/h05_descriptors", skipped);
}

#endif

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    add_tests();
    return harness_run();
}
