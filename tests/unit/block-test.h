/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the block layer's tests share: nodes from JSON text, requests in coroutines of any thread.
 */
#ifndef TESTS_UNIT_BLOCK_TEST_H
#define TESTS_UNIT_BLOCK_TEST_H

#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "block/block_int.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-block-core.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/main-loop.h"
#include "qobject/qjson.h"
#include "system/block-backend.h"
#include "tests/unit/harness.h"

/* The node that the options in @json describe, with one reference; NULL with @errp. */
static inline BlockDriverState *open_json(const char *json, Error **errp)
{
    BlockdevOptions *options = NULL;
    BlockDriverState *bs = NULL;
    QObject *obj = qobject_from_json(json, &error_abort);
    Visitor *v = qobject_input_visitor_new(obj);

    if (visit_type_BlockdevOptions(v, NULL, &options, errp)) {
        bs = bdrv_open_node(options, errp);
    }
    visit_free(v);
    qobject_unref(obj);
    qapi_free_BlockdevOptions(options);
    return bs;
}

/* The same by printf(3); must work. */
static inline G_GNUC_PRINTF(1, 2) BlockDriverState *open_node(const char *fmt, ...)
{
    g_autofree char *json = NULL;
    va_list ap;

    va_start(ap, fmt);
    json = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return open_json(json, &error_abort);
}

/* Options of a node; where there is no io_uring, which they ask for, none. */
static inline const char *ring_or_default(const char *more)
{
    return aio_has_io_uring() || !strstr(more, "io_uring") ? more : "";
}

/* Must fail with exactly @message. */
static inline G_GNUC_PRINTF(2, 3) void open_fails(const char *message, const char *fmt, ...)
{
    g_autofree char *json = NULL;
    Error *err = NULL;
    va_list ap;

    va_start(ap, fmt);
    json = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_null(open_json(json, &err));
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

/* A BlockBackend that does and shares everything, on @bs, whose reference it takes over. */
static inline BlockBackend *backend_on(BlockDriverState *bs)
{
    BlockBackend *blk =
        blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);

    bdrv_unref(bs);
    return blk;
}

/* A file of @size bytes in the test's folder; the caller frees the name. */
static inline char *make_file(const char *name, int64_t size)
{
    char *path = harness_tmpfile(name);
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    close(fd);
    return path;
}

/* Fills or compares @bytes with a pattern that depends on the place and @seed. */
static inline void fill_pattern(void *buf, size_t bytes, int64_t offset, unsigned seed)
{
    uint8_t *p = buf;

    for (size_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)((offset + i) * 31 + ((offset + i) >> 9) * 7 + seed);
    }
}

/* main() of a test of the block layer, before tests are added. */
static inline void block_test_init(int *argc, char ***argv)
{
    harness_init(argc, argv);
    qemu_init_main_loop(&error_abort);
    bdrv_init();
}

#endif
