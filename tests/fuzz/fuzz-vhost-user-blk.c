/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of an export: any messages with any descriptors, in any pieces, to the vhost-user
 * server and its block device, while its rings run. The export is the same for all clients.
 *
 * An input is a row of steps: below 0xc0 a message (fuzz-vu.c), above what guest and disk do.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "fuzz-daemon.h"
#include "fuzz-disk.h"
#include "fuzz-vu.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-block-export.h"

#define STEPS_MAX   256
#define SOCKET_NAME "s"

enum Step {
    STEP_DEED = 0xc0, /* and the number of a FuzzDeed */
    STEP_HOLD = 0xd0,
    STEP_RESUME = 0xd1,
    STEP_HANGUP = 0xd2,
};

static void add_export(void)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };
    BlockExportOptions options = {
        .type = BLOCK_EXPORT_TYPE_VHOST_USER_BLK,
        .id = (char *)"e",
        .node_name = (char *)"disk",
        .has_writable = true,
        .writable = true,
    };
    BlockExportOptionsVhostUserBlk *blk = &options.u.vhost_user_blk;

    addr.u.q_unix.path = (char *)SOCKET_NAME;
    blk->addr = &addr;
    blk->has_num_queues = true;
    blk->num_queues = 4;
    blk->has_max_discard_segments = true;
    blk->max_discard_segments = 4;
    qmp_block_export_add(&options, &error_abort);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_guard_begin();
    fuzz_daemon_setup();
    fuzz_front_setup();
    fuzz_disk_setup("disk");
    add_export();
    LLVMFuzzerTestOneInput(NULL, 0);
    fuzz_leaks_begin();
    return 0;
}

static int connect_client(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = SOCKET_NAME };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert(sock >= 0 && connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    return sock;
}

static void settle(void *opaque)
{
    FuzzFront *front = opaque;

    fuzz_daemon_settle();
    fuzz_front_drain(front);
}

static void take_step(FuzzFront *front, FuzzTape *tape)
{
    uint8_t step = *tape->at;

    if (step < STEP_DEED) {
        fuzz_front_message(front, tape);
        return;
    }
    fuzz_u8(tape);
    if (step < STEP_HOLD) {
        fuzz_front_deed(front, step - STEP_DEED, tape);
    } else if (step == STEP_HOLD) {
        fuzz_disk_hold(fuzz_u8(tape) & 1);
    } else if (step == STEP_RESUME) {
        fuzz_disk_resume(fuzz_u8(tape));
    } else if (step == STEP_HANGUP) {
        shutdown(front->sock, SHUT_WR);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzTape tape = { data, data + size };
    FuzzFront front;

    fuzz_front_init(&front, connect_client());
    front.between = settle;
    front.opaque = &front;
    settle(&front);
    for (int n = 0; n < STEPS_MAX && fuzz_more(&tape); n++) {
        take_step(&front, &tape);
        settle(&front);
    }
    shutdown(front.sock, SHUT_RDWR);
    fuzz_daemon_settle();
    fuzz_disk_reset();
    fuzz_daemon_settle();
    fuzz_front_done(&front);
    fuzz_check_leaks();
    return 0;
}
