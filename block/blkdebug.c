/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkdebug: hands requests on to another node and lets chosen ones fail or wait.
 *
 * Theory of operation
 *
 * Events happen as requests go through. An event may change the node's state (set-state) and makes
 * the inject-error rules for it, in the present state, the active ones; rules for the event "none"
 * are always active. A request asks the active rules, then the constant ones; the first that is for
 * its kind and place decides. Requests come in any thread, so state and rules are under a lock.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/lockable.h"
#include "qemu/module.h"
#include "block/block_int.h"
#include "block/medium.h"

typedef struct BlkdebugRule {
    BlkdebugEvent event;
    /* 0: any. */
    int state;
    /* A set-state rule, whose new state this is; 0: an inject-error rule. */
    int new_state;
    /* 1 << BlkdebugIOType. */
    unsigned iotypes;
    int error;
    /* Bytes; -1: anywhere. */
    int64_t offset;
    uint64_t delay_ns;
    bool once;
    bool immediately;
    /* Under the lock. */
    bool active;
    bool spent;
} BlkdebugRule;

typedef struct BDRVBlkdebugState {
    /* Constant. */
    uint32_t align;
    uint32_t max_transfer;
    uint32_t opt_write_zero;
    uint32_t max_write_zero;
    uint32_t opt_discard;
    uint32_t max_discard;
    uint32_t opt_secure_erase;
    uint32_t max_secure_erase; /* 0: what the other node has */
    bool has_lifetime;         /* false: the other node's */
    BlockLifetime lifetime;
    uint64_t take_child_perms;
    uint64_t unshare_child_perms;

    QemuMutex lock;
    int state;
    /* Of BlkdebugRule. */
    GArray *rules;
} BDRVBlkdebugState;

static const unsigned default_iotypes = 1 << BLKDEBUG_IO_TYPE_READ | 1 << BLKDEBUG_IO_TYPE_WRITE |
                                        1 << BLKDEBUG_IO_TYPE_WRITE_ZEROES |
                                        1 << BLKDEBUG_IO_TYPE_DISCARD | 1 << BLKDEBUG_IO_TYPE_FLUSH;

/* Options */

static bool add_error_rule(BDRVBlkdebugState *s, const BlkdebugInjectErrorOptions *o, Error **errp)
{
    BlkdebugRule rule = {
        .event = o->event,
        .state = o->has_state ? o->state : 0,
        .iotypes = o->has_iotype ? 1u << o->iotype : default_iotypes,
        .error = o->has_errno ? o->q_errno : EIO,
        .offset = -1,
        .delay_ns = o->has_delay_ns ? o->delay_ns : 0,
        .once = o->has_once && o->once,
        .immediately = o->has_immediately && o->immediately,
    };

    if (rule.error < 0 || rule.error > 4095) {
        error_setg(errp, "Parameter 'errno' expects an error number");
        return false;
    }
    if (rule.delay_ns > INT64_MAX) {
        error_setg(errp, "Parameter 'delay-ns' is too large");
        return false;
    }
    if (o->has_sector && o->sector >= 0) {
        if (o->sector > BDRV_MAX_LENGTH / (int64_t)BDRV_SECTOR_SIZE) {
            error_setg(errp, "Parameter 'sector' is too large");
            return false;
        }
        rule.offset = o->sector * (int64_t)BDRV_SECTOR_SIZE;
    }
    g_array_append_val(s->rules, rule);
    return true;
}

static bool add_rules(BDRVBlkdebugState *s, const BlockdevOptionsBlkdebug *o, Error **errp)
{
    for (BlkdebugSetStateOptionsList *l = o->set_state; l; l = l->next) {
        BlkdebugRule rule = {
            .event = l->value->event,
            .state = l->value->has_state ? l->value->state : 0,
            .new_state = l->value->new_state,
        };

        if (rule.new_state <= 0) {
            error_setg(errp, "Parameter 'new_state' must be above 0");
            return false;
        }
        g_array_append_val(s->rules, rule);
    }
    for (BlkdebugInjectErrorOptionsList *l = o->inject_error; l; l = l->next) {
        if (!add_error_rule(s, l->value, errp)) {
            return false;
        }
    }
    return true;
}

