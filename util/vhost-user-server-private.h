/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the vhost-user server have in common; see vhost-user-server.c. */
#ifndef VHOST_USER_SERVER_PRIVATE_H
#define VHOST_USER_SERVER_PRIVATE_H

#include "qemu/coroutine.h"
#include "qemu/vhost-user-server.h"
#ifdef CONFIG_DEVICE_BACKENDS
#include "trace.h"
#else
#define trace_vu_server_accept(server, fd)
#define trace_vu_server_message(server, name, size, fds)
#define trace_vu_server_context(server, ctx, trip)
#define trace_vu_server_watch(server, queue, ctx, fd)
#define trace_vu_server_channel(server, ctx, fd)
#define trace_vu_server_sleep(server, ns)
#define trace_vu_server_event(server, kind, queue, text, value)
#define trace_vu_server_disconnect(server, broken)
#endif

/* vhost-user-server.c */

/* Is a client connected, and not to be cut off? Any thread. */
bool vu_server_serving(VuServer *server);

/* Yield the trip until @done; whoever may have made it true calls vu_trip_wake() afterwards. */
void coroutine_fn vu_trip_wait(VuServer *server, vu_ready_cb done, void *opaque);
/* Any thread; spurious calls are harmless. */
void vu_trip_wake(VuServer *server);

/*
 * Have the watches and the trip follow ctx and life, in @home; NULL: nobody runs
 * there, do it here. Main loop; elsewhere only while the server cannot be quiet.
 */
void vu_server_request_sync(VuServer *server, AioContext *home);
/* The last act of a counted bottom half: the server may be gone when this returns. */
void vu_server_sync_done(VuServer *server);

/* vhost-user-server-log.c */

/*
 * May a line that a client has provoked be logged? Clients come as often as they
 * like, so the lines of one server are limited; how many were not shown is told
 * by the next one that is. Any thread.
 */
bool vu_server_may_log(VuServer *server);

/* libvhost-user's vu_panic_cb: why the client is being dropped; once a client. */
void vu_server_panic(VuDev *vu_dev, const char *reason);
/* libvhost-user's vu_log_cb; a client can provoke these, so their number is bounded. */
void vu_server_log(VuDev *vu_dev, const char *message);

/* vhost-user-server-transfer.c; the trip */

/*
 * libvhost-user's vu_read_msg_cb. False with rx_paused set means: no message
 * now, ask again in the next trip; what has come by now is kept in rx.
 */
bool coroutine_fn vu_server_read_msg(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg);
/* VuIoOps.write_msg: what is not sent at once is kept for vu_server_flush(). */
bool coroutine_fn vu_server_write_msg(VuDev *vu_dev, int conn_fd, VhostUserMsg *vmsg);
/* Send what waits in tx: true when sent, or kept for the next trip; false: broken. */
bool coroutine_fn vu_server_flush(VuServer *server);
/* The client is gone: forget messages that have half come or gone. */
void vu_server_drop_transfers(VuServer *server);

/* vhost-user-server-queue.c */

/* Main loop, at start and at the end of stop. */
void vu_server_queues_init(VuServer *server);
void vu_server_queues_done(VuServer *server);

/* libvhost-user's callbacks and VuIoOps; the trip, or the main loop when all is quiet. */
void coroutine_fn vu_server_set_watch(VuDev *vu_dev, int fd, int condition, vu_watch_cb cb,
                                      void *pvt);
void coroutine_fn vu_server_remove_watch(VuDev *vu_dev, int fd);
void coroutine_fn vu_server_run_on_queue(VuDev *vu_dev, VuVirtq *vq, vu_queue_fn fn, void *opaque);
void coroutine_fn vu_server_look(VuDev *vu_dev, VuVirtq *vq);
/* The same after others have run; the queue's context. */
void vu_server_kick_later(VuDev *vu_dev, VuVirtq *vq);
/* VuIoOps.pause; the queue's context. False while kicks are not to be handled. */
bool vu_server_pause(VuDev *vu_dev, VuVirtq *vq, uint64_t ns);

/* Home context. Put the watches on or take them off; counted in pending_sync until it is done. */
void vu_server_watches_set(VuServer *server, bool on);
/* The trip: take them off and return when no kick handler runs any more. */
void coroutine_fn vu_server_watches_stop(VuServer *server);
/* Home context, after an attach: look at the queues if that could not be done while detached. */
void vu_server_look_missed(VuServer *server);
/* The library has let go of the queues: no watch may be left. */
void vu_server_watches_forget(VuServer *server);

/* vhost-user-server-channel.c */

/* VuIoOps.watch_channel; the home context, or the main loop when all is quiet. */
void vu_server_watch_channel(VuDev *vu_dev, int fd);
/* VuIoOps.wait_answer; home context. False outside coroutines. */
bool vu_server_wait_answer(VuDev *vu_dev, vu_ready_cb ready, void *opaque, int timeout_ms);
/* Home context. Have the channel's watch follow "watching". */
void vu_server_channel_sync(VuServer *server);
/* Home context, outside coroutines. Who waits for an answer looks whether he should. */
void vu_server_wake_waits(VuServer *server);

/* vhost-user-server-budget.c; the trip, or the main loop while there is none */

/* Count the processor time from here on; and charge it to the server. */
void vu_work_begin(VuServer *server);
void vu_work_end(VuServer *server);
/* Around a yield of the trip; do nothing while no time is counted. */
void vu_work_pause(VuServer *server);
void vu_work_resume(VuServer *server);
/* The message that is being counted comes with the requests of a ring. */
void vu_work_is_for_ring(VuServer *server);
/* What is being counted is that a client comes. */
void vu_work_is_for_connection(VuServer *server);
/* The trip. Sleep until more may be charged. False: something else ended it, look what. */
bool coroutine_fn vu_work_afford(VuServer *server);

#endif /* VHOST_USER_SERVER_PRIVATE_H */
