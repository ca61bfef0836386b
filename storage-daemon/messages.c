/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where messages go once the program serves: files, the system log, standard error.
 *
 * Theory of operation: each target has a queue and a thread that empties it, for a pipe may be full
 * because nobody reads it, a disk may hang, and the system log may be stopped; none of that may
 * hold up a guest's disk, or the other targets. A full queue loses messages, which are counted, and
 * the count is written as soon as there is room. Until messages_start(), messages are written to
 * standard error by whoever has one, so that the caller sees why a start fails; and so they are for
 * ever if standard error is a regular file or nothing at all.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/stat.h>
#include <syslog.h>
#include "messages.h"
#include "qapi/qapi-visit-control.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"

/* What waits for one target at most. */
#define QUEUE_MAX_BYTES (64 * 1024)
#define FLUSH_MS        1000

typedef struct Message {
    MessageLevel level;
    char *time; /* of when it was written */
    char *text; /* without a newline at its end */
} Message;

typedef struct Target {
    LogTarget kind;
    char *path; /* of a file: absolute, the working folder changes */
    LogLevel level;
    int fd;
    bool journal; /* standard error is the journal, which takes levels */

    QemuMutex lock;
    QemuCond changed;
    GQueue queue; /* of Message; under the lock, like the others */
    size_t bytes;
    uint64_t lost;
    bool busy; /* the thread has taken one that is not written yet */
} Target;

static GPtrArray *targets;

static const int syslog_levels[] = {
    [MESSAGE_ERROR] = LOG_ERR,
    [MESSAGE_WARNING] = LOG_WARNING,
    [MESSAGE_INFO] = LOG_INFO,
    [MESSAGE_TRACE] = LOG_DEBUG,
};

static const char *const level_names[] = {
    [MESSAGE_ERROR] = "error",
    [MESSAGE_WARNING] = "warning",
    [MESSAGE_INFO] = "info",
    [MESSAGE_TRACE] = "trace",
};

static void message_free(Message *m)
{
    g_free(m->time);
    g_free(m->text);
    g_free(m);
}

static Target *target_add(LogTarget kind, const char *path, LogLevel level)
{
    Target *t = g_new0(Target, 1);

    t->kind = kind;
    t->path = path ? g_canonicalize_filename(path, NULL) : NULL;
    t->level = level;
    t->fd = kind == LOG_TARGET_STDERR ? STDERR_FILENO : -1;
    qemu_mutex_init(&t->lock);
    qemu_cond_init(&t->changed);
    g_queue_init(&t->queue);
    if (!targets) {
        targets = g_ptr_array_new();
    }
    g_ptr_array_add(targets, t);
    return t;
}

bool messages_log_to_file(const char *path, Error **errp)
{
    if (!*path) {
        error_setg(errp, "The name of the log file is empty");
        return false;
    }
    target_add(LOG_TARGET_FILE, path, LOG_LEVEL_INFO);
    return true;
}

bool messages_parse_log(const char *arg, Error **errp)
{
    Visitor *v = qobject_input_visitor_new_str(arg, "target", errp);
    g_autoptr(LogOptions) o = NULL;

    if (!v) {
        return false;
    }
    visit_type_LogOptions(v, NULL, &o, errp);
    visit_free(v);
    if (!o) {
        return false;
    }
    if (o->target == LOG_TARGET_FILE && (!o->file || !*o->file)) {
        error_setg(errp, "Parameter 'file' is %s: target=file needs a name",
                   o->file ? "empty" : "missing");
        return false;
    }
    if (o->target != LOG_TARGET_FILE && o->file) {
        error_setg(errp, "Parameter 'file' belongs to target=file, and to nothing else");
        return false;
    }
    target_add(o->target, o->file, o->has_level ? o->level : LOG_LEVEL_INFO);
    return true;
}

bool messages_parse_msg(const char *arg, Error **errp)
{
    /* QEMU takes the name alone, too. */
    Visitor *v =
        qobject_input_visitor_new_str(strcmp(arg, "timestamp") ? arg : "timestamp=on", NULL, errp);
    g_autoptr(MessageOptions) o = NULL;

    if (!v) {
        return false;
    }
    visit_type_MessageOptions(v, NULL, &o, errp);
    visit_free(v);
    if (o && o->has_timestamp) {
        message_with_timestamp = o->timestamp;
    }
    return o;
}

/* Where a log cannot be written there is nobody to tell. */
static void write_all(int fd, const char *text, size_t len)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };

    while (len) {
        ssize_t n = RETRY_ON_EINTR(write(fd, text, len));

        if (n < 0 && errno == EAGAIN) {
            /* Whoever shares standard error may have made it so. */
            poll(&pfd, 1, -1);
        } else if (n <= 0) {
            return;
        } else {
            text += n;
            len -= n;
        }
    }
}

