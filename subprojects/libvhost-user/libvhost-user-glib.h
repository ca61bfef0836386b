/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device on a GLib main loop.
 *
 * Everything runs in the thread that iterates the default main context.
 */
#ifndef LIBVHOST_USER_GLIB_H
#define LIBVHOST_USER_GLIB_H

#include <glib.h>
#include "libvhost-user.h"

typedef struct VugDev {
    VuDev parent;
    GHashTable *fdmap; /* descriptor -> GSource of its watch */
    GSource *src;      /* the socket's */
} VugDev;

/**
 * vug_init: vu_init(), with the socket and the kick descriptors watched by the default main
 * context. Messages are dispatched until the connection ends; then the socket's source removes
 * itself and, for a connection that just ended, @panic is told "disconnected".
 * Returns: false if vu_init() does.
 */
bool vug_init(VugDev *dev, uint16_t max_queues, int socket, vu_panic_cb panic,
              const VuDevIface *iface);

/** vug_deinit: end the device; safe to call from @panic's caller only after it returned. */
void vug_deinit(VugDev *dev);

/**
 * vug_source_new: watch another descriptor of the device's.
 * @vu_cb: called with @data whenever one of @cond is true
 * Returns: an attached source, to be ended by vug_source_destroy().
 */
GSource *vug_source_new(VugDev *dev, int fd, GIOCondition cond, vu_watch_cb vu_cb, gpointer data);

/** vug_source_destroy: end and release what vug_source_new() made; NULL is fine. */
void vug_source_destroy(GSource *src);

#endif /* LIBVHOST_USER_GLIB_H */