/* A limit in bytes: 0 when not given, else a positive multiple of the alignment. */
static bool get_limit(uint32_t *ret, bool has, int64_t value, uint32_t align, Error **errp)
{
    *ret = 0;
    if (!has || value == 0) {
        return true;
    }
    if (value < 0 || value > INT_MAX || !QEMU_IS_ALIGNED(value, (int64_t)align)) {
        error_setg(errp, "Cannot meet constraints with value %" PRId64, value);
        return false;
    }
    *ret = value;
    return true;
}

static bool get_limits(BDRVBlkdebugState *s, const BlockdevOptionsBlkdebug *o, Error **errp)
{
    uint32_t align = BDRV_SECTOR_SIZE;

    if (o->has_align &&
        (o->align < 0 || o->align >= INT_MAX || (o->align && !is_power_of_2(o->align)))) {
        error_setg(errp, "Cannot meet constraints with align %" PRId64, o->align);
        return false;
    }
    s->align = o->has_align ? o->align : 0;
    align = MAX(align, s->align);
    return get_limit(&s->max_transfer, o->has_max_transfer, o->max_transfer, align, errp) &&
           get_limit(&s->opt_write_zero, o->has_opt_write_zero, o->opt_write_zero, align, errp) &&
           get_limit(&s->max_write_zero, o->has_max_write_zero, o->max_write_zero, align, errp) &&
           get_limit(&s->opt_discard, o->has_opt_discard, o->opt_discard, align, errp) &&
           get_limit(&s->max_discard, o->has_max_discard, o->max_discard, align, errp) &&
           get_limit(&s->opt_secure_erase, o->has_opt_secure_erase, o->opt_secure_erase, align,
                     errp) &&
           get_limit(&s->max_secure_erase, o->has_max_secure_erase, o->max_secure_erase,
                     MAX(align, s->opt_secure_erase), errp);
}

static bool get_lifetime(BDRVBlkdebugState *s, const BlkdebugLifetime *o, Error **errp)
{
    if (!is_power_of_2(MAX(s->opt_secure_erase, 1))) {
        error_setg(errp, "Cannot meet constraints with opt-secure-erase %u", s->opt_secure_erase);
        return false;
    }
    if (o) {
        s->has_lifetime = true;
        s->lifetime = (BlockLifetime){ o->pre_eol_info, o->typ_a, o->typ_b };
    }
    return true;
}

static uint64_t perms_of_list(const BlockPermissionList *list)
{
    static const uint64_t perms[] = {
        [BLOCK_PERMISSION_CONSISTENT_READ] = BLK_PERM_CONSISTENT_READ,
        [BLOCK_PERMISSION_WRITE] = BLK_PERM_WRITE,
        [BLOCK_PERMISSION_WRITE_UNCHANGED] = BLK_PERM_WRITE_UNCHANGED,
        [BLOCK_PERMISSION_RESIZE] = BLK_PERM_RESIZE,
    };
    uint64_t result = 0;

    for (; list; list = list->next) {
        result |= perms[list->value];
    }
    return result;
}

static void blkdebug_close(BlockDriverState *bs)
{
    BDRVBlkdebugState *s = bs->opaque;

    g_array_free(s->rules, true);
    qemu_mutex_destroy(&s->lock);
}

static BlockdevRef *blkdebug_file_ref(const BlockdevOptions *opts)
{
    return opts->u.blkdebug.image;
}

static int blkdebug_open(BlockDriverState *bs, BlockdevOptions *opts, int flags, Error **errp)
{
    BDRVBlkdebugState *s = bs->opaque;
    const BlockdevOptionsBlkdebug *o = &opts->u.blkdebug;
    int ret = -EINVAL;

    s->state = 1;
    s->take_child_perms = perms_of_list(o->take_child_perms);
    s->unshare_child_perms = perms_of_list(o->unshare_child_perms);
    s->rules = g_array_new(false, false, sizeof(BlkdebugRule));
    qemu_mutex_init(&s->lock);
    if (get_limits(s, o, errp) && get_lifetime(s, o->lifetime, errp) && add_rules(s, o, errp)) {
        ret = bdrv_open_file_child(bs, o->image, "image", BDRV_CHILD_FILTERED, errp);
    }
    if (ret < 0) {
        blkdebug_close(bs);
        return ret;
    }
    g_free(bs->filename);
    bs->filename = g_strdup_printf("blkdebug::%s", bs->file->bs->filename);
    bs->supported_write_flags = bs->file->bs->supported_write_flags;
    bs->supported_zero_flags = bs->file->bs->supported_zero_flags | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = bs->file->bs->supported_truncate_flags;
    return 0;
}

