/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queues of a vhost-user-blk export.
 *
 * Theory of operation: a kick takes what waits in the ring. A plain read or write that needs no
 * waiting is done on the spot, and its used entry becomes visible with some others'; a plain write
 * that the driver takes to do it together with others is pushed when it calls back; every other
 * request, and a write that has failed, runs in a coroutine of its own through the virtio-blk
 * handler and is pushed at its end.
 * The guest is told of the first request that is done during one turn, so that it wakes up while we
 * go on, and once of all others; or once of all that complete in one iteration of the event loop.
 * All of that runs in the queue's context.
 */
#include "qemu/osdep.h"
#include "qemu/defer-call.h"
#include "block/block-io.h"
#include "standard-headers/linux/virtio_blk.h"
#include "system/block-backend.h"
#include "vhost-user-blk-queue.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "block/try-io.h"
#include "export-events.h"
#endif

enum {
    /* So many completions are announced even while more requests are being taken. */
    VU_BLK_ANNOUNCE_MAX = 32,
    /* So many used entries become visible together at most: a guest that is awake takes them. */
    VU_BLK_FLUSH_MAX = 8,
    /* So much is taken from a ring before others in the same event loop have their turn. */
    VU_BLK_TURN_MAX = 64,
    /* A large request counts as one more for each so many segments, and so many bytes. */
    VU_BLK_TURN_SEGMENTS = 16,
    VU_BLK_TURN_BYTES = 16 * 1024,
    /* How long a queue waits that has no stack for its next request. */
    VU_BLK_PAUSE_MS = 10,
    /* A request with so many segments needs no memory of its own size. */
    VU_BLK_SPARE_SEGMENTS = 12,
};

/* A request on its way; what vu_queue_pop_into() gives, with our part behind. */
typedef struct VuBlkReq {
    VuVirtqElement elem;
    VuBlkQueue *queue;
    VirtioBlkReq blk; /* parsed when it is taken from the ring */
    int64_t start;    /* when its turn began; 0: nobody measures */
#ifdef CONFIG_DEVICE_BACKENDS
    BlkTryWrite write;
#endif
} VuBlkReq;

/* With the vectors, and what the library notes of them. */
#define VU_BLK_SPARE_BYTES \
    (sizeof(VuBlkReq) + 2 * VU_BLK_SPARE_SEGMENTS * sizeof(struct iovec) + 16)

/* One turn: what is taken from the ring at once. */
typedef struct VuBlkTurn {
    VuBlkQueue *queue;
    VuVirtq *vq;
    size_t taken;         /* weights together */
    unsigned announce_at; /* completions */
#ifdef CONFIG_DEVICE_BACKENDS
    BlkTryBatch batch;
#endif
} VuBlkTurn;

static VuDev *vu_blk_queue_dev(VuBlkQueue *queue)
{
    return &queue->server->vu_dev;
}

/* What the export has done; ours */

#ifdef CONFIG_DEVICE_BACKENDS
static void vu_blk_count_turn(VuBlkQueue *queue)
{
    blk_exp_stats_turn(&queue->counters);
}

static void vu_blk_count_taken(VuBlkQueue *queue, int64_t *ret_start)
{
    *ret_start = queue->counters.turn;
    blk_exp_stats_taken(&queue->counters);
}

static void vu_blk_tell_error(VuBlkQueue *queue, BlockExportOperation op,
                              const VirtioBlkReqInfo *info)
{
    BlockExportIoError error = {
        .operation = op,
        .sector = info->offset < 0 ? -1 : info->offset >> VIRTIO_BLK_SECTOR_BITS,
        .error = -info->error,
    };

    blk_exp_io_error(queue->export, &error);
}

