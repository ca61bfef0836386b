/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to the user: "PROGRAM: LOCATION: message" on stderr, or to the monitor whose command the
 * calling thread is executing.
 *
 * A location is what the user gave: command line arguments or a line of a file. Locations form a
 * stack per thread; the innermost is printed. Any thread; a message is written in one piece.
 */
#ifndef QEMU_ERROR_REPORT_H
#define QEMU_ERROR_REPORT_H

typedef enum LocationKind {
    LOC_NONE,
    LOC_CMDLINE,
    LOC_FILE,
    LOC__MAX,
} LocationKind;

typedef struct Location {
    LocationKind kind;
    int num;         /* LOC_CMDLINE: number of arguments; LOC_FILE: line, 0 for none */
    const void *ptr; /* LOC_CMDLINE: char **argv; LOC_FILE: file name; not owned */
    struct Location *prev;
} Location;

/* Push @loc: as it is, or cleared to "nowhere". @loc stays the caller's and must outlive the pop.
 */
Location *loc_push_restore(Location *loc);
Location *loc_push_none(Location *loc);
/* Pops @loc, which must be the innermost. */
Location *loc_pop(Location *loc);
/* A copy of the innermost, to push with loc_push_restore() later, elsewhere. */
Location *loc_save(Location *loc);
Location *loc_restore(Location *loc);
/* Change the innermost location. The strings must outlive it. */
void loc_set_none(void);
void loc_set_cmdline(char **argv, int idx, int cnt);
void loc_set_file(const char *fname, int lno);

/* Print without prefix or newline; the number of characters or -1. */
int error_vprintf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
int error_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* A message: a printf sentence without a newline. Warnings and information say what they are. */
void error_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void warn_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void info_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void info_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* The same, but only when *@printed is false, which they set; true when they printed. */
bool error_report_once_cond(bool *printed, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
bool warn_report_once_cond(bool *printed, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* At most once per process and place. */
#define error_report_once(fmt, ...)                                        \
    __extension__({                                                        \
        static bool report_once_printed_;                                  \
        error_report_once_cond(&report_once_printed_, fmt, ##__VA_ARGS__); \
    })
#define warn_report_once(fmt, ...)                                        \
    __extension__({                                                       \
        static bool report_once_printed_;                                 \
        warn_report_once_cond(&report_once_printed_, fmt, ##__VA_ARGS__); \
    })

/* Names the program after @argv0 and routes GLib's messages here. Once, first thing in main(). */
void error_init(const char *argv0);
/* What error_init() found: the part after the last slash. */
const char *error_get_progname(void);

/*
 * Where messages go instead of stderr: a function that returns false when the calling thread serves
 * no monitor that takes text. Registered once by the monitor layer, before threads.
 */
typedef bool ErrorVPrintfFunc(const char *fmt, va_list ap);
void error_set_vprintf_hook(ErrorVPrintfFunc *hook);

/* How grave a message is; the order is that of LogLevel. Ours, like what follows. */
typedef enum MessageLevel {
    MESSAGE_ERROR,
    MESSAGE_WARNING,
    MESSAGE_INFO,
    MESSAGE_TRACE,
    MESSAGE_LEVEL__MAX,
} MessageLevel;

/*
 * Where messages of all threads go, instead of stderr, and how to wait until they have arrived:
 * what ends the process by abort() does. Registered once, by the main thread. @text may end with a
 * newline, and has no time stamp.
 */
typedef void MessageSink(MessageLevel level, const char *text);
void error_set_sink(MessageSink *sink, void (*flush)(void));
/* Hands @text over to the sink; false if there is none. */
bool error_sink_put(MessageLevel level, const char *text);
void error_sink_flush(void);

/* Options of the -msg kind: put the time, or the guest's name, before each message. */
extern bool message_with_timestamp;
extern bool error_with_guestname;
extern const char *error_guest_name;

#endif
