/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it costs to wake up a thread that sleeps, on this host. */
#ifndef QEMU_WAKEUP_COST_H
#define QEMU_WAKEUP_COST_H

/* More than this is not the host's cost, but that of others who are busy on it. */
#define WAKEUP_COST_MAX_NS 200000

/**
 * qemu_wakeup_cost_ns: From the system call that wakes a sleeping thread until it runs, in ns, the
 * median of a few; at most WAKEUP_COST_MAX_NS. The first call measures, in a millisecond or two,
 * with a thread of its own; 0 if there can be none.
 *
 * Main loop's thread.
 */
int64_t qemu_wakeup_cost_ns(void);

#endif
