/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio-blk device on one ring whose driver is the input.
 *
 * The device is what an export is made of: elements of libvhost-user, each in a coroutine, through
 * the virtio-blk handler, to a disk that lets requests wait.
 */
#include "qemu/osdep.h"
#include "block/block_int.h"
#include "block/export/virtio-blk-handler.h"
#include "block/try-io.h"
#include "fuzz-daemon.h"
#include "fuzz-disk.h"
#include "fuzz-ring.h"
#include "qapi/error.h"
#include "standard-headers/linux/virtio_blk.h"
#include "system/block-backend.h"

#define STEPS_MAX 256
#define CHAIN_MAX 6

enum RingOption {
    OPTION_EVENT_IDX = 1,
    OPTION_NO_INDIRECT = 2,
    OPTION_NOTIFY_ON_EMPTY = 4,
    OPTION_LOG = 8,
    OPTION_READ_ONLY = 16,
    OPTION_BLOCK_4K = 32,
    OPTION_TWO_REGIONS = 64,
    OPTION_IN_ORDER = 128,
};

static VirtioBlkHandler handler;

uint8_t *fuzz_ring_at(uint32_t offset, size_t len)
{
    return offset <= FUZZ_MEM_SIZE - len ? fuzz_memory() + offset : NULL;
}

/* ---- The device ---- */

typedef struct Request {
    FuzzRing *ring;
    VuVirtqElement *elem;
    VirtioBlkReq blk;
    size_t room; /* bytes that the device may write */
} Request;

static void coroutine_fn request_co(void *opaque)
{
    Request *req = opaque;
    VuDev *dev = &req->ring->device.dev;
    VuVirtq *vq = vu_get_queue(dev, 0);
    VirtioBlkReqInfo info;
    int written = virtio_blk_req_run(&req->blk, &info);

    g_assert(written >= 0 && (size_t)written <= req->room);
    vu_queue_push(dev, vq, req->elem, written);
    vu_queue_notify(dev, vq);
    req->ring->running--;
    free(req->elem);
    g_free(req);
}

/* As an export does: at once if that can be done. */
static bool try_request(FuzzDevice *d, Request *req)
{
    VirtioBlkReqInfo info;
    BlkTryBatch batch;
    int written;

    blk_try_begin(&batch, handler.blk);
    written = virtio_blk_req_try(&req->blk, &batch, &info, NULL);
    blk_try_end(&batch);
    if (written < 0) {
        return false;
    }
    g_assert((size_t)written <= req->room);
    vu_queue_push(&d->dev, vu_get_queue(&d->dev, 0), req->elem, written);
    vu_queue_notify(&d->dev, vu_get_queue(&d->dev, 0));
    free(req->elem);
    g_free(req);
    return true;
}

static void take_request(FuzzDevice *d, unsigned queue, VuVirtqElement *elem)
{
    FuzzRing *r = container_of(d, FuzzRing, device);
    VirtioBlkIov iov = { elem->in_sg, elem->out_sg, elem->in_num, elem->out_num };
    Request *req = g_new(Request, 1);

    *req = (Request){ .ring = r, .elem = elem, .room = iov_size(elem->in_sg, elem->in_num) };
    virtio_blk_req_parse(&req->blk, &handler, &iov);
    if (try_request(d, req)) {
        return;
    }
    r->running++;
    qemu_coroutine_enter(qemu_coroutine_create(request_co, req));
}

/* ---- Messages ---- */

static void send_state(FuzzRing *r, uint32_t request, uint32_t num)
{
    struct vhost_vring_state state = { 0, num };

    fuzz_front_send(&r->device.front, request, &state, sizeof(state), -1);
    fuzz_device_obey(&r->device);
}

static void send_file(FuzzRing *r, uint32_t request, FuzzFdKind kind)
{
    uint64_t index = 0;

    fuzz_front_send(&r->device.front, request, &index, sizeof(index),
                    fuzz_front_fd(&r->device.front, kind));
    fuzz_device_obey(&r->device);
}

static void send_features(FuzzRing *r, bool log)
{
    uint64_t features = r->features | (log ? 1ull << VHOST_F_LOG_ALL : 0);

    fuzz_front_send(&r->device.front, VHOST_USER_SET_FEATURES, &features, sizeof(features), -1);
    fuzz_device_obey(&r->device);
}

