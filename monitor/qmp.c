/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One QMP session: what comes in, in which order it is executed, what goes out.
 *
 * Theory of operation: input goes to the streaming parser, which queues requests and syntax
 * errors in the order of arrival. A bottom half takes one from the queue, executes it, sends
 * the reply and schedules itself again while there are more; sessions thus take turns. A command
 * that has to wait for storage is a coroutine (QCO_COROUTINE): meanwhile other sessions go on, and
 * this one's next request waits. Both belong to the context of the main loop's descriptor handlers,
 * which a command that waits (AIO_WAIT_WHILE) does not run: no command begins, or goes on, inside
 * another. Nothing is read while requests or a long backlog of output wait.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "monitor-internal.h"
#include "qapi/qapi-commands-control.h"
#include "qemu/error-report.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"

/* Bytes of one read; also bounds how many requests can be queued. */
#define READ_BUF_LEN 4096
/* With OOB more is read while requests wait, until there are so many. */
#define OOB_QUEUE_LEN 8

static void send_object(Monitor *mon, const QObject *obj)
{
    GString *json = qobject_to_json_pretty(obj, mon->pretty);

    /* No newline is inside of a string: JSON has escapes for them. */
    g_string_replace(json, "\n", "\r\n", 0);
    g_string_append(json, "\r\n");
    monitor_output_put(&mon->out, json->str, json->len);
    g_string_free(json, true);
}

static QDict *greeting(void)
{
    VersionInfo *info = qmp_query_version(&error_abort);
    QDict *version = qdict_from_jsonf_nofail(
        "{'qemu': {'micro': %d, 'minor': %d, 'major': %d}, 'package': %s}", (int)info->qemu->micro,
        (int)info->qemu->minor, (int)info->qemu->major, info->package);
    QDict *hello = qdict_from_jsonf_nofail("{'QMP': {'version': %p, 'capabilities': ['oob']}}",
                                           QOBJECT(version));

    qapi_free_VersionInfo(info);
    return hello;
}

static void request_free(gpointer data)
{
    MonitorRequest *request = data;

    qobject_unref(request->json);
    error_free(request->err);
    g_free(request);
}

static void clear_requests(Monitor *mon)
{
    g_queue_clear_full(&mon->requests, request_free);
    qemu_bh_cancel(mon->dispatch_bh);
}

static int session_can_read(void *opaque)
{
    Monitor *mon = opaque;

    if (g_queue_get_length(&mon->requests) >= (mon->oob ? OOB_QUEUE_LEN : 1) ||
        monitor_output_pending(&mon->out) > MONITOR_OUTPUT_LOW) {
        return 0;
    }
    return READ_BUF_LEN;
}

static void session_read(void *opaque, const uint8_t *buf, int size)
{
    Monitor *mon = opaque;

    json_message_parser_feed(&mon->parser, (const char *)buf, size);
}

static void answer(Monitor *mon, QDict *response)
{
    if (response) {
        send_object(mon, QOBJECT(response));
        qobject_unref(response);
    }
}

/* Ahead of all that waits, and of a command that yields. No other is being carried out here. */
static bool execute_out_of_band(Monitor *mon, QObject *json)
{
    const QDict *dict = qobject_to(QDict, json);

    if (!mon->oob || !dict || !qmp_is_oob(dict)) {
        return false;
    }
    monitor_set_cur(mon);
    answer(mon, qmp_dispatch(mon->commands, json, true));
    monitor_set_cur(NULL);
    return true;
}

static void request_parsed(void *opaque, QObject *json, Error *err)
{
    Monitor *mon = opaque;
    MonitorRequest *request;

    if (json && execute_out_of_band(mon, json)) {
        qobject_unref(json);
        return;
    }
    request = g_new(MonitorRequest, 1);
    *request = (MonitorRequest){ .json = json, .err = err };
    g_queue_push_tail(&mon->requests, request);
    qemu_bh_schedule(mon->dispatch_bh);
}

