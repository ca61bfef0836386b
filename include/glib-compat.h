/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GLib, under the name by which QEMU's files include it. */
#ifndef QEMU_GLIB_COMPAT_H
#define QEMU_GLIB_COMPAT_H

#include <glib.h>
#include <glib/gstdio.h>

#endif
