/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer for its drivers and its own files. */
#ifndef BLOCK_INT_H
#define BLOCK_INT_H

#include "block/block.h"
#include "block/block_int-common.h"
#include "block/block_int-global-state.h"
#include "block/block_int-io.h"

#endif
