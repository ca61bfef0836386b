/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vhost-user server that a test starts and drains, in the main loop. */
#ifndef TESTS_UNIT_VUS_SERVER_H
#define TESTS_UNIT_VUS_SERVER_H

#include "qemu/vhost-user-server.h"

/* Listens at @name in the test's folder; VusClientThread connects to "s". */
void vus_server_start(VuServer *server, const char *name, AioContext *ctx, uint16_t queues,
                      const VuDevIface *iface);

/* What a block export does around a drain: it begins, is waited for, and ends in @ctx. */
void vus_server_drain_begin(VuServer *server);
bool vus_server_busy(VuServer *server);
void vus_server_drain_poll(VuServer *server);
void vus_server_drain_end(VuServer *server, AioContext *ctx);

/* Begun and waited for. */
void vus_server_drain(VuServer *server);

#endif
