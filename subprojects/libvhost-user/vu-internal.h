/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's insides, shared by the library's files and by nobody else.
 *
 * Conventions: "control" and "queue" contexts as in libvhost-user.h. A request handler returns
 * VU_DONE, VU_REPLY or VU_WAIT, or a negative errno made by vu_refuse(), which keeps the sentence
 * that explains it.
 */
#ifndef VU_INTERNAL_H
#define VU_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <sys/types.h>
#include <linux/virtio_config.h>

#include "libvhost-user.h"

#define VU_LIKELY(x)         __builtin_expect(!!(x), 1)
#define VU_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define VU_ALWAYS_INLINE     inline __attribute__((always_inline))
#define VU_NOINLINE          __attribute__((noinline))
#define VU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* ---- Guest memory: vu-memory.c, vu-sigbus.c ---- */

struct VuBusSlot;

/* One mapped piece of guest memory. Immutable but for @refs and @removed. */
typedef struct VuRegion {
    unsigned int refs; /* atomic; each map that holds it */
    bool removed;      /* no longer in the current map; counted in VuPrivate.removed_live */
    VuDev *dev;
    uint64_t gpa;
    uint64_t size;
    uint64_t uaddr;
    uint8_t *hva; /* where gpa is */
    void *mmap_addr;
    size_t mmap_len;
    struct VuBusSlot *guard;
} VuRegion;

/* All guest memory at one time: immutable but for @refs. */
typedef struct VuMemMap {
    unsigned int refs; /* atomic */
    unsigned int n;
    VuRegion **by_uaddr; /* the same ones, sorted by uaddr */
    VuRegion *regions[]; /* sorted by gpa */
} VuMemMap;

/* One queue's hold on one map, so that popping costs no atomic operation. Queue context. */
typedef struct VuMapUse {
    VuMemMap *map;
    const VuRegion *near; /* of the map: where the last buffer lay, or NULL */
    unsigned int users;   /* elements, the queue for new elements, the queue for its ring */
} VuMapUse;

VuMemMap *vu_map_new(unsigned int capacity);
VuMemMap *vu_map_ref(VuMemMap *map);
void vu_map_unref(VuMemMap *map);
/* Where @gpa is; *@len is cut to what is contiguous there. @hint: region to try first, or NULL. */
void *vu_map_gpa(const VuMemMap *map, uint64_t gpa, uint64_t *len, const VuRegion **hint);
/* Where the front-end's address @uaddr is, if @len bytes from there lie in one region. */
void *vu_map_uaddr(const VuMemMap *map, uint64_t uaddr, uint64_t len);
/* The region that holds the front-end's address @uaddr, or NULL. */
const VuRegion *vu_map_find_uaddr(const VuMemMap *map, uint64_t uaddr);

VuMapUse *vu_map_use_new(VuMemMap *map); /* users = 1 */
static inline VuMapUse *vu_map_use_ref(VuMapUse *use)
{
    use->users++;
    return use;
}
void vu_map_use_unref(VuMapUse *use); /* NULL is fine */

int vu_memory_init(VuDev *dev);
void vu_memory_done(VuDev *dev);

/*
 * Guard [addr, addr + len) against a file that shrinks under it: a fault there is repaired with
 * zeroes and breaks @dev. Returns NULL if there is no memory.
 */
struct VuBusSlot *vu_bus_guard(VuDev *dev, void *addr, size_t len, size_t page_size);
void vu_bus_unguard(struct VuBusSlot *slot);

/* ---- A file mapped as it should be: vu-mapping.c ---- */

typedef struct VuMapping {
    void *addr; /* as mmap() gave it */
    size_t len;
    uint8_t *start; /* where the wanted offset is */
    size_t page_size;
} VuMapping;

/*
 * Map @size bytes at @offset of @fd for reading and writing. 0; or -errno, for which vu_map_error()
 * has words: nothing is believed of the numbers, nor of the file. Control context.
 */
