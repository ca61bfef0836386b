/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel on a socket: where the socket comes from, and where it goes. */
#include "qemu/osdep.h"
#include "io/channel-socket.h"
#include "io/channel-util.h"
#include "io/channel-watch.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-sockets.h"

#include "channel-socket-msg.h"
#include "trace.h"

QIOChannelSocket *qio_channel_socket_new(void)
{
    return QIO_CHANNEL_SOCKET(object_new(TYPE_QIO_CHANNEL_SOCKET));
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t len = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Take @fd; on failure it stays the caller's. */
static int socket_set_fd(QIOChannelSocket *sioc, int fd, Error **errp)
{
    QIOChannel *ioc = QIO_CHANNEL(sioc);
    socklen_t local_len = sizeof(sioc->localAddr);
    socklen_t remote_len = sizeof(sioc->remoteAddr);

    if (sioc->fd != -1) {
        error_setg(errp, "Channel has a socket already");
        return -1;
    }
    if (getsockname(fd, (struct sockaddr *)&sioc->localAddr, &local_len) < 0) {
        error_setg_errno(errp, errno, "Unable to query the address of socket %d", fd);
        return -1;
    }
    if (getpeername(fd, (struct sockaddr *)&sioc->remoteAddr, &remote_len) < 0) {
        if (errno != ENOTCONN) {
            error_setg_errno(errp, errno, "Unable to query the peer of socket %d", fd);
            return -1;
        }
        remote_len = 0;
    }
    sioc->fd = fd;
    sioc->localAddrLen = local_len;
    sioc->remoteAddrLen = remote_len;

    qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_SHUTDOWN);
    qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_READ_MSG_PEEK);
    if (sioc->localAddr.ss_family == AF_UNIX) {
        qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_FD_PASS);
    }
    if (is_listening(fd)) {
        qio_channel_set_feature(ioc, QIO_CHANNEL_FEATURE_LISTEN);
    }
    trace_qio_channel_socket_set_fd(ioc, fd, is_listening(fd));
    return 0;
}

/* The same for a socket that was made for the channel. */
static int socket_take_fd(QIOChannelSocket *sioc, int fd, Error **errp)
{
    if (fd < 0) {
        return -1;
    }
    if (socket_set_fd(sioc, fd, errp) < 0) {
        socket_listen_cleanup(fd, NULL);
        close(fd);
        return -1;
    }
    return 0;
}

QIOChannelSocket *qio_channel_socket_new_fd(int fd, Error **errp)
{
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();

    return socket_set_fd(sioc, fd, errp) < 0 ? NULL : g_steal_pointer(&sioc);
}

int qio_channel_socket_connect_sync(QIOChannelSocket *ioc, SocketAddress *addr, Error **errp)
{
    return socket_take_fd(ioc, socket_connect(addr, errp), errp);
}

int qio_channel_socket_listen_sync(QIOChannelSocket *ioc, SocketAddress *addr, int num,
                                   Error **errp)
{
    return socket_take_fd(ioc, socket_listen(addr, num, errp), errp);
}

int qio_channel_socket_dgram_sync(QIOChannelSocket *ioc, SocketAddress *localAddr,
                                  SocketAddress *remoteAddr, Error **errp)
{
    return socket_take_fd(ioc, socket_dgram(remoteAddr, localAddr, errp), errp);
}

/* What an asynchronous operation shall do, for its thread. */
typedef struct SocketJob {
    SocketAddress *local;
    SocketAddress *remote;
    int num;
    int (*run)(QIOChannelSocket *sioc, struct SocketJob *job, Error **errp);
} SocketJob;

static int job_connect(QIOChannelSocket *sioc, SocketJob *job, Error **errp)
{
    return qio_channel_socket_connect_sync(sioc, job->remote, errp);
}

static int job_listen(QIOChannelSocket *sioc, SocketJob *job, Error **errp)
{
    return qio_channel_socket_listen_sync(sioc, job->local, job->num, errp);
}

static int job_dgram(QIOChannelSocket *sioc, SocketJob *job, Error **errp)
{
    return qio_channel_socket_dgram_sync(sioc, job->local, job->remote, errp);
}

