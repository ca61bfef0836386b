/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getters that other files of qom/ install.
 */
#ifndef QOM_OBJECT_VALUE_H
#define QOM_OBJECT_VALUE_H

#include "qom/object.h"

/* The value of a child property: the path of the child @opaque, "" outside the tree. */
void object_value_get_path(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp);

#endif /* QOM_OBJECT_VALUE_H */
