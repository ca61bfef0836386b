/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C values from JSON and from the command line: what is accepted, and how refusals are worded. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-visit-test-qapi.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-block-core.h"
#include "qapi/qapi-visit-block-export.h"
#include "qapi/qobject-input-visitor.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qstring.h"

static Visitor *json_visitor(const char *json)
{
    g_autoptr(QObject) obj = qobject_from_json(json, &error_abort);

    return qobject_input_visitor_new(obj);
}

static void test_scalars(void)
{
    Visitor *v = json_visitor("{'b': true, 'i': -5, 'i8': -128, 'u8': 255, 'u64': "
                              "18446744073709551615, 'sz': 4096, 'num': 1.5, 's': 'text', 'any': "
                              "[1], 'nil': null, 'colour': 'dark-green'}");
    g_autoptr(Scalars) scalars = NULL;

    g_assert_true(visit_type_Scalars(v, NULL, &scalars, &error_abort));
    visit_free(v);
    g_assert_true(scalars->has_b && scalars->b);
    g_assert_true(scalars->has_i);
    g_assert_cmpint(scalars->i, ==, -5);
    g_assert_cmpint(scalars->i8, ==, -128);
    g_assert_cmpuint(scalars->u8, ==, 255);
    g_assert_cmpuint(scalars->u64, ==, UINT64_MAX);
    g_assert_cmpuint(scalars->sz, ==, 4096);
    g_assert_cmpfloat(scalars->num, ==, 1.5);
    g_assert_cmpstr(scalars->s, ==, "text");
    g_assert_cmpint(qobject_type(scalars->any), ==, QTYPE_QLIST);
    g_assert_nonnull(scalars->nil);
    g_assert_cmpint(scalars->colour, ==, COLOUR_DARK_GREEN);
    g_assert_false(scalars->has_i16 || scalars->has_i32 || scalars->has_u16);
}

static void test_keyval_scalars(void)
{
    Visitor *v = qobject_input_visitor_new_str(
        "b=yes,i=-5,i8=0x7f,u16=65535,sz=1.5k,num=2.5,s=on,nil=,colour=red", NULL, &error_abort);
    g_autoptr(Scalars) scalars = NULL;

    g_assert_true(visit_type_Scalars(v, NULL, &scalars, &error_abort));
    visit_free(v);
    g_assert_true(scalars->b);
    g_assert_cmpint(scalars->i, ==, -5);
    g_assert_cmpint(scalars->i8, ==, 127);
    g_assert_cmpuint(scalars->u16, ==, 65535);
    g_assert_cmpuint(scalars->sz, ==, 1536);
    g_assert_cmpfloat(scalars->num, ==, 2.5);
    g_assert_cmpstr(scalars->s, ==, "on");
    g_assert_nonnull(scalars->nil);
    g_assert_cmpint(scalars->colour, ==, COLOUR_RED);
}

static void test_keyval_booleans(void)
{
    static const char *const words[][2] = { { "on", "off" }, { "yes", "no" }, { "true", "false" } };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (int word = 0; word < 2; word++) {
            g_autofree char *text = g_strdup_printf("b=%s", words[i][word]);
            Visitor *v = qobject_input_visitor_new_str(text, NULL, &error_abort);
            g_autoptr(Scalars) scalars = NULL;

            g_assert_true(visit_type_Scalars(v, NULL, &scalars, &error_abort));
            g_assert_cmpint(scalars->b, ==, word == 0);
            visit_free(v);
        }
    }
}

static void test_union(void)
{
    Visitor *v = json_visitor("{'colour': 'red', 'unix': true, 'radius': 3, 'centre': {'x': 1, "
                              "'name': 'n'}}");
    g_autoptr(Shape) shape = NULL;

    g_assert_true(visit_type_Shape(v, NULL, &shape, &error_abort));
    visit_free(v);
    g_assert_true(shape->q_unix);
    g_assert_cmpuint(shape->u.red.radius, ==, 3);
    g_assert_cmpint(shape->u.red.centre->type, ==, QTYPE_QDICT);
    g_assert_cmpint(shape->u.red.centre->u.point.x, ==, 1);
    g_assert_cmpstr(shape->u.red.centre->u.point.name, ==, "n");
}

