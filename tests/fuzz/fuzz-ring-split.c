/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split rings: see fuzz-ring.h for the input.
 */
#include "qemu/osdep.h"
#include "fuzz-ring.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return fuzz_ring_initialize(&fuzz_ring_split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_ring_run(&fuzz_ring_split, 0, data, size);
}
