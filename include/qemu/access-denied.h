/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why access was denied, if it is not for the permissions that a user sees. Ours.
 */
#ifndef QEMU_ACCESS_DENIED_H
#define QEMU_ACCESS_DENIED_H

typedef enum AccessKind {
    ACCESS_FILE,   /* open or make the file at the path */
    ACCESS_SOCKET, /* make a socket at the path */
    ACCESS_NETWORK,
} AccessKind;

/* What denies @kind of access (to @path, NULL for the network) and what allows it; NULL: nothing.
 */
typedef const char *AccessDenier(AccessKind kind, const char *path);

/** access_denied_set_denier: Tell who else may deny access. Main loop's thread, before others. */
void access_denied_set_denier(AccessDenier *denier);

/**
 * access_denied_why: What to put behind the text of @err, the errno of what failed.
 *
 * Returns "", or the reason in parentheses after a space; it lives until the thread asks again.
 * errno stays as it is. Any thread.
 */
const char *access_denied_why(int err, AccessKind kind, const char *path);

#endif /* QEMU_ACCESS_DENIED_H */
