/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading at once what is in the page cache, from a mapping of the file.
 *
 * Theory of operation
 *
 * A file that is read often is mapped. A read whose pages are all resident is a copy from the
 * mapping; every other one gives -EAGAIN and goes to the kernel, which may take its time. Which
 * pages are resident is asked of mincore(2) for a chunk of 64 at a time and believed for half
 * a second. Should one have been evicted meanwhile, the copy waits for the disk: wrong in time,
 * never in content. If that happens more than now and then, or if most reads have to ask first
 * because they are scattered over more memory than is worth it, the mapping rests for a while.
 * The table of chunks has one place for each chunk number modulo its size; a chunk that loses its
 * place is unmapped, so that no more than MAP_CHUNKS of them are resident on our account.
 *
 * Somebody may shorten the file, or a page may not be readable. That raises SIGBUS: the handler
 * first marks the mapping dead, then puts a page of zeroes in its place, so whoever copied from
 * there finds the mark afterwards and asks the kernel instead. A dead mapping is not used again; a
 * file whose length has changed is mapped anew, a few times. All mappings live until the node is
 * closed, since any thread may be reading from them. Any other SIGBUS goes to the handler that was
 * there before.
 *
 * Words of the table are atomic, so that threads may share it; a torn place is a wrong belief.
 *
 * Only regular files on file systems of this host, where a mapping and a write agree at once.
 */
#include "qemu/osdep.h"
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include "qemu/atomic.h"
#include "qemu/host-utils.h"
#include "block/file-posix.h"
#include "trace.h"

enum {
    MAP_PAGES = 64,        /* of a chunk: bits of a word */
    MAP_CHUNKS = 4096,     /* places */
    MAP_AFTER_READS = 128, /* a node that is read less is not worth it */
    MAP_MAX_READ = 64 * 1024,
    MAP_GENERATIONS = 16, /* mappings of one node in its life */
    MAP_EPOCH_MS = 512,   /* how long mincore() is believed */
    MAP_REST_MS = 2000,
    MAP_MIN_HITS = 8,   /* reads that a chunk is worth asking for */
    MAP_MIN_FILLS = 64, /* chunks asked for in an epoch; fewer cost nothing */
    MAP_MAX_MAJOR = 4,  /* evictions met in an epoch */
};

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

typedef struct MapChunk {
    uint64_t tag;   /* number of the chunk and epoch, + 1; 0: nothing is known */
    uint64_t pages; /* bit by bit: resident */
} MapChunk;

typedef struct RawMap RawMap;
struct RawMap {
    /* Constant after it was published. */
    int fd;
    uint8_t *addr;
    size_t length; /* of the file rounded up to a page, bytes */
    int64_t file_length;
    unsigned page_bits;
    unsigned generation;
    RawMap *older;
    MapChunk *chunks;

    /* Atomic. */
    bool dead;
    int64_t rest_until; /* ms of the coarse clock */
    int64_t epoch;      /* that is judged at its end */
    unsigned hits;
    unsigned fills;

    /* map_mutex; the handler reads them without. */
    uintptr_t guard_end; /* 0: not guarded */
    RawMap *next_guarded;
};

/* SIGBUS */

/* Mappings of all nodes. One that is taken off keeps its next one for whoever stands there. */
static RawMap *map_guarded;   /* atomic */
static unsigned map_handlers; /* atomic: handlers that are walking */
static pthread_mutex_t map_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool map_handler_installed; /* map_mutex */
static struct sigaction map_previous;

