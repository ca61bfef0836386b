/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of options, taken apart first and carried out in order later.
 */
#ifndef STORAGE_DAEMON_OPTIONS_H
#define STORAGE_DAEMON_OPTIONS_H

#include "qapi/error.h"

typedef struct Option Option;

/* What came of an option. */
typedef enum OptionResult {
    OPTION_DONE,
    OPTION_FAILED, /* with *errp set */
    OPTION_EXIT,   /* it was a question, which has been answered on stdout */
    OPTION_RESULT__MAX,
} OptionResult;

/* Seconds. */
#define SHUTDOWN_TIMEOUT_DEFAULT 10
#define SHUTDOWN_TIMEOUT_MAX     86400

/* What the first pass leaves for main(). */
typedef struct StartupOptions {
    bool daemonize;
    const char *pidfile;       /* NULL if not asked for; points into argv */
    unsigned shutdown_timeout; /* seconds */
} StartupOptions;

struct Option {
    const char *name;
    char letter; /* also -LETTER; 0 if there is none */
    bool has_argument;
    /* Exactly one: the first pass looks only at the options that have the one... */
    OptionResult (*early)(StartupOptions *startup, const char *arg, Error **errp);
    /* ... and the second pass carries the others out, in the order given. */
    OptionResult (*handle)(const char *arg, Error **errp);
    /* Lines of --help. */
    const char *help;
};

/* The table; ends with an entry without a name. */
extern const Option options[];

/* One option as it stands on the command line. */
typedef struct ParsedOption {
    const Option *option;
    const char *arg;
    int index; /* in argv */
    int count; /* words of argv: 1 or 2 */
} ParsedOption;

/*
 * options_parse: take the command line apart.
 * Returns an array of ParsedOption; NULL after having reported what is wrong.
 */
GArray *options_parse(int argc, char **argv);

/* options_run_early: the first pass. A failure has been reported. */
OptionResult options_run_early(GArray *parsed, char **argv, StartupOptions *startup);
/* options_run: the second pass, up to the first failure, which has been reported. */
OptionResult options_run(GArray *parsed, char **argv);

#endif /* STORAGE_DAEMON_OPTIONS_H */
