/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Permissions: what the parents of a node do to it, and what they let others do.
 *
 * Theory of operation
 *
 * Each edge carries two sets: perm, what the parent does, and shared_perm, what it tolerates from
 * the node's other parents. A change starts at one node and goes down: the node's parents must
 * agree with each other, its driver must agree (the file driver takes locks that other processes
 * see), and what the node needs of its children follows from what its parents do. The walk first
 * writes the new sets into all edges below and checks; if someone refuses, it writes the old ones
 * back.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/block_int.h"
#include "block/node.h"

#define WRITES_MASK (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)

char *bdrv_perm_names(uint64_t perm)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {
        { BLK_PERM_CONSISTENT_READ, "consistent read" },
        { BLK_PERM_WRITE, "write" },
        { BLK_PERM_WRITE_UNCHANGED, "write unchanged" },
        { BLK_PERM_RESIZE, "resize" },
    };
    GString *result = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (perm & names[i].bit) {
            g_string_append_printf(result, "%s%s", result->len ? ", " : "", names[i].name);
        }
    }
    return g_string_free(result, false);
}

char *bdrv_child_user_desc(BdrvChild *c)
{
    g_autofree char *parent = c->klass->get_parent_desc(c);

    return g_strdup_printf("%s (uses node '%s' as '%s' child)", parent, bdrv_get_node_name(c->bs),
                           c->name);
}

void bdrv_get_cumulative_perm(BlockDriverState *bs, uint64_t *perm, uint64_t *shared_perm)
{
    BdrvChild *c;

    *perm = 0;
    *shared_perm = BLK_PERM_ALL;
    QLIST_FOREACH (c, &bs->parents, next_parent) {
        *perm |= c->perm;
        *shared_perm &= c->shared_perm;
    }
}