static void job_free(gpointer opaque)
{
    SocketJob *job = opaque;

    qapi_free_SocketAddress(job->local);
    qapi_free_SocketAddress(job->remote);
    g_free(job);
}

static void job_worker(QIOTask *task, gpointer opaque)
{
    g_autoptr(QIOChannelSocket) sioc = QIO_CHANNEL_SOCKET(qio_task_get_source(task));
    SocketJob *job = opaque;
    Error *err = NULL;

    job->run(sioc, job, &err);
    qio_task_set_error(task, err);
}

static SocketJob *job_new(SocketAddress *local, SocketAddress *remote)
{
    SocketJob *job = g_new0(SocketJob, 1);

    job->local = local ? QAPI_CLONE(SocketAddress, local) : NULL;
    job->remote = remote ? QAPI_CLONE(SocketAddress, remote) : NULL;
    return job;
}

void qio_channel_socket_connect_async(QIOChannelSocket *ioc, SocketAddress *addr,
                                      QIOTaskFunc callback, gpointer opaque, GDestroyNotify destroy,
                                      GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(ioc), callback, opaque, destroy);
    SocketJob *job = job_new(NULL, addr);

    job->run = job_connect;
    qio_task_run_in_thread(task, job_worker, job, job_free, context);
}

void qio_channel_socket_listen_async(QIOChannelSocket *ioc, SocketAddress *addr, int num,
                                     QIOTaskFunc callback, gpointer opaque, GDestroyNotify destroy,
                                     GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(ioc), callback, opaque, destroy);
    SocketJob *job = job_new(addr, NULL);

    job->num = num;
    job->run = job_listen;
    qio_task_run_in_thread(task, job_worker, job, job_free, context);
}

void qio_channel_socket_dgram_async(QIOChannelSocket *ioc, SocketAddress *localAddr,
                                    SocketAddress *remoteAddr, QIOTaskFunc callback,
                                    gpointer opaque, GDestroyNotify destroy, GMainContext *context)
{
    QIOTask *task = qio_task_new(OBJECT(ioc), callback, opaque, destroy);
    SocketJob *job = job_new(localAddr, remoteAddr);

    job->run = job_dgram;
    qio_task_run_in_thread(task, job_worker, job, job_free, context);
}

SocketAddress *qio_channel_socket_get_local_address(QIOChannelSocket *ioc, Error **errp)
{
    return socket_sockaddr_to_address(&ioc->localAddr, ioc->localAddrLen, errp);
}

SocketAddress *qio_channel_socket_get_remote_address(QIOChannelSocket *ioc, Error **errp)
{
    return socket_sockaddr_to_address(&ioc->remoteAddr, ioc->remoteAddrLen, errp);
}

QIOChannelSocket *qio_channel_socket_accept(QIOChannelSocket *ioc, Error **errp)
{
    g_autoptr(QIOChannelSocket) client = NULL;
    int fd;

    fd = RETRY_ON_EINTR(qemu_accept(ioc->fd, NULL, NULL));
    if (fd < 0) {
        int saved = errno;

        error_setg_errno(errp, saved, "Unable to accept connection");
        errno = saved;
        return NULL;
    }
    client = qio_channel_socket_new();
    trace_qio_channel_socket_accept(ioc, client, fd);
    return socket_take_fd(client, fd, errp) < 0 ? NULL : g_steal_pointer(&client);
}

int qio_channel_socket_set_send_buffer(QIOChannelSocket *ioc, size_t size, Error **errp)
{
    int value = MIN(size, (size_t)INT_MAX);

    if (setsockopt(ioc->fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)) < 0) {
        error_setg_errno(errp, errno, "Unable to set the size of the send buffer");
        return -1;
    }
    return 0;
}

static int socket_channel_close(QIOChannel *ioc, Error **errp)
{
    QIOChannelSocket *sioc = QIO_CHANNEL_SOCKET(ioc);
    int fd = sioc->fd;
    int ret = 0;

    if (fd == -1) {
        return 0;
    }
    sioc->fd = -1;
    trace_qio_channel_socket_close(ioc, fd);
    if (qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_LISTEN)) {
        ret = socket_listen_cleanup(fd, errp);
    }
    if (close(fd) < 0 && ret == 0) {
        error_setg_errno(errp, errno, "Unable to close socket");
        ret = -1;
    }
    return ret;
}

