/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four linked lists. */
#include "qemu/osdep.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "harness.h"

typedef struct Node {
    char name;
    QSLIST_ENTRY(Node) s;
    QLIST_ENTRY(Node) l;
    QSIMPLEQ_ENTRY(Node) q;
    QTAILQ_ENTRY(Node) t;
} Node;

typedef QSLIST_HEAD(, Node) NodeStack;
typedef QLIST_HEAD(, Node) NodeList;
typedef QSIMPLEQ_HEAD(NodeQueue, Node) NodeQueue;
typedef QTAILQ_HEAD(, Node) NodeTailq;

static Node a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' }, d = { .name = 'd' };

#define DEFINE_EXPECT(type, kind, field)                     \
    static void expect_##field(type *head, const char *want) \
    {                                                        \
        g_autoptr(GString) got = g_string_new(NULL);         \
        Node *n;                                             \
                                                             \
        kind##_FOREACH(n, head, field)                       \
        {                                                    \
            g_string_append_c(got, n->name);                 \
        }                                                    \
        g_assert_cmpstr(got->str, ==, want);                 \
        g_assert_cmpint(kind##_EMPTY(head), ==, *want == 0); \
    }
DEFINE_EXPECT(NodeStack, QSLIST, s)
DEFINE_EXPECT(NodeList, QLIST, l)
DEFINE_EXPECT(NodeQueue, QSIMPLEQ, q)

/* Both ways, and by the tail. */
static void expect_t(NodeTailq *head, const char *want)
{
    g_autoptr(GString) got = g_string_new(NULL), back = g_string_new(NULL);
    Node *n, *next;

    QTAILQ_FOREACH (n, head, t) {
        g_string_append_c(got, n->name);
    }
    QTAILQ_FOREACH_REVERSE_SAFE(n, head, t, next)
    {
        g_string_prepend_c(back, n->name);
    }
    g_assert_cmpstr(got->str, ==, want);
    g_assert_cmpstr(back->str, ==, want);
    n = QTAILQ_LAST(head);
    g_assert_true(n ? n->name == want[strlen(want) - 1] : *want == 0);
}

static void test_qslist(void)
{
    NodeStack head = QSLIST_HEAD_INITIALIZER(head), other;
    Node *n, *next;

    expect_s(&head, "");
    QSLIST_INSERT_HEAD(&head, &b, s);
    QSLIST_INSERT_HEAD(&head, &a, s);
    QSLIST_INSERT_AFTER(&b, &c, s);
    QSLIST_INSERT_HEAD_ATOMIC(&head, &d, s);
    expect_s(&head, "dabc");
    QSLIST_REMOVE(&head, &b, Node, s);
    expect_s(&head, "dac");
    QSLIST_REMOVE_AFTER(&d, s);
    expect_s(&head, "dc");
    QSLIST_MOVE_ATOMIC(&other, &head);
    expect_s(&head, "");
    expect_s(&other, "dc");
    QSLIST_FOREACH_SAFE (n, &other, s, next) {
        QSLIST_REMOVE_HEAD(&other, s);
    }
    expect_s(&other, "");
}

static void test_qlist(void)
{
    NodeList head;
    Node *n, *next;

    QLIST_INIT(&head);
    QLIST_INSERT_HEAD(&head, &b, l);
    QLIST_INSERT_BEFORE(&b, &a, l);
    QLIST_INSERT_AFTER(&b, &d, l);
    QLIST_INSERT_BEFORE(&d, &c, l);
    expect_l(&head, "abcd");
    g_assert_true(QLIST_IS_INSERTED(&c, l));
    QLIST_REMOVE(&c, l);
    g_assert_false(QLIST_IS_INSERTED(&c, l));
    QLIST_SAFE_REMOVE(&c, l);
    expect_l(&head, "abd");
    g_assert_true(QLIST_NEXT(&a, l) == &b);
    QLIST_FOREACH_SAFE (n, &head, l, next) {
        QLIST_REMOVE(n, l);
    }
    expect_l(&head, "");
}

static void test_qsimpleq(void)
{
    NodeQueue head = QSIMPLEQ_HEAD_INITIALIZER(head), other = QSIMPLEQ_HEAD_INITIALIZER(other);

    QSIMPLEQ_INSERT_TAIL(&head, &b, q);
    QSIMPLEQ_INSERT_HEAD(&head, &a, q);
    QSIMPLEQ_INSERT_AFTER(&head, &b, &c, q);
    expect_q(&head, "abc");
    g_assert_true(QSIMPLEQ_LAST(&head, Node, q) == &c);
    QSIMPLEQ_REMOVE(&head, &c, Node, q);
    QSIMPLEQ_INSERT_TAIL(&head, &d, q);
    expect_q(&head, "abd");
    QSIMPLEQ_INSERT_TAIL(&other, &c, q);
    QSIMPLEQ_CONCAT(&head, &other);
    expect_q(&head, "abdc");
    expect_q(&other, "");
    QSIMPLEQ_SPLIT_AFTER(&head, &b, q, &other);
    expect_q(&head, "ab");
    expect_q(&other, "dc");
    QSIMPLEQ_PREPEND(&head, &other);
    expect_q(&head, "dcab");
    QSIMPLEQ_PREPEND(&other, &head);
    expect_q(&other, "dcab");
    expect_q(&head, "");
    QSIMPLEQ_REMOVE_HEAD(&other, q);
    QSIMPLEQ_REMOVE(&other, &b, Node, q);
    QSIMPLEQ_INSERT_TAIL(&other, &d, q);
    expect_q(&other, "cad");
    for (int i = 0; i < 3; i++) {
        QSIMPLEQ_REMOVE_HEAD(&other, q);
    }
    g_assert_null(QSIMPLEQ_LAST(&other, Node, q));
    QSIMPLEQ_INSERT_TAIL(&other, &a, q);
    expect_q(&other, "a");
}

static void test_qtailq(void)
{
    NodeTailq head = QTAILQ_HEAD_INITIALIZER(head);

    g_assert_true(QTAILQ_EMPTY(&head));
    expect_t(&head, "");
    QTAILQ_INSERT_TAIL(&head, &b, t);
    QTAILQ_INSERT_HEAD(&head, &a, t);
    QTAILQ_INSERT_AFTER(&head, &b, &d, t);
    QTAILQ_INSERT_BEFORE(&d, &c, t);
    expect_t(&head, "abcd");
    g_assert_true(QTAILQ_PREV(&c, t) == &b);
    g_assert_null(QTAILQ_PREV(&a, t));
    g_assert_null(QTAILQ_NEXT(&d, t));
    QTAILQ_REMOVE(&head, &d, t);
    g_assert_false(QTAILQ_IN_USE(&d, t));
    QTAILQ_REMOVE(&head, &a, t);
    expect_t(&head, "bc");
    QTAILQ_INSERT_HEAD(&head, &d, t);
    QTAILQ_INSERT_AFTER(&head, &b, &a, t);
    expect_t(&head, "dbac");
    QTAILQ_REMOVE(&head, &b, t);
    QTAILQ_REMOVE(&head, &c, t);
    QTAILQ_REMOVE(&head, &a, t);
    QTAILQ_REMOVE(&head, &d, t);
    expect_t(&head, "");
    QTAILQ_INIT(&head);
    QTAILQ_INSERT_TAIL(&head, &c, t);
    expect_t(&head, "c");
}

enum {
    THREADS = 4,
    NODES = 20000
};

static QSLIST_HEAD(, Node) shared;

static void *push_many(void *opaque)
{
    Node *nodes = opaque;

    for (int i = 0; i < NODES; i++) {
        QSLIST_INSERT_HEAD_ATOMIC(&shared, &nodes[i], s);
    }
    return NULL;
}

static int take_all(void)
{
    QSLIST_HEAD(, Node) mine;
    int count = 0;
    Node *n;

    QSLIST_MOVE_ATOMIC(&mine, &shared);
    QSLIST_FOREACH (n, &mine, s) {
        count++;
    }
    return count;
}

static void test_threads_push_while_one_takes(void)
{
    g_autofree Node *nodes = g_new0(Node, THREADS * NODES);
    QemuThread threads[THREADS];
    int count = 0;

    for (int i = 0; i < THREADS; i++) {
        qemu_thread_create(&threads[i], "push", push_many, nodes + i * NODES, QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < 1000; i++) {
        count += take_all();
    }
    for (int i = 0; i < THREADS; i++) {
        qemu_thread_join(&threads[i]);
    }
    count += take_all();
    g_assert_cmpint(count, ==, THREADS * NODES);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/queue/qslist_is_a_stack", test_qslist);
    harness_add("/queue/qlist_elements_leave_by_themselves", test_qlist);
    harness_add("/queue/qsimpleq_keeps_its_tail", test_qsimpleq);
    harness_add("/queue/qtailq_walks_both_ways", test_qtailq);
    harness_add("/queue/threads_push_while_one_takes", test_threads_push_while_one_takes);
    return harness_run();
}
