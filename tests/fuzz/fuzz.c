/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tape, and the checks that an input leaves nothing behind.
 */
#include "qemu/osdep.h"
#include "fuzz.h"

/* Mappings are counted once in so many inputs: that reads a long file. */
#define MAPS_EVERY 512

void fuzz_bytes(FuzzTape *tape, void *buf, size_t len)
{
    size_t have = MIN(len, (size_t)(tape->end - tape->at));

    if (have) {
        memcpy(buf, tape->at, have);
        tape->at += have;
    }
    memset((uint8_t *)buf + have, 0, len - have);
}

uint8_t fuzz_u8(FuzzTape *tape)
{
    return fuzz_more(tape) ? *tape->at++ : 0;
}

uint16_t fuzz_u16(FuzzTape *tape)
{
    uint16_t low = fuzz_u8(tape);

    return low | fuzz_u8(tape) << 8;
}

uint32_t fuzz_u32(FuzzTape *tape)
{
    uint32_t low = fuzz_u16(tape);

    return low | (uint32_t)fuzz_u16(tape) << 16;
}

uint64_t fuzz_u64(FuzzTape *tape)
{
    uint64_t low = fuzz_u32(tape);

    return low | (uint64_t)fuzz_u32(tape) << 32;
}

/* ---- Nothing stays behind ---- */

typedef enum Baseline {
    BASELINE_NONE,   /* things are being made that stay */
    BASELINE_WANTED, /* what is open after the next input counts as made to stay */
    BASELINE_KNOWN,
} Baseline;

static Baseline baseline;
static int first_free_fd;
static unsigned guest_maps;

/* Descriptors are given out from the lowest: one that was kept shows up here, at little cost. */
static int lowest_free_fd(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0) {
        close(fd);
    }
    return fd;
}

/* Guest memory is memfds that are called "fuzz". */
static unsigned count_guest_maps(void)
{
    g_autofree char *text = NULL;
    unsigned n = 0;

    if (!g_file_get_contents("/proc/self/maps", &text, NULL, NULL)) {
        return 0;
    }
    for (const char *at = text; (at = strstr(at, "/memfd:fuzz")); at++) {
        n++;
    }
    return n;
}

static void show_fds(void)
{
    for (int fd = 0; fd < 64; fd++) {
        char link[64], target[128];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n > 0) {
            target[n] = 0;
            fprintf(stderr, "descriptor %d: %s\n", fd, target);
        }
    }
}

void fuzz_leaks_begin(void)
{
    baseline = BASELINE_WANTED;
}

static void take_baseline(void)
{
    first_free_fd = lowest_free_fd();
    guest_maps = count_guest_maps();
    baseline = BASELINE_KNOWN;
}

void fuzz_check_leaks(void)
{
    static unsigned inputs;

    if (baseline != BASELINE_KNOWN) {
        if (baseline == BASELINE_WANTED) {
            take_baseline();
        }
        return;
    }
    if (lowest_free_fd() > first_free_fd) {
        show_fds();
        fprintf(stderr, "an input left a descriptor open: the first free one was %d\n",
                first_free_fd);
        abort();
    }
    if (inputs++ % MAPS_EVERY == 0 && count_guest_maps() > guest_maps) {
        fprintf(stderr, "an input left guest memory mapped\n");
        abort();
    }
}
