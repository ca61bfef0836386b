/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted vhost-user front-end with a guest's memory and a guest's rings, for tests.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <poll.h>

#include "vu-client.h"

void vu_client_init(VuClient *c, int sock, size_t mem_size)
{
    *c = (VuClient){ .sock = sock, .mem_size = mem_size };
    c->mem_fd = memfd_create("guest", MFD_CLOEXEC);
    g_assert_cmpint(c->mem_fd, >=, 0);
    g_assert_cmpint(ftruncate(c->mem_fd, mem_size), ==, 0);
    c->mem = mmap(NULL, mem_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->mem_fd, 0);
    g_assert(c->mem != MAP_FAILED);
}

void vu_client_done(VuClient *c)
{
    munmap(c->mem, c->mem_size);
    close(c->mem_fd);
    if (c->sock >= 0) {
        close(c->sock);
    }
}

/* ---- Messages ---- */

static void attach_fds(struct msghdr *mh, const VuClientMsg *msg)
{
    size_t bytes = msg->nfds * sizeof(int);
    struct cmsghdr *cm;

    mh->msg_controllen = CMSG_SPACE(bytes);
    cm = CMSG_FIRSTHDR(mh);
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(cm), msg->fds, bytes);
}

void vu_client_send_msg(VuClient *c, const VuClientMsg *msg)
{
    char control[CMSG_SPACE(32 * sizeof(int))] __attribute__((aligned(16))) = { 0 };
    uint32_t head[3] = { msg->request, msg->flags | VHOST_USER_VERSION, msg->size };
    struct iovec iov[2] = { { head, sizeof(head) }, { (void *)msg->payload, msg->size } };
    struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control };

    g_assert_cmpint(msg->nfds, <=, 32);
    if (msg->nfds > 0) {
        attach_fds(&mh, msg);
    }
    g_assert_cmpint(sendmsg(c->sock, &mh, MSG_NOSIGNAL), ==, sizeof(head) + msg->size);
}

void vu_client_send(VuClient *c, uint32_t request, const void *payload, uint32_t size, int fd)
{
    vu_client_send_msg(c, &(VuClientMsg){ .request = request,
                                          .flags = VHOST_USER_NEED_REPLY_MASK,
                                          .payload = payload,
                                          .size = size,
                                          .fds = &fd,
                                          .nfds = fd >= 0 ? 1 : 0 });
}

void vu_client_send_u64(VuClient *c, uint32_t request, uint64_t value)
{
    vu_client_send(c, request, &value, sizeof(value), -1);
}

void vu_client_send_state(VuClient *c, uint32_t request, uint32_t index, uint32_t num)
{
    struct vhost_vring_state state = { index, num };

    vu_client_send(c, request, &state, sizeof(state), -1);
}

void vu_client_send_file(VuClient *c, uint32_t request, uint32_t index, int fd)
{
    uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NOFD_MASK : 0);

    vu_client_send(c, request, &value, sizeof(value), fd);
}

VhostUserMemoryRegion vu_client_region(const VuClient *c, uint64_t offset, uint64_t size)
{
    return (VhostUserMemoryRegion){
        .guest_phys_addr = VU_CLIENT_GPA + offset,
        .memory_size = size,
        .userspace_addr = (uintptr_t)c->mem + offset,
        .mmap_offset = offset,
    };
}

void vu_client_send_mem_table(VuClient *c)
{
    VhostUserMemory table = { .nregions = 1 };

    table.regions[0] = vu_client_region(c, 0, c->mem_size);
    vu_client_send(c, VHOST_USER_SET_MEM_TABLE, &table, 8 + 32, c->mem_fd);
}

static void recv_all(int fd, void *buf, size_t len)
{
    g_assert_cmpint(recv(fd, buf, len, MSG_WAITALL), ==, len);
}

int vu_client_recv_fd(VuClient *c, uint32_t request, VhostUserMsg *ret_msg)
{
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = { 0 };
    struct iovec iov = { ret_msg, VHOST_USER_HDR_SIZE };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *cm;
    int fd = -1;

    memset(ret_msg, 0, sizeof(*ret_msg));
    g_assert_cmpint(recvmsg(c->sock, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC), ==, VHOST_USER_HDR_SIZE);
    g_assert_cmphex(mh.msg_flags & MSG_CTRUNC, ==, 0);
    cm = CMSG_FIRSTHDR(&mh);
    if (cm) {
        memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
    }
    g_assert_cmpuint((uint32_t)ret_msg->request, ==, request);
    g_assert_cmphex(ret_msg->flags, ==, VHOST_USER_VERSION | VHOST_USER_REPLY_MASK);
    g_assert_cmpuint(ret_msg->size, <=, sizeof(ret_msg->payload));
    if (ret_msg->size > 0) {
        recv_all(c->sock, &ret_msg->payload, ret_msg->size);
    }
    return fd;
}

