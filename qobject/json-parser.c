/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds where values begin and end in a stream of bytes; json-tree.c makes values of them.
 *
 * The text of a value is collected in the form that RFC 8259 knows: strings in single quotes get
 * double ones, and an integer that 64 bits cannot hold becomes a number with an exponent, which
 * json-c takes for a double instead of for the nearest integer.
 */

#include "qemu/osdep.h"
#include "json-tree.h"
#include "qapi/error.h"
#include "qobject/json-parser.h"
#include "qobject/qjson.h"

void json_message_parser_init(JSONMessageParser *parser, JSONMessageEmit *emit, void *opaque,
                              va_list *ap)
{
    assert(!ap);
    *parser = (JSONMessageParser){
        .emit = emit,
        .opaque = opaque,
        .text = g_string_new(NULL),
        .closing = g_string_new(NULL),
        .word_at = -1,
        .line_begins = true,
        .line = 1,
        .column = 1,
    };
}

/* Forget the text; @state is where to go on. */
static void parser_reset(JSONMessageParser *parser, JSONParserState state)
{
    /* one huge message must not pin its memory for the rest of the connection */
    if (parser->text->allocated_len > 64 * 1024) {
        g_string_free(parser->text, true);
        parser->text = g_string_new(NULL);
    }
    g_string_truncate(parser->text, 0);
    g_string_truncate(parser->closing, 0);
    parser->colons = 0;
    parser->parts = 0;
    parser->word_at = -1;
    parser->value_ended = false;
    parser->state = state;
}

static void emit_error(JSONMessageParser *parser, unsigned line, unsigned column, const char *why)
{
    Error *err = NULL;

    error_setg(&err, "%u:%u: JSON parse error, %s", line, column, why);
    parser->emit(parser->opaque, NULL, err);
}

/* Give up on the text because of the byte that comes next; go on in @state. */
static void parser_give_up(JSONMessageParser *parser, JSONParserState state, const char *why)
{
    unsigned line = parser->line, column = parser->column;

    parser_reset(parser, state);
    emit_error(parser, line, column, why);
}

/* The same; the rest of the line, in which @c is that byte, means nothing. */
static void parser_fail(JSONMessageParser *parser, char c, const char *why)
{
    parser_give_up(parser, c == '\n' ? JSON_PARSER_PLAIN : JSON_PARSER_RECOVER, why);
}

