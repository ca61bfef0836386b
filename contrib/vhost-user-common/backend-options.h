/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that every back-end program has. */
#ifndef BACKEND_OPTIONS_H
#define BACKEND_OPTIONS_H

#include "vhost-user-backend.h"

#define VU_BACKEND_MAX_THREADS 64

typedef struct VuBackendOptions {
    char *socket_path; /* NULL: an inherited descriptor */
    int fd;            /* -1: none */
    int threads;       /* 0: everything in the main thread */
    int *queue_map;    /* the thread of each queue; NULL: not said */
    bool connect;      /* to a listening front-end */
    bool once;         /* end when the first front-end has left */
} VuBackendOptions;

typedef enum VuBackendAction {
    VU_BACKEND_SERVE,
    VU_BACKEND_EXIT, /* all that was asked for has been printed */
    VU_BACKEND_ACTION__MAX,
} VuBackendAction;

/**
 * vu_backend_options_parse: look at @argv.
 * @ret_options: to be freed by vu_backend_options_free()
 * Returns: false with @errp set, naming the option and the value.
 */
bool vu_backend_options_parse(int argc, char **argv, const VuBackendClass *cls,
                              VuBackendOptions **ret_options, VuBackendAction *ret_action,
                              Error **errp);
void vu_backend_options_free(VuBackendOptions *options);

#endif
