/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the user, and the place that they are about. */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/atomic.h"

bool message_with_timestamp;
bool error_with_guestname;
const char *error_guest_name;

static char *progname;
static ErrorVPrintfFunc *vprintf_hook;

/* The innermost location of this thread; NULL: nobody pushed any yet, it is base_loc. */
static __thread Location base_loc;
static __thread Location *cur_loc;

static Location *loc_cur(void)
{
    return cur_loc ? cur_loc : &base_loc;
}

Location *loc_push_restore(Location *loc)
{
    assert(!loc->prev);
    loc->prev = loc_cur();
    cur_loc = loc;
    return loc;
}

Location *loc_push_none(Location *loc)
{
    *loc = (Location){ .kind = LOC_NONE };
    return loc_push_restore(loc);
}

Location *loc_pop(Location *loc)
{
    assert(cur_loc == loc && loc->prev);
    cur_loc = loc->prev;
    loc->prev = NULL;
    return loc;
}

Location *loc_save(Location *loc)
{
    *loc = *loc_cur();
    loc->prev = NULL;
    return loc;
}

Location *loc_restore(Location *loc)
{
    Location *cur = loc_cur();
    Location *prev = cur->prev;

    assert(!loc->prev);
    *cur = *loc;
    cur->prev = prev;
    return loc;
}

static void loc_set(LocationKind kind, int num, const void *ptr)
{
    Location *cur = loc_cur();

    cur->kind = kind;
    cur->num = num;
    cur->ptr = ptr;
}

void loc_set_none(void)
{
    loc_set(LOC_NONE, 0, NULL);
}

void loc_set_cmdline(char **argv, int idx, int cnt)
{
    loc_set(LOC_CMDLINE, cnt, argv + idx);
}

void loc_set_file(const char *fname, int lno)
{
    assert(fname || loc_cur()->kind == LOC_FILE);
    loc_set(LOC_FILE, lno, fname ? fname : loc_cur()->ptr);
}

void error_set_vprintf_hook(ErrorVPrintfFunc *hook)
{
    vprintf_hook = hook;
}

static MessageSink *message_sink; /* atomic */
static void (*flush_sink)(void);
/* Of what this thread prints. */
static __thread MessageLevel level_now = MESSAGE_INFO;

void error_set_sink(MessageSink *sink, void (*flush)(void))
{
    flush_sink = flush;
    qatomic_store_release(&message_sink, sink);
}

bool error_sink_put(MessageLevel level, const char *text)
{
    MessageSink *sink = qatomic_load_acquire(&message_sink);

    if (sink) {
        sink(level, text);
    }
    return sink;
}

void error_sink_flush(void)
{
    if (qatomic_load_acquire(&message_sink)) {
        flush_sink();
    }
}

int error_vprintf(const char *fmt, va_list ap)
{
    g_autofree char *text = NULL;
    va_list ap2;
    bool taken = false;

    if (vprintf_hook) {
        va_copy(ap2, ap);
        taken = vprintf_hook(fmt, ap2);
        va_end(ap2);
    }
    if (taken || !qatomic_read(&message_sink)) {
        return taken ? 0 : vfprintf(stderr, fmt, ap);
    }
    text = g_strdup_vprintf(fmt, ap);
    error_sink_put(level_now, text);
    return strlen(text);
}

int error_printf(const char *fmt, ...)
{
    va_list ap;
    int ret;

    va_start(ap, fmt);
    ret = error_vprintf(fmt, ap);
    va_end(ap);
    return ret;
}

/* "PROGRAM: ", "PROGRAM:FILE:LINE: " or "PROGRAM: ARG ARG: ". */
static void append_location(GString *s)
{
    const Location *loc = loc_cur();
    const char *const *args = loc->ptr;

    if (progname) {
        g_string_append_printf(s, "%s:", progname);
    }
    switch (loc->kind) {
    case LOC_CMDLINE:
        for (int i = 0; i < loc->num; i++) {
            g_string_append_printf(s, "%s%s", s->len ? " " : "", args[i]);
        }
        g_string_append(s, ": ");
        break;
    case LOC_FILE:
        g_string_append_printf(s, "%s:", (const char *)loc->ptr);
        if (loc->num) {
            g_string_append_printf(s, "%d:", loc->num);
        }
        g_string_append_c(s, ' ');
        break;
    default:
        g_string_append(s, progname ? " " : "");
    }
}

static void append_timestamp(GString *s)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

    g_string_append_printf(s, "%s.%06dZ ", text, g_date_time_get_microsecond(now));
}

static const char *const kinds[] = {
    [MESSAGE_ERROR] = "",
    [MESSAGE_WARNING] = "warning: ",
    [MESSAGE_INFO] = "info: ",
};

static void vreport(MessageLevel level, const char *fmt, va_list ap) G_GNUC_PRINTF(2, 0);
static void vreport(MessageLevel level, const char *fmt, va_list ap)
{
    g_autoptr(GString) s = g_string_new(NULL);
    g_autoptr(GString) head = g_string_new(NULL);

    if (message_with_timestamp && !qatomic_read(&message_sink)) {
        append_timestamp(head);
    }
    if (error_with_guestname && error_guest_name) {
        g_string_append_printf(head, "%s ", error_guest_name);
    }
    append_location(s);
    g_string_append(s, kinds[level]);
    g_string_append_vprintf(s, fmt, ap);
    /* One print for one message, so that those of other threads do not cut it. */
    level_now = level;
    error_printf("%s%s\n", head->str, s->str);
    level_now = MESSAGE_INFO;
}

void error_vreport(const char *fmt, va_list ap)
{
    vreport(MESSAGE_ERROR, fmt, ap);
}

void warn_vreport(const char *fmt, va_list ap)
{
    vreport(MESSAGE_WARNING, fmt, ap);
}

void info_vreport(const char *fmt, va_list ap)
{
    vreport(MESSAGE_INFO, fmt, ap);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    warn_vreport(fmt, ap);
    va_end(ap);
}

void info_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    info_vreport(fmt, ap);
    va_end(ap);
}

bool error_report_once_cond(bool *printed, const char *fmt, ...)
{
    va_list ap;

    if (qatomic_xchg(printed, true)) {
        return false;
    }
    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
    return true;
}

bool warn_report_once_cond(bool *printed, const char *fmt, ...)
{
    va_list ap;

    if (qatomic_xchg(printed, true)) {
        return false;
    }
    va_start(ap, fmt);
    warn_vreport(fmt, ap);
    va_end(ap);
    return true;
}

/* GLib's own messages, in our form; its debug messages only where G_MESSAGES_DEBUG asks for them.
 */
static void glib_log(const gchar *domain, GLogLevelFlags level, const gchar *message,
                     gpointer opaque)
{
    const char *colon = domain ? ": " : "";

    domain = domain ? domain : "";
    switch (level & G_LOG_LEVEL_MASK) {
    case G_LOG_LEVEL_DEBUG:
    case G_LOG_LEVEL_INFO:
        if (!g_log_writer_default_would_drop(level, *domain ? domain : NULL)) {
            info_report("%s%s%s", domain, colon, message);
        }
        break;
    case G_LOG_LEVEL_MESSAGE:
        info_report("%s%s%s", domain, colon, message);
        break;
    case G_LOG_LEVEL_WARNING:
        warn_report("%s%s%s", domain, colon, message);
        break;
    default:
        error_report("%s%s%s", domain, colon, message);
    }
}

void error_init(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    g_free(progname);
    progname = g_strdup(slash ? slash + 1 : argv0);
    g_log_set_default_handler(glib_log, NULL);
}

const char *error_get_progname(void)
{
    return progname;
}
