/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties as QObjects, the form in which QMP carries them. Main loop; nothing blocks.
 */
#ifndef QOM_QOM_QOBJECT_H
#define QOM_QOM_QOBJECT_H

#include "qom/object.h"

/* object_property_get_qobject: the value, a new reference; NULL with @errp set on failure. */
QObject *object_property_get_qobject(Object *obj, const char *name, Error **errp);

/* object_property_set_qobject: set from @value, which stays the caller's. */
bool object_property_set_qobject(Object *obj, const char *name, QObject *value, Error **errp);

#endif /* QOM_QOM_QOBJECT_H */