static void vu_blk_count_done(VuBlkQueue *queue, int64_t start, const VirtioBlkReqInfo *info)
{
    /* Index: VIRTIO_BLK_T_*; kinds that are not named are "other", which is no zero. */
    static const uint8_t operations[] = {
        [VIRTIO_BLK_T_IN] = 1 + BLOCK_EXPORT_OPERATION_READ,
        [VIRTIO_BLK_T_OUT] = 1 + BLOCK_EXPORT_OPERATION_WRITE,
        [VIRTIO_BLK_T_FLUSH] = 1 + BLOCK_EXPORT_OPERATION_FLUSH,
        [VIRTIO_BLK_T_DISCARD] = 1 + BLOCK_EXPORT_OPERATION_DISCARD,
        [VIRTIO_BLK_T_SECURE_ERASE] = 1 + BLOCK_EXPORT_OPERATION_DISCARD,
        [VIRTIO_BLK_T_WRITE_ZEROES] = 1 + BLOCK_EXPORT_OPERATION_WRITE_ZEROES,
    };
    bool known = info->type < ARRAY_SIZE(operations) && operations[info->type];
    BlockExportRequestInfo done = {
        .start = start,
        .op = known ? operations[info->type] - 1 : BLOCK_EXPORT_OPERATION_OTHER,
        .failed = info->status != VIRTIO_BLK_S_OK,
        .bytes = info->bytes,
    };

    blk_exp_stats_done(&queue->counters, &done);
    if (info->error) {
        vu_blk_tell_error(queue, done.op, info);
    }
}

static void vu_blk_count_told(VuBlkQueue *queue)
{
    blk_exp_stats_told(&queue->counters);
}
#else
static void vu_blk_count_turn(VuBlkQueue *queue)
{
}

static void vu_blk_count_taken(VuBlkQueue *queue, int64_t *ret_start)
{
}

static void vu_blk_count_done(VuBlkQueue *queue, int64_t start, const VirtioBlkReqInfo *info)
{
}

static void vu_blk_count_told(VuBlkQueue *queue)
{
}
#endif

/* Telling the guest */

/* The server counts busy queues instead of requests: two atomic operations for a batch. */
static void vu_blk_queue_get(VuBlkQueue *queue)
{
    if (queue->busy++ == 0) {
        vhost_user_server_inc_in_flight(queue->server);
    }
}

/* The export may be gone when this returns. */
static void vu_blk_queue_put(VuBlkQueue *queue, unsigned n)
{
    queue->busy -= n;
    if (queue->busy == 0) {
        vhost_user_server_dec_in_flight(queue->server);
    }
}

/* What was done at once becomes visible; nobody is told. */
static void vu_blk_flush(VuBlkQueue *queue, VuVirtq *vq)
{
    unsigned n = queue->filled;

    if (n > 0) {
        queue->filled = 0;
        vu_queue_flush(vu_blk_queue_dev(queue), vq, n);
    }
}

/* One notification for all that has been done since the last. */
static void vu_blk_announce(VuBlkQueue *queue)
{
    VuDev *vu_dev = vu_blk_queue_dev(queue);
    VuVirtq *vq = vu_get_queue(vu_dev, queue->index);
    unsigned n = queue->completed;

    vu_blk_flush(queue, vq);
    if (n > 0 || queue->at_once > 0) {
        queue->completed = 0;
        queue->at_once = 0;
        vu_blk_count_told(queue);
        vu_queue_notify(vu_dev, vq);
        if (n > 0) {
            vu_blk_queue_put(queue, n);
        }
    }
}

static void vu_blk_announce_deferred(void *opaque)
{
    VuBlkQueue *queue = opaque;

    queue->deferred = false;
    vu_blk_announce(queue);
    vu_blk_queue_put(queue, 1);
}

/* Who completes requests in one iteration of the event loop announces them together. */
static void vu_blk_announce_later(VuBlkQueue *queue)
{
    if (!queue->popping && !queue->deferred) {
        queue->deferred = true;
        vu_blk_queue_get(queue);
        defer_call(vu_blk_announce_deferred, queue);
    }
}

/* Requests that take their time */

/* @written: bytes. @req is gone. */
static void vu_blk_complete(VuBlkReq *req, int written, const VirtioBlkReqInfo *info)
{
    VuBlkQueue *queue = req->queue;
    VuDev *vu_dev = vu_blk_queue_dev(queue);

    vu_queue_push(vu_dev, vu_get_queue(vu_dev, queue->index), &req->elem, written);
    vu_blk_count_done(queue, req->start, info);
    free(req);
    queue->completed++;
    vu_blk_announce_later(queue);
}

static void coroutine_fn vu_blk_co_request(void *opaque)
{
    VuBlkReq *req = opaque;
    VirtioBlkReqInfo info;
    int written = virtio_blk_req_run(&req->blk, &info);

    vu_blk_complete(req, written, &info);
}

static size_t vu_blk_weight(const VuVirtqElement *e, size_t bytes)
{
    return 1 + (e->in_num + e->out_num) / VU_BLK_TURN_SEGMENTS + bytes / VU_BLK_TURN_BYTES;
}

