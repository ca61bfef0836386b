/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initialisation functions that files register for themselves.
 *
 * type_init(f) and its like queue f before main(); module_call_init() runs the queue of one type in
 * order of registration, each function once. Main thread.
 */
#ifndef QEMU_MODULE_H
#define QEMU_MODULE_H

typedef enum {
    MODULE_INIT_MIGRATION,
    MODULE_INIT_BLOCK,
    MODULE_INIT_OPTS,
    MODULE_INIT_QOM,
    MODULE_INIT_TRACE,
    MODULE_INIT_LIBQOS,
    MODULE_INIT_FUZZ_TARGET,
    MODULE_INIT__MAX,
} module_init_type;

#define module_init(function, type)                                     \
    static void __attribute__((constructor)) qemu_init_##function(void) \
    {                                                                   \
        register_module_init(function, type);                           \
    }

#define block_init(function) module_init(function, MODULE_INIT_BLOCK)
#define opts_init(function)  module_init(function, MODULE_INIT_OPTS)
#define type_init(function)  module_init(function, MODULE_INIT_QOM)
#define trace_init(function) module_init(function, MODULE_INIT_TRACE)

void register_module_init(void (*fn)(void), module_init_type type);
/* Runs what was registered for @type and has not run yet. */
void module_call_init(module_init_type type);

/* Markers for code that QEMU builds as loadable modules; everything is linked in here. */
#define module_obj(name)
#define module_dep(name)
#define module_arch(name)
#define module_opts(name)

#endif
