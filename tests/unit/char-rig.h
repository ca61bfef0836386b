/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frontend under a test's control, and the shortest ways to devices. */
#ifndef TESTS_UNIT_CHAR_RIG_H
#define TESTS_UNIT_CHAR_RIG_H

#include "chardev/char-fe.h"

typedef struct CharRig {
    CharFrontend fe;
    GString *input;
    int room; /* bytes that it takes */
    unsigned opened;
    unsigned closed;
    unsigned breaks;
    bool in_focus; /* of a mux */
} CharRig;

/* Types, the main loop; from main(). */
void char_rig_main_init(void);
/* A device from option text, which must be right. */
Chardev *char_rig_new(const char *text);
/* Attach to @chr and install handlers. */
void char_rig_attach(CharRig *rig, Chardev *chr, int room);
/* Detach. */
void char_rig_detach(CharRig *rig);
/* Detach and delete the device. */
void char_rig_done(CharRig *rig);
/* Let the frontend take @room bytes from now on. */
void char_rig_set_room(CharRig *rig, int room);
/* Run the main loop until @rig has @len bytes of input, or @opened and @closed events. */
void char_rig_wait_input(CharRig *rig, size_t len);
void char_rig_wait_events(CharRig *rig, unsigned opened, unsigned closed);
/* Run what is ready in the main loop. */
void char_rig_settle(void);
/* Making a device from @text fails with @message. */
void char_rig_refused(const char *text, const char *message);

#endif
