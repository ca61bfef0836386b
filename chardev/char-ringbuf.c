/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device that keeps its last output in memory.
 */
#include "qemu/osdep.h"
#include "chardev/char-ringbuf.h"
#include "qemu/host-utils.h"

#define RINGBUF_SIZE_DEFAULT 65536
#define RINGBUF_SIZE_MAX     (1 << 30)

static int ringbuf_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    RingBufChardev *s = RINGBUF_CHARDEV(chr);

    for (int i = 0; i < len; i++) {
        s->buf[s->prod++ & (s->size - 1)] = buf[i];
    }
    if (s->prod - s->cons > s->size) {
        s->cons = s->prod - s->size;
    }
    return len;
}

size_t qemu_chr_ringbuf_read(Chardev *chr, uint8_t *buf, size_t len)
{
    RingBufChardev *s = RINGBUF_CHARDEV(chr);
    size_t i;

    for (i = 0; i < len && s->cons != s->prod; i++) {
        buf[i] = s->buf[s->cons++ & (s->size - 1)];
    }
    return i;
}

static void ringbuf_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    ChardevRingbuf *opts = backend->u.ringbuf.data;
    RingBufChardev *s = RINGBUF_CHARDEV(chr);
    int64_t size = opts->has_size ? opts->size : RINGBUF_SIZE_DEFAULT;

    if (size <= 0 || !is_power_of_2(size)) {
        error_setg(errp, "size of ringbuf chardev must be power of two");
        return;
    }
    if (size > RINGBUF_SIZE_MAX) {
        error_setg(errp, "size of ringbuf chardev must be at most %d", RINGBUF_SIZE_MAX);
        return;
    }
    s->size = size;
    s->buf = g_malloc0(size);
}

static void ringbuf_chr_finalize(Object *obj)
{
    g_free(RINGBUF_CHARDEV(obj)->buf);
}

static void ringbuf_chr_class_init(ObjectClass *oc, const void *data)
{
    ChardevClass *cc = CHARDEV_CLASS(oc);

    cc->open = ringbuf_chr_open;
    cc->chr_write = ringbuf_chr_write;
}

static const TypeInfo ringbuf_chr_types[] = {
    {
        .name = TYPE_CHARDEV_RINGBUF,
        .parent = TYPE_CHARDEV,
        .instance_size = sizeof(RingBufChardev),
        .instance_finalize = ringbuf_chr_finalize,
        .class_init = ringbuf_chr_class_init,
    },
    {
        .name = TYPE_CHARDEV_MEMORY,
        .parent = TYPE_CHARDEV_RINGBUF,
    },
};

DEFINE_TYPES(ringbuf_chr_types)
