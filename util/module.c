/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Initialisation functions that files register for themselves: one queue a type. */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/queue.h"

typedef struct ModuleEntry {
    void (*init)(void);
    QSIMPLEQ_ENTRY(ModuleEntry) next;
} ModuleEntry;

typedef QSIMPLEQ_HEAD(, ModuleEntry) ModuleQueue;

static ModuleQueue queues[MODULE_INIT__MAX];

static ModuleQueue *module_queue(module_init_type type)
{
    assert(type < MODULE_INIT__MAX);
    /* Constructors run before anything could have initialised the queues. */
    if (!queues[type].sqh_last) {
        QSIMPLEQ_INIT(&queues[type]);
    }
    return &queues[type];
}

void register_module_init(void (*fn)(void), module_init_type type)
{
    ModuleEntry *e = g_new0(ModuleEntry, 1);

    e->init = fn;
    QSIMPLEQ_INSERT_TAIL(module_queue(type), e, next);
}

void module_call_init(module_init_type type)
{
    ModuleQueue *queue = module_queue(type);
    ModuleEntry *e;

    while ((e = QSIMPLEQ_FIRST(queue))) {
        QSIMPLEQ_REMOVE_HEAD(queue, next);
        e->init();
        g_free(e);
    }
}