BdrvPerms bdrv_default_perms(BdrvChildRole role, BdrvPerms parents)
{
    BdrvPerms needs = parents;

    if (!(role & BDRV_CHILD_METADATA)) {
        return needs;
    }
    /* A format reads its metadata whatever the parents do, writes and grows it when they write. */
    needs.perm |= BLK_PERM_CONSISTENT_READ;
    if (parents.perm & WRITES_MASK) {
        needs.perm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
    needs.shared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    return needs;
}

static void conflict_error(BdrvChild *doer, BdrvChild *owner, Error **errp)
{
    g_autofree char *who = bdrv_child_user_desc(doer);
    g_autofree char *other = bdrv_child_user_desc(owner);
    g_autofree char *names = bdrv_perm_names(doer->perm & ~owner->shared_perm);

    error_setg(errp,
               "Permission conflict on node '%s': permissions '%s' are both required by %s and "
               "unshared by %s.",
               bdrv_get_node_name(doer->bs), names, who, other);
}

/* A parent of the node that does not share what @a does, or NULL. */
static BdrvChild *opponent(BdrvChild *a)
{
    BdrvChild *b;

    QLIST_FOREACH (b, &a->bs->parents, next_parent) {
        if (a != b && (a->perm & ~b->shared_perm)) {
            return b;
        }
    }
    return NULL;
}

/* A node may have very many parents: they are compared with what all do not share. */
static bool parents_agree(BlockDriverState *bs, Error **errp)
{
    uint64_t by_one = 0, by_several = 0;
    BdrvChild *a;

    QLIST_FOREACH (a, &bs->parents, next_parent) {
        by_several |= by_one & ~a->shared_perm;
        by_one |= ~a->shared_perm;
    }
    QLIST_FOREACH (a, &bs->parents, next_parent) {
        if (a->perm & (by_several | (by_one & a->shared_perm))) {
            conflict_error(a, opponent(a), errp);
            return false;
        }
    }
    return true;
}

static bool node_allows(BlockDriverState *bs, uint64_t perm, Error **errp)
{
    if (!(perm & WRITES_MASK)) {
        return true;
    }
    if (bdrv_is_read_only(bs)) {
        const char *reason = bdrv_read_only_reason(bs);

        error_setg(errp, "Block node is read-only%s%s", reason ? ": " : "", reason ?: "");
        return false;
    }
    if (!(perm & BLK_PERM_RESIZE) &&
        !QEMU_IS_ALIGNED(bdrv_getlength(bs), (int64_t)bs->bl.request_alignment)) {
        error_setg(errp, "Cannot get 'write' permission without 'resize': "
                         "Image size is not a multiple of request alignment");
        return false;
    }
    return true;
}

typedef struct OldPerm {
    BdrvChild *child;
    uint64_t perm;
    uint64_t shared_perm;
} OldPerm;

typedef struct PermUpdate {
    /* Nodes concerned, parents before children; the first n_checked have agreed. */
    GPtrArray *nodes;
    guint n_checked;
    /* Of OldPerm, in the order of change. */
    GArray *old;
} PermUpdate;

static void collect_children_first(GPtrArray *nodes, BlockDriverState *bs)
{
    BdrvChild *c;

    if (g_ptr_array_find(nodes, bs, NULL)) {
        return;
    }
    QLIST_FOREACH (c, &bs->children, next) {
        collect_children_first(nodes, c->bs);
    }
    g_ptr_array_add(nodes, bs);
}

static GPtrArray *nodes_parents_first(BlockDriverState *bs)
{
    GPtrArray *children_first = g_ptr_array_new();
    GPtrArray *nodes = g_ptr_array_new();

    collect_children_first(children_first, bs);
    for (guint i = children_first->len; i > 0; i--) {
        g_ptr_array_add(nodes, children_first->pdata[i - 1]);
    }
    g_ptr_array_free(children_first, true);
    return nodes;
}

/* Requests in flight read perm in other threads. */
static void set_edge_perm(BdrvChild *c, uint64_t perm, uint64_t shared)
{
    qatomic_set(&c->perm, perm);
    c->shared_perm = shared;
}

void bdrv_child_needs(BlockDriverState *bs, BdrvChild *c, BdrvPerms parents)
{
    BdrvPerms needs;

    if (bs->drv->bdrv_child_perm) {
        needs = bs->drv->bdrv_child_perm(bs, c, parents);
    } else {
        needs = bdrv_default_perms(c->role, parents);
    }
    set_edge_perm(c, needs.perm, bs->force_share ? BLK_PERM_ALL : needs.shared);
}

static void update_children(PermUpdate *u, BlockDriverState *bs, BdrvPerms parents)
{
    BdrvChild *c;

    QLIST_FOREACH (c, &bs->children, next) {
        OldPerm old = { c, c->perm, c->shared_perm };

        g_array_append_val(u->old, old);
        bdrv_child_needs(bs, c, parents);
    }
}

static int update_check_node(PermUpdate *u, BlockDriverState *bs, Error **errp)
{
    BdrvPerms parents;

    bdrv_get_cumulative_perm(bs, &parents.perm, &parents.shared);
    if (!parents_agree(bs, errp) || !node_allows(bs, parents.perm, errp)) {
        return -EPERM;
    }
    if (bs->drv->bdrv_check_perm) {
        int ret = bs->drv->bdrv_check_perm(bs, parents.perm, parents.shared, errp);

        if (ret < 0) {
            return ret;
        }
    }
    u->n_checked++;
    update_children(u, bs, parents);
    return 0;
}

static void update_abort(PermUpdate *u)
{
    for (guint i = u->old->len; i > 0; i--) {
        OldPerm *old = &g_array_index(u->old, OldPerm, i - 1);

        set_edge_perm(old->child, old->perm, old->shared_perm);
    }
    for (guint i = u->n_checked; i > 0; i--) {
        BlockDriverState *bs = u->nodes->pdata[i - 1];

        if (bs->drv->bdrv_abort_perm_update) {
            bs->drv->bdrv_abort_perm_update(bs);
        }
    }
}

static void update_commit(PermUpdate *u)
{
    for (guint i = 0; i < u->nodes->len; i++) {
        BlockDriverState *bs = u->nodes->pdata[i];
        uint64_t perm, shared;

        if (bs->drv->bdrv_set_perm) {
            bdrv_get_cumulative_perm(bs, &perm, &shared);
            bs->drv->bdrv_set_perm(bs, perm, shared);
        }
    }
}

int bdrv_refresh_perms(BlockDriverState *bs, Error **errp)
{
    PermUpdate u = { 0 };
    int ret = 0;

    GLOBAL_STATE_CODE();
    u.nodes = nodes_parents_first(bs);
    u.old = g_array_new(false, false, sizeof(OldPerm));
    for (guint i = 0; i < u.nodes->len && ret == 0; i++) {
        ret = update_check_node(&u, u.nodes->pdata[i], errp);
    }
    if (ret < 0) {
        update_abort(&u);
    } else {
        update_commit(&u);
    }
    g_array_free(u.old, true);
    g_ptr_array_free(u.nodes, true);
    return ret;
}

int bdrv_child_try_set_perm(BdrvChild *c, uint64_t perm, uint64_t shared, Error **errp)
{
    uint64_t old_perm = c->perm;
    uint64_t old_shared = c->shared_perm;
    int ret;

    set_edge_perm(c, perm, shared);
    ret = bdrv_refresh_perms(c->bs, errp);
    if (ret < 0) {
        set_edge_perm(c, old_perm, old_shared);
    }
    return ret;
}