static void check_alternate(const char *json, QType type)
{
    Visitor *v = json_visitor(json);
    g_autoptr(PointOrName) alternate = NULL;

    g_assert_true(visit_type_PointOrName(v, NULL, &alternate, &error_abort));
    visit_free(v);
    g_assert_cmpint(alternate->type, ==, type);
}

static void test_alternate(void)
{
    check_alternate("'n'", QTYPE_QSTRING);
    check_alternate("['a', 'b']", QTYPE_QLIST);
    check_alternate("[]", QTYPE_QLIST);
    check_alternate("null", QTYPE_QNULL);
    check_alternate("{'x': 1, 'name': 'n'}", QTYPE_QDICT);
}

static void test_lists(void)
{
    Visitor *v = json_visitor("{'shapes': [], 'numbers': [1, -2, 3], 'colours': ['blue']}");
    g_autoptr(Deep) deep = NULL;

    g_assert_true(visit_type_Deep(v, NULL, &deep, &error_abort));
    visit_free(v);
    g_assert_null(deep->shapes);
    g_assert_cmpuint(QAPI_LIST_LENGTH(deep->numbers), ==, 3);
    g_assert_cmpint(deep->numbers->next->value, ==, -2);
    g_assert_cmpint(deep->colours->value, ==, COLOUR_BLUE);
    g_assert_false(deep->has_refs);
}

static void test_export_options(void)
{
    Visitor *v = qobject_input_visitor_new_str(
        "vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=/s,num-queues=4,"
        "logical-block-size=4k,iothread.0=a,iothread.1=b,writable=on",
        "type", &error_abort);
    g_autoptr(BlockExportOptions) options = NULL;

    g_assert_true(visit_type_BlockExportOptions(v, NULL, &options, &error_abort));
    visit_free(v);
    g_assert_cmpint(options->type, ==, BLOCK_EXPORT_TYPE_VHOST_USER_BLK);
    g_assert_true(options->has_writable && options->writable);
    g_assert_cmpint(options->iothread->type, ==, QTYPE_QLIST);
    g_assert_cmpstr(options->iothread->u.multi->next->value, ==, "b");
    g_assert_cmpint(options->u.vhost_user_blk.addr->type, ==, SOCKET_ADDRESS_TYPE_UNIX);
    g_assert_cmpstr(options->u.vhost_user_blk.addr->u.q_unix.path, ==, "/s");
    g_assert_cmpuint(options->u.vhost_user_blk.num_queues, ==, 4);
    g_assert_cmpuint(options->u.vhost_user_blk.logical_block_size, ==, 4096);
}

typedef bool VisitAny(Visitor *v, const char *name, void **obj, Error **errp);

typedef struct Refusal {
    VisitAny *visit;
    const char *text;
    const char *message;
} Refusal;

#define SCALARS (VisitAny *)visit_type_Scalars
#define DEEP    (VisitAny *)visit_type_Deep
#define SHAPE   (VisitAny *)visit_type_Shape
#define NODE    (VisitAny *)visit_type_BlockdevOptions
#define EXPORT  (VisitAny *)visit_type_BlockExportOptions

