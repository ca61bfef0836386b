/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image locks: permissions that other processes see.
 *
 * Theory of operation
 *
 * Processes that use an image tell each other their permissions by OFD locks on single bytes,
 * always shared locks, so that everybody may say the same. Permission bit i (BLK_PERM_*) has two
 * bytes: a lock on byte 100 + i says "I do this", one on 200 + i says "others must not do this".
 * Who wants to do i looks whether anybody else holds 200 + i; who wants to forbid i looks at 100 +
 * i. The bytes need not exist in the file. This is QEMU's protocol: its processes and ours exclude
 * each other.
 *
 * A change takes the new locks first and then looks, so two processes that come at once cannot both
 * succeed. The locks that are no longer needed go when the change is committed.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "block/file-posix.h"
#include "qemu/storage-call.h"
#include "trace.h"

#define LOCK_PERM_BASE   100
#define LOCK_SHARED_BASE 200
#define PERM_BITS        4
/* Ours: who may write and takes no other lock. QEMU does not look at it. */
#define LOCK_UNLOCKED_WRITER 300

QEMU_BUILD_BUG_ON(BLK_PERM_ALL >> PERM_BITS);

void raw_look_for_writers(BDRVRawState *s, const char *filename, bool writable)
{
    bool writes = !s->use_lock && qemu_lock_fd_test(s->fd, LOCK_PERM_BASE + 1, 1, true) == -EAGAIN;

    /* A file that cannot be locked says nothing. */
    if (writes || qemu_lock_fd_test(s->fd, LOCK_UNLOCKED_WRITER, 1, true) == -EAGAIN) {
        warn_report("'%s' is open for writing elsewhere, and no lock keeps that apart from this: "
                    "data may be lost",
                    filename);
    }
    if (!s->use_lock && writable) {
        qemu_lock_fd(s->fd, LOCK_UNLOCKED_WRITER, 1, false);
    }
}