static bool socket_channel_set_blocking(QIOChannel *ioc, bool enabled, Error **errp)
{
    return qemu_set_blocking(QIO_CHANNEL_SOCKET(ioc)->fd, enabled, errp);
}

static void socket_channel_set_delay(QIOChannel *ioc, bool enabled)
{
    int fd = QIO_CHANNEL_SOCKET(ioc)->fd;
    int value = !enabled;

    /* Fails, as a hint may, for what is not TCP. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
}

static void socket_channel_set_cork(QIOChannel *ioc, bool enabled)
{
    socket_set_cork(QIO_CHANNEL_SOCKET(ioc)->fd, enabled);
}

static int socket_channel_shutdown(QIOChannel *ioc, QIOChannelShutdown how, Error **errp)
{
    static const int sockhow[] = {
        [QIO_CHANNEL_SHUTDOWN_READ] = SHUT_RD,
        [QIO_CHANNEL_SHUTDOWN_WRITE] = SHUT_WR,
        [QIO_CHANNEL_SHUTDOWN_BOTH] = SHUT_RDWR,
    };

    if (shutdown(QIO_CHANNEL_SOCKET(ioc)->fd, sockhow[how]) < 0) {
        error_setg_errno(errp, errno, "Unable to shutdown socket");
        return -1;
    }
    return 0;
}

static int socket_channel_peerpid(QIOChannel *ioc, unsigned int *pid, Error **errp)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(QIO_CHANNEL_SOCKET(ioc)->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to get peer credentials");
        return -1;
    }
    *pid = cred.pid;
    return 0;
}

static GSource *socket_channel_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return qio_channel_create_fd_watch(ioc, QIO_CHANNEL_SOCKET(ioc)->fd, condition);
}

static int socket_channel_poll_fd(QIOChannel *ioc, GIOCondition condition)
{
    return QIO_CHANNEL_SOCKET(ioc)->fd;
}

static void socket_channel_set_aio_fd_handler(QIOChannel *ioc, AioContext *read_ctx,
                                              IOHandler *io_read, AioContext *write_ctx,
                                              IOHandler *io_write, void *opaque)
{
    int fd = QIO_CHANNEL_SOCKET(ioc)->fd;

    qio_channel_util_set_aio_fd_handler(fd, read_ctx, io_read, fd, write_ctx, io_write, opaque);
}

static void socket_channel_init(Object *obj)
{
    QIO_CHANNEL_SOCKET(obj)->fd = -1;
}

static void socket_channel_finalize(Object *obj)
{
    socket_channel_close(QIO_CHANNEL(obj), NULL);
}

static void socket_channel_class_init(ObjectClass *klass, const void *data)
{
    QIOChannelClass *ioc_klass = QIO_CHANNEL_CLASS(klass);

    ioc_klass->io_readv = qio_channel_socket_readv;
    ioc_klass->io_writev = qio_channel_socket_writev;
    ioc_klass->io_close = socket_channel_close;
    ioc_klass->io_set_blocking = socket_channel_set_blocking;
    ioc_klass->io_set_delay = socket_channel_set_delay;
    ioc_klass->io_set_cork = socket_channel_set_cork;
    ioc_klass->io_shutdown = socket_channel_shutdown;
    ioc_klass->io_peerpid = socket_channel_peerpid;
    ioc_klass->io_create_watch = socket_channel_create_watch;
    ioc_klass->io_poll_fd = socket_channel_poll_fd;
    ioc_klass->io_set_aio_fd_handler = socket_channel_set_aio_fd_handler;
}

static const TypeInfo socket_channel_types[] = {
    {
        .name = TYPE_QIO_CHANNEL_SOCKET,
        .parent = TYPE_QIO_CHANNEL,
        .instance_size = sizeof(QIOChannelSocket),
        .instance_init = socket_channel_init,
        .instance_finalize = socket_channel_finalize,
        .class_init = socket_channel_class_init,
    },
};

DEFINE_TYPES(socket_channel_types)
