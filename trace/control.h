/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events: points in the program that print a line when somebody asked for them.
 *
 * Theory of operation
 *
 * A folder lists its events in a file named trace-events (see scripts/tracetool.py for its form),
 * is named in trace/meson.build, and includes "trace/trace-FOLDER.h" by a local trace.h. Each event
 * is then a function trace_NAME(). Events register themselves before main(). Which are on is a byte
 * in each, that any thread reads and any may change.
 *
 * A line is "THREAD@SECONDS.MICROSECONDS:NAME TEXT", written whole, to stderr or to a file.
 */
#ifndef TRACE_CONTROL_H
#define TRACE_CONTROL_H

#include "qemu/atomic.h"

typedef struct TraceEvent {
    const char *name; /* constant */
    bool enabled;     /* atomic */
} TraceEvent;

/* A folder's events; NULL ends the table. For generated code. */
typedef struct TraceEventGroup {
    TraceEvent *const *events;
    struct TraceEventGroup *next;
} TraceEventGroup;

void trace_event_register_group(TraceEventGroup *group);
void trace_event_print(const TraceEvent *ev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Whether an event, TRACE_NAME, is on: for work that is done for tracing only. */
#define trace_event_get_state(event) unlikely(qatomic_read(&(event).enabled))

/* Walks the events whose name matches @pattern (with * and ?; NULL: all). NULL ends it. */
typedef struct TraceEventIter {
    const TraceEventGroup *group;
    size_t index;
    const char *pattern;
} TraceEventIter;

void trace_event_iter_init_pattern(TraceEventIter *iter, const char *pattern);
TraceEvent *trace_event_iter_next(TraceEventIter *iter);

/* The event of that name, or NULL. */
TraceEvent *trace_event_name(const char *name);
const char *trace_event_get_name(const TraceEvent *ev);
bool trace_event_get_state_dynamic(const TraceEvent *ev);
/* Any thread. */
void trace_event_set_state_dynamic(TraceEvent *ev, bool state);
/* Whether @str has * or ?. */
bool trace_event_is_pattern(const char *str);

/* One name a line. */
void trace_list_events(FILE *f);

/*
 * Switch on the events that match @pattern, or off those that match what follows a leading "-".
 * A name (not a pattern) that no event has is warned of.
 */
void trace_enable_events(const char *pattern);
/* The same for each line of a file; empty lines and lines with # are skipped. False with @errp. */
bool trace_enable_events_file(const char *path, Error **errp);

/*
 * The -T/--trace option: "[enable=]PATTERN,events=FILE,file=FILE", each optional, "," doubled
 * inside a value. "help" prints the events on stdout and ends the process with status 0. False with
 * @errp. Events are on when it returns, printing to stderr until trace_init_file().
 */
bool trace_opt_parse(const char *optarg, Error **errp);
/* Opens the file of file=FILE, if there was one; call after daemonizing. False with @errp. */
bool trace_init_file(Error **errp);
/* Back to stderr. */
void trace_close_file(void);

#endif
