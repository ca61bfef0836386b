/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptors that the program was started with: by these alone somebody outside can mean
 * anything by a number. Ours.
 *
 * A program that does not call inherited_fds_record() accepts any number, any number of times.
 */
#ifndef QEMU_INHERITED_FDS_H
#define QEMU_INHERITED_FDS_H

/**
 * inherited_fds_record: Note what is open, and the names that a service manager gives to the
 * sockets it hands over (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). First thing in main(), before
 * anything is opened.
 */
void inherited_fds_record(void);

/**
 * inherited_fd_find: The descriptor that @text means, a number or a service manager's name; of
 * several with the name the first that nobody has taken.
 *
 * Returns -1 with *errp if it was not inherited or is taken. Any thread.
 */
int inherited_fd_find(const char *text, Error **errp);

/* inherited_fd_take: From now on @fd, and after it its number, is taken for good. Any thread. */
void inherited_fd_take(int fd);

/* inherited_fd_known: Whether @fd was open when the program started. Any thread. */
bool inherited_fd_known(int fd);

/* inherited_fd_free_to_use: Whether @fd may be meant by its number. Any thread. */
bool inherited_fd_free_to_use(int fd);

#endif /* QEMU_INHERITED_FDS_H */
