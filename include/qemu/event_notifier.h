/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flag that a poll loop can wait for: an eventfd, or a pipe where there is none.
 *
 * event_notifier_set() may be called from any thread and from signal handlers.
 */
#ifndef QEMU_EVENT_NOTIFIER_H
#define QEMU_EVENT_NOTIFIER_H

struct EventNotifier {
    int rfd;
    int wfd;
    bool initialized;
};

typedef void EventNotifierHandler(EventNotifier *);

/* Made set when @active is not 0. 0, or -errno. */
int event_notifier_init(EventNotifier *e, int active);
/* Legal for one that was never initialised but is zero. */
void event_notifier_cleanup(EventNotifier *e);
/* 0, or -errno; setting one that is set already succeeds. */
int event_notifier_set(EventNotifier *e);
/* Clears it; whether it was set. */
int event_notifier_test_and_clear(EventNotifier *e);
/* A notifier on an existing eventfd, which stays the caller's. */
void event_notifier_init_fd(EventNotifier *e, int fd);
/* The descriptors to wait on and to write to. */
int event_notifier_get_fd(const EventNotifier *e);
int event_notifier_get_wfd(const EventNotifier *e);

#endif
