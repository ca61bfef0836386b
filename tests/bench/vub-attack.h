/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the attacks have in common; see vub-attack.c. */
#ifndef TESTS_BENCH_VUB_ATTACK_H
#define TESTS_BENCH_VUB_ATTACK_H

#include "vub-client.h"

enum {
    ATTACK_RING_SIZE = 1024,
    ATTACK_HEADERS = 64 * 1024,
    ATTACK_DATA = 1024 * 1024,
    ATTACK_MEMORY = 2 * ATTACK_DATA,
};

typedef struct Attack {
    const char *path;
    int sock; /* -1: the next step begins with a new connection */
    VubMemory memory;
    VubRing ring;
    uint64_t steps;
    uint64_t random;
} Attack;

/* @begin and @step return false when the connection is done with. */
typedef struct AttackMode {
    const char *name;
    const char *what;
    bool (*begin)(Attack *a); /* on a new connection; NULL: nothing */
    bool (*step)(Attack *a);
} AttackMode;

extern const AttackMode attack_modes[];

uint64_t attack_random(Attack *a);
/* The attacker's processor time is not the point: let the daemon work. */
void attack_pause(void);
/* Negotiated, with memory and one ring that runs; the ring is empty. */
bool attack_ring_begin(Attack *a);

/* vub-attack-ring.c: one connection, a ring. */
bool attack_kicks(Attack *a);
bool attack_chains_begin(Attack *a);
bool attack_chains(Attack *a);
bool attack_requests_begin(Attack *a);
bool attack_requests(Attack *a);
bool attack_big_begin(Attack *a);
bool attack_big(Attack *a);
bool attack_poll_begin(Attack *a);
bool attack_poll(Attack *a);

/* vub-attack-connect.c: each step is a connection. */
bool attack_mix(Attack *a);

#endif
