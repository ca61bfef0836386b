/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the judgement over writes by the loop's own thread: disks of several moods, by a made-up
 * clock. */
#include "qemu/osdep.h"
#include "block/write-judge.h"
#include "tests/unit/harness.h"

#define US 1000LL
#define MS (1000 * US)
#define S  (1000 * MS)

typedef struct Model {
    WriteJudge judge;
    int64_t now;
    unsigned by_loop, by_others;
    int64_t waited; /* by the loop's thread, in slow writes */
} Model;

static void model_write(Model *m, int64_t ns, int64_t pause)
{
    bool by_loop = write_judge_allows(&m->judge, 4096, m->now);
    int64_t begin = m->now;

    m->now += ns;
    write_judge_note(&m->judge, begin, m->now, by_loop);
    if (by_loop) {
        m->by_loop++;
        m->waited += ns > WRITE_JUDGE_SLOW_NS ? ns : 0;
    } else {
        m->by_others++;
    }
    m->now += pause;
}

/* Writes of so long each, one after the other, for a time. */
static void model_load(Model *m, int64_t time, int64_t ns)
{
    for (int64_t end = m->now + time; m->now < end;) {
        model_write(m, ns, 10 * US);
    }
}

static void test_quick_writes_are_the_loops_after_some(void)
{
    Model m = { .now = S };

    model_load(&m, 10 * MS, 5 * US);
    g_assert_cmpuint(m.by_others, ==, WRITE_JUDGE_QUICK);
    g_assert_cmpuint(m.by_loop, >, 500);
}

static void test_nothing_is_known_of_a_slow_disk_so_the_loop_never_writes(void)
{
    Model m = { .now = S };

    model_load(&m, 100 * S, 20 * MS);
    g_assert_cmpuint(m.by_loop, ==, 0);
}

static void test_the_first_slow_write_is_the_last_of_the_loop(void)
{
    Model m = { .now = S };

    model_load(&m, S, 5 * US);
    m.by_loop = 0;
    model_load(&m, 600 * S, 200 * MS);
    g_assert_cmpuint(m.by_loop, ==, 1);
}

static void test_it_comes_back_when_the_disk_does(void)
{
    Model m = { .now = S };

    model_load(&m, S, 5 * US);
    model_write(&m, 50 * MS, 0);
    m.by_loop = 0;
    model_load(&m, S, 5 * US);
    g_assert_cmpuint(m.by_loop, >, 30000);
}

/* A burst of quick writes, then a slow one, again and again: longer and longer whiles. */
static void test_moods_cost_the_loop_less_and_less(void)
{
    Model m = { .now = S };

    for (int i = 0; i < 3600; i++) {
        model_load(&m, 900 * MS, 5 * US);
        model_write(&m, 100 * MS, 0);
    }
    /* An hour; a hundredth of a second in it would be 36 s. */
    g_assert_cmpint(m.waited, <, 2 * S);
}

static void test_a_long_good_time_is_trusted_again(void)
{
    Model m = { .now = S };

    for (int i = 0; i < 6; i++) {
        model_load(&m, 20 * S, 5 * US);
        model_write(&m, 100 * MS, 0);
    }
    model_load(&m, 600 * S, 5 * US);
    model_write(&m, 100 * MS, 0);
    m.by_loop = 0;
    model_load(&m, S, 5 * US);
    g_assert_cmpuint(m.by_loop, >, 1000);
}

static void test_a_pause_forgets_nothing(void)
{
    Model m = { .now = S };

    model_load(&m, S, 5 * US);
    model_write(&m, 100 * MS, 3600 * S);
    /* The disk is as slow as it was. */
    m.by_loop = 0;
    model_load(&m, 10 * S, 100 * MS);
    g_assert_cmpuint(m.by_loop, ==, 0);
}

static void test_large_writes_are_never_the_loops(void)
{
    WriteJudge judge = { .quick = WRITE_JUDGE_QUICK };

    g_assert_true(write_judge_allows(&judge, WRITE_JUDGE_MAX_BYTES, S));
    g_assert_false(write_judge_allows(&judge, WRITE_JUDGE_MAX_BYTES + 1, S));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/write-judge/quick_writes_are_the_loops_after_some",
                test_quick_writes_are_the_loops_after_some);
    harness_add("/write-judge/nothing_is_known_of_a_slow_disk_so_the_loop_never_writes",
                test_nothing_is_known_of_a_slow_disk_so_the_loop_never_writes);
    harness_add("/write-judge/the_first_slow_write_is_the_last_of_the_loop",
                test_the_first_slow_write_is_the_last_of_the_loop);
    harness_add("/write-judge/it_comes_back_when_the_disk_does",
                test_it_comes_back_when_the_disk_does);
    harness_add("/write-judge/moods_cost_the_loop_less_and_less",
                test_moods_cost_the_loop_less_and_less);
    harness_add("/write-judge/a_long_good_time_is_trusted_again",
                test_a_long_good_time_is_trusted_again);
    harness_add("/write-judge/a_pause_forgets_nothing", test_a_pause_forgets_nothing);
    harness_add("/write-judge/large_writes_are_never_the_loops",
                test_large_writes_are_never_the_loops);
    return harness_run();
}
