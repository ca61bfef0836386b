/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest behind an IOMMU, for tests.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/virtio_config.h>

#include "vu-iommu.h"

static void map_view(VuIommu *i)
{
    VuClient *c = &i->rig.client;
    uint8_t *at = mmap(NULL, c->mem_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert(at != MAP_FAILED);
    for (size_t offset = 0; offset < c->mem_size; offset += IOMMU_PAGE) {
        g_assert(mmap(at + offset, IOMMU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                      c->mem_fd, c->mem_size - IOMMU_PAGE - offset) != MAP_FAILED);
    }
    i->view = (VuClient){ .sock = -1, .mem_fd = -1, .mem = at, .mem_size = c->mem_size };
}

static void give_channel(VuIommu *i)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    vu_client_send(&i->rig.client, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, sv[1]);
    vu_rig_accepted(&i->rig, VHOST_USER_SET_BACKEND_REQ_FD);
    close(sv[1]);
    i->channel = sv[0];
}

static uint64_t iommu_features(VuDev *dev)
{
    return 1ull << VIRTIO_F_ACCESS_PLATFORM;
}

void vu_iommu_init(VuIommu *i, uint64_t features)
{
    static VuDevIface iface;

    iface = vu_rig_iface;
    iface.get_features = iommu_features;
    memset(i, 0, sizeof(*i));
    vu_rig_init_iface(&i->rig, VU_RIG_QUEUES, &iface);
    vu_rig_ready(&i->rig, features | 1ull << VIRTIO_F_ACCESS_PLATFORM);
    map_view(i);
    give_channel(i);
}

void vu_iommu_done(VuIommu *i)
{
    vu_rig_done(&i->rig);
    for (size_t n = 0; n < G_N_ELEMENTS(i->ring); n++) {
        if (i->ring[n].c) {
            vu_ring_done(&i->ring[n]);
        }
    }
    munmap(i->view.mem, i->view.mem_size);
    close(i->channel);
}

uint64_t vu_iommu_iova(const VuIommu *i, const void *in_view)
{
    return IOVA_BASE + ((const uint8_t *)in_view - i->view.mem);
}

static uint64_t memory_offset(const VuIommu *i, uint64_t iova)
{
    uint64_t offset = iova - IOVA_BASE;

    return i->view.mem_size - IOMMU_PAGE - (offset & ~(IOMMU_PAGE - 1)) +
           (offset & (IOMMU_PAGE - 1));
}

uint64_t vu_iommu_gpa(const VuIommu *i, uint64_t iova)
{
    return VU_CLIENT_GPA + memory_offset(i, iova);
}

uint64_t vu_iommu_uaddr(const VuIommu *i, uint64_t iova)
{
    return (uintptr_t)i->rig.client.mem + memory_offset(i, iova);
}

void vu_iommu_start(VuIommu *i, unsigned int index, unsigned int num, size_t offset)
{
    VuGuestRing *r = &i->ring[index];

    vu_ring_init(r, &i->view, index, num, offset);
    vu_rig_start_ring(&i->rig,
                      &(VuRigStart){ .num = num,
                                     .addr = { .index = index,
                                               .desc_user_addr = vu_iommu_iova(i, r->desc),
                                               .avail_user_addr = vu_iommu_iova(i, r->avail),
                                               .used_user_addr = vu_iommu_iova(i, r->used),
                                               .log_guest_addr = vu_iommu_iova(i, r->used) },
                                     .kick = r->kick,
                                     .call = r->call,
                                     .err = r->err });
}

/* ---- What the IOMMU says ---- */

void vu_iommu_send(VuIommu *i, unsigned int type, uint64_t iova, uint64_t size, uint64_t uaddr,
                   unsigned int perm)
{
    struct vhost_iotlb_msg msg = {
        .iova = iova, .size = size, .uaddr = uaddr, .perm = perm, .type = type
    };

    vu_client_send_msg(
        &i->rig.client,
        &(VuClientMsg){ .request = VHOST_USER_IOTLB_MSG, .payload = &msg, .size = sizeof(msg) });
    g_assert_true(vu_dispatch(&i->rig.dev));
}

uint64_t vu_iommu_tell(VuIommu *i, unsigned int type, uint64_t iova, uint64_t size, uint64_t uaddr,
                       unsigned int perm)
{
    vu_iommu_send(i, type, iova, size, uaddr, perm);
    return vu_client_recv_u64(&i->rig.client, VHOST_USER_IOTLB_MSG);
}

void vu_iommu_map(VuIommu *i, uint64_t iova, unsigned int perm)
{
    uint64_t page = iova & ~(IOMMU_PAGE - 1);

    g_assert_cmpuint(
        vu_iommu_tell(i, VHOST_IOTLB_UPDATE, page, IOMMU_PAGE, vu_iommu_uaddr(i, page), perm), ==,
        0);
}

void vu_iommu_unmap(VuIommu *i, uint64_t iova, uint64_t size)
{
    g_assert_cmpuint(vu_iommu_tell(i, VHOST_IOTLB_INVALIDATE, iova, size, 0, 0), ==, 0);
}

/* ---- What it is asked ---- */

bool vu_iommu_question(VuIommu *i, struct vhost_iotlb_msg *ret_miss)
{
    struct pollfd p = { .fd = i->channel, .events = POLLIN };
    struct {
        uint32_t head[3];
        struct vhost_iotlb_msg miss;
    } __attribute__((packed)) msg;

    if (poll(&p, 1, 0) == 0) {
        return false;
    }
    g_assert_cmpint(recv(i->channel, &msg, sizeof(msg), MSG_WAITALL), ==, sizeof(msg));
    g_assert_cmpuint(msg.head[0], ==, VHOST_USER_BACKEND_IOTLB_MSG);
    g_assert_cmphex(msg.head[1] & ~VHOST_USER_NEED_REPLY_MASK, ==, VHOST_USER_VERSION);
    g_assert_cmpuint(msg.head[2], ==, sizeof(msg.miss));
    *ret_miss = msg.miss;
    return true;
}

unsigned int vu_iommu_serve(VuIommu *i)
{
    struct vhost_iotlb_msg miss;
    unsigned int n = 0;

    while (vu_iommu_question(i, &miss)) {
        g_assert_cmpuint(miss.type, ==, VHOST_IOTLB_MISS);
        vu_iommu_map(i, miss.iova, IOMMU_RW);
        n++;
    }
    return n;
}
