/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limit of a daemon: the same access pattern straight on the file, in one thread.
 *
 * Prints one line of JSON as vub-load does: requests, seconds, iops, CPU seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vub-client.h"
#include "vub-limit.h"

enum {
    MAX_DEPTH = 4096
};

void vub_limit_die(const char *what, int error)
{
    fprintf(stderr, "vub-limit: %s: %s\n", what, error ? strerror(error) : "short transfer");
    exit(1);
}

/* ---- Ways without requests in flight; they go through the buffers in turn ---- */

static uint8_t *map;

static void nothing(VubLimit *limit)
{
}

static void pread_step(VubLimit *limit)
{
    for (int slot = 0; slot < limit->depth; slot++) {
        uint8_t *buffer = limit->buffers + (size_t)slot * limit->block_bytes;
        bool write;
        uint64_t offset = vub_pattern_next(&limit->pattern, &write) * limit->block_bytes;
        ssize_t n = write ? pwrite(limit->fd, buffer, limit->block_bytes, offset)
                          : pread(limit->fd, buffer, limit->block_bytes, offset);

        if (n != (ssize_t)limit->block_bytes) {
            vub_limit_die("file", n < 0 ? errno : 0);
        }
    }
    limit->done += limit->depth;
}

static void memcpy_start(VubLimit *limit)
{
    map = mmap(NULL, limit->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, limit->fd, 0);
    if (map == MAP_FAILED) {
        vub_limit_die("mmap", errno);
    }
    /* MAP_POPULATE has made the pages of a shared mapping readable only. */
    for (uint64_t at = 0; limit->pattern.operation != VUB_READ && at < limit->bytes; at += 4096) {
        *(volatile uint8_t *)(map + at) = map[at];
    }
}

static void memcpy_step(VubLimit *limit)
{
    for (int slot = 0; slot < limit->depth; slot++) {
        uint8_t *buffer = limit->buffers + (size_t)slot * limit->block_bytes;
        bool write;
        uint64_t offset = vub_pattern_next(&limit->pattern, &write) * limit->block_bytes;

        if (write) {
            memcpy(map + offset, buffer, limit->block_bytes);
        } else {
            memcpy(buffer, map + offset, limit->block_bytes);
        }
    }
    limit->done += limit->depth;
}

static void null_step(VubLimit *limit)
{
    for (int slot = 0; slot < limit->depth; slot++) {
        uint8_t *buffer = limit->buffers + (size_t)slot * limit->block_bytes;
        bool write;

        *(volatile uint8_t *)buffer = vub_pattern_next(&limit->pattern, &write);
    }
    limit->done += limit->depth;
}

static const VubLimitWay vub_limit_pread = { "pread", nothing, pread_step, nothing };
static const VubLimitWay vub_limit_memcpy = { "memcpy", memcpy_start, memcpy_step, nothing };
static const VubLimitWay vub_limit_null = { "null", nothing, null_step, nothing };

static const VubLimitWay *const ways[] = { &vub_limit_uring, &vub_limit_pread, &vub_limit_memcpy,
                                           &vub_limit_null };

static const VubLimitWay *find_way(const char *name)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (!strcmp(ways[i]->name, name)) {
            return ways[i];
        }
    }
    return NULL;
}

/* ---- The program ---- */

static const char usage_text[] =
    "usage: vub-limit [OPTION]... FILE WAY read|write|mix DEPTH SECONDS [BLOCK-BYTES]\n"
    "\n"
    "ways:\n"
    "  uring    io_uring, DEPTH requests in flight, those that have completed anew together\n"
    "  pread    pread and pwrite, one after the other\n"
    "  memcpy   copies from and to a mapping of the file\n"
    "  null     nothing but the choice of blocks\n"
    "options:\n"
    "  -s, --sequential   ascending blocks (default: random ones)\n"
    "  -f, --fixed        registered buffers (uring)\n"
    "  -d, --direct       past the page cache (uring, pread)\n";

static const struct option long_options[] = {
    { "sequential", no_argument, NULL, 's' },
    { "fixed", no_argument, NULL, 'f' },
    { "direct", no_argument, NULL, 'd' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static _Noreturn void usage(int status)
{
    fputs(usage_text, status ? stderr : stdout);
    exit(status);
}

/* Flags for opening the file. */
static int parse_options(VubLimit *limit, int argc, char **argv)
{
    int option, flags = O_RDWR;

    while ((option = getopt_long(argc, argv, "sfdh", long_options, NULL)) != -1) {
        switch (option) {
        case 's':
            limit->pattern.sequential = true;
            break;
        case 'f':
            limit->fixed = true;
            break;
        case 'd':
            flags |= O_DIRECT;
            break;
        default:
            usage(option == 'h' ? 0 : 2);
        }
    }
    return flags;
}

static void open_file(VubLimit *limit, const char *path, int flags)
{
    struct stat st;

    limit->fd = open(path, flags | O_CLOEXEC);
    if (limit->fd < 0 || fstat(limit->fd, &st) < 0) {
        vub_limit_die(path, errno);
    }
    limit->bytes = st.st_size;
    limit->pattern.blocks = limit->bytes / limit->block_bytes;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(VubLimit *limit, const VubLimitWay *way, double seconds)
{
    double begin, cpu, took;

    way->start(limit);
    begin = vub_now();
    cpu = cpu_seconds();
    while (vub_now() < begin + seconds) {
        way->step(limit);
    }
    way->end(limit);
    took = vub_now() - begin;
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"iops\": %.0f, \"cpu_seconds\": %.6f}\n",
           (unsigned long long)limit->done, took, limit->done / took, cpu_seconds() - cpu);
}

int main(int argc, char **argv)
{
    static VubLimit limit = { .block_bytes = 4096, .pattern = { .random = 1 } };
    int flags = parse_options(&limit, argc, argv);
    const VubLimitWay *way;
    size_t bytes;

    argc -= optind;
    argv += optind;
    if (argc < 5 || argc > 6) {
        usage(2);
    }
    way = find_way(argv[1]);
    limit.pattern.operation = vub_operation(argv[2]);
    limit.depth = atoi(argv[3]);
    if (argc > 5) {
        limit.block_bytes = atoi(argv[5]);
    }
    if (!way || limit.pattern.operation == VUB_OPERATION__MAX || limit.depth < 1 ||
        limit.depth > MAX_DEPTH || limit.block_bytes % 512 || !limit.block_bytes) {
        usage(2);
    }
    open_file(&limit, argv[0], flags);
    bytes = (size_t)limit.depth * limit.block_bytes;
    limit.buffers = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    memset(limit.buffers, 0x5a, bytes);
    run(&limit, way, atof(argv[4]));
    return 0;
}