int vu_map_file(VuDev *dev, int fd, uint64_t offset, uint64_t size, VuMapping *ret_mapping);
/* Any context. */
void vu_unmap_file(VuDev *dev, void *addr, size_t len);
const char *vu_map_error(int rc);

typedef struct VuMapSource {
    int fd; /* -1: no file */
    uint64_t offset;
} VuMapSource;

/*
 * Map @len bytes, a multiple of the page size, of @source. 0; or -errno, -EDQUOT where RLIMIT_AS
 * would leave the process too little. Any context.
 */
int vu_map_pages(VuDev *dev, size_t len, int prot, VuMapSource source, void **ret_addr);

/* ---- Dirty log: vu-log.c ---- */

typedef struct VuLog {
    VuMapping mapping;
    uint8_t *bitmap;
    uint64_t bytes;
    struct VuBusSlot *guard;
} VuLog;

void vu_log_range(const VuLog *log, uint64_t gpa, uint64_t len);
void vu_log_done(VuDev *dev);

/* ---- Addresses that a guest names: vu-xlate.c, vu-iotlb.c, vu-miss.c ---- */

struct VuIotlb;

/* What the device wants to do with the bytes: bits of VHOST_ACCESS_*. */
#define VU_READ  VHOST_ACCESS_RO
#define VU_WRITE VHOST_ACCESS_WO
#define VU_RW    VHOST_ACCESS_RW

/*
 * The translations (and windows, for a ring) that an element or a ring needs. An invalidation is
 * acknowledged when nobody holds what it took away. NULL holds nothing.
 */
typedef struct VuPins VuPins;

/* Where some bytes are for us, and where the guest has them (for the dirty log). */
typedef struct VuPlace {
    void *hva;
    uint64_t gpa;
} VuPlace;

/*
 * One translation at work, for one chain or one ring: on the stack between vu_xlate_begin() and
 * vu_xlate_end(). With an IOMMU it holds the cache's lock for reading, so it must be short, and
 * there is at most one of them in a thread.
 */
typedef struct VuXlate {
    VuDev *dev;
    VuVirtq *vq;
    const VuMemMap *map;
    const VuRegion *hint;  /* the region that was found last, if there is no IOMMU */
    struct VuIotlb *iotlb; /* NULL: addresses are guest physical */
    VuPins *pins;          /* gathered so far */
    bool pinning;          /* gather them */
    bool starved;          /* something was not there: the front-end has been asked */
} VuXlate;

/*
 * Begin. @map outlives the translation. @pin: what is found will be used after vu_xlate_end() (not
 * so for looking at an indirect table, or counting bytes). Queue context; or control, for a ring
 * that is not running.
 */
void vu_xlate_begin(VuXlate *x, VuDev *dev, VuVirtq *vq, const VuMemMap *map, bool pin);
/*
 * End; returns what was pinned if @keep, to be let go with vu_pins_free(), and lets go of it
 * otherwise. If @x is starved (a call gave -EAGAIN), the queue counts as empty until the front-end
 * has answered, and is looked at then.
 */
VuPins *vu_xlate_end(VuXlate *x, bool keep);
int vu_xlate_iova(VuXlate *x, uint64_t addr, uint64_t *len, unsigned int access,
                  VuPlace *ret_place);
/*
 * Where the bytes at @addr are, an address as descriptors have it (guest physical, or IOVA with
 * ACCESS_PLATFORM). *@len (not 0) is cut to what is contiguous there. 0; -EFAULT: there is no
 * memory, or no permission; -EAGAIN: not known yet, the front-end has been asked: nothing of the
 * chain may be used, nothing advanced; try all of it again when the queue is looked at.
 */
