/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message stream: any messages with any descriptors, in any order, to a device on
 * libvhost-user, while its rings run.
 *
 * An input is a byte of set-up and a row of steps: below 0xc0 a message (fuzz-vu.c), above what
 * the guest, the device or the back-end's channel does.
 */
#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <sys/socket.h>
#include "fuzz-device.h"

#define STEPS_MAX 256

enum Step {
    STEP_DEED = 0xc0, /* and the number of a FuzzDeed */
    STEP_SERVE = 0xd0,
    STEP_HOLD = 0xd1,
    STEP_COMPLETE = 0xd2,
    STEP_COMPLETE_LAST = 0xd3,
    STEP_CONFIG_CHANGE = 0xd4,
    STEP_BREAK = 0xd5,
    STEP_LOOK = 0xd6,
    STEP_SHMEM = 0xd7, /* u8 length, bytes that the channel holds; then no more come */
};

/* What the device offers, by the bits of the first byte. */
enum Offer {
    OFFER_INBAND = 1,
    OFFER_SMALL_RINGS = 2,
    OFFER_IOMMU = 4,
    OFFER_IN_ORDER = 8,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGPIPE, SIG_IGN);
    fuzz_front_setup();
    LLVMFuzzerTestOneInput(NULL, 0);
    fuzz_leaks_begin();
    return 0;
}

static void look(FuzzDevice *d, unsigned queue)
{
    VuVirtq *vq = vu_get_queue(&d->dev, queue);
    unsigned in, out;

    vu_queue_empty(&d->dev, vq);
    vu_queue_get_avail_bytes(&d->dev, vq, &in, &out, 65536, 65536);
    vu_queue_set_notification(&d->dev, vq, in & 1);
}

/* The device asks the front-end, and waits for what it has said already. */
static void show_memory(FuzzDevice *d, FuzzTape *tape)
{
    const VhostUserMMap map = { .shmid = 3, .len = 4096, .flags = 1 };
    uint8_t answer[255];
    size_t len = fuzz_u8(tape);

    fuzz_bytes(tape, answer, len);
    if (d->front.socket_end >= 0) {
        (void)!send(d->front.socket_end, answer, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(d->front.socket_end, SHUT_WR);
        vu_shmem_map(&d->dev, &map, fuzz_front_fd(&d->front, FUZZ_FD_MEMORY));
    }
}

static void device_step(FuzzDevice *d, uint8_t step, FuzzTape *tape)
{
    switch (step) {
    case STEP_SERVE:
        fuzz_device_serve(d);
        break;
    case STEP_HOLD:
        d->hold = !d->hold;
        break;
    case STEP_COMPLETE:
    case STEP_COMPLETE_LAST:
        fuzz_device_complete(d, fuzz_u8(tape), step == STEP_COMPLETE_LAST);
        break;
    case STEP_CONFIG_CHANGE:
        vu_config_change_msg(&d->dev);
        break;
    case STEP_BREAK:
        /* The peer may write half a message and more of it later. */
        d->front.out_of_step = true;
        break;
    case STEP_LOOK:
        look(d, fuzz_u8(tape) % FUZZ_QUEUES);
        break;
    case STEP_SHMEM:
        show_memory(d, tape);
        break;
    default:
        break;
    }
}

/* False: the connection is at its end. */
static bool take_step(FuzzDevice *d, FuzzTape *tape)
{
    uint8_t step = *tape->at;

    if (step < STEP_DEED) {
        fuzz_front_message(&d->front, tape);
        return fuzz_device_obey(d);
    }
    fuzz_u8(tape);
    if (step < STEP_SERVE) {
        fuzz_front_deed(&d->front, step - STEP_DEED, tape);
    } else {
        device_step(d, step, tape);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzTape tape = { data, data + size };
    uint8_t offer = fuzz_u8(&tape);
    uint64_t protocol =
        1ull << VHOST_USER_PROTOCOL_F_CROSS_ENDIAN | 1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE;
    uint64_t features = 0;
    FuzzDevice d;

    protocol |= offer & OFFER_INBAND ? 1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS : 0;
    features |= offer & OFFER_IOMMU ? 1ull << VIRTIO_F_IOMMU_PLATFORM : 0;
    features |= offer & OFFER_IN_ORDER ? 1ull << VIRTIO_F_IN_ORDER : 0;
    fuzz_device_init(&d, features, protocol);
    if (offer & OFFER_SMALL_RINGS) {
        vu_set_max_queue_size(&d.dev, 8);
    }
    for (int n = 0; n < STEPS_MAX && fuzz_more(&tape) && take_step(&d, &tape); n++) {
    }
    fuzz_device_done(&d);
    fuzz_check_leaks();
    return 0;
}
