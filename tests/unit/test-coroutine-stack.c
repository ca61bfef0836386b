/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Switching stacks by ucontext, which only processors without instructions of their own use; those
 * of this one are tested wherever a coroutine runs.
 */
#include "qemu/osdep.h"
#include "util/coroutine-stack.h"
#include "harness.h"

#ifdef CONFIG_STACK_SWITCH_ASM
#error this program tests the portable way
#endif

enum {
    STEPS = 1000
};

static StackPoint here, there;
static int steps;
static double sum;

static void count_steps(void)
{
    double kept = 1.5;

    for (;;) {
        kept += ++steps;
        sum = kept;
        coroutine_stack_switch(&there, &here);
    }
}

static void test_both_sides_keep_what_they_had(void)
{
    static char stack[256 * 1024];
    double mine = 2.25;

    coroutine_stack_init(&there, stack, sizeof(stack), count_steps);
    for (int i = 0; i < STEPS; i++) {
        g_assert_cmpint(steps, ==, i);
        coroutine_stack_switch(&here, &there);
        mine += 1;
    }
    g_assert_cmpint(steps, ==, STEPS);
    g_assert_cmpfloat(mine, ==, STEPS + 2.25);
    g_assert_cmpfloat(sum, ==, 1.5 + STEPS * (STEPS + 1) / 2);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/coroutine-stack/both_sides_keep_what_they_had",
                test_both_sides_keep_what_they_had);
    return harness_run();
}