#ifdef CONFIG_DEVICE_BACKENDS
static void vu_blk_pause_over(void *opaque)
{
    VuBlkQueue *queue = opaque;
    VuDev *vu_dev = vu_blk_queue_dev(queue);

    g_clear_pointer(&queue->pause, timer_free);
    vu_queue_kick_later(vu_dev, vu_get_queue(vu_dev, queue->index));
    vu_blk_queue_put(queue, 1);
}

/* For @req. NULL: there is no stack; the request is in the ring again, and looked at later. */
static Coroutine *vu_blk_coroutine(VuBlkTurn *turn, VuBlkReq *req)
{
    VuBlkQueue *queue = turn->queue;
    VuDev *vu_dev = vu_blk_queue_dev(queue);
    Coroutine *co =
        qemu_coroutine_try_create(vu_blk_co_request, req, vu_queue_inuse(turn->vq) == 1);

    if (co) {
        return co;
    }
    vu_queue_hold_up(vu_dev, turn->vq, &req->elem);
    free(req);
    if (!queue->pause) {
        vu_blk_queue_get(queue);
        queue->pause = aio_timer_new(qemu_get_current_aio_context(), QEMU_CLOCK_REALTIME, SCALE_MS,
                                     vu_blk_pause_over, queue);
        timer_mod(queue->pause, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VU_BLK_PAUSE_MS);
    }
    return NULL;
}
#else
static Coroutine *vu_blk_coroutine(VuBlkTurn *turn, VuBlkReq *req)
{
    return qemu_coroutine_create(vu_blk_co_request, req);
}
#endif

/* False: it has to wait in the ring. */
static bool vu_blk_start(VuBlkTurn *turn, VuBlkReq *req)
{
    size_t weight = vu_blk_weight(&req->elem, req->blk.in_size + req->blk.out_size);
    Coroutine *co = vu_blk_coroutine(turn, req);

    if (!co) {
        return false;
    }
    turn->taken += weight;
    vu_blk_count_taken(turn->queue, &req->start);
    vu_blk_queue_get(turn->queue);
    qemu_coroutine_enter(co);
    return true;
}

/* Requests that are done at once; ours */

#ifdef CONFIG_DEVICE_BACKENDS
static void vu_blk_turn_begin(VuBlkTurn *turn)
{
    blk_try_begin(&turn->batch, turn->queue->handler->blk);
}

/* Before anything else may complete a request of the queue. */
static void vu_blk_turn_settle(VuBlkTurn *turn)
{
    vu_blk_flush(turn->queue, turn->vq);
    blk_try_end(&turn->batch);
}

/* A write that failed is tried once more in a coroutine, which knows what to do with errors. */
static void vu_blk_write_failed(VuBlkReq *req)
{
    Coroutine *co = qemu_coroutine_try_create(vu_blk_co_request, req, false);
    VirtioBlkReqInfo info = {
        .type = VIRTIO_BLK_T_OUT,
        .status = VIRTIO_BLK_S_IOERR,
        .error = req->write.ret,
        .offset = req->blk.offset,
    };

    if (co) {
        qemu_coroutine_enter(co);
    } else {
        *req->blk.status = info.status;
        vu_blk_complete(req, 1, &info);
    }
}

static void vu_blk_written(BlkTryWrite *write, int ret)
{
    VuBlkReq *req = container_of(write, VuBlkReq, write);
    VirtioBlkReqInfo info;

    if (ret < 0) {
        vu_blk_write_failed(req);
    } else {
        int written = virtio_blk_req_try_done(&req->blk, write, &info);

        vu_blk_complete(req, written, &info);
    }
}

/* It is the driver's until vu_blk_written(). */
static void vu_blk_in_progress(VuBlkTurn *turn, VuBlkReq *req)
{
    turn->taken += vu_blk_weight(&req->elem, req->write.bytes);
    vu_blk_count_taken(turn->queue, &req->start);
    blk_exp_stats_at_once(&turn->queue->counters);
    vu_blk_queue_get(turn->queue);
    if (req == turn->queue->spare) {
        turn->queue->spare = NULL;
    }
}

