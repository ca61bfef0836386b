/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a device shares: objects with other devices, memory with the guest.
 *
 * An object is a descriptor under a UUID. A shared memory region is a window of the device's into
 * which files are mapped by the front-end, on demand of the device; GET_SHMEM_CONFIG tells how
 * large each window is.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vu-internal.h"

/* ---- Shared objects ---- */

int vu_get_shared_object(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserShared object = msg->payload.object;
    int fd = dev->iface->get_shared_object ? dev->iface->get_shared_object(dev, object.uuid) : -1;

    msg->size = 0;
    msg->fd_num = fd >= 0 ? 1 : 0;
    msg->fds[0] = fd;
    return VU_REPLY;
}

static bool shared_object_request(VuDev *dev, int request, const unsigned char *uuid, int *ret_fd)
{
    VhostUserMsg msg = { .request = request, .size = sizeof(msg.payload.object) };

    memcpy(msg.payload.object.uuid, uuid, UUID_LEN);
    return vu_backend_request(dev, VHOST_USER_PROTOCOL_F_SHARED_OBJECT, &msg, ret_fd);
}

bool vu_lookup_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN], int *dmabuf_fd)
{
    return shared_object_request(dev, VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP, uuid, dmabuf_fd) &&
           *dmabuf_fd >= 0;
}

bool vu_add_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN])
{
    return shared_object_request(dev, VHOST_USER_BACKEND_SHARED_OBJECT_ADD, uuid, NULL);
}

bool vu_rm_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN])
{
    return shared_object_request(dev, VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE, uuid, NULL);
}

/* ---- Shared memory ---- */

static bool page_aligned(uint64_t n)
{
    return (n & (sysconf(_SC_PAGESIZE) - 1)) == 0;
}

/* The device's answer, counted. False: it has none, or one that nobody can use. */
static bool shmem_config(VuDev *dev, VhostUserShMemConfig *config)
{
    memset(config, 0, sizeof(*config));
    if (!dev->iface->get_shmem_config || dev->iface->get_shmem_config(dev, config) != 0) {
        return false;
    }
    config->nregions = 0;
    config->padding = 0;
    for (int i = 0; i < VHOST_USER_MAX_SHMEM_REGIONS; i++) {
        if (!page_aligned(config->size[i])) {
            return false;
        }
        config->nregions += config->size[i] != 0;
    }
    return true;
}

int vu_get_shmem_config(VuDev *dev, VhostUserMsg *msg)
{
    VhostUserShMemConfig config;

    if (!shmem_config(dev, &config)) {
        return vu_refuse(dev, EINVAL, "the device cannot tell its shared memory regions");
    }
    msg->payload.shmem = config;
    msg->size = sizeof(msg->payload.shmem);
    return VU_REPLY;
}

/* Is it a non-empty part of a region, in whole pages? */
static bool shmem_range_ok(VuDev *dev, const VhostUserMMap *map)
{
    VhostUserShMemConfig config;
    uint64_t size;

    if (!shmem_config(dev, &config)) {
        return false;
    }
    size = config.size[map->shmid];
    return map->len > 0 && page_aligned(map->len) && page_aligned(map->shm_offset) &&
           page_aligned(map->fd_offset) && map->len <= size && map->shm_offset <= size - map->len;
}

static bool shmem_request(VuDev *dev, int request, const VhostUserMMap *map, int fd)
{
    VhostUserMsg msg = {
        .request = request,
        .size = sizeof(msg.payload.mmap),
        .payload.mmap = *map,
        .fds = { fd },
        .fd_num = fd >= 0 ? 1 : 0,
    };

    memset(msg.payload.mmap.padding, 0, sizeof(msg.payload.mmap.padding));
    return shmem_range_ok(dev, map) &&
           vu_backend_request(dev, VHOST_USER_PROTOCOL_F_SHMEM_MAP, &msg, NULL);
}

bool vu_shmem_map(VuDev *dev, const VhostUserMMap *map, int fd)
{
    return fd >= 0 && shmem_request(dev, VHOST_USER_BACKEND_SHMEM_MAP, map, fd);
}

bool vu_shmem_unmap(VuDev *dev, const VhostUserMMap *map)
{
    VhostUserMMap whole = { .shmid = map->shmid, .shm_offset = map->shm_offset, .len = map->len };

    return shmem_request(dev, VHOST_USER_BACKEND_SHMEM_UNMAP, &whole, -1);
}
