/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that the sandbox lets through.
 */
#ifndef STORAGE_DAEMON_SANDBOX_CALLS_H
#define STORAGE_DAEMON_SANDBOX_CALLS_H

#include "qemu/osdep.h"
#include <seccomp.h>

#define SANDBOX_CALL_CHECKS 2

/* A call and what its arguments must be; several rows of one call are alternatives. */
typedef struct SandboxCall {
    const char *name;
    struct scmp_arg_cmp checks[SANDBOX_CALL_CHECKS]; /* unused ones: op is 0 */
} SandboxCall;

typedef struct SandboxCallGroup {
    const char *reason;
    bool network;             /* only with network=allow */
    const SandboxCall *calls; /* ends with a row without a name */
} SandboxCallGroup;

/* Ends with a group without a reason. */
extern const SandboxCallGroup sandbox_call_groups[];

/* Calls that fail as if the kernel did not have them, so that libc takes another one. */
extern const char *const sandbox_absent_calls[];

#endif /* STORAGE_DAEMON_SANDBOX_CALLS_H */
