/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of --chardev: which kinds have them, and where they go in the schema's struct. */
#ifndef CHARDEV_CHAR_KEYS_H
#define CHARDEV_CHAR_KEYS_H

#include "qapi/qapi-types-char.h"
#include "qapi/type-info.h"

/* What a key is a member of. */
typedef enum CharKeyPlace {
    CHAR_KEY_DEVICE,
    CHAR_KEY_ADDRESS, /* a socket's, or the peer's */
    CHAR_KEY_LOCAL,   /* our own end's address */
    CHAR_KEY_PLACE__MAX,
} CharKeyPlace;

typedef struct CharKey {
    const char *key;
    /* The kinds that have it. */
    unsigned kinds;
    /* The schema's name where it differs. */
    const char *member;
    CharKeyPlace place;
    /* Of a key that is no member of any struct. */
    const char *help;
} CharKey;

/* The row of @key for the kind @type; NULL if that has no such key. */
const CharKey *char_key_find(const char *key, ChardevBackendKind type);

/* The struct behind "data" of each kind; all wrappers look alike. */
extern const QapiType *const char_data_types[CHARDEV_BACKEND_KIND__MAX];

#endif