static inline int vu_xlate(VuXlate *x, uint64_t addr, uint64_t *len, unsigned int access,
                           VuPlace *ret_place)
{
    if (VU_UNLIKELY(x->iotlb)) {
        return vu_xlate_iova(x, addr, len, access, ret_place);
    }
    ret_place->hva = vu_map_gpa(x->map, addr, len, &x->hint);
    ret_place->gpa = addr;
    return ret_place->hva ? 0 : -EFAULT;
}

/*
 * A part of a ring: @len bytes at @addr, an address as SET_VRING_ADDR has it (the front-end's, or
 * IOVA). What lies scattered is mapped a second time, in order. As vu_xlate(); @x pins.
 */
int vu_xlate_ring(VuXlate *x, uint64_t addr, uint64_t len, unsigned int access,
                  VuRingPart *ret_part);
/* Mark @len bytes at @offset of a part of a ring. @log may be NULL. */
void vu_log_ring_part(const VuLog *log, const VuRingPart *part, uint64_t offset, uint64_t len);

/* The queue waits for an answer about a translation: nothing can be popped. Queue context. */
static inline bool vu_queue_starved(const VuVirtq *vq)
{
    return VU_UNLIKELY(__atomic_load_n(&vq->starved, __ATOMIC_ACQUIRE));
}

/* Let go of them; in any context, not within a translation. NULL is fine. */
void vu_pins_free(VuPins *pins);
/* Something of @pins was invalidated. Control context. */
bool vu_pins_stale(const VuPins *pins);

int vu_iotlb_init(VuDev *dev);
void vu_iotlb_done(VuDev *dev);
/* Forget all translations: the last ring has stopped, or the address space is another. Control. */
void vu_iotlb_flush(VuDev *dev);
/* Ask again what could not be asked because the channel was full. Control context. */
void vu_iotlb_retry(VuDev *dev);
/* There is a new channel: whoever reads it has heard no question. Control context. */
void vu_iotlb_ask_anew(VuDev *dev);
/* The queue is stopping: it waits for nothing. Queue context. */
void vu_queue_forget_misses(VuDev *dev, VuVirtq *vq);

/* ---- Waiting for a condition before answering: vu-request.c ---- */

/* Completes a request whose condition has come true; returns what a handler returns. */
typedef int (*VuFinish)(VuDev *dev, VhostUserMsg *msg, void *opaque);

typedef struct VuAwait {
    vu_ready_cb ready;
    VuFinish finish; /* NULL: the request is simply done */
    void *opaque;
} VuAwait;

struct VuChannel;
struct VuPending;

typedef enum VuResult {
    VU_DONE = 0,  /* obeyed; acknowledge if asked */
    VU_REPLY = 1, /* the message is the reply now */
    VU_WAIT = 2,  /* VuPrivate.await says for what */
} VuResult;

struct VuPrivate {
    /* Constant after set-up. */
    const VuIoOps *io;
    vu_log_cb log;
    vu_trace_cb trace;
    unsigned int max_queue_size;
    bool limited; /* in_flight_pool has a meaning */

    /* Control context. */
    VuMemMap *map;
    struct VuIotlb *iotlb; /* constant */
    VuLog *dirty_log;
    int log_call_fd;
    bool log_call_is_eventfd;
    VuAwait await;
    struct VuPending *pending; /* answers kept back, oldest first */
    unsigned int npending;
    bool running_pending;
    bool look;             /* some queue has its look flag set */
    bool features_refused; /* the last SET_FEATURES was */
    bool asked_early;      /* something was asked for that was not negotiated, and it was logged */
    char reason[256];
    VuDevStats stats; /* atomic */

    /* Any context, atomic. */
    unsigned int removed_live;   /* regions taken out of the map but still mapped */
    uint64_t mapped;             /* bytes of the front-end's files: vu-mapping.c */
    unsigned int in_flight_pool; /* elements that queues may still have out: virtq-limit.c */
    uint64_t malformed_paid;     /* ns of the monotonic clock: virtq-pause.c */
    bool pause_told;
    bool bus_error;
    bool panicked; /* the reason was told */
    bool config_change_lost;
    bool notice_lost; /* some queue has notices_lost */
    uint8_t status;   /* virtio device status */

