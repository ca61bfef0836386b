/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets between host and guest from VsockSocketAddress (vsock(7)). */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/access-denied.h"
#include "qemu/cutils.h"
#include "util/qemu-sockets-internal.h"

#include <linux/vm_sockets.h>

static bool parse_number(const char *what, const char *text, unsigned *number, Error **errp)
{
    if (qemu_strtoui(text, NULL, 10, number) < 0) {
        error_setg(errp, "Failed to parse %s '%s'", what, text);
        return false;
    }
    return true;
}

static bool fill_sockaddr(VsockSocketAddress *saddr, struct sockaddr_vm *svm, Error **errp)
{
    memset(svm, 0, sizeof(*svm));
    svm->svm_family = AF_VSOCK;
    return parse_number("cid", saddr->cid, &svm->svm_cid, errp) &&
           parse_number("port", saddr->port, &svm->svm_port, errp);
}

static int make_socket(Error **errp)
{
    int fd = qemu_socket(AF_VSOCK, SOCK_STREAM, 0);

    if (fd < 0) {
        error_setg(errp, "Failed to create vsock socket: %s%s", strerror(errno),
                   access_denied_why(errno, ACCESS_NETWORK, NULL));
    }
    return fd;
}

int vsock_listen_saddr(VsockSocketAddress *saddr, int num, Error **errp)
{
    struct sockaddr_vm svm;
    int fd;

    if (!fill_sockaddr(saddr, &svm, errp) || (fd = make_socket(errp)) < 0) {
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&svm, sizeof(svm)) < 0 || listen(fd, num) < 0) {
        error_setg_errno(errp, errno, "Failed to listen at vsock '%s:%s'", saddr->cid, saddr->port);
        close(fd);
        return -1;
    }
    return fd;
}

int vsock_connect_saddr(VsockSocketAddress *saddr, Error **errp)
{
    struct sockaddr_vm svm;
    int fd;

    if (!fill_sockaddr(saddr, &svm, errp) || (fd = make_socket(errp)) < 0) {
        return -1;
    }
    if (socket_connect_retry(fd, (struct sockaddr *)&svm, sizeof(svm)) < 0) {
        error_setg_errno(errp, errno, "Failed to connect to vsock '%s:%s'", saddr->cid,
                         saddr->port);
        close(fd);
        return -1;
    }
    return fd;
}
