/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the author of a vhost-user device needs: the device, its queues, its elements.
 *
 * Theory of operation
 * -------------------
 * A VuDev is one connection of one front-end. vu_init() makes it, vu_dispatch() reads and obeys one
 * message, vu_deinit() ends it. A device fills in a VuDevIface; the library calls it back.
 *
 * Contexts. Everything named "control" below runs in one thread at a time: the one that calls
 * vu_dispatch(). Everything named "queue" belongs to one queue and runs in that queue's own
 * context, which may be another thread. Control never touches the state of a running queue
 * directly: it goes through VuIoOps.run_on_queue (a plain call if that is not set, which is right
 * when all queues are served by the thread that dispatches).
 *
 * Rings. A ring is started by SET_VRING_KICK and stopped by GET_VRING_BASE; independently it is
 * enabled and disabled. Requests are handed out only while it is both. The handler of a queue is
 * called after every kick, and once by itself after each start and each enable.
 *
 * Memory. An element points straight into guest memory. The memory stays mapped until the element
 * has been pushed, unpopped or detached, even if the front-end takes it away meanwhile.
 *
 * Refusals. A request that is refused gets a non-zero acknowledgement if the front-end asked for
 * one (REPLY_ACK), and the connection goes on; if it did not ask, the connection is given up,
 * because the front-end would go on as if the request had been obeyed. What breaks the framing
 * (version, size, descriptors beyond the limit) always ends the connection.
 */
#ifndef LIBVHOST_USER_H
#define LIBVHOST_USER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vu-protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct VuDev VuDev;
typedef struct VuVirtq VuVirtq;
typedef struct VuDevIface VuDevIface;

/* ---- What a device gives ---- */

typedef uint64_t (*vu_get_features_cb)(VuDev *dev);
typedef void (*vu_set_features_cb)(VuDev *dev, uint64_t features);
typedef int (*vu_process_msg_cb)(VuDev *dev, VhostUserMsg *vmsg, int *do_reply);
typedef bool (*vu_read_msg_cb)(VuDev *dev, int sock, VhostUserMsg *vmsg);
typedef void (*vu_queue_set_started_cb)(VuDev *dev, int qidx, bool started);
typedef bool (*vu_queue_is_processed_in_order_cb)(VuDev *dev, int qidx);
typedef int (*vu_get_config_cb)(VuDev *dev, uint8_t *config, uint32_t len);
typedef int (*vu_set_config_cb)(VuDev *dev, const uint8_t *data, uint32_t offset, uint32_t size,
                                uint32_t flags);
typedef int (*vu_get_shared_object_cb)(VuDev *dev, const unsigned char *uuid);
typedef void (*vu_queue_handler_cb)(VuDev *dev, int qidx);

/* What a message hook did. */
typedef enum VuMsgResult {
    VU_MSG_NOT_HANDLED, /* nothing: the library goes on as if there were no hook */
    VU_MSG_HANDLED,     /* it is done: acknowledged with 0 if the front-end asked for that */
    VU_MSG_REPLY,       /* the message is the reply now: payload, size, fds, fd_num */
    VU_MSG_REFUSED,     /* no: refused as the protocol says, and the connection goes on if it can */
    VU_MSG_RESULT__MAX,
} VuMsgResult;

typedef VuMsgResult (*vu_msg_hook_cb)(VuDev *dev, VhostUserMsg *vmsg);
typedef int (*vu_send_rarp_cb)(VuDev *dev, const uint8_t mac[VHOST_USER_MAC_LEN]);
typedef int (*vu_set_mtu_cb)(VuDev *dev, uint16_t mtu);
typedef int64_t (*vu_create_crypto_session_cb)(VuDev *dev, const VhostUserCryptoSession *session);
typedef int (*vu_close_crypto_session_cb)(VuDev *dev, uint64_t session_id);
typedef int (*vu_set_gpu_socket_cb)(VuDev *dev, int fd);
typedef int (*vu_get_shmem_config_cb)(VuDev *dev, VhostUserShMemConfig *config);
typedef int (*vu_set_device_state_fd_cb)(VuDev *dev, VhostUserTransferDirection direction,
                                         VhostUserTransferPhase phase, int fd, int *ret_fd);
typedef int (*vu_check_device_state_cb)(VuDev *dev);
typedef void (*vu_notify_cb)(VuDev *dev);
typedef uint8_t (*vu_status_cb)(VuDev *dev, uint8_t status);
typedef void (*vu_set_event_idx_cb)(VuDev *dev, bool enabled);

