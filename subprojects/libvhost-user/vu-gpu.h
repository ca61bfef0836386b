/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a graphics device says to the front-end's display, over the socket of GPU_SET_SOCKET.
 *
 * Here the device asks and the front-end answers (vhost-user-gpu specification). The functions
 * block until the message is sent and, where there is one, its answer is read: call them in a
 * thread of the device's, one at a time for one socket. Each returns 0 or -errno; after any error
 * the socket is out of step and is to be closed. Numbers are in the machine's byte order.
 */
#ifndef VU_GPU_H
#define VU_GPU_H

#include <assert.h>
#include <stdint.h>
#include <linux/virtio_gpu.h>

/* How long an answer may take before the function gives up with -ETIMEDOUT. */
#define VU_GPU_ANSWER_TIMEOUT_MS 5000

enum VuGpuProtocolFeature {
    VU_GPU_PROTOCOL_F_EDID = 0,
    VU_GPU_PROTOCOL_F_DMABUF2 = 1,
};

typedef enum VuGpuRequest {
    VU_GPU_NONE = 0,
    VU_GPU_GET_PROTOCOL_FEATURES = 1,
    VU_GPU_SET_PROTOCOL_FEATURES = 2,
    VU_GPU_GET_DISPLAY_INFO = 3,
    VU_GPU_CURSOR_POS = 4,
    VU_GPU_CURSOR_POS_HIDE = 5,
    VU_GPU_CURSOR_UPDATE = 6,
    VU_GPU_SCANOUT = 7,
    VU_GPU_UPDATE = 8,
    VU_GPU_DMABUF_SCANOUT = 9,
    VU_GPU_DMABUF_UPDATE = 10,
    VU_GPU_GET_EDID = 11,
    VU_GPU_DMABUF_SCANOUT2 = 12,
    VU_GPU__MAX,
} VuGpuRequest;

#define VU_GPU_REPLY_MASK (0x1u << 2)

typedef struct VuGpuHeader {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* bytes of payload */
} VuGpuHeader;
static_assert(sizeof(VuGpuHeader) == 12, "the header is 12 bytes");

typedef struct VuGpuCursorPos {
    uint32_t scanout_id;
    uint32_t x;
    uint32_t y;
} VuGpuCursorPos;

#define VU_GPU_CURSOR_SIDE 64

typedef struct VuGpuCursor {
    VuGpuCursorPos pos;
    uint32_t hot_x;
    uint32_t hot_y;
    uint32_t pixels[VU_GPU_CURSOR_SIDE * VU_GPU_CURSOR_SIDE]; /* a8r8g8b8 */
} VuGpuCursor;
static_assert(sizeof(VuGpuCursor) == 16404, "CURSOR_UPDATE is 16404 bytes");

typedef struct VuGpuScanout {
    uint32_t scanout_id;
    uint32_t width; /* 0 by 0: off */
    uint32_t height;
} VuGpuScanout;

typedef struct VuGpuArea {
    uint32_t scanout_id;
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
} VuGpuArea;
static_assert(sizeof(VuGpuArea) == 20, "UPDATE has a head of 20 bytes");

typedef struct VuGpuDmabuf {
    VuGpuArea area;
    uint32_t fd_width;
    uint32_t fd_height;
    uint32_t fd_stride;
    uint32_t fd_flags;
    int32_t fd_fourcc; /* as DRM_FORMAT_* */
} VuGpuDmabuf;
static_assert(sizeof(VuGpuDmabuf) == 40, "DMABUF_SCANOUT is 40 bytes");

#ifdef __cplusplus
extern "C" {
#endif

/** vu_gpu_get_protocol_features: bits of VuGpuProtocolFeature that the front-end has. */
int vu_gpu_get_protocol_features(int sock, uint64_t *ret_features);
/** vu_gpu_set_protocol_features: those that the device will use. */
int vu_gpu_set_protocol_features(int sock, uint64_t features);
/** vu_gpu_get_display_info: the scanouts, as the guest's driver is to see them. */
int vu_gpu_get_display_info(int sock, struct virtio_gpu_resp_display_info *ret_info);
/** vu_gpu_get_edid: of a scanout; needs VU_GPU_PROTOCOL_F_EDID. */
int vu_gpu_get_edid(int sock, uint32_t scanout_id, struct virtio_gpu_resp_edid *ret_edid);

/** vu_gpu_cursor_pos, vu_gpu_cursor_pos_hide: move the cursor, and show or hide it. */
int vu_gpu_cursor_pos(int sock, const VuGpuCursorPos *pos);
int vu_gpu_cursor_pos_hide(int sock, const VuGpuCursorPos *pos);
/** vu_gpu_cursor_update: another picture of the cursor. */
int vu_gpu_cursor_update(int sock, const VuGpuCursor *cursor);

/** vu_gpu_scanout: the size of a scanout that vu_gpu_update() fills. */
int vu_gpu_scanout(int sock, const VuGpuScanout *scanout);
/**
 * vu_gpu_update: show @pixels, width * height of x8r8g8b8, in @area.
 * -EINVAL: that is more than a message can hold.
 */
int vu_gpu_update(int sock, const VuGpuArea *area, const void *pixels);

/**
 * vu_gpu_dmabuf_scanout: show what lies in @fd, which stays the caller's; -1 with a width of 0
 * shows nothing any more.
 */
int vu_gpu_dmabuf_scanout(int sock, const VuGpuDmabuf *dmabuf, int fd);
/** vu_gpu_dmabuf_scanout2: the same with a format modifier; needs VU_GPU_PROTOCOL_F_DMABUF2. */
int vu_gpu_dmabuf_scanout2(int sock, const VuGpuDmabuf *dmabuf, uint64_t modifier, int fd);
/** vu_gpu_dmabuf_update: show @area of it anew; returns when the front-end has read it. */
int vu_gpu_dmabuf_update(int sock, const VuGpuArea *area);

#ifdef __cplusplus
}
#endif

#endif /* VU_GPU_H */
