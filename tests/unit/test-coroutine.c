/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines: entering, yielding, ending, and the stacks that they leave to each other. */
#include "qemu/osdep.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "qemu/coroutine.h"
#include "qemu/coroutine_int.h"
#include "qemu/thread.h"
#include "harness.h"

typedef struct Record {
    char text[64];
    Coroutine *co;
    int count;
} Record;

static void note(Record *r, char c)
{
    size_t len = strlen(r->text);

    g_assert_cmpuint(len, <, sizeof(r->text) - 1);
    r->text[len] = c;
}

static void coroutine_fn note_and_yield(void *opaque)
{
    Record *r = opaque;

    for (char c = 'a'; c <= 'c'; c++) {
        note(r, c);
        qemu_coroutine_yield();
    }
    note(r, 'd');
}

static void test_yield_returns_to_the_one_who_entered(void)
{
    Record r = { 0 };
    Coroutine *co = qemu_coroutine_create(note_and_yield, &r);

    for (char c = '1'; c <= '4'; c++) {
        note(&r, c);
        qemu_coroutine_enter(co);
    }
    g_assert_cmpstr(r.text, ==, "1a2b3c4d");
}

static void coroutine_fn check_self(void *opaque)
{
    Coroutine **co = opaque;

    g_assert_true(qemu_in_coroutine());
    g_assert_true(qemu_coroutine_self() == *co);
    g_assert_true(qemu_coroutine_entered(*co));
    qemu_coroutine_yield();
    g_assert_true(qemu_coroutine_self() == *co);
    *co = NULL;
}

static void test_a_coroutine_knows_itself(void)
{
    Coroutine *co, *self;

    g_assert_false(qemu_in_coroutine());
    g_assert_nonnull(qemu_coroutine_self());
    co = self = qemu_coroutine_create(check_self, &co);
    g_assert_false(qemu_coroutine_entered(co));
    qemu_coroutine_enter(co);
    g_assert_false(qemu_coroutine_entered(co));
    g_assert_false(qemu_in_coroutine());
    g_assert_true(qemu_coroutine_self() != self);
    qemu_coroutine_enter(co);
    g_assert_null(co);
}

/* Enters a child that enters a child ... */
static void coroutine_fn nest(void *opaque)
{
    Record *r = opaque;
    Coroutine *outer = qemu_coroutine_self();

    if (r->count-- > 0) {
        Coroutine *inner = qemu_coroutine_create(nest, r);

        qemu_coroutine_enter(inner);
        g_assert_true(qemu_coroutine_self() == outer);
        g_assert_true(qemu_coroutine_entered(outer));
    }
}

static void test_coroutines_nest(void)
{
    Record r = { .count = 1000 };

    qemu_coroutine_enter(qemu_coroutine_create(nest, &r));
    g_assert_cmpint(r.count, ==, -1);
}

static void coroutine_fn set_flag(void *opaque)
{
    *(bool *)opaque = true;
}

static void test_a_dead_coroutine_is_used_again(void)
{
    bool first_ran = false, second_ran = false;
    Coroutine *first = qemu_coroutine_create(set_flag, &first_ran);
    void *stack = qemu_coroutine_stack_base(first);
    Coroutine *second;

    qemu_coroutine_enter(first);
    g_assert_true(first_ran);

    second = qemu_coroutine_create(set_flag, &second_ran);
    g_assert_true(second == first);
    g_assert_true(qemu_coroutine_stack_base(second) == stack);
    g_assert_null(qemu_coroutine_get_aio_context(second));
    g_assert_false(second_ran);
    qemu_coroutine_enter(second);
    g_assert_true(second_ran);
}

enum {
    MANY = 1000
};

static void coroutine_fn yield_once(void *opaque)
{
    int *alive = opaque;

    (*alive)++;
    qemu_coroutine_yield();
    (*alive)--;
}

/* More than the pools of a thread hold, ended in an order other than their creation's. */
static void *many_at_once(void *opaque)
{
    Coroutine *cos[MANY];
    int alive = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            cos[i] = qemu_coroutine_create(yield_once, &alive);
            qemu_coroutine_enter(cos[i]);
        }
        g_assert_cmpint(alive, ==, MANY);
        for (int i = 0; i < MANY; i++) {
            qemu_coroutine_enter(cos[(i * 7) % MANY]);
        }
        g_assert_cmpint(alive, ==, 0);
    }
    return NULL;
}

