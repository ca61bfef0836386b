/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why access was denied; see the header. */
#include "qemu/osdep.h"
#include "qemu/access-denied.h"

static AccessDenier *access_denier;

void access_denied_set_denier(AccessDenier *denier)
{
    access_denier = denier;
}

const char *access_denied_why(int err, AccessKind kind, const char *path)
{
    static __thread char text[256];
    int saved_errno = errno;
    const char *reason = NULL;

    if (access_denier && (err == EACCES || err == EPERM)) {
        reason = access_denier(kind, path);
        errno = saved_errno;
    }
    if (!reason) {
        return "";
    }
    snprintf(text, sizeof(text), " (%s)", reason);
    return text;
}
