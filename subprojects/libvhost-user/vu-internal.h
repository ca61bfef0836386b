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

#include <pthread.h>
#include <sys/types.h>

#include "libvhost-user.h"

#define VU_LIKELY(x)         __builtin_expect(!!(x), 1)
#define VU_UNLIKELY(x)       __builtin_expect(!!(x), 0)
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

/* All guest memory at one time: immutable but for @refs, sorted by gpa. */
typedef struct VuMemMap {
    unsigned int refs; /* atomic */
    unsigned int n;
    VuRegion *regions[];
} VuMemMap;

/* One queue's hold on one map, so that popping costs no atomic operation. Queue context. */
typedef struct VuMapUse {
    VuMemMap *map;
    unsigned int users; /* elements, the queue for new elements, the queue for its ring */
} VuMapUse;

VuMemMap *vu_map_new(unsigned int capacity);
VuMemMap *vu_map_ref(VuMemMap *map);
void vu_map_unref(VuMemMap *map);
/* Where @gpa is; *@len is cut to what is contiguous there. @hint: region to try first, or NULL. */
void *vu_map_gpa(const VuMemMap *map, uint64_t gpa, uint64_t *len, const VuRegion **hint);
/* Where the front-end's address @uaddr is, if @len bytes from there lie in one region. */
void *vu_map_uaddr(const VuMemMap *map, uint64_t uaddr, uint64_t len);

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

/* ---- A file mapped as it should be: vu-memory.c ---- */

typedef struct VuMapping {
    void *addr; /* as mmap() gave it */
    size_t len;
    uint8_t *start; /* where the wanted offset is */
    size_t page_size;
} VuMapping;

/* Map @size bytes at @offset of @fd for reading and writing. 0 or -errno, checked for overflow. */
int vu_map_file(int fd, uint64_t offset, uint64_t size, VuMapping *ret_mapping);

/* ---- Dirty log: vu-log.c ---- */

typedef struct VuLog {
    VuMapping mapping;
    uint8_t *bitmap;
    uint64_t bytes;
    struct VuBusSlot *guard;
} VuLog;

void vu_log_range(const VuLog *log, uint64_t gpa, uint64_t len);
void vu_log_done(VuDev *dev);

/* ---- Waiting for a condition before answering: vu-request.c ---- */

/* Completes a request whose condition has come true; returns what a handler returns. */
typedef int (*VuFinish)(VuDev *dev, VhostUserMsg *msg, void *opaque);

typedef struct VuAwait {
    vu_ready_cb ready;
    VuFinish finish; /* NULL: the request is simply done */
    void *opaque;
} VuAwait;

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

    /* Control context. */
    VuMemMap *map;
    VuLog *dirty_log;
    int log_call_fd;
    bool log_call_is_eventfd;
    VuAwait await;
    struct VuPending *pending; /* answers kept back, oldest first */
    unsigned int npending;
    bool running_pending;
    bool look; /* some queue has its look flag set */
    char reason[256];
    VuDevStats stats; /* atomic */

    /* Any context, atomic. */
    unsigned int removed_live; /* regions taken out of the map but still mapped */
    bool bus_error;
    bool panicked; /* the reason was told */
    bool config_change_lost;

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

typedef enum VuReplyKind {
    VU_ACK_ONLY,    /* acknowledged if asked */
    VU_OWN_REPLY,   /* answered always; when refused, there is no form for that */
    VU_EMPTY_ERROR, /* answered always; an empty payload means refused */
    VU_U64_ERROR,   /* answered always; a non-zero u64 means refused */
    VU_REPLY__MAX,
} VuReplyKind;

#define VU_NO_GATE 0xff

typedef struct VuRequest {
    const char *name;
    uint16_t min_size; /* payload, bytes */
    uint16_t max_size;
    uint8_t min_fds;
    uint8_t max_fds;
    VuIndexKind index;
    uint8_t gate; /* protocol feature bit that must have been accepted */
    VuReplyKind reply;
    VuHandler handler;
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
int vu_get_protocol_features(VuDev *dev, VhostUserMsg *msg);
int vu_set_protocol_features(VuDev *dev, VhostUserMsg *msg);
int vu_get_queue_num(VuDev *dev, VhostUserMsg *msg);
int vu_get_config(VuDev *dev, VhostUserMsg *msg);
int vu_set_config(VuDev *dev, VhostUserMsg *msg);
int vu_get_shared_object(VuDev *dev, VhostUserMsg *msg);

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

int vu_set_backend_req_fd(VuDev *dev, VhostUserMsg *msg);

/* ---- Rings: vu-vring.c ---- */

/* The one way from control into a queue's context. */
void vu_vring_run(VuDev *dev, VuVirtq *vq, vu_queue_fn fn, void *opaque);
void vu_vring_init(VuDev *dev, VuVirtq *vq, unsigned int index);
void vu_vring_done(VuDev *dev, VuVirtq *vq);
/* Let every queue take over the negotiated features and the dirty log. */
void vu_vrings_refresh(VuDev *dev);
void vu_vrings_enable_all(VuDev *dev, bool enable);
/* Let a started queue take over @use (and its reference); afterwards look at the ring. */
void vu_vring_set_memory(VuDev *dev, VuVirtq *vq, VuMapUse *use);
/* The last element of a ring that is stopping, or lost its memory, has come back. Queue context. */
void vu_vring_idle(VuDev *dev, VuVirtq *vq);
/* The ring cannot go on until it is started anew. Queue context. */
void vu_vring_break(VuDev *dev, VuVirtq *vq, const char *reason);

/* ---- Kicks: vu-kick.c ---- */

void vu_kick_unwatch(VuDev *dev, VuVirtq *vq);
/* Watch the kick descriptor, or stop that, as the state of the ring and the handler demand. */
void vu_kick_update_watch(VuDev *dev, VuVirtq *vq);
/* Look at the ring once the current message has been answered. */
void vu_kick_want_look(VuDev *dev, VuVirtq *vq);
void vu_vrings_look(VuDev *dev);
/* A descriptor that kicks by itself, for a front-end that does not; -1 with errno. */
int vu_kick_timer_new(void);

/* ---- The back-end channel: vu-backend.c ---- */

void vu_backend_init(VuDev *dev);
void vu_backend_done(VuDev *dev);
/* Repeat a notice that did not fit into the channel. Control context. */
void vu_backend_retry(VuDev *dev);

#endif /* VU_INTERNAL_H */
