/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the request path against a model: a driver in memory that asserts that requests obey its
 * limits, and a second copy of the disk that is written plainly.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "tests/unit/block-test.h"

#define DISK_SIZE (64 * 1024)

/* The driver: bytes of a disk, and what it has seen. */
static struct {
    uint8_t data[DISK_SIZE];
    bool yields;
    bool knows_zeroes;
    unsigned reads, writes, zeroes, discards, flushes, fua;
    int64_t longest;
} mem;

static uint8_t model[DISK_SIZE];

static void mem_check(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    g_assert_cmpint(offset % bs->bl.request_alignment, ==, 0);
    g_assert_cmpint(bytes % bs->bl.request_alignment, ==, 0);
    g_assert_cmpint(bytes, >, 0);
    g_assert_cmpint(offset + bytes, <=, DISK_SIZE);
    mem.longest = MAX(mem.longest, bytes);
}

static void mem_check_qiov(BlockDriverState *bs, int64_t bytes, QEMUIOVector *qiov)
{
    g_assert_cmpint(qiov->size, ==, bytes);
    g_assert_true(!bs->bl.max_transfer || bytes <= bs->bl.max_transfer);
    g_assert_true(!bs->bl.max_iov || qiov->niov <= bs->bl.max_iov);
    for (int i = 0; i < qiov->niov; i++) {
        if (qiov->iov[i].iov_len) {
            g_assert_cmpuint((uintptr_t)qiov->iov[i].iov_base % bs->bl.min_mem_alignment, ==, 0);
        }
    }
}

static void coroutine_fn mem_pause(void)
{
    if (mem.yields) {
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
}

static int coroutine_fn mem_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                   QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    mem_check(bs, offset, bytes);
    mem_check_qiov(bs, bytes, qiov);
    mem.reads++;
    mem_pause();
    qemu_iovec_from_buf(qiov, 0, mem.data + offset, bytes);
    mem_pause();
    return 0;
}

static int coroutine_fn mem_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                    QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    mem_check(bs, offset, bytes);
    mem_check_qiov(bs, bytes, qiov);
    g_assert_cmpint(flags & ~bs->supported_write_flags, ==, 0);
    mem.writes++;
    mem.fua += (flags & BDRV_REQ_FUA) != 0;
    mem_pause();
    qemu_iovec_to_buf(qiov, 0, mem.data + offset, bytes);
    mem_pause();
    return 0;
}

static int coroutine_fn mem_pwrite_zeroes(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                          BdrvRequestFlags flags)
{
    mem_check(bs, offset, bytes);
    g_assert_cmpint(flags & ~bs->supported_zero_flags, ==, 0);
    if (!mem.knows_zeroes) {
        return -ENOTSUP;
    }
    if (bs->bl.pwrite_zeroes_alignment) {
        g_assert_cmpint((offset | bytes) % bs->bl.pwrite_zeroes_alignment, ==, 0);
    }
    g_assert_true(!bs->bl.max_pwrite_zeroes || bytes <= bs->bl.max_pwrite_zeroes);
    mem.zeroes++;
    mem_pause();
    memset(mem.data + offset, 0, bytes);
    return 0;
}

static int coroutine_fn mem_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    mem_check(bs, offset, bytes);
    g_assert_true(!bs->bl.max_pdiscard || bytes <= bs->bl.max_pdiscard);
    mem.discards++;
    return 0;
}

static int coroutine_fn mem_flush(BlockDriverState *bs)
{
    mem.flushes++;
    return 0;
}

static BlockDriver mem_driver = {
    .format_name = "mem",
    .bdrv_co_preadv = mem_preadv,
    .bdrv_co_pwritev = mem_pwritev,
    .bdrv_co_pwrite_zeroes = mem_pwrite_zeroes,
    .bdrv_co_pdiscard = mem_pdiscard,
    .bdrv_co_flush_to_disk = mem_flush,
};

