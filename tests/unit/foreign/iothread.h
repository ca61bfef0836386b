/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread with an event loop, by the names of our runtime's own, as a test may bring it along. */
#ifndef FOREIGN_IOTHREAD_H
#define FOREIGN_IOTHREAD_H

#include "block/aio.h"

typedef struct IOThread IOThread;

IOThread *iothread_new(void);
void iothread_join(IOThread *iothread);
AioContext *iothread_get_aio_context(IOThread *iothread);

#endif