static void send_memory(FuzzRing *r, unsigned regions)
{
    VhostUserMemory table = { .nregions = regions };
    uint64_t size = regions ? (FUZZ_RING_END - FUZZ_RING_FIRST) / 0x1000 / regions * 0x1000 : 0;
    uint32_t bytes = offsetof(VhostUserMemory, regions) + regions * sizeof(table.regions[0]);

    for (unsigned i = 0; i < regions; i++) {
        uint64_t at = FUZZ_RING_FIRST + i * size;

        table.regions[i] = (VhostUserMemoryRegion){ at, size, at, at };
    }
    fuzz_front_send_memory(&r->device.front, VHOST_USER_SET_MEM_TABLE, &table, bytes, regions);
    fuzz_device_obey(&r->device);
}

static void send_log(FuzzRing *r)
{
    VhostUserLog log = { .mmap_size = 4096 };

    fuzz_front_send(&r->device.front, VHOST_USER_SET_LOG_BASE, &log, sizeof(log),
                    fuzz_front_fd(&r->device.front, FUZZ_FD_SMALL));
    fuzz_device_obey(&r->device);
}

static void start_ring(FuzzRing *r, uint32_t base)
{
    struct vhost_vring_addr addr = {
        .flags = 1 << VHOST_VRING_F_LOG,
        .desc_user_addr = r->addr[0],
        .avail_user_addr = r->addr[1],
        .used_user_addr = r->addr[2],
        .log_guest_addr = r->addr[2],
    };

    send_state(r, VHOST_USER_SET_VRING_NUM, r->num);
    send_state(r, VHOST_USER_SET_VRING_BASE, base);
    fuzz_front_send(&r->device.front, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    fuzz_device_obey(&r->device);
    send_file(r, VHOST_USER_SET_VRING_CALL, FUZZ_FD_EVENT2);
    send_file(r, VHOST_USER_SET_VRING_KICK, FUZZ_FD_EVENT);
}

static bool behind_iommu(const FuzzRing *r)
{
    return r->features >> VIRTIO_F_IOMMU_PLATFORM & 1;
}

static void send_iotlb(FuzzRing *r, const struct vhost_iotlb_msg *msg)
{
    if (behind_iommu(r)) {
        fuzz_front_send(&r->device.front, VHOST_USER_IOTLB_MSG, msg, sizeof(*msg), -1);
        fuzz_device_obey(&r->device);
    }
}

static void negotiate(FuzzRing *r, uint8_t options)
{
    uint64_t protocol = 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD;

    protocol |= behind_iommu(r) ? 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ : 0;
    r->features |= 1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
    r->features |= options & OPTION_EVENT_IDX ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0;
    r->features |= options & OPTION_NO_INDIRECT ? 0 : 1ull << VIRTIO_RING_F_INDIRECT_DESC;
    r->features |= options & OPTION_NOTIFY_ON_EMPTY ? 1ull << VIRTIO_F_NOTIFY_ON_EMPTY : 0;
    r->features |= options & OPTION_IN_ORDER ? 1ull << VIRTIO_F_IN_ORDER : 0;
    fuzz_device_must(&r->device, VHOST_USER_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol), -1);
    send_features(r, options & OPTION_LOG);
    if (options & OPTION_LOG) {
        send_log(r);
    }
    if (behind_iommu(r)) {
        fuzz_device_must(&r->device, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0,
                         fuzz_front_fd(&r->device.front, FUZZ_FD_SOCKET));
    }
    send_memory(r, options & OPTION_TWO_REGIONS ? 2 : 1);
}

/* ---- The driver ---- */

/*
 * A right request. Shape: bits 0-1 data segments, bit 2 status in the last of them, bit 3 header
 * in two, bit 4 data of a whole block.
 */
static void make_request(FuzzRing *r, FuzzTape *tape)
{
    struct virtio_blk_outhdr header = { .type = fuzz_u8(tape), .sector = fuzz_u8(tape) };
    uint8_t shape = fuzz_u8(tape);
    uint16_t towards = header.type & 1 ? 0 : VRING_DESC_F_WRITE;
    uint32_t area = FUZZ_RING_DATA + (r->index % 8) * 0x1000;
    uint32_t len = shape & 16 ? 4096 / 4 : 512;
    struct vring_desc chain[CHAIN_MAX];
    unsigned n = 0;

    memcpy(fuzz_memory() + area, &header, sizeof(header));
    if (shape & 8) {
        chain[n++] = (struct vring_desc){ area, 8, 0, 0 };
        chain[n++] = (struct vring_desc){ area + 8, 8, 0, 0 };
    } else {
        chain[n++] = (struct vring_desc){ area, sizeof(header), 0, 0 };
    }
    for (unsigned i = 0; i < (shape & 3); i++) {
        chain[n++] = (struct vring_desc){ area + 16 + i * len, len, towards, 0 };
    }
    if (shape & 4 && towards && shape & 3) {
        chain[n - 1].len++;
    } else {
        chain[n++] = (struct vring_desc){ area + 15, 1, VRING_DESC_F_WRITE, 0 };
    }
    r->layout->chain(r, chain, n);
}

