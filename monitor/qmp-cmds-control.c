/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands about the session itself.
 */
#include "qemu/osdep.h"
#include "monitor-internal.h"
#include "qapi/qapi-commands-control.h"

/* The release of QEMU whose interface we follow. */
#define QEMU_INTERFACE_MAJOR 10
#define QEMU_INTERFACE_MINOR 2
#define QEMU_INTERFACE_MICRO 0

QmpCommandList qmp_commands = QTAILQ_HEAD_INITIALIZER(qmp_commands);
QmpCommandList qmp_cap_negotiation_commands = QTAILQ_HEAD_INITIALIZER(qmp_cap_negotiation_commands);

void qmp_init_negotiation(void)
{
    const QmpCommand *cmd = qmp_find_command(&qmp_commands, "qmp_capabilities");

    qmp_register_command(&qmp_cap_negotiation_commands, cmd->name, cmd->fn, cmd->options,
                         cmd->features);
}

void qmp_qmp_capabilities(bool has_enable, QMPCapabilityList *enable, Error **errp)
{
    Monitor *mon = monitor_cur();

    if (mon->commands == &qmp_commands) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "Capabilities negotiation is already complete, command ignored");
        return;
    }
    for (QMPCapabilityList *e = has_enable ? enable : NULL; e; e = e->next) {
        mon->oob |= e->value == QMP_CAPABILITY_OOB;
    }
    mon->commands = &qmp_commands;
}

VersionInfo *qmp_query_version(Error **errp)
{
    VersionInfo *info = g_new0(VersionInfo, 1);

    info->qemu = g_new0(VersionTriple, 1);
    info->qemu->major = QEMU_INTERFACE_MAJOR;
    info->qemu->minor = QEMU_INTERFACE_MINOR;
    info->qemu->micro = QEMU_INTERFACE_MICRO;
    info->package = g_strdup(monitor_package());
    return info;
}

const char *monitor_package(void)
{
    return PROJECT_NAME " " PROJECT_VERSION;
}

static void append_command(const QmpCommand *cmd, void *opaque)
{
    CommandInfoList **list = opaque;
    CommandInfo *info;

    if (!qmp_command_is_enabled(cmd)) {
        return;
    }
    info = g_new0(CommandInfo, 1);
    info->name = g_strdup(qmp_command_name(cmd));
    QAPI_LIST_PREPEND(*list, info);
}

CommandInfoList *qmp_query_commands(Error **errp)
{
    CommandInfoList *list = NULL;

    qmp_for_each_command(monitor_cur()->commands, append_command, &list);
    return list;
}
