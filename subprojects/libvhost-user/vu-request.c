/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request may carry, who obeys it, and what is answered.
 *
 * Theory of operation: vu_dispatch() reads one message. The device's process_msg and pre_msg see it
 * first. Then the request's row is checked: negotiated feature, payload size, descriptors, queue
 * number; so a handler sees only what fits. The device's post_msg sees what was obeyed. The result
 * is answered:
 *
 *   result    the request has a reply of its own    it has not
 *   obeyed    the reply                             acknowledgement 0, if asked for
 *   refused   the reply's error form, if it has     acknowledgement with an errno, if asked for;
 *             one; else the connection ends         else the connection ends
 *
 * Some answers have to wait (VU_WAIT): for the last request of a ring, or for memory to be let go.
 * With VuIoOps.wait that happens here; without, the answer is put into a short queue, and every
 * later answer behind it, so that the front-end sees them in the order of its requests.
 *
 * Questions that do no harm are answered if the feature that they belong to is offered, negotiated
 * or not, with one line in the log of a connection: back-ends of others answer them.
 *
 * SET_VRING_ENABLE is accepted before SET_FEATURES, although the text ties it to an acknowledged
 * bit 30: front-ends for net devices send it while they set up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "vu-internal.h"

/* More answers than this are outstanding only if the front-end does not wait for any. */
#define PENDING_MAX 16

#define U64        sizeof(uint64_t)
#define STATE      sizeof(struct vhost_vring_state)
#define ADDR       sizeof(struct vhost_vring_addr)
#define TABLE_MIN  offsetof(VhostUserMemory, regions)
#define TABLE_MAX  sizeof(VhostUserMemory)
#define MEMREG     sizeof(VhostUserMemRegMsg)
#define LOG        sizeof(VhostUserLog)
#define CONF_MIN   offsetof(VhostUserConfig, region)
#define CONF_MAX   sizeof(VhostUserConfig)
#define UUID       sizeof(VhostUserShared)
#define IOTLB      sizeof(struct vhost_iotlb_msg)
#define SESSION    sizeof(VhostUserCryptoSession)
#define INFLIGHT   sizeof(VhostUserInflight)
#define TRANSFER   sizeof(VhostUserTransferState)
#define FEATURE(x) VHOST_USER_PROTOCOL_F_##x
#define VIRTIO(x)  (VU_GATE_VIRTIO | VIRTIO_F_##x)
/* A question that only tells what the device offers, or how it stands. */
#define ASKS(x) (VU_GATE_OFFERED | VHOST_USER_PROTOCOL_F_##x)

