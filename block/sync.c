/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block layer from outside coroutines: each function starts a coroutine in the main loop's
 * context and polls until it ends; within a coroutine it simply calls.
 *
 * The functions of edges (bdrv_) and of BlockBackends (blk_) have the same shapes, so macros make
 * them: bdrv_pread() from bdrv_co_pread() and so on.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/aio-wait.h"
#include "block/backend.h"

void bdrv_run_co(CoroutineEntry *entry, void *opaque, const bool *done)
{
    GLOBAL_STATE_CODE();
    assert(!qemu_in_coroutine());
    aio_co_enter(qemu_get_aio_context(), qemu_coroutine_create(entry, opaque));
    AIO_WAIT_WHILE_UNLOCKED(NULL, !*done);
}

/* One call: what goes in and what comes out. */
typedef struct SyncCall {
    /* What the function is about: a BlockDriverState, BdrvChild or BlockBackend. */
    void *target;
    int64_t offset;
    int64_t bytes;
    void *buf;
    bool exact;
    PreallocMode prealloc;
    BdrvRequestFlags flags;
    Error **errp;
    int ret;
    bool done;
} SyncCall;

static int sync_call(CoroutineEntry *entry, SyncCall *c)
{
    if (qemu_in_coroutine()) {
        entry(c);
    } else {
        bdrv_run_co(entry, c, &c->done);
    }
    return c->ret;
}

/* name_entry(): the coroutine that carries out @call on the SyncCall c. */
#define SYNC_ENTRY(name, call)                          \
    static void coroutine_fn name##_entry(void *opaque) \
    {                                                   \
        SyncCall *c = opaque;                           \
                                                        \
        c->ret = call;                                  \
        c->done = true;                                 \
        aio_wait_kick();                                \
    }

/* prefix_op(target) from prefix_co_op(). */
#define SYNC_PLAIN(prefix, op, Target)                                                    \
    SYNC_ENTRY(prefix##_##op, prefix##_co_##op(c->target))                                \
    int prefix##_##op(Target *target)                                                     \
    {                                                                                     \
        return sync_call(prefix##_##op##_entry, &(SyncCall){ .target = (void *)target }); \
    }

/* prefix_op(target, offset, bytes, buf, flags). */
#define SYNC_DATA(prefix, op, Target, Buffer)                                                     \
    SYNC_ENTRY(prefix##_##op, prefix##_co_##op(c->target, c->offset, c->bytes, c->buf, c->flags)) \
    int prefix##_##op(Target *target, int64_t offset, int64_t bytes, Buffer *buf,                 \
                      BdrvRequestFlags flags)                                                     \
    {                                                                                             \
        return sync_call(prefix##_##op##_entry, &(SyncCall){ .target = target,                    \
                                                             .offset = offset,                    \
                                                             .bytes = bytes,                      \
                                                             .buf = (void *)buf,                  \
                                                             .flags = flags });                   \
    }

/* prefix_pwrite_zeroes() and prefix_pdiscard(). */
#define SYNC_RANGES(prefix, Target)                                                             \
    SYNC_ENTRY(prefix##_zeroes,                                                                 \
               prefix##_co_pwrite_zeroes(c->target, c->offset, c->bytes, c->flags))             \
    SYNC_ENTRY(prefix##_discard, prefix##_co_pdiscard(c->target, c->offset, c->bytes))          \
    int prefix##_pwrite_zeroes(Target *target, int64_t offset, int64_t bytes,                   \
                               BdrvRequestFlags flags)                                          \
    {                                                                                           \
        return sync_call(                                                                       \
            prefix##_zeroes_entry,                                                              \
            &(SyncCall){ .target = target, .offset = offset, .bytes = bytes, .flags = flags }); \
    }                                                                                           \
    int prefix##_pdiscard(Target *target, int64_t offset, int64_t bytes)                        \
    {                                                                                           \
        return sync_call(prefix##_discard_entry,                                                \
                         &(SyncCall){ .target = target, .offset = offset, .bytes = bytes });    \
    }

SYNC_PLAIN(bdrv, refresh_total_sectors, BlockDriverState)
SYNC_PLAIN(bdrv, flush, BlockDriverState)
SYNC_DATA(bdrv, pread, BdrvChild, void)
SYNC_DATA(bdrv, pwrite, BdrvChild, const void)
SYNC_RANGES(bdrv, BdrvChild)

SYNC_PLAIN(blk, flush, BlockBackend)
SYNC_DATA(blk, pread, BlockBackend, void)
SYNC_DATA(blk, pwrite, BlockBackend, const void)
SYNC_RANGES(blk, BlockBackend)

SYNC_ENTRY(truncate,
           bdrv_co_truncate(c->target, c->offset, c->exact, c->prealloc, c->flags, c->errp))

int bdrv_truncate(BdrvChild *child, int64_t offset, bool exact, PreallocMode prealloc,
                  BdrvRequestFlags flags, Error **errp)
{
    SyncCall c = {
        .target = child,
        .offset = offset,
        .exact = exact,
        .prealloc = prealloc,
        .flags = flags,
        .errp = errp,
    };
    int ret = sync_call(truncate_entry, &c);

    if (!qemu_in_coroutine()) {
        /* The parents learn of it in a bottom half, and the caller may rely on that. */
        AIO_WAIT_WHILE_UNLOCKED(NULL, qatomic_read(&child->bs->in_flight));
    }
    return ret;
}

int blk_truncate(BlockBackend *blk, int64_t offset, bool exact, PreallocMode prealloc,
                 BdrvRequestFlags flags, Error **errp)
{
    if (!blk->root) {
        error_setg(errp, "No medium inserted");
        return -ENOMEDIUM;
    }
    return bdrv_truncate(blk->root, offset, exact, prealloc, flags, errp);
}

/* A node's flush among others that go on at the same time. */
typedef struct FlushOne {
    BlockDriverState *bs; /* a reference */
    unsigned *left;
    int ret;
} FlushOne;

static void coroutine_fn flush_one(void *opaque)
{
    FlushOne *flush = opaque;

    flush->ret = bdrv_co_flush(flush->bs);
    *flush->left -= 1;
    aio_wait_kick();
}

static bool flushed_by_a_parent(BlockDriverState *bs)
{
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (c->klass->parent_is_bds) {
            return true;
        }
    }
    return false;
}

int bdrv_flush_all(void)
{
    g_autoptr(GArray) flushes = g_array_new(FALSE, FALSE, sizeof(FlushOne));
    unsigned left = 0;
    int result = 0;

    GLOBAL_STATE_CODE();
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        if (!bdrv_is_read_only(bs) && !flushed_by_a_parent(bs)) {
            FlushOne flush = { .bs = bs, .left = &left };

            bdrv_ref(bs);
            g_array_append_val(flushes, flush);
        }
    }
    left = flushes->len;
    for (guint i = 0; i < flushes->len; i++) {
        aio_co_enter(qemu_get_aio_context(),
                     qemu_coroutine_create(flush_one, &g_array_index(flushes, FlushOne, i)));
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, left);
    for (guint i = 0; i < flushes->len; i++) {
        FlushOne *flush = &g_array_index(flushes, FlushOne, i);

        flush->bs->flush_result = flush->ret;
        flush->bs->flushed = true;
        result = result ? result : flush->ret;
        bdrv_unref(flush->bs);
    }
    return result;
}