static void write_line(const Target *t, const Message *m)
{
    g_autofree char *line = NULL;

    if (t->kind == LOG_TARGET_FILE) {
        line = g_strdup_printf("%s %s: %s\n", m->time, level_names[m->level], m->text);
    } else if (t->journal) {
        line = g_strdup_printf("<%d>%s\n", syslog_levels[m->level], m->text);
    } else {
        line = g_strdup_printf("%s%s%s\n", message_with_timestamp ? m->time : "",
                               message_with_timestamp ? " " : "", m->text);
    }
    write_all(t->fd, line, strlen(line));
}

static void target_write(const Target *t, const Message *m)
{
    if (t->kind == LOG_TARGET_SYSLOG) {
        syslog(syslog_levels[m->level], "%s", m->text);
    } else {
        write_line(t, m);
    }
}

static Message *message_new(MessageLevel level, const char *text, size_t len)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    Message *m = g_new(Message, 1);
    g_autofree char *second = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

    m->level = level;
    m->time = g_strdup_printf("%s.%06dZ", second, g_date_time_get_microsecond(now));
    m->text = g_strndup(text, len);
    return m;
}

/* The next one, with the lock held: how many were lost comes before what came after them. */
static Message *take_next(Target *t)
{
    Message *m;

    if (t->lost && g_queue_is_empty(&t->queue)) {
        g_autofree char *text = g_strdup_printf("%s: warning: %" PRIu64 " messages were lost here",
                                                error_get_progname(), t->lost);

        t->lost = 0;
        return message_new(MESSAGE_WARNING, text, strlen(text));
    }
    m = g_queue_pop_head(&t->queue);
    if (m) {
        t->bytes -= strlen(m->text);
    }
    return m;
}

static void *target_run(void *opaque)
{
    Target *t = opaque;
    Message *m;

    qemu_mutex_lock(&t->lock);
    for (;;) {
        m = take_next(t);
        t->busy = m;
        if (!m) {
            qemu_cond_broadcast(&t->changed);
            qemu_cond_wait(&t->changed, &t->lock);
            continue;
        }
        qemu_mutex_unlock(&t->lock);
        target_write(t, m);
        message_free(m);
        qemu_mutex_lock(&t->lock);
    }
    return NULL;
}

/* A queue in which something was lost is emptied, and that told, before it takes anything again. */
static void target_put(Target *t, MessageLevel level, const char *text, size_t len)
{
    if ((int)level > (int)t->level && level != MESSAGE_TRACE) {
        return;
    }
    QEMU_LOCK_GUARD(&t->lock);
    if (t->lost || t->bytes + len > QUEUE_MAX_BYTES) {
        t->lost++;
        return;
    }
    g_queue_push_tail(&t->queue, message_new(level, text, len));
    t->bytes += len;
    qemu_cond_broadcast(&t->changed);
}

static void put_message(MessageLevel level, const char *text)
{
    size_t len = strlen(text);

    len -= len && text[len - 1] == '\n';
    for (guint i = 0; i < targets->len; i++) {
        target_put(targets->pdata[i], level, text, len);
    }
}

static bool never_blocks(int fd)
{
    struct stat st, null;

    return fstat(fd, &st) < 0 || S_ISREG(st.st_mode) ||
           (S_ISCHR(st.st_mode) && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev);
}

/* systemd says which file the journal reads, for standard error may lead elsewhere by now. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    g_autofree char *ours = NULL;
    struct stat st;

    if (!stream || fstat(fd, &st) < 0) {
        return false;
    }
    ours = g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return !strcmp(stream, ours);
}

static bool target_open(Target *t, Error **errp)
{
    if (t->kind == LOG_TARGET_SYSLOG) {
        openlog(error_get_progname(), LOG_PID | LOG_NDELAY, LOG_DAEMON);
    } else if (t->kind == LOG_TARGET_STDERR) {
        t->journal = is_journal(t->fd);
    } else {
        t->fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (t->fd < 0) {
            error_setg_errno(errp, errno, "Could not open log file '%s'", t->path);
            return false;
        }
    }
    return true;
}

bool messages_start(bool daemonized, Error **errp)
{
    if (!targets) {
        if (!daemonized && never_blocks(STDERR_FILENO)) {
            return true;
        }
        target_add(daemonized ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR, NULL, LOG_LEVEL_INFO);
    }
    for (guint i = 0; i < targets->len; i++) {
        if (!target_open(targets->pdata[i], errp)) {
            return false;
        }
    }
    for (guint i = 0; i < targets->len; i++) {
        QemuThread thread;

        qemu_thread_create(&thread, "messages", target_run, targets->pdata[i],
                           QEMU_THREAD_DETACHED);
    }
    return true;
}

void messages_take_over(void)
{
    if (targets) {
        error_set_sink(put_message, messages_flush);
    }
}

void messages_flush(void)
{
    int64_t deadline = g_get_monotonic_time() + FLUSH_MS * 1000;

    for (guint i = 0; targets && i < targets->len; i++) {
        Target *t = targets->pdata[i];

        QEMU_LOCK_GUARD(&t->lock);
        while ((t->busy || t->lost || !g_queue_is_empty(&t->queue))) {
            int64_t left = deadline - g_get_monotonic_time();

            if (left < 1000 || !qemu_cond_timedwait(&t->changed, &t->lock, left / 1000)) {
                break;
            }
        }
    }
}