static void blkdebug_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BDRVBlkdebugState *s = bs->opaque;

    bs->bl.request_alignment = MAX(bs->bl.request_alignment, s->align);
    bs->bl.max_transfer = MIN_NON_ZERO(bs->bl.max_transfer, s->max_transfer);
    bs->bl.pwrite_zeroes_alignment = MAX(bs->bl.pwrite_zeroes_alignment, s->opt_write_zero);
    bs->bl.max_pwrite_zeroes = MIN_NON_ZERO(bs->bl.max_pwrite_zeroes, (int64_t)s->max_write_zero);
    bs->bl.pdiscard_alignment = MAX(bs->bl.pdiscard_alignment, s->opt_discard);
    bs->bl.max_pdiscard = MIN_NON_ZERO(bs->bl.max_pdiscard, (int64_t)s->max_discard);
    if (s->max_secure_erase) {
        bs->bl.max_secure_erase = s->max_secure_erase;
        bs->bl.secure_erase_alignment = s->opt_secure_erase;
    }
    bs->bl.has_lifetime = bs->bl.has_lifetime || s->has_lifetime;
}

static BdrvPerms blkdebug_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvPerms parents)
{
    BDRVBlkdebugState *s = bs->opaque;
    BdrvPerms needs = bdrv_default_perms(c->role, parents);

    needs.perm |= s->take_child_perms;
    needs.shared &= ~s->unshare_child_perms;
    return needs;
}

/* Rules */

static void coroutine_fn blkdebug_co_event(BlockDriverState *bs, BlkdebugEvent event)
{
    BDRVBlkdebugState *s = bs->opaque;
    int old_state;
    bool first = true;

    QEMU_LOCK_GUARD(&s->lock);
    old_state = s->state;
    for (guint i = 0; i < s->rules->len; i++) {
        BlkdebugRule *rule = &g_array_index(s->rules, BlkdebugRule, i);

        if (rule->event != event || (rule->state && rule->state != old_state)) {
            continue;
        }
        if (rule->new_state) {
            s->state = rule->new_state;
            continue;
        }
        for (guint j = 0; first && j < s->rules->len; j++) {
            g_array_index(s->rules, BlkdebugRule, j).active = false;
        }
        first = false;
        rule->active = true;
    }
}

static bool rule_matches(const BDRVBlkdebugState *s, const BlkdebugRule *rule, unsigned iotype,
                         int64_t offset, int64_t bytes)
{
    bool in_force = rule->active || (rule->event == BLKDEBUG_EVENT_NONE &&
                                     (!rule->state || rule->state == s->state));

    return in_force && !rule->spent && !rule->new_state && (rule->iotypes & 1u << iotype) &&
           (rule->offset == -1 || (offset <= rule->offset && rule->offset - offset < bytes));
}

/* Lets a request of that kind and place wait or fail. 0, or the -errno it has to fail with. */
static int coroutine_fn blkdebug_co_check(BlockDriverState *bs, BlkdebugIOType iotype,
                                          int64_t offset, int64_t bytes)
{
    BDRVBlkdebugState *s = bs->opaque;
    BlkdebugRule found = { .immediately = true };

    qemu_mutex_lock(&s->lock);
    for (guint i = 0; i < s->rules->len; i++) {
        BlkdebugRule *rule = &g_array_index(s->rules, BlkdebugRule, i);

        if (rule_matches(s, rule, iotype, offset, bytes)) {
            found = *rule;
            rule->spent = rule->once;
            break;
        }
    }
    qemu_mutex_unlock(&s->lock);

    if (found.delay_ns) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, found.delay_ns);
    } else if (!found.immediately) {
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
    return -found.error;
}

static int coroutine_fn blkdebug_co_preadv(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                           QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    int ret;

    blkdebug_co_event(bs, BLKDEBUG_EVENT_READ_AIO);
    ret = blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_READ, offset, bytes);
    return ret < 0 ? ret : bdrv_co_preadv(bs->file, offset, bytes, qiov, flags);
}