/**
 * VuDevIface: the device's side; constant while the device lives. Every member may be NULL. All are
 * called in the control context. Where a member returns an int, 0 means yes and -errno no: then the
 * front-end's request is refused, and the connection goes on if the front-end asked for an answer.
 * A protocol feature that needs a member is offered if the member is there, and only then.
 *
 * @get_features: virtio feature bits the device offers; the library adds those of the ring and of
 *      the transport. May be called any number of times.
 * @set_features: the bits the front-end accepted (already checked against the offer).
 * @get_protocol_features: protocol feature bits the device adds to the library's. Bits that neither
 *      the library nor (through @process_msg or @pre_msg) the device can serve are dropped from the
 *      offer. INBAND_NOTIFICATIONS and CROSS_ENDIAN are offered only if they are set here.
 * @set_protocol_features: the bits that were accepted.
 * @process_msg: sees each message first. Non-zero = handled: @vmsg->fds belong to the device now,
 *      and if *do_reply was set, @vmsg is sent back as the reply.
 * @queue_set_started: the ring starts or is about to stop. While it stops no request is handed out,
 *      those already handed out go on. Typically (un)sets the queue's handler.
 * @queue_is_processed_in_order: true if the queue's requests complete in ring order, so that after
 *      a lost connection the ring is resumed at the used index.
 * @get_config: fill @len bytes of the config space from offset 0; non-zero = refuse.
 * @set_config: write @size bytes at @offset; @flags is a VhostSetConfigType; non-zero = refuse.
 * @get_shared_object: a descriptor (its ownership passes to the library) for a 16-byte UUID, or
 *      negative. Offers SHARED_OBJECT.
 *
 * The members of QEMU's library end here.
 *
 * @pre_msg: sees each message after @process_msg and before the library looks at it: of any
 *      request number, size and number of descriptors. It takes a descriptor by leaving -1 in its
 *      place; the library closes the others. With VU_MSG_REPLY, vmsg->fds are what goes with the
 *      reply, and are closed when it was sent.
 * @post_msg: sees each message that the library has obeyed, before it is answered; @vmsg holds the
 *      library's reply, if the request has one. VU_MSG_REFUSED turns the answer into a refusal;
 *      what the library has done is not undone.
 * @send_rarp: announce the guest by a RARP packet with @mac. Offers RARP.
 * @set_mtu: the guest's MTU in bytes. Offers MTU.
 * @create_crypto_session: returns the new session's id, or negative. Offers CRYPTO_SESSION,
 *      together with @close_crypto_session.
 * @close_crypto_session: of an id that @create_crypto_session returned, if the front-end is honest.
 * @set_gpu_socket: a connected stream socket (see vu-gpu.h); the device owns @fd if it returns 0.
 * @get_shmem_config: fill in the sizes of the shared memory regions; the same at each call. The
 *      library counts them. Offers SHMEM_MAP; see vu_shmem_map().
 * @set_device_state_fd: write the device's state to @fd and close it, or read it until its end, in
 *      the background. The device owns @fd if it returns 0; *@ret_fd (-1 before) may become a
 *      descriptor to be used by the front-end in its stead, which passes to the library. Called
 *      only while every ring is stopped.
 * @check_device_state: has the transfer succeeded? Called when the front-end has seen its end.
 * @reset_device: back to the initial state; the rings have been stopped, nothing is in flight, the
 *      features are reset. After RESET_DEVICE; and when the status becomes 0, if RESET_DEVICE was
 *      not negotiated (where it was, a front-end sets the status to 0 for a paused guest as well).
 * @set_status: the virtio device status becomes @status. Returns the status that the device takes:
 *      @status, or without FEATURES_OK if the features do not suit it. For 0 the result is ignored;
 *      the rings have been stopped then.
 * @get_status: the driver reads the status, which is @status; returns what it shall read.
 * @update_memory: the guest's memory map has changed; what vu_gpa_to_va() gave is void.
 * @set_event_idx: EVENT_IDX was accepted, or not; after each @set_features.
 * @set_backend_channel: the front-end has given a channel for the messages of the back-end.
 * @max_queue_size: the largest ring, a power of two up to VU_MAX_QUEUE_SIZE; 0:
 *      VIRTQUEUE_MAX_SIZE. vu_set_max_queue_size() overrides it.
 */
struct VuDevIface {
    vu_get_features_cb get_features;
    vu_set_features_cb set_features;
    vu_get_features_cb get_protocol_features;
    vu_set_features_cb set_protocol_features;
    vu_process_msg_cb process_msg;
    vu_queue_set_started_cb queue_set_started;
    vu_queue_is_processed_in_order_cb queue_is_processed_in_order;
    vu_get_config_cb get_config;
    vu_set_config_cb set_config;
    vu_get_shared_object_cb get_shared_object;
    vu_msg_hook_cb pre_msg;
    vu_msg_hook_cb post_msg;
    vu_send_rarp_cb send_rarp;
    vu_set_mtu_cb set_mtu;
    vu_create_crypto_session_cb create_crypto_session;
    vu_close_crypto_session_cb close_crypto_session;
    vu_set_gpu_socket_cb set_gpu_socket;
    vu_get_shmem_config_cb get_shmem_config;
    vu_set_device_state_fd_cb set_device_state_fd;
    vu_check_device_state_cb check_device_state;
    vu_notify_cb reset_device;
    vu_status_cb set_status;
    vu_status_cb get_status;
    vu_notify_cb update_memory;
    vu_set_event_idx_cb set_event_idx;
    vu_notify_cb set_backend_channel;
    unsigned int max_queue_size;
};

