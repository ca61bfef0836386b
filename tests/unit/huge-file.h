/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of huge pages, for tests.
 */
#ifndef TESTS_UNIT_HUGE_FILE_H
#define TESTS_UNIT_HUGE_FILE_H

#include <sys/mman.h>
#include <linux/memfd.h>

#define HUGE_FILE_PAGE    (2ull << 20)
#define HUGE_FILE_ALLOWED "/proc/sys/vm/nr_overcommit_hugepages"

/*
 * The kernel may take so many pages when they are needed, beyond those that were put aside. That
 * stays allowed: it costs nothing, and another test may be about to need it.
 */
static inline void huge_file_allow(unsigned int pages)
{
    g_autofree char *now = NULL;

    if (g_file_get_contents(HUGE_FILE_ALLOWED, &now, NULL, NULL) && atoi(now) < (int)pages) {
        FILE *f = fopen(HUGE_FILE_ALLOWED, "w");

        if (f) {
            fprintf(f, "%u", pages);
            fclose(f);
        }
    }
}

/* Pages of 2 MiB, all of them there; -1: this kernel has none to give, *@ret_why says so. */
static inline int huge_file(size_t size, char **ret_why)
{
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);

    huge_file_allow(32);
    if (fd < 0 || fallocate(fd, 0, 0, size) < 0) {
        *ret_why = g_strdup_printf("no huge pages: %s", g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

#endif