/* clang-format off */
static const VuRequest requests[] = {
    /*    name                     payload bytes         fds   queue           feature                       answer          handler */
    [1]  = {"GET_FEATURES",          0, 0,               0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_OWN_REPLY,   vu_get_features},
    [2]  = {"SET_FEATURES",          U64, U64,           0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_features},
    [3]  = {"SET_OWNER",             0, 0,               0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_owner},
    [4]  = {"RESET_OWNER",           0, 0,               0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_reset_owner},
    [5]  = {"SET_MEM_TABLE",         TABLE_MIN,TABLE_MAX,0, 8, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_mem_table},
    [6]  = {"SET_LOG_BASE",          LOG, LOG,           1, 1, VU_INDEX_NONE,  FEATURE(LOG_SHMFD),           VU_U64_ERROR,   vu_set_log_base},
    [7]  = {"SET_LOG_FD",            0, U64,             1, 1, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_log_fd},
    [8]  = {"SET_VRING_NUM",         STATE, STATE,       0, 0, VU_INDEX_STATE, VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_num},
    [9]  = {"SET_VRING_ADDR",        ADDR, ADDR,         0, 0, VU_INDEX_STATE, VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_addr},
    [10] = {"SET_VRING_BASE",        STATE, STATE,       0, 0, VU_INDEX_STATE, VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_base},
    [11] = {"GET_VRING_BASE",        STATE, STATE,       0, 0, VU_INDEX_STATE, VU_NO_GATE,                   VU_OWN_REPLY,   vu_get_vring_base},
    [12] = {"SET_VRING_KICK",        U64, U64,           0, 1, VU_INDEX_FILE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_kick},
    [13] = {"SET_VRING_CALL",        U64, U64,           0, 1, VU_INDEX_FILE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_call},
    [14] = {"SET_VRING_ERR",         U64, U64,           0, 1, VU_INDEX_FILE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_err},
    [15] = {"GET_PROTOCOL_FEATURES", 0, 0,               0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_OWN_REPLY,   vu_get_protocol_features},
    [16] = {"SET_PROTOCOL_FEATURES", U64, U64,           0, 0, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_protocol_features},
    [17] = {"GET_QUEUE_NUM",         0, 0,               0, 0, VU_INDEX_NONE,  ASKS(MQ),                     VU_OWN_REPLY,   vu_get_queue_num},
    [18] = {"SET_VRING_ENABLE",      STATE, STATE,       0, 0, VU_INDEX_STATE, VU_NO_GATE,                   VU_ACK_ONLY,    vu_set_vring_enable},
    [19] = {"SEND_RARP",             U64, U64,           0, 0, VU_INDEX_NONE,  FEATURE(RARP),                VU_ACK_ONLY,    vu_send_rarp},
    [20] = {"NET_SET_MTU",           U64, U64,           0, 0, VU_INDEX_NONE,  FEATURE(NET_MTU),             VU_ACK_ONLY,    vu_set_mtu},
    [21] = {"SET_BACKEND_REQ_FD",    0, U64,             1, 1, VU_INDEX_NONE,  FEATURE(BACKEND_REQ),         VU_ACK_ONLY,    vu_set_backend_req_fd},
    [22] = {"IOTLB_MSG",             IOTLB, IOTLB,       0, 0, VU_INDEX_NONE,  VIRTIO(IOMMU_PLATFORM),       VU_U64_ERROR,   vu_iotlb_msg},
    [23] = {"SET_VRING_ENDIAN",      STATE, STATE,       0, 0, VU_INDEX_STATE, FEATURE(CROSS_ENDIAN),        VU_ACK_ONLY,    vu_set_vring_endian},
    [24] = {"GET_CONFIG",            CONF_MIN, CONF_MAX, 0, 0, VU_INDEX_NONE,  ASKS(CONFIG),                 VU_EMPTY_ERROR, vu_get_config},
    [25] = {"SET_CONFIG",            CONF_MIN, CONF_MAX, 0, 0, VU_INDEX_NONE,  FEATURE(CONFIG),              VU_ACK_ONLY,    vu_set_config},
    [26] = {"CREATE_CRYPTO_SESSION", SESSION, SESSION,   0, 0, VU_INDEX_NONE,  FEATURE(CRYPTO_SESSION),      VU_SESSION_ERROR, vu_create_crypto_session},
    [27] = {"CLOSE_CRYPTO_SESSION",  U64, U64,           0, 0, VU_INDEX_NONE,  FEATURE(CRYPTO_SESSION),      VU_ACK_ONLY,    vu_close_crypto_session},
    [28] = {"POSTCOPY_ADVISE",       0, 0,               0, 0, VU_INDEX_NONE,  FEATURE(PAGEFAULT),           VU_EMPTY_ERROR, NULL},
    [29] = {"POSTCOPY_LISTEN",       0, 0,               0, 0, VU_INDEX_NONE,  FEATURE(PAGEFAULT),           VU_ACK_ONLY,    NULL},
    [30] = {"POSTCOPY_END",          0, 0,               0, 0, VU_INDEX_NONE,  FEATURE(PAGEFAULT),           VU_U64_ERROR,   NULL},
    [31] = {"GET_INFLIGHT_FD",       INFLIGHT, INFLIGHT, 0, 0, VU_INDEX_NONE,  FEATURE(INFLIGHT_SHMFD),      VU_INFLIGHT_ERROR, NULL},
    [32] = {"SET_INFLIGHT_FD",       INFLIGHT, INFLIGHT, 1, 1, VU_INDEX_NONE,  FEATURE(INFLIGHT_SHMFD),      VU_ACK_ONLY,    NULL},
    [33] = {"GPU_SET_SOCKET",        0, U64,             1, 1, VU_INDEX_NONE,  VU_NO_GATE,                   VU_ACK_ONLY,    vu_gpu_set_socket},
    [34] = {"RESET_DEVICE",          0, 0,               0, 0, VU_INDEX_NONE,  FEATURE(RESET_DEVICE),        VU_ACK_ONLY,    vu_reset_device},
    [35] = {"VRING_KICK",            STATE, STATE,       0, 0, VU_INDEX_STATE, FEATURE(INBAND_NOTIFICATIONS), VU_ACK_ONLY,   vu_vring_kick},
    [36] = {"GET_MAX_MEM_SLOTS",     0, 0,               0, 0, VU_INDEX_NONE,  ASKS(CONFIGURE_MEM_SLOTS),    VU_OWN_REPLY,   vu_get_max_mem_slots},
    [37] = {"ADD_MEM_REG",           MEMREG, MEMREG,     1, 1, VU_INDEX_NONE,  FEATURE(CONFIGURE_MEM_SLOTS), VU_ACK_ONLY,    vu_add_mem_reg},
    [38] = {"REM_MEM_REG",           MEMREG, MEMREG,     0, 1, VU_INDEX_NONE,  FEATURE(CONFIGURE_MEM_SLOTS), VU_ACK_ONLY,    vu_rem_mem_reg},
    [39] = {"SET_STATUS",            U64, U64,           0, 0, VU_INDEX_NONE,  FEATURE(STATUS),              VU_ACK_ONLY,    vu_set_status},
    [40] = {"GET_STATUS",            0, 0,               0, 0, VU_INDEX_NONE,  ASKS(STATUS),                 VU_OWN_REPLY,   vu_get_status},
    [41] = {"GET_SHARED_OBJECT",     UUID, UUID,         0, 0, VU_INDEX_NONE,  FEATURE(SHARED_OBJECT),       VU_EMPTY_ERROR, vu_get_shared_object},
    [42] = {"SET_DEVICE_STATE_FD",   TRANSFER, TRANSFER, 1, 1, VU_INDEX_NONE,  FEATURE(DEVICE_STATE),        VU_STATE_ERROR, vu_set_device_state_fd},
    [43] = {"CHECK_DEVICE_STATE",    0, 0,               0, 0, VU_INDEX_NONE,  FEATURE(DEVICE_STATE),        VU_U64_ERROR,   vu_check_device_state},
    [44] = {"GET_SHMEM_CONFIG",      0, 0,               0, 0, VU_INDEX_NONE,  ASKS(SHMEM_MAP),              VU_SHMEM_ERROR, vu_get_shmem_config},
};
/* clang-format on */

