/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The split layout of a legacy guest that is big-endian (SET_VRING_ENDIAN).
 */
#define VIRTQ_BIG_ENDIAN
#include "virtq-split.c"
