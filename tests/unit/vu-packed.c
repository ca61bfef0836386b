/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packed ring, driver's side, by hand.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>

#include "vu-packed.h"

#define DESC_SIZE  sizeof(struct vring_packed_desc)
#define EVENT_SIZE sizeof(struct vring_packed_desc_event)

size_t vu_packed_bytes(unsigned int num)
{
    /* What follows may need the alignment of descriptors. */
    return num * DESC_SIZE + DESC_SIZE;
}

void vu_packed_init(VuPackedRing *r, VuClient *c, unsigned int index, unsigned int num,
                    size_t offset)
{
    uint8_t *at = c->mem + offset;

    g_assert_cmpuint(offset + vu_packed_bytes(num), <=, c->mem_size);
    *r = (VuPackedRing){ .c = c, .index = index, .num = num };
    r->desc = (struct vring_packed_desc *)at;
    r->driver = (struct vring_packed_desc_event *)(at + num * DESC_SIZE);
    r->device = r->driver + 1;
    r->slots = g_new0(uint16_t, num);
    r->order = g_new0(uint16_t, num);
    r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(r->kick >= 0 && r->call >= 0 && r->err >= 0);
    vu_packed_reset(r);
}

void vu_packed_done(VuPackedRing *r)
{
    close(r->kick);
    close(r->call);
    close(r->err);
    g_free(r->slots);
    g_free(r->order);
}

void vu_packed_reset(VuPackedRing *r)
{
    memset(r->desc, 0, vu_packed_bytes(r->num));
    r->avail_idx = r->used_idx = 0;
    r->avail_wrap = r->used_wrap = true;
    r->offered = r->reaped = 0;
    r->in_batch = false;
}

struct vhost_vring_addr vu_packed_addr(const VuPackedRing *r)
{
    return (struct vhost_vring_addr){
        .index = r->index,
        .desc_user_addr = (uintptr_t)r->desc,
        .avail_user_addr = (uintptr_t)r->driver,
        .used_user_addr = (uintptr_t)r->device,
        .log_guest_addr = vu_client_gpa(r->c, r->device),
    };
}

static uint16_t place(unsigned int slot, bool wrap)
{
    return slot | (wrap ? VU_PACKED_WRAP : 0);
}

uint32_t vu_packed_base(const VuPackedRing *r)
{
    return place(r->avail_idx, r->avail_wrap) | (uint32_t)place(r->used_idx, r->used_wrap) << 16;
}

/* ---- To the device ---- */

uint16_t vu_packed_avail_bits(const VuPackedRing *r)
{
    return r->avail_wrap ? VU_PACKED_AVAIL : VU_PACKED_USED;
}

static uint64_t *tail_of(const VuPackedRing *r, unsigned int slot)
{
    return (uint64_t *)&r->desc[slot].len;
}

static uint64_t tail(const VuPackedBuf *buf, uint16_t id, uint16_t flags)
{
    return buf->len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

void vu_packed_put(VuPackedRing *r, unsigned int slot, const VuPackedBuf *buf, uint16_t id,
                   uint16_t flags)
{
    __atomic_store_n(&r->desc[slot].addr, GUINT64_TO_LE(buf->gpa), __ATOMIC_RELAXED);
    __atomic_store_n(tail_of(r, slot), GUINT64_TO_LE(tail(buf, id, flags)), __ATOMIC_RELEASE);
}

static void step(const VuPackedRing *r, unsigned int *idx, bool *wrap, unsigned int n)
{
    *idx += n;
    if (*idx >= r->num) {
        *idx -= r->num;
        *wrap = !*wrap;
    }
}

void vu_packed_offer(VuPackedRing *r, uint16_t id, const VuPackedBuf *bufs, unsigned int n)
{
    unsigned int first = r->avail_idx;
    uint16_t first_bits = vu_packed_avail_bits(r);

    g_assert_cmpuint(n, >, 0);
    for (unsigned int i = 0; i < n; i++) {
        uint16_t next = i + 1 < n ? VRING_DESC_F_NEXT : 0;

        if (i > 0) {
            vu_packed_put(r, r->avail_idx, &bufs[i], id,
                          vu_packed_avail_bits(r) | next | bufs[i].flags);
        }
        step(r, &r->avail_idx, &r->avail_wrap, 1);
    }
    r->slots[id] = n;
    r->order[r->offered++ % r->num] = id;
    vu_packed_put(r, first, &bufs[0], id,
                  first_bits | (n > 1 ? VRING_DESC_F_NEXT : 0) | bufs[0].flags);
}

void vu_packed_table(void *at, const VuPackedBuf *bufs, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        struct vring_packed_desc d = { GUINT64_TO_LE(bufs[i].gpa), GUINT32_TO_LE(bufs[i].len), 0,
                                       GUINT16_TO_LE(bufs[i].flags) };

        memcpy((uint8_t *)at + i * DESC_SIZE, &d, DESC_SIZE);
    }
}