/* A backend on the driver in memory, with the limits of @bl. */
static BlockBackend *mem_backend(BlockLimits bl, const char *more)
{
    BlockDriverState *bs =
        open_node("{'driver': 'null-co', 'node-name': 'm', 'size': %d%s}", DISK_SIZE, more);

    bs->drv = &mem_driver;
    bs->supported_write_flags = 0;
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP;
    bs->bl = bl;
    bs->bl.request_alignment = MAX(bl.request_alignment, 1);
    bs->bl.min_mem_alignment = MAX(bl.min_mem_alignment, (size_t)1);
    memset(&mem, 0, sizeof(mem));
    fill_pattern(mem.data, DISK_SIZE, 0, 5);
    memcpy(model, mem.data, DISK_SIZE);
    return backend_on(bs);
}

static void check_model(void)
{
    g_assert_cmpmem(mem.data, DISK_SIZE, model, DISK_SIZE);
}

/* @bytes of a seed's pattern cut into elements of odd lengths. */
static void odd_qiov(QEMUIOVector *qiov, uint8_t *buf, size_t bytes)
{
    size_t pos = 0;

    qemu_iovec_init(qiov, 16);
    while (pos < bytes) {
        size_t len = MIN(bytes - pos, (size_t)g_test_rand_int_range(1, 3000));

        qemu_iovec_add(qiov, buf + pos, len);
        pos += len;
    }
}

typedef struct Op {
    BlockBackend *blk;
    int kind;
    int64_t offset;
    int64_t bytes;
    QEMUIOVector *qiov;
    int ret;
    bool done;
} Op;

static void coroutine_fn op_entry(void *opaque)
{
    Op *op = opaque;

    if (op->kind == 0) {
        op->ret = blk_co_preadv(op->blk, op->offset, op->bytes, op->qiov, 0);
    } else {
        op->ret = blk_co_pwritev(op->blk, op->offset, op->bytes, op->qiov, 0);
    }
    op->done = true;
}

static void random_vector_op(BlockBackend *blk, int kind, int64_t offset, int64_t bytes)
{
    static uint8_t buf[DISK_SIZE + 1];
    Op op = { .blk = blk, .kind = kind, .offset = offset, .bytes = bytes };
    QEMUIOVector qiov;

    fill_pattern(buf + 1, bytes, offset, g_test_rand_int());
    odd_qiov(&qiov, buf + 1, bytes);
    op.qiov = &qiov;
    bdrv_run_co(op_entry, &op, &op.done);
    g_assert_cmpint(op.ret, ==, 0);
    if (kind == 0) {
        g_assert_cmpmem(buf + 1, bytes, model + offset, bytes);
    } else {
        memcpy(model + offset, buf + 1, bytes);
    }
    qemu_iovec_destroy(&qiov);
}

static void random_op(BlockBackend *blk)
{
    int64_t offset = g_test_rand_int_range(0, DISK_SIZE);
    int64_t bytes = g_test_rand_int_range(0, MIN(DISK_SIZE - offset, (int64_t)20000) + 1);

    switch (g_test_rand_int_range(0, 5)) {
    case 0:
    case 1:
        random_vector_op(blk, 0, offset, bytes);
        break;
    case 2:
    case 3:
        random_vector_op(blk, 1, offset, bytes);
        break;
    default:
        g_assert_cmpint(blk_pwrite_zeroes(blk, offset, bytes, BDRV_REQ_MAY_UNMAP), ==, 0);
        memset(model + offset, 0, bytes);
        break;
    }
}

static void test_any_request_does_what_the_model_does(const void *data)
{
    const BlockLimits *bl = data;
    BlockBackend *blk = mem_backend(*bl, "");

    for (int knows = 0; knows < 2; knows++) {
        mem.knows_zeroes = knows;
        for (int i = 0; i < 400; i++) {
            random_op(blk);
        }
        check_model();
    }
    g_assert_cmpuint(mem.zeroes, >, 0);
    blk_unref(blk);
}

static const struct {
    const char *name;
    BlockLimits bl;
} shapes[] = {
    { "without_limits", { .request_alignment = 1 } },
    { "in_sectors", { .request_alignment = 512 } },
    { "in_blocks_of_4k_and_aligned_memory",
      { .request_alignment = 4096, .min_mem_alignment = 4096 } },
    { "of_short_transfers", { .request_alignment = 512, .max_transfer = 1024 } },
    { "of_odd_short_transfers", { .request_alignment = 1, .max_transfer = 777 } },
    { "of_two_elements", { .request_alignment = 1, .max_iov = 2 } },
    { "of_two_elements_in_sectors", { .request_alignment = 512, .max_iov = 2 } },
    { "with_zeroes_in_2k",
      { .request_alignment = 512, .pwrite_zeroes_alignment = 2048, .max_pwrite_zeroes = 4096 } },
};

