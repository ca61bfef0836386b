/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a graphics device says to the display. The front-end's answers are written beforehand.
 */
#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "harness.h"
#include "vu-gpu.h"

typedef struct Display {
    int sock;   /* the device's end */
    int screen; /* the front-end's */
} Display;

static Display display_new(void)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==, 0);
    return (Display){ sv[0], sv[1] };
}

static void display_free(Display *d)
{
    close(d->sock);
    close(d->screen);
}

/* A message must come with exactly @size bytes; returns its descriptor or -1. */
static int expect(Display *d, uint32_t request, void *payload, uint32_t size)
{
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = { 0 };
    VuGpuHeader head;
    struct iovec iov = { &head, sizeof(head) };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    int fd = -1;

    g_assert_cmpint(recvmsg(d->screen, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC), ==, sizeof(head));
    if (CMSG_FIRSTHDR(&mh)) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
    }
    g_assert_cmpuint(head.request, ==, request);
    g_assert_cmphex(head.flags, ==, 0);
    g_assert_cmpuint(head.size, ==, size);
    if (size > 0) {
        g_assert_cmpint(recv(d->screen, payload, size, MSG_WAITALL), ==, size);
    }
    return fd;
}

static void answer(Display *d, uint32_t request, const void *payload, uint32_t size)
{
    VuGpuHeader head = { request, VU_GPU_REPLY_MASK, size };

    g_assert_cmpint(send(d->screen, &head, sizeof(head), MSG_NOSIGNAL), ==, sizeof(head));
    if (size > 0) {
        g_assert_cmpint(send(d->screen, payload, size, MSG_NOSIGNAL), ==, size);
    }
}

static void test_features_are_agreed_on(void)
{
    Display d = display_new();
    uint64_t offered = 3, got = 0;

    answer(&d, VU_GPU_GET_PROTOCOL_FEATURES, &offered, sizeof(offered));
    g_assert_cmpint(vu_gpu_get_protocol_features(d.sock, &got), ==, 0);
    g_assert_cmphex(got, ==, 3);
    expect(&d, VU_GPU_GET_PROTOCOL_FEATURES, NULL, 0);
    g_assert_cmpint(vu_gpu_set_protocol_features(d.sock, 1), ==, 0);
    expect(&d, VU_GPU_SET_PROTOCOL_FEATURES, &got, sizeof(got));
    g_assert_cmphex(got, ==, 1);
    display_free(&d);
}

static void test_display_is_described(void)
{
    Display d = display_new();
    struct virtio_gpu_resp_display_info info = { .pmodes[15] = { .r = { .width = 800 } } }, got;
    struct virtio_gpu_resp_edid edid = { .size = GUINT32_TO_LE(128), .edid[1023] = 9 }, got_edid;
    uint32_t scanout;

    G_STATIC_ASSERT(sizeof(info) == 408);
    G_STATIC_ASSERT(sizeof(edid) == 1056);
    answer(&d, VU_GPU_GET_DISPLAY_INFO, &info, sizeof(info));
    g_assert_cmpint(vu_gpu_get_display_info(d.sock, &got), ==, 0);
    g_assert_cmpmem(&got, sizeof(got), &info, sizeof(info));
    expect(&d, VU_GPU_GET_DISPLAY_INFO, NULL, 0);
    answer(&d, VU_GPU_GET_EDID, &edid, sizeof(edid));
    g_assert_cmpint(vu_gpu_get_edid(d.sock, 7, &got_edid), ==, 0);
    g_assert_cmpmem(&got_edid, sizeof(got_edid), &edid, sizeof(edid));
    expect(&d, VU_GPU_GET_EDID, &scanout, sizeof(scanout));
    g_assert_cmpuint(scanout, ==, 7);
    display_free(&d);
}

static void test_cursor_is_shown(void)
{
    Display d = display_new();
    const VuGpuCursorPos pos = { 1, 20, 30 };
    g_autofree VuGpuCursor *cursor = g_new0(VuGpuCursor, 1), *got = g_new0(VuGpuCursor, 1);
    VuGpuCursorPos got_pos;

    g_assert_cmpint(vu_gpu_cursor_pos(d.sock, &pos), ==, 0);
    expect(&d, VU_GPU_CURSOR_POS, &got_pos, 12);
    g_assert_cmpmem(&got_pos, 12, &pos, 12);
    g_assert_cmpint(vu_gpu_cursor_pos_hide(d.sock, &pos), ==, 0);
    expect(&d, VU_GPU_CURSOR_POS_HIDE, &got_pos, 12);
    cursor->hot_x = 5;
    cursor->pixels[64 * 64 - 1] = 0x80ff00ff;
    g_assert_cmpint(vu_gpu_cursor_update(d.sock, cursor), ==, 0);
    expect(&d, VU_GPU_CURSOR_UPDATE, got, 16404);
    g_assert_cmpmem(got, sizeof(*got), cursor, sizeof(*cursor));
    display_free(&d);
}

