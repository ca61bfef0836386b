/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device that swallows its output and never has input.
 */
#include "qemu/osdep.h"
#include "chardev/char.h"

static void null_chr_open(Chardev *chr, ChardevBackend *backend, bool *be_opened, Error **errp)
{
    *be_opened = false;
}

static void null_chr_class_init(ObjectClass *oc, const void *data)
{
    CHARDEV_CLASS(oc)->open = null_chr_open;
}

static const TypeInfo null_chr_types[] = {
    {
        .name = TYPE_CHARDEV_NULL,
        .parent = TYPE_CHARDEV,
        .class_init = null_chr_class_init,
    },
};

DEFINE_TYPES(null_chr_types)
