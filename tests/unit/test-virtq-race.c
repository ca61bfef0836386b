/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that changes its ring while the device reads it.
 *
 * A thread writes numbers, plausible ones and impossible ones, over descriptors, tables and
 * indices, as fast as it can, while the device pops and pushes. It writes at the device's own
 * addresses and with atomic operations: so the thread sanitizer sees both sides, and is silent only
 * if each access of the library to shared memory is a single atomic one. What is popped must lie in
 * the guest's memory whatever the thread does; afterwards the ring serves an honest chain.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <pthread.h>

#include "harness.h"
#include "vu-rig.h"

#define NUM        64
#define TABLE_SIZE 32
#define ROUNDS     6000  /* of the device */
#define FLIPS      20000 /* of the other thread, at least */
#define PACKED     (1ull << VIRTIO_F_RING_PACKED)
#define INDIRECT   (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX  (1ull << VIRTIO_RING_F_EVENT_IDX)

typedef struct Race {
    VuRig rig;
    VuPackedRing packed;
    uint64_t features;
    uint8_t *mem; /* the guest's memory as the device has it mapped */
    uint64_t *desc;
    uint64_t *table;
    uint64_t table_gpa;
    uint64_t buffer_gpa;
    uint16_t *driver; /* the available ring, or the driver's event */
    uint32_t *device; /* the used ring, or the device's event */
    pthread_t thread;
    bool stop;      /* atomic */
    unsigned flips; /* atomic */
} Race;

static bool is_packed(const Race *race)
{
    return race->features & PACKED;
}

/* ---- The other thread ---- */

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

static uint64_t random_addr(const Race *race, uint64_t *state)
{
    const uint64_t addrs[] = {
        race->buffer_gpa, race->buffer_gpa + 4096,         race->table_gpa,   race->table_gpa + 8,
        VU_CLIENT_GPA,    VU_CLIENT_GPA + VU_RIG_MEM - 16, VU_CLIENT_GPA - 1, UINT64_MAX - 15,
    };

    return addrs[random_next(state) % G_N_ELEMENTS(addrs)];
}

/* Length, flags and next; or length, id and flags. */
static uint64_t random_tail(const Race *race, uint64_t *state)
{
    static const uint32_t lens[] = {
        0, 1, 16, 17, 48, 512, TABLE_SIZE * 16, VU_RIG_MEM, UINT32_MAX
    };
    static const uint16_t numbers[] = { 0, 1, 2, 3, 30, NUM - 1, NUM, UINT16_MAX };
    uint64_t len = lens[random_next(state) % G_N_ELEMENTS(lens)];
    uint64_t number = numbers[random_next(state) % G_N_ELEMENTS(numbers)];
    uint64_t flags = random_next(state) % 8;

    if (is_packed(race)) {
        flags |= random_next(state) % 4 == 0 ? 0 : VU_PACKED_AVAIL;
        flags |= random_next(state) % 4 == 0 ? VU_PACKED_USED : 0;
        return len | number << 32 | flags << 48;
    }
    return len | flags << 32 | number << 48;
}

static void flip_one(Race *race, uint64_t *state)
{
    unsigned which = random_next(state) % 64;
    unsigned at = random_next(state);
    uint64_t *descs = which < 32 ? race->desc : race->table;
    unsigned n = which < 32 ? NUM : TABLE_SIZE;

    if (which == 63) {
        __atomic_store_n(&race->driver[at % (is_packed(race) ? 2 : NUM + 3)],
                         (uint16_t)random_next(state), __ATOMIC_RELAXED);
    } else if (which == 62) {
        __atomic_fetch_xor(&race->device[at % (is_packed(race) ? 1 : 1 + 2 * NUM)], 1,
                           __ATOMIC_RELAXED);
    } else if (which % 2) {
        __atomic_store_n(&descs[at % n * 2], random_addr(race, state), __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&descs[at % n * 2 + 1], random_tail(race, state), __ATOMIC_RELAXED);
    }
}

