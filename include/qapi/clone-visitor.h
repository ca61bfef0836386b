/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deep copies of generated types. */
#ifndef QAPI_CLONE_VISITOR_H
#define QAPI_CLONE_VISITOR_H

#include "qapi/type-info.h"

/* A deep copy of @src, a pointer to generated type @type or NULL; the caller frees it. */
#define QAPI_CLONE(type, src) ((type *)qapi_clone_type((src), &qapi_type_##type))
/* Overwrite @dst, without freeing what it held, by a deep copy of *@src. */
#define QAPI_CLONE_MEMBERS(type, dst, src) qapi_clone_members((dst), (src), &qapi_type_##type)

#endif
