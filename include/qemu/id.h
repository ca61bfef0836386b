/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of things: which are well-formed, and names for things that the user did not name. */
#ifndef QEMU_ID_H
#define QEMU_ID_H

typedef enum IdSubSystems {
    ID_QDEV,
    ID_BLOCK,
    ID_CHR,
    ID_NET,
    ID__MAX,
} IdSubSystems;

/*
 * A name that no user can give and that nobody got before in this process: "#block" and digits.
 * Any thread. The caller frees.
 */
char *id_generate(IdSubSystems id);

/* Whether @id begins with a letter and goes on with letters, digits, '-', '.' and '_'. */
bool id_wellformed(const char *id);

#endif
