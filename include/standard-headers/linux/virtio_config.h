/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system's header, under the path that the drop-in set includes it by. */
#include <linux/virtio_config.h>
