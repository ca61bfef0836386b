/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frontend under a test's control. */
#include "qemu/osdep.h"
#include "char-rig.h"
#include "qemu/module.h"

void char_rig_main_init(void)
{
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
}

Chardev *char_rig_new(const char *text)
{
    return qemu_chr_new_from_str(text, &error_abort);
}

static int rig_can_read(void *opaque)
{
    return ((CharRig *)opaque)->room;
}

static void rig_read(void *opaque, const uint8_t *buf, int size)
{
    CharRig *rig = opaque;

    g_assert_cmpint(size, >, 0);
    g_assert_cmpint(size, <=, rig->room);
    rig->room -= size;
    g_string_append_len(rig->input, (const char *)buf, size);
}

static void rig_event(void *opaque, QEMUChrEvent event)
{
    CharRig *rig = opaque;

    rig->opened += event == CHR_EVENT_OPENED;
    rig->closed += event == CHR_EVENT_CLOSED;
    rig->breaks += event == CHR_EVENT_BREAK;
    if (event == CHR_EVENT_MUX_IN || event == CHR_EVENT_MUX_OUT) {
        rig->in_focus = event == CHR_EVENT_MUX_IN;
    }
}

void char_rig_attach(CharRig *rig, Chardev *chr, int room)
{
    *rig = (CharRig){ .input = g_string_new(NULL), .room = room };
    qemu_chr_fe_init(&rig->fe, chr, &error_abort);
    qemu_chr_fe_set_handlers(&rig->fe, rig_can_read, rig_read, rig_event, NULL, rig, NULL, true);
}

void char_rig_detach(CharRig *rig)
{
    qemu_chr_fe_deinit(&rig->fe, false);
    g_string_free(rig->input, true);
}

void char_rig_done(CharRig *rig)
{
    qemu_chr_fe_deinit(&rig->fe, true);
    g_string_free(rig->input, true);
}

void char_rig_set_room(CharRig *rig, int room)
{
    rig->room = room;
    qemu_chr_fe_accept_input(&rig->fe);
}

void char_rig_wait_input(CharRig *rig, size_t len)
{
    while (rig->input->len < len) {
        main_loop_wait(false);
    }
}

void char_rig_wait_events(CharRig *rig, unsigned opened, unsigned closed)
{
    while (rig->opened < opened || rig->closed < closed) {
        main_loop_wait(false);
    }
}

void char_rig_settle(void)
{
    while (g_main_context_pending(NULL)) {
        main_loop_wait(true);
    }
}

void char_rig_refused(const char *text, const char *message)
{
    Error *err = NULL;

    g_assert_null(qemu_chr_new_from_str(text, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}