/* Writers that share blocks but not bytes */

#define WRITERS      8
#define SLICE        700
#define WRITER_LOOPS 60

typedef struct Writer {
    BlockBackend *blk;
    int nr;
    bool done;
} Writer;

static void coroutine_fn writer_entry(void *opaque)
{
    Writer *w = opaque;
    uint8_t buf[SLICE];

    for (int i = 0; i < WRITER_LOOPS; i++) {
        int64_t in_slice = g_test_rand_int_range(0, SLICE);
        int64_t bytes = g_test_rand_int_range(1, SLICE - in_slice + 1);
        int64_t offset = w->nr * SLICE + in_slice;

        fill_pattern(buf, bytes, offset, i * 17 + w->nr);
        if (i % 7 == 3) {
            memset(buf, 0, bytes);
            g_assert_cmpint(blk_co_pwrite_zeroes(w->blk, offset, bytes, 0), ==, 0);
        } else {
            g_assert_cmpint(blk_co_pwrite(w->blk, offset, bytes, buf, 0), ==, 0);
        }
        memcpy(model + offset, buf, bytes);
    }
    w->done = true;
}

static void check_nothing_tracked(BlockBackend *blk)
{
    check_model();
    g_assert_true(interval_tree_is_empty(&blk_bs(blk)->plain_writes));
    g_assert_true(interval_tree_is_empty(&blk_bs(blk)->serialising_writes));
    g_assert_cmpuint(blk_bs(blk)->serialising_in_flight, ==, 0);
}

static void test_writers_of_one_block_do_not_undo_each_other(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ .request_alignment = 512 }, "");
    Writer writers[WRITERS];
    bool busy = true;

    mem.yields = true;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (Writer){ .blk = blk, .nr = i };
        qemu_coroutine_enter(qemu_coroutine_create(writer_entry, &writers[i]));
    }
    while (busy) {
        busy = false;
        aio_poll(qemu_get_aio_context(), true);
        for (int i = 0; i < WRITERS; i++) {
            busy |= !writers[i].done;
        }
    }
    check_nothing_tracked(blk);
    blk_unref(blk);
}

/* More than may be at work at once, in one block. */
enum {
    CROWD = 400
};

static unsigned crowd_done;

typedef struct OneWrite {
    BlockBackend *blk;
    int64_t offset, bytes;
    uint8_t value;
} OneWrite;

static void coroutine_fn one_write_entry(void *opaque)
{
    OneWrite *w = opaque;
    QEMU_AUTO_VFREE uint8_t *buf = qemu_memalign(512, 512);

    memset(buf, w->value, w->bytes);
    g_assert_cmpint(blk_co_pwrite(w->blk, w->offset, w->bytes, buf, 0), ==, 0);
    crowd_done++;
}

/* All at once, begun in their order. */
static void do_writes(BlockBackend *blk, OneWrite *writes, unsigned count)
{
    mem.yields = true;
    crowd_done = 0;
    for (unsigned i = 0; i < count; i++) {
        writes[i].blk = blk;
        memset(model + writes[i].offset, writes[i].value, writes[i].bytes);
        qemu_coroutine_enter(qemu_coroutine_create(one_write_entry, &writes[i]));
    }
    while (crowd_done < count) {
        aio_poll(qemu_get_aio_context(), true);
    }
    check_nothing_tracked(blk);
}

static void test_crowd_in_one_block_waits_in_order(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ .request_alignment = 512 }, "");
    OneWrite writes[CROWD];

    for (int i = 0; i < CROWD; i++) {
        writes[i] = (OneWrite){ .offset = 1024 + i, .bytes = 1, .value = i };
    }
    do_writes(blk, writes, CROWD);
    g_assert_cmpuint(mem.reads, ==, CROWD);
    blk_unref(blk);
}

