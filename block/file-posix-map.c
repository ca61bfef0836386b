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
 * because they are scattered over more memory than is worth it, the mapping rests for a while
 * (map-judge.h).
 * The table of chunks has one place for each chunk number modulo its size; a chunk that loses its
 * place is unmapped, so that no more than MAP_CHUNKS of them are resident on our account.
 *
 * Somebody may shorten the file, or a page may turn out unreadable: then what was copied is of no
 * use, and the mapping neither (sigbus-guard.c), and after a few times the node does without. A
 * file whose length has changed is mapped anew.
 *
 * Any thread may be reading from a mapping that is replaced. It has said so in its slot of @readers
 * before it looked whether the mapping is still the node's; so a mapping that is not, and has no
 * reader, gets none any more and is unmapped: by who replaced it, or by the reader that was the
 * last. Its RawMap is kept for the next one, since a thread that comes late may still say, and take
 * back, that it is reading. All mappings of all nodes share one limit of address space, which
 * leaves most of it for the memory of guests.
 *
 * Words of the table are atomic, so that threads may share it; a torn place is a wrong belief.
 *
 * Only regular files, and only on file systems that file-posix-fs.c allows it for.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include "qemu/atomic.h"
#include "qemu/host-utils.h"
#include "block/accounting.h"
#include "block/file-posix.h"
#include "block/map-judge.h"
#include "block/sigbus-guard.h"
#include "trace.h"

enum {
    MAP_PAGES = 64,        /* of a chunk: bits of a word */
    MAP_CHUNKS = 4096,     /* places */
    MAP_AFTER_READS = 128, /* a node that is read less is not worth it */
    MAP_MAX_READ = 64 * 1024,
    MAP_MAX_CUTS = 16, /* mappings of one node that a reader has found cut short */
    MAP_MANY = 16,     /* mappings of one node; further ones are an epoch apart */
};

/* Bytes of address space. An x86 process has 128 TiB of it. */
#define MAP_MAX_TOTAL (INT64_C(32) << 40)

typedef struct MapChunk {
    uint64_t tag;   /* number of the chunk and epoch, + 1; 0: nothing is known */
    uint64_t pages; /* bit by bit: resident */
} MapChunk;

/* Reads that one thread's slot has done, or would have done if the mapping did not rest: threads
 * must not fight for a cache line. Atomic. */
typedef struct MapHits {
    unsigned n;
    int64_t last; /* when, in ms of the coarse clock */
} __attribute__((aligned(64))) MapHits;

/* Those of one slot that are at work. Atomic. */
typedef struct MapReaders {
    unsigned n;
} __attribute__((aligned(64))) MapReaders;

typedef struct RawMap RawMap;
struct RawMap {
    /* Constant after it was published. */
    int fd;
    uint8_t *addr;
    size_t length; /* of the file rounded up to a page, bytes */
    int64_t file_length;
    unsigned page_bits;
    int64_t born; /* ms of the coarse clock */
    MapChunk *chunks;

    SigbusGuard guard;

    /* Atomic. */
    bool outdated;   /* the file has another length now */
    int64_t resting; /* since when, in ms of the coarse clock; 0: it does not */
    int64_t judged;  /* when, in ms of the coarse clock */
    bool judging;    /* a thread has the judge */
    unsigned fills;
    MapHits hits[BLOCK_ACCT_SLOTS];

    MapJudge judge; /* whoever has set judging */

    /* What follows outlives the mapping. */
    RawMap *next; /* of map_old or map_spare */
    MapReaders readers[BLOCK_ACCT_SLOTS];
};

static int64_t map_total; /* atomic */
static int64_t map_limit = MAP_MAX_TOTAL;

int64_t raw_map_total(void)
{
    return qatomic_read(&map_total);
}

void raw_map_set_limit(int64_t bytes)
{
    map_limit = bytes;
}

static int64_t coarse_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Making one */

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
           may_ask(s->fd, st) && address_space_is_free();
}

