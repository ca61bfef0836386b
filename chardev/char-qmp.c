/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands on character devices.
 */
#include "qemu/osdep.h"
#include "chardev/char-fe.h"
#include "chardev/char-ringbuf.h"
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

ChardevReturn *coroutine_fn qmp_chardev_add(const char *id, ChardevBackend *backend, Error **errp)
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

static Chardev *find_ringbuf(const char *device, Error **errp)
{
    Chardev *chr = qemu_chr_find(device);

    if (!chr) {
        error_setg(errp, "Device '%s' not found", device);
    } else if (!object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_RINGBUF)) {
        error_setg(errp, "%s is not a ringbuf device", device);
        chr = NULL;
    }
    return chr;
}

/* What glib decodes leniently is refused. NULL with *errp. */
static guchar *decode_base64(const char *text, gsize *len, Error **errp)
{
    guchar *bytes = g_base64_decode(text, len);
    g_autofree char *again = g_base64_encode(bytes, *len);

    if (strcmp(again, text)) {
        error_setg(errp, "Base64 data '%s' is not valid", text);
        g_clear_pointer(&bytes, g_free);
    }
    return bytes;
}

void qmp_ringbuf_write(const char *device, const char *data, bool has_format, DataFormat format,
                       Error **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    g_autofree guchar *decoded = NULL;
    gsize len = strlen(data);

    if (!chr) {
        return;
    }
    if (has_format && format == DATA_FORMAT_BASE64) {
        decoded = decode_base64(data, &len, errp);
        if (!decoded && len) {
            return;
        }
    }
    CHARDEV_GET_CLASS(chr)->chr_write(chr, decoded ?: (const uint8_t *)data, len);
}

char *qmp_ringbuf_read(const char *device, int64_t size, bool has_format, DataFormat format,
                       Error **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    g_autofree uint8_t *bytes = NULL;
    size_t n;

    if (!chr) {
        return NULL;
    }
    if (size <= 0) {
        error_setg(errp, "size must be greater than zero");
        return NULL;
    }
    /* There is no more than the buffer holds, whatever is asked for. */
    n = MIN((uint64_t)size, RINGBUF_CHARDEV(chr)->size);
    bytes = g_malloc(n + 1);
    n = qemu_chr_ringbuf_read(chr, bytes, n);
    bytes[n] = '\0';
    if (has_format && format == DATA_FORMAT_BASE64) {
        return g_base64_encode(bytes, n);
    }
    return g_utf8_make_valid((char *)bytes, strlen((char *)bytes));
}