static void test_pools_of_threads_share_what_is_too_much(void)
{
    QemuThread threads[3];

    for (int i = 0; i < ARRAY_SIZE(threads); i++) {
        qemu_thread_create(&threads[i], "pool", many_at_once, NULL, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < ARRAY_SIZE(threads); i++) {
        qemu_thread_join(&threads[i]);
    }
    many_at_once(NULL);
}

static void test_pool_size_can_be_asked_for(void)
{
    qemu_coroutine_inc_pool_size(100 * MANY);
    many_at_once(NULL);
    qemu_coroutine_dec_pool_size(100 * MANY);
    many_at_once(NULL);
}

static void coroutine_fn yield_often(void *opaque)
{
    int *left = opaque;

    while (*left > 0) {
        (*left)--;
        qemu_coroutine_yield();
    }
}

static void test_a_hundred_thousand_switches(void)
{
    int left = 100000;
    Coroutine *co = qemu_coroutine_create(yield_often, &left);
    int entered = 0;

    while (qatomic_read(&left) > 0) {
        qemu_coroutine_enter(co);
        entered++;
    }
    g_assert_cmpint(entered, ==, 100000);
    qemu_coroutine_enter(co);
}

static void coroutine_fn divide_in_coroutine(void *opaque)
{
    double *values = opaque;
    double kept = values[0];
    unsigned long numbers[6] = { 1, 2, 3, 4, 5, 6 };

    qemu_coroutine_yield();
    for (int i = 0; i < ARRAY_SIZE(numbers); i++) {
        kept += numbers[i];
    }
    values[1] = kept / 4;
}

/* What the compiler keeps in registers over a switch must be there afterwards. */
static void test_registers_survive_a_switch(void)
{
    double values[2] = { 7.0, 0 };
    unsigned long sum = 0;
    Coroutine *co = qemu_coroutine_create(divide_in_coroutine, values);

    for (unsigned long i = 0; i < 2; i++) {
        qemu_coroutine_enter(co);
        sum += (i + 1) * 1000;
    }
    g_assert_cmpuint(sum, ==, 3000);
    g_assert_cmpfloat(values[1], ==, 7.0);
}

static void coroutine_fn note_stack_address(void *opaque)
{
    uintptr_t *address = opaque;

    *address = (uintptr_t)__builtin_frame_address(0);
}

static void test_a_coroutine_runs_on_its_stack(void)
{
    uintptr_t address = 0;
    Coroutine *co = qemu_coroutine_create(note_stack_address, &address);
    uintptr_t base = (uintptr_t)qemu_coroutine_stack_base(co);

    *(volatile char *)base = 0;
    qemu_coroutine_enter(co);
    g_assert_cmpuint(address, >, base);
    g_assert_cmpuint(address, <, base + COROUTINE_STACK_SIZE);
}

/* Not a recursion, which would be ended by whatever lies below without a guard, too. */
static void test_a_guard_page_lies_below_the_stack(void)
{
    if (g_test_subprocess()) {
        Coroutine *co = qemu_coroutine_create(note_stack_address, NULL);
        volatile char *base = qemu_coroutine_stack_base(co);

        fprintf(stderr, "stack %d\n", base[0]);
        fprintf(stderr, "guard %d\n", base[-1]);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("stack 0*");
    g_test_trap_assert_stderr_unmatched("*guard 0*");
}

/* A sanitizer has mappings of its own for each stack. */
#if defined(CONFIG_ASAN) || defined(CONFIG_TSAN)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static int count_mappings(void)
{
    g_autofree char *maps = NULL;
    int lines = 0;

    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    for (char *p = maps; *p; p++) {
        lines += *p == '\n';
    }
    return lines;
}

/* Linux 6.13 and later can guard a page inside a mapping. */
static bool stacks_share_mappings(void)
{
    size_t size = qemu_real_host_page_size();
    void *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = madvise(page, size, 102) == 0;

    munmap(page, size);
    return ok;
}

static void test_many_stacks_need_few_mappings(void)
{
    Coroutine *cos[2 * MANY];
    int before = count_mappings();
    int alive = 0;

    if (!stacks_share_mappings()) {
        g_test_skip("no MADV_GUARD_INSTALL in this kernel");
        return;
    }
    for (int i = 0; i < ARRAY_SIZE(cos); i++) {
        cos[i] = qemu_coroutine_create(yield_once, &alive);
        qemu_coroutine_enter(cos[i]);
    }
    g_assert_cmpint(count_mappings() - before, <, (int)ARRAY_SIZE(cos) / 4);
    for (int i = 0; i < ARRAY_SIZE(cos); i++) {
        qemu_coroutine_enter(cos[i]);
    }
}

/* From now on this process has a kernel before 6.13, as far as guards go. */
static void forbid_guards_inside_mappings(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { ARRAY_SIZE(filter), filter };

    g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==, 0);
}

/* A guest that has very many requests under way must not use up the process's mappings. */
static void test_old_kernels_guard_a_bounded_number(void)
{
    enum {
        STACKS = 6000,
        MAPPINGS = 2 * 4096 + 1000
    };

    if (g_test_subprocess()) {
        int before = count_mappings();
        int alive = 0;

        forbid_guards_inside_mappings();
        for (int i = 0; i < STACKS; i++) {
            qemu_coroutine_enter(qemu_coroutine_create(yield_once, &alive));
        }
        g_assert_cmpint(count_mappings() - before, <, MAPPINGS);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void coroutine_fn enter_self(void *opaque)
{
    qemu_coroutine_enter(qemu_coroutine_self());
}

static void test_entering_a_running_coroutine_aborts(void)
{
    if (g_test_subprocess()) {
        qemu_coroutine_enter(qemu_coroutine_create(enter_self, NULL));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*is running already*");
}

static void test_yielding_outside_aborts(void)
{
    /* By a pointer, for the compiler would notice a call. */
    void (*yield)(void) = qemu_coroutine_yield;

    if (g_test_subprocess()) {
        yield();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*not in a coroutine*");
}

static void coroutine_fn enter_if_inactive_self(void *opaque)
{
    qemu_coroutine_enter_if_inactive(qemu_coroutine_self());
    *(bool *)opaque = true;
}

static void test_enter_if_inactive_leaves_a_running_one_alone(void)
{
    bool done = false;

    qemu_coroutine_enter_if_inactive(qemu_coroutine_create(enter_if_inactive_self, &done));
    g_assert_true(done);
}

/* Not a test of correctness: how long things take (with -m perf). */
static void coroutine_fn do_nothing(void *opaque)
{
}

static void perf_lifecycle(void)
{
    const int n = 10000000;

    g_test_timer_start();
    for (int i = 0; i < n; i++) {
        qemu_coroutine_enter(qemu_coroutine_create(do_nothing, NULL));
    }
    g_test_message("create, enter, end: %.1f ns", g_test_timer_elapsed() * 1e9 / n);
}

static void perf_yield(void)
{
    const int n = 10000000;
    int left = n;
    Coroutine *co = qemu_coroutine_create(yield_often, &left);

    g_test_timer_start();
    while (qatomic_read(&left) > 0) {
        qemu_coroutine_enter(co);
    }
    g_test_message("enter and yield: %.1f ns", g_test_timer_elapsed() * 1e9 / n);
    qemu_coroutine_enter(co);
}

static void coroutine_fn ends(void *opaque)
{
}

static void coroutine_fn enters_and_ends(void *opaque)
{
    qemu_coroutine_enter(opaque);
}

static void coroutine_fn yields_once(void *opaque)
{
    qemu_coroutine_yield();
}

/* What has ended lies in the pool, and nobody looks into it before it is taken out again. */
static void test_nobody_touches_what_has_ended(void)
{
    Coroutine *second = qemu_coroutine_create(yields_once, NULL);
    Coroutine *first = qemu_coroutine_create(enters_and_ends, second);
    Coroutine saved;

    g_assert_true(IS_ENABLED(CONFIG_COROUTINE_POOL));
    qemu_coroutine_enter(first);
    saved = *first;
    memset(first, 0xff, sizeof(*first));
    qemu_coroutine_enter(second);
    *first = saved;
    /* The pool is whole: both are used again. */
    for (int i = 0; i < 3; i++) {
        qemu_coroutine_enter(qemu_coroutine_create(ends, NULL));
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/coroutine/yield_returns_to_the_one_who_entered",
                test_yield_returns_to_the_one_who_entered);
    harness_add("/coroutine/a_coroutine_knows_itself", test_a_coroutine_knows_itself);
    harness_add("/coroutine/coroutines_nest", test_coroutines_nest);
    harness_add("/coroutine/a_dead_coroutine_is_used_again", test_a_dead_coroutine_is_used_again);
    harness_add("/coroutine/pools_of_threads_share_what_is_too_much",
                test_pools_of_threads_share_what_is_too_much);
    harness_add("/coroutine/pool_size_can_be_asked_for", test_pool_size_can_be_asked_for);
    harness_add("/coroutine/a_hundred_thousand_switches", test_a_hundred_thousand_switches);
    harness_add("/coroutine/registers_survive_a_switch", test_registers_survive_a_switch);
    harness_add("/coroutine/runs_on_its_stack", test_a_coroutine_runs_on_its_stack);
    harness_add("/coroutine/a_guard_page_lies_below_the_stack",
                test_a_guard_page_lies_below_the_stack);
    if (!SANITIZED) {
        harness_add("/coroutine/nobody_touches_what_has_ended", test_nobody_touches_what_has_ended);
        harness_add("/coroutine/many_stacks_need_few_mappings", test_many_stacks_need_few_mappings);
        harness_add("/coroutine/old_kernels_guard_a_bounded_number_of_stacks",
                    test_old_kernels_guard_a_bounded_number);
    }
    harness_add("/coroutine/entering_a_running_coroutine_aborts",
                test_entering_a_running_coroutine_aborts);
    harness_add("/coroutine/yielding_outside_a_coroutine_aborts", test_yielding_outside_aborts);
    harness_add("/coroutine/enter_if_inactive_leaves_a_running_one_alone",
                test_enter_if_inactive_leaves_a_running_one_alone);
    if (g_test_perf()) {
        harness_add("/coroutine/perf/lifecycle", perf_lifecycle);
        harness_add("/coroutine/perf/yield", perf_yield);
    }
    return harness_run();
}