/* ---- What the surrounding event loop gives ---- */

typedef enum VuWatchCondition {
    VU_WATCH_IN = POLLIN,
    VU_WATCH_OUT = POLLOUT,
    VU_WATCH_PRI = POLLPRI,
    VU_WATCH_ERR = POLLERR,
    VU_WATCH_HUP = POLLHUP,
} VuWatchCondition;

/* The connection cannot go on, @err says why in one sentence; @dev->broken is set. Any context. */
typedef void (*vu_panic_cb)(VuDev *dev, const char *err);
typedef void (*vu_watch_cb)(VuDev *dev, int condition, void *data);
/*
 * Call @cb(@dev, condition, @data) in the queue's context whenever @fd is ready. Control context.
 * vu_watch_queue(@data) tells which queue it is.
 */
typedef void (*vu_set_watch_cb)(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data);
/*
 * No call of the callback may begin after this returns. Control context; or, when a descriptor
 * turns out to be dead, the context of the queue that it belongs to.
 */
typedef void (*vu_remove_watch_cb)(VuDev *dev, int fd);

typedef bool (*vu_ready_cb)(VuDev *dev, void *opaque);
typedef void (*vu_queue_fn)(VuDev *dev, VuVirtq *vq, void *opaque);

/**
 * VuIoOps: how a surrounding event loop lends its abilities. Every member may be NULL; constant
 * after vu_set_io_ops().
 *
 * @write_msg: send a reply (header, @vmsg->size bytes of payload, which lie in @vmsg->data if that
 * is not NULL, @vmsg->fd_num descriptors, which stay the caller's). May yield, must not spin.
 * Control context. NULL: sendmsg() and poll().
 * @wait: called inside vu_dispatch(): return true once @ready(dev, opaque) is true (test it first
 *      and after each wake), false to give the connection up. May yield. NULL: nothing waits; the
 *      answer to the request is kept back and sent when the condition comes true, the answers to
 *      later requests behind it.
 * @wake: something that a @wait waits for may have changed. Any context, also from within a push.
 *      NULL together with @wait.
 * @run_on_queue: run @fn(dev, vq, opaque) in the queue's context, nothing else of that queue
 *      running meanwhile, and return when it has run. May yield. NULL: called directly.
 * @look: the ring may hold requests that no kick will announce: call vu_queue_kick() in the queue's
 *      context as soon as requests may run. NULL: the library calls it through @run_on_queue.
 * @kick_later: the same, asked for in the queue's own context: once others have had their turn
 *      there. NULL: see vu_queue_kick_later().
 * @pause: the guest makes so many malformed chains available, or memory is so short, that the queue
 *      is not to be looked at for @ns: call vu_queue_resume() and vu_queue_kick() in the queue's
 *      context then, or sooner. Queue context; not asked again before that, but for another run of
 *      the queue: then what was asked before is void. False, or NULL: no pause.
 * @watch_channel: from now on call vu_channel_ready() when @fd is readable, and no longer for the
 *      descriptor that was given before; -1: for none. Control context. NULL: the channel is read
 *      only while a request waits for its answer, and questions to an IOMMU that the front-end
 *      refuses are never heard of.
 * @wait_answer: return when @ready(dev, opaque) is true (test it first and after each
 *      vu_channel_ready()), after @timeout_ms, or when the connection is to be given up; test it
 *      every now and then in any case. May yield: others call the library meanwhile, messages are
 *      obeyed if the caller is not obeying one. Returns false, nothing done, where it cannot wait:
 *      then, or if it is NULL, the library waits with poll(2). Control context; needs
 *      @watch_channel.
 */
typedef struct VuIoOps {
    bool (*write_msg)(VuDev *dev, int sock, VhostUserMsg *vmsg);
    bool (*wait)(VuDev *dev, vu_ready_cb ready, void *opaque);
    void (*wake)(VuDev *dev);
    void (*run_on_queue)(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque);
    void (*look)(VuDev *dev, VuVirtq *vq);
    void (*kick_later)(VuDev *dev, VuVirtq *vq);
    bool (*pause)(VuDev *dev, VuVirtq *vq, uint64_t ns);
    void (*watch_channel)(VuDev *dev, int fd);
    bool (*wait_answer)(VuDev *dev, vu_ready_cb ready, void *opaque, int timeout_ms);
} VuIoOps;