void vu_client_recv(VuClient *c, uint32_t request, VhostUserMsg *ret_msg)
{
    g_assert_cmpint(vu_client_recv_fd(c, request, ret_msg), ==, -1);
}

uint64_t vu_client_recv_u64(VuClient *c, uint32_t request)
{
    VhostUserMsg msg;

    vu_client_recv(c, request, &msg);
    g_assert_cmpuint(msg.size, ==, sizeof(uint64_t));
    return msg.payload.u64;
}

bool vu_client_silent(VuClient *c)
{
    struct pollfd p = { .fd = c->sock, .events = POLLIN };

    return poll(&p, 1, 0) == 0;
}

bool vu_client_closed(VuClient *c)
{
    char byte;

    return recv(c->sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* ---- A split ring ---- */

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static size_t avail_offset(unsigned int num)
{
    return num * sizeof(struct vring_desc);
}

static size_t used_offset(unsigned int num)
{
    return align_up(avail_offset(num) + 4 + (num + 1) * 2, 4);
}

size_t vu_ring_bytes(unsigned int num)
{
    return align_up(used_offset(num) + 4 + num * 8 + 2, 16);
}

void vu_ring_init(VuGuestRing *r, VuClient *c, unsigned int index, unsigned int num, size_t offset)
{
    uint8_t *at = c->mem + offset;

    g_assert_cmpuint(offset + vu_ring_bytes(num), <=, c->mem_size);
    *r = (VuGuestRing){ .c = c, .index = index, .num = num };
    r->desc = (struct vring_desc *)at;
    r->avail = (struct vring_avail *)(at + avail_offset(num));
    r->used = (struct vring_used *)(at + used_offset(num));
    r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(r->kick >= 0 && r->call >= 0 && r->err >= 0);
}

void vu_ring_done(VuGuestRing *r)
{
    close(r->kick);
    close(r->call);
    close(r->err);
}

struct vhost_vring_addr vu_ring_addr(const VuGuestRing *r)
{
    return (struct vhost_vring_addr){
        .index = r->index,
        .desc_user_addr = (uintptr_t)r->desc,
        .avail_user_addr = (uintptr_t)r->avail,
        .used_user_addr = (uintptr_t)r->used,
        .log_guest_addr = vu_client_gpa(r->c, r->used),
    };
}

void vu_ring_desc(VuGuestRing *r, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
                  uint16_t next)
{
    r->desc[i] = (struct vring_desc){
        .addr = GUINT64_TO_LE(gpa),
        .len = GUINT32_TO_LE(len),
        .flags = GUINT16_TO_LE(flags),
        .next = GUINT16_TO_LE(next),
    };
}

void vu_ring_offer(VuGuestRing *r, uint16_t head)
{
    r->avail->ring[r->avail_idx % r->num] = GUINT16_TO_LE(head);
    r->avail_idx++;
    __atomic_store_n(&r->avail->idx, GUINT16_TO_LE(r->avail_idx), __ATOMIC_RELEASE);
}

void vu_ring_kick(VuGuestRing *r)
{
    uint64_t one = 1;

    g_assert_cmpint(write(r->kick, &one, sizeof(one)), ==, sizeof(one));
}

bool vu_ring_reap(VuGuestRing *r, uint32_t *ret_id, uint32_t *ret_len)
{
    uint16_t idx = GUINT16_FROM_LE(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE));
    const struct vring_used_elem *e = &r->used->ring[r->last_used % r->num];

    if (idx == r->last_used) {
        return false;
    }
    r->last_used++;
    if (ret_id) {
        *ret_id = GUINT32_FROM_LE(e->id);
    }
    if (ret_len) {
        *ret_len = GUINT32_FROM_LE(e->len);
    }
    return true;
}

uint64_t vu_ring_take_signal(int fd)
{
    uint64_t count = 0;

    if (read(fd, &count, sizeof(count)) < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        return 0;
    }
    return count;
}

uint16_t *vu_ring_used_event(VuGuestRing *r)
{
    return (uint16_t *)&r->avail->ring[r->num];
}

uint16_t *vu_ring_avail_event(VuGuestRing *r)
{
    return (uint16_t *)&r->used->ring[r->num];
}