/* The file's address in *@ret_addr; false: there is no room for it. */
static bool map_address_space(int fd, size_t length, uint8_t **ret_addr)
{
    void *addr = MAP_FAILED;

    if (qatomic_fetch_add(&map_total, (int64_t)length) + (int64_t)length <= map_limit) {
        addr = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (addr == MAP_FAILED) {
        qatomic_sub(&map_total, (int64_t)length);
        return false;
    }
    *ret_addr = addr;
    return true;
}

static RawMap *map_take_spare(BDRVRawState *s)
{
    RawMap *m = s->map_spare;

    if (m) {
        s->map_spare = m->next;
    } else {
        m = qemu_memalign(_Alignof(RawMap), sizeof(*m));
        memset(m, 0, sizeof(*m));
    }
    memset(m, 0, offsetof(RawMap, next));
    return m;
}

static RawMap *map_new(BDRVRawState *s)
{
    size_t page = qemu_real_host_page_size(), length;
    struct stat st;
    uint8_t *addr;
    RawMap *m;

    if (fstat(s->fd, &st) < 0 || !map_suits(s, &st)) {
        return NULL;
    }
    length = ROUND_UP((size_t)st.st_size, page);
    if (!map_address_space(s->fd, length, &addr)) {
        return NULL;
    }
    m = map_take_spare(s);
    m->fd = s->fd;
    m->addr = addr;
    m->length = length;
    m->file_length = st.st_size;
    m->page_bits = ctz64(page);
    m->born = coarse_ms();
    m->chunks = g_new0(MapChunk, MAP_CHUNKS);
    /* A page that was evicted after all is read alone. */
    madvise(m->addr, m->length, MADV_RANDOM);
    sigbus_guard_on(&m->guard, m->addr, m->length, page);
    trace_file_map(s->fd, st.st_size, s->map_made++);
    return m;
}

static void map_end(RawMap *m)
{
    sigbus_guard_off(&m->guard);
    munmap(m->addr, m->length);
    g_free(m->chunks);
    qatomic_sub(&map_total, (int64_t)m->length);
}

static bool map_dead(RawMap *m)
{
    return qatomic_read(&m->guard.hit) || qatomic_read(&m->outdated);
}

/* Has the file still the length that it was mapped with? */
static bool map_is_current(RawMap *m)
{
    struct stat st;

    return fstat(m->fd, &st) == 0 && st.st_size == m->file_length;
}

/* Who reads, and what is old */

static bool map_has_readers(RawMap *m)
{
    for (int i = 0; i < BLOCK_ACCT_SLOTS; i++) {
        if (qatomic_load_acquire(&m->readers[i].n)) {
            return true;
        }
    }
    return false;
}

/* With map_busy. */
static void map_end_unread(BDRVRawState *s)
{
    RawMap **link = &s->map_old, *m;

    while ((m = *link)) {
        if (map_has_readers(m)) {
            link = &m->next;
            continue;
        }
        *link = m->next;
        map_end(m);
        m->next = s->map_spare;
        s->map_spare = m;
    }
}

/* Whoever is busy with the mappings looks again before it leaves. */
static void map_sweep(BDRVRawState *s)
{
    qatomic_set_mb(&s->map_unswept, true);
    while (qatomic_read(&s->map_unswept) && !qatomic_xchg(&s->map_busy, true)) {
        qatomic_set_mb(&s->map_unswept, false);
        map_end_unread(s);
        qatomic_set_mb(&s->map_busy, false);
    }
}

static void map_release(BDRVRawState *s, RawMap *m, unsigned slot)
{
    qatomic_dec(&m->readers[slot].n);
    smp_mb__after_rmw();
    if (unlikely(qatomic_read(&s->map) != m)) {
        map_sweep(s);
    }
}

/* The node's mapping, which stays until map_release(); or NULL. */
static RawMap *map_hold(BDRVRawState *s, unsigned slot)
{
    RawMap *m = qatomic_load_acquire(&s->map);

    if (unlikely(!m)) {
        return NULL;
    }
    qatomic_inc(&m->readers[slot].n);
    smp_mb__after_rmw();
    if (unlikely(qatomic_load_acquire(&s->map) != m)) {
        map_release(s, m, slot);
        return NULL;
    }
    return m;
}

/* With map_busy. */
static void map_replace(BDRVRawState *s, RawMap *old)
{
    RawMap *m;

    if (old) {
        s->map_cuts += qatomic_read(&old->guard.hit);
        qatomic_set_mb(&s->map, NULL);
        old->next = s->map_old;
        s->map_old = old;
        map_end_unread(s);
    }
    m = s->map_cuts < MAP_MAX_CUTS ? map_new(s) : NULL;
    if (m) {
        qatomic_store_release(&s->map, m);
        return;
    }
    qatomic_set(&s->map_reads, 0);
    qatomic_set(&s->map_closed, !s->use_map || s->direct || s->map_cuts >= MAP_MAX_CUTS);
}

/* The mapping is none, dead, or too short. One thread at a time; the others do without. */
static void map_renew(BDRVRawState *s, RawMap *old)
{
    if (qatomic_read(&s->map_closed)) {
        return;
    }
    if (!old && qatomic_read(&s->map_reads) < MAP_AFTER_READS) {
        qatomic_set(&s->map_reads, qatomic_read(&s->map_reads) + 1);
        return;
    }
    if (qatomic_xchg(&s->map_busy, true)) {
        return;
    }
    /* Else another thread has been faster; or it is the node that is longer than its file. */
    if (qatomic_read(&s->map) == old && (!old || map_dead(old) || !map_is_current(old)) &&
        (!old || s->map_made < MAP_MANY || coarse_ms() - old->born >= MAP_JUDGE_EPOCH_MS)) {
        map_replace(s, old);
    }
    qatomic_set_mb(&s->map_busy, false);
    if (unlikely(qatomic_read(&s->map_unswept))) {
        map_sweep(s);
    }
}

static void map_free_list(RawMap *m, bool mapped)
{
    while (m) {
        RawMap *next = m->next;

        if (mapped) {
            map_end(m);
        }
        qemu_vfree(m);
        m = next;
    }
}

void raw_map_free(BDRVRawState *s)
{
    if (s->map) {
        s->map->next = NULL;
        map_free_list(s->map, true);
    }
    map_free_list(s->map_old, true);
    map_free_list(s->map_spare, false);
    s->map = s->map_old = s->map_spare = NULL;
}

/* What is resident */

static size_t chunk_bytes(const RawMap *m)
{
    return (size_t)MAP_PAGES << m->page_bits;
}

static void count(unsigned *counter)
{
    qatomic_set(counter, qatomic_read(counter) + 1);
}

static void count_hit(RawMap *m, int64_t now)
{
    MapHits *hits = &m->hits[block_thread_slot()];

    count(&hits->n);
    qatomic_set(&hits->last, now);
}

/* Evictions that this thread has met lately, in whatever file. */
static unsigned major_faults(int64_t now)
{
    static __thread int64_t time_before;
    static __thread long faults_before;
    struct rusage usage;
    unsigned faults = 0;

    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        faults = now - time_before < 2 * MAP_JUDGE_EPOCH_MS ? usage.ru_majflt - faults_before : 0;
        faults_before = usage.ru_majflt;
    }
    time_before = now;
    return faults;
}

