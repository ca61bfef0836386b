/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dirty log of live migration: one bit for each 4 KiB of guest memory that we wrote to.
 *
 * Control owns the mapping and the descriptor that is signalled. Queues borrow both; they are told
 * about a change before the old one goes (vu_vrings_refresh() returns when every queue has heard of
 * it).
 *
 * The order is: write, mark, show. What the device has written is marked when the element is
 * filled, and so before the guest can see it used; what we write to a ring is marked at once
 * afterwards. A front-end that reads and clears the log and then copies the page may copy it once
 * too often, but never once too few; when the ring has been stopped, nothing is unmarked.
 *
 * All the memory that an element lets the device write is marked, whatever the used length says: a
 * status, for one, lies behind data of which none may have been written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vu-internal.h"

void vu_log_range(const VuLog *log, uint64_t gpa, uint64_t len)
{
    uint64_t page, last;

    if (len == 0 || __builtin_add_overflow(gpa, len - 1, &last)) {
        return;
    }
    last /= VHOST_LOG_PAGE;
    for (page = gpa / VHOST_LOG_PAGE; page <= last; page++) {
        if (page / 8 >= log->bytes) {
            return;
        }
        /* Who finds the mark and takes it away must find in the page what was written. */
        __atomic_fetch_or(&log->bitmap[page / 8], 1u << (page % 8), __ATOMIC_RELEASE);
    }
}

void vu_log_ring_part(const VuLog *log, const VuRingPart *part, uint64_t offset, uint64_t len)
{
    if (VU_LIKELY(!log)) {
        return;
    }
    if (!part->runs) {
        vu_log_range(log, part->gpa + offset, len);
        return;
    }
    for (unsigned int i = 0; i < part->nruns; i++) {
        const VuRun *run = &part->runs[i];
        uint64_t from = offset > run->at ? offset : run->at;
        uint64_t end = offset + len < run->at + run->len ? offset + len : run->at + run->len;

        if (from < end) {
            vu_log_range(log, run->gpa + (from - run->at), end - from);
        }
    }
}

static void log_free(VuDev *dev, VuLog *log)
{
    if (log) {
        vu_bus_unguard(log->guard);
        vu_unmap_file(dev, log->mapping.addr, log->mapping.len);
        free(log);
    }
}

static int log_new(VuDev *dev, const VhostUserLog *where, int fd, VuLog **ret_log)
{
    VuMapping mapping;
    VuLog *log;
    int rc = vu_map_file(dev, fd, where->mmap_offset, where->mmap_size, &mapping);

    if (rc < 0) {
        return vu_refuse(dev, -rc, "could not map a log of %#llx bytes at offset %#llx: %s",
                         (unsigned long long)where->mmap_size,
                         (unsigned long long)where->mmap_offset, vu_map_error(rc));
    }
    log = calloc(1, sizeof(*log));
    if (log) {
        log->guard = vu_bus_guard(dev, mapping.addr, mapping.len, mapping.page_size);
    }
    if (!log || !log->guard) {
        vu_unmap_file(dev, mapping.addr, mapping.len);
        free(log);
        return vu_refuse(dev, ENOMEM, "no memory for the dirty log");
    }
    log->mapping = mapping;
    log->bitmap = mapping.start;
    log->bytes = where->mmap_size;
    *ret_log = log;
    return 0;
}

int vu_set_log_base(VuDev *dev, VhostUserMsg *msg)
{
    const VhostUserLog where = msg->payload.log;
    VuLog *old = dev->priv->dirty_log;
    VuLog *log = NULL;
    int rc = log_new(dev, &where, msg->fds[0], &log);

    if (rc < 0) {
        return rc;
    }
    dev->priv->dirty_log = log;
    vu_vrings_refresh(dev);
    log_free(dev, old);
    return vu_reply_u64(msg, 0);
}

int vu_set_log_fd(VuDev *dev, VhostUserMsg *msg)
{
    int old = dev->priv->log_call_fd;
    bool is_eventfd;
    int rc = vu_signal_fd_prepare(msg->fds[0], &is_eventfd);

    if (rc < 0) {
        return vu_refuse(dev, -rc, "the log descriptor cannot be used: %s", strerror(-rc));
    }
    dev->priv->log_call_fd = vu_message_take_fd(msg, 0);
    dev->priv->log_call_is_eventfd = is_eventfd;
    vu_vrings_refresh(dev);
    vu_close_fd(&old);
    return VU_DONE;
}

void vu_log_done(VuDev *dev)
{
    log_free(dev, dev->priv->dirty_log);
    dev->priv->dirty_log = NULL;
    vu_close_fd(&dev->priv->log_call_fd);
}
