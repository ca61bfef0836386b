/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors: QMP sessions over character devices.
 *
 * Theory of operation: monitor_init() attaches a monitor to a chardev; each connection of the
 * chardev is a session of its own with a greeting and a negotiation. Requests of all monitors
 * are executed one at a time, in the main loop but never inside another request; a monitor
 * reads on only when its last request has been answered and the answer is on its way, so that
 * a client that does not read holds back nobody but itself. Events go to every session that
 * has ended its negotiation; a client that lets too many of them pile up is cut off.
 *
 * Main loop, except where said.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "qapi/qapi-types-control.h"
#include "qapi/qmp-registry.h"
#include "qemu/coroutine-core.h"

/* Commands after and before qmp_capabilities. */
extern QmpCommandList qmp_commands, qmp_cap_negotiation_commands;

/*
 * monitor_init_globals: fill the table of commands and catch events from any thread.
 * @register_commands: the generated qmp_init_marshal(), which lies above this layer.
 */
void monitor_init_globals(void (*register_commands)(QmpCommandList *cmds));

/* monitor_init: a new monitor. @allow_hmp must be false. 0, or -1 with @errp set. */
int monitor_init(MonitorOptions *opts, bool allow_hmp, Error **errp);

/* monitor_init_from_str: the same from the text of a --monitor option. */
bool monitor_init_from_str(const char *text, Error **errp);

/*
 * monitor_cleanup: send what still waits to be sent, blocking at most a second for a client
 * that takes nothing, and delete all monitors.
 */
void monitor_cleanup(void);

/*
 * monitor_cur: the monitor whose command is being executed, NULL outside of commands. One that
 * yields knows it until then.
 */
Monitor *monitor_cur(void);
bool monitor_cur_is_qmp(void);

/* monitor_package: what the greeting and query-version say about who we are. */
const char *monitor_package(void);

#endif /* MONITOR_MONITOR_H */
