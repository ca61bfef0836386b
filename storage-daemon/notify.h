/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Telling a service manager how far the program is: the protocol of sd_notify(3), a datagram to
 * the UNIX socket that NOTIFY_SOCKET names.
 */
#ifndef STORAGE_DAEMON_NOTIFY_H
#define STORAGE_DAEMON_NOTIFY_H

/*
 * service_notify_init: connect to the manager, if there is one, while everything is still allowed.
 * A manager that cannot be reached is reported and done without. Main thread, before the sandbox.
 */
void service_notify_init(void);

/* service_notify: tell @state, such as "READY=1". Never blocks; nothing without a manager. */
void service_notify(const char *state);

#endif /* STORAGE_DAEMON_NOTIFY_H */