/* The last of two that overlap is what stays; the aligned one alone needs no reading. */
static void test_whole_blocks_wait_for_parts_and_parts_for_them(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ .request_alignment = 512 }, "");
    OneWrite writes[] = {
        { .offset = 512, .bytes = 512, .value = 1 }, { .offset = 600, .bytes = 100, .value = 2 },
        { .offset = 512, .bytes = 512, .value = 3 }, { .offset = 700, .bytes = 200, .value = 4 },
        { .offset = 0, .bytes = 512, .value = 5 },   { .offset = 500, .bytes = 200, .value = 6 },
        { .offset = 690, .bytes = 20, .value = 7 },  { .offset = 512, .bytes = 512, .value = 8 },
        { .offset = 1023, .bytes = 1, .value = 9 },
    };

    do_writes(blk, writes, ARRAY_SIZE(writes));
    blk_unref(blk);
}

static void test_aligned_write_needs_no_read(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ .request_alignment = 4096 }, "");
    g_autofree uint8_t *buf = g_malloc0(8192);

    g_assert_cmpint(blk_pwrite(blk, 4096, 8192, buf, 0), ==, 0);
    g_assert_cmpuint(mem.reads, ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 4096, 8191, buf, 0), ==, 0);
    g_assert_cmpuint(mem.reads, ==, 1);
    g_assert_cmpint(blk_pwrite(blk, 1, 1, buf, 0), ==, 0);
    g_assert_cmpuint(mem.reads, ==, 2);
    blk_unref(blk);
}

static void test_write_without_cache_is_flushed(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ 0 }, "");
    char c = 1;

    g_assert_cmpint(blk_pwrite(blk, 0, 1, &c, 0), ==, 0);
    g_assert_cmpuint(mem.flushes, ==, 0);
    blk_set_enable_write_cache(blk, false);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &c, 0), ==, 0);
    g_assert_cmpuint(mem.flushes, ==, 1);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, 0);
    g_assert_cmpuint(mem.flushes, ==, 2);

    blk_bs(blk)->supported_write_flags = BDRV_REQ_FUA;
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &c, 0), ==, 0);
    g_assert_cmpuint(mem.fua, ==, 1);
    g_assert_cmpuint(mem.flushes, ==, 2);
    blk_set_enable_write_cache(blk, true);
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &c, BDRV_REQ_FUA), ==, 0);
    g_assert_cmpuint(mem.fua, ==, 2);
    blk_unref(blk);
}

static void test_no_flush_reaches_the_driver_with_cache_no_flush(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ 0 }, ", 'cache': {'no-flush': true}");

    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpuint(mem.flushes, ==, 0);
    blk_unref(blk);
}

static void test_discard_is_ignored_unless_unmap(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ 0 }, "");

    g_assert_cmpint(blk_pdiscard(blk, 0, 4096), ==, 0);
    g_assert_cmpuint(mem.discards, ==, 0);
    blk_unref(blk);

    blk = mem_backend((BlockLimits){ .request_alignment = 512, .max_pdiscard = 4096 },
                      ", 'discard': 'unmap'");
    g_assert_cmpint(blk_pdiscard(blk, 1, 16384), ==, 0);
    g_assert_cmpuint(mem.discards, ==, 4);
    g_assert_cmpint(blk_pdiscard(blk, 1, 600), ==, 0);
    g_assert_cmpuint(mem.discards, ==, 4);
    check_model();
    blk_unref(blk);
}

static void test_zeroes_are_detected_when_asked(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ 0 }, ", 'detect-zeroes': 'on'");
    uint8_t buf[4096] = { 0 };

    mem.knows_zeroes = true;
    g_assert_cmpint(blk_pwrite(blk, 512, sizeof(buf), buf, 0), ==, 0);
    g_assert_cmpuint(mem.zeroes, ==, 1);
    g_assert_cmpuint(mem.writes, ==, 0);
    buf[4095] = 1;
    g_assert_cmpint(blk_pwrite(blk, 512, sizeof(buf), buf, 0), ==, 0);
    g_assert_cmpuint(mem.writes, ==, 1);
    g_assert_cmpint(mem.data[512 + 4095], ==, 1);
    g_assert_cmpint(mem.data[512 + 4094], ==, 0);
    blk_unref(blk);
}