static void step_desc(FuzzRing *r, FuzzTape *tape)
{
    unsigned slot = fuzz_u8(tape);
    struct vring_desc d;

    d.addr = fuzz_u16(tape);
    d.len = fuzz_u16(tape);
    d.flags = fuzz_u16(tape);
    d.next = fuzz_u16(tape);
    r->layout->desc(r, slot, &d);
}

static void step_desc_raw(FuzzRing *r, FuzzTape *tape)
{
    uint8_t *at = fuzz_ring_at(r->addr[0] + fuzz_u8(tape) * 16, 16);
    uint8_t bytes[16];

    fuzz_bytes(tape, bytes, sizeof(bytes));
    if (at) {
        memcpy(at, bytes, sizeof(bytes));
    }
}

static void step_event(FuzzRing *r, FuzzTape *tape)
{
    uint16_t a = fuzz_u16(tape);

    r->layout->set_event(r, a, fuzz_u16(tape));
}

static void step_restart(FuzzRing *r, FuzzTape *tape)
{
    uint32_t base = r->layout->base;

    send_state(r, VHOST_USER_GET_VRING_BASE, 0);
    r->index = 0;
    r->slot = 0;
    r->wrap = true;
    start_ring(r, base);
}

static void step_move(FuzzRing *r, FuzzTape *tape)
{
    for (int i = 0; i < 3; i++) {
        r->addr[i] = fuzz_u16(tape);
    }
    step_restart(r, tape);
}

static void step_kick(FuzzRing *r, FuzzTape *tape)
{
    uint64_t one = 1;

    g_assert(write(fuzz_front_fd(&r->device.front, FUZZ_FD_EVENT), &one, 8) == 8);
    fuzz_device_serve(&r->device);
}

static void step_write(FuzzRing *r, FuzzTape *tape)
{
    fuzz_front_deed(&r->device.front, FUZZ_DEED_WRITE, tape);
}

static void step_offer(FuzzRing *r, FuzzTape *tape)
{
    r->layout->offer(r, fuzz_u8(tape));
}

static void step_index(FuzzRing *r, FuzzTape *tape)
{
    r->layout->set_index(r, fuzz_u16(tape));
}

static void step_hold(FuzzRing *r, FuzzTape *tape)
{
    fuzz_disk_hold(fuzz_u8(tape) & 1);
}

static void step_resume(FuzzRing *r, FuzzTape *tape)
{
    fuzz_disk_resume(fuzz_u8(tape));
}

static void step_enable(FuzzRing *r, FuzzTape *tape)
{
    send_state(r, VHOST_USER_SET_VRING_ENABLE, fuzz_u8(tape) & 1);
}

static void step_memory(FuzzRing *r, FuzzTape *tape)
{
    send_memory(r, fuzz_u8(tape) % 3);
}

static void step_log(FuzzRing *r, FuzzTape *tape)
{
    send_features(r, fuzz_u8(tape) & 1);
}

static void step_iotlb(FuzzRing *r, FuzzTape *tape)
{
    uint8_t kind = fuzz_u8(tape);
    struct vhost_iotlb_msg msg = { .type = kind & 7, .perm = kind >> 4 };

    msg.iova = fuzz_u16(tape);
    msg.size = fuzz_u16(tape);
    msg.uaddr = fuzz_u16(tape);
    send_iotlb(r, &msg);
}

/* What is asked for lies where the same address is in guest memory. */
static void step_misses(FuzzRing *r, FuzzTape *tape)
{
    FuzzFront *front = &r->device.front;
    uint8_t perm = fuzz_u8(tape);
    unsigned n = front->nmisses;
    uint64_t asked[FUZZ_MISSES];

    memcpy(asked, front->misses, sizeof(asked));
    front->nmisses = 0;
    for (unsigned i = FUZZ_MISSES - n; i < FUZZ_MISSES; i++) {
        const struct vhost_iotlb_msg msg = {
            .iova = asked[i] & ~0xfffull,
            .size = 0x1000,
            .uaddr = asked[i] & ~0xfffull,
            .perm = perm,
            .type = VHOST_IOTLB_UPDATE,
        };

        send_iotlb(r, &msg);
    }
}

