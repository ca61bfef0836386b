/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that a thread of the test does not get. */
#ifndef TESTS_UNIT_NO_MEMORY_H
#define TESTS_UNIT_NO_MEMORY_H

/* While it is true, malloc() and realloc() of our own code fail in this thread. */
extern __thread bool no_memory;

#endif
