/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values from a stream of bytes.
 *
 * Theory of operation
 *
 * The parser gets the bytes as they come, in pieces of any size, and hands each value to emit() as
 * soon as its last byte is there. A text that is no JSON gives one error, and the stream goes on:
 *
 *   what was wrong                               it goes on
 *   a text whose brackets are in order           right behind it
 *   a mark or a word outside of all brackets     at the next line, or an opening brace before any
 *                                                quotation mark
 *   a byte in a string, or one that means        at the next line: the rest of this one may be
 * data, nothing; too deep, long, or many parts       in which nobody shall find a command an
 * opening brace at the beginning of a       with that brace, which begins another text: the one
 *   line, where the text can have none           before has never ended
 *   anything, then the byte 0xff                 right behind that, which is in no JSON
 *
 * All in the context of whoever feeds; emit() may not feed or destroy the parser.
 */
#ifndef JSON_PARSER_H
#define JSON_PARSER_H

#include "qemu/typedefs.h"

/* Bytes that one value may take. */
#define JSON_MESSAGE_MAX (64 * 1024 * 1024)
/* Members, elements and brackets of one value: each costs a hundred times its text. */
#define JSON_PARTS_MAX (256 * 1024)

/* Exactly one of @json and @err is set; both become emit()'s. */
typedef void JSONMessageEmit(void *opaque, QObject *json, Error *err);

typedef enum JSONParserState {
    JSON_PARSER_PLAIN,   /* outside of strings; between two values if there is no text */
    JSON_PARSER_STRING,  /* in a string */
    JSON_PARSER_ESCAPE,  /* behind a backslash in a string */
    JSON_PARSER_SKIP,    /* behind an error outside of brackets: until the line ends, or a brace */
    JSON_PARSER_RECOVER, /* behind an error, until the line ends */
    JSON_PARSER__MAX,
} JSONParserState;

typedef struct JSONMessageParser {
    JSONMessageEmit *emit;
    void *opaque;
    JSONParserState state;
    GString *text;         /* the value so far, its strings in double quotes */
    GString *closing;      /* the brackets that have to close it, the innermost last */
    char quote;            /* that ends the string we are in */
    bool line_begins;      /* nothing but space has come since the last line's end */
    bool value_ended;      /* the last thing in the text is a value, or a member's name */
    size_t colons;         /* outside of strings: members of all objects */
    size_t parts;          /* opening brackets and separators */
    ssize_t word_at;       /* where in the text the word we are in begins, -1 outside of words */
    unsigned line, column; /* of the byte that comes next, from 1 on */
    unsigned first_line, first_column; /* where the text begins */
} JSONMessageParser;

/* @ap is there for compatibility and must be NULL. */
void json_message_parser_init(JSONMessageParser *parser, JSONMessageEmit *emit, void *opaque,
                              va_list *ap);
void json_message_parser_feed(JSONMessageParser *parser, const char *buffer, size_t size);
/* The stream ends, or begins anew: a value that is not complete gives an error. */
void json_message_parser_flush(JSONMessageParser *parser);
void json_message_parser_destroy(JSONMessageParser *parser);

#endif
