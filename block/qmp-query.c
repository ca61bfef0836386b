/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor's questions about nodes and devices.
 *
 * Exports use BlockBackends without a name; their counters are in the statistics of the node that
 * they use.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-stats.h"
#include "qapi/qapi-commands-job.h"
#include "qapi/util.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/accounting.h"
#include "block/block_int.h"
#include "qemu/storage-call.h"
#include "system/block-backend.h"

static BlockdevChildList *children_info(BlockDriverState *bs)
{
    BlockdevChildList *list = NULL;
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->children, next) {
        BlockdevChild *info = g_new0(BlockdevChild, 1);

        info->child = g_strdup(c->name);
        info->node_name = g_strdup(bdrv_get_node_name(c->bs));
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

static BlockLimitsInfo *limits_info(const BlockLimits *bl)
{
    BlockLimitsInfo *info = g_new(BlockLimitsInfo, 1);

    *info = (BlockLimitsInfo){
        .request_alignment = bl->request_alignment,
        .has_max_discard = bl->max_pdiscard,
        .max_discard = bl->max_pdiscard,
        .has_discard_alignment = bl->pdiscard_alignment,
        .discard_alignment = bl->pdiscard_alignment,
        .has_max_write_zeroes = bl->max_pwrite_zeroes,
        .max_write_zeroes = bl->max_pwrite_zeroes,
        .has_write_zeroes_alignment = bl->pwrite_zeroes_alignment,
        .write_zeroes_alignment = bl->pwrite_zeroes_alignment,
        .has_opt_transfer = bl->opt_transfer,
        .opt_transfer = bl->opt_transfer,
        .has_max_transfer = bl->max_transfer,
        .max_transfer = bl->max_transfer,
        .max_iov = bl->max_iov ?: IOV_MAX,
        .min_mem_alignment = bl->min_mem_alignment,
        .opt_mem_alignment = bl->opt_mem_alignment,
    };
    return info;
}

static ImageInfo *image_info(BlockDriverState *bs)
{
    ImageInfo *info = g_new0(ImageInfo, 1);
    int64_t allocated = -ENOTSUP;

    if (bs->drv->bdrv_get_allocated_file_size) {
        allocated = bs->drv->bdrv_get_allocated_file_size(bs);
    }
    info->filename = g_strdup(bs->filename);
    info->format = g_strdup(bdrv_get_format_name(bs));
    info->virtual_size = MAX(bdrv_getlength(bs), (int64_t)0);
    info->has_dirty_flag = true;
    info->has_actual_size = allocated >= 0;
    info->actual_size = info->has_actual_size ? allocated : 0;
    info->limits = limits_info(&bs->bl);
    if (bs->drv->bdrv_get_specific_info) {
        info->format_specific = bs->drv->bdrv_get_specific_info(bs);
    }
    return info;
}

/* Whether a BlockBackend above @bs makes every write durable. */
static bool is_writethrough(BlockDriverState *bs)
{
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (!c->klass->parent_is_bds && !blk_enable_write_cache(c->opaque)) {
            return true;
        }
    }
    return false;
}

static BlockDeviceInfo *node_info(BlockDriverState *bs)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(bs->filename);
    info->node_name = g_strdup(bdrv_get_node_name(bs));
    info->ro = bdrv_is_read_only(bs);
    info->drv = g_strdup(bdrv_get_format_name(bs));
    info->children = children_info(bs);
    info->active = true;
    info->detect_zeroes = bs->detect_zeroes;
    info->image = image_info(bs);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = !is_writethrough(bs);
    info->cache->direct = bs->open_flags & BDRV_O_NOCACHE;
    info->cache->no_flush = bs->open_flags & BDRV_O_NO_FLUSH;
    return info;
}

/*
 * In a coroutine: what has to be asked from storage is. What does not answer in time is told as it
 * was last.
 */
static void coroutine_mixed_fn refresh_info(void)
{
    int64_t end = get_clock() + (int64_t)STORAGE_QUICK_MS * SCALE_MS, left;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    BlockDriverState *bs;

    if (!qemu_in_coroutine()) {
        return;
    }
    assert_coroutine_role();
    /* Nodes may go while others are asked. */
    for (bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        if (bs->drv->bdrv_co_refresh_info) {
            g_ptr_array_add(names, g_strdup(bs->node_name));
        }
    }
    for (guint i = 0; i < names->len && (left = (end - get_clock()) / SCALE_MS) > 0; i++) {
        bs = bdrv_find_node(names->pdata[i]);
        if (bs && bs->drv->bdrv_co_refresh_info) {
            bs->drv->bdrv_co_refresh_info(bs, left);
        }
    }
}

BlockDeviceInfoList *coroutine_mixed_fn qmp_query_named_block_nodes(bool has_flat, bool flat,
                                                                    Error **errp)
{
    BlockDeviceInfoList *list = NULL;

    refresh_info();
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        QAPI_LIST_PREPEND(list, node_info(bs));
    }
    return list;
}

