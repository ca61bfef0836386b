/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands by name, and how one request is carried out.
 *
 * Theory of operation
 *
 * A QmpCommandList is what one state of a monitor can do: qmp_init_marshal() of the generated code
 * fills it; qmp_dispatch() checks a request, calls the command and makes the reply. The command
 * runs in the caller's thread and context. A command with QCO_COROUTINE yields, so whoever carries
 * one out asks qmp_request_yields() first, and is a coroutine then; and is none for all others.
 */
#ifndef QAPI_QMP_REGISTRY_H
#define QAPI_QMP_REGISTRY_H

#include "qemu/queue.h"
#include "qapi/error.h"
#include "qobject/qdict.h"

/*
 * @args: the request's arguments, the caller's. *@ret: a new reference to what the command answers,
 * left alone by a command without an answer. On failure *@errp is set.
 */
typedef void QmpCommandFunc(QDict *args, QObject **ret, Error **errp);

typedef enum QmpCommandOptions {
    QCO_NO_SUCCESS_RESP = 1 << 0, /* success is not answered */
    QCO_ALLOW_OOB = 1 << 1,       /* may be executed out of order */
    QCO_ALLOW_PRECONFIG = 1 << 2, /* no meaning in this program */
    QCO_COROUTINE = 1 << 3,       /* may yield: call it in a coroutine */
} QmpCommandOptions;

typedef struct QmpCommand {
    const char *name;
    QmpCommandFunc *fn;
    QmpCommandOptions options;
    uint64_t features; /* bits by QapiFeature */
    QTAILQ_ENTRY(QmpCommand) node;
    bool enabled;
    const char *disable_reason;
} QmpCommand;

typedef QTAILQ_HEAD(QmpCommandList, QmpCommand) QmpCommandList;

/* A static, empty list is { .tqh_... } by QTAILQ_HEAD_INITIALIZER or QTAILQ_INIT. */

/* @name must live as long as @cmds, and must not be there yet. */
void qmp_register_command(QmpCommandList *cmds, const char *name, QmpCommandFunc *fn,
                          QmpCommandOptions options, uint64_t features);
const QmpCommand *qmp_find_command(const QmpCommandList *cmds, const char *name);
/* @reason: what a client is told about a disabled command, NULL for nothing in particular. */
void qmp_disable_command(QmpCommandList *cmds, const char *name, const char *reason);
void qmp_enable_command(QmpCommandList *cmds, const char *name);
bool qmp_command_is_enabled(const QmpCommand *cmd);
bool qmp_command_available(const QmpCommand *cmd, Error **errp);
const char *qmp_command_name(const QmpCommand *cmd);
bool qmp_has_success_response(const QmpCommand *cmd);
/* In the order of registration. */
typedef void qmp_cmd_callback_fn(const QmpCommand *cmd, void *opaque);
void qmp_for_each_command(const QmpCommandList *cmds, qmp_cmd_callback_fn *fn, void *opaque);
/* Free what qmp_register_command() made. */
void qmp_free_commands(QmpCommandList *cmds);

/*
 * Carry out @request, any JSON value that a client sent. A new reference to the reply: "return" or
 * "error", and the request's "id" if it has one; NULL if the command is not to be answered.
 * @allow_oob: "exec-oob" may stand for "execute".
 */
QDict *qmp_dispatch(const QmpCommandList *cmds, QObject *request, bool allow_oob);
/* Whether the command that @request names, if it does, has QCO_COROUTINE. */
bool qmp_request_yields(const QmpCommandList *cmds, const QObject *request);
/* Whether @dict asks for execution out of order: it has "exec-oob" and no "execute". */
bool qmp_is_oob(const QDict *dict);
/* The reply that tells of @err, which is freed. */
QDict *qmp_error_response(Error *err);

#endif
