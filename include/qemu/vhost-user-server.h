/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user back-end on a UNIX socket: one client at a time, one coroutine
 * that reads its messages, one home AioContext, and one for each queue, all of
 * which may change under load.
 *
 * A device embeds a VuServer by value and gives a VuDevIface; from a VuDev
 * pointer container_of() finds the server, and from it the device.
 *
 * Theory of operation
 * -------------------
 * vhost_user_server_start() opens the listener, which lives until
 * vhost_user_server_stop(). A client is accepted in the main loop; while it is
 * served the next one waits in the backlog. The client trip is a coroutine in
 * the home context: it reads a message, hands it to libvhost-user, sends the
 * answer, and so on until the client leaves, the device breaks or the server
 * stops. Then it waits until no request is in flight (their memory is the
 * client's), lets go of everything, and has the main loop accept again.
 *
 * A drain (quiescing plus detach) ends the trip but keeps the connection, the
 * half-read message and the half-sent answer; attach starts a new trip, in the
 * same or another context, which goes on at that very byte.
 *
 * A queue lives in the home context or in one of its own. Its kicks are handled
 * there, and what a message changes about it is changed there while the trip
 * yields. A drain takes every queue's watch off in the queue's own context; the
 * server counts as quiet when the last one is off, and only then a queue or the
 * home may get another context.
 */
#ifndef QEMU_VHOST_USER_SERVER_H
#define QEMU_VHOST_USER_SERVER_H

#include "subprojects/libvhost-user/libvhost-user.h"
#include "io/channel-socket.h"
#include "io/net-listener.h"
#include "qapi/error.h"
#include "qemu/atomic.h"

struct VuServer;
typedef struct VuAnswerWait VuAnswerWait;

/* A queue's context and the kick descriptor that libvhost-user asked to watch there. */
typedef struct VuFdWatch {
    struct VuServer *server; /* constant */
    AioContext *ctx;         /* main loop, while quiet; NULL: the home */
    bool used;               /* home context writes, atomic: this client has made it run */

    /* queue's context */
    int fd;             /* owned by libvhost-user, -1: none; readable anywhere, atomic */
    int installed;      /* the descriptor that has a handler now, or -1 */
    EventNotifier kick; /* stands for installed */
    bool later;         /* a bottom half that looks at the queue is on its way */
    QEMUTimer *pause;   /* ends a pause of the queue; NULL: there is none */
    void *pvt;
    vu_watch_cb cb;
} VuFdWatch;

/* What the server is doing; the table of allowed moves is in the .c file. */
typedef enum VuServerLife {
    VU_SERVER_STOPPED,   /* no listener */
    VU_SERVER_LISTENING, /* no client */
    VU_SERVER_SERVING,   /* a client is connected */
    VU_SERVER_CLOSING,   /* the client is gone, its requests may be running */
    VU_SERVER_STOPPING,  /* vhost_user_server_stop() was called */
    VU_SERVER__MAX,
} VuServerLife;

/* A message of which some bytes have come, or have been sent. */
typedef struct VuServerTransfer {
    VhostUserMsg msg;
    size_t done;  /* bytes of header and payload */
    size_t total; /* bytes to send; 0: nothing waits (sending only) */
} VuServerTransfer;

/* Devices may read vu_dev and ctx, and set quiescing around a drain. */
typedef struct VuServer {
    /* constant between start and stop */
    const VuDevIface *vu_iface;
    uint16_t max_queues;
    char *name;               /* the listening address, for log lines */
    QIONetListener *listener; /* NULL: clients are added by hand */

    /* main loop */
    QEMUBH *client_gone_bh;
    void (*client_came)(struct VuServer *server); /* set after start: one is being served */
    void (*client_gone)(struct VuServer *server); /* set after start: ready for the next client */
    uint16_t max_queue_size; /* of a ring, a power of two; 0: libvhost-user's; before a client */
    uint32_t max_in_flight;  /* as vu_set_max_in_flight(); 0: not called; before a client */
    uint64_t clients;        /* accepted since start */
    uint64_t clients_waited; /* connected while another was served */
    pid_t client_pid;        /* of the last client accepted; 0: unknown */
    int64_t client_since;    /* when it was, in ms since 1970 */

    /* any thread, atomic */
    AioContext *ctx; /* home context; NULL while detached */
    VuServerLife life;
    unsigned in_flight;    /* requests from pop to push; top bit: the trip waits for idle */
    unsigned pending_sync; /* bottom halves on their way to the home or a queue */
    bool look_missed;      /* a queue could not be looked at while detached */
    bool wake_wanted;      /* the trip waits for a condition */
    Coroutine *co_trip;    /* the client trip; NULL when none runs */
    bool quiescing;
    bool watching;          /* kicks are to be handled; written in the home context */
    unsigned log_lines;     /* complaints about this client */
    unsigned long log_debt; /* ms of the monotonic clock: all lines until now are paid for then */
    unsigned log_unshown;   /* lines that came too fast */

    /* home context */
    VuDev vu_dev;           /* the device as libvhost-user sees it */
    QIOChannel *ioc;        /* the client's connection, the same object as sioc */
    QIOChannelSocket *sioc; /* owned */
    AioContext *trip_ctx;   /* the home that was attached last; written before co_trip */
    VuFdWatch *watches;     /* one for each queue, from start to stop */
    VuServerTransfer rx, tx;
    bool rx_paused;          /* the last read gave no message: no context, or answers to act on */
    bool rx_waited;          /* the last read yielded before it had the message */
    bool tx_ready;           /* the socket takes bytes again */
    int channel_fd;          /* libvhost-user wants it watched, -1: none */
    int channel_installed;   /* the descriptor that has a handler now, or -1 */
    AioContext *channel_ctx; /* where it has */
    QLIST_HEAD(, VuAnswerWait) answer_waits;

    /* home context; main loop while a client is accepted */
    bool work_counted;  /* the thread's processor time is being counted */
    int64_t work_since; /* ns of this thread's clock: from when on it is not yet in work_ns */
    int64_t work_ns;    /* of the present message, or of the connection's begin or end */
    int64_t work_paid;  /* ns of the monotonic clock: all of that is paid for then */
} VuServer;

/*
 * What asks the front-end and waits for its answer (vu_shmem_map() and its like) yields in a
 * coroutine of the home context, for 5 s at most: in a callback of a message, so that the client's
 * other messages wait, or in a request that is counted in flight. Outside coroutines it blocks.
 */

/**
 * vhost_user_server_start: Listen, and serve one client after the other.
 * @server: zeroed or stopped; stays the caller's, at the same address
 * @unix_socket: of type unix or fd; copied. NULL: no listener, each client comes by
 *     vhost_user_server_add_client()
 * @ctx: the home context: where messages and, by default, kicks are handled
 * @max_queues: number of virtqueues of the device, at least 1
 * @vu_iface: the device's callbacks, called in @ctx; must outlive the server
 *
 * Main loop only. Returns false with @errp set when the address is of another
 * type or cannot be listened on; then nothing was started.
 */
bool vhost_user_server_start(VuServer *server, SocketAddress *unix_socket, AioContext *ctx,
                             uint16_t max_queues, const VuDevIface *vu_iface, Error **errp);

/**
 * vhost_user_server_add_client: Serve a connection that was made elsewhere.
 * @sioc: connected stream socket; referenced until the client has gone
 *
 * Main loop. Returns false with @errp set, and nothing done, while another
 * client is served. VuServer.client_gone tells when the next one may come.
 */
bool vhost_user_server_add_client(VuServer *server, QIOChannelSocket *sioc, Error **errp);

/**
 * vhost_user_server_stop: Cut the client off, wait for its requests, close the
 * listener.
 *
 * Main loop only, outside coroutines; polls until the last request in flight
 * has ended. Does nothing on a stopped server.
 */
void vhost_user_server_stop(VuServer *server);

#ifdef CONFIG_DEVICE_BACKENDS
/**
 * vhost_user_server_try_stop: The same, but wait for requests @timeout_ms at
 * most.
 *
 * Main loop; polls. When it returns false, the client is cut off and the
 * listener closed, but requests are running yet, and use the guest's memory: it
 * is to be called again.
 */
bool vhost_user_server_try_stop(VuServer *server, int64_t timeout_ms);
#endif

/**
 * vhost_user_server_inc_in_flight: Count a request that was taken from a ring.
 *
 * Any thread that serves a queue. Illegal while the trip waits for idle: then
 * no queue is looked at any more.
 */
void vhost_user_server_inc_in_flight(VuServer *server);

/**
 * vhost_user_server_dec_in_flight: A request was pushed back to its ring.
 *
 * Any thread. The last one wakes the trip if it waits for idle, and whoever
 * polls in a drain; the server may be gone when this returns.
 */
void vhost_user_server_dec_in_flight(VuServer *server);

/**
 * vhost_user_server_has_in_flight: Is a request, or a change of a watch, still
 * under way in any context? Any thread; for drained_poll.
 */
bool vhost_user_server_has_in_flight(VuServer *server);

/**
 * vhost_user_server_has_trip: Does a client trip run, or wait to be attached? Any thread; who hears
 * that there is none sees all that it did. For drained_poll.
 */
static inline bool vhost_user_server_has_trip(VuServer *server)
{
    /* Not by its own type: QEMU's atomics add to the value, and the type is incomplete. */
    return qatomic_load_acquire((void **)&server->co_trip);
}

/**
 * vhost_user_server_attach_aio_context: Go on in @ctx.
 *
 * Main loop. Installs the kick watches there, looks at every started queue
 * once, starts a trip. If the last trip has not ended (a drain that did not
 * poll), @ctx must be its context and the server must not be quiescing: then
 * that trip goes on.
 */
void vhost_user_server_attach_aio_context(VuServer *server, AioContext *ctx);

/**
 * vhost_user_server_detach_aio_context: Stop handling messages and kicks.
 *
 * Main loop or home context, with nothing in flight or quiescing. The context
 * is NULL afterwards; the trip ends, or parks, by itself: poll
 * vhost_user_server_has_trip() and vhost_user_server_has_in_flight() to know when.
 */
void vhost_user_server_detach_aio_context(VuServer *server);

/**
 * vhost_user_server_set_queue_aio_context: Have a queue live in @ctx.
 * @queue: from 0 to max_queues - 1
 * @ctx: where its kicks and requests run; NULL: wherever the home is. It must
 *     outlive the server, or the next call for this queue.
 *
 * Main loop; no client is being served, or the server is detached and quiet (no
 * trip, nothing in flight). To move a queue under load: drain, call this, end
 * the drain. It holds until the next call, over clients and moves of the home.
 */
void vhost_user_server_set_queue_aio_context(VuServer *server, int queue, AioContext *ctx);

/**
 * vhost_user_server_kick_queue: Have the queue's handler look at it, for the sake of something
 * else than a kick: a frame that came from a network, say.
 *
 * The queue's own context. Does nothing while no client runs the queue, or while it is drained:
 * then the handler is called when that is over.
 */
void vhost_user_server_kick_queue(VuServer *server, int queue);

/**
 * vhost_user_server_describe_client: Who is connected, as "process 4711".
 *
 * Main loop. The caller frees it; NULL when nobody is.
 */
char *vhost_user_server_describe_client(VuServer *server);

#endif /* QEMU_VHOST_USER_SERVER_H */