#define NUM_ROWS (sizeof(requests) / sizeof(requests[0]))

typedef struct VuPending {
    struct VuPending *next;
    VhostUserMsg msg; /* without descriptors */
    bool need_ack;
    bool is_answer; /* it is what will be sent; else the request, waiting */
    VuAwait await;
} VuPending;

const VuRequest *vu_request_row(uint32_t request)
{
    return request < NUM_ROWS && requests[request].name ? &requests[request] : NULL;
}

const char *vu_request_name(uint32_t request)
{
    const VuRequest *row = vu_request_row(request);

    return row ? row->name : "unknown request";
}

/* ---- Checks ---- */

static int check_queue(VuDev *dev, const VuRequest *row, const VhostUserMsg *msg)
{
    uint32_t index = msg->payload.state.index;

    if (row->index == VU_INDEX_NONE) {
        return 0;
    }
    if (row->index == VU_INDEX_FILE) {
        int want = msg->payload.u64 & VHOST_USER_VRING_NOFD_MASK ? 0 : 1;

        index = msg->payload.u64 & VHOST_USER_VRING_IDX_MASK;
        if (msg->fd_num != want) {
            return vu_refuse(dev, EINVAL, "%d descriptors instead of %d", msg->fd_num, want);
        }
        if (msg->payload.u64 &
            ~(uint64_t)(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK)) {
            return vu_refuse(dev, EINVAL, "unknown bits in %#llx",
                             (unsigned long long)msg->payload.u64);
        }
    }
    if (index >= dev->max_queues) {
        return vu_refuse(dev, EINVAL,
                         "front-end asked for queue %u, device has %u queue%s: give this device "
                         "more, or the front-end's fewer (num-queues)",
                         index, dev->max_queues, dev->max_queues == 1 ? "" : "s");
    }
    return 0;
}