    struct VuChannel *channel;     /* constant; what was asked on it: vu-channel.c */
    pthread_mutex_t backend_mutex; /* backend_fd and what is written to it */
};

/* ---- Errors: vu-device.c ---- */

/* The connection cannot go on. Any context; the first reason wins. */
void vu_panic(VuDev *dev, const char *fmt, ...) VU_PRINTF(2, 3);
/* Keep the sentence, return -@err. Control context. */
int vu_refuse(VuDev *dev, int err, const char *fmt, ...) VU_PRINTF(3, 4);
void vu_log_message(VuDev *dev, const char *fmt, ...) VU_PRINTF(2, 3);
/* A fault in guest memory was repaired: tell about it now. */
void vu_report_bus_error(VuDev *dev);

static inline bool vu_is_broken(const VuDev *dev)
{
    return __atomic_load_n(&dev->broken, __ATOMIC_RELAXED);
}

static inline void vu_count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void vu_trace_slow(VuDev *dev, VuTraceKind kind, int queue, uint32_t request, uint64_t value,
                   const char *text);
static inline void vu_trace(VuDev *dev, VuTraceKind kind, int queue, uint32_t request,
                            uint64_t value, const char *text)
{
    if (VU_UNLIKELY(dev->priv->trace)) {
        vu_trace_slow(dev, kind, queue, request, value, text);
    }
}

/* ---- Messages: vu-message.c ---- */

/* Take descriptor @i out of @msg: the caller owns it. -1 if there is none. */
int vu_message_take_fd(VhostUserMsg *msg, int i);
/* Close what was not taken, free what the reply lay in. */
void vu_message_done(VhostUserMsg *msg);
/*
 * recvmsg() of one buffer; the descriptors that come along are added to @msg. *@ret_fits becomes
 * false if there are more than a message may have; the surplus is closed.
 */
ssize_t vu_message_receive(int fd, struct iovec *iov, VhostUserMsg *msg, int flags, bool *ret_fits);
/* Send as it is; @flags as of sendmsg(). 0 or -errno; -EAGAIN only with MSG_DONTWAIT. */
int vu_message_send(int sock, VhostUserMsg *msg, int flags);
/* Make @msg the reply to itself and send it on the main socket. False: the connection broke. */
bool vu_message_reply(VuDev *dev, VhostUserMsg *msg);

/* Make @msg a reply of one number; the request's descriptors do not travel back. */
static inline int vu_reply_u64(VhostUserMsg *msg, uint64_t value)
{
    vu_message_done(msg);
    msg->payload.u64 = value;
    msg->size = sizeof(msg->payload.u64);
    return VU_REPLY;
}

/* A kick, call, err or log descriptor, made ready for use; *@ret_eventfd: no SIGPIPE can come. */
int vu_signal_fd_prepare(int fd, bool *ret_eventfd);
void vu_signal_fd(int fd, bool is_eventfd);
/* As read(), but never waits, even if the front-end has made the description blocking. */
ssize_t vu_read_fd_now(int fd, void *buf, size_t len);
void vu_close_fd(int *fd);

/* ---- Requests: vu-request.c ---- */

typedef int (*VuHandler)(VuDev *dev, VhostUserMsg *msg);

/* Where a message names its queue. */
typedef enum VuIndexKind {
    VU_INDEX_NONE,
    VU_INDEX_STATE, /* u32 at the start */
    VU_INDEX_FILE,  /* low 8 bits of a u64 whose bit 8 says "no descriptor" */
    VU_INDEX__MAX,
} VuIndexKind;