static void (*const steps[])(FuzzRing *r, FuzzTape *tape) = {
    [FUZZ_RING_REQUEST] = make_request,   [FUZZ_RING_DESC_SET] = step_desc,
    [FUZZ_RING_DESC_RAW] = step_desc_raw, [FUZZ_RING_OFFER] = step_offer,
    [FUZZ_RING_INDEX] = step_index,       [FUZZ_RING_EVENT] = step_event,
    [FUZZ_RING_WRITE] = step_write,       [FUZZ_RING_KICK] = step_kick,
    [FUZZ_RING_HOLD] = step_hold,         [FUZZ_RING_RESUME] = step_resume,
    [FUZZ_RING_RESTART] = step_restart,   [FUZZ_RING_MOVE] = step_move,
    [FUZZ_RING_ENABLE] = step_enable,     [FUZZ_RING_MEMORY] = step_memory,
    [FUZZ_RING_LOG] = step_log,           [FUZZ_RING_IOTLB] = step_iotlb,
    [FUZZ_RING_MISSES] = step_misses,
};
G_STATIC_ASSERT(G_N_ELEMENTS(steps) == FUZZ_RING_STEP__MAX);

/* The input may write there itself; the device may not. */
static void check_borders(const uint8_t *before)
{
    g_assert(!memcmp(fuzz_memory(), before, FUZZ_RING_FIRST));
    g_assert(!memcmp(fuzz_memory() + FUZZ_RING_END, before + FUZZ_RING_FIRST, 0x1000));
}

static void keep_borders(uint8_t *ret_before)
{
    memcpy(ret_before, fuzz_memory(), FUZZ_RING_FIRST);
    memcpy(ret_before + FUZZ_RING_FIRST, fuzz_memory() + FUZZ_RING_END, 0x1000);
}

static void run_script(FuzzRing *r, FuzzTape *tape)
{
    static uint8_t before[FUZZ_RING_FIRST + 0x1000];

    keep_borders(before);
    for (int n = 0; n < STEPS_MAX && fuzz_more(tape) && !r->device.dev.broken; n++) {
        uint8_t step = fuzz_u8(tape) % FUZZ_RING_STEP__MAX;

        if (step == FUZZ_RING_KICK || step == FUZZ_RING_RESUME || step >= FUZZ_RING_RESTART) {
            keep_borders(before);
            steps[step](r, tape);
            check_borders(before);
        } else {
            steps[step](r, tape);
        }
    }
}

int fuzz_ring_initialize(const FuzzRingLayout *layout)
{
    BlockBackend *blk;

    fuzz_guard_begin();
    fuzz_daemon_setup();
    fuzz_front_setup();
    fuzz_disk_setup("disk");
    blk = blk_new_with_bs(bdrv_find_node("disk"), BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE,
                          BLK_PERM_ALL, &error_abort);
    handler = (VirtioBlkHandler){
        .blk = blk,
        .serial = g_strdup("fuzz"),
        .max_discard_segments = 4,
        .max_write_zeroes_segments = 4,
    };
    fuzz_ring_run(layout, 0, NULL, 0);
    fuzz_leaks_begin();
    return 0;
}

int fuzz_ring_run(const FuzzRingLayout *layout, uint64_t features, const uint8_t *data, size_t size)
{
    FuzzTape tape = { data, data + size };
    uint8_t options = fuzz_u8(&tape);
    FuzzRing r = {
        .layout = layout,
        .features = layout->features | features,
        .num = layout->size(fuzz_u8(&tape)),
        .wrap = true,
        .addr = { FUZZ_RING_DESC, FUZZ_RING_DRIVER, FUZZ_RING_DEVICE },
    };

    handler.writable = !(options & OPTION_READ_ONLY);
    handler.logical_block_size = options & OPTION_BLOCK_4K ? 4096 : 512;
    fuzz_device_init(&r.device, r.features | 1ull << VIRTIO_F_IN_ORDER, 0);
    r.device.request = take_request;
    negotiate(&r, options);
    start_ring(&r, layout->base);
    send_state(&r, VHOST_USER_SET_VRING_ENABLE, 1);
    run_script(&r, &tape);
    fuzz_disk_reset();
    g_assert(!r.running);
    fuzz_device_done(&r.device);
    fuzz_daemon_settle();
    fuzz_check_leaks();
    return 0;
}
