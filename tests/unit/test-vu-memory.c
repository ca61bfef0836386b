/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory: what is accepted, what a change does to requests under way, when it is
 * acknowledged.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>

#include "harness.h"
#include "huge-file.h"
#include "vu-rig.h"

#define PAGE 4096ull
#define HUGE HUGE_FILE_PAGE

static void add_reg(VuRig *rig, const VhostUserMemoryRegion *region, int fd)
{
    VhostUserMemRegMsg msg = { .region = *region };

    vu_client_send(&rig->client, VHOST_USER_ADD_MEM_REG, &msg, sizeof(msg), fd);
}

static void rem_reg(VuRig *rig, const VhostUserMemoryRegion *region, int fd)
{
    VhostUserMemRegMsg msg = { .region = *region };

    vu_client_send(&rig->client, VHOST_USER_REM_MEM_REG, &msg, sizeof(msg), fd);
}

static void no_memory(VuRig *rig)
{
    vu_rig_init(rig);
    vu_rig_negotiate(rig, 0, 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
}

static void send_table(VuRig *rig, const VhostUserMemoryRegion *regions, uint32_t n, int nfds)
{
    VhostUserMemory table = { .nregions = n };
    int fds[8];

    memcpy(table.regions, regions, MIN(n, 8) * sizeof(regions[0]));
    for (int i = 0; i < 8; i++) {
        fds[i] = rig->client.mem_fd;
    }
    vu_client_send_msg(&rig->client, &(VuClientMsg){ .request = VHOST_USER_SET_MEM_TABLE,
                                                     .flags = VHOST_USER_NEED_REPLY_MASK,
                                                     .payload = &table,
                                                     .size = 8 + 32 * MIN(n, 8),
                                                     .fds = fds,
                                                     .nfds = nfds });
}

static bool mapped(VuRig *rig, uint64_t gpa)
{
    uint64_t len = 1;

    return vu_gpa_to_va(&rig->dev, &len, gpa) != NULL;
}

static void test_addresses_are_translated(void)
{
    VuRig rig;
    VhostUserMemoryRegion r[2];
    uint64_t len;
    uint8_t *p;

    no_memory(&rig);
    r[1] = vu_client_region(&rig.client, 0, 2 * PAGE);
    r[0] = vu_client_region(&rig.client, 5 * PAGE, 3 * PAGE);
    send_table(&rig, r, 2, 2);
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpuint(rig.dev.nregions, ==, 2);
    rig.client.mem[5 * PAGE + 17] = 99;
    len = 1 << 30;
    p = vu_gpa_to_va(&rig.dev, &len, VU_CLIENT_GPA + 5 * PAGE + 17);
    g_assert_cmpuint(*p, ==, 99);
    g_assert_cmpuint(len, ==, 3 * PAGE - 17);
    len = 0;
    g_assert_null(vu_gpa_to_va(&rig.dev, &len, VU_CLIENT_GPA));
    g_assert_false(mapped(&rig, VU_CLIENT_GPA - 1));
    g_assert_true(mapped(&rig, VU_CLIENT_GPA));
    g_assert_true(mapped(&rig, VU_CLIENT_GPA + 2 * PAGE - 1));
    g_assert_false(mapped(&rig, VU_CLIENT_GPA + 2 * PAGE));
    g_assert_false(mapped(&rig, VU_CLIENT_GPA + 8 * PAGE));
    vu_rig_done(&rig);
}

static void test_offset_need_not_be_aligned(void)
{
    VuRig rig;
    VhostUserMemoryRegion r;
    uint64_t len = 1;
    uint8_t *p;

    no_memory(&rig);
    r = vu_client_region(&rig.client, 3 * PAGE + 100, PAGE);
    rig.client.mem[3 * PAGE + 100] = 7;
    add_reg(&rig, &r, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    p = vu_gpa_to_va(&rig.dev, &len, r.guest_phys_addr);
    g_assert_cmpuint(*p, ==, 7);
    vu_rig_done(&rig);
}

/* ---- What is refused, and leaves the old memory in place ---- */

typedef struct BadRegion {
    const char *name;
    VhostUserMemoryRegion add; /* to a good region of four pages at page 16 */
} BadRegion;

static const BadRegion bad_regions[] = {
    { "size_0", { 0, -4 * PAGE, 0, 0 } },
    { "guest_address_wraps", { UINT64_MAX - PAGE - VU_CLIENT_GPA - 16 * PAGE, 0, 0, 0 } },
    { "size_wraps", { 0, UINT64_MAX - 5 * PAGE, 0, 0 } },
    { "offset_wraps", { 0, 0, 0, UINT64_MAX - 17 * PAGE } },
    { "offset_beyond_the_file", { 0, 0, 0, VU_RIG_MEM } },
    { "end_beyond_the_file", { 0, 0, 0, VU_RIG_MEM - 19 * PAGE } },
    { "larger_than_the_file", { 0, VU_RIG_MEM, 0, 0 } },
};

static void test_bad_region(const void *data)
{
    const BadRegion *bad = data;
    VuRig rig;
    VhostUserMemoryRegion good, r;

    no_memory(&rig);
    good = vu_client_region(&rig.client, 0, PAGE);
    add_reg(&rig, &good, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    r = vu_client_region(&rig.client, 16 * PAGE, 4 * PAGE);
    r.guest_phys_addr += bad->add.guest_phys_addr;
    r.memory_size += bad->add.memory_size;
    r.userspace_addr += bad->add.userspace_addr;
    r.mmap_offset += bad->add.mmap_offset;
    add_reg(&rig, &r, rig.client.mem_fd);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    send_table(&rig, &r, 1, 1);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpuint(rig.dev.nregions, ==, 1);
    g_assert_true(mapped(&rig, VU_CLIENT_GPA));
    vu_rig_done(&rig);
}

static void test_regions_may_not_overlap(void)
{
    VuRig rig;
    VhostUserMemoryRegion a, b;

    no_memory(&rig);
    a = vu_client_region(&rig.client, 4 * PAGE, 4 * PAGE);
    add_reg(&rig, &a, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    for (int at = 1; at < 8; at++) {
        b = vu_client_region(&rig.client, at * PAGE, 4 * PAGE);
        add_reg(&rig, &b, rig.client.mem_fd);
        vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
        b.userspace_addr += 1ull << 40; /* only for the guest */
        add_reg(&rig, &b, rig.client.mem_fd);
        vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
        b.userspace_addr -= 1ull << 40;
        b.guest_phys_addr += 1ull << 40; /* only for the front-end */
        add_reg(&rig, &b, rig.client.mem_fd);
        vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    }
    b = vu_client_region(&rig.client, 0, 4 * PAGE);
    add_reg(&rig, &b, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    b = vu_client_region(&rig.client, 8 * PAGE, PAGE);
    add_reg(&rig, &b, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    vu_rig_done(&rig);
}

static void test_table_counts_are_checked(void)
{
    VuRig rig;
    VhostUserMemoryRegion r[8];

    no_memory(&rig);
    for (int i = 0; i < 8; i++) {
        r[i] = vu_client_region(&rig.client, i * PAGE, PAGE);
    }
    send_table(&rig, r, 40, 8); /* H1 */
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    send_table(&rig, r, 9, 8);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    send_table(&rig, r, 0xffffffff, 8);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    send_table(&rig, r, 2, 1);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    send_table(&rig, r, 2, 3);
    vu_rig_refused(&rig, VHOST_USER_SET_MEM_TABLE);
    send_table(&rig, r, 8, 8);
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    g_assert_cmpuint(rig.dev.nregions, ==, 8);
    vu_rig_done(&rig);
}

static void test_509_slots_can_be_filled(void)
{
    VuRig rig;
    VhostUserMemoryRegion r;

    no_memory(&rig);
    for (uint64_t i = 0; i <= 509; i++) {
        r = (VhostUserMemoryRegion){ i * 2 * PAGE, PAGE, 0x1000000 + i * 2 * PAGE, 0 };
        add_reg(&rig, &r, rig.client.mem_fd);
        if (i < 509) {
            vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
        } else {
            vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
        }
    }
    for (uint64_t i = 0; i < 509; i++) {
        r = (VhostUserMemoryRegion){ i * 2 * PAGE, PAGE, 0x1000000 + i * 2 * PAGE, 0 };
        g_assert_true(mapped(&rig, r.guest_phys_addr));
        rem_reg(&rig, &r, i % 2 ? rig.client.mem_fd : -1);
        vu_rig_accepted(&rig, VHOST_USER_REM_MEM_REG);
        g_assert_false(mapped(&rig, r.guest_phys_addr));
    }
    g_assert_cmpuint(rig.trace[VU_TRACE_REGION_UNMAPPED], ==, 509);
    vu_rig_done(&rig);
}

/* A page each, neighbours for the guest, in the opposite order in the file. */
static void test_request_spans_509_slots(void)
{
    const unsigned int pages =
        VU_RIG_MEM / PAGE; /* of the file; the slots use some more than once */
    const uint64_t base = 0x40000000;
    VuVirtqElement *e;
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    for (unsigned int i = 0; i < 508; i++) {
        const VhostUserMemoryRegion r = { base + i * PAGE, PAGE, base + (2ull * i + 1) * PAGE,
                                          (pages - 1 - i % 128) * PAGE };

        add_reg(&rig, &r, rig.client.mem_fd);
        vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    }
    for (unsigned int i = 0; i < 128; i++) {
        rig.client.mem[(pages - 1 - i) * PAGE + 50] = i;
    }
    vu_ring_desc(&rig.ring[0], 0, base + 50, 508 * PAGE - 50, 0, 0);
    vu_ring_offer(&rig.ring[0], 0);
    e = vu_queue_pop(&rig.dev, vu_get_queue(&rig.dev, 0), sizeof(*e));
    g_assert_cmpuint(e->out_num, ==, 508);
    for (unsigned int i = 0; i < 508; i++) {
        const uint8_t *p = e->out_sg[i].iov_base;

        g_assert_cmpuint(e->out_sg[i].iov_len, ==, i ? PAGE : PAGE - 50);
        g_assert_cmpuint(p[i ? 50 : 0], ==, i % 128);
    }
    vu_queue_push(&rig.dev, vu_get_queue(&rig.dev, 0), e, 0);
    free(e);
    vu_ring_desc(&rig.ring[0], 0, base + 50, 508 * PAGE, 0, 0); /* one page too many */
    vu_ring_offer(&rig.ring[0], 0);
    g_assert_null(vu_queue_pop(&rig.dev, vu_get_queue(&rig.dev, 0), sizeof(*e)));
    vu_rig_done(&rig);
}

static void test_huge_pages_need_no_alignment(void)
{
    const uint64_t offsets[] = { 0, 1, PAGE, HUGE - 1, HUGE, HUGE + 4097, 2 * HUGE - 64 };
    VhostUserMemoryRegion r;
    g_autofree char *why = NULL;
    int fd = huge_file(3 * HUGE, &why);
    uint8_t *file;
    VuRig rig;

    if (fd < 0) {
        g_test_skip(why);
        return;
    }
    file = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert(file != MAP_FAILED);
    no_memory(&rig);
    for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++) {
        uint64_t len = 200;
        uint8_t *p;

        r = (VhostUserMemoryRegion){ 0x1000, HUGE, 0x7000, offsets[i] };
        add_reg(&rig, &r, fd);
        vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
        file[offsets[i] + HUGE - 1] = 10 + i;
        p = vu_gpa_to_va(&rig.dev, &len, 0x1000 + HUGE - 1);
        g_assert_cmpuint(len, ==, 1);
        g_assert_cmpuint(*p, ==, 10 + i);
        *p = 99;
        g_assert_cmpuint(file[offsets[i] + HUGE - 1], ==, 99);
        rem_reg(&rig, &r, -1);
        vu_rig_accepted(&rig, VHOST_USER_REM_MEM_REG);
    }
    r = (VhostUserMemoryRegion){ 0x1000, HUGE, 0x7000, 2 * HUGE + 1 };
    add_reg(&rig, &r, fd);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    vu_rig_done(&rig);
    munmap(file, 3 * HUGE);
    close(fd);
}

static void test_only_the_very_region_is_removed(void)
{
    VuRig rig;
    VhostUserMemoryRegion r, wrong;

    no_memory(&rig);
    r = vu_client_region(&rig.client, 4 * PAGE, 4 * PAGE);
    add_reg(&rig, &r, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    for (int i = 0; i < 3; i++) {
        wrong = r;
        (&wrong.guest_phys_addr)[i] += PAGE;
        rem_reg(&rig, &wrong, -1);
        vu_rig_refused(&rig, VHOST_USER_REM_MEM_REG);
    }
    r.mmap_offset = 12345; /* does not matter */
    rem_reg(&rig, &r, -1);
    vu_rig_accepted(&rig, VHOST_USER_REM_MEM_REG);
    rem_reg(&rig, &r, -1);
    vu_rig_refused(&rig, VHOST_USER_REM_MEM_REG);
    vu_rig_done(&rig);
}

static void test_with_gpa_addresses_rings_have_guest_addresses(void)
{
    struct vhost_vring_addr by_uaddr, by_gpa;
    VhostUserMemoryRegion r;
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_negotiate(&rig, 1ull << 32,
                     1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
                         1ull << VHOST_USER_PROTOCOL_F_GPA_ADDRESSES);
    r = vu_client_region(&rig.client, 0, VU_RIG_MEM);
    add_reg(&rig, &r, rig.client.mem_fd);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    r.userspace_addr = r.guest_phys_addr;
    add_reg(&rig, &r, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    by_gpa = by_uaddr = vu_ring_addr(&rig.ring[0]);
    by_gpa.desc_user_addr = vu_client_gpa(&rig.client, rig.ring[0].desc);
    by_gpa.avail_user_addr = vu_client_gpa(&rig.client, rig.ring[0].avail);
    by_gpa.used_user_addr = vu_client_gpa(&rig.client, rig.ring[0].used);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_NUM, 0, 16);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_NUM);
    vu_client_send(&rig.client, VHOST_USER_SET_VRING_ADDR, &by_uaddr, sizeof(by_uaddr), -1);
    vu_rig_refused(&rig, VHOST_USER_SET_VRING_ADDR);
    vu_client_send(&rig.client, VHOST_USER_SET_VRING_ADDR, &by_gpa, sizeof(by_gpa), -1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ADDR);
    vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, rig.ring[0].kick);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    vu_client_send_state(&rig.client, VHOST_USER_SET_VRING_ENABLE, 0, 1);
    vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ENABLE);
    vu_rig_offer(&rig, 3, 8);
    free(vu_queue_pop(&rig.dev, vu_get_queue(&rig.dev, 0), sizeof(VuVirtqElement)));
    g_assert_cmpuint(vu_queue_inuse(vu_get_queue(&rig.dev, 0)), ==, 1);
    vu_rig_done(&rig);
}

/* ---- Changes under requests ---- */

static VuVirtqElement *pop_one(VuRig *rig, uint64_t gpa)
{
    VuGuestRing *r = &rig->ring[0];

    vu_ring_desc(r, r->avail_idx % r->num, gpa, 64, VRING_DESC_F_WRITE, 0);
    vu_ring_offer(r, r->avail_idx % r->num);
    return vu_queue_pop(&rig->dev, vu_get_queue(&rig->dev, 0), sizeof(VuVirtqElement));
}

static void push_one(VuRig *rig, VuVirtqElement *e)
{
    vu_queue_push(&rig->dev, vu_get_queue(&rig->dev, 0), e, 64);
    free(e);
}

static void test_removal_is_acknowledged_after_the_last_request(void)
{
    VuRig rig;
    VhostUserMemoryRegion ring, data;
    VuVirtqElement *a, *b, *c;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    ring = vu_client_region(&rig.client, 0, 0x80000);
    data = vu_client_region(&rig.client, 0x80000, 0x80000);
    send_table(&rig, (VhostUserMemoryRegion[]){ ring, data }, 2, 2);
    vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
    vu_rig_start(&rig, 0, 16);
    a = pop_one(&rig, data.guest_phys_addr);
    b = pop_one(&rig, data.guest_phys_addr + 64);

    rem_reg(&rig, &data, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    /* What is removed cannot be popped any more, but what was popped is still there. */
    c = pop_one(&rig, data.guest_phys_addr);
    g_assert_null(c);
    memset(a->in_sg[0].iov_base, 'a', 64);
    push_one(&rig, a);
    g_assert_true(vu_client_silent(&rig.client));
    memset(b->in_sg[0].iov_base, 'b', 64);
    push_one(&rig, b);
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_REM_MEM_REG), ==, 0);
    g_assert_cmpint(rig.client.mem[0x80000 + 63], ==, 'a');
    g_assert_cmpint(rig.client.mem[0x80000 + 64], ==, 'b');
    g_assert_cmpuint(rig.trace[VU_TRACE_REGION_UNMAPPED], ==, 2);
    vu_rig_done(&rig);
}

static void test_ring_goes_on_under_a_new_table(void)
{
    VuRig rig;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    for (int i = 0; i < 100; i++) {
        VuVirtqElement *e = pop_one(&rig, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, i * 64)));

        g_assert_nonnull(e);
        vu_client_send_mem_table(&rig.client);
        g_assert_true(vu_dispatch(&rig.dev));
        memset(e->in_sg[0].iov_base, i, 64);
        push_one(&rig, e);
        g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_SET_MEM_TABLE), ==, 0);
        g_assert_true(vu_ring_reap(&rig.ring[0], NULL, NULL));
        g_assert_cmpint(vu_rig_buffer(&rig, i * 64)[63], ==, i);
    }
    vu_rig_done(&rig);
}