/* ---- From the device ---- */

static uint64_t used_tail(const VuPackedRing *r)
{
    return GUINT64_FROM_LE(__atomic_load_n(tail_of(r, r->used_idx), __ATOMIC_ACQUIRE));
}

uint16_t vu_packed_used_flags(const VuPackedRing *r)
{
    return used_tail(r) >> 48;
}

static bool take(VuPackedRing *r, uint32_t id, uint32_t len, uint32_t *ret_id, uint32_t *ret_len)
{
    g_assert_cmpuint(id, <, r->num);
    g_assert_cmpuint(r->slots[id], >, 0);
    step(r, &r->used_idx, &r->used_wrap, r->slots[id]);
    r->slots[id] = 0;
    r->reaped++;
    if (ret_id) {
        *ret_id = id;
    }
    if (ret_len) {
        *ret_len = len;
    }
    return true;
}

/* One descriptor stands for all that were offered before its id and not taken yet. */
static bool take_in_order(VuPackedRing *r, uint64_t word, uint32_t *ret_id, uint32_t *ret_len)
{
    uint16_t id = r->order[r->reaped % r->num];

    r->in_batch = id != (uint16_t)(word >> 32);
    r->batch = word;
    return take(r, id, r->in_batch ? UINT32_MAX : (uint32_t)word, ret_id, ret_len);
}

bool vu_packed_reap(VuPackedRing *r, uint32_t *ret_id, uint32_t *ret_len)
{
    uint64_t word = r->in_batch ? r->batch : used_tail(r);
    unsigned int flags = word >> 48;

    if (!r->in_batch &&
        (!(flags & VU_PACKED_AVAIL) == r->used_wrap || !(flags & VU_PACKED_USED) == r->used_wrap)) {
        return false;
    }
    return r->in_order ? take_in_order(r, word, ret_id, ret_len)
                       : take(r, (uint16_t)(word >> 32), (uint32_t)word, ret_id, ret_len);
}

/* ---- Notifications ---- */

void vu_packed_set_event(VuPackedRing *r, uint16_t flags, unsigned int slot, bool wrap)
{
    uint32_t event = place(slot, wrap) | (uint32_t)flags << 16;

    __atomic_store_n((uint32_t *)r->driver, GUINT32_TO_LE(event), __ATOMIC_SEQ_CST);
}

uint16_t vu_packed_get_event(const VuPackedRing *r, uint16_t *ret_place)
{
    uint32_t event = GUINT32_FROM_LE(__atomic_load_n((uint32_t *)r->device, __ATOMIC_SEQ_CST));

    if (ret_place) {
        *ret_place = event;
    }
    return event >> 16;
}

void vu_packed_kick(VuPackedRing *r)
{
    uint64_t one = 1;

    g_assert_cmpint(write(r->kick, &one, sizeof(one)), ==, sizeof(one));
}
