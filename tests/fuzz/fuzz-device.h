/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device on libvhost-user in the fuzzer's own thread: its watches are a table, it reads and
 * writes every buffer it is given, and holds requests as long as the input wants.
 */
#ifndef TESTS_FUZZ_FUZZ_DEVICE_H
#define TESTS_FUZZ_FUZZ_DEVICE_H

#include "fuzz-vu.h"

#define FUZZ_QUEUES 4
#define FUZZ_HELD   32

typedef struct FuzzWatch {
    int fd;
    vu_watch_cb cb;
    void *data;
} FuzzWatch;

typedef struct FuzzDevice {
    VuDev dev;
    FuzzFront front;
    FuzzWatch watches[FUZZ_QUEUES];
    int nwatches;
    /* Takes a request, and its memory; NULL: the device fills buffers, or holds requests. */
    void (*request)(struct FuzzDevice *d, unsigned queue, VuVirtqElement *elem);
    bool hold;
    VuVirtqElement *held[FUZZ_HELD];
    unsigned held_of[FUZZ_HELD]; /* the queue of each */
    unsigned nheld;
    uint8_t config[64];
    uint64_t features; /* what the device offers besides the library */
    uint64_t protocol;
} FuzzDevice;

/* @features, @protocol: what the device offers besides the library. */
void fuzz_device_init(FuzzDevice *d, uint64_t features, uint64_t protocol);
/* End of the connection; asserts that no watch is left. */
void fuzz_device_done(FuzzDevice *d);
/* Obey what has been sent. False: the connection is at its end. */
bool fuzz_device_obey(FuzzDevice *d);
/* Obey one message that must be accepted: part of a set-up. */
void fuzz_device_must(FuzzDevice *d, uint32_t request, const void *payload, uint32_t size, int fd);
/* Serve the watches that are ready. */
void fuzz_device_serve(FuzzDevice *d);
/* Give held requests back to the guest: the newest first if @backwards. */
void fuzz_device_complete(FuzzDevice *d, unsigned n, bool backwards);

#endif
