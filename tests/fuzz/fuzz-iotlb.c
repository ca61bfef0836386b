/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings behind the guest's IOMMU: updates, invalidations and answers to misses while a ring runs.
 *
 * An input is a byte whose lowest bit chooses a packed ring, and then as in fuzz-ring.h.
 */
#include "qemu/osdep.h"
#include "fuzz-ring.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return fuzz_ring_initialize(&fuzz_ring_split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool packed = size && data[0] & 1;

    if (size) {
        data++;
        size--;
    }
    return fuzz_ring_run(packed ? &fuzz_ring_packed : &fuzz_ring_split,
                         1ull << VIRTIO_F_IOMMU_PLATFORM, data, size);
}