/* How a request is answered; all but the first always. The rest tells how a refusal looks. */
typedef enum VuReplyKind {
    VU_ACK_ONLY,       /* acknowledged if asked */
    VU_OWN_REPLY,      /* there is no form for a refusal */
    VU_EMPTY_ERROR,    /* an empty payload */
    VU_U64_ERROR,      /* a non-zero u64 */
    VU_STATE_ERROR,    /* a u64: the error number and "no descriptor" */
    VU_SESSION_ERROR,  /* CRYPTO with a negative session id */
    VU_INFLIGHT_ERROR, /* INFLIGHT with no bytes to map */
    VU_SHMEM_ERROR,    /* SHMCFG without regions */
    VU_REPLY__MAX,
} VuReplyKind;

/*
 * What must have been accepted: a protocol feature bit, a virtio feature bit, or nothing. With
 * VU_GATE_OFFERED, a protocol feature that the device offers is enough: to ask does no harm.
 */
#define VU_GATE_VIRTIO  0x80
#define VU_GATE_OFFERED 0x40
#define VU_NO_GATE      0xff

typedef struct VuRequest {
    const char *name;
    uint16_t min_size; /* payload, bytes */
    uint16_t max_size;
    uint8_t min_fds;
    uint8_t max_fds;
    VuIndexKind index;
    uint8_t gate;
    VuReplyKind reply;
    VuHandler handler; /* NULL: known, but never obeyed */
} VuRequest;

/* The row of a request, or NULL. */
const VuRequest *vu_request_row(uint32_t request);
/* A request's condition may have come true. Any context if VuIoOps.wake is set. */
void vu_wake(VuDev *dev);
void vu_drop_pending(VuDev *dev);

static inline int vu_wait_for(VuDev *dev, vu_ready_cb ready, VuFinish finish, void *opaque)
{
    dev->priv->await = (VuAwait){ ready, finish, opaque };
    return VU_WAIT;
}

/* The handlers, by file. */
int vu_get_features(VuDev *dev, VhostUserMsg *msg);
int vu_set_features(VuDev *dev, VhostUserMsg *msg);
int vu_set_owner(VuDev *dev, VhostUserMsg *msg);
uint64_t vu_offered_protocol_features(VuDev *dev);
int vu_get_protocol_features(VuDev *dev, VhostUserMsg *msg);
int vu_set_protocol_features(VuDev *dev, VhostUserMsg *msg);
int vu_get_queue_num(VuDev *dev, VhostUserMsg *msg);
int vu_get_config(VuDev *dev, VhostUserMsg *msg);
int vu_set_config(VuDev *dev, VhostUserMsg *msg);

int vu_send_rarp(VuDev *dev, VhostUserMsg *msg);
int vu_set_mtu(VuDev *dev, VhostUserMsg *msg);
int vu_create_crypto_session(VuDev *dev, VhostUserMsg *msg);
int vu_close_crypto_session(VuDev *dev, VhostUserMsg *msg);
int vu_gpu_set_socket(VuDev *dev, VhostUserMsg *msg);
int vu_get_shared_object(VuDev *dev, VhostUserMsg *msg);
int vu_get_shmem_config(VuDev *dev, VhostUserMsg *msg);
int vu_set_device_state_fd(VuDev *dev, VhostUserMsg *msg);
int vu_check_device_state(VuDev *dev, VhostUserMsg *msg);

int vu_set_mem_table(VuDev *dev, VhostUserMsg *msg);
int vu_get_max_mem_slots(VuDev *dev, VhostUserMsg *msg);
int vu_add_mem_reg(VuDev *dev, VhostUserMsg *msg);
int vu_rem_mem_reg(VuDev *dev, VhostUserMsg *msg);

int vu_set_log_base(VuDev *dev, VhostUserMsg *msg);
int vu_set_log_fd(VuDev *dev, VhostUserMsg *msg);

