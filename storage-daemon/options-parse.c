/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking the command line apart: --NAME VALUE, --NAME=VALUE, one dash or two, any beginning of a
 * name that fits one option only, -L VALUE and -LVALUE for letters.
 */
#include "qemu/osdep.h"
#include "options.h"
#include "qemu/error-report.h"

/* The word that is being looked at. */
typedef struct Cursor {
    char **argv;
    int argc;
    int index;
} Cursor;

static bool report_ambiguous(const char *word, const char *name, size_t len)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (const Option *o = options; o->name; o++) {
        if (!strncmp(o->name, name, len)) {
            g_string_append_printf(names, " '--%s'", o->name);
        }
    }
    error_report("option '%s' is ambiguous; possibilities:%s", word, names->str);
    return false;
}

/* False when @name fits several options and none exactly; *ret stays NULL when it fits none. */
static bool find_by_name(const char *word, const char *name, size_t len, const Option **ret)
{
    const Option *found = NULL;
    bool ambiguous = false;

    for (const Option *o = options; o->name; o++) {
        if (strncmp(o->name, name, len)) {
            continue;
        }
        if (strlen(o->name) == len) {
            *ret = o;
            return true;
        }
        ambiguous |= found != NULL;
        found = o;
    }
    if (ambiguous) {
        return report_ambiguous(word, name, len);
    }
    *ret = found;
    return true;
}

static const Option *find_by_letter(char letter)
{
    for (const Option *o = options; o->name; o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

/* Give the option the argument that it needs: @attached, or the next word. */
static bool take_argument(Cursor *c, ParsedOption *p, const char *attached, const char *shown)
{
    p->arg = attached;
    p->count = 1;
    if (!p->option->has_argument && attached) {
        error_report("option '%s' doesn't allow an argument", shown);
        return false;
    }
    if (p->option->has_argument && !attached) {
        if (c->index + 1 >= c->argc) {
            error_report("option '%s' requires an argument", shown);
            return false;
        }
        p->arg = c->argv[c->index + 1];
        p->count = 2;
    }
    c->index += p->count;
    return true;
}

static bool parse_word(Cursor *c, ParsedOption *p)
{
    const char *word = c->argv[c->index];
    bool two_dashes = word[1] == '-';
    const char *name = word + (two_dashes ? 2 : 1);
    const char *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    g_autofree char *shown = g_strndup(word, name + len - word);

    *p = (ParsedOption){ .index = c->index };
    /* One dash and a letter: the letter. One dash and more: a name, else a letter's argument. */
    if (len > (two_dashes ? 0 : 1) && !find_by_name(word, name, len, &p->option)) {
        return false;
    }
    if (p->option) {
        return take_argument(c, p, value ? value + 1 : NULL, shown);
    }
    if (!two_dashes && name[0]) {
        p->option = find_by_letter(name[0]);
    }
    if (!p->option || (name[1] && !p->option->has_argument)) {
        error_report("unrecognized option '%s'", shown);
        return false;
    }
    return take_argument(c, p, name[1] ? name + 1 : NULL, shown);
}

GArray *options_parse(int argc, char **argv)
{
    GArray *parsed = g_array_new(false, false, sizeof(ParsedOption));
    Cursor c = { .argv = argv, .argc = argc, .index = 1 };
    ParsedOption p;

    while (c.index < argc) {
        const char *word = argv[c.index];

        if (word[0] != '-' || !word[1] || !strcmp(word, "--")) {
            error_report("%s: Unexpected argument", word);
            break;
        }
        if (!parse_word(&c, &p)) {
            break;
        }
        g_array_append_val(parsed, p);
    }
    if (c.index < argc) {
        g_array_unref(parsed);
        return NULL;
    }
    return parsed;
}

typedef struct Pass {
    char **argv;
    /* Not NULL in the first pass. */
    StartupOptions *startup;
} Pass;

static OptionResult run_one(const ParsedOption *p, const Pass *pass)
{
    const Option *o = p->option;
    OptionResult result = OPTION_DONE;
    Error *err = NULL;
    Location loc;

    loc_push_none(&loc);
    loc_set_cmdline(pass->argv, p->index, p->count);
    if (pass->startup && o->early) {
        result = o->early(pass->startup, p->arg, &err);
    } else if (!pass->startup && o->handle) {
        result = o->handle(p->arg, &err);
    }
    if (result == OPTION_FAILED) {
        error_report_err(err);
    }
    loc_pop(&loc);
    return result;
}

static OptionResult run_pass(GArray *parsed, const Pass *pass)
{
    OptionResult result = OPTION_DONE;

    for (guint i = 0; i < parsed->len && result == OPTION_DONE; i++) {
        result = run_one(&g_array_index(parsed, ParsedOption, i), pass);
    }
    return result;
}

OptionResult options_run_early(GArray *parsed, char **argv, StartupOptions *startup)
{
    Pass pass = { .argv = argv, .startup = startup };

    return run_pass(parsed, &pass);
}

OptionResult options_run(GArray *parsed, char **argv)
{
    Pass pass = { .argv = argv };

    return run_pass(parsed, &pass);
}
