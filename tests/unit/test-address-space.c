/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near RLIMIT_AS: who may still have address space, and who has to wait. */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include "qemu/address-space.h"
#include "qemu/coroutine.h"
#include "qemu/coroutine_int.h"
#include "harness.h"

#define MIB ((size_t)1 << 20)

#if defined(CONFIG_ASAN) || defined(CONFIG_TSAN)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum {
    MAX_STACKS = 128
};

static struct rlimit unlimited;

static size_t mapped(void)
{
    g_autofree char *statm = NULL;

    g_assert_true(g_file_get_contents("/proc/self/statm", &statm, NULL, NULL));
    return strtoull(statm, NULL, 10) * qemu_real_host_page_size();
}

/* From now on only @bytes more can be mapped. */
static void leave(size_t bytes)
{
    struct rlimit limit = { mapped() + bytes, unlimited.rlim_max };

    g_assert_cmpint(setrlimit(RLIMIT_AS, &limit), ==, 0);
}

static void leave_everything(void)
{
    g_assert_cmpint(setrlimit(RLIMIT_AS, &unlimited), ==, 0);
}

static bool can_map(size_t bytes)
{
    void *addr = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (addr != MAP_FAILED) {
        munmap(addr, bytes);
    }
    return addr != MAP_FAILED;
}

static void test_what_is_left_is_what_can_be_mapped(void)
{
    leave(100 * MIB);
    for (size_t bytes = 10 * MIB; bytes < 200 * MIB; bytes += 20 * MIB) {
        bool left = qemu_address_space_left(bytes);

        g_assert_cmpint(left, ==, can_map(bytes));
        g_assert_cmpint(left, ==, bytes < 100 * MIB);
    }
    leave_everything();
}

static void test_asking_takes_nothing(void)
{
    size_t before = mapped();

    leave(100 * MIB);
    g_assert_true(qemu_address_space_left(64 * MIB));
    g_assert_true(qemu_address_space_left(64 * MIB));
    leave_everything();
    g_assert_cmpuint(mapped(), ==, before);
}

static void test_without_a_limit_all_is_left(void)
{
    g_assert_true(qemu_address_space_left(SIZE_MAX / 2));
}

static void coroutine_fn yield_once(void *opaque)
{
    qemu_coroutine_yield();
}

/* Coroutines that are under way, as many as can be had; or that one of them is @urgent. */
static unsigned start_all(Coroutine **cos, bool urgent)
{
    unsigned n = 0;

    while (n < MAX_STACKS && (cos[n] = qemu_coroutine_try_create(yield_once, NULL, urgent))) {
        qemu_coroutine_enter(cos[n++]);
    }
    return n;
}

static void end_all(Coroutine **cos, unsigned n)
{
    while (n > 0) {
        qemu_coroutine_enter(cos[--n]);
    }
}

static void test_who_can_wait_leaves_the_reserve(void)
{
    Coroutine *cos[MAX_STACKS];
    unsigned n;

    leave(ADDRESS_SPACE_RESERVE + 20 * MIB);
    n = start_all(cos, false);
    g_assert_cmpuint(n, >=, 16);
    g_assert_cmpuint(n, <=, 20);
    g_assert_true(qemu_address_space_left(ADDRESS_SPACE_RESERVE));
    end_all(cos, n);
    leave_everything();
}

static void test_who_is_urgent_leaves_less_but_not_nothing(void)
{
    Coroutine *cos[MAX_STACKS];
    unsigned n;

    leave(ADDRESS_SPACE_LAST_RESERVE + 20 * MIB);
    g_assert_null(qemu_coroutine_try_create(yield_once, NULL, false));
    n = start_all(cos, true);
    g_assert_cmpuint(n, >=, 16);
    g_assert_true(qemu_address_space_left(ADDRESS_SPACE_LAST_RESERVE));
    end_all(cos, n);
    leave_everything();
}

static void test_stacks_are_not_hoarded_while_one_is_missing(void)
{
    Coroutine *cos[MAX_STACKS];
    unsigned n;
    size_t before;

    leave(ADDRESS_SPACE_RESERVE + 20 * MIB);
    n = start_all(cos, false);
    before = mapped();
    end_all(cos, n);
    g_assert_cmpuint(before - mapped(), >=, n * MIB);
    /* The next one that can be had ends that. */
    qemu_coroutine_enter(cos[0] = qemu_coroutine_try_create(yield_once, NULL, false));
    before = mapped();
    qemu_coroutine_enter(cos[0]);
    g_assert_cmpuint(mapped(), ==, before);
    leave_everything();
}

static void test_a_stack_in_the_pool_can_always_be_had(void)
{
    Coroutine *co = qemu_coroutine_create(yield_once, NULL);

    qemu_coroutine_enter(co);
    qemu_coroutine_enter(co);
    leave(0);
    g_assert_true(qemu_coroutine_try_create(yield_once, NULL, false) == co);
    leave_everything();
    qemu_coroutine_enter(co);
    qemu_coroutine_enter(co);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/address-space/without_a_limit_all_is_left", test_without_a_limit_all_is_left);
    if (SANITIZED) {
        return harness_run();
    }
    /* The first question opens a descriptor that stays. */
    getrlimit(RLIMIT_AS, &unlimited);
    leave(MIB);
    qemu_address_space_left(1);
    leave_everything();
    harness_add("/address-space/what_is_left_is_what_can_be_mapped",
                test_what_is_left_is_what_can_be_mapped);
    harness_add("/address-space/asking_takes_nothing", test_asking_takes_nothing);
    harness_add("/address-space/who_can_wait_leaves_the_reserve",
                test_who_can_wait_leaves_the_reserve);
    harness_add("/address-space/who_is_urgent_leaves_less_but_not_nothing",
                test_who_is_urgent_leaves_less_but_not_nothing);
    harness_add("/address-space/stacks_are_not_hoarded_while_one_is_missing",
                test_stacks_are_not_hoarded_while_one_is_missing);
    harness_add("/address-space/a_stack_in_the_pool_can_always_be_had",
                test_a_stack_in_the_pool_can_always_be_had);
    return harness_run();
}
