/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The base of character devices that are one or two plain descriptors.
 */
#ifndef CHARDEV_CHAR_FD_H
#define CHARDEV_CHAR_FD_H

#include "chardev/char.h"

struct FDChardev {
    Chardev parent;

    QIOChannel *ioc_in;
    QIOChannel *ioc_out;
};

typedef struct FDChardev FDChardev;
DECLARE_INSTANCE_CHECKER(FDChardev, FD_CHARDEV, TYPE_CHARDEV_FD)

/*
 * qemu_chr_open_fd: read from @fd_in and write to @fd_out, which become the device's and
 * non-blocking. -1 for a direction that does not exist; both may be the same.
 */
bool qemu_chr_open_fd(Chardev *chr, int fd_in, int fd_out, Error **errp);

/* qemu_chr_fd_disconnected: the input has ended: stop watching and tell the frontend. */
void qemu_chr_fd_disconnected(Chardev *chr);

#endif /* CHARDEV_CHAR_FD_H */
