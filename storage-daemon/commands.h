/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of QMP commands.
 */
#ifndef STORAGE_DAEMON_COMMANDS_H
#define STORAGE_DAEMON_COMMANDS_H

#include "qapi/qmp-registry.h"

/* commands_register: fill @cmds with every command that the program has. */
void commands_register(QmpCommandList *cmds);

#endif /* STORAGE_DAEMON_COMMANDS_H */
