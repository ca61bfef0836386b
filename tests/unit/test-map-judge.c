/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the judgement over mappings: loads of several shapes, by a made-up clock. */
#include "qemu/osdep.h"
#include "block/map-judge.h"
#include "tests/unit/harness.h"

#define CHUNKS_MAX 4096

/* A file that is read from a mapping, as file-posix-map.c does it, in made-up time. */
typedef struct Model {
    MapJudge judge;
    int64_t now, judged, last, resting; /* ms */
    unsigned reads, answers, next;
    int64_t answered[CHUNKS_MAX]; /* number of the epoch, + 1 */
    uint64_t from_mapping, elsewhere, rests;
} Model;

static Model *model_new(void)
{
    Model *m = g_new0(Model, 1);

    m->now = 1000000;
    return m;
}

static void model_judge(Model *m)
{
    MapEpoch epoch = {
        .reads = m->reads,
        .answers = m->answers,
        .silence_ms = m->now - m->last,
    };

    m->reads = m->answers = 0;
    m->judged = m->now;
    if (map_judge_epoch(&m->judge, &epoch)) {
        m->resting = m->now;
        m->rests++;
    }
}

static bool model_rests(Model *m)
{
    if (m->resting && m->now - m->judged >= MAP_JUDGE_EPOCH_MS) {
        if (map_judge_rest_over(&m->judge, m->reads, m->now - m->judged, m->now - m->resting)) {
            m->resting = 0;
        }
        m->reads = 0;
        m->judged = m->now;
    }
    return m->resting;
}

/* One read of a chunk out of @chunks, which are read in turn. */
static void model_read(Model *m, unsigned chunks)
{
    int64_t *answered = &m->answered[m->next++ % chunks], epoch = m->now / MAP_JUDGE_EPOCH_MS + 1;

    m->reads++;
    if (model_rests(m)) {
        m->elsewhere++;
    } else {
        m->from_mapping++;
        if (*answered != epoch) {
            *answered = epoch;
            if (m->now - m->judged >= MAP_JUDGE_EPOCH_MS) {
                m->reads--;
                model_judge(m);
                m->reads++;
            }
            m->answers++;
        }
    }
    m->last = m->now;
}

/* @reads each ms of @ms. */
static void model_load(Model *m, int ms, unsigned reads, unsigned chunks)
{
    for (int64_t end = m->now + ms; m->now < end; m->now++) {
        for (unsigned i = 0; i < reads; i++) {
            model_read(m, chunks);
        }
    }
}

static void test_steady_load_never_rests(void)
{
    g_autofree Model *m = model_new();

    model_load(m, 20000, 100, 1000);
    g_assert_cmpint(m->rests, ==, 0);
}

/* However short before a pause an epoch has begun, and however long the pause is. */
static void test_pause_is_no_reason_to_rest(void)
{
    for (int pause = 1; pause < 4000; pause += 97) {
        for (int burst = 1; burst < 1200; burst += 173) {
            g_autofree Model *m = model_new();

            model_load(m, 3000, 100, 1000);
            model_load(m, burst, 100, 1000);
            m->now += pause;
            model_load(m, 3000, 100, 1000);
            g_assert_cmpint(m->rests, ==, 0);
        }
    }
}

/* Bursts that are worth their answers, whatever their rhythm. */
static void test_bursts_that_are_worth_it_do_not_rest(void)
{
    for (int pause = 50; pause < 2000; pause += 150) {
        g_autofree Model *m = model_new();

        for (int i = 0; i < 40; i++) {
            model_load(m, 200, 100, 200);
            m->now += pause;
        }
        g_assert_cmpint(m->rests, ==, 0);
    }
}

static void test_slow_start_does_not_rest(void)
{
    g_autofree Model *m = model_new();

    /* The first reads find nothing known. */
    model_load(m, 5, 100, 1000);
    m->now += 700;
    model_load(m, 2, 100, 1000);
    m->now += 300;
    model_load(m, 10000, 100, 1000);
    g_assert_cmpint(m->rests, ==, 0);
}

