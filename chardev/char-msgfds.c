/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "char-msgfds.h"

void char_msgfds_clear(CharMsgfds *m)
{
    for (size_t i = 0; m->owned && i < m->num; i++) {
        close(m->fds[i]);
    }
    g_free(m->fds);
    *m = (CharMsgfds){ NULL };
}

void char_msgfds_set(CharMsgfds *m, const int *fds, size_t num)
{
    char_msgfds_clear(m);
    m->fds = g_memdup2(fds, num * sizeof(fds[0]));
    m->num = num;
}

size_t char_msgfds_take(CharMsgfds *m, int *fds, size_t num)
{
    size_t taken = MIN(num, m->num);

    for (size_t i = 0; i < m->num; i++) {
        if (i < taken) {
            fds[i] = m->fds[i];
        } else {
            close(m->fds[i]);
        }
    }
    m->owned = false;
    char_msgfds_clear(m);
    return taken;
}

ssize_t char_msgfds_read(CharMsgfds *m, QIOChannel *ioc, void *buf, size_t len)
{
    bool pass = qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_FD_PASS);
    struct iovec iov = { buf, len };
    g_autofree int *fds = NULL;
    size_t num = 0;
    ssize_t n;

    n = qio_channel_readv_full(ioc, &iov, 1, pass ? &fds : NULL, pass ? &num : NULL, 0, NULL);
    if (num > 0) {
        char_msgfds_clear(m);
        *m = (CharMsgfds){ g_steal_pointer(&fds), num, true };
    }
    return n;
}

ssize_t char_msgfds_write(CharMsgfds *m, QIOChannel *ioc, const void *buf, size_t len)
{
    struct iovec iov = { (void *)buf, len };
    ssize_t n = qio_channel_writev_full(ioc, &iov, 1, m->fds, m->num, 0, NULL);

    if (n > 0) {
        char_msgfds_clear(m);
    }
    return n;
}
