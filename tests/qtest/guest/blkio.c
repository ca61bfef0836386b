/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block device exerciser that runs inside a guest: patterns written and verified with O_DIRECT,
 * flush, discard, write-zeroes, capacity, a many-threaded stress, and a look at what the kernel
 * keeps of the device in its page cache.
 *
 * Theory of operation: the content of each 8-byte word is a function of its offset on the device
 * and of a seed, so that the host can compute what must stand in the image file. In the stress
 * each thread owns a slice of the device and remembers what it last wrote into each block.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK       (256 * 1024)
#define ALIGNMENT   4096
#define MULTIPLIER  0x9e3779b97f4a7c15ull
#define STOP_FILE   "/tmp/blkio-stop"
#define MAX_THREADS 64
/* Operations of each thread, however soon it is stopped: the machine may be a busy one. */
#define LEAST 16

typedef struct Range {
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes */
} Range;

typedef struct StressThread {
    pthread_t thread;
    int fd;
    Range slice;
    size_t block_size; /* bytes */
    unsigned seed;
    uint64_t operations;
    uint64_t errors;
    uint64_t slowest_ns;
} StressThread;

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static void fill_pattern(void *buffer, uint64_t offset, size_t length, uint64_t seed)
{
    uint64_t *words = buffer;

    for (size_t i = 0; i < length / 8; i++) {
        words[i] = (offset + i * 8) * MULTIPLIER + seed;
    }
}

static void *aligned_buffer(size_t length)
{
    void *buffer = NULL;

    if (posix_memalign(&buffer, ALIGNMENT, length) != 0) {
        printf("out of memory\n");
        exit(1);
    }
    memset(buffer, 0, length);
    return buffer;
}

static size_t chunk_at(const Range *range, uint64_t done)
{
    return range->length - done < CHUNK ? range->length - done : CHUNK;
}

static int write_pattern(int fd, const Range *range, uint64_t seed)
{
    char *buffer = aligned_buffer(CHUNK);
    uint64_t done = 0;

    while (done < range->length) {
        size_t size = chunk_at(range, done);

        fill_pattern(buffer, range->offset + done, size, seed);
        if (pwrite(fd, buffer, size, range->offset + done) != (ssize_t)size) {
            return fail("write");
        }
        done += size;
    }
    free(buffer);
    return 0;
}

