/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values from a stream of bytes.
 *
 * Theory of operation
 *
 * The parser gets the bytes as they come, in pieces of any size, and hands each value to emit() as
 * soon as its last byte is there. A text that is no JSON gives one error, and the stream goes on at
 * the next line, or right behind a text whose brackets are in order. All in the context of whoever
 * feeds; emit() may not feed or destroy the parser.
 */
#ifndef JSON_PARSER_H
#define JSON_PARSER_H

#include "qemu/typedefs.h"

/* Bytes that one value may take. */
#define JSON_MESSAGE_MAX (64 * 1024 * 1024)

/* Exactly one of @json and @err is set; both become emit()'s. */
typedef void JSONMessageEmit(void *opaque, QObject *json, Error *err);

typedef struct JSONMessageParser {
    JSONMessageEmit *emit;
    void *opaque;
    GString *text;       /* the value so far, with every string in double quotes */
    GByteArray *nesting; /* the closing brackets that are still to come */
    int state;
    char quote;       /* that ends the string we are in */
    size_t escape;    /* bytes since a backslash in a string, 0 outside of an escape */
    size_t colons;    /* members of all objects */
    size_t number_at; /* where in @text the word (number, keyword) begins */
    unsigned line, column;
    unsigned first_line, first_column; /* where @text begins */
} JSONMessageParser;

/* @ap is there for compatibility and must be NULL. */
void json_message_parser_init(JSONMessageParser *parser, JSONMessageEmit *emit, void *opaque,
                              va_list *ap);
void json_message_parser_feed(JSONMessageParser *parser, const char *buffer, size_t size);
/* The stream ends, or begins anew: a value that is not complete gives an error. */
void json_message_parser_flush(JSONMessageParser *parser);
void json_message_parser_destroy(JSONMessageParser *parser);

#endif