/* ---- What may be observed ---- */

typedef enum VuTraceKind {
    VU_TRACE_MESSAGE,       /* a request was read: request, value = payload bytes, text = name */
    VU_TRACE_REPLY,         /* a reply or acknowledgement went out: request, value = payload u64 */
    VU_TRACE_REFUSED,       /* a request was refused: request, text = reason */
    VU_TRACE_QUEUE_STATE,   /* queue, value = VuVringState, text = its name */
    VU_TRACE_QUEUE_LAYOUT,  /* queue, about to start; value = entries, text = "packed" or "split" */
    VU_TRACE_QUEUE_ENABLED, /* queue, value = 0 or 1 */
    VU_TRACE_QUEUE_BROKEN,  /* queue, text = reason */
    VU_TRACE_MALFORMED,     /* queue, value = head; a chain was completed without being served */
    VU_TRACE_MEMORY,        /* value = regions now known */
    VU_TRACE_REGION_UNMAPPED, /* value = guest physical address */
    VU_TRACE_IOTLB_MISS,      /* value = the address that the front-end is asked for */
    VU_TRACE__MAX,
} VuTraceKind;

typedef struct VuTraceEvent {
    VuTraceKind kind;
    int queue;        /* -1 where no queue is meant */
    uint32_t request; /* VhostUserRequest, 0 where none is meant */
    uint64_t value;
    const char *text; /* may be NULL; lives as long as the call */
} VuTraceEvent;

/* Called in the context where the thing happens; must not call back into the library. */
typedef void (*vu_trace_cb)(VuDev *dev, const VuTraceEvent *event);
/* One sentence about something that went wrong but does not end the connection. Any context. */
typedef void (*vu_log_cb)(VuDev *dev, const char *message);

typedef struct VuQueueStats {
    uint64_t kicks;               /* times the handler was run because of a kick */
    uint64_t pops;                /* elements handed out */
    uint64_t pushes;              /* elements given back to the guest */
    uint64_t notifications;       /* times the guest was interrupted */
    uint64_t notifications_saved; /* times it did not want to be */
    uint64_t malformed;           /* chains that broke the rules and were completed unserved */
    uint64_t breaks;              /* times the ring could not go on */
    uint64_t pauses; /* times it was not looked at for a while because of malformed chains */
} VuQueueStats;

typedef struct VuDevStats {
    uint64_t messages; /* requests read */
    uint64_t refused;  /* requests refused */
    uint64_t memory_changes;
    uint64_t bus_errors; /* accesses to guest memory whose file had shrunk */
} VuDevStats;

/* ---- Queue and device ---- */

typedef enum VuVringState {
    VU_VRING_STOPPED,  /* ring memory is not touched */
    VU_VRING_STARTED,  /* requests run if the ring is enabled as well */
    VU_VRING_STOPPING, /* nothing is popped, what was popped is being pushed */
    VU_VRING_STATE__MAX,
} VuVringState;

/* A part of a part of a ring: @len bytes from its byte @at on are at @gpa. */
typedef struct VuRun {
    uint64_t at;
    uint64_t len;
    uint64_t gpa;
} VuRun;

/* A part of a ring: contiguous for us whatever lies behind it. */
typedef struct VuRingPart {
    void *hva;
    uint64_t gpa;      /* of its first byte */
    const VuRun *runs; /* NULL: contiguous in guest memory as well; else they lie in the pins */
    unsigned int nruns;
} VuRingPart;

/* Packed: desc is the descriptor ring, avail and used are the driver's and the device's event. */
typedef struct VuRing {
    unsigned int num;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint64_t log_guest_addr;
    uint32_t flags;
    VuRingPart desc_part; /* for the dirty log: where the guest has them */
    VuRingPart used_part;
    bool behind_iommu; /* log_guest_addr is no guest physical address */
} VuRing;

struct VirtqOps;
struct VirtqSlot;
struct VirtqUsed;
struct VuLog;
struct VuMapUse;
struct VuMisses;
struct VuPins;
struct VuPrivate;