static void *flip(void *opaque)
{
    Race *race = opaque;
    uint64_t state = 1;

    while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
        flip_one(race, &state);
        __atomic_fetch_add(&race->flips, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* ---- The device ---- */

static VuVirtq *queue(Race *race)
{
    return vu_get_queue(&race->rig.dev, 0);
}

static void check_iov(const Race *race, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *start = iov[i].iov_base;

        g_assert_true(start >= race->mem && start < race->mem + VU_RIG_MEM);
        g_assert_cmpuint(iov[i].iov_len, <=, race->mem + VU_RIG_MEM - start);
    }
}

/* Something is available, at the place where the device looks. */
static void offer(Race *race, unsigned round)
{
    VuVirtq *vq = queue(race);

    if (is_packed(race)) {
        uint64_t bits = vq->avail_wrap ? VU_PACKED_AVAIL : VU_PACKED_USED;
        uint64_t *tail = &race->desc[vq->last_avail_idx * 2 + 1];
        uint64_t old = __atomic_load_n(tail, __ATOMIC_RELAXED);
        uint64_t flags = (old >> 48 & ~(uint64_t)(VU_PACKED_AVAIL | VU_PACKED_USED)) | bits;

        /* Long chains mostly end at something that breaks the ring. */
        if (round % 4) {
            flags &= ~(uint64_t)VRING_DESC_F_NEXT;
        }
        __atomic_store_n(tail, (old & 0xffffffff) | (uint64_t)(round % NUM) << 32 | flags << 48,
                         __ATOMIC_RELEASE);
    } else {
        uint16_t idx = vq->last_avail_idx;

        __atomic_store_n(&race->driver[2 + idx % NUM], round % NUM, __ATOMIC_RELAXED);
        __atomic_store_n(&race->driver[1], (uint16_t)(idx + 1), __ATOMIC_RELEASE);
    }
}

/* A ring that is broken is set up anew, where it was. */
static void start_again(Race *race)
{
    VuRig *rig = &race->rig;
    const VuGuestRing *r = &rig->ring[0];
    int kick = is_packed(race) ? race->packed.kick : r->kick;
    int call = is_packed(race) ? race->packed.call : r->call;

    vu_client_send_state(&rig->client, VHOST_USER_SET_VRING_BASE, 0, vu_rig_stop(rig, 0));
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_BASE);
    vu_client_send_file(&rig->client, VHOST_USER_SET_VRING_CALL, 0, call);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_CALL);
    vu_client_send_file(&rig->client, VHOST_USER_SET_VRING_KICK, 0, kick);
    vu_rig_accepted(rig, VHOST_USER_SET_VRING_KICK);
}

static void serve(Race *race, unsigned round)
{
    VuDev *dev = &race->rig.dev;
    VuVirtq *vq = queue(race);
    VuVirtqElement *held = NULL, *e;

    offer(race, round);
    while ((e = vu_queue_pop(dev, vq, sizeof(*e)))) {
        check_iov(race, e->in_sg, e->in_num);
        check_iov(race, e->out_sg, e->out_num);
        if (round % 16 == 0 && !held) {
            held = e;
            continue;
        }
        vu_queue_push(dev, vq, e, round % 3 ? 1 : 0);
        free(e);
    }
    if (held) {
        vu_queue_push(dev, vq, held, 0);
        free(held);
    }
    vu_queue_notify(dev, vq);
    g_assert_cmpuint(vu_queue_inuse(vq), ==, 0);
    if (vq->broken) {
        start_again(race);
    }
}

/* ---- The race ---- */

static void race_begin(Race *race, uint64_t features)
{
    uint64_t len = VU_RIG_MEM;
    const VuClient *c;
    const void *desc, *driver, *device;

    memset(race, 0, sizeof(*race));
    race->features = features;
    vu_rig_init(&race->rig);
    vu_rig_ready(&race->rig, features);
    if (is_packed(race)) {
        vu_rig_start_packed(&race->rig, &race->packed, 0, NUM);
        desc = race->packed.desc;
        driver = race->packed.driver;
        device = race->packed.device;
    } else {
        vu_rig_start(&race->rig, 0, NUM);
        desc = race->rig.ring[0].desc;
        driver = race->rig.ring[0].avail;
        device = race->rig.ring[0].used;
    }
    c = &race->rig.client;
    race->mem = vu_gpa_to_va(&race->rig.dev, &len, VU_CLIENT_GPA);
    g_assert_nonnull(race->mem);
    g_assert_cmpuint(len, ==, VU_RIG_MEM);
    race->desc = (uint64_t *)(race->mem + ((const uint8_t *)desc - c->mem));
    race->driver = (uint16_t *)(race->mem + ((const uint8_t *)driver - c->mem));
    race->device = (uint32_t *)(race->mem + ((const uint8_t *)device - c->mem));
    race->table_gpa = vu_client_gpa(c, vu_rig_buffer(&race->rig, 0));
    race->table = (uint64_t *)(race->mem + (race->table_gpa - VU_CLIENT_GPA));
    race->buffer_gpa = race->table_gpa + 8192;
    g_assert_cmpint(pthread_create(&race->thread, NULL, flip, race), ==, 0);
}

