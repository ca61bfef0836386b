/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where code may run, said in its declaration.
 *
 * Theory of operation
 *
 * clang's thread-safety analysis knows capabilities; a role is a capability without a lock behind
 * it: "the main loop's thread", "inside a coroutine". A function declares the role that its caller
 * must hold. A role does not travel through a function pointer, so the first line of a callback
 * asserts it (GLOBAL_STATE_CODE(), assert_coroutine_role()), which the analysis takes as proof.
 *
 * A typedef or member that is a pointer to a coroutine_fn says so for the reader only. gcc ignores
 * all of it.
 */
#ifndef QEMU_ROLES_H
#define QEMU_ROLES_H

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif

#define TSA_CAPABILITY(name)     TSA(capability(name))
#define TSA_GUARDED_BY(x)        TSA(guarded_by(x))
#define TSA_PT_GUARDED_BY(x)     TSA(pt_guarded_by(x))
#define TSA_REQUIRES(...)        TSA(requires_capability(__VA_ARGS__))
#define TSA_REQUIRES_SHARED(...) TSA(requires_shared_capability(__VA_ARGS__))
#define TSA_EXCLUDES(...)        TSA(locks_excluded(__VA_ARGS__))
#define TSA_ACQUIRE(...)         TSA(acquire_capability(__VA_ARGS__))
#define TSA_ACQUIRE_SHARED(...)  TSA(acquire_shared_capability(__VA_ARGS__))
#define TSA_RELEASE(...)         TSA(release_capability(__VA_ARGS__))
#define TSA_RELEASE_SHARED(...)  TSA(release_shared_capability(__VA_ARGS__))
#define TSA_ASSERT(...)          TSA(assert_capability(__VA_ARGS__))
#define TSA_ASSERT_SHARED(...)   TSA(assert_shared_capability(__VA_ARGS__))
#define TSA_NO_TSA               TSA(no_thread_safety_analysis)

typedef struct TSA_CAPABILITY("role") Role {
    char unused;
} Role;

extern Role main_loop_role;
extern Role coroutine_role;

#define main_loop_fn    TSA_REQUIRES(main_loop_role)
#define coroutine_fn    TSA_REQUIRES(coroutine_role)
#define no_coroutine_fn TSA_EXCLUDES(coroutine_role)
/* May run inside or outside a coroutine, and behaves accordingly. */
#define coroutine_mixed_fn

/* Proof where the type system has none: behind an if (qemu_in_coroutine()), say. */
static inline void assert_coroutine_role(void) TSA_ASSERT(coroutine_role) TSA_NO_TSA;
static inline void assert_coroutine_role(void)
{
}

/* The same for a callback that only the main loop calls. */
static inline void assert_main_loop_role(void) TSA_ASSERT(main_loop_role) TSA_NO_TSA;
static inline void assert_main_loop_role(void)
{
}

#endif
