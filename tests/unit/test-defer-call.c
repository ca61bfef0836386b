/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deferred calls: sections, and who runs what was put off. */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/defer-call.h"

static GString *seen;
static char a[] = "a", b[] = "b", z[] = "z";

static void note(void *opaque)
{
    g_string_append_c(seen, *(const char *)opaque);
}

static void note_other(void *opaque)
{
    note(opaque);
}

/* Asks for another while it runs. */
static void note_and_defer(void *opaque)
{
    note(opaque);
    defer_call(note, z);
}

/* Compares what ran with @expected, and forgets it. */
static void expect(const char *expected)
{
    g_assert_cmpstr(seen->str, ==, expected);
    g_string_truncate(seen, 0);
}

static void test_outside(void)
{
    defer_call(note, a);
    expect("a");
    g_assert_false(defer_call_flush());
}

static void test_nested_sections(void)
{
    defer_call_begin();
    defer_call(note, a);
    defer_call_begin();
    defer_call(note, b);
    defer_call_end();
    expect("");
    defer_call_end();
    expect("ab");
}

static void test_once(void)
{
    defer_call_begin();
    defer_call(note, a);
    defer_call(note_other, a);
    defer_call(note, a);
    defer_call_end();
    expect("aa");
    defer_call(note, a);
    expect("a");
}

static void test_flush(void)
{
    defer_call_begin();
    defer_call(note, a);
    g_assert_true(defer_call_flush());
    expect("a");
    g_assert_false(defer_call_flush());
    defer_call(note, a);
    defer_call_end();
    expect("a");
}

static void test_from_within(void)
{
    defer_call_begin();
    defer_call(note_and_defer, a);
    defer_call(note, b);
    g_assert_true(defer_call_flush());
    expect("abz");
    defer_call_end();
    expect("");
}

static void test_many(void)
{
    char letters[500];

    memset(letters, 'x', sizeof(letters));
    defer_call_begin();
    for (size_t i = 0; i < sizeof(letters); i++) {
        defer_call(note, &letters[i]);
    }
    defer_call_end();
    g_assert_cmpuint(seen->len, ==, sizeof(letters));
    g_string_truncate(seen, 0);
}

static AioContext *ctx;

static void defer_twice(void *opaque)
{
    defer_call(note, opaque);
    defer_call(note, opaque);
    expect("");
}

/* Waits in a nested loop for what its surroundings have put off. */
static void defer_and_wait(void *opaque)
{
    defer_twice(opaque);
    g_assert_true(aio_poll(ctx, true));
    expect("a");
}

static void run_in_iteration(QEMUBHFunc *fn)
{
    ctx = aio_context_new(&error_abort);
    aio_bh_schedule_oneshot(ctx, fn, a);
    g_assert_true(aio_poll(ctx, true));
}

static void test_iteration(void)
{
    run_in_iteration(defer_twice);
    expect("a");
    aio_context_unref(ctx);
}

static void test_nested_loop(void)
{
    run_in_iteration(defer_and_wait);
    expect("");
    aio_context_unref(ctx);
}

int main(int argc, char **argv)
{
    int ret;

    harness_init(&argc, &argv);
    seen = g_string_new(NULL);
    harness_add("/defer-call/outside_a_section_it_is_made_at_once", test_outside);
    harness_add("/defer-call/the_outermost_section_makes_it", test_nested_sections);
    harness_add("/defer-call/asked_for_twice_it_is_made_once", test_once);
    harness_add("/defer-call/a_flush_makes_it_within_the_section", test_flush);
    harness_add("/defer-call/one_may_ask_for_another", test_from_within);
    harness_add("/defer-call/none_is_lost_when_there_are_many", test_many);
    harness_add("/defer-call/an_iteration_of_the_loop_is_a_section", test_iteration);
    harness_add("/defer-call/a_nested_loop_first_makes_those_of_its_surroundings",
                test_nested_loop);
    ret = harness_run();
    g_string_free(seen, TRUE);
    return ret;
}
