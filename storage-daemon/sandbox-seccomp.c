/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter of system calls, made from the table in sandbox-calls.c.
 */
#include "qemu/osdep.h"
#include "sandbox-internal.h"

#ifdef CONFIG_SECCOMP
#include "sandbox-calls.h"

static int add_call(scmp_filter_ctx filter, const SandboxCall *call)
{
    int nr = seccomp_syscall_resolve_name(call->name);
    unsigned n = 0;

    /* This architecture, or this libseccomp, has no such call. */
    if (nr == __NR_SCMP_ERROR) {
        return 0;
    }
    while (n < SANDBOX_CALL_CHECKS && call->checks[n].op) {
        n++;
    }
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, nr, n, call->checks);
}

/* A signal to a thread of this process: abort() and its like. */
static int add_own_signals(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                            SCMP_A0(SCMP_CMP_EQ, getpid()));
}

static int add_calls(scmp_filter_ctx filter, bool network)
{
    int ret = add_own_signals(filter);

    for (const SandboxCallGroup *group = sandbox_call_groups; group->reason; group++) {
        if (group->network && !network) {
            continue;
        }
        for (const SandboxCall *call = group->calls; call->name && ret == 0; call++) {
            ret = add_call(filter, call);
        }
    }
    for (const char *const *name = sandbox_absent_calls; *name && ret == 0; name++) {
        int nr = seccomp_syscall_resolve_name(*name);

        if (nr != __NR_SCMP_ERROR) {
            ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
        }
    }
    return ret;
}

/* Errors of foreign architectures' calls too: nothing that is forbidden kills. */
static int set_attributes(scmp_filter_ctx filter)
{
    int ret = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));

    if (ret == 0) {
        ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    /* A binary tree: the cost of a call does not grow with the length of the table. */
    return ret ?: seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

bool sandbox_seccomp(bool network, Error **errp)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int ret = filter ? set_attributes(filter) : -ENOMEM;

    if (ret == 0) {
        ret = add_calls(filter, network);
    }
    if (ret == 0) {
        ret = seccomp_load(filter);
    }
    if (filter) {
        seccomp_release(filter);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot install the sandbox's filter of system calls");
    }
    return ret == 0;
}
#else
bool sandbox_seccomp(bool network, Error **errp)
{
    error_setg(errp, "this program was built without seccomp");
    return false;
}
#endif
