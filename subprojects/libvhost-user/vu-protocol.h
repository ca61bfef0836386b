/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user protocol as it lies on the wire: requests, feature bits, packed structures.
 *
 * The names are the ones that users of QEMU's library know; numbers and layouts are the vhost-user
 * specification's. Integers are in the machine's byte order.
 */
#ifndef VU_PROTOCOL_H
#define VU_PROTOCOL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* What linux/virtio_ring.h has behind this is C only. */
#if defined(__cplusplus) && !defined(VIRTIO_RING_NO_LEGACY)
#define VIRTIO_RING_NO_LEGACY
#endif
#include <linux/vhost_types.h>
#include <linux/virtio_ring.h>

#define VHOST_USER_VERSION             1
#define VHOST_USER_F_PROTOCOL_FEATURES 30
#define VHOST_LOG_PAGE                 4096

/* Descriptors in one message, and regions in one SET_MEM_TABLE. */
#define VHOST_MEMORY_BASELINE_NREGIONS 8
/* Regions that ADD_MEM_REG may build up (CONFIGURE_MEM_SLOTS). */
#define VHOST_USER_MAX_RAM_SLOTS   509
#define VHOST_USER_MAX_CONFIG_SIZE 256
#define VHOST_USER_CONFIG_HDR_SIZE offsetof(VhostUserConfig, region)

/* Default and absolute limit of the entries of a ring; the first one also limits an element's sg.
 */
#define VIRTQUEUE_MAX_SIZE 1024
#define VU_MAX_QUEUE_SIZE  32768

#define UUID_LEN 16

typedef enum VhostSetConfigType {
    VHOST_SET_CONFIG_TYPE_FRONTEND = 0,
    VHOST_SET_CONFIG_TYPE_MIGRATION = 1,
} VhostSetConfigType;

enum VhostUserProtocolFeature {
    VHOST_USER_PROTOCOL_F_MQ = 0,
    VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
    VHOST_USER_PROTOCOL_F_RARP = 2,
    VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
    VHOST_USER_PROTOCOL_F_NET_MTU = 4,
    VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
    VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6,
    VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7,
    VHOST_USER_PROTOCOL_F_PAGEFAULT = 8,
    VHOST_USER_PROTOCOL_F_CONFIG = 9,
    VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
    VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11,
    VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
    VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
    VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
    VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
    VHOST_USER_PROTOCOL_F_STATUS = 16,
    VHOST_USER_PROTOCOL_F_XEN_MMAP = 17,
    VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 18,
    VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
    VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 20,
    VHOST_USER_PROTOCOL_F_GPA_ADDRESSES = 21,
    VHOST_USER_PROTOCOL_F_SHMEM_MAP = 22,
    VHOST_USER_PROTOCOL_F_MAX,
};

typedef enum VhostUserRequest {
    VHOST_USER_NONE = 0,
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_RESET_OWNER = 4,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_LOG_BASE = 6,
    VHOST_USER_SET_LOG_FD = 7,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_SET_VRING_ERR = 14,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_SEND_RARP = 19,
    VHOST_USER_NET_SET_MTU = 20,
    VHOST_USER_SET_BACKEND_REQ_FD = 21,
    VHOST_USER_IOTLB_MSG = 22,
    VHOST_USER_SET_VRING_ENDIAN = 23,
    VHOST_USER_GET_CONFIG = 24,
    VHOST_USER_SET_CONFIG = 25,
    VHOST_USER_CREATE_CRYPTO_SESSION = 26,
    VHOST_USER_CLOSE_CRYPTO_SESSION = 27,
    VHOST_USER_POSTCOPY_ADVISE = 28,
    VHOST_USER_POSTCOPY_LISTEN = 29,
    VHOST_USER_POSTCOPY_END = 30,
    VHOST_USER_GET_INFLIGHT_FD = 31,
    VHOST_USER_SET_INFLIGHT_FD = 32,
    VHOST_USER_GPU_SET_SOCKET = 33,
    VHOST_USER_RESET_DEVICE = 34,
    VHOST_USER_VRING_KICK = 35,
    VHOST_USER_GET_MAX_MEM_SLOTS = 36,
    VHOST_USER_ADD_MEM_REG = 37,
    VHOST_USER_REM_MEM_REG = 38,
    VHOST_USER_SET_STATUS = 39,
    VHOST_USER_GET_STATUS = 40,
    VHOST_USER_GET_SHARED_OBJECT = 41,
    VHOST_USER_SET_DEVICE_STATE_FD = 42,
    VHOST_USER_CHECK_DEVICE_STATE = 43,
    VHOST_USER_GET_SHMEM_CONFIG = 44,
    VHOST_USER_MAX,
} VhostUserRequest;

