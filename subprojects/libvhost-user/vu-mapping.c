/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the front-end, mapped: which ones, how, and how much.
 *
 * A mapping costs the front-end nothing, whatever its size: a sparse file may be larger than any
 * memory. But addresses are what everything in this process allocates from, and where they run out
 * whoever comes next fails, be it another device or the allocator itself. So what is mapped is
 * limited, for each device and for all of the process together; and where the process has a limit
 * of addresses (RLIMIT_AS), so that something of it is left.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "vu-internal.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#if UINTPTR_MAX > UINT32_MAX
/* Of the 128 TiB that a process has on most machines. */
#define DEVICE_MAX  ((uint64_t)16 << 40)
#define PROCESS_MAX ((uint64_t)96 << 40)
#else
#define DEVICE_MAX  ((uint64_t)1 << 30)
#define PROCESS_MAX ((uint64_t)2 << 30)
#endif

/*
 * Of RLIMIT_AS, for the heap and for what requests need: stacks of coroutines, say, of a mebibyte
 * each. With less, requests may have to wait for each other, but nothing may fail.
 */
#define HEADROOM ((uint64_t)256 << 20)
/* Beside what is small and a ring cannot do without. */
#define HEADROOM_SMALL ((uint64_t)32 << 20)

static uint64_t process_mapped; /* atomic */
/* Held from the look at what is left until it has been taken. */
static pthread_mutex_t room_lock = PTHREAD_MUTEX_INITIALIZER;

static bool take(uint64_t *counter, uint64_t len, uint64_t max)
{
    if (len <= max && __atomic_add_fetch(counter, len, __ATOMIC_RELAXED) <= max) {
        return true;
    }
    if (len <= max) {
        __atomic_sub_fetch(counter, len, __ATOMIC_RELAXED);
    }
    return false;
}

static bool reserve(VuDev *dev, uint64_t len)
{
    if (!take(&dev->priv->mapped, len, DEVICE_MAX)) {
        return false;
    }
    if (!take(&process_mapped, len, PROCESS_MAX)) {
        __atomic_sub_fetch(&dev->priv->mapped, len, __ATOMIC_RELAXED);
        return false;
    }
    return true;
}

static void release(VuDev *dev, uint64_t len)
{
    __atomic_sub_fetch(&process_mapped, len, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&dev->priv->mapped, len, __ATOMIC_RELAXED);
}

/*
 * On a file system in user space an access to the mapping waits until some process answers: the
 * front-end could have us wait for ever.
 */
static int check_file_system(int fd, size_t *ret_page)
{
    struct statfs fs;

    *ret_page = sysconf(_SC_PAGESIZE);
    if (fstatfs(fd, &fs) < 0) {
        return 0;
    }
    if ((uint32_t)fs.f_type == FUSE_SUPER_MAGIC) {
        return -EMEDIUMTYPE;
    }
    if (fs.f_type == HUGETLBFS_MAGIC) {
        *ret_page = fs.f_bsize;
    }
    return 0;
}

static int check_size(int fd, uint64_t end)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    return S_ISREG(st.st_mode) && end > (uint64_t)st.st_size ? -ENXIO : 0;
}

/*
 * Does RLIMIT_AS leave @headroom beside @len bytes? Mapping so much for a try would, as long as
 * it is there, have allocations of other threads fail. But a socket can never be mapped, and the
 * kernel says so only after it has looked at the limit: the error is the answer.
 */
static bool has_room(VuDev *dev, uint64_t len, uint64_t headroom)
{
    struct rlimit limit;
    void *addr;

    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) {
        return true;
    }
    if (len > SIZE_MAX - headroom) {
        return false;
    }
    addr = mmap(NULL, len + headroom, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, dev->sock, 0);
    if (addr != MAP_FAILED) {
        munmap(addr, len + headroom);
        return true;
    }
    return errno != ENOMEM;
}

int vu_map_pages(VuDev *dev, size_t len, int prot, VuMapSource source, void **ret_addr)
{
    int flags = MAP_NORESERVE | (source.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    uint64_t headroom = source.fd < 0 ? HEADROOM_SMALL : HEADROOM;
    void *addr = MAP_FAILED;
    int err = EDQUOT;

    pthread_mutex_lock(&room_lock);
    if (has_room(dev, len, headroom)) {
        addr = mmap(NULL, len, prot, flags, source.fd, source.offset);
        err = errno;
    }
    pthread_mutex_unlock(&room_lock);
    if (addr == MAP_FAILED) {
        return -err;
    }
    *ret_addr = addr;
    return 0;
}

static int map_reserved(VuDev *dev, int fd, uint64_t offset, uint64_t len, void **ret_addr)
{
    int rc;

    if (len > SIZE_MAX || !reserve(dev, len)) {
        return -EOVERFLOW;
    }
    rc = vu_map_pages(dev, len, PROT_READ | PROT_WRITE, (VuMapSource){ fd, offset }, ret_addr);
    if (rc < 0) {
        release(dev, len);
        return rc;
    }
    /* Guest memory does not belong into our core files. */
    madvise(*ret_addr, len, MADV_DONTDUMP);
    return 0;
}

int vu_map_file(VuDev *dev, int fd, uint64_t offset, uint64_t size, VuMapping *ret_mapping)
{
    uint64_t end, delta, len;
    void *addr = NULL;
    size_t page;
    int rc = check_file_system(fd, &page);

    if (rc < 0) {
        return rc;
    }
    if (size == 0 || __builtin_add_overflow(offset, size, &end) || end > INT64_MAX - page) {
        return -EINVAL;
    }
    rc = check_size(fd, end);
    if (rc < 0) {
        return rc;
    }
    delta = offset & (page - 1);
    len = (delta + size + page - 1) & ~(uint64_t)(page - 1);
    rc = map_reserved(dev, fd, offset - delta, len, &addr);
    if (rc == 0) {
        *ret_mapping = (VuMapping){ addr, len, (uint8_t *)addr + delta, page };
    }
    return rc;
}

void vu_unmap_file(VuDev *dev, void *addr, size_t len)
{
    munmap(addr, len);
    release(dev, len);
}

const char *vu_map_error(int rc)
{
    switch (rc) {
    case -ENXIO:
        return "its file is shorter";
    case -EOVERFLOW:
        return "so much cannot be mapped";
    case -EDQUOT:
        return "too little of the address space (RLIMIT_AS) would be left";
    case -EMEDIUMTYPE:
        return "its file system is served by a process";
    default:
        return strerror(-rc);
    }
}
