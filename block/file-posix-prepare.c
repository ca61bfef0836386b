/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers file and host_device: what opening has to wait for.
 *
 * Theory of operation
 *
 * Everything that a file is asked for when it is opened is asked here, in a thread that may wait:
 * its type, its locks, what its file system can do, the alignment that O_DIRECT needs, what a
 * device can do. The answers are a BDRVRawState that only needs its node. The alignment comes from
 * the kernel, or is found out by trial reads.
 */
#include "qemu/osdep.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "block/block_int.h"
#include "block/file-posix.h"
#include "qemu/storage-call.h"

/* Largest alignment that trial reads look for, in bytes. */
#define DIO_TRIAL_MAX 65536

/* file is for regular files; host_device for what is none. */
static int raw_check_mode(mode_t mode, BlockdevDriver driver, const char *filename, Error **errp)
{
    if (driver == BLOCKDEV_DRIVER_FILE && !S_ISREG(mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be a regular file",
                   BlockdevDriver_str(driver), filename);
        return -EINVAL;
    }
    if (driver != BLOCKDEV_DRIVER_FILE && !S_ISBLK(mode) && !S_ISCHR(mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be either a character or block device",
                   BlockdevDriver_str(driver), filename);
        return -EINVAL;
    }
    return 0;
}

/*
 * Before the open: that of a wrong device may do something, such as rewind a tape, and a socket
 * cannot be opened at all. What cannot be asked is for the open to tell.
 */
static int raw_check_name(BlockdevDriver driver, const char *filename, Error **errp)
{
    struct stat st;

    /* Whether a descriptor may be meant at all is for the open to say. */
    if (qemu_descriptor_in_name(filename) >= 0) {
        return 0;
    }
    return stat(filename, &st) < 0 ? 0 : raw_check_mode(st.st_mode, driver, filename, errp);
}