struct VuVirtq {
    /* Queue context. Pointers in vring are NULL while the ring is not mapped. */
    VuRing vring;
    uint16_t last_avail_idx;   /* the next entry to pop */
    uint16_t shadow_avail_idx; /* the newest available index that was read; split only */
    uint16_t used_idx;         /* the next used entry to fill */
    uint16_t signalled_used;   /* used index at the last decision about a notification; split */
    uint16_t armed_idx;        /* the guest kicks when it passes this; EVENT_IDX only */
    bool avail_wrap;           /* packed: wrap counters at these three places */
    bool used_wrap;
    bool armed_wrap;
    bool signalled_used_valid;
    bool armed;        /* armed_idx was published */
    bool notification; /* the device wants kicks */
    bool event_idx;    /* negotiated, cached for the hot path */
    bool indirect;
    bool notify_on_empty;
    bool in_order;            /* completions are told to the guest in the order of the pops */
    bool published;           /* IN_ORDER: something was told since the last notification */
    bool order_lost;          /* IN_ORDER: an element was detached, nothing can be told any more */
    unsigned int out_descs;   /* packed: descriptors popped, not yet used */
    unsigned int unsignalled; /* packed: used since the last decision, no more than vring.num */
    bool broken;              /* the guest broke the ring; nothing is popped until the next start */
    bool unmapped;            /* the ring is not to be found (any more, or yet) */
    bool begun;               /* it was found once in this run: the places are valid */
    uint32_t start_base;
    bool start_in_order;
    bool start_trusted; /* start_base need not be compared with the ring */
    unsigned int inuse; /* elements popped, not yet flushed; elsewhere: vu_queue_inuse() */
    int kick_fd;
    int call_fd;
    int err_fd;
    bool kick_is_timer;        /* the front-end does not kick */
    unsigned int poll_vain;    /* looks in a row that found nothing */
    uint32_t poll_interval_ns; /* 0: as the timer was made */
    bool call_is_eventfd;
    bool err_is_eventfd;
    unsigned int enable;
    VuVringState state;
    const struct VirtqOps *ops; /* the layout of the ring */
    struct VirtqSlot *slots;    /* vring.num entries, by head descriptor or buffer id */
    struct VirtqUsed *batch;    /* vring.num entries: packed, those that are not flushed yet */
    uint16_t *popped;           /* vring.num slots, in the order of the pops */
    unsigned int pop_at;        /* in popped: where the next one goes */
    uint16_t *bad;              /* slots of malformed chains that wait for the next flush */
    unsigned int nbad;
    unsigned int filled;       /* entries filled, not yet flushed */
    struct VuMapUse *use;      /* memory that new elements are popped with */
    struct VuMapUse *ring_use; /* memory that the ring itself lies in */
    struct VuLog *log;         /* dirty log, or NULL */
    int log_fd;                /* signalled after something was marked, or -1 */
    bool log_fd_is_eventfd;
    bool log_buffers;         /* VHOST_F_LOG_ALL is on */
    struct VuMisses *misses;  /* translations it asked for; NULL: never any */
    struct VuPins *ring_pins; /* translations that the ring itself lies behind */
    bool starved;             /* atomic: it waits for some of them, nothing can be popped */
    unsigned int empty_kicks; /* so many in a row while there was nothing to do */
    uint64_t empty_since;     /* ns of the monotonic clock: the first of them */
    unsigned int quota;       /* of elements that may be out, by now */
    bool held_up; /* something stays in the ring for want of quota, or by vu_queue_hold_up() */
    unsigned int bad_run; /* malformed chains since the last good one */
    bool paused;          /* nothing is popped until vu_queue_resume() */
    bool in_handler;
    bool kick_again; /* run the handler once more; only where VuIoOps.kick_later is not set */
    VuQueueStats stats;

    /* Any context, atomic. */
    uint8_t notices_lost; /* bit n: message n of the back-end did not fit into the channel */

    /* Control context. */
    unsigned int index; /* constant */
    unsigned int num;   /* SET_VRING_NUM */
    uint32_t base;      /* SET_VRING_BASE, or where the ring was stopped */
    bool have_base;
    bool base_is_ours; /* GET_VRING_BASE said so in this connection */
    bool big_endian;   /* SET_VRING_ENDIAN */
    bool was_reset; /* there is none to start at, but base still tells where the ring was stopped */
    struct vhost_vring_addr vra; /* SET_VRING_ADDR, as it came */
    bool have_addr;
    bool look;                   /* look at the ring once the current message is answered */
    bool watched;                /* kick_fd has a watch; atomic */
    vu_queue_handler_cb handler; /* atomic */
} __attribute__((aligned(64)));

struct VuDev {
    /* Constant while the device lives. */
    int sock; /* closed by vu_deinit(); an owner that closes it himself stores -1 before that */
    uint16_t max_queues;
    VuVirtq *vq;
    vu_set_watch_cb set_watch;
    vu_remove_watch_cb remove_watch;
    vu_panic_cb panic;
    vu_read_msg_cb read_msg;
    const VuDevIface *iface;
    struct VuPrivate *priv; /* the library's own */

    /* Control context writes, any context may read. */
    uint64_t features;
    uint64_t protocol_features;
    uint32_t nregions;
    int backend_fd; /* the channel to the front-end, or -1 */

    /* Any context. */
    bool broken; /* the connection is to be given up */
};

