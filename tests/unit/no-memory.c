/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that a thread of the test does not get: the linker has malloc() come here. */
#include "qemu/osdep.h"
#include "no-memory.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

__thread bool no_memory;

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return no_memory ? NULL : __real_realloc(old, size);
}