static void test_no_fallback_is_an_error_without_zeroes(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ 0 }, "");

    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 4096, BDRV_REQ_NO_FALLBACK), ==, -ENOTSUP);
    check_model();
    blk_unref(blk);
}

static void test_read_past_the_end_of_a_child_gives_zeroes(void)
{
    BlockBackend *blk = mem_backend((BlockLimits){ .request_alignment = 512 }, "");
    BdrvChild *root = QLIST_FIRST(&blk_bs(blk)->parents);
    uint8_t buf[1024];

    memset(buf, 0xff, sizeof(buf));
    g_assert_cmpint(bdrv_pread(root, DISK_SIZE - 512, 1024, buf, 0), ==, 0);
    g_assert_cmpmem(buf, 512, model + DISK_SIZE - 512, 512);
    for (int i = 512; i < 1024; i++) {
        g_assert_cmpint(buf[i], ==, 0);
    }
    g_assert_cmpint(bdrv_pwrite(root, DISK_SIZE - 512, 1024, buf, 0), ==, -EIO);
    blk_unref(blk);
}

static void test_check_request_knows_the_bounds(void)
{
    g_assert_cmpint(bdrv_check_request(0, 0, NULL), ==, 0);
    g_assert_cmpint(bdrv_check_request(BDRV_MAX_LENGTH, 0, NULL), ==, 0);
    g_assert_cmpint(bdrv_check_request(BDRV_MAX_LENGTH, 1, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_check_request(-1, 1, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_check_request(1, -1, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_check_request(INT64_MAX, INT64_MAX, NULL), ==, -EIO);
}

/* A buffer would be copied for the sake of nothing. */
static void test_elements_without_length_need_no_alignment(void)
{
    BlockBackend *blk =
        mem_backend((BlockLimits){ .request_alignment = 512, .min_mem_alignment = 512 }, "");
    QEMU_AUTO_VFREE uint8_t *buf = qemu_memalign(512, 1024);
    struct iovec iov[] = { { buf, 512 }, { buf + 513, 0 }, { buf + 512, 512 } };
    QEMUIOVector qiov;

    qemu_iovec_init_external(&qiov, iov, 3);
    g_assert_true(bdrv_qiov_is_aligned(blk_bs(blk), &qiov));
    iov[1].iov_len = 512;
    g_assert_false(bdrv_qiov_is_aligned(blk_bs(blk), &qiov));
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        g_autofree char *path =
            g_strdup_printf("/block-io/any_request_%s_does_what_the_model_does", shapes[i].name);

        harness_add_data(path, &shapes[i].bl, test_any_request_does_what_the_model_does);
    }
    harness_add("/block-io/writers_of_one_block_do_not_undo_each_other",
                test_writers_of_one_block_do_not_undo_each_other);
    harness_add("/block-io/crowd_in_one_block_waits_in_order",
                test_crowd_in_one_block_waits_in_order);
    harness_add("/block-io/whole_blocks_wait_for_parts_and_parts_for_them",
                test_whole_blocks_wait_for_parts_and_parts_for_them);
    harness_add("/block-io/aligned_write_needs_no_read", test_aligned_write_needs_no_read);
    harness_add("/block-io/write_without_cache_is_flushed", test_write_without_cache_is_flushed);
    harness_add("/block-io/no_flush_reaches_the_driver_with_cache_no_flush",
                test_no_flush_reaches_the_driver_with_cache_no_flush);
    harness_add("/block-io/discard_is_ignored_unless_unmap", test_discard_is_ignored_unless_unmap);
    harness_add("/block-io/zeroes_are_detected_when_asked", test_zeroes_are_detected_when_asked);
    harness_add("/block-io/no_fallback_is_an_error_without_zeroes",
                test_no_fallback_is_an_error_without_zeroes);
    harness_add("/block-io/read_past_the_end_of_a_child_gives_zeroes",
                test_read_past_the_end_of_a_child_gives_zeroes);
    harness_add("/block-io/elements_without_length_need_no_alignment",
                test_elements_without_length_need_no_alignment);
    harness_add("/block-io/check_request_knows_the_bounds", test_check_request_knows_the_bounds);
    return harness_run();
}
