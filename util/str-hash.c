/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4 by Aumasson and Bernstein, with a key of this process. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/str-hash.h"

#include <sys/random.h>

typedef struct SipState {
    uint64_t v0, v1, v2, v3;
} SipState;

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(SipState *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_take(SipState *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

uint64_t str_hash_siphash(const uint64_t key[2], const void *data, size_t len)
{
    SipState s = { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
                   key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };
    uint64_t last = (uint64_t)len << 56;
    const uint8_t *p = data;

    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        sip_take(&s, ldq_le_p(p));
    }
    for (size_t i = 0; i < len % 8; i++) {
        last |= (uint64_t)p[i] << 8 * i;
    }
    sip_take(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static const uint64_t *process_key(void)
{
    static uint64_t key[2];
    static gsize made;

    if (g_once_init_enter(&made)) {
        if (getrandom(key, sizeof(key), GRND_NONBLOCK) != sizeof(key)) {
            /* So early after the machine's start: what GLib can find. */
            key[0] = (uint64_t)g_random_int() << 32 | g_random_int();
            key[1] = (uint64_t)g_random_int() << 32 | g_random_int();
        }
        g_once_init_leave(&made, 1);
    }
    return key;
}

guint str_hash_seeded(gconstpointer str)
{
    return str_hash_siphash(process_key(), str, strlen(str));
}

GHashTable *str_table_new(void)
{
    return g_hash_table_new(str_hash_seeded, g_str_equal);
}
