/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coroutine back-end: stacks, what runs on them, and what the sanitizers must know.
 *
 * Theory of operation
 *
 * A coroutine's stack is a mapping with a guard page below. On it runs coroutine_main(), an endless
 * loop: run the entry function, go back to the caller with COROUTINE_TERMINATE; when entered again
 * (from the pool, with another entry function), once more.
 *
 * What runs on a thread's own stack is its leader, a Coroutine without a stack of ours.
 *
 * A switch may return in another thread. Thread-local variables are therefore only touched by
 * functions that do not switch and are never inlined into ones that do.
 */
#include "qemu/osdep.h"
#include "qemu/address-space.h"
#include "qemu/coroutine_int.h"
#include "coroutine-stack.h"

#ifdef CONFIG_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef CONFIG_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef CONFIG_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#if defined(__clang__)
#define NO_ASAN __attribute__((no_sanitize("address")))
#else
#define NO_ASAN __attribute__((no_sanitize_address))
#endif

typedef struct CoroutineStack {
    Coroutine base;
    StackPoint point;
    /* Constant after creation, but for a leader's, which ASan tells at its first switch. */
    void *stack;
    size_t stack_size;
    bool own_guard; /* the guard page is a mapping of its own, which is counted */
    /* How whoever switched here means it. */
    CoroutineAction action;
#ifdef CONFIG_ASAN
    void *fake_stack;
    struct CoroutineStack *from; /* who switched here last */
#endif
#ifdef CONFIG_TSAN
    void *fiber;
#endif
#ifdef CONFIG_VALGRIND_H
    unsigned valgrind_id;
#endif
} CoroutineStack;

static __thread CoroutineStack leader;
static __thread Coroutine *current;

/* Told to ASan: about to leave @from for good (@ending) or not. */
static inline void NO_ASAN asan_before_switch(CoroutineStack *from, CoroutineStack *to, bool ending)
{
#ifdef CONFIG_ASAN
    to->from = from;
    __sanitizer_start_switch_fiber(ending ? NULL : &from->fake_stack, to->stack, to->stack_size);
    if (ending) {
        from->fake_stack = NULL;
    }
#endif
}

/* Told to ASan: now on the stack of @co. */
static inline void NO_ASAN asan_after_switch(CoroutineStack *co)
{
#ifdef CONFIG_ASAN
    const void *old_stack;
    size_t old_size;

    __sanitizer_finish_switch_fiber(co->fake_stack, &old_stack, &old_size);
    if (!co->from->stack) {
        co->from->stack = (void *)old_stack;
        co->from->stack_size = old_size;
    }
#endif
}