static void test_scattered_load_rests(void)
{
    g_autofree Model *m = model_new();

    model_load(m, 60000, 2, CHUNKS_MAX);
    g_assert_cmpint(m->rests, >, 5);
    g_assert_cmpint(m->elsewhere, >, 4 * m->from_mapping);
}

/* As scattered, but in bursts: several of them say enough. */
static void test_scattered_bursts_rest(void)
{
    g_autofree Model *m = model_new();

    for (int i = 0; i < 60; i++) {
        model_load(m, 300, 2, CHUNKS_MAX);
        m->now += 700;
    }
    g_assert_cmpint(m->rests, >, 0);
    g_assert_cmpint(m->elsewhere, >, m->from_mapping);
}

static void test_few_answers_cost_nothing(void)
{
    g_autofree Model *m = model_new();

    for (int i = 0; i < 1000; i++) {
        model_load(m, 1, 1, CHUNKS_MAX);
        m->now += 99;
    }
    g_assert_cmpint(m->rests, ==, 0);
}

/* A load that is not worth it becomes one that is: the rest ends within two epochs. */
static void test_rest_ends_when_the_rate_rises(void)
{
    g_autofree Model *m = model_new();

    while (!m->resting) {
        model_load(m, 1, 2, CHUNKS_MAX);
    }
    m->elsewhere = 0;
    model_load(m, 2 * MAP_JUDGE_EPOCH_MS + 10, 100, 1000);
    g_assert_false(m->resting);
    model_load(m, 10000, 100, 1000);
    g_assert_cmpint(m->rests, ==, 1);
}

static void test_rest_does_not_end_at_the_same_rate(void)
{
    g_autofree Model *m = model_new();

    while (!m->resting) {
        model_load(m, 1, 2, CHUNKS_MAX);
    }
    model_load(m, MAP_JUDGE_REST_MS - 2 * MAP_JUDGE_EPOCH_MS, 2, CHUNKS_MAX);
    g_assert_true(m->resting);
    model_load(m, 3 * MAP_JUDGE_EPOCH_MS, 2, 10);
    g_assert_false(m->resting);
}

static void test_faults_rest_whatever_is_read(void)
{
    MapJudge judge = {};
    MapEpoch epoch = { .reads = 1000000, .answers = 1, .faults = MAP_JUDGE_MAX_FAULTS };

    g_assert_false(map_judge_epoch(&judge, &epoch));
    epoch.faults++;
    g_assert_true(map_judge_epoch(&judge, &epoch));
    /* And no rate is a reason to go on at once. */
    g_assert_false(map_judge_rest_over(&judge, UINT32_MAX, MAP_JUDGE_EPOCH_MS, 1000));
    g_assert_true(map_judge_rest_over(&judge, 0, MAP_JUDGE_EPOCH_MS, MAP_JUDGE_REST_MS));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/map-judge/steady_load_never_rests", test_steady_load_never_rests);
    harness_add("/map-judge/pause_is_no_reason_to_rest", test_pause_is_no_reason_to_rest);
    harness_add("/map-judge/bursts_that_are_worth_it_do_not_rest",
                test_bursts_that_are_worth_it_do_not_rest);
    harness_add("/map-judge/slow_start_does_not_rest", test_slow_start_does_not_rest);
    harness_add("/map-judge/scattered_load_rests", test_scattered_load_rests);
    harness_add("/map-judge/scattered_bursts_rest", test_scattered_bursts_rest);
    harness_add("/map-judge/few_answers_cost_nothing", test_few_answers_cost_nothing);
    harness_add("/map-judge/rest_ends_when_the_rate_rises", test_rest_ends_when_the_rate_rises);
    harness_add("/map-judge/rest_does_not_end_at_the_same_rate",
                test_rest_does_not_end_at_the_same_rate);
    harness_add("/map-judge/faults_rest_whatever_is_read", test_faults_rest_whatever_is_read);
    return harness_run();
}
