/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What RLIMIT_AS leaves: asked of the kernel without taking it.
 *
 * A mapping that is made for a try would, for as long as it is there, have an allocation in another
 * thread fail. But the kernel looks at the limit first, and asks the file whether it can be mapped
 * after that; a socket never can. So mapping a socket fails in either case, and the error tells.
 */
#include "qemu/osdep.h"
#include "qemu/address-space.h"
#include "qemu/atomic.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Kept once it is needed, for there may be no descriptor when it is needed again. */
static int probe_socket(void)
{
    static int probe = -1;
    int fd = qatomic_read(&probe);

    if (fd < 0) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            int other = qatomic_cmpxchg(&probe, -1, fd);

            if (other >= 0) {
                close(fd);
                fd = other;
            }
        }
    }
    return fd;
}

bool qemu_address_space_left(size_t bytes)
{
    struct rlimit limit;
    void *addr;
    int fd;

    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) {
        return true;
    }
    fd = probe_socket();
    if (fd < 0) {
        return true;
    }
    addr = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (addr != MAP_FAILED) {
        munmap(addr, bytes);
        return true;
    }
    return errno != ENOMEM;
}