/* Reads since the last call, and when the last of them was. */
static unsigned take_hits(RawMap *m, int64_t *ret_last)
{
    unsigned hits = 0;

    *ret_last = 0;
    for (int i = 0; i < BLOCK_ACCT_SLOTS; i++) {
        hits += qatomic_xchg(&m->hits[i].n, 0);
        *ret_last = MAX(*ret_last, qatomic_read(&m->hits[i].last));
    }
    return hits;
}

/* Has it been worth it lately? The mapping rests if not. */
static void map_judge(RawMap *m, int64_t now)
{
    int64_t last;
    MapEpoch epoch;

    if (qatomic_xchg(&m->judging, true)) {
        return;
    }
    epoch = (MapEpoch){
        .reads = take_hits(m, &last),
        .answers = qatomic_xchg(&m->fills, 0),
        .faults = major_faults(now),
        .silence_ms = now - last,
    };
    qatomic_set(&m->judged, now);
    if (map_judge_epoch(&m->judge, &epoch)) {
        trace_file_map_rest(m->fd, epoch.reads, epoch.answers, epoch.faults);
        qatomic_set(&m->resting, now);
    }
    qatomic_store_release(&m->judging, false);
}

/* Whether the rest goes on. */
static bool map_rests(RawMap *m, int64_t now)
{
    int64_t since = qatomic_read(&m->resting), judged = qatomic_read(&m->judged), last;

    if (likely(!since)) {
        return false;
    }
    count_hit(m, now);
    if (now - judged < MAP_JUDGE_EPOCH_MS || qatomic_xchg(&m->judging, true)) {
        return true;
    }
    if (map_judge_rest_over(&m->judge, take_hits(m, &last), now - judged, now - since)) {
        qatomic_set(&m->resting, 0);
    }
    qatomic_set(&m->judged, now);
    qatomic_store_release(&m->judging, false);
    return qatomic_read(&m->resting) != 0;
}