static int read_and_compare(int fd, const Range *range, bool zeroes, uint64_t seed)
{
    char *buffer = aligned_buffer(CHUNK);
    char *expected = aligned_buffer(CHUNK);
    uint64_t done = 0;

    while (done < range->length) {
        size_t size = chunk_at(range, done);

        if (!zeroes) {
            fill_pattern(expected, range->offset + done, size, seed);
        }
        if (pread(fd, buffer, size, range->offset + done) != (ssize_t)size) {
            return fail("read");
        }
        if (memcmp(buffer, expected, size) != 0) {
            printf("differs between %llu and %llu\n", (unsigned long long)(range->offset + done),
                   (unsigned long long)(range->offset + done + size));
            return 1;
        }
        done += size;
    }
    free(buffer);
    free(expected);
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* One block: write something new into it, or read it and compare with what was written last. */
static bool stress_step(StressThread *self, uint64_t *last, char *buffer, char *expected)
{
    uint64_t blocks = self->slice.length / self->block_size;
    uint64_t block = rand_r(&self->seed) % blocks;
    uint64_t offset = self->slice.offset + block * self->block_size;
    ssize_t size = self->block_size;

    if (last[block] == 0 || rand_r(&self->seed) % 2 == 0) {
        last[block] = self->operations + 1;
        fill_pattern(buffer, offset, size, last[block]);
        return pwrite(self->fd, buffer, size, offset) == size;
    }
    fill_pattern(expected, offset, size, last[block]);
    return pread(self->fd, buffer, size, offset) == size && memcmp(buffer, expected, size) == 0;
}

static void *stress_thread(void *opaque)
{
    StressThread *self = opaque;
    uint64_t *last = calloc(self->slice.length / self->block_size, sizeof(*last));
    char *buffer = aligned_buffer(self->block_size);
    char *expected = aligned_buffer(self->block_size);

    while (self->operations < LEAST || access(STOP_FILE, F_OK) != 0) {
        uint64_t started = now_ns();

        if (!stress_step(self, last, buffer, expected)) {
            self->errors++;
        }
        self->operations++;
        if (now_ns() - started > self->slowest_ns) {
            self->slowest_ns = now_ns() - started;
        }
        if (self->operations % 64 == 0) {
            fsync(self->fd);
        }
    }
    free(last);
    free(buffer);
    free(expected);
    return NULL;
}

/* Runs until STOP_FILE exists, and each thread has done its least. */
static int stress(int fd, const Range *range, unsigned threads, size_t block_size)
{
    StressThread self[MAX_THREADS] = { 0 };
    uint64_t operations = 0, errors = 0, slowest_ns = 0;
    uint64_t share = range->length / threads / block_size * block_size;

    for (unsigned i = 0; i < threads; i++) {
        self[i].fd = fd;
        self[i].slice = (Range){ range->offset + i * share, share };
        self[i].block_size = block_size;
        self[i].seed = i + 1;
        pthread_create(&self[i].thread, NULL, stress_thread, &self[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(self[i].thread, NULL);
        operations += self[i].operations;
        errors += self[i].errors;
        slowest_ns = self[i].slowest_ns > slowest_ns ? self[i].slowest_ns : slowest_ns;
    }
    printf("operations=%llu errors=%llu slowest_ms=%llu\n", (unsigned long long)operations,
           (unsigned long long)errors, (unsigned long long)(slowest_ns / 1000000));
    return errors != 0;
}

static int range_ioctl(int fd, unsigned long request, const Range *range, const char *name)
{
    uint64_t argument[2] = { range->offset, range->length };

    return ioctl(fd, request, argument) == 0 ? 0 : fail(name);
}

static int capacity(int fd)
{
    uint64_t bytes = 0;
    int logical = 0;

    if (ioctl(fd, BLKGETSIZE64, &bytes) != 0 || ioctl(fd, BLKSSZGET, &logical) != 0) {
        return fail("capacity");
    }
    printf("%llu %d\n", (unsigned long long)bytes, logical);
    return 0;
}

/* Pages in the page cache, and those of them that differ from the pattern; reads nothing else. */
static int verify_cached(const char *device, const Range *range, uint64_t seed)
{
    const size_t page = sysconf(_SC_PAGESIZE);
    char *buffer = aligned_buffer(page), *expected = aligned_buffer(page);
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, range->length, PROT_READ, MAP_SHARED, fd, range->offset);
    unsigned cached = 0, differing = 0;

    if (fd < 0 || map == MAP_FAILED) {
        return fail("map");
    }
    for (uint64_t done = 0; done < range->length; done += page) {
        unsigned char there;

        if (mincore((char *)map + done, page, &there) != 0) {
            return fail("mincore");
        }
        if (there & 1) {
            fill_pattern(expected, range->offset + done, page, seed);
            if (pread(fd, buffer, page, range->offset + done) != (ssize_t)page) {
                return fail("read");
            }
            cached++;
            differing += memcmp(buffer, expected, page) != 0;
        }
    }
    printf("cached=%u differing=%u\n", cached, differing);
    return 0;
}

static int run(const char *verb, int fd, const Range *range, uint64_t argument, uint64_t size)
{
    if (strcmp(verb, "write") == 0) {
        return write_pattern(fd, range, argument);
    }
    if (strcmp(verb, "verify") == 0) {
        return read_and_compare(fd, range, false, argument);
    }
    if (strcmp(verb, "verify-zeroes") == 0) {
        return read_and_compare(fd, range, true, 0);
    }
    if (strcmp(verb, "discard") == 0) {
        return range_ioctl(fd, BLKDISCARD, range, verb);
    }
    if (strcmp(verb, "zeroes") == 0) {
        return range_ioctl(fd, BLKZEROOUT, range, verb);
    }
    if (strcmp(verb, "flush") == 0) {
        return fsync(fd) == 0 ? 0 : fail("flush");
    }
    if (strcmp(verb, "capacity") == 0) {
        return capacity(fd);
    }
    if (strcmp(verb, "stress") == 0 && argument > 0 && argument <= MAX_THREADS && size > 0) {
        return stress(fd, range, argument, size);
    }
    printf("unknown: %s\n", verb);
    return 2;
}

static uint64_t number(int argc, char **argv, int index)
{
    return argc > index ? strtoull(argv[index], NULL, 0) : 0;
}

int main(int argc, char **argv)
{
    Range range;
    int fd, status;

    if (argc < 3) {
        printf("usage: blkio VERB DEVICE [OFFSET LENGTH [SEED|THREADS [BLOCK-SIZE]]]\n");
        return 2;
    }
    range = (Range){ number(argc, argv, 3), number(argc, argv, 4) };
    if (strcmp(argv[1], "verify-cached") == 0) {
        return verify_cached(argv[2], &range, number(argc, argv, 5));
    }
    fd = open(argv[2], O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        fd = open(argv[2], O_RDONLY | O_DIRECT | O_CLOEXEC);
    }
    if (fd < 0) {
        return fail("open");
    }
    status = run(argv[1], fd, &range, number(argc, argv, 5), number(argc, argv, 6));
    fflush(stdout);
    close(fd);
    return status;
}