/* The place of byte @at of the text. */
static void text_place(const JSONMessageParser *parser, size_t at, unsigned *line, unsigned *column)
{
    *line = parser->first_line;
    *column = parser->first_column;
    for (size_t i = 0; i < at && i < parser->text->len; i++) {
        (*column)++;
        if (parser->text->str[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

/* The text is a whole value, or never will be one. */
static void parser_complete(JSONMessageParser *parser)
{
    g_autofree char *why = NULL;
    unsigned line, column;
    size_t at;
    QObject *value = json_tree_parse(parser->text, parser->colons, &at, &why);
    bool in_brackets = strchr("{[", parser->text->str[0]);

    text_place(parser, at, &line, &column);
    parser_reset(parser, value || in_brackets ? JSON_PARSER_PLAIN : JSON_PARSER_SKIP);
    if (value) {
        parser->emit(parser->opaque, value, NULL);
    } else {
        emit_error(parser, line, column, why);
    }
}

/* Whether @word is an integer that neither int64_t nor uint64_t holds. */
static bool integer_is_huge(const char *word)
{
    const char *digits = word + (*word == '-');

    if (strspn(digits, "0123456789") != strlen(digits) || strlen(digits) < 19) {
        return false;
    }
    errno = 0;
    if (*word == '-') {
        g_ascii_strtoll(word, NULL, 10);
    } else {
        g_ascii_strtoull(word, NULL, 10);
    }
    return errno == ERANGE;
}

/* A word (number or keyword) has ended; outside of all brackets it is a value. */
static void end_word(JSONMessageParser *parser)
{
    if (parser->word_at < 0) {
        return;
    }
    if (integer_is_huge(parser->text->str + parser->word_at)) {
        g_string_append(parser->text, "e0");
    }
    parser->word_at = -1;
    parser->value_ended = true;
    if (!parser->closing->len) {
        parser_complete(parser);
    }
}

static void append_byte(JSONMessageParser *parser, char c)
{
    if (!parser->text->len) {
        parser->first_line = parser->line;
        parser->first_column = parser->column;
    }
    g_string_append_c(parser->text, c);
}

static void feed_opening(JSONMessageParser *parser, char c)
{
    if (c == '{' && parser->line_begins && parser->value_ended) {
        parser_give_up(parser, JSON_PARSER_PLAIN, "the value before has no end");
    }
    if (parser->closing->len == JSON_NESTING_MAX) {
        parser_fail(parser, c, "nesting is too deep");
        return;
    }
    append_byte(parser, c);
    parser->parts++;
    parser->value_ended = false;
    g_string_append_c(parser->closing, c == '{' ? '}' : ']');
}

static void feed_closing(JSONMessageParser *parser, char c)
{
    gsize depth = parser->closing->len;

    if (!depth) {
        parser_give_up(parser, JSON_PARSER_SKIP, "closing bracket without an opening one");
        return;
    }
    if (parser->closing->str[depth - 1] != c) {
        parser_fail(parser, c, "closing bracket without an opening one");
        return;
    }
    append_byte(parser, c);
    parser->value_ended = true;
    g_string_truncate(parser->closing, depth - 1);
    if (depth == 1) {
        parser_complete(parser);
    }
}

static void feed_separator(JSONMessageParser *parser, char c)
{
    if (!parser->closing->len) {
        parser_give_up(parser, JSON_PARSER_SKIP, "expecting value");
        return;
    }
    append_byte(parser, c);
    parser->parts++;
    parser->value_ended = false;
    parser->colons += c == ':';
}

static void feed_space(JSONMessageParser *parser, char c)
{
    if (parser->text->len) {
        append_byte(parser, c);
    }
}

static void feed_quote(JSONMessageParser *parser, char c)
{
    append_byte(parser, '"');
    parser->quote = c;
    parser->state = JSON_PARSER_STRING;
}

typedef void FeedByte(JSONMessageParser *parser, char c);

/* What ends a word, and means something itself. */
static FeedByte *const marks[256] = {
    ['{'] = feed_opening,   ['['] = feed_opening,   ['}'] = feed_closing, [']'] = feed_closing,
    [','] = feed_separator, [':'] = feed_separator, ['"'] = feed_quote,   ['\''] = feed_quote,
    [' '] = feed_space,     ['\t'] = feed_space,    ['\r'] = feed_space,  ['\n'] = feed_space,
};

static void feed_skip(JSONMessageParser *parser, char c)
{
    if (c == '\n') {
        parser->state = JSON_PARSER_PLAIN;
    } else if (c == '"' || c == '\'') {
        parser->state = JSON_PARSER_RECOVER;
    } else if (c == '{') {
        parser->state = JSON_PARSER_PLAIN;
        feed_opening(parser, c);
    }
}

static void feed_plain(JSONMessageParser *parser, char c)
{
    FeedByte *mark = marks[(unsigned char)c];

    if (mark) {
        end_word(parser);
        /* Outside of brackets it may have been none. */
        (parser->state == JSON_PARSER_SKIP ? feed_skip : mark)(parser, c);
    } else if (g_ascii_isalnum(c) || (c && strchr("+-._", c))) {
        append_byte(parser, c);
        if (parser->word_at < 0) {
            parser->word_at = parser->text->len - 1;
        }
    } else {
        parser_fail(parser, c, "invalid character");
    }
}

static void feed_string(JSONMessageParser *parser, char c)
{
    if ((unsigned char)c < 0x20) {
        parser_fail(parser, c, "control character in string");
    } else if (c == '\\') {
        parser->state = JSON_PARSER_ESCAPE;
    } else if (c == parser->quote) {
        append_byte(parser, '"');
        parser->state = JSON_PARSER_PLAIN;
        parser->value_ended = true;
        if (!parser->closing->len) {
            parser_complete(parser);
        }
    } else {
        if (c == '"') {
            append_byte(parser, '\\');
        }
        append_byte(parser, c);
    }
}

static void feed_escape(JSONMessageParser *parser, char c)
{
    if ((unsigned char)c < 0x20) {
        parser_fail(parser, c, "control character in string");
        return;
    }
    if (c != '\'') {
        append_byte(parser, '\\');
    }
    append_byte(parser, c);
    parser->state = JSON_PARSER_STRING;
}

static void feed_recover(JSONMessageParser *parser, char c)
{
    if (c == '\n') {
        parser->state = JSON_PARSER_PLAIN;
    }
}

static void feed_byte(JSONMessageParser *parser, char c)
{
    static FeedByte *const feeds[JSON_PARSER__MAX] = {
        [JSON_PARSER_PLAIN] = feed_plain,     [JSON_PARSER_STRING] = feed_string,
        [JSON_PARSER_ESCAPE] = feed_escape,   [JSON_PARSER_SKIP] = feed_skip,
        [JSON_PARSER_RECOVER] = feed_recover,
    };

    if ((unsigned char)c == 0xff) {
        bool in_string = parser->state == JSON_PARSER_STRING || parser->state == JSON_PARSER_ESCAPE;

        parser_give_up(parser, JSON_PARSER_PLAIN,
                       in_string ? "invalid UTF-8" : "invalid character");
    } else {
        feeds[parser->state](parser, c);
    }
    parser->line_begins =
        c == '\n' || (parser->line_begins && marks[(unsigned char)c] == feed_space);
    if (parser->text->len > JSON_MESSAGE_MAX) {
        parser_fail(parser, c, "value is too long");
    } else if (parser->parts > JSON_PARTS_MAX) {
        parser_fail(parser, c, "value has too many parts");
    }
    parser->column++;
    if (c == '\n') {
        parser->line++;
        parser->column = 1;
    }
}

void json_message_parser_feed(JSONMessageParser *parser, const char *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        feed_byte(parser, buffer[i]);
    }
}

void json_message_parser_flush(JSONMessageParser *parser)
{
    if (!parser->closing->len && parser->state == JSON_PARSER_PLAIN) {
        end_word(parser);
    } else if (parser->state != JSON_PARSER_RECOVER && parser->state != JSON_PARSER_SKIP) {
        parser_fail(parser, '\n', "premature end");
    }
    parser_reset(parser, JSON_PARSER_PLAIN);
    parser->line = parser->column = 1;
    parser->line_begins = true;
}

void json_message_parser_destroy(JSONMessageParser *parser)
{
    g_string_free(parser->text, true);
    g_string_free(parser->closing, true);
    parser->text = parser->closing = NULL;
}
