/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A blocking vhost-user front-end for the tests of the server: one connection,
 * one page-aligned memory region, some split rings whose requests are a number
 * that the device answers with its successor.
 *
 * Everything here blocks and runs in the client's own thread.
 */
#ifndef TESTS_UNIT_VUS_CLIENT_H
#define TESTS_UNIT_VUS_CLIENT_H

#include "vu-client.h"

enum {
    VUS_CLIENT_QUEUES = 4
};

typedef struct VusClient {
    VuClient guest;
    VuGuestRing rings[VUS_CLIENT_QUEUES];
    GRand *split; /* cut messages at random points; NULL: send them whole */
} VusClient;

/* Speak to a connected socket, which is the client's from now on. */
void vus_client_adopt(VusClient *client, int sock);
/* Connect; returns false when nobody listens. */
bool vus_client_connect(VusClient *client, const char *path);
void vus_client_close(VusClient *client);

/* Send a message of @size bytes of payload, with @fd unless it is negative. */
void vus_client_send(VusClient *client, uint32_t request, uint32_t flags, const void *payload,
                     uint32_t size, int fd);
/* Read one answer and return its first eight bytes of payload; false: the server hung up. */
bool vus_client_receive(VusClient *client, uint64_t *ret_value);
/* Send a request without payload and return its answer. */
bool vus_client_ask(VusClient *client, uint32_t request, uint64_t *ret_value);

/* Negotiate, share the memory, start and enable the first @queues queues. */
void vus_client_start_queues(VusClient *client, unsigned queues);
/* Stop a queue and start it again where it was; requests that are out end meanwhile. */
void vus_client_restart_queue(VusClient *client, unsigned queue);
void vus_client_enable(VusClient *client, unsigned queue, bool on);

/* Put @value on a ring; and kick. */
void vus_client_offer_on(VusClient *client, unsigned queue, uint64_t value);
void vus_client_submit_on(VusClient *client, unsigned queue, uint64_t value);
/* Wait for the oldest answer; false when none comes within @timeout_ms. */
bool vus_client_complete_on(VusClient *client, unsigned queue, int timeout_ms, uint64_t *ret_value);

/* The same with queue 0 only. */
void vus_client_start(VusClient *client);
void vus_client_submit(VusClient *client, uint64_t value);
bool vus_client_complete(VusClient *client, int timeout_ms, uint64_t *ret_value);

#endif
