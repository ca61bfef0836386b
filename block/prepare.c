/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "block/command-wait.h"
#include "block/node.h"
#include "block/prepare.h"
#include "qemu/storage-call.h"
#include "qemu/main-loop.h"

/* One driver's preparation. It may be left to the thread that carries it out. */
typedef struct Preparation {
    BlockDriver *drv;
    const BlockdevOptions *key; /* what the opening knows it by; never looked into */
    BlockdevOptions *options;   /* our copy */
    int flags;
    void *prepared;
    Error *err;
    QTAILQ_ENTRY(Preparation) next;
} Preparation;

typedef QTAILQ_HEAD(PreparationList, Preparation) PreparationList;

/* Of the opening that is going on, if a command does it. */
static PreparationList *current;

static Preparation *preparation_new(BlockDriver *drv, const BlockdevOptions *options, int flags)
{
    Preparation *p = g_new0(Preparation, 1);

    p->drv = drv;
    p->key = options;
    p->options = QAPI_CLONE(BlockdevOptions, options);
    p->flags = flags;
    return p;
}

static void preparation_free(void *opaque)
{
    Preparation *p = opaque;

    if (p->prepared) {
        p->drv->bdrv_unprepare(p->prepared);
    }
    qapi_free_BlockdevOptions(p->options);
    error_free(p->err);
    g_free(p);
}

static int preparation_run(void *opaque)
{
    Preparation *p = opaque;

    p->prepared = p->drv->bdrv_prepare(p->options, p->flags, &p->err);
    return 0;
}

static int preparation_probe(void *opaque)
{
    Preparation *p = opaque;

    return p->drv->bdrv_probe(p->options);
}

static void set_unanswered(int ret, const char *name, Error **errp)
{
    if (ret == -EINTR) {
        error_setg(errp, "Could not open node '%s': the program was told to end", name);
    } else if (ret == -EBUSY) {
        error_setg(errp,
                   "Could not open node '%s': too many others wait for storage that does not "
                   "answer",
                   name);
    } else {
        error_setg(errp, "Could not open node '%s': its storage does not answer", name);
    }
}

/* Takes @p, which is done. */
static void *preparation_result(Preparation *p, Error **errp)
{
    void *prepared = g_steal_pointer(&p->prepared);

    error_propagate(errp, g_steal_pointer(&p->err));
    preparation_free(p);
    return prepared;
}

static void *prepare_now(BlockDriver *drv, const BlockdevOptions *options, int flags, Error **errp)
{
    g_autofree char *name = g_strdup(options->node_name ?: BlockdevDriver_str(options->driver));
    Preparation *p = preparation_new(drv, options, flags);
    int ret;

    if (!storage_call(preparation_run, p, preparation_free, -1, &ret)) {
        set_unanswered(ret, name, errp);
        return NULL;
    }
    return preparation_result(p, errp);
}

void *bdrv_take_prepared(BlockDriver *drv, const BlockdevOptions *options, int flags, Error **errp)
{
    Preparation *p;

    GLOBAL_STATE_CODE();
    if (current) {
        QTAILQ_FOREACH (p, current, next) {
            if (p->key == options) {
                QTAILQ_REMOVE(current, p, next);
                return preparation_result(p, errp);
            }
        }
    }
    return prepare_now(drv, options, flags, errp);
}

static int drop(void *opaque)
{
    preparation_free(opaque);
    return 0;
}

void bdrv_drop_prepared(BlockDriver *drv, void *prepared)
{
    Preparation *p;
    int ret;

    if (prepared) {
        p = g_new0(Preparation, 1);
        p->drv = drv;
        p->prepared = prepared;
        storage_call(drop, p, NULL, STORAGE_QUICK_MS, &ret);
    }
}

/* Takes @p, which is on no list if this fails. */
static bool coroutine_fn prepare_elsewhere(Preparation *p, const char *root_name, Error **errp)
{
    g_autofree char *name = g_strdup(p->options->node_name ?: root_name);
    int ret;

    /* What the probe says, if only it says something, the preparation finds out better. */
    if ((!p->drv->bdrv_probe ||
         storage_co_call(preparation_probe, p, preparation_free, STORAGE_QUICK_MS, &ret)) &&
        storage_co_call(preparation_run, p, preparation_free, STORAGE_SLOW_MS, &ret)) {
        return true;
    }
    set_unanswered(ret, name, errp);
    return false;
}

/* @options and what is defined inside of them, as bdrv_open_inherit() will come by. */
static bool coroutine_fn prepare_all(PreparationList *list, BlockdevOptions *options, Error **errp)
{
    const char *root_name = options->node_name;
    int flags = BDRV_O_RDWR;

    while (options) {
        BlockDriver *drv = bdrv_find_format(BlockdevDriver_str(options->driver));
        BlockdevRef *ref = drv && drv->bdrv_file_ref ? drv->bdrv_file_ref(options) : NULL;

        flags = bdrv_flags_of_options(options, flags);
        if (drv && drv->bdrv_prepare) {
            Preparation *p = preparation_new(drv, options, flags);

            if (!prepare_elsewhere(p, root_name, errp)) {
                return false;
            }
            QTAILQ_INSERT_TAIL(list, p, next);
        }
        flags = bdrv_flags_for_child(flags);
        options = ref && ref->type == QTYPE_QDICT ? &ref->u.definition : NULL;
    }
    return true;
}

typedef struct Opening {
    PreparationList *list;
    BlockdevOptions *options;
    BlockDriverState *bs;
    Error **errp;
} Opening;

static void open_prepared(void *opaque)
{
    Opening *opening = opaque;

    current = opening->list;
    opening->bs = bdrv_open_node(opening->options, opening->errp);
    current = NULL;
    if (opening->bs) {
        /* Before another command can find it. */
        opening->bs->monitor_owned = true;
    }
}

bool coroutine_fn bdrv_co_add_node(BlockdevOptions *options, Error **errp)
{
    PreparationList list = QTAILQ_HEAD_INITIALIZER(list);
    Opening opening = { .list = &list, .options = options, .errp = errp };
    Preparation *p, *next;
    int ret;

    GLOBAL_STATE_CODE();
    if (prepare_all(&list, options, errp)) {
        bdrv_co_leave(open_prepared, &opening);
    }
    QTAILQ_FOREACH_SAFE (p, &list, next, next) {
        QTAILQ_REMOVE(&list, p, next);
        storage_co_call(drop, p, NULL, STORAGE_QUICK_MS, &ret);
    }
    return opening.bs;
}
