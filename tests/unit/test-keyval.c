/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "key=value,..." texts. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/keyval.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"

typedef struct Sample {
    const char *params;
    const char *implied;
    const char *json;  /* what it means; NULL: it is refused */
    const char *error; /* what is said then */
} Sample;

static const Sample samples[] = {
    { "", NULL, "{}", NULL },
    { "a=1", NULL, "{\"a\": \"1\"}", NULL },
    { "a=1,", NULL, "{\"a\": \"1\"}", NULL },
    { "a=", NULL, "{\"a\": \"\"}", NULL },
    { "a=1,b=2", NULL, "{\"a\": \"1\", \"b\": \"2\"}", NULL },
    { "a=1,a=2", NULL, "{\"a\": \"2\"}", NULL },
    { "a=x=y", NULL, "{\"a\": \"x=y\"}", NULL },
    { "a=x,,y,b=,,", NULL, "{\"a\": \"x,y\", \"b\": \",\"}", NULL },
    { "a.b.c=1,a.d=2", NULL, "{\"a\": {\"b\": {\"c\": \"1\"}, \"d\": \"2\"}}", NULL },
    { "l.0=x,l.1=y", NULL, "{\"l\": [\"x\", \"y\"]}", NULL },
    { "l.1=y,l.0=x", NULL, "{\"l\": [\"x\", \"y\"]}", NULL },
    { "l.0.a=x,l.1.a=y", NULL, "{\"l\": [{\"a\": \"x\"}, {\"a\": \"y\"}]}", NULL },
    { "l.0.0=x", NULL, "{\"l\": [[\"x\"]]}", NULL },
    { "x_y-z=1,__org.example_a.b=2", NULL,
      "{\"x_y-z\": \"1\", \"__org.example_a\": {\"b\": \"2\"}}", NULL },
    { "file,b=1", "driver", "{\"driver\": \"file\", \"b\": \"1\"}", NULL },
    { "driver=file,b=1", "driver", "{\"driver\": \"file\", \"b\": \"1\"}", NULL },
    { "a,,b,c=1", "i", "{\"i\": \"a,b\", \"c\": \"1\"}", NULL },
    { "foo", NULL, NULL, "Expected '=' after parameter 'foo'" },
    { "a=1,foo", "i", NULL, "Expected '=' after parameter 'foo'" },
    { ",a=1", "i", NULL, "Invalid parameter ''" },
    { "=1", "i", NULL, "Invalid parameter ''" },
    { "a=1,=2", NULL, NULL, "Invalid parameter ''" },
    { "1x=a", NULL, NULL, "Invalid parameter '1x'" },
    { "0=a", NULL, NULL, "Invalid parameter '0'" },
    { "a..b=1", NULL, NULL, "Invalid parameter 'a..b'" },
    { "a.=1", NULL, NULL, "Invalid parameter 'a.'" },
    { ".a=1", NULL, NULL, "Invalid parameter '.a'" },
    { "a.1x=1", NULL, NULL, "Invalid parameter 'a.1x'" },
    { "a b=1", NULL, NULL, "Invalid parameter 'a b'" },
    { "__a=1", NULL, NULL, "Invalid parameter '__a'" },
    { "a=1,a.b=2", NULL, NULL, "Parameters 'a.*' used inconsistently" },
    { "a.b=1,a=2", NULL, NULL, "Parameters 'a.*' used inconsistently" },
    { "x.a.b=1,x.a=2", NULL, NULL, "Parameters 'x.a.*' used inconsistently" },
    { "a.0=1,a.b=2", NULL, NULL, "Parameters 'a.*' used inconsistently" },
    { "a.1=x", NULL, NULL, "Parameter 'a.0' missing" },
    { "a.0=x,a.2=x", NULL, NULL, "Parameter 'a.1' missing" },
    { "a.0=x,a.00=x", NULL, NULL, "Parameter 'a.1' missing" },
    { "a.b.99999999999999999999999=x", NULL, NULL, "Parameter 'a.b.0' missing" },
    { "help", "i", NULL, "Help is not available for this option" },
    { "a=1,help", NULL, NULL, "Help is not available for this option" },
};

static void test_samples(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        const Sample *s = &samples[i];
        Error *err = NULL;
        g_autoptr(QDict) qdict = keyval_parse(s->params, s->implied, NULL, &err);

        g_test_message("%s", s->params);
        if (s->json) {
            g_autoptr(GString) text = NULL;

            g_assert_null(err);
            text = qobject_to_json(QOBJECT(qdict));
            g_assert_cmpstr(text->str, ==, s->json);
        } else {
            g_assert_null(qdict);
            g_assert_cmpstr(error_get_pretty(err), ==, s->error);
            error_free(err);
        }
    }
}

static char *deep_key(int depth)
{
    GString *text = g_string_new("a");

    for (int i = 1; i < depth; i++) {
        g_string_append(text, ".a");
    }
    g_string_append(text, "=1");
    return g_string_free(text, false);
}

static void test_depth(void)
{
    g_autofree char *deepest = deep_key(64), *deeper = deep_key(65), *absurd = deep_key(60000);
    g_autoptr(QDict) qdict = keyval_parse(deepest, NULL, NULL, &error_abort);
    Error *err = NULL;

    g_assert_nonnull(qdict);
    g_assert_null(keyval_parse(deeper, NULL, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(keyval_parse(absurd, NULL, NULL, &err));
    error_free_or_abort(&err);
}

static void check_help(const char *params, bool expected, const char *json)
{
    bool help = !expected;
    g_autoptr(QDict) qdict = keyval_parse(params, "type", &help, &error_abort);
    g_autoptr(GString) text = qobject_to_json(QOBJECT(qdict));

    g_assert_cmpint(help, ==, expected);
    g_assert_cmpstr(text->str, ==, json);
}

static void test_help(void)
{
    check_help("help", true, "{}");
    check_help("?", true, "{}");
    check_help("iothread,help", true, "{\"type\": \"iothread\"}");
    check_help("help,a=1", true, "{\"a\": \"1\"}");
    check_help("iothread", false, "{\"type\": \"iothread\"}");
    check_help("type=help", false, "{\"type\": \"help\"}");
    check_help("help=1", false, "{\"help\": \"1\"}");
    check_help("helper", false, "{\"type\": \"helper\"}");
}

static void test_no_help_in_what_is_not_well_formed(void)
{
    static const char *const texts[] = { "help,a", "a.1=x,help", "a=1,help,a.b=2",
                                         "?,a.0=1,a.b=2" };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        bool help = true;
        Error *err = NULL;

        g_assert_null(keyval_parse(texts[i], NULL, &help, &err));
        g_assert_false(help);
        error_free_or_abort(&err);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/keyval/texts_mean_what_the_manual_says", test_samples);
    harness_add("/keyval/deep_keys_are_refused", test_depth);
    harness_add("/keyval/help_is_found_where_it_is_asked_for", test_help);
    harness_add("/keyval/no_help_in_what_is_not_well_formed",
                test_no_help_in_what_is_not_well_formed);
    return harness_run();
}
