/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: what a developer asked to see, on stderr or in a file.
 *
 * Lines are written whole, from any thread. Setting mask and file is for the main thread.
 */
#ifndef QEMU_LOG_H
#define QEMU_LOG_H

/* Kinds of lines; QEMU's values for those that exist here. */
#define LOG_UNIMP       (1 << 10)
#define LOG_GUEST_ERROR (1 << 11)

extern int qemu_loglevel;

/* Whether anybody wants lines of the kinds in @mask. */
static inline bool qemu_loglevel_mask(int mask)
{
    return (__atomic_load_n(&qemu_loglevel, __ATOMIC_RELAXED) & mask) != 0;
}

/* Whether lines go to a file of their own. */
bool qemu_log_separate(void);
/* Whether any kind is wanted. */
bool qemu_log_enabled(void);

/* Print (printf text with its newline) if the log is on, or if one of the kinds is wanted. */
void qemu_log(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
#define qemu_log_mask(mask, fmt, ...)             \
    do {                                          \
        if (unlikely(qemu_loglevel_mask(mask))) { \
            qemu_log(fmt, ##__VA_ARGS__);         \
        }                                         \
    } while (0)

/* The stream for several prints in one piece: NULL when the log is off; unlock what lock gave. */
FILE *qemu_log_trylock(void) G_GNUC_WARN_UNUSED_RESULT;
void qemu_log_unlock(FILE *fd);

/*
 * Set the kinds, or the file (NULL: stderr; "%d" becomes the pid), or both. False with @errp when
 * the file cannot be made.
 */
bool qemu_set_log(int log_flags, Error **errp);
bool qemu_set_log_filename(const char *filename, Error **errp);
bool qemu_set_log_filename_flags(const char *name, int flags, Error **errp);
/* Flushes and closes. */
void qemu_log_close(void);

/* A kind by its name on the command line. */
typedef struct QEMULogItem {
    int mask;
    const char *name;
    const char *help;
} QEMULogItem;

extern const QEMULogItem qemu_log_items[];

/* The mask for a list like "guest_errors,unimp", or "all"; 0 when a name is wrong. */
int qemu_str_to_log_mask(const char *str);
void qemu_print_log_usage(FILE *f);

#endif
