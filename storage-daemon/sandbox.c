/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox: what was asked for, and its two steps. sandbox.h tells how it works.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-visit-control.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/access-denied.h"
#include "sandbox-internal.h"
#include "sandbox.h"
#include "util/aio-posix.h"
#include <sys/prctl.h>

/* IOThreads that can be made inside and have a ring. */
#define RINGS_IN_STORE 16

static SandboxOptions *options;
static GArray *paths;
static bool network_on_command_line;

/* The filter is a list of what is allowed: there is nothing to be allowed in addition. */
static bool check_options(const SandboxOptions *o, Error **errp)
{
    const struct {
        const char *name;
        bool allow;
        const char *what;
    } rules[] = {
        { "obsolete", o->has_obsolete && o->obsolete == SANDBOX_RULE_ALLOW,
          "uses no obsolete system calls" },
        { "elevateprivileges",
          o->has_elevateprivileges && o->elevateprivileges == SANDBOX_ELEVATION_ALLOW,
          "never gains privileges" },
        { "spawn", o->has_spawn && o->spawn == SANDBOX_RULE_ALLOW, "starts no programs" },
        { "resourcecontrol", o->has_resourcecontrol && o->resourcecontrol == SANDBOX_RULE_ALLOW,
          "changes no priorities, affinities or limits" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].allow) {
            error_setg(errp, "'%s=allow' is not supported: this program %s", rules[i].name,
                       rules[i].what);
            return false;
        }
    }
    return true;
}

static GArray *noted_paths(void)
{
    if (!paths) {
        paths = sandbox_paths_new();
    }
    return paths;
}

static bool check_path(const char *path, Error **errp)
{
    if (access(path, F_OK) < 0) {
        error_setg_errno(errp, errno, "Could not find '%s'", path);
        return false;
    }
    return true;
}

bool sandbox_parse(const char *arg, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_str(arg, "enable", errp);
    g_autoptr(SandboxOptions) o = NULL;

    if (!v) {
        return false;
    }
    visit_type_SandboxOptions(v, NULL, &o, errp);
    visit_free(v);
    if (!o || !check_options(o, errp)) {
        return false;
    }
    for (strList *item = o->path; item; item = item->next) {
        if (!check_path(item->value, errp)) {
            return false;
        }
        sandbox_paths_add(noted_paths(), item->value, SANDBOX_ALL);
    }
    qapi_free_SandboxOptions(options);
    options = g_steal_pointer(&o);
    return true;
}

static bool wanted(void)
{
    return options && options->enable;
}

static bool network_allowed(void)
{
    return options->has_network ? options->network == SANDBOX_RULE_ALLOW : network_on_command_line;
}

void sandbox_note_option(const char *name, const char *arg)
{
    sandbox_paths_add_option(noted_paths(), name, arg);
    network_on_command_line |= sandbox_uses_network(name, arg);
}

/* Main loop's thread until the filter is there, then constant. */
static bool network_denied;

static const char *what_the_sandbox_denies(AccessKind kind, const char *path)
{
    SandboxAccess access = kind == ACCESS_SOCKET ? SANDBOX_SOCKET : SANDBOX_READ;

    if (kind == ACCESS_NETWORK) {
        return network_denied ? "the sandbox has no network: network=allow in --sandbox adds it"
                              : NULL;
    }
    if (!sandbox_landlock_active() || sandbox_paths_allow(paths, path, access)) {
        return NULL;
    }
    return "the sandbox is limited to the folders that the command line names: path.N=FOLDER in "
           "--sandbox adds one";
}

bool sandbox_begin(Error **errp)
{
    if (!wanted()) {
        return true;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_setg_errno(errp, errno, "cannot renounce new privileges");
        return false;
    }
#ifdef CONFIG_LINUX_IO_URING
    /* Without rings the loops wait by epoll, which is slower and no less safe. */
    fdmon_io_uring_restrict(RINGS_IN_STORE);
#endif
    if (!sandbox_landlock(noted_paths(), network_allowed(), errp)) {
        return false;
    }
    /* They stay, to tell what is denied. */
    sandbox_paths_resolve(paths);
    network_denied = !network_allowed();
    access_denied_set_denier(what_the_sandbox_denies);
    return true;
}

bool sandbox_enter(Error **errp)
{
    bool ok = !wanted() || sandbox_seccomp(network_allowed(), errp);

    if (!wanted()) {
        g_clear_pointer(&paths, g_array_unref);
    }
    g_clear_pointer(&options, qapi_free_SandboxOptions);
    return ok;
}