static inline void tsan_before_switch(CoroutineStack *from, CoroutineStack *to)
{
#ifdef CONFIG_TSAN
    if (!from->fiber) {
        from->fiber = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

QEMU_NOINLINE Coroutine *qemu_coroutine_self(void)
{
    if (!current) {
        current = &leader.base;
    }
    return current;
}

QEMU_NOINLINE bool qemu_in_coroutine(void)
{
    return current && current->caller;
}

static QEMU_NOINLINE void set_current(Coroutine *co)
{
    current = co;
}

/*
 * Its frame survives the fake stack that ASan drops when a coroutine ends, so it must not lie
 * there: NO_ASAN, and state in @from.
 */
QEMU_NOINLINE NO_ASAN CoroutineAction qemu_coroutine_switch(Coroutine *from_, Coroutine *to_,
                                                            CoroutineAction action)
{
    CoroutineStack *from = container_of(from_, CoroutineStack, base);
    CoroutineStack *to = container_of(to_, CoroutineStack, base);

    set_current(to_);
    to->action = action;
    asan_before_switch(from, to, action == COROUTINE_TERMINATE);
    tsan_before_switch(from, to);
    coroutine_stack_switch(&from->point, &to->point);
    asan_after_switch(from);
    return from->action;
}

static NO_ASAN void coroutine_main(void)
{
    CoroutineStack *co = container_of(qemu_coroutine_self(), CoroutineStack, base);

    asan_after_switch(co);
    for (;;) {
        co->base.entry(co->base.entry_arg);
        qemu_coroutine_switch(&co->base, co->base.caller, COROUTINE_TERMINATE);
    }
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

/*
 * Stacks whose guard page is a mapping of its own, at most. A process may not have many mappings,
 * and guests decide how many requests there are: further stacks do without, and share a mapping.
 */
#define STACK_OWN_GUARDS_MAX 4096

static unsigned stack_own_guards;

/* Has every access to the page fail, where that can be afforded. */
static void make_guard(CoroutineStack *co, void *page, size_t size)
{
    if (madvise(page, size, MADV_GUARD_INSTALL) == 0) {
        return;
    }
    if (qatomic_fetch_inc(&stack_own_guards) < STACK_OWN_GUARDS_MAX &&
        mprotect(page, size, PROT_NONE) == 0) {
        co->own_guard = true;
    } else {
        qatomic_dec(&stack_own_guards);
    }
}

/*
 * A mapping of stack_size bytes above a guard page. The kernel gives memory when it is touched.
 * False with errno set: it cannot be had.
 */
static bool stack_alloc(CoroutineStack *co)
{
    size_t guard = qemu_real_host_page_size();
    char *map = mmap(NULL, co->stack_size + guard, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED) {
        return false;
    }
    make_guard(co, map, guard);
    co->stack = map + guard;
    return true;
}

static void stack_free(CoroutineStack *co)
{
    size_t guard = qemu_real_host_page_size();

    munmap((char *)co->stack - guard, co->stack_size + guard);
    if (co->own_guard) {
        qatomic_dec(&stack_own_guards);
    }
}

static CoroutineStack *coroutine_alloc(void)
{
    CoroutineStack *co = g_new0(CoroutineStack, 1);

    co->stack_size = COROUTINE_STACK_SIZE;
    if (!stack_alloc(co)) {
        g_free(co);
        return NULL;
    }
    coroutine_stack_init(&co->point, co->stack, co->stack_size, coroutine_main);
#ifdef CONFIG_ASAN
    __lsan_register_root_region(co->stack, co->stack_size);
#endif
#ifdef CONFIG_TSAN
    co->fiber = __tsan_create_fiber(0);
#endif
#ifdef CONFIG_VALGRIND_H
    co->valgrind_id = VALGRIND_STACK_REGISTER(co->stack, (char *)co->stack + co->stack_size);
#endif
    return co;
}

Coroutine *qemu_coroutine_new(void)
{
    CoroutineStack *co = coroutine_alloc();

    if (!co) {
        fprintf(stderr, "cannot map the stack of a coroutine: %s\n", strerror(errno));
        abort();
    }
    return &co->base;
}

Coroutine *qemu_coroutine_try_new(size_t reserve)
{
    CoroutineStack *co = NULL;

    if (qemu_address_space_left(COROUTINE_STACK_SIZE + reserve)) {
        co = coroutine_alloc();
    }
    return co ? &co->base : NULL;
}

void qemu_coroutine_delete(Coroutine *co_)
{
    CoroutineStack *co = container_of(co_, CoroutineStack, base);

#ifdef CONFIG_ASAN
    __lsan_unregister_root_region(co->stack, co->stack_size);
    /* What its last frames poisoned would stay poisoned for the next user of the addresses. */
    __asan_unpoison_memory_region(co->stack, co->stack_size);
#endif
#ifdef CONFIG_TSAN
    __tsan_destroy_fiber(co->fiber);
#endif
#ifdef CONFIG_VALGRIND_H
    VALGRIND_STACK_DEREGISTER(co->valgrind_id);
#endif
    stack_free(co);
    g_free(co);
}

void *qemu_coroutine_stack_base(Coroutine *co)
{
    return container_of(co, CoroutineStack, base)->stack;
}
