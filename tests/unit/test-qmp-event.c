/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: what arrives at the emitter. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-emit-events.h"
#include "qapi-events-test-qapi.h"
#include "qapi/qmp-event.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"

static QDict *last;
static unsigned last_event;

static void keep(unsigned event, QDict *qdict)
{
    qobject_unref(last);
    last = qobject_ref(qdict);
    last_event = event;
}

/* Compares what came with @json, and takes away the time after a look at it. */
static void check(QAPIEvent event, const char *json)
{
    g_autoptr(QObject) expected = qobject_from_jsonf_nofail(json);
    QDict *timestamp = qdict_get_qdict(last, "timestamp");
    int64_t seconds = qdict_get_int(timestamp, "seconds");
    int64_t micros = qdict_get_int(timestamp, "microseconds");

    g_assert_cmpint(llabs(seconds - g_get_real_time() / G_USEC_PER_SEC), <=, 60);
    g_assert_cmpint(micros, >=, 0);
    g_assert_cmpint(micros, <, G_USEC_PER_SEC);
    g_assert_cmpuint(qdict_size(timestamp), ==, 2);
    qdict_del(last, "timestamp");
    g_assert_cmpuint(last_event, ==, event);
    g_assert_true(qobject_is_equal(QOBJECT(last), expected));
    qobject_unref(last);
    last = NULL;
}

static void test_plain(void)
{
    qapi_event_set_emitter(keep);
    qapi_event_send_test_plain();
    check(QAPI_EVENT_TEST_PLAIN, "{'event': 'TEST_PLAIN'}");
}

static void test_members(void)
{
    NamedPoint point = { .x = 1, .name = (char *)"p" };

    qapi_event_set_emitter(keep);
    qapi_event_send_test_full("n", false, 5, &point);
    check(QAPI_EVENT_TEST_FULL,
          "{'event': 'TEST_FULL', 'data': {'name': 'n', 'point': {'x': 1, 'name': 'p'}}}");
    qapi_event_send_test_full("n", true, 5, &point);
    check(QAPI_EVENT_TEST_FULL, "{'event': 'TEST_FULL', 'data': {'name': 'n', 'count': 5, "
                                "'point': {'x': 1, 'name': 'p'}}}");
}

static void test_boxed(void)
{
    Shape shape = { .colour = COLOUR_DARK_GREEN, .u.dark_green.x = 3 };

    qapi_event_set_emitter(keep);
    qapi_event_send_test_boxed(&shape);
    check(QAPI_EVENT_TEST_BOXED, "{'event': 'TEST_BOXED', 'data': {'colour': 'dark-green', "
                                 "'unix': false, 'x': 3}}");
}

static void test_nobody_listens(void)
{
    qapi_event_set_emitter(NULL);
    qapi_event_send_test_plain();
    g_assert_null(last);
}

static void test_names(void)
{
    g_assert_cmpstr(QAPIEvent_str(QAPI_EVENT_TEST_FULL), ==, "TEST_FULL");
    g_assert_cmpint(QAPI_EVENT__MAX, ==, 3);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/event/without_data", test_plain);
    harness_add("/event/with_optional_members", test_members);
    harness_add("/event/with_a_union", test_boxed);
    harness_add("/event/nobody_need_listen", test_nobody_listens);
    harness_add("/event/names_by_number", test_names);
    return harness_run();
}
