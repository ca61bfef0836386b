/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands on character devices.
 */
#include "qemu/osdep.h"
#include "chardev/char-fe.h"
#include "qapi/qapi-commands-char.h"

static int append_info(Object *child, void *opaque)
{
    ChardevInfoList **list = opaque;
    Chardev *chr = CHARDEV(child);
    ChardevInfo *info = g_new0(ChardevInfo, 1);

    info->label = g_strdup(chr->label);
    info->filename = g_strdup(chr->filename);
    info->frontend_open = chr->fe && chr->fe->fe_is_open;
    QAPI_LIST_PREPEND(*list, info);
    return 0;
}

ChardevInfoList *qmp_query_chardev(Error **errp)
{
    ChardevInfoList *list = NULL;

    object_child_foreach(get_chardevs_root(), append_info, &list);
    return list;
}

ChardevBackendInfoList *qmp_query_chardev_backends(Error **errp)
{
    ChardevBackendInfoList *list = NULL;

    for (int kind = 0; kind < CHARDEV_BACKEND_KIND__MAX; kind++) {
        ChardevBackendInfo *info = g_new0(ChardevBackendInfo, 1);

        info->name = g_strdup(ChardevBackendKind_str(kind));
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

ChardevReturn *qmp_chardev_add(const char *id, ChardevBackend *backend, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *typename =
        g_strdup_printf("chardev-%s", ChardevBackendKind_str(backend->type));
    ChardevReturn *ret;
    Chardev *chr;

    if (qemu_chr_find(id)) {
        error_setg(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    chr = qemu_chardev_new(id, typename, backend, NULL, errp);
    if (!chr) {
        error_prepend(errp, "Failed to add chardev '%s': ", id);
        return NULL;
    }
    ret = g_new0(ChardevReturn, 1);
    if (backend->type == CHARDEV_BACKEND_KIND_PTY) {
        ret->pty = g_strdup(chr->filename + strlen("pty:"));
    }
    return ret;
}

void qmp_chardev_remove(const char *id, Error **errp)
{
    Chardev *chr = qemu_chr_find(id);

    if (!chr) {
        error_setg(errp, "Chardev '%s' not found", id);
        return;
    }
    if (qemu_chr_is_busy(chr)) {
        error_setg(errp, "Chardev '%s' is busy", id);
        return;
    }
    object_unparent(OBJECT(chr));
}
