/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving rights away before anybody is served.
 *
 * Theory of operation: --sandbox is looked at in the first pass, because half of it has to be done
 * before there are threads. sandbox_begin() confines the process, and so all threads and rings to
 * come, to the files that the command line names: Landlock, io_uring restrictions, no new
 * privileges. sandbox_enter(), when all options have been carried out and nobody has been served
 * yet, installs a filter of system calls in all threads at once: seccomp. Neither can be undone.
 * What is forbidden fails with an error; it kills nothing.
 */
#ifndef STORAGE_DAEMON_SANDBOX_H
#define STORAGE_DAEMON_SANDBOX_H

#include "qapi/error.h"

/* sandbox_parse: take the argument of --sandbox. Main thread, before sandbox_begin(). */
bool sandbox_parse(const char *arg, Error **errp);

/*
 * sandbox_note_option: option @name has the argument @arg: the files that it names are to be
 * usable. What cannot be understood is left for the option itself to complain about.
 */
void sandbox_note_option(const char *name, const char *arg);

/*
 * sandbox_begin: confine this thread and those that it will make. Main thread, the only one.
 * Nothing happens if no sandbox is wanted. False: it is wanted and cannot be had.
 */
bool sandbox_begin(Error **errp);

/* sandbox_enter: filter the system calls of all threads. Main thread. As sandbox_begin(). */
bool sandbox_enter(Error **errp);

#endif /* STORAGE_DAEMON_SANDBOX_H */