/* In the negotiation phase the only command's name is worth telling. */
static void explain_negotiation(Monitor *mon, QDict *response)
{
    QDict *error = qdict_get_qdict(response, "error");

    if (mon->commands == &qmp_cap_negotiation_commands && error &&
        !g_strcmp0(qdict_get_try_str(error, "class"), "CommandNotFound")) {
        qdict_put_str(error, "desc", "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
}

/* The answer to @request; NULL: none. */
static QDict *execute(Monitor *mon, MonitorRequest *request)
{
    const QmpCommandList *commands = mon->commands;
    QDict *response;

    if (request->err) {
        return qmp_error_response(g_steal_pointer(&request->err));
    }
    response = qmp_dispatch(commands, request->json, mon->oob);
    if (response && commands == &qmp_cap_negotiation_commands) {
        explain_negotiation(mon, response);
    }
    return response;
}

static void next_request(Monitor *mon)
{
    if (!g_queue_is_empty(&mon->requests)) {
        qemu_bh_schedule(mon->dispatch_bh);
    }
    qemu_chr_fe_accept_input(&mon->chr);
}

/* A request whose command yields. It may outlive the session, and the monitor. */
typedef struct MonitorCommand {
    Monitor *mon; /* NULL: nobody waits for the answer any more */
    MonitorRequest *request;
} MonitorCommand;

static void coroutine_fn command_entry(void *opaque)
{
    MonitorCommand *command = opaque;
    QDict *response = execute(command->mon, command->request);
    Monitor *mon = command->mon;

    if (mon) {
        mon->command = NULL;
        answer(mon, response);
        next_request(mon);
    } else {
        qobject_unref(response);
    }
    request_free(command->request);
    g_free(command);
}

static void forget_command(Monitor *mon)
{
    if (mon->command) {
        mon->command->mon = NULL;
        mon->command = NULL;
    }
}

/* What it waits for wakes it in the context of dispatch_bh, that is, inside of no other command. */
static void begin_command(Monitor *mon, MonitorRequest *request)
{
    MonitorCommand *command = g_new(MonitorCommand, 1);

    *command = (MonitorCommand){ .mon = mon, .request = request };
    mon->command = command;
    qemu_aio_coroutine_enter(iohandler_get_aio_context(),
                             qemu_coroutine_create(command_entry, command));
}

static void dispatch_one(void *opaque)
{
    Monitor *mon = opaque;
    MonitorRequest *request = mon->command ? NULL : g_queue_pop_head(&mon->requests);

    if (!request) {
        return;
    }
    monitor_set_cur(mon);
    if (!request->err && qmp_request_yields(mon->commands, request->json)) {
        begin_command(mon, request);
        monitor_set_cur(NULL);
        return;
    }
    answer(mon, execute(mon, request));
    monitor_set_cur(NULL);
    request_free(request);
    next_request(mon);
}

static void session_drained(void *opaque)
{
    Monitor *mon = opaque;

    qemu_chr_fe_accept_input(&mon->chr);
}

static void session_begin(Monitor *mon)
{
    QDict *hello = greeting();

    mon->commands = &qmp_cap_negotiation_commands;
    mon->oob = false;
    monitor_output_clear(&mon->out);
    send_object(mon, QOBJECT(hello));
    qobject_unref(hello);
}

static void session_event(void *opaque, QEMUChrEvent event)
{
    Monitor *mon = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        session_begin(mon);
        break;
    case CHR_EVENT_CLOSED:
        /* What was half there has nobody to be answered to. */
        json_message_parser_destroy(&mon->parser);
        json_message_parser_init(&mon->parser, request_parsed, mon, NULL);
        clear_requests(mon);
        forget_command(mon);
        break;
    default:
        break;
    }
}

void monitor_qmp_send_event(QDict *event)
{
    Monitor *mon, *next;

    QTAILQ_FOREACH_SAFE (mon, &mon_list, entry, next) {
        if (mon->commands != &qmp_commands) {
            continue;
        }
        if (monitor_output_pending(&mon->out) > MONITOR_OUTPUT_MAX) {
            warn_report("QMP client of chardev '%s' does not read its events: cut off",
                        qemu_chr_fe_get_driver(&mon->chr)->label);
            mon->commands = &qmp_cap_negotiation_commands;
            qemu_chr_fe_disconnect(&mon->chr);
            continue;
        }
        send_object(mon, QOBJECT(event));
    }
}

Monitor *monitor_qmp_new(Chardev *chr, const char *id, bool pretty, Error **errp)
{
    Monitor *mon = g_new0(Monitor, 1);

    if (!qemu_chr_fe_init(&mon->chr, chr, errp)) {
        g_free(mon);
        return NULL;
    }
    mon->id = g_strdup(id);
    mon->pretty = pretty;
    mon->commands = &qmp_cap_negotiation_commands;
    g_queue_init(&mon->requests);
    mon->dispatch_bh = aio_bh_new(iohandler_get_aio_context(), dispatch_one, mon);
    json_message_parser_init(&mon->parser, request_parsed, mon, NULL);
    monitor_output_init(&mon->out, &mon->chr, session_drained, mon);
    qemu_chr_fe_set_echo(&mon->chr, true);
    qemu_chr_fe_set_handlers(&mon->chr, session_can_read, session_read, session_event, NULL, mon,
                             NULL, true);
    return mon;
}

void monitor_qmp_free(Monitor *mon)
{
    monitor_output_done(&mon->out);
    qemu_chr_fe_deinit(&mon->chr, false);
    clear_requests(mon);
    forget_command(mon);
    qemu_bh_delete(mon->dispatch_bh);
    json_message_parser_destroy(&mon->parser);
    g_free(mon->id);
    g_free(mon);
}