/* Other back-ends answer it, and front-ends rely on that. */
static int ask_early(VuDev *dev, const VuRequest *row, unsigned int bit)
{
    if (!(row->gate & VU_GATE_OFFERED) || !(vu_offered_protocol_features(dev) & 1ull << bit)) {
        return vu_refuse(dev, EPERM, "protocol feature %u was not negotiated", bit);
    }
    if (!dev->priv->asked_early) {
        dev->priv->asked_early = true;
        vu_log_message(dev, "%s is answered although protocol feature %u was not negotiated",
                       row->name, bit);
    }
    return 0;
}

static int check_gate(VuDev *dev, const VuRequest *row)
{
    unsigned int bit = row->gate & ~(VU_GATE_VIRTIO | VU_GATE_OFFERED);

    if (row->gate == VU_NO_GATE) {
        return 0;
    }
    if (row->gate & VU_GATE_VIRTIO) {
        return vu_has_feature(dev, bit)
                   ? 0
                   : vu_refuse(dev, EPERM, "feature %u was not negotiated", bit);
    }
    return vu_has_protocol_feature(dev, bit) ? 0 : ask_early(dev, row, bit);
}

static int check_request(VuDev *dev, const VuRequest *row, const VhostUserMsg *msg)
{
    int rc;

    if (!row) {
        return vu_refuse(dev, ENOSYS, "request %d is not known", msg->request);
    }
    rc = check_gate(dev, row);
    if (rc < 0) {
        return rc;
    }
    if (msg->size < row->min_size || msg->size > row->max_size) {
        return vu_refuse(dev, EINVAL, "a payload of %u bytes, expected %u to %u", msg->size,
                         row->min_size, row->max_size);
    }
    if (msg->fd_num < row->min_fds || msg->fd_num > row->max_fds) {
        return vu_refuse(dev, EINVAL, "%d descriptors, expected %u to %u", msg->fd_num,
                         row->min_fds, row->max_fds);
    }
    if (!row->handler) {
        return vu_refuse(dev, EOPNOTSUPP, "this back-end does not obey it");
    }
    return check_queue(dev, row, msg);
}

/* ---- Answers ---- */

static VuPending *pending_add(VuDev *dev, const VhostUserMsg *msg)
{
    VuPending **at = &dev->priv->pending;
    VuPending *p;

    if (dev->priv->npending == PENDING_MAX || !(p = calloc(1, sizeof(*p)))) {
        vu_panic(dev, "%u requests are waiting to be answered", dev->priv->npending);
        return NULL;
    }
    while (*at) {
        at = &(*at)->next;
    }
    *at = p;
    dev->priv->npending++;
    p->msg = *msg;
    p->msg.fd_num = 0;
    p->msg.data = NULL;
    return p;
}

/* Send now, or after what is waiting. A reply with descriptors or data of its own cannot wait. */
static bool send_answer(VuDev *dev, VhostUserMsg *msg)
{
    VuPending *p;

    if (!dev->priv->pending) {
        return vu_message_reply(dev, msg);
    }
    if (msg->fd_num > 0 || msg->data) {
        vu_panic(dev, "%s while another request is waiting", vu_request_name(msg->request));
        return false;
    }
    p = pending_add(dev, msg);
    if (p) {
        p->is_answer = true;
    }
    return p != NULL;
}

static bool send_ack(VuDev *dev, VhostUserMsg *msg, uint64_t value)
{
    vu_reply_u64(msg, value);
    return send_answer(dev, msg);
}

/* The refusals of requests that have a reply of their own, each in the form of that reply. */

static void refuse_empty(VhostUserMsg *msg, int err)
{
    msg->size = 0;
}

static void refuse_u64(VhostUserMsg *msg, int err)
{
    vu_reply_u64(msg, err);
}

static void refuse_transfer(VhostUserMsg *msg, int err)
{
    vu_reply_u64(msg, (err & VHOST_USER_STATE_ERROR_MASK) | VHOST_USER_STATE_NOFD_MASK);
}

static void refuse_session(VhostUserMsg *msg, int err)
{
    msg->size = sizeof(msg->payload.session);
    memset(&msg->payload, 0, msg->size);
    msg->payload.session.session_id = -1;
}

static void refuse_inflight(VhostUserMsg *msg, int err)
{
    msg->size = sizeof(msg->payload.inflight);
    memset(&msg->payload, 0, msg->size);
}

static void refuse_shmem(VhostUserMsg *msg, int err)
{
    msg->size = sizeof(msg->payload.shmem);
    memset(&msg->payload, 0, msg->size);
}