typedef struct VuVirtqElement {
    unsigned int index; /* the chain's head descriptor, or its buffer id in a packed ring */
    unsigned int out_num;
    unsigned int in_num;
    struct iovec *in_sg;  /* the device writes */
    struct iovec *out_sg; /* the device reads */
} VuVirtqElement;

/* ---- Life of a device (control context) ---- */

/**
 * vu_init:
 * @dev: storage of the caller's, need not be zeroed
 * @max_queues: how many queues there are, 1 to 65535 (256 can be driven by a front-end)
 * @socket: connected stream socket; see VuDev.sock for who closes it
 * @panic: told why the connection is given up
 * @read_msg: reads one message, or NULL for vu_message_read_default(). It returns false at the end
 *      of the stream, on an error, or when there is no message now; then it has closed any
 *      descriptor it had received. It checks vmsg->size <= sizeof(vmsg->payload) before reading
 *      into vmsg->payload.
 * @set_watch, @remove_watch: kick descriptors
 * @iface: must outlive @dev
 *
 * Returns: false if there is no memory; then nothing needs to be undone.
 */
bool vu_init(VuDev *dev, uint16_t max_queues, int socket, vu_panic_cb panic,
             vu_read_msg_cb read_msg, vu_set_watch_cb set_watch, vu_remove_watch_cb remove_watch,
             const VuDevIface *iface);

/**
 * vu_deinit: stop every ring, remove every watch, close every descriptor, unmap all memory.
 * The caller has made sure that no element will be used any more (each was pushed, or is dropped
 * for good). Started rings are announced to queue_set_started(). Safe to call twice.
 */
void vu_deinit(VuDev *dev);

/**
 * vu_dispatch: read one message and obey it. May block or yield as read_msg and VuIoOps do.
 * Returns: false if the read gave no message or the connection is to be given up.
 */
bool vu_dispatch(VuDev *dev);

/** vu_set_io_ops: after vu_init(), before the first vu_dispatch(). @ops must outlive @dev. */
void vu_set_io_ops(VuDev *dev, const VuIoOps *ops);

/**
 * vu_set_max_queue_size: the largest SET_VRING_NUM that is accepted, a power of two up to
 * VU_MAX_QUEUE_SIZE; VIRTQUEUE_MAX_SIZE after vu_init(). Before the first vu_dispatch().
 * Returns: false if @num is no such number.
 */
bool vu_set_max_queue_size(VuDev *dev, unsigned int num);

/**
 * vu_set_max_in_flight: how many elements of all queues together may be out at once, but a few of
 * each queue in any case. What a guest makes available beyond that stays in its rings; the handler
 * of a queue that was held up runs again when one of its elements has come back. Without this call
 * only the sizes of the rings are the limit. After vu_init(), before the first vu_dispatch().
 */
void vu_set_max_in_flight(VuDev *dev, unsigned int num);

/** vu_set_log_cb, vu_set_trace_cb: after vu_init(); NULL switches off. */
void vu_set_log_cb(VuDev *dev, vu_log_cb log);
void vu_set_trace_cb(VuDev *dev, vu_trace_cb trace);

/**
 * vu_message_read_default: read one message from @conn_fd, blocking until it is complete.
 * Descriptors are close-on-exec. Returns: false at the end of the stream (silently) or on a broken
 * frame (after vu_init()'s panic callback was told); no descriptor is left open then.
 */
bool vu_message_read_default(VuDev *dev, int conn_fd, VhostUserMsg *vmsg);

/** vu_request_name: "SET_MEM_TABLE" for 5; "unknown request" for what is not known. */
const char *vu_request_name(uint32_t request);

/** vu_get_stats, vu_queue_get_stats: a copy of the counters. Any context. */
void vu_get_stats(const VuDev *dev, VuDevStats *ret_stats);
void vu_queue_get_stats(const VuDev *dev, const VuVirtq *vq, VuQueueStats *ret_stats);

static inline bool vu_has_feature(VuDev *dev, unsigned int fbit)
{
    return __atomic_load_n(&dev->features, __ATOMIC_RELAXED) >> fbit & 1;
}

static inline bool vu_has_protocol_feature(VuDev *dev, unsigned int fbit)
{
    return __atomic_load_n(&dev->protocol_features, __ATOMIC_RELAXED) >> fbit & 1;
}

/**
 * vu_gpa_to_va: where a guest physical address is mapped now.
 * @plen: in: bytes wanted; out: bytes that are contiguous there (never more than wanted)
 * Returns: NULL if nothing is there. Good until the next vu_dispatch(). Control context.
 */
void *vu_gpa_to_va(VuDev *dev, uint64_t *plen, uint64_t guest_addr);

/* ---- The channel to the front-end ---- */

/**
 * vu_channel_ready: read what the front-end has answered on the channel. Never waits or yields.
 * Control context, but also while a message is being obeyed: from within a VuIoOps.wait, say.
 * Closes a channel that ends, or on which something else than answers comes.
 */