static const Refusal refusals[] = {
    /* JSON */
    { SCALARS, "{\"b\": 1}", "Invalid parameter type for 'b', expected: boolean" },
    { SCALARS, "{\"b\": \"on\"}", "Invalid parameter type for 'b', expected: boolean" },
    { SCALARS, "{\"i\": \"1\"}", "Invalid parameter type for 'i', expected: integer" },
    { SCALARS, "{\"i\": 1.5}", "Invalid parameter type for 'i', expected: integer" },
    { SCALARS, "{\"i\": 9223372036854775808}",
      "Invalid parameter type for 'i', expected: integer" },
    { SCALARS, "{\"u64\": 1e30}", "Invalid parameter type for 'u64', expected: integer" },
    { SCALARS, "{\"i8\": 128}", "Parameter 'i8' expects int8_t" },
    { SCALARS, "{\"i16\": -32769}", "Parameter 'i16' expects int16_t" },
    { SCALARS, "{\"i32\": 2147483648}", "Parameter 'i32' expects int32_t" },
    { SCALARS, "{\"u8\": 256}", "Parameter 'u8' expects uint8_t" },
    { SCALARS, "{\"u16\": -1}", "Parameter 'u16' expects uint16_t" },
    { SCALARS, "{\"u32\": 4294967296}", "Parameter 'u32' expects uint32_t" },
    { SCALARS, "{\"num\": \"1\"}", "Invalid parameter type for 'num', expected: number" },
    { SCALARS, "{\"s\": 1}", "Invalid parameter type for 's', expected: string" },
    { SCALARS, "{\"nil\": 0}", "Invalid parameter type for 'nil', expected: null" },
    { SCALARS, "{\"colour\": \"pink\"}", "Parameter 'colour' does not accept value 'pink'" },
    { SCALARS, "{\"zz\": 1, \"b\": true}", "Parameter 'zz' is unexpected" },
    { DEEP, "{}", "Parameter 'shapes' is missing" },
    { DEEP, "{\"shapes\": {}}", "Invalid parameter type for 'shapes', expected: array" },
    { DEEP, "{\"shapes\": [1]}", "Invalid parameter type for 'shapes[0]', expected: object" },
    { DEEP, "{\"shapes\": [], \"next\": {\"shapes\": [{}]}}",
      "Parameter 'next.shapes[0].colour' is missing" },
    { DEEP, "{\"shapes\": [], \"numbers\": [1, \"x\"]}",
      "Invalid parameter type for 'numbers[1]', expected: integer" },
    { DEEP, "{\"shapes\": [], \"numbers\": [1, 200]}", "Parameter 'null' expects int8_t" },
    { SHAPE, "{\"colour\": \"blue\", \"unix\": true, \"radius\": 1}",
      "Parameter 'radius' is unexpected" },
    { SHAPE, "{\"colour\": \"red\", \"unix\": true, \"radius\": 1, \"centre\": 1}",
      "Invalid parameter type for 'centre', expected: PointOrName" },
    { SHAPE, "{\"colour\": \"red\", \"unix\": true, \"radius\": 1, \"centre\": {\"x\": 1}}",
      "Parameter 'centre.name' is missing" },
    { NODE, "{\"driver\": \"null-co\", \"cache\": {\"direct\": 1}}",
      "Invalid parameter type for 'cache.direct', expected: boolean" },
    { NODE, "{\"driver\": \"raw\", \"file\": {\"driver\": \"file\", \"aio\": \"turbo\"}}",
      "Parameter 'file.filename' is missing" },
    { NODE,
      "{\"driver\": \"blkdebug\", \"image\": \"x\", \"inject-error\": [{\"event\": \"none\"}, {}]}",
      "Parameter 'inject-error[1].event' is missing" },
    /* command line */
    { NODE, "", "Parameter 'driver' is missing" },
    { NODE, "driver=foo", "Parameter 'driver' does not accept value 'foo'" },
    { NODE, "file,filename=x,foo=1", "Parameter 'foo' is unexpected" },
    { NODE, "file,filename=x,aio=turbo", "Parameter 'aio' does not accept value 'turbo'" },
    { NODE, "file,filename=x,read-only=maybe", "Parameter 'read-only' expects 'on' or 'off'" },
    { NODE, "file,filename=x,cache.direct=1", "Parameter 'cache.direct' expects 'on' or 'off'" },
    { NODE, "file,filename=x,cache=y", "Invalid parameter type for 'cache', expected: object" },
    { NODE, "file,filename.x=y", "Parameters 'filename.*' are unexpected" },
    { NODE, "null-co,size=abc", "Parameter 'size' expects integer" },
    { NODE, "null-co,size=1k", "Parameter 'size' expects integer" },
    { NODE, "null-co,latency-ns=99999999999999999999999",
      "Parameter 'latency-ns' expects integer" },
    { NODE, "raw,file.0=d", "Invalid parameter type for 'file', expected: BlockdevRef" },
    { NODE, "blkdebug,image=x,inject-error.0.errno=5",
      "Parameter 'inject-error.0.event' is missing" },
    { NODE, "blkdebug,image=x,inject-error.0=5",
      "Invalid parameter type for 'inject-error.0', expected: object" },
    { EXPORT, "vhost-user-blk,id=e,node-name=d,addr.type=unix",
      "Parameter 'addr.path' is missing" },
    { EXPORT, "vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str=1,num-queues=65536",
      "Parameter 'num-queues' expects uint16_t" },
    { EXPORT, "vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str=1,num-queues=-1",
      "Parameter 'num-queues' expects uint16_t" },
    { EXPORT, "vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str=1,addr.path=x",
      "Parameter 'addr.path' is unexpected" },
    { EXPORT, "vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str=1,logical-block-size=x",
      "Parameter 'logical-block-size' expects size" },
};

