/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device on a GLib main loop.
 *
 * Everything runs in one thread: the one that iterates the main context that was its thread default
 * when vug_init() was called.
 */
#ifndef LIBVHOST_USER_GLIB_H
#define LIBVHOST_USER_GLIB_H

#include <glib.h>
#include "libvhost-user.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct VugDev {
    VuDev parent;
    GHashTable *fdmap; /* descriptor -> GSource of its watch */
    GSource *src;      /* the socket's */
} VugDev;

/**
 * vug_init: vu_init(), with the socket and the kick descriptors watched by the main context.
 *
 * Messages are dispatched as they come. When the connection ends, the socket is no longer watched
 * and @panic is called, once: with the reason, or with "disconnected" if there is none. From there
 * the device may quit its loop; it must not call vug_deinit() before @panic has returned.
 * Returns: false if vu_init() does.
 */
bool vug_init(VugDev *dev, uint16_t max_queues, int socket, vu_panic_cb panic,
              const VuDevIface *iface);

/** vug_deinit: end the device and all its watches; closes the socket as vu_deinit() does. */
void vug_deinit(VugDev *dev);

/**
 * vug_source_new: watch another descriptor of the device's.
 * @vu_cb: called with the conditions that are true, and @data
 * Returns: an attached source, to be ended by vug_source_destroy().
 */
GSource *vug_source_new(VugDev *dev, int fd, GIOCondition cond, vu_watch_cb vu_cb, gpointer data);

/** vug_source_destroy: end and release what vug_source_new() made; NULL is fine. */
void vug_source_destroy(GSource *src);

#ifdef __cplusplus
}
#endif

#endif /* LIBVHOST_USER_GLIB_H */