static void race_end(Race *race)
{
    __atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
    pthread_join(race->thread, NULL);
}

/* Stopped and laid out anew, the ring serves; nothing of the race is left in the device. */
static void serve_honest_chain(Race *race)
{
    VuRig *rig = &race->rig;
    VuVirtqElement *e;

    vu_rig_stop(rig, 0);
    if (is_packed(race)) {
        VuPackedBuf buf = { race->buffer_gpa, 77, 0 };

        vu_packed_done(&race->packed);
        memset(rig->client.mem, 0, VU_RIG_MEM);
        vu_rig_start_packed(rig, &race->packed, 0, NUM);
        vu_packed_offer(&race->packed, 5, &buf, 1);
    } else {
        memset(rig->client.mem, 0, VU_RIG_MEM);
        vu_client_send_state(&rig->client, VHOST_USER_SET_VRING_BASE, 0, 0);
        vu_rig_accepted(rig, VHOST_USER_SET_VRING_BASE);
        vu_rig_start(rig, 0, NUM);
        vu_rig_offer(rig, 5, 77);
    }
    e = vu_queue_pop(&rig->dev, queue(race), sizeof(*e));
    g_assert_nonnull(e);
    g_assert_cmpuint(e->index, ==, 5);
    g_assert_cmpuint(e->out_num, ==, 1);
    g_assert_cmpuint(e->out_sg[0].iov_len, ==, 77);
    vu_queue_push(&rig->dev, queue(race), e, 0);
    free(e);
}

/* Both threads have done their rounds, and the device has met chains of both kinds. */
static bool raced(Race *race, unsigned round, VuQueueStats *ret_stats)
{
    vu_queue_get_stats(&race->rig.dev, queue(race), ret_stats);
    return round >= ROUNDS && __atomic_load_n(&race->flips, __ATOMIC_RELAXED) >= FLIPS &&
           ret_stats->pops > 0 && ret_stats->malformed > 0;
}

static void test_race(const void *data)
{
    VuQueueStats stats;
    Race race;

    race_begin(&race, *(const uint64_t *)data);
    for (unsigned round = 0; !raced(&race, round, &stats) && round < 100 * ROUNDS; round++) {
        serve(&race, round);
    }
    race_end(&race);
    g_test_message("%u flips, %" PRIu64 " popped, %" PRIu64 " malformed, %" PRIu64 " breaks",
                   race.flips, stats.pops, stats.malformed, stats.breaks);
    g_assert_cmpuint(stats.pops, >, 0);
    g_assert_cmpuint(stats.malformed, >, 0);
    serve_honest_chain(&race);
    if (is_packed(&race)) {
        vu_packed_done(&race.packed);
    }
    vu_rig_done(&race.rig);
}

int main(int argc, char **argv)
{
    static const uint64_t split = INDIRECT, packed = INDIRECT | PACKED;
    static const uint64_t split_event = INDIRECT | EVENT_IDX;
    static const uint64_t packed_event = INDIRECT | PACKED | EVENT_IDX;

    harness_init(&argc, &argv);
    harness_add_data("/virtq-race/split_ring_changes_while_it_is_read", &split, test_race);
    harness_add_data("/virtq-race/split_ring_with_event_idx_changes", &split_event, test_race);
    harness_add_data("/virtq-race/packed_ring_changes_while_it_is_read", &packed, test_race);
    harness_add_data("/virtq-race/packed_ring_with_event_idx_changes", &packed_event, test_race);
    return harness_run();
}
