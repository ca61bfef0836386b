/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP text: what a monitor's client writes, through parser, dispatch and all commands.
 *
 * An input is that text; it comes in pieces of the length that its first byte says (0: at once).
 * The session is negotiated already if that byte is odd.
 */
#include "qemu/osdep.h"
#include "chardev/char.h"
#include "fuzz-daemon.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "storage-daemon/commands.h"

/* Of one read of a monitor. */
#define PIECE_MAX 4096

static const char negotiation[] = "{'execute': 'qmp_capabilities'}\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_guard_begin();
    fuzz_daemon_setup();
    LLVMFuzzerTestOneInput((const uint8_t *)"\1{'execute': 'query-version'}", 29);
    fuzz_leaks_begin();
    return 0;
}

/* As much as the monitor takes; false when it takes nothing, however long the loop runs. */
static bool feed(Chardev *chr, const uint8_t *text, size_t len)
{
    while (len) {
        size_t room;

        fuzz_daemon_settle();
        room = MAX(qemu_chr_be_can_write(chr), 0);
        if (!room) {
            return false;
        }
        room = MIN(room, len);
        qemu_chr_be_write(chr, text, room);
        text += room;
        len -= room;
    }
    fuzz_daemon_settle();
    return true;
}

static void converse(Chardev *chr, FuzzTape *tape)
{
    uint8_t form = fuzz_u8(tape);
    size_t piece = form >> 1 ? form >> 1 : PIECE_MAX;

    if (form & 1) {
        feed(chr, (const uint8_t *)negotiation, sizeof(negotiation) - 1);
    }
    while (fuzz_more(tape)) {
        size_t len = MIN(piece, (size_t)(tape->end - tape->at));

        if (!feed(chr, tape->at, len)) {
            break;
        }
        tape->at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzTape tape = { data, data + size };
    Chardev *chr;

    monitor_init_globals(commands_register);
    chr = qemu_chr_new_from_str("null,id=fuzz-monitor", &error_abort);
    monitor_init_from_str("fuzz-monitor", &error_abort);
    qemu_chr_be_event(chr, CHR_EVENT_OPENED);
    converse(chr, &tape);
    fuzz_daemon_clear();
    fuzz_guard_clean();
    fuzz_check_leaks();
    return 0;
}