/* False: nothing has happened. */
static bool vu_blk_try(VuBlkTurn *turn, VuBlkReq *req)
{
    VuBlkQueue *queue = turn->queue;
    VirtioBlkReqInfo info;
    int written;

    req->write.cb = vu_blk_written;
    written = virtio_blk_req_try(&req->blk, &turn->batch, &info, &req->write);
    if (written == -EINPROGRESS) {
        vu_blk_in_progress(turn, req);
        return true;
    }
    if (written < 0) {
        return false;
    }
    turn->taken += vu_blk_weight(&req->elem, info.bytes);
    vu_blk_count_taken(queue, &req->start);
    blk_exp_stats_at_once(&queue->counters);
    vu_queue_fill(vu_blk_queue_dev(queue), turn->vq, &req->elem, written, queue->filled++);
    queue->at_once++;
    vu_blk_count_done(queue, req->start, &info);
    if (queue->filled == VU_BLK_FLUSH_MAX) {
        vu_blk_flush(queue, turn->vq);
    }
    if (req != queue->spare) {
        free(req);
    }
    return true;
}
#else
static void vu_blk_turn_begin(VuBlkTurn *turn)
{
}

static void vu_blk_turn_settle(VuBlkTurn *turn)
{
}

static bool vu_blk_try(VuBlkTurn *turn, VuBlkReq *req)
{
    return false;
}
#endif

/* A turn */

static VuBlkReq *vu_blk_take(VuBlkTurn *turn)
{
    VuBlkQueue *queue = turn->queue;
    VuBlkReq *req;

    if (!queue->spare) {
        queue->spare = malloc(VU_BLK_SPARE_BYTES);
    }
    req = vu_queue_pop_into(vu_blk_queue_dev(queue), turn->vq, sizeof(*req), queue->spare,
                            queue->spare ? VU_BLK_SPARE_BYTES : 0);
    if (req) {
        VirtioBlkIov iov = { req->elem.in_sg, req->elem.out_sg, req->elem.in_num,
                             req->elem.out_num };

        req->queue = queue;
        virtio_blk_req_parse(&req->blk, queue->handler, &iov);
    }
    return req;
}

/* False: nothing can be taken now. */
static bool vu_blk_serve(VuBlkTurn *turn, VuBlkReq *req)
{
    VuBlkQueue *queue = turn->queue;
    bool started;

    if (vu_blk_try(turn, req)) {
        return true;
    }
    if (req == queue->spare) {
        queue->spare = NULL;
    }
    vu_blk_turn_settle(turn);
    started = vu_blk_start(turn, req);
    vu_blk_turn_begin(turn);
    return started;
}

/* A guest may refill the ring as fast as it is emptied: the handler takes a limited part of it. */
void vu_blk_queue_process(VuBlkQueue *queue)
{
    VuDev *vu_dev = vu_blk_queue_dev(queue);
    VuBlkTurn turn = {
        .queue = queue,
        .vq = vu_get_queue(vu_dev, queue->index),
        /* The first one wakes the guest, which takes as long as the next ones take us. */
        .announce_at = 1,
    };
    VuBlkReq *req;

    vu_blk_queue_get(queue);
    vu_blk_count_turn(queue);
    queue->popping = true;
    vu_blk_turn_begin(&turn);
    while (turn.taken < VU_BLK_TURN_MAX && (req = vu_blk_take(&turn)) && vu_blk_serve(&turn, req)) {
        unsigned done = queue->completed + queue->at_once;

        /* The guest may make the next one available while we are still here: no kick then. */
        if (done >= turn.announce_at || (done > 0 && vu_queue_caught_up(vu_dev, turn.vq))) {
            vu_blk_announce(queue);
            turn.announce_at = VU_BLK_ANNOUNCE_MAX;
        }
    }
    vu_blk_turn_settle(&turn);
    queue->popping = false;
    vu_blk_announce(queue);
    if (turn.taken >= VU_BLK_TURN_MAX) {
        vu_queue_kick_later(vu_dev, turn.vq);
    }
    vu_blk_queue_put(queue, 1);
}

/* Life */

VuBlkQueue *vu_blk_queue_new(BlockExport *export, VuServer *server, VirtioBlkHandler *handler,
                             unsigned index)
{
    VuBlkQueue *queue = g_new0(VuBlkQueue, 1);

    queue->export = export;
    queue->server = server;
    queue->handler = handler;
    queue->index = index;
    return queue;
}

void vu_blk_queue_free(VuBlkQueue *queue)
{
    if (!queue) {
        return;
    }
    free(queue->spare);
#ifdef CONFIG_DEVICE_BACKENDS
    blk_exp_stats_free(&queue->counters);
#endif
    g_free(queue);
}
