/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BlockAIOCB: requests that complete by a callback; their memory and their cancelling. */
#include "qemu/osdep.h"
#include "block/aio.h"

void *qemu_aio_get(const AIOCBInfo *info, BlockDriverState *bs, BlockCompletionFunc *cb,
                   void *opaque)
{
    BlockAIOCB *acb = g_malloc0(info->aiocb_size);

    acb->aiocb_info = info;
    acb->bs = bs;
    acb->cb = cb;
    acb->opaque = opaque;
    acb->refcnt = 1;
    return acb;
}

void qemu_aio_ref(void *p)
{
    BlockAIOCB *acb = p;

    qatomic_inc(&acb->refcnt);
}

void qemu_aio_unref(void *p)
{
    BlockAIOCB *acb = p;
    int before = qatomic_fetch_dec(&acb->refcnt);

    assert(before > 0);
    if (before == 1) {
        g_free(acb);
    }
}

void bdrv_aio_cancel_async(BlockAIOCB *acb)
{
    if (acb->aiocb_info->cancel_async) {
        acb->aiocb_info->cancel_async(acb);
    }
}

void bdrv_aio_cancel(BlockAIOCB *acb)
{
    qemu_aio_ref(acb);
    bdrv_aio_cancel_async(acb);
    while (qatomic_read(&acb->refcnt) > 1) {
        aio_poll(qemu_get_current_aio_context(), true);
    }
    qemu_aio_unref(acb);
}