static const char *implied_key(VisitAny *visit)
{
    return visit == NODE ? "driver" : "type";
}

static void test_refusals(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const Refusal *r = &refusals[i];
        Visitor *v = qobject_input_visitor_new_str(r->text, implied_key(r->visit), &error_abort);
        Error *err = NULL;
        void *obj = &err;

        g_test_message("%s", r->text);
        g_assert_false(r->visit(v, NULL, &obj, &err));
        g_assert_null(obj);
        g_assert_cmpstr(error_get_pretty(err), ==, r->message);
        error_free(err);
        visit_free(v);
    }
}

static void test_bad_text(void)
{
    Error *err = NULL;

    g_assert_null(qobject_input_visitor_new_str("{'a': ", NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(qobject_input_visitor_new_str("a", NULL, &err));
    error_free_or_abort(&err);
}

/* A visit that is given up half-way, as QOM's does, leaves nothing behind (under a leak checker).
 */
static void test_abandoned_visit(void)
{
    Visitor *v = json_visitor("{'a': {'b': [1]}}");

    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    visit_start_struct(v, "a", NULL, 0, &error_abort);
    visit_start_list(v, "b", NULL, 0, &error_abort);
    visit_free(v);
}

static void test_hand_written_walk(void)
{
    Visitor *v = json_visitor("{'n': 7, 'rest': 1}");
    Error *err = NULL;
    int64_t n = 0;
    bool present;

    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    g_assert_true(visit_optional(v, "n", &present));
    g_assert_false(visit_optional(v, "m", &present));
    g_assert_true(visit_type_int(v, "n", &n, &error_abort));
    g_assert_cmpint(n, ==, 7);
    g_assert_false(visit_check_struct(v, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Parameter 'rest' is unexpected");
    error_free(err);
    visit_end_struct(v, NULL);
    visit_free(v);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/input/json_scalars_are_read", test_scalars);
    harness_add("/input/keyval_scalars_are_read", test_keyval_scalars);
    harness_add("/input/keyval_booleans_have_many_words", test_keyval_booleans);
    harness_add("/input/unions_follow_their_tag", test_union);
    harness_add("/input/alternates_follow_the_json_type", test_alternate);
    harness_add("/input/lists_may_be_empty", test_lists);
    harness_add("/input/export_options_are_typed", test_export_options);
    harness_add("/input/refusals_name_the_member", test_refusals);
    harness_add("/input/bad_texts_give_no_visitor", test_bad_text);
    harness_add("/input/abandoned_visits_leave_nothing", test_abandoned_visit);
    harness_add("/input/walks_may_be_written_by_hand", test_hand_written_walk);
    return harness_run();
}