/* Asks which pages of @chunk are resident. */
static uint64_t chunk_ask(RawMap *m, uint64_t chunk)
{
    size_t at = chunk * chunk_bytes(m);
    size_t bytes = MIN(chunk_bytes(m), m->length - at);
    unsigned char resident[MAP_PAGES];
    uint64_t pages = 0;

    if (!map_is_current(m)) {
        qatomic_set(&m->outdated, true);
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
    if (now - qatomic_read(&m->judged) >= MAP_JUDGE_EPOCH_MS) {
        map_judge(m, now);
    }
    count(&m->fills);
    return pages;
}

void raw_map_forget(BDRVRawState *s, int64_t offset, int64_t bytes)
{
    unsigned slot = block_thread_slot();
    RawMap *m = map_hold(s, slot);
    uint64_t chunk, end;

    if (!m) {
        return;
    }
    chunk = offset / chunk_bytes(m);
    end = MIN(DIV_ROUND_UP((uint64_t)(offset + bytes), chunk_bytes(m)), chunk + MAP_CHUNKS);
    for (; chunk < end; chunk++) {
        qatomic_set(&m->chunks[chunk % MAP_CHUNKS].tag, 0);
    }
    map_release(s, m, slot);
}

/* Are the pages from @first on to @last, of one chunk, resident? */
static bool chunk_resident(RawMap *m, uint64_t first, uint64_t last, int64_t now)
{
    uint64_t chunk = first / MAP_PAGES;
    uint64_t tag = (chunk << 20 | ((now / MAP_JUDGE_EPOCH_MS) & 0xfffff)) + 1;
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

static int map_read(RawMap *m, int64_t offset, int64_t bytes, const struct iovec *iov, int niov)
{
    const uint8_t *from = m->addr + offset;
    int64_t now = coarse_ms();

    if (bytes > MAP_MAX_READ || map_rests(m, now) || !range_resident(m, offset, bytes, now)) {
        return -EAGAIN;
    }
    for (int i = 0; i < niov; i++) {
        memcpy(iov[i].iov_base, from, iov[i].iov_len);
        from += iov[i].iov_len;
    }
    /* Not before the copy. */
    smp_rmb();
    count_hit(m, now);
    return unlikely(qatomic_read(&m->guard.hit)) ? -EAGAIN : 0;
}

static bool map_serves(RawMap *m, int64_t end)
{
    return m && end <= m->file_length && !map_dead(m);
}

int raw_try_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes, const struct iovec *iov,
                   int niov)
{
    BDRVRawState *s = bs->opaque;
    unsigned slot = block_thread_slot();
    RawMap *m = map_hold(s, slot);
    int ret = -EAGAIN;

    if (unlikely(!map_serves(m, offset + bytes))) {
        if (m) {
            map_release(s, m, slot);
        }
        map_renew(s, m);
        m = map_hold(s, slot);
        if (!m) {
            return -EAGAIN;
        }
    }
    if (likely(map_serves(m, offset + bytes))) {
        ret = map_read(m, offset, bytes, iov, niov);
    }
    map_release(s, m, slot);
    return ret;
}
