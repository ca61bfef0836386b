/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of numbers that exports and devices get from the user. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "util/block-helpers.h"

bool check_block_size(const char *name, int64_t value, Error **errp)
{
    bool in_range = value >= MIN_BLOCK_SIZE && value <= MAX_BLOCK_SIZE;

    if (!in_range || (value & (value - 1)) != 0) {
        error_setg(errp, "parameter %s must be a power of 2 between %" PRId64 " and %" PRId64, name,
                   MIN_BLOCK_SIZE, MAX_BLOCK_SIZE);
        return false;
    }
    return true;
}
