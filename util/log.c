/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of what a developer asked to see. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"

int qemu_loglevel;

/* Guards the stream: it is replaced only when nobody prints. NULL is stderr. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_file;

const QEMULogItem qemu_log_items[] = {
    { LOG_GUEST_ERROR, "guest_errors", "log when a guest or a client does something invalid" },
    { LOG_UNIMP, "unimp", "log requests for what does not exist here" },
    { 0, NULL, NULL },
};

bool qemu_log_enabled(void)
{
    return qatomic_read(&qemu_loglevel) != 0;
}

bool qemu_log_separate(void)
{
    return qatomic_read(&log_file) != NULL;
}

FILE *qemu_log_trylock(void)
{
    FILE *f;

    if (!qemu_log_enabled()) {
        return NULL;
    }
    pthread_mutex_lock(&log_mutex);
    f = log_file ? log_file : stderr;
    return f;
}

void qemu_log_unlock(FILE *f)
{
    if (f) {
        fflush(f);
        pthread_mutex_unlock(&log_mutex);
    }
}

void qemu_log(const char *fmt, ...)
{
    FILE *f = qemu_log_trylock();
    va_list ap;

    if (f) {
        va_start(ap, fmt);
        vfprintf(f, fmt, ap);
        va_end(ap);
        qemu_log_unlock(f);
    }
}

static void set_log_file(FILE *f)
{
    FILE *old;

    pthread_mutex_lock(&log_mutex);
    old = log_file;
    qatomic_set(&log_file, f);
    pthread_mutex_unlock(&log_mutex);
    if (old) {
        fclose(old);
    }
}

/* "%d", once, becomes the process id; any other % is refused. */
static char *expand_log_name(const char *name, Error **errp)
{
    const char *percent = strchr(name, '%');

    if (!percent) {
        return g_strdup(name);
    }
    if (percent[1] != 'd' || strchr(percent + 1, '%')) {
        error_setg(errp, "Bad logfile template: %s", name);
        return NULL;
    }
    return g_strdup_printf("%.*s%d%s", (int)(percent - name), name, getpid(), percent + 2);
}

bool qemu_set_log(int log_flags, Error **errp)
{
    qatomic_set(&qemu_loglevel, log_flags);
    return true;
}

bool qemu_set_log_filename(const char *filename, Error **errp)
{
    g_autofree char *path = NULL;
    FILE *f = NULL;

    if (filename) {
        path = expand_log_name(filename, errp);
        if (!path) {
            return false;
        }
        f = fopen(path, "we");
        if (!f) {
            error_setg_errno(errp, errno, "Error opening logfile %s", path);
            return false;
        }
    }
    set_log_file(f);
    return true;
}

bool qemu_set_log_filename_flags(const char *name, int flags, Error **errp)
{
    return qemu_set_log_filename(name, errp) && qemu_set_log(flags, errp);
}

void qemu_log_close(void)
{
    set_log_file(NULL);
}

/* The mask of one kind of line; 0 when there is no such kind. */
static int item_mask(const char *name)
{
    int all = 0;

    for (const QEMULogItem *item = qemu_log_items; item->mask; item++) {
        if (g_str_equal(name, item->name)) {
            return item->mask;
        }
        all |= item->mask;
    }
    return g_str_equal(name, "all") ? all : 0;
}

int qemu_str_to_log_mask(const char *str)
{
    g_auto(GStrv) names = g_strsplit(str, ",", 0);
    int mask = 0;

    for (char **name = names; *name; name++) {
        int one = item_mask(*name);

        if (!one) {
            return 0;
        }
        mask |= one;
    }
    return mask;
}

void qemu_print_log_usage(FILE *f)
{
    fprintf(f, "Log items (comma separated):\n");
    for (const QEMULogItem *item = qemu_log_items; item->mask; item++) {
        fprintf(f, "%-15s %s\n", item->name, item->help);
    }
}