static int coroutine_fn blkdebug_co_pwritev(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                            QEMUIOVector *qiov, BdrvRequestFlags flags)
{
    int ret;

    blkdebug_co_event(bs, BLKDEBUG_EVENT_PWRITEV);
    blkdebug_co_event(bs, BLKDEBUG_EVENT_WRITE_AIO);
    ret = blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_WRITE, offset, bytes);
    if (ret == 0) {
        ret = bdrv_co_pwritev(bs->file, offset, bytes, qiov, flags);
    }
    blkdebug_co_event(bs, BLKDEBUG_EVENT_PWRITEV_DONE);
    return ret;
}

static int coroutine_fn blkdebug_co_pwrite_zeroes(BlockDriverState *bs, int64_t offset,
                                                  int64_t bytes, BdrvRequestFlags flags)
{
    BDRVBlkdebugState *s = bs->opaque;
    int ret;

    if (s->opt_write_zero && !QEMU_IS_ALIGNED(offset | bytes, (int64_t)s->opt_write_zero)) {
        return -ENOTSUP;
    }
    blkdebug_co_event(bs, BLKDEBUG_EVENT_PWRITEV_ZERO);
    ret = blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_WRITE_ZEROES, offset, bytes);
    return ret < 0 ? ret : bdrv_co_pwrite_zeroes(bs->file, offset, bytes, flags);
}

static int coroutine_fn blkdebug_co_pdiscard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret = blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_DISCARD, offset, bytes);

    return ret < 0 ? ret : bdrv_co_pdiscard(bs->file, offset, bytes);
}

/* A medium of our own invention forgets: what was there is overwritten. */
static int coroutine_fn blkdebug_co_secure_erase(BlockDriverState *bs, int64_t offset,
                                                 int64_t bytes)
{
    BDRVBlkdebugState *s = bs->opaque;
    int ret = blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_DISCARD, offset, bytes);

    if (ret < 0) {
        return ret;
    }
    return s->max_secure_erase ? bdrv_co_pwrite_zeroes(bs->file, offset, bytes, 0)
                               : bdrv_co_secure_erase(bs->file, offset, bytes);
}

static int coroutine_fn blkdebug_co_get_lifetime(BlockDriverState *bs, BlockLifetime *ret_lifetime)
{
    BDRVBlkdebugState *s = bs->opaque;

    if (s->has_lifetime) {
        *ret_lifetime = s->lifetime;
        return 0;
    }
    return bdrv_co_get_lifetime(bs->file, ret_lifetime);
}

/* The node below is flushed after this, by the block layer. */
static int coroutine_fn blkdebug_co_flush(BlockDriverState *bs)
{
    blkdebug_co_event(bs, BLKDEBUG_EVENT_FLUSH_TO_OS);
    blkdebug_co_event(bs, BLKDEBUG_EVENT_FLUSH_TO_DISK);
    return blkdebug_co_check(bs, BLKDEBUG_IO_TYPE_FLUSH, 0, 0);
}

static int coroutine_fn blkdebug_co_truncate(BlockDriverState *bs, int64_t offset, bool exact,
                                             PreallocMode prealloc, BdrvRequestFlags flags,
                                             Error **errp)
{
    return bdrv_co_truncate(bs->file, offset, exact, prealloc, flags, errp);
}

static BlockDriver bdrv_blkdebug = {
    .format_name = "blkdebug",
    .instance_size = sizeof(BDRVBlkdebugState),
    .is_filter = true,
    .bdrv_file_ref = blkdebug_file_ref,
    .bdrv_open = blkdebug_open,
    .bdrv_close = blkdebug_close,
    .bdrv_refresh_limits = blkdebug_refresh_limits,
    .bdrv_child_perm = blkdebug_child_perm,
    .bdrv_co_preadv = blkdebug_co_preadv,
    .bdrv_co_pwritev = blkdebug_co_pwritev,
    .bdrv_co_pwrite_zeroes = blkdebug_co_pwrite_zeroes,
    .bdrv_co_pdiscard = blkdebug_co_pdiscard,
    .bdrv_co_secure_erase = blkdebug_co_secure_erase,
    .bdrv_co_get_lifetime = blkdebug_co_get_lifetime,
    .bdrv_co_flush_to_disk = blkdebug_co_flush,
    .bdrv_co_truncate = blkdebug_co_truncate,
    .bdrv_co_debug_event = blkdebug_co_event,
};

static void bdrv_blkdebug_init(void)
{
    bdrv_register(&bdrv_blkdebug);
}
block_init(bdrv_blkdebug_init);
