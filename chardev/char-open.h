/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening without holding up others: for ChardevClass.open. In a coroutine they yield, and fail
 * after 0.8 seconds for a path, ten for a socket; elsewhere they wait until a signal asks the
 * program to end. Main thread.
 */
#ifndef CHARDEV_CHAR_OPEN_H
#define CHARDEV_CHAR_OPEN_H

#include "qemu/sockets.h"

/* open() of @path, with access for all where it makes a file; the descriptor, or -errno. */
int qemu_chr_try_open_path(const char *path, int flags);
/* The same with the error in words: negative with @errp, as those below. */
int qemu_chr_open_path(const char *path, int flags, Error **errp);
/* A connection to @addr. */
int qemu_chr_open_stream(SocketAddress *addr, Error **errp);
/* A socket for datagrams to @remote, bound to @local, which may be NULL. */
int qemu_chr_open_dgram(SocketAddress *remote, SocketAddress *local, Error **errp);

#endif
