/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Becoming an unprivileged user. The user is looked up when the option is read, and the change is
 * made when sockets, files and the pid file exist, with the rights of whoever started the program.
 */
#include "qemu/osdep.h"
#include "qapi/qapi-visit-control.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/cutils.h"
#include "run-as.h"
#include <grp.h>
#include <pwd.h>

static struct {
    bool wanted;
    char *name; /* NULL: numbers were given */
    uid_t uid;
    gid_t gid;
} target;

/* "UID:GID", both numbers. */
static bool parse_numbers(const char *text)
{
    const char *end;
    unsigned uid, gid;

    if (qemu_strtoui(text, &end, 10, &uid) < 0 || *end != ':' ||
        qemu_strtoui(end + 1, NULL, 10, &gid) < 0 || uid == (uid_t)-1 || gid == (gid_t)-1) {
        return false;
    }
    target.uid = uid;
    target.gid = gid;
    return true;
}

static bool look_up(const char *user, Error **errp)
{
    const struct passwd *entry = getpwnam(user);

    if (entry) {
        target.name = g_strdup(user);
        target.uid = entry->pw_uid;
        target.gid = entry->pw_gid;
        return true;
    }
    if (parse_numbers(user)) {
        return true;
    }
    error_setg(errp, "User '%s' does not exist and is not UID:GID", user);
    return false;
}

bool run_as_parse(const char *arg, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_str(arg, NULL, errp);
    g_autoptr(RunWithOptions) o = NULL;

    if (!v) {
        return false;
    }
    visit_type_RunWithOptions(v, NULL, &o, errp);
    visit_free(v);
    g_clear_pointer(&target.name, g_free);
    target.wanted = o && look_up(o->user, errp);
    return target.wanted;
}

/* The groups before the user: afterwards there is no right to change them. */
static bool change_ids(void)
{
    int ret = target.name ? initgroups(target.name, target.gid) : setgroups(1, &target.gid);

    return ret == 0 && setresgid(target.gid, target.gid, target.gid) == 0 &&
           setresuid(target.uid, target.uid, target.uid) == 0;
}

bool run_as_apply(Error **errp)
{
    bool ok;

    if (!target.wanted) {
        return true;
    }
    ok = change_ids();
    if (!ok) {
        error_setg_errno(errp, errno, "cannot become user %u, group %u", target.uid, target.gid);
    } else if (target.uid != 0 && setuid(0) == 0) {
        error_setg(errp, "user %u could become root again", target.uid);
        ok = false;
    }
    g_clear_pointer(&target.name, g_free);
    return ok;
}
