/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Switching the processor from one stack to another.
 *
 * x86-64 and aarch64 have a few instructions of their own: they save what the calling convention
 * says a function must preserve, and nothing else (no signal mask, so no system call). Others use
 * ucontext.
 */
#ifndef UTIL_COROUTINE_STACK_H
#define UTIL_COROUTINE_STACK_H

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(CONFIG_STACK_SWITCH_UCONTEXT)
#define CONFIG_STACK_SWITCH_ASM 1
#else
#include <ucontext.h>
#endif

/* Where a stack that is not running goes on. */
typedef struct StackPoint {
#ifdef CONFIG_STACK_SWITCH_ASM
    void *sp;
#else
    ucontext_t uc;
#endif
} StackPoint;

/* Leaves the running stack, to go on after this call when somebody switches to @from. */
void coroutine_stack_switch(StackPoint *from, StackPoint *to);

/* Makes @point the start of @entry on the @size bytes at @base. @entry must not return. */
void coroutine_stack_init(StackPoint *point, void *base, size_t size, void (*entry)(void));

#endif
