/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of a monitor. */

#include "qemu/osdep.h"
#include "qapi/qmp-registry.h"

void qmp_register_command(QmpCommandList *cmds, const char *name, QmpCommandFunc *fn,
                          QmpCommandOptions options, uint64_t features)
{
    QmpCommand *cmd = g_new0(QmpCommand, 1);

    assert(!qmp_find_command(cmds, name));
    cmd->name = name;
    cmd->fn = fn;
    cmd->options = options;
    cmd->features = features;
    cmd->enabled = true;
    QTAILQ_INSERT_TAIL(cmds, cmd, node);
}

static QmpCommand *find_command(const QmpCommandList *cmds, const char *name)
{
    QmpCommand *cmd;

    QTAILQ_FOREACH (cmd, cmds, node) {
        if (g_str_equal(cmd->name, name)) {
            return cmd;
        }
    }
    return NULL;
}

const QmpCommand *qmp_find_command(const QmpCommandList *cmds, const char *name)
{
    return find_command(cmds, name);
}

static void set_enabled(QmpCommandList *cmds, const char *name, bool enabled, const char *reason)
{
    QmpCommand *cmd = find_command(cmds, name);

    if (cmd) {
        cmd->enabled = enabled;
        cmd->disable_reason = reason;
    }
}

void qmp_disable_command(QmpCommandList *cmds, const char *name, const char *reason)
{
    set_enabled(cmds, name, false, reason);
}

void qmp_enable_command(QmpCommandList *cmds, const char *name)
{
    set_enabled(cmds, name, true, NULL);
}

bool qmp_command_is_enabled(const QmpCommand *cmd)
{
    return cmd->enabled;
}

const char *qmp_command_name(const QmpCommand *cmd)
{
    return cmd->name;
}

bool qmp_has_success_response(const QmpCommand *cmd)
{
    return !(cmd->options & QCO_NO_SUCCESS_RESP);
}

void qmp_for_each_command(const QmpCommandList *cmds, qmp_cmd_callback_fn *fn, void *opaque)
{
    const QmpCommand *cmd;

    QTAILQ_FOREACH (cmd, cmds, node) {
        fn(cmd, opaque);
    }
}

void qmp_free_commands(QmpCommandList *cmds)
{
    QmpCommand *cmd;

    while ((cmd = QTAILQ_FIRST(cmds))) {
        QTAILQ_REMOVE(cmds, cmd, node);
        g_free(cmd);
    }
}