/* The ring itself goes away and comes back, as when its region is resized. */
static void test_ring_without_memory_waits_for_it(void)
{
    VuRig rig;
    VhostUserMemoryRegion all;
    VuVirtqElement *a, *b;
    VuVirtq *vq;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    vq = vu_get_queue(&rig.dev, 0);
    all = vu_client_region(&rig.client, 0, VU_RIG_MEM);
    a = pop_one(&rig, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 0)));
    rem_reg(&rig, &all, -1);
    g_assert_true(vu_dispatch(&rig.dev));
    g_assert_true(vu_client_silent(&rig.client));
    b = pop_one(&rig, vu_client_gpa(&rig.client, vu_rig_buffer(&rig, 64)));
    g_assert_null(b);
    g_assert_true(vu_queue_empty(&rig.dev, vq));
    /* The completion still reaches the ring. */
    push_one(&rig, a);
    g_assert_true(vu_ring_reap(&rig.ring[0], NULL, NULL));
    g_assert_cmpuint(vu_client_recv_u64(&rig.client, VHOST_USER_REM_MEM_REG), ==, 0);
    g_assert_null(vu_queue_pop(&rig.dev, vq, sizeof(VuVirtqElement)));
    vu_queue_notify(&rig.dev, vq);
    vu_queue_set_notification(&rig.dev, vq, 1);

    rig.handled[0] = 0;
    add_reg(&rig, &all, rig.client.mem_fd);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    g_assert_cmpint(rig.handled[0], ==, 1);
    b = vu_queue_pop(&rig.dev, vq, sizeof(VuVirtqElement));
    g_assert_nonnull(b);
    push_one(&rig, b);
    vu_rig_done(&rig);
}

