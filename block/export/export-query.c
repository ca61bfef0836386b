/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What query-block-exports tells. Main loop; nothing here waits for storage or for a client. */
#include "qemu/osdep.h"
#include "block/block.h"
#include "block/export.h"
#include "export-stats.h"
#include "export-threads.h"
#include "qapi/qapi-commands-block-export.h"
#include "system/block-backend.h"

static uint64_t in_flight(BlockExport *exp)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < exp->num_queues; i++) {
        const BlockExportCounters *s = exp->drv->counters(exp, i, false);
        /* Read in this order, so that the difference is not below 0. */
        uint64_t done = s ? qatomic_load_acquire(&s->done) : 0;

        sum += s ? qatomic_read(&s->taken) - done : 0;
    }
    return sum;
}

static BlockExportInfo *export_info(BlockExport *exp)
{
    BlockExportInfo *info = g_new(BlockExportInfo, 1);

    *info = (BlockExportInfo){
        .id = g_strdup(exp->id),
        .type = exp->drv->type,
        .node_name = g_strdup(bdrv_get_node_name(blk_bs(exp->blk))),
        .shutting_down = !exp->user_owned,
        .writable = exp->writable,
        .has_num_queues = exp->num_queues > 0,
        .num_queues = exp->num_queues,
        .iothreads = blk_exp_threads_names(exp->threads),
        .has_in_flight = exp->drv->counters != NULL,
    };
    if (exp->drv->counters) {
        info->in_flight = in_flight(exp);
    }
    if (exp->drv->query) {
        exp->drv->query(exp, info);
    }
    return info;
}

static void append_info(BlockExport *exp, void *opaque)
{
    BlockExportInfoList ***tail = opaque;

    QAPI_LIST_APPEND(*tail, export_info(exp));
}

BlockExportInfoList *qmp_query_block_exports(Error **errp)
{
    BlockExportInfoList *head = NULL, **tail = &head;

    blk_exp_foreach(append_info, &tail);
    return head;
}