void vu_channel_ready(VuDev *dev);

/** vu_has_answers: vu_act_on_answers() has something to do. Control context. */
bool vu_has_answers(const VuDev *dev);

/**
 * vu_act_on_answers: let queues go on whose questions were refused. May yield as vu_dispatch() may;
 * control context, between two calls of it.
 */
void vu_act_on_answers(VuDev *dev);

/**
 * vu_config_change_msg: tell the front-end to read the config space again. Does nothing if there is
 * no back-end channel. Never blocks: if the channel is full, the front-end has older messages to
 * read, and a notice that got lost behind them is repeated at the next vu_dispatch(). Any context.
 */
void vu_config_change_msg(VuDev *dev);

/**
 * vu_lookup_shared_object: ask the front-end for the buffer that another device shares under @uuid.
 * Waits for the answer. Needs SHARED_OBJECT. Control context.
 * Returns: true with a descriptor in *@dmabuf_fd, which the caller owns; false: there is none.
 */
bool vu_lookup_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN], int *dmabuf_fd);

/**
 * vu_add_shared_object, vu_rm_shared_object: share, or stop sharing, what get_shared_object gives
 * for @uuid. Wait for the front-end's answer where REPLY_ACK was negotiated. Control context.
 * Returns: false if the front-end refused or there is no channel.
 */
bool vu_add_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN]);
bool vu_rm_shared_object(VuDev *dev, unsigned char uuid[UUID_LEN]);

/**
 * vu_shmem_map: show @map->len bytes of @fd from @map->fd_offset on to the guest, at
 * @map->shm_offset of the shared memory region @map->shmid. Offsets and length are multiples of the
 * page size; the place must be free. @fd stays the caller's. Waits for the front-end's answer where
 * REPLY_ACK was negotiated. Needs SHMEM_MAP. Control context.
 * Returns: false if the arguments are wrong, the front-end refused or there is no channel.
 */
bool vu_shmem_map(VuDev *dev, const VhostUserMMap *map, int fd);

/** vu_shmem_unmap: take exactly what vu_shmem_map() showed away; fd_offset and flags are ignored.
 */
bool vu_shmem_unmap(VuDev *dev, const VhostUserMMap *map);

/* ---- Queues ---- */

/** vu_get_queue: the queue with that number, 0 <= @qidx < max_queues. Any context. */
VuVirtq *vu_get_queue(VuDev *dev, int qidx);

/**
 * vu_set_queue_handler: what to call when the queue may hold requests; NULL for nothing. The kick
 * descriptor is watched while a handler is set and the ring is started. Control context.
 */
void vu_set_queue_handler(VuDev *dev, VuVirtq *vq, vu_queue_handler_cb handler);

/**
 * vu_set_queue_host_notifier: offer the front-end a page of @fd (@size bytes at @offset) to be
 * mapped as the queue's doorbell; @fd = -1 takes it back. @fd stays the caller's. Waits for the
 * front-end's answer where REPLY_ACK was negotiated. Needs HOST_NOTIFIER. Control context.
 * Returns: true if the front-end took it.
 */
bool vu_set_queue_host_notifier(VuDev *dev, VuVirtq *vq, int fd, int size, int offset);

/** vu_watch_queue: the queue that a vu_set_watch_cb's @data belongs to. Any context. */
int vu_watch_queue(const void *data);

/** vu_queue_kick: run the handler as if the queue had been kicked, if the ring may run. Queue. */
void vu_queue_kick(VuDev *dev, int qidx);

/**
 * vu_queue_kick_later: run the handler again, although no kick announces it: there is more in the
 * ring than should be taken in one go, or the device can take more than it could a moment ago.
 * Others in the same context have their turn before that if VuIoOps.kick_later is set; if not, the
 * handler runs as soon as it has returned, or at once if it is not running. Queue context.
 */
void vu_queue_kick_later(VuDev *dev, VuVirtq *vq);

/**
 * vu_queue_hold_up: the device has no room for @elem, which it popped last: that goes back into the
 * ring, as by vu_queue_unpop(). The handler runs again when another element of the queue has come
 * back; if none is out, vu_queue_kick_later() is to be called some time. Nobody polls the ring
 * until then. Queue context; the caller frees @elem.
 */
void vu_queue_hold_up(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem);

/** vu_queue_resume: a VuIoOps.pause is over, if there is one. Queue context. */
void vu_queue_resume(VuDev *dev, VuVirtq *vq);

/** vu_queue_enabled, vu_queue_started: the two flags of a ring. Control or queue context. */
bool vu_queue_enabled(VuDev *dev, VuVirtq *vq);
bool vu_queue_started(const VuDev *dev, const VuVirtq *vq);

