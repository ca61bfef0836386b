/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer for its users: control side and requests. */
#ifndef BLOCK_H
#define BLOCK_H

#include "block/block-global-state.h"
#include "block/block-io.h"

#endif
