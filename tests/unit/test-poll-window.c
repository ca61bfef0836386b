/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the judgement over busy polling: loads of several shapes, by a made-up clock. */
#include "qemu/osdep.h"
#include "qemu/wakeup-cost.h"
#include "util/poll-window.h"
#include "tests/unit/harness.h"

#define US 1000LL
#define MS (1000 * US)

/* A loop whose events come after so long; times in ns. */
typedef struct Model {
    AioPollWindow w;
    int64_t now, max_ns;
    int64_t vain, polled; /* in all */
    unsigned waits, found;
} Model;

static const PollParams defaults;

static void model_init(Model *m, int64_t max_ns)
{
    *m = (Model){ .now = 1000 * MS, .max_ns = max_ns };
}

/* One wait for an event that comes after @ns. */
static void model_wait(Model *m, int64_t ns)
{
    int64_t begin = m->now, poll = poll_window_begin(&m->w, m->max_ns, begin);

    if (poll >= ns) {
        poll_window_found(&m->w);
        m->found++;
    } else if (poll > 0) {
        poll_window_vain(&m->w, begin, begin + poll);
        m->vain += poll;
    }
    m->polled += MIN(poll, ns);
    m->now += ns;
    poll_window_waited(&m->w, &defaults, ns);
    m->waits++;
}

static void model_load(Model *m, unsigned waits, int64_t ns)
{
    for (unsigned i = 0; i < waits; i++) {
        model_wait(m, ns);
    }
}

/* All that may have been polled in vain since the clock began. */
static int64_t vain_allowed(const Model *m)
{
    return POLL_VAIN_NS + m->max_ns + (m->now - 1000 * MS) / POLL_SHARE + m->found * POLL_SAVED_NS;
}

static void test_soon_is_polled_for(void)
{
    Model m;

    model_init(&m, 32 * US);
    model_load(&m, 1000, 20 * US);
    g_assert_cmpuint(m.found, >, 980);
}

/* A window that may be as long as a wake-up takes finds clients that need one. */
static void test_window_grows_while_it_pays(void)
{
    Model m;

    model_init(&m, 112 * US);
    model_load(&m, 1000, 90 * US);
    g_assert_cmpuint(m.found, >, 950);
    model_init(&m, 32 * US);
    model_load(&m, 1000, 90 * US);
    g_assert_cmpuint(m.found, ==, 0);
    g_assert_cmpint(m.polled, <=, 100 * US);
}

static void test_far_is_not_polled_for(void)
{
    Model m;

    model_init(&m, 112 * US);
    model_load(&m, 10000, 400 * US);
    g_assert_cmpuint(m.found, ==, 0);
    g_assert_cmpint(m.polled, <=, 200 * US);
}

static void test_pause_costs_little_and_is_forgotten_soon(void)
{
    Model m;

    model_init(&m, 112 * US);
    for (int i = 0; i < 100; i++) {
        model_load(&m, 200, 60 * US);
        model_wait(&m, 1000 * MS);
    }
    g_assert_cmpint(m.vain, <=, 100 * 112 * US + 200 * US);
    g_assert_cmpuint(m.found, >, m.waits * 9 / 10);
}

static void test_slow_start_becomes_quick(void)
{
    Model m;

    model_init(&m, 112 * US);
    for (int64_t ns = 5 * MS; ns > 50 * US; ns = ns * 9 / 10) {
        model_load(&m, 5, ns);
    }
    m.found = m.waits = 0;
    model_load(&m, 1000, 50 * US);
    g_assert_cmpuint(m.found, >, 950);
}

/* Two loads that take turns: each gets what is worth it. */
static void test_two_rates(void)
{
    Model m;

    model_init(&m, 112 * US);
    for (int i = 0; i < 20; i++) {
        unsigned found = m.found;

        model_load(&m, 500, 300 * US);
        g_assert_cmpuint(m.found - found, <, 20);
        model_load(&m, 500, 40 * US);
        g_assert_cmpuint(m.found - found, >, 450);
    }
    g_assert_cmpint(m.vain, <=, vain_allowed(&m));
}

/* Whatever is waited for, chosen so as to be just missed, vain polling has its limit. */
static void test_vain_polling_is_bounded(void)
{
    Model m;

    model_init(&m, 112 * US);
    for (int i = 0; i < 100000; i++) {
        model_wait(&m, m.w.ns + 1 * US);
        g_assert_cmpint(m.vain, <=, vain_allowed(&m));
    }
    model_init(&m, 400 * US);
    for (int i = 0; i < 100000; i++) {
        model_wait(&m, g_test_rand_int_range(1, 900) * US);
        g_assert_cmpint(m.vain, <=, vain_allowed(&m));
    }
}

static void test_preemption_ends_polling_for_some_events(void)
{
    Model m;

    model_init(&m, 112 * US);
    model_load(&m, 100, 20 * US);
    poll_window_preempted(&m.w, m.max_ns);
    poll_window_waited(&m.w, &defaults, 20 * US);
    m.found = 0;
    model_load(&m, 10, 20 * US);
    g_assert_cmpuint(m.found, ==, 0);
    model_load(&m, 100, 20 * US);
    g_assert_cmpuint(m.found, >, 50);
}

static void test_wakeup_cost_is_measured_once(void)
{
    int64_t cost = qemu_wakeup_cost_ns();

    g_assert_cmpint(cost, >, 0);
    g_assert_cmpint(cost, <=, WAKEUP_COST_MAX_NS);
    for (int i = 0; i < 1000; i++) {
        g_assert_cmpint(qemu_wakeup_cost_ns(), ==, cost);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/poll-window/soon_is_polled_for", test_soon_is_polled_for);
    harness_add("/poll-window/window_grows_while_it_pays", test_window_grows_while_it_pays);
    harness_add("/poll-window/far_is_not_polled_for", test_far_is_not_polled_for);
    harness_add("/poll-window/pause_costs_little_and_is_forgotten_soon",
                test_pause_costs_little_and_is_forgotten_soon);
    harness_add("/poll-window/slow_start_becomes_quick", test_slow_start_becomes_quick);
    harness_add("/poll-window/two_rates", test_two_rates);
    harness_add("/poll-window/vain_polling_is_bounded", test_vain_polling_is_bounded);
    harness_add("/poll-window/preemption_ends_polling_for_some_events",
                test_preemption_ends_polling_for_some_events);
    harness_add("/poll-window/wakeup_cost_is_measured_once", test_wakeup_cost_is_measured_once);
    return harness_run();
}