int vu_reset_owner(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_num(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_addr(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_base(VuDev *dev, VhostUserMsg *msg);
int vu_get_vring_base(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_kick(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_call(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_err(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_enable(VuDev *dev, VhostUserMsg *msg);

int vu_vring_kick(VuDev *dev, VhostUserMsg *msg);
int vu_set_vring_endian(VuDev *dev, VhostUserMsg *msg);

int vu_reset_device(VuDev *dev, VhostUserMsg *msg);
int vu_set_status(VuDev *dev, VhostUserMsg *msg);
int vu_get_status(VuDev *dev, VhostUserMsg *msg);

int vu_set_backend_req_fd(VuDev *dev, VhostUserMsg *msg);
int vu_iotlb_msg(VuDev *dev, VhostUserMsg *msg);

/* ---- Rings: vu-vring.c, vu-start.c ---- */

/* The one way from control into a queue's context. */
void vu_vring_run(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque);
void vu_vring_init(VuDev *dev, VuVirtq *vq, unsigned int index);
void vu_vring_done(VuDev *dev, VuVirtq *vq);
const char *vu_vring_state_name(const VuVirtq *vq);
/* Find the ring and hand it to its queue; it is stopped. 0 or -errno, refused. */
int vu_vring_start(VuDev *dev, VuVirtq *vq);
/* The layout and byte order that were agreed on; for a ring that is stopped. */
void vu_vring_choose_layout(VuDev *dev, VuVirtq *vq);
/* Nothing is popped any more. Does nothing if the ring is not started. */
void vu_vring_stop_begin(VuDev *dev, VuVirtq *vq);
/* The end of that, once nothing is out; else that is dropped for good. Queue context. */
void vu_vring_stopped(VuDev *dev, VuVirtq *vq, void *opaque);
/* Could a ring be where vq->vra says? */
bool vu_vring_addr_ok(VuDev *dev, VuVirtq *vq);
/* Let every queue take over the negotiated features and the dirty log. */
void vu_vrings_refresh(VuDev *dev);
/* Refuses @features that running rings cannot take over. 0 or -errno. */
int vu_vrings_check_features(VuDev *dev, uint64_t features);
void vu_vrings_enable_all(VuDev *dev, bool enable);
/* Let a started queue take over @use (and its reference); afterwards look at the ring. */
void vu_vring_set_memory(VuDev *dev, VuVirtq *vq, VuMapUse *use);
/* The last element of a ring that is stopping, or lost its memory, has come back. Queue context. */
void vu_vring_idle(VuDev *dev, VuVirtq *vq);
/* The ring cannot go on until it is started anew. Queue context. */
void vu_vring_break(VuDev *dev, VuVirtq *vq, const char *reason);
/*
 * Reset all rings: first they are disabled and begin to stop; when vu_vrings_are_idle(), the second
 * call lets go of them. What is set up anew in between stays.
 */
void vu_vrings_reset_begin(VuDev *dev);
bool vu_vrings_are_idle(VuDev *dev, void *opaque);
void vu_vrings_reset_end(VuDev *dev);

/* ---- Notifications that are messages: vu-inband.c ---- */

static inline bool vu_inband(VuDev *dev)
{
    return vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
}

/* Send VRING_CALL or VRING_ERR for a queue without the descriptor, if agreed on. Queue context. */
void vu_inband_notify(VuDev *dev, VuVirtq *vq, VhostUserBackendRequest request);
/* Repeat what did not fit into the channel. Control context. */
void vu_inband_retry(VuDev *dev);

static inline void vu_signal_call(VuDev *dev, VuVirtq *vq)
{
    if (VU_LIKELY(vq->call_fd >= 0)) {
        vu_signal_fd(vq->call_fd, vq->call_is_eventfd);
    } else {
        vu_inband_notify(dev, vq, VHOST_USER_BACKEND_VRING_CALL);
    }
}

static inline void vu_signal_err(VuDev *dev, VuVirtq *vq)
{
    if (vq->err_fd >= 0) {
        vu_signal_fd(vq->err_fd, vq->err_is_eventfd);
    } else {
        vu_inband_notify(dev, vq, VHOST_USER_BACKEND_VRING_ERR);
    }
}

/* ---- Status and reset: vu-status.c ---- */

/* Something broke that only a reset mends: the driver shall see it. Any context. */
void vu_status_needs_reset(VuDev *dev);

/* ---- Kicks: vu-kick.c ---- */

void vu_kick_unwatch(VuDev *dev, VuVirtq *vq);
/* Watch the kick descriptor, or stop that, as the state of the ring and the handler demand. */
void vu_kick_update_watch(VuDev *dev, VuVirtq *vq);
/* Look at the ring once the current message has been answered. */
void vu_kick_want_look(VuDev *dev, VuVirtq *vq);
void vu_vrings_look(VuDev *dev);

/* ---- Polling: vu-poll.c ---- */

/* A descriptor that kicks by itself, for a front-end that does not; -1 with errno. */
int vu_poll_timer_new(void);
/* The timer has kicked, and there was something in the ring or not. Queue context. */
void vu_poll_looked(VuVirtq *vq, bool found);

/* ---- The back-end channel: vu-backend.c, vu-channel.c ---- */

/* A question about a translation, as the channel remembers it. */
typedef struct VuQuestion {
    uint64_t iova;
    uint32_t number; /* of the question: vu-miss.c */
    uint8_t access;
    bool refused;
} VuQuestion;

/* A request that somebody waits for, on his stack. Control context. */
typedef struct VuAsk {
    struct VuAsk *next;
    VhostUserMsg *msg;
    bool wait; /* there will be an answer */
    bool sent;
    bool done; /* @rc tells: 1 yes, 0 no, -errno */
    int rc;
    int fd; /* that came along, or -1; the asker's */
} VuAsk;

int vu_backend_init(VuDev *dev);
void vu_backend_done(VuDev *dev);
/* Repeat a notice that did not fit into the channel. Control context. */
void vu_backend_retry(VuDev *dev);
/*
 * Send a message that nobody waits for an answer to; its flags are set here. Never waits. Any
 * context. 0; -ENOTCONN: there is no channel; -EAGAIN: the channel is full, nothing was sent;
 * -errno: it is dead.
 */
int vu_backend_notify(VuDev *dev, VhostUserMsg *msg);
/* The same for a question; if it is refused, and that can be heard, vu_miss_denied() is called. */
int vu_backend_question(VuDev *dev, VhostUserMsg *msg, const VuQuestion *question);
/*
 * Ask the front-end, if protocol feature @feature was accepted. With @ret_fd there is an answer
 * always, otherwise only under REPLY_ACK. True: sent, and if there is an answer, it is yes, with
 * the descriptor that came along, or -1, in @ret_fd. @msg's descriptors stay the caller's. May
 * block or yield, for 5 s at most, so only for requests that the front-end answers without asking
 * us first. Control context.
 */
bool vu_backend_request(VuDev *dev, unsigned int feature, VhostUserMsg *msg, int *ret_fd);
/* The front-end has refused to answer: chains that asked end with an error. Control context. */
void vu_miss_denied(VuDev *dev, const VuQuestion *question);

int vu_channel_init(VuDev *dev);
void vu_channel_done(VuDev *dev);
/* Somebody calls vu_channel_ready(). Any context. */
bool vu_channel_watched(const VuDev *dev);
/* From now on @fd (-1: none) is the channel; the old one is closed. Control context. */
void vu_channel_set(VuDev *dev, int fd);
/* There is none any more, and a line says so. */
void vu_channel_drop(VuDev *dev, const char *why);
/* @ask was sent; or is no longer waited for. */
void vu_channel_expect(VuDev *dev, VuAsk *ask);
void vu_channel_forget(VuDev *dev, VuAsk *ask);
/* Can one more acknowledgement be awaited; the question was sent. Under backend_mutex. */
bool vu_channel_may_question(const VuDev *dev);
void vu_channel_questioned(VuDev *dev, const VuQuestion *question);

#endif /* VU_INTERNAL_H */
