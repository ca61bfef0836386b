/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A treap by start in which each node knows how far its subtree reaches. */
#include "qemu/osdep.h"
#include "qemu/interval-tree.h"

enum {
    LEFT,
    RIGHT
};

/* Not to be foreseen, for whoever could choose intervals to suit them. Any thread. */
static uint32_t random_priority(void)
{
    static __thread uint64_t state;

    while (!state) {
        state = (uint64_t)g_random_int() << 32 | g_random_int();
    }
    /* Marsaglia's xorshift64, and the multiplication that hides its state. */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dull) >> 32;
}

static void update_subtree_last(IntervalTreeNode *node)
{
    node->subtree_last = node->last;
    for (int side = LEFT; side <= RIGHT; side++) {
        if (node->child[side]) {
            node->subtree_last = MAX(node->subtree_last, node->child[side]->subtree_last);
        }
    }
}

static IntervalTreeNode **link_of(IntervalTreeRoot *root, IntervalTreeNode *node)
{
    IntervalTreeNode *parent = node->parent;

    return parent ? &parent->child[parent->child[RIGHT] == node] : &root->top;
}

/* Lets @node and its parent change places; the order stays. */
static void rotate_up(IntervalTreeRoot *root, IntervalTreeNode *node)
{
    IntervalTreeNode *parent = node->parent, **link = link_of(root, parent);
    int side = parent->child[RIGHT] == node;
    IntervalTreeNode *inner = node->child[!side];

    parent->child[side] = inner;
    if (inner) {
        inner->parent = parent;
    }
    node->child[!side] = parent;
    node->parent = parent->parent;
    parent->parent = node;
    *link = node;
    node->subtree_last = parent->subtree_last;
    update_subtree_last(parent);
}

void interval_tree_insert(IntervalTreeNode *node, IntervalTreeRoot *root)
{
    IntervalTreeNode *parent = NULL, **link = &root->top;

    assert(node->start <= node->last);
    while (*link) {
        parent = *link;
        parent->subtree_last = MAX(parent->subtree_last, node->last);
        link = &parent->child[node->start < parent->start ? LEFT : RIGHT];
    }
    node->parent = parent;
    node->child[LEFT] = node->child[RIGHT] = NULL;
    node->subtree_last = node->last;
    node->priority = random_priority();
    *link = node;
    while (node->parent && node->parent->priority < node->priority) {
        rotate_up(root, node);
    }
}

/* The child that may take @node's place; NULL: it has none. */
static IntervalTreeNode *higher_child(IntervalTreeNode *node)
{
    IntervalTreeNode *left = node->child[LEFT], *right = node->child[RIGHT];

    if (!left || !right) {
        return left ? left : right;
    }
    return left->priority > right->priority ? left : right;
}

void interval_tree_remove(IntervalTreeNode *node, IntervalTreeRoot *root)
{
    IntervalTreeNode *child;

    while ((child = higher_child(node)) != NULL) {
        rotate_up(root, child);
    }
    *link_of(root, node) = NULL;
    for (IntervalTreeNode *up = node->parent; up; up = up->parent) {
        update_subtree_last(up);
    }
}

static bool reaches(const IntervalTreeNode *subtree, uint64_t start)
{
    return subtree && subtree->subtree_last >= start;
}

/* The first in @node's subtree, which reaches @start: what does may still begin behind @last. */
static IntervalTreeNode *first_below(IntervalTreeNode *node, uint64_t start, uint64_t last)
{
    for (;;) {
        if (reaches(node->child[LEFT], start)) {
            node = node->child[LEFT];
        } else if (node->start > last) {
            return NULL;
        } else if (node->last >= start) {
            return node;
        } else {
            node = node->child[RIGHT];
        }
    }
}

IntervalTreeNode *interval_tree_iter_first(IntervalTreeRoot *root, uint64_t start, uint64_t last)
{
    return reaches(root->top, start) ? first_below(root->top, start, last) : NULL;
}

IntervalTreeNode *interval_tree_iter_next(IntervalTreeNode *node, uint64_t start, uint64_t last)
{
    for (;;) {
        IntervalTreeNode *below = node->child[RIGHT];

        if (reaches(below, start)) {
            return first_below(below, start, last);
        }
        while (node->parent && node->parent->child[RIGHT] == node) {
            node = node->parent;
        }
        node = node->parent;
        if (!node || node->start > last) {
            return NULL;
        }
        if (node->last >= start) {
            return node;
        }
    }
}
