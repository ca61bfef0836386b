/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client that means harm: does one thing to a vhost-user-blk socket again and again.
 *
 * usage: vub-attack SOCKET MODE SECONDS [STEPS]
 *
 * Says "attacking" after the first step. Ends after SECONDS, or after STEPS if that is sooner, and
 * prints one line of JSON: the mode, its steps, connections and seconds. A daemon that hangs up is
 * connected to again. Without arguments the modes are listed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vub-attack.h"

uint64_t attack_random(Attack *a)
{
    a->random = a->random * 6364136223846793005ull + 1442695040888963407ull;
    return a->random >> 24;
}

void attack_pause(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 }, NULL);
}

bool attack_ring_begin(Attack *a)
{
    uint64_t features;

    a->ring.avail_idx = a->ring.used_idx = 0;
    memset(a->memory.base, 0, ATTACK_HEADERS);
    return vub_negotiate(a->sock,
                         1ull << VUB_F_VERSION_1 | 1ull << VUB_F_INDIRECT | 1ull << VUB_F_PROTOCOL,
                         1 << VUB_PROTOCOL_F_MQ) &&
           vub_memory_share(a->sock, &a->memory) && vub_ring_start(a->sock, &a->ring) &&
           vub_ask_u64(a->sock, VUB_GET_FEATURES, &features);
}

/* ---- Messages ---- */

static bool send_flood(Attack *a, VubMessage *msg, uint32_t size)
{
    static uint8_t burst[64 * 1024];
    size_t each = VUB_HEADER + size, total = sizeof(burst) / each * each;

    for (size_t at = 0; at < total; at += each) {
        memcpy(burst + at, msg, each);
    }
    return send(a->sock, burst, total, MSG_NOSIGNAL) == (ssize_t)total;
}

static bool attack_messages(Attack *a)
{
    return send_flood(a, &(VubMessage){ .request = VUB_SET_OWNER, .flags = 1 }, 0);
}

static bool attack_calls(Attack *a)
{
    VubMessage msg = { .request = VUB_SET_VRING_CALL, .flags = 1, .size = 8, .u64 = VUB_NO_FD };

    return send_flood(a, &msg, 8);
}

static bool attack_tables(Attack *a)
{
    return vub_memory_share(a->sock, &a->memory);
}

static bool attack_refused(Attack *a)
{
    return vub_send_state(a->sock, VUB_SET_VRING_NUM, 0, 3) && false;
}

/* ---- Connections ---- */

static bool attack_dial(Attack *a)
{
    return false;
}

static bool attack_greet(Attack *a)
{
    uint64_t features;

    return vub_ask_u64(a->sock, VUB_GET_FEATURES, &features) && false;
}

static bool attack_leave(Attack *a)
{
    return attack_ring_begin(a) && attack_requests_begin(a) && attack_requests(a) && false;
}

const AttackMode attack_modes[] = {
    { "messages", "messages without a pause", NULL, attack_messages },
    { "calls", "messages that a queue must obey, without a pause", NULL, attack_calls },
    { "tables", "new memory again and again while a ring runs", attack_ring_begin, attack_tables },
    { "refused", "a message that is refused and logged, for each connection", NULL,
      attack_refused },
    { "dial", "connections without a word", NULL, attack_dial },
    { "greet", "connections with one question", NULL, attack_greet },
    { "leave", "connections with a ring, left with requests in it", NULL, attack_leave },
    { "kicks", "kicks of an empty ring", attack_ring_begin, attack_kicks },
    { "chains", "a ring always full of chains that loop", attack_chains_begin, attack_chains },
    { "requests", "a ring always full of requests that fail", attack_requests_begin,
      attack_requests },
    { "big", "requests of 126 MiB", attack_big_begin, attack_big },
    { "poll", "rings that are to be polled", attack_poll_begin, attack_poll },
    { "mix", "a hostile connection of every kind in turn", NULL, attack_mix },
    { NULL },
};

static const AttackMode *find_mode(const char *name)
{
    for (const AttackMode *mode = attack_modes; mode->name; mode++) {
        if (strcmp(mode->name, name) == 0) {
            return mode;
        }
    }
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: vub-attack SOCKET MODE SECONDS [STEPS]\n");
    for (const AttackMode *mode = attack_modes; mode->name; mode++) {
        fprintf(stderr, "  %-10s %s\n", mode->name, mode->what);
    }
    return 2;
}

/* One step, on a new connection if there is none. */
static void advance(Attack *a, const AttackMode *mode, uint64_t *connections)
{
    bool goes_on = true;

    if (a->sock < 0) {
        a->sock = vub_connect(a->path);
        (*connections)++;
        goes_on = !mode->begin || mode->begin(a);
    }
    goes_on = goes_on && mode->step(a);
    if (!goes_on && a->sock >= 0) {
        close(a->sock);
        a->sock = -1;
    }
    a->steps++;
}

int main(int argc, char **argv)
{
    const AttackMode *mode = argc >= 4 ? find_mode(argv[2]) : NULL;
    Attack a = { .sock = -1, .random = 1 };
    uint64_t connections = 0, limit;
    double begin, seconds;

    if (!mode) {
        return usage();
    }
    a.path = argv[1];
    seconds = atof(argv[3]);
    limit = argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX;
    vub_memory_init(&a.memory, ATTACK_MEMORY);
    vub_ring_init(&a.ring, &a.memory, 0, ATTACK_RING_SIZE, 0);
    begin = vub_now();
    while (a.steps < limit && vub_now() < begin + seconds) {
        advance(&a, mode, &connections);
        if (a.steps == 1) {
            printf("attacking\n");
            fflush(stdout);
        }
    }
    printf("{\"mode\": \"%s\", \"steps\": %llu, \"connections\": %llu, \"seconds\": %.3f}\n",
           mode->name, (unsigned long long)a.steps, (unsigned long long)connections,
           vub_now() - begin);
    return 0;
}
