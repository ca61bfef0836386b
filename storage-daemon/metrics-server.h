/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics over HTTP: what query-openmetrics tells, for monitoring systems that scrape.
 *
 * Theory of operation: one listener in the main loop, set up by --metrics; each connection is a
 * coroutine there that reads one request (RFC 9112), answers it and closes. Clients are hostile:
 * the head of a request, the time for all of it and the number of connections at once are bounded,
 * and who is beyond that is cut off or waits in the backlog. There is neither encryption nor a
 * password, so the address must be one that only this host reaches.
 */
#ifndef STORAGE_DAEMON_METRICS_SERVER_H
#define STORAGE_DAEMON_METRICS_SERVER_H

#include "qapi/error.h"

/*
 * metrics_server_start: listen as @arg says (MetricsOptions as KEY=VALUE,... or JSON). Main thread,
 * once; false with *errp set if it is listening already, or cannot.
 */
bool metrics_server_start(const char *arg, Error **errp);

/* metrics_server_stop: close the listener, and all connections. Main thread; may be called twice.
 */
void metrics_server_stop(void);

#endif /* STORAGE_DAEMON_METRICS_SERVER_H */