/**
 * vu_queue_big_endian: the queue's guest is a legacy one, and big-endian: so are the headers that
 * its driver puts into buffers (those of modern devices are little-endian). Control or queue
 * context.
 */
bool vu_queue_big_endian(const VuDev *dev, const VuVirtq *vq);

/** vu_queue_inuse: elements popped and not yet given back. Any context. */
unsigned int vu_queue_inuse(const VuVirtq *vq);

/** vu_queue_empty: nothing can be popped now; also for a ring that is not running. Queue. */
bool vu_queue_empty(VuDev *dev, VuVirtq *vq);

/**
 * vu_queue_poll: would the queue's handler find something to pop now? For a loop that polls busily
 * instead of waiting for kicks: false also while the ring has something that must wait for other
 * requests of the queue to end; the handler runs by itself then. Queue.
 */
bool vu_queue_poll(VuDev *dev, VuVirtq *vq);

/**
 * vu_queue_caught_up: all that the last look at the ring found has been popped; the guest may have
 * added to it since. A good moment to announce what is complete. Queue context.
 */
bool vu_queue_caught_up(VuDev *dev, VuVirtq *vq);

/**
 * vu_queue_get_avail_bytes: how much the waiting chains offer for writing (@in_bytes) and reading
 * (@out_bytes) by the device; counting stops when both maxima are reached. Queue context.
 */
void vu_queue_get_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int *in_bytes,
                              unsigned int *out_bytes, unsigned max_in_bytes,
                              unsigned max_out_bytes);

/** vu_queue_avail_bytes: at least that much is offered. Queue context. */
bool vu_queue_avail_bytes(VuDev *dev, VuVirtq *vq, unsigned int in_bytes, unsigned int out_bytes);

/**
 * vu_queue_pop: the next request.
 * @sz: bytes to allocate in front, at least sizeof(VuVirtqElement), which comes first in them
 *
 * Chains that break the rules are given back to the guest unserved and skipped. Each shared field
 * is read once; a buffer that crosses memory regions becomes several iovecs.
 * Returns: NULL if there is none; else one allocation, to be released by free(). Also NULL if there
 * is no memory for it: then the handler runs again by VuIoOps.pause, or if that is NULL, when an
 * element of the queue has come back or at the next kick. Queue context.
 */
void *vu_queue_pop(VuDev *dev, VuVirtq *vq, size_t sz);

/**
 * vu_queue_pop_into: the same, in memory of the caller's if it is large enough.
 * @mem: aligned as by malloc(); @mem_size: its bytes. NULL and 0: none
 *
 * Returns: as vu_queue_pop(); to be released by free() only if it is not @mem, which may be used
 * again when the element has been pushed, filled or put back.
 */
void *vu_queue_pop_into(VuDev *dev, VuVirtq *vq, size_t sz, void *mem, size_t mem_size);

/** vu_queue_unpop: put the element popped last back; free() it afterwards. @len is ignored. Queue.
 */
void vu_queue_unpop(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len);

/** vu_queue_detach_element: forget an element that will never be pushed. Queue context. */
void vu_queue_detach_element(VuDev *dev, VuVirtq *vq, VuVirtqElement *elem, size_t len);

/**
 * vu_queue_rewind: put the last @num popped elements back, so that they are popped again.
 * Returns: false, nothing done, if fewer are out. Queue context.
 */
bool vu_queue_rewind(VuDev *dev, VuVirtq *vq, unsigned int num);

/**
 * vu_queue_fill: write used entry number @idx of a batch; not visible before vu_queue_flush().
 * @len: bytes the device wrote. The element's memory must not be touched afterwards. Queue context.
 */
void vu_queue_fill(VuDev *dev, VuVirtq *vq, const VuVirtqElement *elem, unsigned int len,
                   unsigned int idx);

/** vu_queue_flush: make @num filled entries visible to the guest, at once. Queue context. */
void vu_queue_flush(VuDev *dev, VuVirtq *vq, unsigned int num);

/** vu_queue_push: fill and flush one element. Queue context. */
void vu_queue_push(VuDev *dev, VuVirtq *vq, const VuVirtqElement *elem, unsigned int len);

/**
 * vu_queue_notify: interrupt the guest if it wants to hear of what was flushed since the last call:
 * once per batch. vu_queue_notify_sync() is the same here. Queue context.
 */
void vu_queue_notify(VuDev *dev, VuVirtq *vq);
void vu_queue_notify_sync(VuDev *dev, VuVirtq *vq);

/**
 * vu_queue_set_notification: ask the guest (not) to kick. After enabling, look at the ring again
 * before going to sleep. Queue context.
 */
void vu_queue_set_notification(VuDev *dev, VuVirtq *vq, int enable);

#ifdef __cplusplus
}
#endif

#endif /* LIBVHOST_USER_H */