/* Async-signal-safe. True: the faulting access may be repeated. */
static bool map_repair(uintptr_t addr)
{
    RawMap *m = qatomic_load_acquire(&map_guarded);

    for (; m; m = qatomic_load_acquire(&m->next_guarded)) {
        if (addr >= (uintptr_t)m->addr && addr < qatomic_read(&m->guard_end)) {
            void *page = (void *)(addr >> m->page_bits << m->page_bits);

            qatomic_set_mb(&m->dead, true);
            return mmap(page, (size_t)1 << m->page_bits, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
        }
    }
    return false;
}

static void map_pass_on(int sig, siginfo_t *info, void *context)
{
    if (map_previous.sa_flags & SA_SIGINFO) {
        map_previous.sa_sigaction(sig, info, context);
    } else if (map_previous.sa_handler == SIG_DFL || map_previous.sa_handler == SIG_IGN) {
        /* The access is repeated on return and meets the default. */
        sigaction(SIGBUS, &map_previous, NULL);
        if (info->si_code <= 0) {
            raise(SIGBUS);
        }
    } else {
        map_previous.sa_handler(sig);
    }
}

static void map_sigbus(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    bool repaired;

    qatomic_inc(&map_handlers);
    smp_mb__after_rmw();
    repaired = (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) &&
               map_repair((uintptr_t)info->si_addr);
    qatomic_dec(&map_handlers);
    if (!repaired) {
        map_pass_on(sig, info, context);
    }
    errno = saved;
}

static void map_guard(RawMap *m)
{
    struct sigaction action = { .sa_sigaction = map_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    pthread_mutex_lock(&map_mutex);
    if (!map_handler_installed) {
        map_handler_installed = true;
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, &map_previous);
    }
    m->guard_end = (uintptr_t)m->addr + m->length;
    m->next_guarded = map_guarded;
    qatomic_store_release(&map_guarded, m);
    pthread_mutex_unlock(&map_mutex);
}

/* When it returns no handler looks at @m any more. */
static void map_unguard(RawMap *m)
{
    RawMap **link = &map_guarded;

    pthread_mutex_lock(&map_mutex);
    while (*link != m) {
        link = &(*link)->next_guarded;
    }
    qatomic_set_mb(link, m->next_guarded);
    while (qatomic_load_acquire(&map_handlers)) {
        sched_yield();
    }
    pthread_mutex_unlock(&map_mutex);
}

/* Making one */

static bool file_system_agrees(int fd)
{
    static const uint64_t local[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                      F2FS_SUPER_MAGIC, TMPFS_MAGIC };
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
        if ((uint64_t)fs.f_type == local[i]) {
            return true;
        }
    }
    return false;
}

