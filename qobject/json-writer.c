/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values to JSON text in ASCII. (The text that json-c would print differs from what QMP clients are
 * used to in its spaces and in its escapes, and clients compare lines.)
 */

#include "qemu/osdep.h"
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"

typedef struct Writer {
    GString *text;
    bool pretty;
    int depth;
} Writer;

static void write_value(Writer *w, const QObject *obj);

/* What stands between an opening bracket, or a comma, and the next element. */
static void write_separator(Writer *w, bool first)
{
    if (!first) {
        g_string_append(w->text, w->pretty ? "," : ", ");
    }
    if (w->pretty) {
        g_string_append_printf(w->text, "\n%*s", w->depth * 4, "");
    }
}

static void write_end(Writer *w, char bracket, bool empty)
{
    w->depth--;
    if (w->pretty && !empty) {
        g_string_append_printf(w->text, "\n%*s", w->depth * 4, "");
    }
    g_string_append_c(w->text, bracket);
}

static void write_code_point(GString *text, gunichar c)
{
    static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *e = short_escapes; *e; e += 2) {
        if (c == (unsigned char)e[0]) {
            g_string_append_c(text, '\\');
            g_string_append_c(text, e[1]);
            return;
        }
    }
    if (c >= 0x20 && c < 0x7f) {
        g_string_append_c(text, c);
    } else if (c < 0x10000) {
        g_string_append_printf(text, "\\u%04X", c);
    } else {
        c -= 0x10000;
        g_string_append_printf(text, "\\u%04X\\u%04X", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
    }
}

static void write_string(Writer *w, const char *str)
{
    g_string_append_c(w->text, '"');
    while (*str) {
        gunichar c = g_utf8_get_char_validated(str, -1);

        /* one byte that is no UTF-8 becomes one replacement character */
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            c = 0xfffd;
            str++;
        } else {
            str = g_utf8_next_char(str);
        }
        write_code_point(w->text, c);
    }
    g_string_append_c(w->text, '"');
}

static void write_dict(Writer *w, const QDict *qdict)
{
    const QDictEntry *first = qdict_first(qdict);

    g_string_append_c(w->text, '{');
    w->depth++;
    for (const QDictEntry *e = first; e; e = qdict_next(qdict, e)) {
        write_separator(w, e == first);
        write_string(w, e->key);
        g_string_append(w->text, ": ");
        write_value(w, e->value);
    }
    write_end(w, '}', !first);
}

static void write_list(Writer *w, const QList *qlist)
{
    const QListEntry *first = qlist_first(qlist);

    g_string_append_c(w->text, '[');
    w->depth++;
    for (const QListEntry *e = first; e; e = qlist_next(e)) {
        write_separator(w, e == first);
        write_value(w, e->value);
    }
    write_end(w, ']', !first);
}

static void write_number(Writer *w, const QNum *qnum)
{
    g_autofree char *digits = qnum_to_string(qnum);

    g_string_append(w->text, digits);
}

static void write_value(Writer *w, const QObject *obj)
{
    switch (qobject_type(obj)) {
    case QTYPE_QNULL:
        g_string_append(w->text, "null");
        break;
    case QTYPE_QBOOL:
        g_string_append(w->text, qbool_get_bool(qobject_to(QBool, obj)) ? "true" : "false");
        break;
    case QTYPE_QNUM:
        write_number(w, qobject_to(QNum, obj));
        break;
    case QTYPE_QSTRING:
        write_string(w, qstring_get_str(qobject_to(QString, obj)));
        break;
    case QTYPE_QDICT:
        write_dict(w, qobject_to(QDict, obj));
        break;
    case QTYPE_QLIST:
        write_list(w, qobject_to(QList, obj));
        break;
    default:
        g_assert_not_reached();
    }
}

GString *qobject_to_json_pretty(const QObject *obj, bool pretty)
{
    Writer w = { .text = g_string_new(NULL), .pretty = pretty };

    write_value(&w, obj);
    return w.text;
}

GString *qobject_to_json(const QObject *obj)
{
    return qobject_to_json_pretty(obj, false);
}
