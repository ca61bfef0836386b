/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts made from the schema. */

#include "qemu/osdep.h"
#include "harness.h"
#include "qapi-types-test-qapi.h"
#include "qapi/qapi-types-block-core.h"
#include "qapi/qapi-types-block-export.h"
#include "qapi/qapi-types-qom.h"

static void test_one_variant(void)
{
    g_autofree char *help = qapi_option_help(&qapi_type_BlockdevOptions, "file");

    g_assert_nonnull(strstr(help, "  filename=<str>   "));
    g_assert_nonnull(strstr(help, "its path (required)\n"));
    g_assert_nonnull(strstr(help, "  cache.direct=on|off   "));
    g_assert_nonnull(strstr(help, "  aio=threads|native|io_uring   "));
    g_assert_null(strstr(help, "latency-ns"));
}

static void test_all_variants(void)
{
    g_autofree char *help = qapi_option_help(&qapi_type_BlockExportOptions, NULL);

    g_assert_nonnull(strstr(help, "\n  num-queues=<uint16>   "));
    g_assert_nonnull(strstr(help, "(if type=vhost-user-blk)\n"));
    g_assert_nonnull(strstr(help, "\n  addr.path=<str>   "));
    g_assert_nonnull(strstr(help, "(if addr.type=unix)\n"));
    /* a string or a list: the string is what one types */
    g_assert_nonnull(strstr(help, "\n  iothread=<str>   "));
}

static void test_lists(void)
{
    g_autofree char *help = qapi_option_help(&qapi_type_BlockdevOptions, "blkdebug");

    g_assert_nonnull(strstr(help, "\n  inject-error.0.event="));
    g_assert_nonnull(strstr(help, "\n  image=<str>   "));
    g_assert_null(strstr(help, "the moment (required)"));
}

/* A type that holds itself ends somewhere. */
static void test_recursion(void)
{
    g_autofree char *help = qapi_option_help(&qapi_type_Deep, NULL);

    g_assert_nonnull(strstr(help, "  next.next.shapes.0.colour="));
    g_assert_null(strstr(help, "next.next.next.next.next."));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/help/options_of_one_variant", test_one_variant);
    harness_add("/help/options_of_all_variants", test_all_variants);
    harness_add("/help/options_in_lists", test_lists);
    harness_add("/help/recursion_ends", test_recursion);
    return harness_run();
}