static void (*const refusals[VU_REPLY__MAX])(VhostUserMsg *msg, int err) = {
    [VU_ACK_ONLY] = refuse_u64,          [VU_EMPTY_ERROR] = refuse_empty,
    [VU_U64_ERROR] = refuse_u64,         [VU_STATE_ERROR] = refuse_transfer,
    [VU_SESSION_ERROR] = refuse_session, [VU_INFLIGHT_ERROR] = refuse_inflight,
    [VU_SHMEM_ERROR] = refuse_shmem,
};

static bool answer_refusal(VuDev *dev, VhostUserMsg *msg, int rc, bool need_ack)
{
    const VuRequest *row = vu_request_row(msg->request);
    VuReplyKind reply = row ? row->reply : VU_ACK_ONLY;
    const char *reason = dev->priv->reason;

    vu_count(&dev->priv->stats.refused);
    vu_trace(dev, VU_TRACE_REFUSED, -1, msg->request, -rc, reason);
    if (!refusals[reply] || (reply == VU_ACK_ONLY && !need_ack)) {
        vu_panic(dev, "%s refused: %s", vu_request_name(msg->request), reason);
        return false;
    }
    vu_log_message(dev, "%s refused: %s", vu_request_name(msg->request), reason);
    vu_message_done(msg);
    refusals[reply](msg, -rc);
    return send_answer(dev, msg);
}

static bool answer(VuDev *dev, VhostUserMsg *msg, int rc, bool need_ack)
{
    if (rc < 0) {
        return answer_refusal(dev, msg, rc, need_ack);
    }
    if (rc == VU_REPLY) {
        return send_answer(dev, msg);
    }
    return !need_ack || send_ack(dev, msg, 0);
}

/* What a hook did, as the result of a handler; @otherwise if it did nothing. */
static int hook_result(VuDev *dev, VuMsgResult result, int otherwise)
{
    switch (result) {
    case VU_MSG_HANDLED:
        return VU_DONE;
    case VU_MSG_REPLY:
        return VU_REPLY;
    case VU_MSG_REFUSED:
        return vu_refuse(dev, EINVAL, "the device does not want it");
    default:
        return otherwise;
    }
}

/* The same for what the library has obeyed, with result @rc; the device may have a word. */
static bool answer_obeyed(VuDev *dev, VhostUserMsg *msg, int rc, bool need_ack)
{
    if (rc >= 0 && dev->iface->post_msg) {
        VuMsgResult result = dev->iface->post_msg(dev, msg);

        rc = hook_result(dev, result == VU_MSG_HANDLED ? VU_MSG_NOT_HANDLED : result, rc);
    }
    return answer(dev, msg, rc, need_ack);
}

/* ---- Waiting ---- */

static bool pending_finish(VuDev *dev, VuPending *p)
{
    int rc = VU_DONE;

    if (p->is_answer) {
        return vu_message_reply(dev, &p->msg);
    }
    if (p->await.finish) {
        rc = p->await.finish(dev, &p->msg, p->await.opaque);
    }
    return answer_obeyed(dev, &p->msg, rc, p->need_ack);
}

/* Answer everything that can be answered without overtaking. */
static void run_pending(VuDev *dev)
{
    struct VuPrivate *priv = dev->priv;

    if (priv->running_pending) {
        return;
    }
    priv->running_pending = true;
    while (priv->pending && !vu_is_broken(dev)) {
        VuPending *p = priv->pending, *rest = p->next;

        if (!p->is_answer && !p->await.ready(dev, p->await.opaque)) {
            break;
        }
        /* Nothing is waiting as far as this answer is concerned. */
        priv->pending = NULL;
        pending_finish(dev, p);
        priv->pending = rest;
        priv->npending--;
        free(p);
    }
    priv->running_pending = false;
}

void vu_wake(VuDev *dev)
{
    if (dev->priv->io->wake) {
        dev->priv->io->wake(dev);
    } else if (dev->priv->pending) {
        run_pending(dev);
    }
}

void vu_drop_pending(VuDev *dev)
{
    while (dev->priv->pending) {
        VuPending *p = dev->priv->pending;

        dev->priv->pending = p->next;
        dev->priv->npending--;
        free(p);
    }
}