BlockInfoList *coroutine_mixed_fn qmp_query_block(Error **errp)
{
    BlockInfoList *head = NULL, **tail = &head;

    refresh_info();
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        BlockInfo *info = g_new0(BlockInfo, 1);

        info->device = g_strdup(blk_name(blk));
        info->type = g_strdup("unknown");
        info->inserted = blk_bs(blk) ? node_info(blk_bs(blk)) : NULL;
        info->has_io_status = blk_iostatus_is_enabled(blk);
        info->io_status = blk_iostatus(blk);
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}

static BlockDeviceStats *stats_of_totals(const BlockAcctTotals *t)
{
    BlockDeviceStats *st = g_new0(BlockDeviceStats, 1);

    st->rd_bytes = t->nr_bytes[BLOCK_ACCT_READ];
    st->wr_bytes = t->nr_bytes[BLOCK_ACCT_WRITE];
    st->unmap_bytes = t->nr_bytes[BLOCK_ACCT_UNMAP];
    st->rd_operations = t->nr_ops[BLOCK_ACCT_READ];
    st->wr_operations = t->nr_ops[BLOCK_ACCT_WRITE];
    st->flush_operations = t->nr_ops[BLOCK_ACCT_FLUSH];
    st->unmap_operations = t->nr_ops[BLOCK_ACCT_UNMAP];
    st->rd_total_time_ns = t->total_time_ns[BLOCK_ACCT_READ];
    st->wr_total_time_ns = t->total_time_ns[BLOCK_ACCT_WRITE];
    st->flush_total_time_ns = t->total_time_ns[BLOCK_ACCT_FLUSH];
    st->unmap_total_time_ns = t->total_time_ns[BLOCK_ACCT_UNMAP];
    st->failed_rd_operations = t->failed_ops[BLOCK_ACCT_READ];
    st->failed_wr_operations = t->failed_ops[BLOCK_ACCT_WRITE];
    st->failed_flush_operations = t->failed_ops[BLOCK_ACCT_FLUSH];
    st->failed_unmap_operations = t->failed_ops[BLOCK_ACCT_UNMAP];
    st->invalid_rd_operations = t->invalid_ops[BLOCK_ACCT_READ];
    st->invalid_wr_operations = t->invalid_ops[BLOCK_ACCT_WRITE];
    st->invalid_flush_operations = t->invalid_ops[BLOCK_ACCT_FLUSH];
    st->invalid_unmap_operations = t->invalid_ops[BLOCK_ACCT_UNMAP];
    st->account_failed = true;
    return st;
}

/* A node's statistics: the sum over the BlockBackends directly above it. */
static BlockStats *node_stats(BlockDriverState *bs)
{
    BlockStats *s = g_new0(BlockStats, 1);
    BlockAcctTotals totals = { 0 };
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->parents, next_parent) {
        if (!c->klass->parent_is_bds) {
            block_acct_sum(blk_get_stats(c->opaque), &totals);
        }
    }
    s->node_name = g_strdup(bdrv_get_node_name(bs));
    s->stats = stats_of_totals(&totals);
    s->stats->wr_highest_offset = qatomic_read(&bs->wr_highest_offset);
    if (bs->drv->bdrv_get_specific_stats) {
        s->driver_specific = bs->drv->bdrv_get_specific_stats(bs);
    }
    s->parent = bs->file ? node_stats(bs->file->bs) : NULL;
    return s;
}

static BlockStats *device_stats(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);
    BlockStats *s = bs ? node_stats(bs) : g_new0(BlockStats, 1);
    BlockAcctTotals totals = { 0 };
    int64_t idle = block_acct_idle_time_ns(blk_get_stats(blk));

    block_acct_sum(blk_get_stats(blk), &totals);
    qapi_free_BlockDeviceStats(s->stats);
    s->device = g_strdup(blk_name(blk));
    s->stats = stats_of_totals(&totals);
    s->stats->wr_highest_offset = bs ? qatomic_read(&bs->wr_highest_offset) : 0;
    s->stats->has_idle_time_ns = idle > 0;
    s->stats->idle_time_ns = idle;
    return s;
}

BlockStatsList *qmp_query_blockstats(bool has_query_nodes, bool query_nodes, Error **errp)
{
    BlockStatsList *head = NULL, **tail = &head;

    if (has_query_nodes && query_nodes) {
        for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
            QAPI_LIST_APPEND(tail, node_stats(bs));
        }
        return head;
    }
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        QAPI_LIST_APPEND(tail, device_stats(blk));
    }
    return head;
}

/* There are no jobs, and nothing that could start one. */
BlockJobInfoList *qmp_query_block_jobs(Error **errp)
{
    return NULL;
}

JobInfoList *qmp_query_jobs(Error **errp)
{
    return NULL;
}
