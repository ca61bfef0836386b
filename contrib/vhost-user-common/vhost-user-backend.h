/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main program of a stand-alone device back-end: options, threads, connection, life.
 *
 * Theory of operation
 *
 * A device fills in a VuBackendClass, embeds a VuBackend, and calls vu_backend_main(), which
 * follows the back-end program conventions of the vhost-user specification: it parses the options,
 * starts the threads, calls realize(), listens (or connects, or takes an inherited socket), and
 * serves one front-end after the other until SIGTERM or SIGINT, or until the first one has left if
 * it is to serve once. Then it stops serving, calls unrealize(), and joins the threads.
 *
 * Messages of the front-end are obeyed in the main thread. Each queue belongs to one thread, which
 * runs handle_queue() after each kick: without --threads that is the main thread as well. A thread
 * is an AioContext: a device adds descriptors, timers and bottom halves of its own to it, and has
 * a queue handled for their sake by vu_backend_kick_queue().
 *
 * A request that is not completed inside handle_queue() is counted from pop to push by
 * vhost_user_server_inc_in_flight() and _dec_in_flight(), and pushed in its queue's thread.
 */
#ifndef VHOST_USER_BACKEND_H
#define VHOST_USER_BACKEND_H

#include "block/aio.h"
#include "qapi/error.h"
#include "qemu/vhost-user-server.h"

typedef struct VuBackend VuBackend;

/* What the device is; constant. */
typedef struct VuBackendClass {
    const char *type;            /* as --print-capabilities tells it: "rng" */
    const char *const *features; /* likewise, ended by NULL; NULL: none */
    const char *summary;         /* what it is, for --help */
    const GOptionEntry *options; /* its own, ended by an empty entry; NULL: none */
    uint16_t num_queues;
    uint16_t queue_size; /* the largest ring, a power of two; 0: libvhost-user's default */
    VuDevIface iface;    /* called in the main thread */

    /**
     * handle_queue: pop what there is, push what is done, notify. In the queue's thread, after a
     * kick, after each start, and in vu_backend_kick_queue().
     */
    void (*handle_queue)(VuBackend *backend, VuVirtq *vq);
    /**
     * realize: the options are parsed, the threads run, nobody is served. Main thread. NULL: there
     * is nothing to do. False with @errp set ends the program with status 1.
     */
    bool (*realize)(VuBackend *backend, Error **errp);
    /**
     * unrealize: undo it: nobody is served any more, the threads still run. Main thread. What a
     * device has added to a queue's thread it takes away there, by aio_wait_bh_oneshot().
     */
    void (*unrealize)(VuBackend *backend);
    /** queue_thread: which thread serves @queue, unless the user said; NULL: in turn. */
    unsigned int (*queue_thread)(VuBackend *backend, int queue);
} VuBackendClass;

/* One running back-end; zeroed before vu_backend_main(), and good for one call of it. */
struct VuBackend {
    VuServer server;
    const VuBackendClass *cls;
    VuDevIface iface; /* the class's, with ours in front */
    struct VuBackendThreads *threads;
    struct VuBackendOptions *options;
    QEMUTimer *reconnect;
    bool quit; /* main thread */
    int status;
};

/**
 * vu_backend_main: the whole program.
 * @argv: as of main()
 * Returns: the exit status: 0; 1 after a wrong option, or if the device or its socket cannot be had
 */
int vu_backend_main(int argc, char **argv, const VuBackendClass *cls, VuBackend *backend);

/** vu_backend_quit: end the program with @status, soon. Main thread, after realize() has begun. */
void vu_backend_quit(VuBackend *backend, int status);

/** vu_backend_from_dev: the back-end that a VuDevIface callback was called for. Any thread. */
static inline VuBackend *vu_backend_from_dev(VuDev *dev)
{
    return container_of(container_of(dev, VuServer, vu_dev), VuBackend, server);
}

/** vu_backend_queue_context: where @queue is handled; from realize() to unrealize(). Any thread. */
AioContext *vu_backend_queue_context(VuBackend *backend, int queue);

/**
 * vu_backend_kick_queue: run handle_queue() for the sake of something else than a kick: a frame
 * from a network, a timer. Does nothing while no front-end runs the queue: then handle_queue() is
 * called when one does. In the queue's thread, from realize() to unrealize().
 */
void vu_backend_kick_queue(VuBackend *backend, int queue);

#endif
