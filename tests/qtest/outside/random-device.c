/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole device on nothing but an installed libvhost-user, in C and in C++: a random number
 * generator (virtio 1.2, section 5.4). usage: random-device DESCRIPTOR, of a connected socket.
 */
#include <libvhost-user.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAX_WATCHES 8

typedef struct Watch {
    int fd; /* -1: the place is free */
    short condition;
    vu_watch_cb cb;
    void *data;
} Watch;

static Watch watches[MAX_WATCHES];

static void forget(VuDev *dev, int fd)
{
    (void)dev;
    for (int i = 0; i < MAX_WATCHES; i++) {
        if (watches[i].fd == fd) {
            watches[i].fd = -1;
        }
    }
}

static void watch(VuDev *dev, int fd, int condition, vu_watch_cb cb, void *data)
{
    forget(dev, fd);
    for (int i = 0; i < MAX_WATCHES; i++) {
        if (watches[i].fd < 0) {
            watches[i].fd = fd;
            watches[i].condition = (short)condition;
            watches[i].cb = cb;
            watches[i].data = data;
            return;
        }
    }
}

static void give_up(VuDev *dev, const char *why)
{
    (void)dev;
    fprintf(stderr, "random-device: %s\n", why);
}

static unsigned int fill(const VuVirtqElement *elem)
{
    size_t total = 0;

    for (unsigned int i = 0; i < elem->in_num; i++) {
        ssize_t got = getrandom(elem->in_sg[i].iov_base, elem->in_sg[i].iov_len, 0);

        total += got > 0 ? (size_t)got : 0;
        if (got < 0 || (size_t)got < elem->in_sg[i].iov_len) {
            break;
        }
    }
    return (unsigned int)total;
}

static void handle_queue(VuDev *dev, int qidx)
{
    VuVirtq *vq = vu_get_queue(dev, qidx);
    VuVirtqElement *elem;

    while ((elem = (VuVirtqElement *)vu_queue_pop(dev, vq, sizeof(VuVirtqElement)))) {
        vu_queue_push(dev, vq, elem, fill(elem));
        free(elem);
    }
    vu_queue_notify(dev, vq);
}

static void set_started(VuDev *dev, int qidx, bool started)
{
    vu_set_queue_handler(dev, vu_get_queue(dev, qidx), started ? handle_queue : NULL);
}

/* Waits for something to do and does it. Returns: false when the front-end has gone. */
static bool turn(VuDev *dev)
{
    struct pollfd fds[1 + MAX_WATCHES];

    fds[0].fd = dev->sock;
    fds[0].events = POLLIN;
    for (int i = 0; i < MAX_WATCHES; i++) {
        fds[1 + i].fd = watches[i].fd;
        fds[1 + i].events = watches[i].condition;
    }
    if (poll(fds, 1 + MAX_WATCHES, -1) < 0) {
        return false;
    }
    for (int i = 0; i < MAX_WATCHES; i++) {
        /* One that was called may have ended the watch of another. */
        if (fds[1 + i].fd >= 0 && fds[1 + i].revents && watches[i].fd == fds[1 + i].fd) {
            watches[i].cb(dev, fds[1 + i].revents, watches[i].data);
        }
    }
    return !fds[0].revents || vu_dispatch(dev);
}

int main(int argc, char **argv)
{
    static VuDevIface iface;
    static VuDev dev;

    if (argc != 2) {
        fprintf(stderr, "usage: random-device DESCRIPTOR\n");
        return 1;
    }
    for (int i = 0; i < MAX_WATCHES; i++) {
        watches[i].fd = -1;
    }
    iface.queue_set_started = set_started;
    if (!vu_init(&dev, 1, atoi(argv[1]), give_up, NULL, watch, forget, &iface)) {
        return 1;
    }
    while (turn(&dev)) {
    }
    vu_deinit(&dev);
    return 0;
}
