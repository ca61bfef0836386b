/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of callbacks, and functions that wait for their turn before main(). */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/notify.h"
#include "qemu/module.h"
#include "harness.h"

typedef struct Listener {
    Notifier n;
    char name;
    bool leave;
} Listener;

static GString *told;

static void tell(Notifier *n, void *data)
{
    Listener *l = container_of(n, Listener, n);

    g_string_append_printf(told, "%c%s ", l->name, (char *)data);
    if (l->leave) {
        notifier_remove(n);
    }
}

static void test_the_newest_is_told_first_and_may_leave(void)
{
    Listener a = { .n.notify = tell, .name = 'a' };
    Listener b = { .n.notify = tell, .name = 'b', .leave = true };
    Listener c = { .n.notify = tell, .name = 'c' };
    NotifierList list = NOTIFIER_LIST_INITIALIZER(list);

    told = g_string_new(NULL);
    g_assert_true(notifier_list_empty(&list));
    notifier_list_notify(&list, (void *)"0");
    notifier_list_add(&list, &a.n);
    notifier_list_add(&list, &b.n);
    notifier_list_add(&list, &c.n);
    notifier_list_notify(&list, (void *)"1");
    notifier_list_notify(&list, (void *)"2");
    g_assert_cmpstr(told->str, ==, "c1 b1 a1 c2 a2 ");
    notifier_remove(&a.n);
    notifier_remove(&c.n);
    g_assert_true(notifier_list_empty(&list));
    g_string_free(told, true);
}

static int refuse(NotifierWithReturn *n, void *data, Error **errp)
{
    (*(int *)data)++;
    error_setg(errp, "refused");
    return -EPERM;
}

static int accept_it(NotifierWithReturn *n, void *data, Error **errp)
{
    (*(int *)data)++;
    return 0;
}

static void test_telling_stops_at_the_first_that_refuses(void)
{
    NotifierWithReturn a = { .notify = accept_it }, b = { .notify = refuse },
                       c = { .notify = accept_it };
    NotifierWithReturnList list;
    Error *err = NULL;
    int calls = 0;

    notifier_with_return_list_init(&list);
    notifier_with_return_list_add(&list, &a);
    g_assert_cmpint(notifier_with_return_list_notify(&list, &calls, &error_abort), ==, 0);
    notifier_with_return_list_add(&list, &b);
    notifier_with_return_list_add(&list, &c);
    calls = 0;
    g_assert_cmpint(notifier_with_return_list_notify(&list, &calls, &err), ==, -EPERM);
    error_free_or_abort(&err);
    g_assert_cmpint(calls, ==, 2);
    notifier_with_return_remove(&b);
    calls = 0;
    g_assert_cmpint(notifier_with_return_list_notify(&list, &calls, &error_abort), ==, 0);
    g_assert_cmpint(calls, ==, 2);
}

static char ran[8];

static void first_init(void)
{
    ran[strlen(ran)] = '1';
}

static void second_init(void)
{
    ran[strlen(ran)] = '2';
}

static void other_init(void)
{
    ran[strlen(ran)] = 'o';
}

/* One constructor, for their order among each other is the linker's. */
static void __attribute__((constructor)) register_inits(void)
{
    register_module_init(first_init, MODULE_INIT_TRACE);
    register_module_init(other_init, MODULE_INIT_OPTS);
    register_module_init(second_init, MODULE_INIT_TRACE);
}

static void test_registered_functions_run_once_by_type(void)
{
    g_assert_cmpstr(ran, ==, "");
    module_call_init(MODULE_INIT_TRACE);
    g_assert_cmpstr(ran, ==, "12");
    module_call_init(MODULE_INIT_TRACE);
    g_assert_cmpstr(ran, ==, "12");
    module_call_init(MODULE_INIT_OPTS);
    g_assert_cmpstr(ran, ==, "12o");
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/notify/the_newest_is_told_first_and_may_leave",
                test_the_newest_is_told_first_and_may_leave);
    harness_add("/notify/telling_stops_at_the_first_that_refuses",
                test_telling_stops_at_the_first_that_refuses);
    harness_add("/module/registered_functions_run_once_by_type",
                test_registered_functions_run_once_by_type);
    return harness_run();
}
