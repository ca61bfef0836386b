/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What RLIMIT_AS leaves of the addresses that a process may have.
 *
 * Where the limit is reached every allocation fails, and most of them must not. So those that can
 * be done without, or later, stop before that: each leaves what is more important its part.
 *
 *   to be left      by
 *   256 MiB         what a client has us map (subprojects/libvhost-user/vu-mapping.c)
 *   64 MiB          stacks of requests, worker threads, new clients
 *   16 MiB          the stack of the only request of its queue
 *   nothing         the heap, and coroutines that somebody waits for
 */
#ifndef QEMU_ADDRESS_SPACE_H
#define QEMU_ADDRESS_SPACE_H

#include "qemu/osdep.h"

/* Bytes, as in the table above. */
#define ADDRESS_SPACE_RESERVE      ((size_t)64 << 20)
#define ADDRESS_SPACE_LAST_RESERVE ((size_t)16 << 20)
/* What a thread may need: its stack, and what the C library takes for its heap. */
#define ADDRESS_SPACE_OF_THREAD ((size_t)(8 + 128) << 20)

/**
 * qemu_address_space_left: Could @bytes be mapped now, as far as RLIMIT_AS is concerned?
 *
 * Any thread; does not block. It takes nothing, not even for a moment, so that it may be asked
 * while others are at the limit. True as well when there is no limit, or it cannot be told.
 */
bool qemu_address_space_left(size_t bytes);

#endif