typedef enum VhostUserBackendRequest {
    VHOST_USER_BACKEND_NONE = 0,
    VHOST_USER_BACKEND_IOTLB_MSG = 1,
    VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
    VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG = 3,
    VHOST_USER_BACKEND_VRING_CALL = 4,
    VHOST_USER_BACKEND_VRING_ERR = 5,
    VHOST_USER_BACKEND_SHARED_OBJECT_ADD = 6,
    VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE = 7,
    VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP = 8,
    VHOST_USER_BACKEND_SHMEM_MAP = 9,
    VHOST_USER_BACKEND_SHMEM_UNMAP = 10,
    VHOST_USER_BACKEND_MAX,
} VhostUserBackendRequest;

typedef struct VhostUserMemoryRegion {
    uint64_t guest_phys_addr;
    uint64_t memory_size;
    uint64_t userspace_addr;
    uint64_t mmap_offset;
} VhostUserMemoryRegion;
static_assert(sizeof(VhostUserMemoryRegion) == 32, "REGION is 32 bytes");

typedef struct VhostUserMemory {
    uint32_t nregions;
    uint32_t padding;
    VhostUserMemoryRegion regions[VHOST_MEMORY_BASELINE_NREGIONS];
} VhostUserMemory;
static_assert(offsetof(VhostUserMemory, regions) == 8, "MEMTABLE has a head of 8 bytes");
static_assert(sizeof(VhostUserMemory) == 8 + 32 * 8, "MEMTABLE is 8 + 32 * n bytes");

typedef struct VhostUserMemRegMsg {
    uint64_t padding;
    VhostUserMemoryRegion region;
} VhostUserMemRegMsg;
static_assert(sizeof(VhostUserMemRegMsg) == 40, "MEMREG is 40 bytes");

typedef struct VhostUserLog {
    uint64_t mmap_size;
    uint64_t mmap_offset;
} VhostUserLog;
static_assert(sizeof(VhostUserLog) == 16, "LOG is 16 bytes");

typedef struct VhostUserConfig {
    uint32_t offset;
    uint32_t size;
    uint32_t flags;
    uint8_t region[VHOST_USER_MAX_CONFIG_SIZE];
} VhostUserConfig;
static_assert(sizeof(VhostUserConfig) == 12 + 256, "CONFIG is 12 + n bytes, n <= 256");

typedef struct VhostUserVringArea {
    uint64_t u64;
    uint64_t size;
    uint64_t offset;
} VhostUserVringArea;
static_assert(sizeof(VhostUserVringArea) == 24, "AREA is 24 bytes");

typedef struct VhostUserInflight {
    uint64_t mmap_size;
    uint64_t mmap_offset;
    uint16_t num_queues;
    uint16_t queue_size;
} VhostUserInflight;
static_assert(sizeof(VhostUserInflight) == 24, "INFLIGHT is 24 bytes with its padding");

typedef struct VhostUserShared {
    unsigned char uuid[UUID_LEN];
} VhostUserShared;
static_assert(sizeof(VhostUserShared) == 16, "SHARED is 16 bytes");

/* IOTLB: the kernel's structure; perm is a mask of VHOST_ACCESS_*, type one of VHOST_IOTLB_*. */
static_assert(sizeof(struct vhost_iotlb_msg) == 32, "IOTLB is 32 bytes");
static_assert(offsetof(struct vhost_iotlb_msg, perm) == 24, "perm comes before type");

#define VHOST_USER_MAX_CIPHER_KEY_LEN 64
#define VHOST_USER_MAX_AUTH_KEY_LEN   512
#define VHOST_USER_MAX_ASYM_KEY_LEN   1024

/*
 * A session's parameters. The numbers are virtio-crypto's; the "pointer" fields are the front-end's
 * own, mean nothing here and must not be used: the keys lie behind.
 */
typedef struct VhostUserCryptoSym {
    uint32_t cipher_alg;
    uint32_t cipher_key_len;
    uint32_t hash_alg;
    uint32_t hash_result_len;
    uint32_t auth_key_len;
    uint32_t aad_len;
    uint8_t op_type;
    uint8_t direction;
    uint8_t hash_mode;
    uint8_t alg_chain_order;
    uint8_t padding[4];
    uint64_t pointer[2];
    uint8_t cipher_key[VHOST_USER_MAX_CIPHER_KEY_LEN];
    uint8_t auth_key[VHOST_USER_MAX_AUTH_KEY_LEN];
} VhostUserCryptoSym;

typedef struct VhostUserCryptoAsym {
    uint32_t algo;
    uint32_t key_type;
    uint32_t key_len;
    uint32_t rsa_padding;
    uint32_t rsa_hash;
    uint8_t padding[4];
    uint64_t pointer;
    uint8_t key[VHOST_USER_MAX_ASYM_KEY_LEN];
} VhostUserCryptoAsym;

typedef struct VhostUserCryptoSession {
    uint64_t op_code; /* VIRTIO_CRYPTO_*_CREATE_SESSION: tells which of the two it is */
    union {
        VhostUserCryptoSym sym;
        VhostUserCryptoAsym asym;
    } u;
    int64_t session_id; /* in the reply: the new session, or negative */
} VhostUserCryptoSession;
static_assert(offsetof(VhostUserCryptoSession, u.sym.cipher_key) == 56, "the cipher key is at 56");
static_assert(offsetof(VhostUserCryptoSession, u.sym.auth_key) == 120, "the auth key is at 120");
static_assert(offsetof(VhostUserCryptoSession, u.asym.key) == 40, "the asymmetric key is at 40");
static_assert(offsetof(VhostUserCryptoSession, session_id) == 1064, "the session id is at 1064");
static_assert(sizeof(VhostUserCryptoSession) == 1072, "CRYPTO is 1072 bytes");

