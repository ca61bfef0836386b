/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QObjects from C values. */
#ifndef QOBJECT_OUTPUT_VISITOR_H
#define QOBJECT_OUTPUT_VISITOR_H

#include "qapi/visitor.h"

/*
 * visit_complete(v, result), @result being a QObject **, stores there a new reference to what the
 * visit has made.
 */
Visitor *qobject_output_visitor_new(QObject **result);

#endif