static bool await_answer(VuDev *dev, VhostUserMsg *msg, bool need_ack)
{
    const VuAwait await = dev->priv->await;
    VuPending *p;

    if (!await.finish && !need_ack) {
        return answer_obeyed(dev, msg, VU_DONE, false);
    }
    if (!await.ready(dev, await.opaque)) {
        if (!dev->priv->io->wait) {
            p = pending_add(dev, msg);
            if (p) {
                p->await = await;
                p->need_ack = need_ack;
            }
            return p != NULL;
        }
        if (!dev->priv->io->wait(dev, await.ready, await.opaque)) {
            return false;
        }
    }
    return answer_obeyed(dev, msg, await.finish ? await.finish(dev, msg, await.opaque) : VU_DONE,
                         need_ack);
}

/* ---- Dispatch ---- */

static bool check_frame(VuDev *dev, const VhostUserMsg *msg)
{
    if ((msg->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
        (msg->flags & VHOST_USER_REPLY_MASK)) {
        vu_panic(dev, "a message with flags %#x is no request", msg->flags);
        return false;
    }
    if (msg->size > sizeof(msg->payload)) {
        vu_panic(dev, "a payload of %u bytes is larger than any message's", msg->size);
        return false;
    }
    return true;
}

static bool wants_ack(VuDev *dev, const VhostUserMsg *msg)
{
    return (msg->flags & VHOST_USER_NEED_REPLY_MASK) &&
           vu_has_protocol_feature(dev, VHOST_USER_PROTOCOL_F_REPLY_ACK);
}

/* QEMU's hook: what the device handles, it owns. */
static bool offer_to_process_msg(VuDev *dev, VhostUserMsg *msg, bool *ret_ok)
{
    bool need_ack = wants_ack(dev, msg);
    int do_reply = 0;

    if (!dev->iface->process_msg || !dev->iface->process_msg(dev, msg, &do_reply)) {
        return false;
    }
    if (do_reply) {
        *ret_ok = send_answer(dev, msg);
        msg->fd_num = 0;
    } else {
        msg->fd_num = 0;
        *ret_ok = !need_ack || send_ack(dev, msg, 0);
    }
    return true;
}

/* Has the device obeyed or refused @msg itself? Then *@ret_ok: the connection goes on. */
static bool offer_to_device(VuDev *dev, VhostUserMsg *msg, bool *ret_ok)
{
    VuMsgResult result;

    if (offer_to_process_msg(dev, msg, ret_ok)) {
        return true;
    }
    result = dev->iface->pre_msg ? dev->iface->pre_msg(dev, msg) : VU_MSG_NOT_HANDLED;
    if (result == VU_MSG_NOT_HANDLED) {
        return false;
    }
    *ret_ok = answer(dev, msg, hook_result(dev, result, VU_DONE), wants_ack(dev, msg));
    return true;
}

static bool obey(VuDev *dev, VhostUserMsg *msg)
{
    const VuRequest *row = vu_request_row(msg->request);
    bool need_ack = wants_ack(dev, msg);
    bool ok;
    int rc;

    vu_count(&dev->priv->stats.messages);
    vu_trace(dev, VU_TRACE_MESSAGE, -1, msg->request, msg->size, vu_request_name(msg->request));
    if (!check_frame(dev, msg)) {
        return false;
    }
    if (offer_to_device(dev, msg, &ok)) {
        return ok;
    }
    rc = check_request(dev, row, msg);
    if (rc == 0) {
        rc = row->handler(dev, msg);
        /* SET_PROTOCOL_FEATURES may have changed it. */
        need_ack = need_ack || wants_ack(dev, msg);
    }
    return rc == VU_WAIT ? await_answer(dev, msg, need_ack) : answer_obeyed(dev, msg, rc, need_ack);
}

bool vu_dispatch(VuDev *dev)
{
    VhostUserMsg msg;
    bool ok = false;

    memset(&msg, 0, sizeof(msg));
    if (!vu_is_broken(dev) && dev->read_msg(dev, dev->sock, &msg)) {
        ok = obey(dev, &msg);
        vu_message_done(&msg);
    }
    vu_report_bus_error(dev);
    if (!ok || vu_is_broken(dev)) {
        return false;
    }
    vu_backend_retry(dev);
    vu_vrings_look(dev);
    return !vu_is_broken(dev);
}
