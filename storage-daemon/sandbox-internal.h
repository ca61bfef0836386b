/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the sandbox.
 */
#ifndef STORAGE_DAEMON_SANDBOX_INTERNAL_H
#define STORAGE_DAEMON_SANDBOX_INTERNAL_H

#include "qapi/error.h"

/* What may be done with files. */
typedef enum SandboxAccess {
    SANDBOX_READ = 1 << 0,
    SANDBOX_WRITE = 1 << 1,  /* and change its size, and control a device */
    SANDBOX_CREATE = 1 << 2, /* plain files and links, in a folder */
    SANDBOX_REMOVE = 1 << 3,
    SANDBOX_SOCKET = 1 << 4, /* make a socket, look whether one is used, and remove it */
    SANDBOX_ALL = (1 << 5) - 1,
} SandboxAccess;

typedef struct SandboxPath {
    char *path; /* of a folder, with all beneath it, or of a file */
    SandboxAccess access;
} SandboxPath;

/* sandbox_paths_add: note @path itself. What does not exist is left out later. */
void sandbox_paths_add(GArray *paths, const char *path, SandboxAccess access);
/* sandbox_paths_add_option: note what the option @name names in its argument. */
void sandbox_paths_add_option(GArray *paths, const char *name, const char *arg);
/* sandbox_paths_new: an array of SandboxPath that owns its strings. */
GArray *sandbox_paths_new(void);

/*
 * sandbox_paths_resolve: follow the links in each path. sandbox_paths_allow: may what is, or would
 * be, at @path be accessed like that? Any thread.
 */
void sandbox_paths_resolve(GArray *paths);
bool sandbox_paths_allow(const GArray *paths, const char *path, SandboxAccess access);

/* sandbox_uses_network: does the option use sockets other than UNIX sockets? */
bool sandbox_uses_network(const char *name, const char *arg);

/*
 * sandbox_landlock: confine this thread and those that it makes to @paths and what any program
 * needs. A kernel that does not have Landlock gets a warning, and true.
 */
bool sandbox_landlock(const GArray *paths, bool network, Error **errp);

/* sandbox_landlock_active: have files been confined? */
bool sandbox_landlock_active(void);

/* sandbox_seccomp: install the filter in all threads. */
bool sandbox_seccomp(bool network, Error **errp);

#endif /* STORAGE_DAEMON_SANDBOX_INTERNAL_H */