/* mincore() tells the truth only to those who may write the file, or own it. */
static bool may_ask(int fd, const struct stat *st)
{
    return st->st_uid == geteuid() || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/* Address space that somebody has limited is for what cannot do without. */
static bool address_space_is_free(void)
{
    struct rlimit limit;

    return sizeof(void *) >= 8 && getrlimit(RLIMIT_AS, &limit) == 0 &&
           limit.rlim_cur == RLIM_INFINITY;
}

static bool map_suits(const BDRVRawState *s, const struct stat *st)
{
    return s->use_map && !s->direct && S_ISREG(st->st_mode) && st->st_size > 0 &&
           may_ask(s->fd, st) && file_system_agrees(s->fd) && address_space_is_free();
}

static RawMap *map_new(BDRVRawState *s, RawMap *older)
{
    size_t page = qemu_real_host_page_size();
    struct stat st;
    RawMap *m;

    if (fstat(s->fd, &st) < 0 || !map_suits(s, &st)) {
        return NULL;
    }
    m = g_new0(RawMap, 1);
    *m = (RawMap){
        .fd = s->fd,
        .file_length = st.st_size,
        .length = ROUND_UP((size_t)st.st_size, page),
        .page_bits = ctz64(page),
        .generation = older ? older->generation + 1 : 0,
        .older = older,
    };
    m->addr = mmap(NULL, m->length, PROT_READ, MAP_SHARED, s->fd, 0);
    if (m->addr == MAP_FAILED) {
        g_free(m);
        return NULL;
    }
    /* A page that was evicted after all is read alone. */
    madvise(m->addr, m->length, MADV_RANDOM);
    m->chunks = g_new0(MapChunk, MAP_CHUNKS);
    map_guard(m);
    trace_file_map(s->fd, st.st_size, m->generation);
    return m;
}

/* The newest mapping is none, dead, or too short. One thread at a time; the others do without. */
static RawMap *map_renew(BDRVRawState *s, RawMap *old)
{
    RawMap *m = NULL;

    if (!old && qatomic_read(&s->map_reads) < MAP_AFTER_READS) {
        qatomic_set(&s->map_reads, qatomic_read(&s->map_reads) + 1);
        return NULL;
    }
    if (qatomic_read(&s->map_closed) || qatomic_xchg(&s->map_closed, true)) {
        return NULL;
    }
    if (!old || old->generation + 1 < MAP_GENERATIONS) {
        m = map_new(s, old);
    }
    if (m) {
        qatomic_store_release(&s->map, m);
        qatomic_store_release(&s->map_closed, false);
    }
    return m;
}

void raw_map_free(BDRVRawState *s)
{
    while (s->map) {
        RawMap *m = s->map;

        s->map = m->older;
        map_unguard(m);
        munmap(m->addr, m->length);
        g_free(m->chunks);
        g_free(m);
    }
}

/* What is resident */

static int64_t coarse_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static size_t chunk_bytes(const RawMap *m)
{
    return (size_t)MAP_PAGES << m->page_bits;
}

static void count(unsigned *counter)
{
    qatomic_set(counter, qatomic_read(counter) + 1);
}

/* Has it been worth it lately? The mapping rests if not. */
static void map_judge(RawMap *m, int64_t now)
{
    static __thread long major_before;
    unsigned hits = qatomic_xchg(&m->hits, 0);
    unsigned fills = qatomic_xchg(&m->fills, 0);
    struct rusage usage;
    long major;

    qatomic_set(&m->epoch, now / MAP_EPOCH_MS);
    if (getrusage(RUSAGE_THREAD, &usage) < 0) {
        return;
    }
    major = usage.ru_majflt - major_before;
    major_before = usage.ru_majflt;
    if ((fills > MAP_MIN_FILLS && hits / MAP_MIN_HITS < fills) || major > MAP_MAX_MAJOR) {
        trace_file_map_rest(m->fd, hits, fills, major);
        qatomic_set(&m->rest_until, now + MAP_REST_MS);
    }
}

/* Asks which pages of @chunk are resident. */
static uint64_t chunk_ask(RawMap *m, uint64_t chunk)
{
    size_t at = chunk * chunk_bytes(m);
    size_t bytes = MIN(chunk_bytes(m), m->length - at);
    unsigned char resident[MAP_PAGES];
    uint64_t pages = 0;
    struct stat st;

    if (fstat(m->fd, &st) < 0 || st.st_size != m->file_length) {
        qatomic_set(&m->dead, true);
        return 0;
    }
    if (mincore(m->addr + at, bytes, resident) < 0) {
        return 0;
    }
    for (size_t i = 0; i < bytes >> m->page_bits; i++) {
        pages |= (uint64_t)(resident[i] & 1) << i;
    }
    return pages;
}

static uint64_t chunk_fill(RawMap *m, MapChunk *place, uint64_t chunk, uint64_t tag, int64_t now)
{
    uint64_t old = qatomic_read(&place->tag), pages;

    if (old && (old - 1) >> 20 != chunk) {
        size_t at = ((old - 1) >> 20) * chunk_bytes(m);

        madvise(m->addr + at, MIN(chunk_bytes(m), m->length - at), MADV_DONTNEED);
    }
    pages = chunk_ask(m, chunk);
    qatomic_set(&place->tag, 0);
    smp_wmb();
    qatomic_set(&place->pages, pages);
    qatomic_store_release(&place->tag, tag);
    if (now / MAP_EPOCH_MS != qatomic_read(&m->epoch)) {
        map_judge(m, now);
    }
    count(&m->fills);
    return pages;
}

/* Are the pages from @first on to @last, of one chunk, resident? */
static bool chunk_resident(RawMap *m, uint64_t first, uint64_t last, int64_t now)
{
    uint64_t chunk = first / MAP_PAGES;
    uint64_t tag = (chunk << 20 | ((now / MAP_EPOCH_MS) & 0xfffff)) + 1;
    uint64_t wanted = (UINT64_MAX >> (MAP_PAGES - 1 - (last - first))) << (first % MAP_PAGES);
    MapChunk *place = &m->chunks[chunk % MAP_CHUNKS];
    uint64_t pages;

    if (likely(qatomic_load_acquire(&place->tag) == tag)) {
        pages = qatomic_read(&place->pages);
    } else {
        pages = chunk_fill(m, place, chunk, tag, now);
    }
    return (pages & wanted) == wanted;
}

static bool range_resident(RawMap *m, int64_t offset, int64_t bytes, int64_t now)
{
    uint64_t first = offset >> m->page_bits;
    uint64_t last = (offset + bytes - 1) >> m->page_bits;
    uint64_t end = first | (MAP_PAGES - 1);

    /* MAP_MAX_READ is less than a chunk: two at the most. */
    if (likely(last <= end)) {
        return chunk_resident(m, first, last, now);
    }
    return chunk_resident(m, first, end, now) && chunk_resident(m, end + 1, last, now);
}

/* Reading */

int raw_try_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes, const struct iovec *iov,
                   int niov)
{
    BDRVRawState *s = bs->opaque;
    RawMap *m = qatomic_load_acquire(&s->map);
    const uint8_t *from;
    int64_t now;

    if (unlikely(!m || offset + bytes > (int64_t)m->length || qatomic_read(&m->dead))) {
        m = map_renew(s, m);
        if (!m || offset + bytes > (int64_t)m->length) {
            return -EAGAIN;
        }
    }
    now = coarse_ms();
    if (bytes > MAP_MAX_READ || now < qatomic_read(&m->rest_until) ||
        !range_resident(m, offset, bytes, now)) {
        return -EAGAIN;
    }
    from = m->addr + offset;
    for (int i = 0; i < niov; i++) {
        memcpy(iov[i].iov_base, from, iov[i].iov_len);
        from += iov[i].iov_len;
    }
    /* Not before the copy. */
    smp_rmb();
    count(&m->hits);
    return unlikely(qatomic_read(&m->dead)) ? -EAGAIN : 0;
}