/* Brings the locks from *@held to @wanted, bytes from @base on. 0 or -errno with *@held true. */
static int change_locks(int fd, int base, uint64_t *held, uint64_t wanted)
{
    for (int i = 0; i < PERM_BITS; i++) {
        uint64_t bit = UINT64_C(1) << i;
        int ret = 0;

        if ((wanted & bit) && !(*held & bit)) {
            ret = qemu_lock_fd(fd, base + i, 1, false);
            *held |= ret == 0 ? bit : 0;
        } else if (!(wanted & bit) && (*held & bit)) {
            ret = qemu_unlock_fd(fd, base + i, 1);
            *held &= ret == 0 ? ~bit : ~UINT64_C(0);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* A change of locks. It may be left to the thread that carries it out, with its copies. */
typedef struct LockOp {
    int fd;
    RawAnswers *answers; /* a reference, or NULL: nobody else waits for it */
    char *filename;
    /* What the locks say, and shall say. */
    uint64_t locked_perm, locked_shared_perm;
    uint64_t perm, shared;
    /* What must not be in others' way, if that is to be looked at. */
    bool check;
    uint64_t new_perm, new_shared;
    Error *err;
} LockOp;

/* Makes the locks say that we do op->perm and share op->shared. */
static int set_locks(LockOp *op)
{
    uint64_t held_unshared = BLK_PERM_ALL & ~op->locked_shared_perm;
    int ret = change_locks(op->fd, LOCK_PERM_BASE, &op->locked_perm, op->perm & BLK_PERM_ALL);

    if (ret == 0) {
        ret = change_locks(op->fd, LOCK_SHARED_BASE, &held_unshared, BLK_PERM_ALL & ~op->shared);
        op->locked_shared_perm = BLK_PERM_ALL & ~held_unshared;
    }
    return ret;
}

/* Whether anybody else holds one of the bytes of @bits; @what goes into the message. */
static int check_others(int fd, int base, uint64_t bits, const char *what, Error **errp)
{
    for (int i = 0; i < PERM_BITS; i++) {
        g_autofree char *name = NULL;
        int ret;

        if (!(bits & (UINT64_C(1) << i))) {
            continue;
        }
        ret = qemu_lock_fd_test(fd, base + i, 1, true);
        if (ret < 0) {
            name = bdrv_perm_names(UINT64_C(1) << i);
            error_setg(errp, "Failed to get %s\"%s\" lock", what, name);
            return ret;
        }
    }
    return 0;
}

static int lock_op_carry_out(LockOp *op)
{
    int ret = set_locks(op);

    if (!op->check) {
        return 0;
    }
    if (ret < 0) {
        error_setg_errno(&op->err, -ret, "Failed to lock image '%s'", op->filename);
        return ret;
    }
    ret = check_others(op->fd, LOCK_SHARED_BASE, op->new_perm, "", &op->err);
    if (ret == 0) {
        ret = check_others(op->fd, LOCK_PERM_BASE, BLK_PERM_ALL & ~op->new_shared, "shared ",
                           &op->err);
    }
    if (ret < 0) {
        error_append_hint(&op->err, "Is another process using the image [%s]?\n", op->filename);
    }
    return ret;
}

static int lock_op_run(void *opaque)
{
    LockOp *op = opaque;
    int ret = lock_op_carry_out(op);

    raw_answers_release(&op->answers);
    return ret;
}

static void lock_op_free(void *opaque)
{
    LockOp *op = opaque;

    raw_answers_release(&op->answers);
    error_free(op->err);
    g_free(op->filename);
    g_free(op);
}

static LockOp *lock_op_new(BlockDriverState *bs, uint64_t perm, uint64_t shared)
{
    BDRVRawState *s = bs->opaque;
    LockOp *op = g_new0(LockOp, 1);

    op->fd = s->fd;
    op->filename = g_strdup(bs->filename);
    op->perm = perm;
    op->shared = shared;
    /* What a late change has done is not known: take all that is wanted, let go of all else. */
    op->locked_perm = s->lock_late ? BLK_PERM_ALL & ~perm : s->locked_perm;
    op->locked_shared_perm = s->lock_late ? BLK_PERM_ALL & ~shared : s->locked_shared_perm;
    return op;
}

/* In a thread; false if that is not done in time, or the last one is not. Takes @op then. */
static bool lock_op_elsewhere(BDRVRawState *s, LockOp *op, int *ret)
{
    op->answers = raw_answers_claim_soon(s->answers, s->lock_late ? 0 : STORAGE_QUICK_MS);
    if (!op->answers) {
        lock_op_free(op);
        return false;
    }
    return storage_call(lock_op_run, op, lock_op_free, STORAGE_QUICK_MS, ret);
}

/* Takes @op. A server that keeps the locks is not waited for: what they say then is not known. */
static int lock_op_do(BlockDriverState *bs, LockOp *op, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    int ret;

    if (s->is_local) {
        ret = lock_op_run(op);
    } else {
        s->lock_late = !lock_op_elsewhere(s, op, &ret);
        if (s->lock_late) {
            error_setg(errp, "Failed to lock image '%s': its storage does not answer",
                       bs->filename);
            return -ETIMEDOUT;
        }
    }
    s->locked_perm = op->locked_perm;
    s->locked_shared_perm = op->locked_shared_perm;
    error_propagate(errp, g_steal_pointer(&op->err));
    lock_op_free(op);
    return ret;
}

static int lock_and_check(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    LockOp *op = lock_op_new(bs, perm | s->perm, shared & s->shared_perm);

    op->check = true;
    op->new_perm = perm;
    op->new_shared = shared;
    return lock_op_do(bs, op, errp);
}

int raw_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    BDRVRawState *s = bs->opaque;
    int ret;

    GLOBAL_STATE_CODE();
    if (!s->use_lock) {
        return 0;
    }
    ret = lock_and_check(bs, perm, bs->force_share ? BLK_PERM_ALL : shared, errp);
    if (ret < 0) {
        trace_file_lock_refused(bs->filename, perm, shared);
        raw_abort_perm_update(bs);
    }
    return ret;
}

void raw_set_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared)
{
    BDRVRawState *s = bs->opaque;

    s->perm = perm;
    s->shared_perm = bs->force_share ? BLK_PERM_ALL : shared;
    raw_abort_perm_update(bs);
}

void raw_abort_perm_update(BlockDriverState *bs)
{
    BDRVRawState *s = bs->opaque;

    if (s->use_lock) {
        /* Only takes locks away; one that cannot be taken away is tried again next time. */
        lock_op_do(bs, lock_op_new(bs, s->perm, s->shared_perm), NULL);
    }
}
