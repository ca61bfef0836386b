/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each option does and what --help says about it: one table.
 */
#include "qemu/osdep.h"
#include "options.h"
#include "chardev/char.h"
#include "messages.h"
#include "metrics-server.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-block-core.h"
#include "qapi/qapi-commands-block-export.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-visit-block-core.h"
#include "qapi/qapi-visit-block-export.h"
#include "qapi/qapi-visit-block-export-stats.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/type-info.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/keyval.h"
#include "qobject/qdict.h"
#include "qom/object_interfaces.h"
#include "run-as.h"
#include "sandbox.h"
#include "trace/control.h"

static void print_options_help(void);

/* Whether @arg asks for help; *ret_kind becomes the value of @implied_key, or NULL. */
static bool asks_for_help(const char *arg, const char *implied_key, char **ret_kind)
{
    bool help = false;
    QDict *args = arg[0] == '{' ? NULL : keyval_parse(arg, implied_key, &help, NULL);

    *ret_kind = help ? g_strdup(qdict_get_try_str(args, implied_key)) : NULL;
    qobject_unref(args);
    return help;
}

/* The values of @lookup, or the members of @type with the branch that @kind, @key's value, chooses.
 */
static OptionResult print_help(const char *title, const QEnumLookup *lookup, const QapiType *type,
                               const char *key, const char *kind, Error **errp)
{
    if (lookup && !kind) {
        printf("Available %ss:\n", title);
        for (int i = 0; i < lookup->size; i++) {
            printf("  %s\n", lookup->array[i]);
        }
        return OPTION_EXIT;
    }
    if (lookup && qapi_enum_parse(lookup, kind, -1, NULL) < 0) {
        error_setg(errp, "Parameter '%s' does not accept value '%s'", key, kind);
        return OPTION_FAILED;
    }
    g_autofree char *text = qapi_option_help(type, kind);

    printf("%s options:\n%s", kind ? kind : title, text);
    return OPTION_EXIT;
}

static OptionResult handle_blockdev(const char *arg, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *kind = NULL;
    g_autoptr(BlockdevOptions) opts = NULL;
    Visitor *v;

    if (asks_for_help(arg, "driver", &kind)) {
        return print_help("block driver", &BlockdevDriver_lookup, &qapi_type_BlockdevOptions,
                          "driver", kind, errp);
    }
    v = qobject_input_visitor_new_str(arg, "driver", errp);
    if (v && visit_type_BlockdevOptions(v, NULL, &opts, errp)) {
        qmp_blockdev_add(opts, errp);
    }
    visit_free(v);
    return *errp ? OPTION_FAILED : OPTION_DONE;
}

static OptionResult handle_export(const char *arg, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *kind = NULL;
    g_autoptr(BlockExportOptions) opts = NULL;
    Visitor *v;

    if (asks_for_help(arg, "type", &kind)) {
        return print_help("export type", &BlockExportType_lookup, &qapi_type_BlockExportOptions,
                          "type", kind, errp);
    }
    v = qobject_input_visitor_new_str(arg, "type", errp);
    if (v && visit_type_BlockExportOptions(v, NULL, &opts, errp)) {
        qmp_block_export_add(opts, errp);
    }
    visit_free(v);
    return *errp ? OPTION_FAILED : OPTION_DONE;
}