static int raw_check_type(BDRVRawState *s, BlockdevDriver driver, const char *filename,
                          Error **errp)
{
    struct stat st;
    int ret;

    if (fstat(s->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", filename);
        return -errno;
    }
    s->is_device = S_ISBLK(st.st_mode);
    ret = raw_check_mode(st.st_mode, driver, filename, errp);
    if (ret < 0) {
        return ret;
    }
    return s->is_device ? raw_device_check_zones(s->fd, filename, errp) : 0;
}

/* Without `locking=on` a host without such locks, or a file that cannot be locked, is fine. */
static int raw_choose_locking(BDRVRawState *s, const BlockdevOptionsFile *o, Error **errp)
{
    OnOffAuto locking = o->has_locking ? o->locking : ON_OFF_AUTO_AUTO;

    if (locking == ON_OFF_AUTO_ON && !qemu_has_ofd_lock()) {
        error_setg(errp, "File lock requested but this host has no locks that belong to an open "
                         "file");
        return -ENOTSUP;
    }
    s->use_lock = locking != ON_OFF_AUTO_OFF && qemu_has_ofd_lock();
    if (s->use_lock && locking == ON_OFF_AUTO_AUTO) {
        int ret = qemu_lock_fd_test(s->fd, 0, 1, false);

        s->use_lock = ret == 0 || ret == -EAGAIN || ret == -EACCES;
    }
    return 0;
}

static void raw_choose_aio(BDRVRawState *s, const BlockdevOptionsFile *o)
{
    unsigned abilities = raw_fs_abilities(s->fd);

    s->is_local = s->is_device || abilities;
    /* A thread other than the main loop's may lack a ring; that is asked for each request. */
    s->use_io_uring =
        (!o->has_aio || o->aio != BLOCKDEV_AIO_OPTIONS_THREADS) && (abilities & RAW_FS_IO_URING);
    s->use_map = (!o->has_x_mapped_reads || o->x_mapped_reads) && (abilities & RAW_FS_MAP);
    s->batch_writes = !s->direct && (abilities & RAW_FS_BATCH);
    if (o->has_aio && o->aio == BLOCKDEV_AIO_OPTIONS_IO_URING && !s->use_io_uring) {
        warn_report("'%s': aio=io_uring is not used on what this file is on, where it may lose "
                    "data: threads are",
                    o->filename);
    }
}

/* Alignment for O_DIRECT */

static bool trial_read(int fd, void *buf, size_t bytes)
{
    ssize_t ret = RETRY_ON_EINTR(pread(fd, buf, bytes, 0));

    /* Only EINVAL speaks of alignment. */
    return ret >= 0 || errno != EINVAL;
}

/* The smallest power of two from 512 on by which a length may be aligned; 0 if none works. */
static uint32_t trial_length_align(int fd, char *buf)
{
    for (uint32_t align = 512; align <= DIO_TRIAL_MAX; align *= 2) {
        if (trial_read(fd, buf, align)) {
            return align;
        }
    }
    return 0;
}

static uint32_t trial_memory_align(int fd, char *buf, size_t bytes)
{
    for (uint32_t align = 4; align <= DIO_TRIAL_MAX; align *= 2) {
        if (trial_read(fd, buf + align, bytes)) {
            return align;
        }
    }
    return 0;
}

static bool probe_by_trial(BDRVRawState *s)
{
    QEMU_AUTO_VFREE char *buf = qemu_memalign(2 * DIO_TRIAL_MAX, 3 * DIO_TRIAL_MAX);

    s->dio_offset_align = trial_length_align(s->fd, buf);
    if (s->dio_offset_align) {
        s->dio_mem_align = trial_memory_align(s->fd, buf, s->dio_offset_align);
    }
    return s->dio_offset_align && s->dio_mem_align;
}

static bool probe_by_statx(BDRVRawState *s)
{
#ifdef STATX_DIOALIGN
    struct statx stx;

    if (statx(s->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
        (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align && stx.stx_dio_mem_align) {
        s->dio_offset_align = stx.stx_dio_offset_align;
        s->dio_mem_align = stx.stx_dio_mem_align;
        return true;
    }
#endif
    return false;
}

static bool probe_by_ioctl(BDRVRawState *s)
{
    int sector_size = 0;

    if (!s->is_device || ioctl(s->fd, BLKSSZGET, &sector_size) < 0 || sector_size <= 0) {
        return false;
    }
    s->dio_offset_align = sector_size;
    s->dio_mem_align = sector_size;
    return true;
}

static bool probe_direct(BDRVRawState *s, const char *filename, Error **errp)
{
    if (!probe_by_statx(s) && !probe_by_ioctl(s) && !probe_by_trial(s)) {
        error_setg(errp, "Could not find working O_DIRECT alignment");
        error_append_hint(errp, "Try cache.direct=off\n");
        return false;
    }
    if (!is_power_of_2(s->dio_offset_align) || !is_power_of_2(s->dio_mem_align)) {
        error_setg(errp, "Alignment for O_DIRECT of '%s' is no power of two", filename);
        return false;
    }
    return true;
}

/* The questions, once the file is open. */
static int raw_ask(BDRVRawState *s, const BlockdevOptions *opts, int flags, Error **errp)
{
    const BlockdevOptionsFile *o = raw_options(opts);
    int ret = raw_check_type(s, opts->driver, o->filename, errp);

    if (ret == 0) {
        ret = raw_choose_locking(s, o, errp);
    }
    if (ret < 0) {
        return ret;
    }
    raw_choose_aio(s, o);
    if (!(flags & BDRV_O_FORCE_SHARE)) {
        raw_look_for_writers(s, o->filename, flags & BDRV_O_RDWR);
    }
    s->extent_size_hint = raw_fd_extent_size_hint(s->fd);
    raw_device_ask(s);
    s->length = raw_fd_length(s->fd);
    s->length_is_new = s->length >= 0;
    s->answers->allocated = raw_fd_allocated(s->fd);
    return s->direct && !probe_direct(s, o->filename, errp) ? -EINVAL : 0;
}

void *raw_prepare(const BlockdevOptions *opts, int flags, Error **errp)
{
    const BlockdevOptionsFile *o = raw_options(opts);
    RawPrepared *p;

    if (raw_check_name(opts->driver, o->filename, errp) < 0) {
        return NULL;
    }
    p = g_new0(RawPrepared, 1);
    p->s.direct = flags & BDRV_O_NOCACHE;
    p->s.answers = g_atomic_rc_box_new0(RawAnswers);
    p->s.answers->close_fd = -1;
    p->s.fd = raw_open_file(o->filename, flags, &p->read_only_reason, errp);
    if (p->s.fd < 0) {
        g_atomic_rc_box_release(p->s.answers);
        g_free(p);
        return NULL;
    }
    if (p->read_only_reason) {
        flags &= ~BDRV_O_RDWR;
    }
    if (raw_ask(&p->s, opts, flags, errp) < 0) {
        raw_unprepare(p);
        return NULL;
    }
    return p;
}

void raw_unprepare(void *prepared)
{
    RawPrepared *p = prepared;

    qemu_close(p->s.fd);
    g_free(p->read_only_reason);
    g_atomic_rc_box_release(p->s.answers);
    g_free(p);
}

/* What only a server can answer. */
int raw_probe(const BlockdevOptions *opts)
{
    struct statfs fs;

    return statfs(raw_options(opts)->filename, &fs) < 0 ? -errno : 0;
}

static int close_thread(void *opaque)
{
    qemu_close(GPOINTER_TO_INT(opaque));
    return 0;
}

/* A server may be told, and asked whether all is written. */
static void close_if_given(RawAnswers *answers, int ms)
{
    int fd = qatomic_xchg(&answers->close_fd, -1), ret;

    if (fd >= 0) {
        storage_call(close_thread, GINT_TO_POINTER(fd), NULL, ms, &ret);
    }
}

RawAnswers *raw_answers_claim(RawAnswers *answers)
{
    return qatomic_xchg(&answers->asked, true) ? NULL : g_atomic_rc_box_acquire(answers);
}

RawAnswers *raw_answers_claim_soon(RawAnswers *answers, int ms)
{
    RawAnswers *claimed;

    while (!(claimed = raw_answers_claim(answers)) && ms-- > 0) {
        g_usleep(1000);
    }
    return claimed;
}

void raw_answers_release(RawAnswers **answers)
{
    RawAnswers *claimed = g_steal_pointer(answers);

    if (claimed) {
        qatomic_xchg(&claimed->asked, false);
        close_if_given(claimed, 0);
        g_atomic_rc_box_release(claimed);
    }
}

void raw_answers_close(RawAnswers *answers, int fd)
{
    qatomic_xchg(&answers->close_fd, fd);
    /* Else whoever asks closes it: its number must not mean another file meanwhile. */
    if (!qatomic_xchg(&answers->asked, true)) {
        close_if_given(answers, STORAGE_QUICK_MS);
    }
    g_atomic_rc_box_release(answers);
}

/* A question about an open file. The node may go meanwhile. */
typedef struct RawQuestion {
    int fd;
    RawAnswers *answers; /* a reference */
} RawQuestion;

static int ask_for_answer(void *opaque)
{
    RawQuestion *q = opaque;
    struct statfs fs;
    int ret = fstatfs(q->fd, &fs) < 0 ? -errno : 0;

    raw_answers_release(&q->answers);
    return ret;
}

static int ask_for_size(void *opaque)
{
    RawQuestion *q = opaque;

    qatomic_set(&q->answers->allocated, raw_fd_allocated(q->fd));
    raw_answers_release(&q->answers);
    return 0;
}

static void question_free(void *opaque)
{
    RawQuestion *q = opaque;

    raw_answers_release(&q->answers);
    g_free(q);
}

/* -ETIMEDOUT: no answer, now or since the last time. */
static int coroutine_fn raw_co_ask(BDRVRawState *s, StorageFunc *func, int ms)
{
    RawAnswers *answers, *wanted;
    RawQuestion *q;
    int fd = s->fd, ret;

    if (s->is_local) {
        return 0;
    }
    wanted = g_atomic_rc_box_acquire(s->answers);
    while (!(answers = raw_answers_claim(wanted)) && ms-- > 0) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
    g_atomic_rc_box_release(wanted);
    if (!answers) {
        return -ETIMEDOUT;
    }
    q = g_new(RawQuestion, 1);
    *q = (RawQuestion){ fd, answers };
    if (!storage_co_call(func, q, question_free, MAX(ms, 1), &ret)) {
        return -ETIMEDOUT;
    }
    question_free(q);
    /* Any answer will do. */
    return 0;
}

int coroutine_fn raw_co_ping(BlockDriverState *bs)
{
    return raw_co_ask(bs->opaque, ask_for_answer, STORAGE_QUICK_MS);
}

int coroutine_fn raw_co_refresh_info(BlockDriverState *bs, int ms)
{
    return raw_co_ask(bs->opaque, ask_for_size, ms);
}
