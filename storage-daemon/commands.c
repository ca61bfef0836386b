/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of QMP commands, and the commands that concern the whole program.
 */
#include "qemu/osdep.h"
#include "block/export.h"
#include "commands.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-init-commands.h"
#include "qapi/qapi-introspect.h"
#include "qobject/qdict.h"
#include "shutdown.h"

/* The answer is a constant, so there is no struct and no generated code for it. */
static void query_qmp_schema(QDict *args, QObject **ret, Error **errp)
{
    const QDictEntry *entry = qdict_first(args);

    if (entry) {
        error_setg(errp, "Parameter '%s' is unexpected", qdict_entry_key(entry));
        return;
    }
    *ret = qobject_from_qlit(&qmp_schema_qlit);
}

void commands_register(QmpCommandList *cmds)
{
    qmp_init_marshal(cmds);
    qmp_register_command(cmds, "query-qmp-schema", query_qmp_schema, QCO_ALLOW_PRECONFIG, 0);
}

void qmp_quit(Error **errp)
{
    shutdown_watch();
    /* The events of the exports' end come before the reply. */
    blk_exp_close_all();
    shutdown_request();
}
