/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include <sys/un.h>
#include "notify.h"
#include "qemu/error-report.h"

static int manager_fd = -1;

/* The address of @path, where "@" begins an abstract one; 0 if there is no such address. */
static socklen_t address_of(const char *path, struct sockaddr_un *ret_addr)
{
    size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(ret_addr->sun_path)) {
        return 0;
    }
    *ret_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret_addr->sun_path, path, len);
    if (path[0] == '@') {
        ret_addr->sun_path[0] = '\0';
    }
    return offsetof(struct sockaddr_un, sun_path) + len;
}

void service_notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr;
    socklen_t len;

    if (!path) {
        return;
    }
    len = address_of(path, &addr);
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!len || manager_fd < 0 || connect(manager_fd, (struct sockaddr *)&addr, len) < 0) {
        warn_report("the service manager at NOTIFY_SOCKET='%s' cannot be told anything: %s", path,
                    len ? strerror(errno) : "no address of a UNIX socket");
        if (manager_fd >= 0) {
            close(manager_fd);
            manager_fd = -1;
        }
    }
}

void service_notify(const char *state)
{
    if (manager_fd >= 0 && send(manager_fd, state, strlen(state), MSG_NOSIGNAL) < 0) {
        warn_report("the service manager cannot be told '%s': %s", state, strerror(errno));
    }
}