static OptionResult handle_object(const char *arg, Error **errp)
{
    g_autofree char *help = user_creatable_help(arg);
    g_autofree char *type = NULL;

    if (help && asks_for_help(arg, "qom-type", &type) && type &&
        !object_class_dynamic_cast(object_class_by_name(type), TYPE_USER_CREATABLE)) {
        error_setg(errp, "Parameter 'qom-type' does not accept value '%s'", type);
        return OPTION_FAILED;
    }
    if (help) {
        fputs(help, stdout);
        return OPTION_EXIT;
    }
    return user_creatable_add_from_str(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult handle_chardev(const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (!strcmp(arg, "?") || asks_for_help(arg, "backend", &kind)) {
        g_autofree char *help = kind ? qemu_chr_kind_help(kind, errp) : qemu_chr_help();

        fputs(help ? help : "", stdout);
        return help ? OPTION_EXIT : OPTION_FAILED;
    }
    return qemu_chr_new_from_str(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult handle_monitor(const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (asks_for_help(arg, "chardev", &kind)) {
        return print_help("monitor", NULL, &qapi_type_MonitorOptions, NULL, NULL, errp);
    }
    return monitor_init_from_str(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult handle_metrics(const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (asks_for_help(arg, "addr", &kind)) {
        return print_help("metrics", NULL, &qapi_type_MetricsOptions, NULL, NULL, errp);
    }
    return metrics_server_start(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult handle_nbd_server(const char *arg, Error **errp)
{
    error_setg(errp, "NBD is not supported by this program; see --export help");
    return OPTION_FAILED;
}

static OptionResult handle_trace(const char *arg, Error **errp)
{
    return trace_opt_parse(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_help(StartupOptions *startup, const char *arg, Error **errp)
{
    print_options_help();
    return OPTION_EXIT;
}

static OptionResult early_version(StartupOptions *startup, const char *arg, Error **errp)
{
    VersionInfo *info = qmp_query_version(&error_abort);

    printf("qemu-storage-daemon version %s (%s; interface of QEMU %d.%d.%d)\n", PROJECT_VERSION,
           PROJECT_NAME, (int)info->qemu->major, (int)info->qemu->minor, (int)info->qemu->micro);
    qapi_free_VersionInfo(info);
    return OPTION_EXIT;
}

static OptionResult early_daemonize(StartupOptions *startup, const char *arg, Error **errp)
{
    startup->daemonize = true;
    return OPTION_DONE;
}

static OptionResult early_pidfile(StartupOptions *startup, const char *arg, Error **errp)
{
    startup->pidfile = arg;
    return OPTION_DONE;
}

static OptionResult early_log_file(StartupOptions *startup, const char *arg, Error **errp)
{
    return messages_log_to_file(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_log(StartupOptions *startup, const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (asks_for_help(arg, "target", &kind)) {
        return print_help("log", NULL, &qapi_type_LogOptions, NULL, NULL, errp);
    }
    return messages_parse_log(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_msg(StartupOptions *startup, const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (asks_for_help(arg, "help", &kind)) {
        return print_help("msg", NULL, &qapi_type_MessageOptions, NULL, NULL, errp);
    }
    return messages_parse_msg(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_sandbox(StartupOptions *startup, const char *arg, Error **errp)
{
    g_autofree char *kind = NULL;

    if (asks_for_help(arg, "enable", &kind)) {
        return print_help("sandbox", NULL, &qapi_type_SandboxOptions, NULL, NULL, errp);
    }
    return sandbox_parse(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_run_with(StartupOptions *startup, const char *arg, Error **errp)
{
    return run_as_parse(arg, errp) ? OPTION_DONE : OPTION_FAILED;
}

static OptionResult early_shutdown_timeout(StartupOptions *startup, const char *arg, Error **errp)
{
    if (qemu_strtoui(arg, NULL, 10, &startup->shutdown_timeout) < 0 ||
        startup->shutdown_timeout < 1 || startup->shutdown_timeout > SHUTDOWN_TIMEOUT_MAX) {
        error_setg(errp, "--shutdown-timeout takes a number of seconds from 1 to %d, not '%s'",
                   SHUTDOWN_TIMEOUT_MAX, arg);
        return OPTION_FAILED;
    }
    return OPTION_DONE;
}

const Option options[] = {
    {
        .name = "help",
        .letter = 'h',
        .early = early_help,
        .help = "  -h, --help             show this help and exit\n",
    },
    {
        .name = "version",
        .letter = 'V',
        .early = early_version,
        .help = "  -V, --version          show the version and exit\n",
    },
    {
        .name = "trace",
        .letter = 'T',
        .has_argument = true,
        .handle = handle_trace,
        .help = "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
                "                         print trace events that match; 'help' lists them\n"
                "\n",
    },
    {
        .name = "blockdev",
        .has_argument = true,
        .handle = handle_blockdev,
        .help = "  --blockdev [driver=]<driver>,node-name=<node>[,read-only=on|off]\n"
                "             [,auto-read-only=on|off][,force-share=on|off]\n"
                "             [,cache.direct=on|off][,cache.no-flush=on|off]\n"
                "             [,discard=ignore|unmap][,detect-zeroes=off|on|unmap]\n"
                "             [,<option of the driver>=<value>...]\n"
                "                         open a block node; 'help' lists the drivers,\n"
                "                         '<driver>,help' its options\n"
                "\n",
    },
    {
        .name = "export",
        .has_argument = true,
        .handle = handle_export,
        .help = "  --export [type=]vhost-user-blk,id=<id>,node-name=<node>,\n"
                "           addr.type=unix,addr.path=<socket path>\n"
                "  --export [type=]vhost-user-blk,id=<id>,node-name=<node>,\n"
                "           addr.type=fd,addr.str=<number of a bound socket>\n"
                "           [,writable=on|off][,writethrough=on|off][,iothread=<object>]\n"
                "           [,iothread.0=<object>,iothread.1=<object>,...]\n"
                "           [,fixed-iothread=on|off][,num-queues=<n>]\n"
                "           [,logical-block-size=<bytes>]\n"
                "                         offer a block node to a front-end; 'help' lists the\n"
                "                         types, '<type>,help' their options\n"
                "\n",
    },
    {
        .name = "chardev",
        .has_argument = true,
        .handle = handle_chardev,
        .help = "  --chardev [backend=]<kind>,id=<id>[,<option>=<value>...]\n"
                "                         open a character device; 'help' lists the kinds\n"
                "\n",
    },
    {
        .name = "monitor",
        .has_argument = true,
        .handle = handle_monitor,
        .help = "  --monitor [chardev=]<chardev>[,mode=control][,pretty=on|off]\n"
                "                         talk QMP over a character device\n"
                "\n",
    },
    {
        .name = "object",
        .has_argument = true,
        .handle = handle_object,
        .help = "  --object [qom-type=]<type>,id=<id>[,<property>=<value>...]\n"
                "                         create an object, such as an iothread; 'help' lists\n"
                "                         the types, '<type>,help' their properties\n"
                "\n",
    },
    {
        .name = "metrics",
        .has_argument = true,
        .handle = handle_metrics,
        .help = "  --metrics addr.type=unix,addr.path=<socket path>\n"
                "  --metrics addr.type=inet,addr.host=127.0.0.1,addr.port=<port>\n"
                "                         tell what exports have done over HTTP, at /metrics,\n"
                "                         as OpenMetrics text\n"
                "\n",
    },
    {
        .name = "nbd-server",
        .has_argument = true,
        .handle = handle_nbd_server,
        .help = "",
    },
    {
        .name = "daemonize",
        .early = early_daemonize,
        .help = "  --daemonize            go to the background as soon as everything works\n",
    },
    {
        .name = "pidfile",
        .has_argument = true,
        .early = early_pidfile,
        .help = "  --pidfile <path>       keep the process's number in a file\n",
    },
    {
        .name = "log",
        .has_argument = true,
        .early = early_log,
        .help = "  --log [target=]stderr|syslog[,level=error|warning|info]\n"
                "  --log [target=]file,file=<path>[,level=error|warning|info]\n"
                "                         where messages go once everything works; may be given\n"
                "                         several times\n",
    },
    {
        .name = "D",
        .letter = 'D',
        .has_argument = true,
        .early = early_log_file,
        .help = "  -D <path>              the same as --log file,file=<path>\n",
    },
    {
        .name = "msg",
        .has_argument = true,
        .early = early_msg,
        .help = "  --msg timestamp=on|off begin messages with the time\n",
    },
    {
        .name = "shutdown-timeout",
        .has_argument = true,
        .early = early_shutdown_timeout,
        .help = "  --shutdown-timeout <seconds>\n"
                "                         how long storage may take to finish at the end\n"
                "                         (default: 10)\n",
    },
    {
        .name = "run-with",
        .has_argument = true,
        .early = early_run_with,
        .help = "  --run-with user=<name>|<uid>:<gid>\n"
                "                         become this user once everything is set up\n",
    },
    {
        .name = "sandbox",
        .has_argument = true,
        .early = early_sandbox,
        .help = "  --sandbox [enable=]on|off[,network=allow|deny]\n"
                "            [,path.0=<folder or file>,path.1=...]\n"
                "            [,obsolete=deny][,elevateprivileges=deny|children]\n"
                "            [,spawn=deny][,resourcecontrol=deny]\n"
                "                         give rights away before anybody is served: only the\n"
                "                         system calls that are needed, only the files that\n"
                "                         the command line names, and those in path.<n>\n",
    },
    {},
};

static void print_options_help(void)
{
    printf("Usage: %s [option]...\n"
           "Export disk images to virtual machines.\n"
           "Options are carried out in the order given. Most take <key>=<value>,...\n"
           "or a JSON object.\n\n",
           error_get_progname());
    for (const Option *o = options; o->name; o++) {
        fputs(o->help, stdout);
    }
}
