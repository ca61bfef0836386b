/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on a child process. */
#include "qemu/osdep.h"
#include "io/channel-command.h"
#include "io/channel-util.h"
#include "io/channel-watch.h"
#include "qapi/error.h"

#define REAP_POLL_US 5000
/* How long a child may take to end by itself, then after SIGTERM: in polls. */
#define REAP_POLLS 200

/* A pipe whose ends are close-on-exec; @ours is the index of our end. */
static bool make_pipe(bool wanted, int ours, int *our_end, int *child_end, Error **errp)
{
    int fds[2];

    *our_end = *child_end = -1;
    if (!wanted) {
        return true;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "Unable to create a pipe");
        return false;
    }
    *our_end = fds[ours];
    *child_end = fds[!ours];
    return true;
}

static void close_fd(int *fd)
{
    if (*fd != -1) {
        close(*fd);
        *fd = -1;
    }
}

QIOChannelCommand *qio_channel_command_new_spawn(const char *const argv[], int flags, Error **errp)
{
    g_autoptr(QIOChannelCommand) cioc = QIO_CHANNEL_COMMAND(object_new(TYPE_QIO_CHANNEL_COMMAND));
    GSpawnFlags spawn_flags = G_SPAWN_DO_NOT_REAP_CHILD;
    g_autoptr(GError) gerr = NULL;
    int mode = flags & O_ACCMODE;
    int child_in, child_out = -1;
    bool ok;

    if (mode == O_WRONLY) {
        spawn_flags |= G_SPAWN_STDOUT_TO_DEV_NULL;
    }
    ok = make_pipe(mode != O_RDONLY, 1, &cioc->writefd, &child_in, errp) &&
         make_pipe(mode != O_WRONLY, 0, &cioc->readfd, &child_out, errp);
    if (ok) {
        ok = g_spawn_async_with_fds(NULL, (gchar **)argv, NULL, spawn_flags, NULL, NULL, &cioc->pid,
                                    child_in, child_out, -1, &gerr);
        if (!ok) {
            error_setg(errp, "Unable to start '%s': %s", argv[0], gerr->message);
        }
    }
    close_fd(&child_in);
    close_fd(&child_out);
    return ok ? g_steal_pointer(&cioc) : NULL;
}

static ssize_t command_readv(QIOChannel *ioc, const struct iovec *iov, size_t niov, int **fds,
                             size_t *nfds, int flags, Error **errp)
{
    return qio_channel_util_readv(QIO_CHANNEL_COMMAND(ioc)->readfd, iov, niov, -1, errp);
}

static ssize_t command_writev(QIOChannel *ioc, const struct iovec *iov, size_t niov, int *fds,
                              size_t nfds, int flags, Error **errp)
{
    return qio_channel_util_writev(QIO_CHANNEL_COMMAND(ioc)->writefd, iov, niov, -1, errp);
}

/* Wait a while for the child; false if it lives on. */
static bool command_reap(QIOChannelCommand *cioc, int *status)
{
    for (unsigned i = 0; i < REAP_POLLS; i++) {
        pid_t pid = waitpid(cioc->pid, status, WNOHANG);

        if (pid == cioc->pid || (pid < 0 && errno != EINTR)) {
            return true;
        }
        g_usleep(REAP_POLL_US);
    }
    return false;
}

static int command_close(QIOChannel *ioc, Error **errp)
{
    static const int signals[] = { SIGTERM, SIGKILL };
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);
    int status = 0;
    unsigned sent = 0;

    close_fd(&cioc->readfd);
    close_fd(&cioc->writefd);
    if (!cioc->pid) {
        return 0;
    }
    while (!command_reap(cioc, &status)) {
        if (sent == ARRAY_SIZE(signals)) {
            error_setg(errp, "Process %d does not end", (int)cioc->pid);
            return -1;
        }
        kill(cioc->pid, signals[sent++]);
    }
    g_spawn_close_pid(cioc->pid);
    cioc->pid = 0;
    if (sent == 0 && WIFEXITED(status) && WEXITSTATUS(status)) {
        error_setg(errp, "Command failed with exit status %d", WEXITSTATUS(status));
        return -1;
    }
    return 0;
}

static bool command_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    return (cioc->writefd == -1 || qemu_set_blocking(cioc->writefd, enabled, errp)) &&
           (cioc->readfd == -1 || qemu_set_blocking(cioc->readfd, enabled, errp));
}

static GSource *command_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    return qio_channel_create_fd_pair_watch(ioc, cioc->readfd, cioc->writefd, condition);
}

static int command_poll_fd(QIOChannel *ioc, GIOCondition condition)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    return condition & G_IO_IN ? cioc->readfd : cioc->writefd;
}

static void command_set_aio_fd_handler(QIOChannel *ioc, AioContext *read_ctx, IOHandler *io_read,
                                       AioContext *write_ctx, IOHandler *io_write, void *opaque)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(ioc);

    qio_channel_util_set_aio_fd_handler(cioc->readfd, read_ctx, io_read, cioc->writefd, write_ctx,
                                        io_write, opaque);
}

static void command_init(Object *obj)
{
    QIOChannelCommand *cioc = QIO_CHANNEL_COMMAND(obj);

    cioc->readfd = cioc->writefd = -1;
}

static void command_finalize(Object *obj)
{
    command_close(QIO_CHANNEL(obj), NULL);
}

static void command_class_init(ObjectClass *klass, const void *data)
{
    QIOChannelClass *ioc_klass = QIO_CHANNEL_CLASS(klass);

    ioc_klass->io_readv = command_readv;
    ioc_klass->io_writev = command_writev;
    ioc_klass->io_close = command_close;
    ioc_klass->io_set_blocking = command_set_blocking;
    ioc_klass->io_create_watch = command_create_watch;
    ioc_klass->io_poll_fd = command_poll_fd;
    ioc_klass->io_set_aio_fd_handler = command_set_aio_fd_handler;
}

static const TypeInfo command_types[] = {
    {
        .name = TYPE_QIO_CHANNEL_COMMAND,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(QIOChannelCommand),
        .instance_init = command_init,
        .instance_finalize = command_finalize,
        .class_init = command_class_init,
    },
};

DEFINE_TYPES(command_types)
