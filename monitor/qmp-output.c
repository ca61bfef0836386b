/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output to one QMP client, kept until the client takes it.
 *
 * Bytes go out at once as far as the client takes them; the rest waits for a watch on the
 * output, so nobody ever waits for a client.
 */
#include "qemu/osdep.h"
#include "monitor-internal.h"

void monitor_output_init(MonitorOutput *out, CharFrontend *fe, void (*drained)(void *opaque),
                         void *opaque)
{
    *out = (MonitorOutput){ .fe = fe, .drained = drained, .opaque = opaque };
    out->bytes = g_byte_array_new();
}

void monitor_output_done(MonitorOutput *out)
{
    monitor_output_clear(out);
    g_byte_array_unref(out->bytes);
}

size_t monitor_output_pending(const MonitorOutput *out)
{
    return out->bytes->len - out->done;
}

void monitor_output_clear(MonitorOutput *out)
{
    if (out->watch) {
        g_source_remove(out->watch);
        out->watch = 0;
    }
    g_byte_array_set_size(out->bytes, 0);
    out->done = 0;
}

/* Drop what has been sent, once that is worth moving the rest; the room of a long tail too. */
static void compact(MonitorOutput *out)
{
    if (out->done == out->bytes->len && out->done > MONITOR_OUTPUT_LOW) {
        g_byte_array_unref(out->bytes);
        out->bytes = g_byte_array_new();
        out->done = 0;
    } else if (out->done == out->bytes->len || out->done >= out->bytes->len / 2) {
        g_byte_array_remove_range(out->bytes, 0, out->done);
        out->done = 0;
    }
}

/* True when the client takes no more for now. */
static bool write_some(MonitorOutput *out)
{
    while (monitor_output_pending(out)) {
        int n = qemu_chr_fe_write(out->fe, out->bytes->data + out->done,
                                  MIN(monitor_output_pending(out), MONITOR_OUTPUT_LOW));

        if (n < 0 && errno == EAGAIN) {
            compact(out);
            return true;
        }
        if (n <= 0) {
            /* The connection is broken; its reader will find out. */
            out->done = out->bytes->len;
            break;
        }
        out->done += n;
    }
    compact(out);
    return false;
}

static gboolean output_ready(void *do_not_use, GIOCondition condition, void *opaque)
{
    MonitorOutput *out = opaque;
    bool was_long = monitor_output_pending(out) > MONITOR_OUTPUT_LOW;
    bool blocked = write_some(out);

    if (!blocked) {
        out->watch = 0;
    }
    if (was_long && monitor_output_pending(out) <= MONITOR_OUTPUT_LOW) {
        out->drained(out->opaque);
    }
    return blocked ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void monitor_output_put(MonitorOutput *out, const char *text, size_t len)
{
    g_byte_array_append(out->bytes, (const guint8 *)text, len);
    if (!out->watch && write_some(out)) {
        out->watch = qemu_chr_fe_add_watch(out->fe, G_IO_OUT | G_IO_HUP, output_ready, out);
    }
}

void monitor_output_flush(MonitorOutput *out, int timeout_ms)
{
    while (write_some(out) && qemu_chr_fe_wait_writable(out->fe, timeout_ms)) {
        continue;
    }
}
