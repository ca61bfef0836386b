/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device on GLib's main loop, in C and in C++: it tells a front-end that has gone from one that
 * has not. usage: glib-device DESCRIPTOR, of a connected socket. */
#include <libvhost-user-glib.h>
#include <vu-gpu.h>

#include <stdlib.h>

static GMainLoop *loop;

static void gone(VuDev *dev, const char *why)
{
    (void)dev;
    g_print("%s\n", why);
    g_main_loop_quit(loop);
}

int main(int argc, char **argv)
{
    static VuDevIface iface;
    static VugDev dev;

    loop = g_main_loop_new(NULL, FALSE);
    if (argc != 2 || !vug_init(&dev, 1, atoi(argv[1]), gone, &iface)) {
        return 1;
    }
    g_main_loop_run(loop);
    vug_deinit(&dev);
    g_main_loop_unref(loop);
    return 0;
}
