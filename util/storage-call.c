/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "qemu/storage-call.h"
#include "qemu/address-space.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"

/* How often the interrupt is asked, in milliseconds. */
#define SLICE_MS 100

typedef struct StorageCall {
    unsigned refs; /* atomic; the caller's and the thread's */
    StorageFunc *func;
    void *arg;
    GDestroyNotify free_arg;
    bool in_coroutine;
    QemuCoSleep sleep; /* main thread */

    QemuMutex lock;
    QemuCond ended;
    /* lock */
    bool done;
    int ret;

    bool abandoned; /* the caller's; read with the last reference */
} StorageCall;

static unsigned calls; /* atomic */
static bool (*interrupt_asked)(void);

void storage_call_set_interrupt(bool (*asked)(void))
{
    interrupt_asked = asked;
}

static void call_unref(StorageCall *call)
{
    if (qatomic_fetch_dec(&call->refs) > 1) {
        return;
    }
    if (call->abandoned && call->free_arg) {
        call->free_arg(call->arg);
    }
    qemu_cond_destroy(&call->ended);
    qemu_mutex_destroy(&call->lock);
    g_free(call);
    qatomic_dec(&calls);
}

static void call_done(void *opaque)
{
    StorageCall *call = opaque;

    qemu_co_sleep_wake(&call->sleep);
    call_unref(call);
}

static void *call_run(void *opaque)
{
    StorageCall *call = opaque;
    int ret = call->func(call->arg);

    qemu_mutex_lock(&call->lock);
    call->ret = ret;
    call->done = true;
    qemu_cond_signal(&call->ended);
    qemu_mutex_unlock(&call->lock);
    if (call->in_coroutine) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), call_done, call);
    } else {
        call_unref(call);
    }
    return NULL;
}

static void call_begin(StorageCall *call)
{
    QemuThread thread;

    qemu_mutex_init(&call->lock);
    qemu_cond_init(&call->ended);
    if (!qemu_address_space_left(ADDRESS_SPACE_OF_THREAD + ADDRESS_SPACE_RESERVE) ||
        qemu_thread_try_create(&thread, "storage", call_run, call, QEMU_THREAD_DETACHED) < 0) {
        call_run(call);
    }
}

/* NULL with *@ret if there are too many. */
static StorageCall *call_new(StorageFunc *func, void *arg, GDestroyNotify free_arg,
                             bool in_coroutine, int *ret)
{
    StorageCall *call;

    if (qatomic_fetch_inc(&calls) >= STORAGE_CALLS_MAX && free_arg) {
        qatomic_dec(&calls);
        free_arg(arg);
        *ret = -EBUSY;
        return NULL;
    }
    call = g_new0(StorageCall, 1);
    *call = (StorageCall){
        .refs = 2,
        .func = func,
        .arg = arg,
        .free_arg = free_arg,
        .in_coroutine = in_coroutine,
    };
    call_begin(call);
    return call;
}

/* Whether there is a result; else *@ret is @lacking. The caller's reference goes. */
static bool call_end(StorageCall *call, int lacking, int *ret)
{
    bool done;

    qemu_mutex_lock(&call->lock);
    done = call->done;
    *ret = done ? call->ret : lacking;
    call->abandoned = !done;
    qemu_mutex_unlock(&call->lock);
    call_unref(call);
    return done;
}

bool coroutine_fn storage_co_call(StorageFunc *func, void *arg, GDestroyNotify free_arg, int ms,
                                  int *ret)
{
    StorageCall *call = call_new(func, arg, free_arg, true, ret);

    if (!call) {
        return false;
    }
    qemu_co_sleep_ns_wakeable(&call->sleep, QEMU_CLOCK_REALTIME, (int64_t)ms * SCALE_MS);
    return call_end(call, -ETIMEDOUT, ret);
}

bool storage_call(StorageFunc *func, void *arg, GDestroyNotify free_arg, int ms, int *ret)
{
    StorageCall *call = call_new(func, arg, free_arg, false, ret);
    int left = ms;

    if (!call) {
        return false;
    }
    qemu_mutex_lock(&call->lock);
    while (!call->done && left != 0 && !(left < 0 && interrupt_asked && interrupt_asked())) {
        int slice = left < 0 ? SLICE_MS : MIN(left, SLICE_MS);

        /* Woken early without cause it waits a little shorter. */
        qemu_cond_timedwait(&call->ended, &call->lock, slice);
        left -= left < 0 ? 0 : slice;
    }
    qemu_mutex_unlock(&call->lock);
    return call_end(call, left == 0 ? -ETIMEDOUT : -EINTR, ret);
}
