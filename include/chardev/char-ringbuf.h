/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The character device that keeps its last output in memory.
 */
#ifndef CHARDEV_CHAR_RINGBUF_H
#define CHARDEV_CHAR_RINGBUF_H

#include "chardev/char.h"

typedef struct RingBufChardev {
    Chardev parent;

    /* Constant after creation; a power of two. */
    size_t size;
    uint8_t *buf;
    /* Bytes ever written and read; their difference is at most size. */
    size_t prod;
    size_t cons;
} RingBufChardev;

DECLARE_INSTANCE_CHECKER(RingBufChardev, RINGBUF_CHARDEV, TYPE_CHARDEV_RINGBUF)

/* qemu_chr_ringbuf_read: take up to @len of the oldest bytes out; how many there were. */
size_t qemu_chr_ringbuf_read(Chardev *chr, uint8_t *buf, size_t len);

#endif /* CHARDEV_CHAR_RINGBUF_H */
