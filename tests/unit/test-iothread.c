/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOThread objects: their thread, their properties, their end. */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "harness.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qom/object_interfaces.h"
#include "system/iothread.h"

static IOThread *new_iothread(const char *id, const char *property, const char *value, Error **errp)
{
    Object *obj = object_new_with_props(TYPE_IOTHREAD, object_get_objects_root(), id, errp,
                                        property, value, NULL);

    return obj ? IOTHREAD(obj) : NULL;
}

typedef struct {
    AioContext *ctx;
    bool in_iothread;
    QemuThread thread;
    bool noted; /* atomic */
} Where;

static void note_where(void *opaque)
{
    Where *where = opaque;

    where->ctx = qemu_get_current_aio_context();
    where->in_iothread = qemu_in_iothread();
    qemu_thread_get_self(&where->thread);
}

static void test_runs_its_context(void)
{
    IOThread *iothread = new_iothread("io0", "poll-max-ns", "0", &error_abort);
    Where where = { 0 };

    g_assert_true(iothread_by_id("io0") == iothread);
    g_assert_null(iothread_by_id("io1"));
    aio_wait_bh_oneshot(iothread_get_aio_context(iothread), note_where, &where);
    g_assert_true(where.ctx == iothread_get_aio_context(iothread));
    g_assert_true(where.in_iothread);
    g_assert_false(qemu_thread_is_self(&where.thread));
    g_assert_false(qemu_in_iothread());
    g_assert_true(user_creatable_del("io0", &error_abort));
    g_assert_null(iothread_by_id("io0"));
}

static void test_internal_one_is_out_of_sight(void)
{
    IOThread *iothread = iothread_create("hidden", &error_abort);
    g_autofree char *id = iothread_get_id(iothread);

    g_assert_cmpstr(id, ==, "hidden");
    g_assert_null(iothread_by_id("hidden"));
    iothread_destroy(iothread);
}