/* Repeating requests must not pile anything up; the harness counts descriptors. */
static void test_repetition_leaks_nothing(void)
{
    VuRig rig;
    int before;

    vu_rig_init(&rig);
    vu_rig_ready(&rig, 0);
    vu_rig_start(&rig, 0, 16);
    before = harness_count_fds();
    for (int i = 0; i < 200; i++) {
        vu_client_send_mem_table(&rig.client);
        vu_rig_accepted(&rig, VHOST_USER_SET_MEM_TABLE);
        vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_CALL, 0, rig.ring[0].call);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_CALL);
        vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_ERR, 0, rig.ring[0].err);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_ERR);
        vu_client_send_file(&rig.client, VHOST_USER_SET_VRING_KICK, 0, rig.ring[0].kick);
        vu_rig_accepted(&rig, VHOST_USER_SET_VRING_KICK);
    }
    g_assert_cmpint(harness_count_fds(), ==, before);
    g_assert_cmpuint(rig.trace[VU_TRACE_REGION_UNMAPPED], ==, 200);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-memory/addresses_are_translated", test_addresses_are_translated);
    harness_add("/vu-memory/offset_need_not_be_aligned", test_offset_need_not_be_aligned);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_regions); i++) {
        g_autofree char *path =
            g_strdup_printf("/vu-memory/bad_region_is_refused/%s", bad_regions[i].name);

        harness_add_data(path, &bad_regions[i], test_bad_region);
    }
    harness_add("/vu-memory/regions_may_not_overlap", test_regions_may_not_overlap);
    harness_add("/vu-memory/table_counts_are_checked", test_table_counts_are_checked);
    harness_add("/vu-memory/509_slots_can_be_filled", test_509_slots_can_be_filled);
    harness_add("/vu-memory/request_spans_509_slots", test_request_spans_509_slots);
    harness_add("/vu-memory/huge_pages_need_no_alignment", test_huge_pages_need_no_alignment);
    harness_add("/vu-memory/with_gpa_addresses_rings_have_guest_addresses",
                test_with_gpa_addresses_rings_have_guest_addresses);
    harness_add("/vu-memory/only_the_very_region_is_removed", test_only_the_very_region_is_removed);
    harness_add("/vu-memory/removal_is_acknowledged_after_the_last_request",
                test_removal_is_acknowledged_after_the_last_request);
    harness_add("/vu-memory/ring_goes_on_under_a_new_table", test_ring_goes_on_under_a_new_table);
    harness_add("/vu-memory/ring_without_memory_waits_for_it",
                test_ring_without_memory_waits_for_it);
    harness_add("/vu-memory/repetition_leaks_nothing", test_repetition_leaks_nothing);
    return harness_run();
}
