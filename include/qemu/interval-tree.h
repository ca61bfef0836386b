/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intervals, and which of them overlap a given one.
 *
 * Adding and removing one, and finding the next that overlaps, takes logarithmic time whatever
 * intervals somebody chooses: the tree is a treap, whose balance depends on random numbers alone.
 * Equal intervals may be in a tree more than once. The caller owns the nodes, and sees to it that
 * one thread at a time uses a tree.
 */
#ifndef QEMU_INTERVAL_TREE_H
#define QEMU_INTERVAL_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* @start and @last (inclusive; start <= last) are the caller's, constant while it is in a tree. */
typedef struct IntervalTreeNode {
    struct IntervalTreeNode *parent;
    struct IntervalTreeNode *child[2]; /* those that start before, and the others */
    uint64_t start;
    uint64_t last;
    uint64_t subtree_last; /* the greatest of the node and all below it */
    uint32_t priority;     /* no child has a greater one */
} IntervalTreeNode;

/* Empty when all zero. */
typedef struct IntervalTreeRoot {
    IntervalTreeNode *top;
} IntervalTreeRoot;

static inline bool interval_tree_is_empty(const IntervalTreeRoot *root)
{
    return !root->top;
}

/* Adds @node, which is in no tree. */
void interval_tree_insert(IntervalTreeNode *node, IntervalTreeRoot *root);

/* Removes @node, which is in @root. */
void interval_tree_remove(IntervalTreeNode *node, IntervalTreeRoot *root);

/* The first by start that has a point of start to last (both inclusive), or NULL. */
IntervalTreeNode *interval_tree_iter_first(IntervalTreeRoot *root, uint64_t start, uint64_t last);

/* The one after @node, which came from _first() or _next() with the same arguments, or NULL. */
IntervalTreeNode *interval_tree_iter_next(IntervalTreeNode *node, uint64_t start, uint64_t last);

#endif
