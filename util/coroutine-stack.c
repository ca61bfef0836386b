/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Switching the processor from one stack to another. */
#include "qemu/osdep.h"
#include "coroutine-stack.h"

#if defined(CONFIG_STACK_SWITCH_ASM) && defined(__x86_64__)

/*
 * What coroutine_stack_switch() leaves on a stack, lowest address first. Not the floating point
 * control words: like setjmp(), for nobody here changes them.
 */
typedef struct SwitchFrame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void (*rip)(void);
    uint64_t return_address; /* of the entry function: none, it ends backtraces */
} SwitchFrame;

/* The frame ends at a multiple of 16; a function finds its stack pointer 8 below one. */
QEMU_BUILD_BUG_ON((sizeof(SwitchFrame) - offsetof(SwitchFrame, return_address)) % 16 != 8);

__asm__(".text\n"
        ".globl coroutine_stack_switch\n"
        ".type coroutine_stack_switch, @function\n"
        "coroutine_stack_switch:\n"
        ".cfi_startproc\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq  %rsp, (%rdi)\n"
        "    movq  (%rsi), %rsp\n"
        "    popq  %r15\n"
        "    popq  %r14\n"
        "    popq  %r13\n"
        "    popq  %r12\n"
        "    popq  %rbx\n"
        "    popq  %rbp\n"
        /* Balances the call, for the processor's prediction of returns further up. */
        "    ret\n"
        ".cfi_endproc\n"
        ".size coroutine_stack_switch, . - coroutine_stack_switch\n");

static void frame_init(SwitchFrame *f, void (*entry)(void))
{
    *f = (SwitchFrame){ .rip = entry };
}

#elif defined(CONFIG_STACK_SWITCH_ASM) && defined(__aarch64__)

typedef struct SwitchFrame {
    uint64_t d[8]; /* d8..d15 */
    uint64_t x19_x28[10];
    uint64_t x29;
    void (*x30)(void);
} SwitchFrame;

QEMU_BUILD_BUG_ON(sizeof(SwitchFrame) != 160);

__asm__(".text\n"
        ".globl coroutine_stack_switch\n"
        ".type coroutine_stack_switch, %function\n"
        "coroutine_stack_switch:\n"
        ".cfi_startproc\n"
        "    sub sp, sp, #160\n"
        "    stp d8, d9, [sp, #0]\n"
        "    stp d10, d11, [sp, #16]\n"
        "    stp d12, d13, [sp, #32]\n"
        "    stp d14, d15, [sp, #48]\n"
        "    stp x19, x20, [sp, #64]\n"
        "    stp x21, x22, [sp, #80]\n"
        "    stp x23, x24, [sp, #96]\n"
        "    stp x25, x26, [sp, #112]\n"
        "    stp x27, x28, [sp, #128]\n"
        "    stp x29, x30, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    ldr x9, [x1]\n"
        "    mov sp, x9\n"
        "    ldp d8, d9, [sp, #0]\n"
        "    ldp d10, d11, [sp, #16]\n"
        "    ldp d12, d13, [sp, #32]\n"
        "    ldp d14, d15, [sp, #48]\n"
        "    ldp x19, x20, [sp, #64]\n"
        "    ldp x21, x22, [sp, #80]\n"
        "    ldp x23, x24, [sp, #96]\n"
        "    ldp x25, x26, [sp, #112]\n"
        "    ldp x27, x28, [sp, #128]\n"
        "    ldp x29, x30, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size coroutine_stack_switch, . - coroutine_stack_switch\n");

static void frame_init(SwitchFrame *f, void (*entry)(void))
{
    *f = (SwitchFrame){ .x30 = entry };
}

#endif

#ifdef CONFIG_STACK_SWITCH_ASM

void coroutine_stack_init(StackPoint *point, void *base, size_t size, void (*entry)(void))
{
    uintptr_t top = QEMU_ALIGN_DOWN((uintptr_t)base + size, 16);
    SwitchFrame *f = (SwitchFrame *)(top - sizeof(SwitchFrame));

    frame_init(f, entry);
    point->sp = f;
}

#else

void coroutine_stack_switch(StackPoint *from, StackPoint *to)
{
    swapcontext(&from->uc, &to->uc);
}

void coroutine_stack_init(StackPoint *point, void *base, size_t size, void (*entry)(void))
{
    getcontext(&point->uc);
    point->uc.uc_link = NULL;
    point->uc.uc_stack.ss_sp = base;
    point->uc.uc_stack.ss_size = size;
    makecontext(&point->uc, entry, 0);
}

#endif