typedef enum VhostUserTransferDirection {
    VHOST_USER_TRANSFER_SAVE = 0, /* the back-end writes its state */
    VHOST_USER_TRANSFER_LOAD = 1, /* the back-end reads it */
    VHOST_USER_TRANSFER_DIRECTION__MAX,
} VhostUserTransferDirection;

typedef enum VhostUserTransferPhase {
    VHOST_USER_TRANSFER_STOPPED = 0, /* all rings are stopped */
    VHOST_USER_TRANSFER_PHASE__MAX,
} VhostUserTransferPhase;

typedef struct VhostUserTransferState {
    uint32_t direction; /* VhostUserTransferDirection */
    uint32_t phase;     /* VhostUserTransferPhase */
} VhostUserTransferState;
static_assert(sizeof(VhostUserTransferState) == 8, "DEVSTATE is 8 bytes");

/* The u64 that answers SET_DEVICE_STATE_FD: an error number, and "no descriptor comes with this".
 */
#define VHOST_USER_STATE_ERROR_MASK 0xffu
#define VHOST_USER_STATE_NOFD_MASK  (0x1u << 8)

#define VHOST_USER_MMAP_RW (0x1ull << 0) /* mapped for reading and writing; else reading only */

typedef struct VhostUserMMap {
    uint8_t shmid;
    uint8_t padding[7];
    uint64_t fd_offset;
    uint64_t shm_offset;
    uint64_t len;
    uint64_t flags; /* VHOST_USER_MMAP_* */
} VhostUserMMap;
static_assert(offsetof(VhostUserMMap, fd_offset) == 8, "MMAP has a head of 8 bytes");
static_assert(sizeof(VhostUserMMap) == 40, "MMAP is 40 bytes");

#define VHOST_USER_MAX_SHMEM_REGIONS 256

typedef struct VhostUserShMemConfig {
    uint32_t nregions; /* how many sizes are not 0 */
    uint32_t padding;
    uint64_t size[VHOST_USER_MAX_SHMEM_REGIONS]; /* bytes, by shmid; multiples of the page size */
} VhostUserShMemConfig;
static_assert(sizeof(VhostUserShMemConfig) == 2056, "SHMCFG is 2056 bytes");

#define VHOST_USER_MAC_LEN 6

static_assert(sizeof(struct vhost_vring_state) == 8, "STATE is 8 bytes");
static_assert(sizeof(struct vhost_vring_addr) == 40, "ADDR is 40 bytes");
static_assert(offsetof(struct vhost_vring_addr, used_user_addr) == 16, "used comes before avail");

#define VHOST_USER_VERSION_MASK    0x3u
#define VHOST_USER_REPLY_MASK      (0x1u << 2)
#define VHOST_USER_NEED_REPLY_MASK (0x1u << 3)

/* SET_VRING_KICK, _CALL, _ERR: queue number, and "no descriptor comes with this". */
#define VHOST_USER_VRING_IDX_MASK  0xffu
#define VHOST_USER_VRING_NOFD_MASK (0x1u << 8)

/* SET_VRING_ENDIAN */
#define VHOST_USER_VRING_LITTLE_ENDIAN 0
#define VHOST_USER_VRING_BIG_ENDIAN    1

#define VU_PACKED __attribute__((packed))

/* One message. Everything up to payload + size is on the wire, the rest is ours. */
typedef struct VhostUserMsg {
    int request;
    uint32_t flags;
    uint32_t size; /* bytes of payload */
    union {
        uint64_t u64;
        struct vhost_vring_state state;
        struct vhost_vring_addr addr;
        VhostUserMemory memory;
        VhostUserMemRegMsg memreg;
        VhostUserLog log;
        VhostUserConfig config;
        VhostUserVringArea area;
        VhostUserInflight inflight;
        VhostUserShared object;
        struct vhost_iotlb_msg iotlb;
        VhostUserCryptoSession session;
        VhostUserTransferState transfer;
        VhostUserMMap mmap;
        VhostUserShMemConfig shmem; /* replies only */
    } payload;
    int fds[VHOST_MEMORY_BASELINE_NREGIONS]; /* -1 where one was taken out */
    int fd_num;
    uint8_t *data; /* a reply whose payload lies elsewhere; NULL: it is in payload */
} VU_PACKED VhostUserMsg;

#define VHOST_USER_HDR_SIZE offsetof(VhostUserMsg, payload)
static_assert(VHOST_USER_HDR_SIZE == 12, "the header is 12 bytes");
static_assert(offsetof(VhostUserMsg, fds) == 12 + 2056, "the largest payload is 2056 bytes");

#endif /* VU_PROTOCOL_H */