static void test_pixels_are_shown(void)
{
    Display d = display_new();
    const VuGpuScanout scanout = { 0, 640, 480 };
    const VuGpuArea area = { 0, 1, 2, 3, 2 }, huge = { .width = 1 << 16, .height = 1 << 14 };
    const uint32_t pixels[6] = { 1, 2, 3, 4, 5, 6 };
    uint8_t got[20 + sizeof(pixels)];

    g_assert_cmpint(vu_gpu_scanout(d.sock, &scanout), ==, 0);
    expect(&d, VU_GPU_SCANOUT, got, 12);
    g_assert_cmpmem(got, 12, &scanout, 12);
    g_assert_cmpint(vu_gpu_update(d.sock, &area, pixels), ==, 0);
    expect(&d, VU_GPU_UPDATE, got, sizeof(got));
    g_assert_cmpmem(got, 20, &area, 20);
    g_assert_cmpmem(got + 20, sizeof(pixels), pixels, sizeof(pixels));
    g_assert_cmpint(vu_gpu_update(d.sock, &huge, pixels), ==, -EINVAL);
    display_free(&d);
}

typedef struct Reader {
    Display *d;
    uint8_t *bytes;
    uint32_t size;
} Reader;

static gpointer read_update(gpointer opaque)
{
    Reader *r = opaque;

    expect(r->d, VU_GPU_UPDATE, r->bytes, r->size);
    return NULL;
}

/* More than the socket takes at once, also when its owner has made it non-blocking. */
static void test_large_update_goes_in_pieces(void)
{
    Display d = display_new();
    const VuGpuArea area = { 0, 0, 0, 1024, 1024 };
    const size_t bytes = 4u << 20;
    g_autofree uint8_t *pixels = g_malloc(bytes), *got = g_malloc(20 + bytes);
    Reader reader = { &d, got, 20 + bytes };
    GThread *thread;

    for (size_t i = 0; i < bytes; i++) {
        pixels[i] = i * 7 >> 3;
    }
    g_assert_cmpint(fcntl(d.sock, F_SETFL, O_NONBLOCK), ==, 0);
    thread = g_thread_new("screen", read_update, &reader);
    g_assert_cmpint(vu_gpu_update(d.sock, &area, pixels), ==, 0);
    g_thread_join(thread);
    g_assert_true(memcmp(got + 20, pixels, bytes) == 0);
    display_free(&d);
}

static void test_dmabuf_is_shown(void)
{
    Display d = display_new();
    const VuGpuDmabuf dmabuf = { .area = { .width = 64 },
                                 .fd_stride = 256,
                                 .fd_fourcc = 0x34325258 };
    const VuGpuDmabuf nothing = { 0 };
    int sent = eventfd(0, EFD_CLOEXEC), fd;
    uint8_t got[48];
    uint64_t modifier;

    g_assert_cmpint(vu_gpu_dmabuf_scanout(d.sock, &dmabuf, sent), ==, 0);
    fd = expect(&d, VU_GPU_DMABUF_SCANOUT, got, 40);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpmem(got, 40, &dmabuf, 40);
    g_assert_cmpint(vu_gpu_dmabuf_scanout(d.sock, &nothing, -1), ==, 0);
    g_assert_cmpint(expect(&d, VU_GPU_DMABUF_SCANOUT, got, 40), ==, -1);
    g_assert_cmpint(vu_gpu_dmabuf_scanout2(d.sock, &dmabuf, 0x123456789, sent), ==, 0);
    close(expect(&d, VU_GPU_DMABUF_SCANOUT2, got, 48));
    memcpy(&modifier, got + 40, sizeof(modifier));
    g_assert_cmphex(modifier, ==, 0x123456789);
    answer(&d, VU_GPU_DMABUF_UPDATE, NULL, 0);
    g_assert_cmpint(vu_gpu_dmabuf_update(d.sock, &dmabuf.area), ==, 0);
    expect(&d, VU_GPU_DMABUF_UPDATE, got, 20);
    close(sent);
    display_free(&d);
}

static void test_wrong_answer_is_an_error(void)
{
    const uint32_t no_reply[5] = { VU_GPU_GET_PROTOCOL_FEATURES, 0, 8, 1, 0 };
    uint64_t value = 1;

    for (int i = 0; i < 4; i++) {
        Display d = display_new();

        if (i == 0) {
            answer(&d, VU_GPU_GET_EDID, &value, sizeof(value));
        } else if (i == 1) {
            answer(&d, VU_GPU_GET_PROTOCOL_FEATURES, &value, 4);
        } else if (i == 2) {
            g_assert_cmpint(send(d.screen, no_reply, sizeof(no_reply), 0), ==, sizeof(no_reply));
        } else {
            shutdown(d.screen, SHUT_WR);
        }
        g_assert_cmpint(vu_gpu_get_protocol_features(d.sock, &value), ==, i < 3 ? -EPROTO : -EPIPE);
        display_free(&d);
    }
}

static void test_display_that_is_gone_is_an_error(void)
{
    Display d = display_new();

    shutdown(d.screen, SHUT_RDWR);
    g_assert_cmpint(vu_gpu_set_protocol_features(d.sock, 0), ==, -EPIPE);
    display_free(&d);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-gpu/features_are_agreed_on", test_features_are_agreed_on);
    harness_add("/vu-gpu/display_is_described", test_display_is_described);
    harness_add("/vu-gpu/cursor_is_shown", test_cursor_is_shown);
    harness_add("/vu-gpu/pixels_are_shown", test_pixels_are_shown);
    harness_add("/vu-gpu/large_update_goes_in_pieces", test_large_update_goes_in_pieces);
    harness_add("/vu-gpu/dmabuf_is_shown", test_dmabuf_is_shown);
    harness_add("/vu-gpu/wrong_answer_is_an_error", test_wrong_answer_is_an_error);
    harness_add("/vu-gpu/display_that_is_gone_is_an_error", test_display_that_is_gone_is_an_error);
    return harness_run();
}
