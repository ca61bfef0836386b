/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request: checked, carried out, answered. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-types-error.h"
#include "qapi/qmp-registry.h"
#include "qobject/qstring.h"

/* What a request asks for; everything belongs to the request. */
typedef struct Request {
    const char *command;
    QDict *arguments; /* NULL if there are none */
    bool oob;
} Request;

static bool take_execute(Request *request, const char *key, QObject *value, Error **errp)
{
    QString *name = qobject_to(QString, value);

    if (!name) {
        error_setg(errp, "QMP input member '%s' must be a string", key);
        return false;
    }
    if (request->command) {
        error_setg(errp, "QMP input member '%s' clashes with '%s'", key,
                   request->oob ? "exec-oob" : "execute");
        return false;
    }
    request->command = qstring_get_str(name);
    request->oob = g_str_equal(key, "exec-oob");
    return true;
}

static bool take_member(Request *request, const char *key, QObject *value, bool allow_oob,
                        Error **errp)
{
    if (g_str_equal(key, "execute") || (allow_oob && g_str_equal(key, "exec-oob"))) {
        return take_execute(request, key, value, errp);
    }
    if (g_str_equal(key, "arguments")) {
        request->arguments = qobject_to(QDict, value);
        if (!request->arguments) {
            error_setg(errp, "QMP input member 'arguments' must be an object");
        }
        return request->arguments;
    }
    if (!g_str_equal(key, "id")) {
        error_setg(errp, "QMP input member '%s' is unexpected", key);
        return false;
    }
    return true;
}

static bool parse_request(Request *request, const QDict *dict, bool allow_oob, Error **errp)
{
    for (const QDictEntry *e = qdict_first(dict); e; e = qdict_next(dict, e)) {
        if (!take_member(request, qdict_entry_key(e), qdict_entry_value(e), allow_oob, errp)) {
            return false;
        }
    }
    if (!request->command) {
        error_setg(errp, "QMP input lacks member 'execute'");
        return false;
    }
    return true;
}

bool qmp_command_available(const QmpCommand *cmd, Error **errp)
{
    if (!cmd->enabled) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "Command %s has been disabled%s%s",
                  cmd->name, cmd->disable_reason ? ": " : "",
                  cmd->disable_reason ? cmd->disable_reason : "");
    }
    return cmd->enabled;
}

static const QmpCommand *find_available(const QmpCommandList *cmds, const Request *request,
                                        Error **errp)
{
    const QmpCommand *cmd = qmp_find_command(cmds, request->command);

    if (!cmd) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "The command %s has not been found",
                  request->command);
        return NULL;
    }
    if (!qmp_command_available(cmd, errp)) {
        return NULL;
    }
    if (request->oob && !(cmd->options & QCO_ALLOW_OOB)) {
        error_setg(errp, "The command %s does not support OOB", cmd->name);
        return NULL;
    }
    return cmd;
}

/* What the command answers, {} if nothing; NULL on errors, and when success is not answered. */
static QObject *execute(const QmpCommandList *cmds, const QDict *dict, bool allow_oob, Error **errp)
{
    ERRP_GUARD();
    Request request = { NULL };
    g_autoptr(QDict) args = NULL;
    const QmpCommand *cmd;
    QObject *ret = NULL;

    if (!parse_request(&request, dict, allow_oob, errp)) {
        return NULL;
    }
    cmd = find_available(cmds, &request, errp);
    if (!cmd) {
        return NULL;
    }
    args = request.arguments ? qobject_ref(request.arguments) : qdict_new();
    cmd->fn(args, &ret, errp);
    if (*errp || !qmp_has_success_response(cmd)) {
        qobject_unref(ret);
        return NULL;
    }
    return ret ? ret : QOBJECT(qdict_new());
}

QDict *qmp_error_response(Error *err)
{
    QDict *error = qdict_new();
    QDict *response = qdict_new();

    qdict_put_str(error, "class", QapiErrorClass_str(error_get_class(err)));
    qdict_put_str(error, "desc", error_get_pretty(err));
    qdict_put(response, "error", error);
    error_free(err);
    return response;
}

/* Clients are used to an "id" in front of "error", and behind "return". */
static QDict *error_with_id(Error *err, QObject *id)
{
    g_autoptr(QDict) plain = qmp_error_response(err);
    QDict *response = qdict_new();

    if (id) {
        qdict_put_obj(response, "id", qobject_ref(id));
    }
    qdict_put_obj(response, "error", qobject_ref(qdict_get(plain, "error")));
    return response;
}

QDict *qmp_dispatch(const QmpCommandList *cmds, QObject *request, bool allow_oob)
{
    QDict *dict = qobject_to(QDict, request);
    QObject *id = dict ? qdict_get(dict, "id") : NULL;
    Error *err = NULL;
    QObject *ret;
    QDict *response;

    if (!dict) {
        error_setg(&err, "QMP input must be a JSON object");
        return error_with_id(err, NULL);
    }
    ret = execute(cmds, dict, allow_oob, &err);
    if (err) {
        return error_with_id(err, id);
    }
    if (!ret) {
        return NULL;
    }
    response = qdict_new();
    qdict_put_obj(response, "return", ret);
    if (id) {
        qdict_put_obj(response, "id", qobject_ref(id));
    }
    return response;
}

bool qmp_request_yields(const QmpCommandList *cmds, const QObject *request)
{
    const QDict *dict = qobject_to(QDict, request);
    const char *name = dict ? qdict_get_try_str(dict, "execute") : NULL;
    const QmpCommand *cmd = name ? qmp_find_command(cmds, name) : NULL;

    return cmd && (cmd->options & QCO_COROUTINE);
}

bool qmp_is_oob(const QDict *dict)
{
    return qdict_haskey(dict, "exec-oob") && !qdict_haskey(dict, "execute");
}
