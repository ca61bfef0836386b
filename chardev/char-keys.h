/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of --chardev: which kinds have them, and where they go in the schema's struct. */
#ifndef CHARDEV_CHAR_KEYS_H
#define CHARDEV_CHAR_KEYS_H

#include "qapi/qapi-types-char.h"
#include "qapi/type-info.h"

typedef struct CharKey {
    const char *key;
    /* The kinds that have it. */
    unsigned kinds;
    /* The schema's name where it differs. */
    const char *member;
    /* Part of a socket's address; not a member of the device itself. */
    bool address;
} CharKey;

/* The row of @key for the kind @type; NULL if that has no such key. */
const CharKey *char_key_find(const char *key, ChardevBackendKind type);

/* The struct behind "data" of each kind; all wrappers look alike. */
extern const QapiType *const char_data_types[CHARDEV_BACKEND_KIND__MAX];

#endif
