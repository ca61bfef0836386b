/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intervals, against a list that is walked. */
#include "qemu/osdep.h"
#include "qemu/interval-tree.h"
#include "harness.h"

enum {
    NODES = 300,
    ROUNDS = 20000,
    SPACE = 1000,
    MANY = 4096
};

typedef struct Interval {
    IntervalTreeNode node;
    bool in_tree;
} Interval;

static Interval intervals[NODES];

static bool overlap(const IntervalTreeNode *node, uint64_t start, uint64_t last)
{
    return node->start <= last && start <= node->last;
}

static unsigned count_in_list(uint64_t start, uint64_t last)
{
    unsigned count = 0;

    for (int i = 0; i < NODES; i++) {
        count += intervals[i].in_tree && overlap(&intervals[i].node, start, last);
    }
    return count;
}

static void check_overlaps(IntervalTreeRoot *root, uint64_t start, uint64_t last)
{
    IntervalTreeNode *node = interval_tree_iter_first(root, start, last), *before = NULL;
    unsigned count = 0;

    for (; node; node = interval_tree_iter_next(before = node, start, last)) {
        g_assert_true(overlap(node, start, last));
        g_assert_true(!before || before->start <= node->start);
        g_assert_true(before != node);
        count++;
    }
    g_assert_cmpuint(count, ==, count_in_list(start, last));
}

static void change(IntervalTreeRoot *root, Interval *interval, uint64_t space)
{
    if (interval->in_tree) {
        interval_tree_remove(&interval->node, root);
    } else {
        interval->node.start = g_test_rand_int_range(0, space);
        interval->node.last = interval->node.start + g_test_rand_int_range(0, space / 10);
        interval_tree_insert(&interval->node, root);
    }
    interval->in_tree = !interval->in_tree;
}

static void test_finds_what_overlaps(void)
{
    IntervalTreeRoot root = { NULL };

    g_assert_true(interval_tree_is_empty(&root));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = g_test_rand_int_range(0, SPACE);

        change(&root, &intervals[g_test_rand_int_range(0, NODES)], SPACE);
        check_overlaps(&root, start, start + g_test_rand_int_range(0, SPACE / 10));
    }
    check_overlaps(&root, 0, UINT64_MAX);
    for (int i = 0; i < NODES; i++) {
        if (intervals[i].in_tree) {
            change(&root, &intervals[i], SPACE);
        }
    }
    g_assert_true(interval_tree_is_empty(&root));
}

static void test_ends_of_the_numbers(void)
{
    IntervalTreeRoot root = { NULL };
    IntervalTreeNode all = { .start = 0, .last = UINT64_MAX };
    IntervalTreeNode end = { .start = UINT64_MAX, .last = UINT64_MAX };

    interval_tree_insert(&all, &root);
    interval_tree_insert(&end, &root);
    g_assert_true(interval_tree_iter_first(&root, 0, 0) == &all);
    g_assert_null(interval_tree_iter_next(&all, 0, 0));
    g_assert_true(interval_tree_iter_next(&all, 5, UINT64_MAX) == &end);
    interval_tree_remove(&all, &root);
    g_assert_null(interval_tree_iter_first(&root, 0, UINT64_MAX - 1));
    interval_tree_remove(&end, &root);
}

static unsigned height(const IntervalTreeNode *node)
{
    return node ? 1 + MAX(height(node->child[0]), height(node->child[1])) : 0;
}

/* A treap of 4096 is higher than 64 once in far more tries than anybody makes. */
static void check_height(uint64_t (*start)(unsigned i))
{
    g_autofree IntervalTreeNode *nodes = g_new0(IntervalTreeNode, MANY);
    IntervalTreeRoot root = { NULL };

    for (unsigned i = 0; i < MANY; i++) {
        nodes[i].start = start(i);
        nodes[i].last = nodes[i].start + 511;
        interval_tree_insert(&nodes[i], &root);
    }
    g_assert_cmpuint(height(root.top), <, 64);
}

static uint64_t rising(unsigned i)
{
    return i * 512;
}

static uint64_t falling(unsigned i)
{
    return (MANY - i) * 512;
}

static uint64_t equal(unsigned i)
{
    return 7;
}

static void test_stays_flat_in_any_order(void)
{
    check_height(rising);
    check_height(falling);
    check_height(equal);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/interval-tree/finds_what_overlaps", test_finds_what_overlaps);
    harness_add("/interval-tree/ends_of_the_numbers", test_ends_of_the_numbers);
    harness_add("/interval-tree/stays_flat_in_any_order", test_stays_flat_in_any_order);
    return harness_run();
}
