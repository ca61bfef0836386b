/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which trace events are on, and where they print. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/cutils.h"
#include "trace/control.h"

enum {
    TRACE_LINE_MAX = 1024, /* bytes; what is longer is cut */
};

static TraceEventGroup *groups;
static char *trace_file_name;
static int trace_fd = STDERR_FILENO; /* atomic */

void trace_event_register_group(TraceEventGroup *group)
{
    group->next = groups;
    groups = group;
}

void trace_event_print(const TraceEvent *ev, const char *fmt, ...)
{
    int saved_errno = errno;
    char line[TRACE_LINE_MAX];
    struct timespec now;
    ssize_t written;
    va_list ap;
    int len, fd;

    clock_gettime(CLOCK_REALTIME, &now);
    len = snprintf(line, sizeof(line), "%d@%lld.%06ld:%s ", qemu_get_thread_id(),
                   (long long)now.tv_sec, now.tv_nsec / 1000, ev->name);
    va_start(ap, fmt);
    len += vsnprintf(line + len, sizeof(line) - len, fmt, ap);
    va_end(ap);
    len = MIN(len, (int)sizeof(line) - 2);
    line[len++] = '\n';
    line[len] = '\0';
    /* One call for one line: threads do not cut each other's, and a crash loses none. */
    fd = qatomic_read(&trace_fd);
    if (fd != STDERR_FILENO || !error_sink_put(MESSAGE_TRACE, line)) {
        written = write(fd, line, len);
        (void)written;
    }
    errno = saved_errno;
}

void trace_event_iter_init_pattern(TraceEventIter *iter, const char *pattern)
{
    *iter = (TraceEventIter){ .group = groups, .pattern = pattern };
}

TraceEvent *trace_event_iter_next(TraceEventIter *iter)
{
    while (iter->group) {
        TraceEvent *ev = iter->group->events[iter->index++];

        if (!ev) {
            iter->group = iter->group->next;
            iter->index = 0;
        } else if (!iter->pattern || g_pattern_match_simple(iter->pattern, ev->name)) {
            return ev;
        }
    }
    return NULL;
}

bool trace_event_is_pattern(const char *str)
{
    return strpbrk(str, "*?") != NULL;
}

TraceEvent *trace_event_name(const char *name)
{
    TraceEventIter iter;
    TraceEvent *ev;

    trace_event_iter_init_pattern(&iter, NULL);
    while ((ev = trace_event_iter_next(&iter)) && !g_str_equal(ev->name, name)) {
        /* The next one. */
    }
    return ev;
}

const char *trace_event_get_name(const TraceEvent *ev)
{
    return ev->name;
}

bool trace_event_get_state_dynamic(const TraceEvent *ev)
{
    return qatomic_read(&ev->enabled);
}

void trace_event_set_state_dynamic(TraceEvent *ev, bool state)
{
    qatomic_set(&ev->enabled, state);
}

void trace_list_events(FILE *f)
{
    TraceEventIter iter;
    TraceEvent *ev;

    trace_event_iter_init_pattern(&iter, NULL);
    while ((ev = trace_event_iter_next(&iter))) {
        fprintf(f, "%s\n", ev->name);
    }
}

void trace_enable_events(const char *pattern)
{
    bool enable = *pattern != '-';
    const char *name = enable ? pattern : pattern + 1;
    bool found = false;
    TraceEventIter iter;
    TraceEvent *ev;

    trace_event_iter_init_pattern(&iter, name);
    while ((ev = trace_event_iter_next(&iter))) {
        trace_event_set_state_dynamic(ev, enable);
        found = true;
    }
    if (!found && !trace_event_is_pattern(name)) {
        warn_report("trace event '%s' does not exist", name);
    }
}

bool trace_enable_events_file(const char *path, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, &gerr)) {
        error_setg(errp, "Cannot read trace events file '%s': %s", path, gerr->message);
        return false;
    }
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (**line && **line != '#') {
            trace_enable_events(*line);
        }
    }
    return true;
}

/* The text up to the next single comma, with ",," made ","; *@rest moves on. The caller frees. */
static char *next_part(const char **rest)
{
    GString *part = g_string_new(NULL);
    const char *p = *rest;

    while (*p && (*p != ',' || p[1] == ',')) {
        g_string_append_c(part, *p);
        p += *p == ',' ? 2 : 1;
    }
    *rest = *p ? p + 1 : p;
    return g_string_free(part, false);
}

static bool parse_part(const char *part, bool first, Error **errp)
{
    const char *value;

    if (strstart(part, "events=", &value)) {
        return trace_enable_events_file(value, errp);
    }
    if (strstart(part, "file=", &value)) {
        g_free(trace_file_name);
        trace_file_name = g_strdup(value);
        return true;
    }
    if (!strstart(part, "enable=", &value)) {
        value = part;
        if (!first || strchr(part, '=')) {
            error_setg(errp, "Invalid parameter '%s'", part);
            return false;
        }
    }
    trace_enable_events(value);
    return true;
}

bool trace_opt_parse(const char *optarg, Error **errp)
{
    const char *rest = optarg;
    bool first = true;

    if (g_str_equal(optarg, "help") || g_str_equal(optarg, "?")) {
        trace_list_events(stdout);
        exit(0);
    }
    while (*rest) {
        g_autofree char *part = next_part(&rest);

        if (!parse_part(part, first, errp)) {
            return false;
        }
        first = false;
    }
    return true;
}

static void set_trace_fd(int fd)
{
    int old = qatomic_xchg(&trace_fd, fd);

    if (old != STDERR_FILENO) {
        close(old);
    }
}

bool trace_init_file(Error **errp)
{
    int fd;

    if (!trace_file_name) {
        return true;
    }
    fd = qemu_create(trace_file_name, O_WRONLY | O_APPEND | O_TRUNC, 0666, errp);
    if (fd < 0) {
        return false;
    }
    set_trace_fd(fd);
    g_clear_pointer(&trace_file_name, g_free);
    return true;
}

void trace_close_file(void)
{
    set_trace_fd(STDERR_FILENO);
}