static void test_in_use_is_not_deleted(void)
{
    IOThread *iothread = new_iothread("io0", "poll-max-ns", "0", &error_abort);
    Error *err = NULL;

    iothread_get_user(iothread);
    g_assert_false(user_creatable_del("io0", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "object 'io0' is in use, can not be deleted");
    error_free(err);
    iothread_put_user(iothread);
    g_assert_true(user_creatable_del("io0", &error_abort));
}

static void test_properties_change_while_it_runs(void)
{
    IOThread *iothread = new_iothread("io0", "poll-max-ns", "1000", &error_abort);
    AioContext *ctx = iothread_get_aio_context(iothread);
    Object *obj = OBJECT(iothread);
    Error *err = NULL;

    g_assert_cmpint(qatomic_read(&ctx->poll_max_ns), ==, 1000);
    object_property_set_int(obj, "poll-max-ns", 2000, &error_abort);
    object_property_set_int(obj, "poll-grow", 3, &error_abort);
    object_property_set_int(obj, "poll-shrink", 4, &error_abort);
    object_property_set_int(obj, "poll-weight", 5, &error_abort);
    object_property_set_int(obj, "aio-max-batch", 6, &error_abort);
    object_property_set_int(obj, "thread-pool-max", 8, &error_abort);
    object_property_set_int(obj, "thread-pool-min", 7, &error_abort);
    g_assert_cmpint(qatomic_read(&ctx->poll_max_ns), ==, 2000);
    g_assert_cmpint(qatomic_read(&ctx->poll_grow), ==, 3);
    g_assert_cmpint(qatomic_read(&ctx->poll_shrink), ==, 4);
    g_assert_cmpint(qatomic_read(&ctx->poll_weight), ==, 5);
    g_assert_cmpint(qatomic_read(&ctx->aio_max_batch), ==, 6);
    g_assert_cmpint(qatomic_read(&ctx->thread_pool_min), ==, 7);
    g_assert_cmpint(qatomic_read(&ctx->thread_pool_max), ==, 8);

    g_assert_false(object_property_set_int(obj, "thread-pool-max", 6, &err));
    error_free_or_abort(&err);
    g_assert_cmpint(object_property_get_int(obj, "thread-pool-max", &error_abort), ==, 8);
    g_assert_false(object_property_set_int(obj, "poll-max-ns", -1, &err));
    error_free_or_abort(&err);
    g_assert_cmpint(object_property_get_int(obj, "poll-max-ns", &error_abort), ==, 2000);
    user_creatable_del("io0", &error_abort);
}

static void test_wrong_value_creates_nothing(void)
{
    Error *err = NULL;

    g_assert_null(new_iothread("io0", "thread-pool-min", "100", &err));
    error_free_or_abort(&err);
    g_assert_null(iothread_by_id("io0"));
    g_assert_null(new_iothread("io0", "poll-shrink", "-1", &err));
    error_free_or_abort(&err);
    g_assert_null(iothread_by_id("io0"));
}

static void append_status(const IOThreadStatus *status, void *opaque)
{
    g_assert_cmpint(status->thread_id, >, 0);
    g_assert_cmpint(status->thread_id, !=, qemu_get_thread_id());
    g_string_append_printf(opaque, "%s:%" PRId64 " ", status->id, status->poll_max_ns);
}

static void test_foreach_tells_all(void)
{
    g_autoptr(GString) seen = g_string_new("");

    new_iothread("io0", "poll-max-ns", "1", &error_abort);
    new_iothread("io1", "poll-grow", "2", &error_abort);
    iothread_foreach(append_status, seen);
    g_assert_nonnull(strstr(seen->str, "io0:1 "));
    g_assert_nonnull(strstr(seen->str, "io1:32768 "));
    user_creatable_del("io0", &error_abort);
    user_creatable_del("io1", &error_abort);
}

static gboolean note_source(gpointer opaque)
{
    Where *where = opaque;

    note_where(where);
    qatomic_store_release(&where->noted, true);
    aio_wait_kick();
    return G_SOURCE_REMOVE;
}

static void test_gmaincontext_runs_in_its_thread(void)
{
    /* Before the thread begins: the sanitizer does not see GLib hand it over. */
    Where where = { 0 }, bh = { 0 };
    IOThread *iothread = new_iothread("io0", "poll-max-ns", "0", &error_abort);
    AioContext *ctx = iothread_get_aio_context(iothread);
    GMainContext *context = iothread_get_g_main_context(iothread);
    GSource *source = g_idle_source_new();

    g_source_set_callback(source, note_source, &where, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
    AIO_WAIT_WHILE_UNLOCKED(NULL, !qatomic_load_acquire(&where.noted));
    g_assert_true(where.ctx == ctx);
    aio_wait_bh_oneshot(ctx, note_where, &bh);
    g_assert_true(bh.in_iothread);
    g_assert_true(iothread_get_g_main_context(iothread) == context);
    user_creatable_del("io0", &error_abort);
}

static void count_call(void *opaque)
{
    qatomic_inc((int *)opaque);
}

static void test_work_left_at_the_end_is_done(void)
{
    for (int i = 0; i < 50; i++) {
        IOThread *iothread = iothread_create("io", &error_abort);
        int calls = 0;

        for (int j = 0; j < 10; j++) {
            aio_bh_schedule_oneshot(iothread_get_aio_context(iothread), count_call, &calls);
        }
        iothread_destroy(iothread);
        g_assert_cmpint(calls, ==, 10);
    }
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_add("/iothread/runs_its_context", test_runs_its_context);
    harness_add("/iothread/internal_one_is_out_of_sight", test_internal_one_is_out_of_sight);
    harness_add("/iothread/in_use_is_not_deleted", test_in_use_is_not_deleted);
    harness_add("/iothread/properties_change_while_it_runs", test_properties_change_while_it_runs);
    harness_add("/iothread/wrong_value_creates_nothing", test_wrong_value_creates_nothing);
    harness_add("/iothread/foreach_tells_all", test_foreach_tells_all);
    harness_add("/iothread/gmaincontext_runs_in_its_thread", test_gmaincontext_runs_in_its_thread);
    harness_add("/iothread/work_left_at_the_end_is_done", test_work_left_at_the_end_is_done);
    return harness_run();
}
