/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user device on a GLib main loop: watches are GSources.
 */
#include "libvhost-user-glib.h"

typedef struct VugSource {
    GSource parent;
    VugDev *dev;
    gpointer tag;
    vu_watch_cb cb;
    gpointer data;
} VugSource;

static gboolean vug_source_check(GSource *src)
{
    return g_source_query_unix_fd(src, ((VugSource *)src)->tag) != 0;
}

static gboolean vug_source_dispatch(GSource *src, GSourceFunc unused, gpointer unused_data)
{
    VugSource *s = (VugSource *)src;

    s->cb(&s->dev->parent, g_source_query_unix_fd(src, s->tag), s->data);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs vug_source_funcs = {
    .check = vug_source_check,
    .dispatch = vug_source_dispatch,
};

GSource *vug_source_new(VugDev *dev, int fd, GIOCondition cond, vu_watch_cb vu_cb, gpointer data)
{
    GSource *src = g_source_new(&vug_source_funcs, sizeof(VugSource));
    VugSource *s = (VugSource *)src;

    s->dev = dev;
    s->tag = g_source_add_unix_fd(src, fd, cond);
    s->cb = vu_cb;
    s->data = data;
    g_source_attach(src, g_main_context_get_thread_default());
    return src;
}

void vug_source_destroy(GSource *src)
{
    if (src) {
        g_source_destroy(src);
        g_source_unref(src);
    }
}

static void vug_set_watch(VuDev *vu, int fd, int condition, vu_watch_cb cb, void *data)
{
    VugDev *dev = (VugDev *)vu;

    g_hash_table_replace(dev->fdmap, GINT_TO_POINTER(fd),
                         vug_source_new(dev, fd, condition, cb, data));
}

static void vug_remove_watch(VuDev *vu, int fd)
{
    g_hash_table_remove(((VugDev *)vu)->fdmap, GINT_TO_POINTER(fd));
}

static void vug_message_ready(VuDev *vu, int condition, void *data)
{
    VugDev *dev = (VugDev *)vu;

    if (vu_dispatch(vu)) {
        return;
    }
    vug_source_destroy(dev->src);
    dev->src = NULL;
    /* What broke it was told; the end of the stream was not. */
    if (!vu->broken && vu->panic) {
        vu->broken = true;
        vu->panic(vu, "disconnected");
    }
}

static void destroy_value(gpointer src)
{
    vug_source_destroy(src);
}

bool vug_init(VugDev *dev, uint16_t max_queues, int socket, vu_panic_cb panic,
              const VuDevIface *iface)
{
    if (!vu_init(&dev->parent, max_queues, socket, panic, NULL, vug_set_watch, vug_remove_watch,
                 iface)) {
        return false;
    }
    dev->fdmap = g_hash_table_new_full(NULL, NULL, NULL, destroy_value);
    dev->src = vug_source_new(dev, socket, G_IO_IN, vug_message_ready, NULL);
    return true;
}

void vug_deinit(VugDev *dev)
{
    vug_source_destroy(dev->src);
    dev->src = NULL;
    vu_deinit(&dev->parent);
    g_hash_table_destroy(dev->fdmap);
    dev->fdmap = NULL;
}
