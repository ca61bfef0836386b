/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Markers that say how a function may look at the node graph.
 *
 * Theory of operation
 *
 * There is no lock behind the markers. The graph (nodes, edges, permissions, AioContexts) belongs
 * to the main loop's thread. It changes an edge or a node only inside a drained section that covers
 * every node concerned, so a request that is in flight finds the same graph from its first line to
 * its last, in whichever thread it runs. Hence two rules:
 *
 *  - GRAPH_RDLOCK: the caller is either the main loop's thread or holds an in-flight reference on
 * the node or on a BlockBackend above it;
 *  - GRAPH_WRLOCK: the caller is the main loop's thread and has drained the nodes that it changes.
 */
#ifndef BLOCK_GRAPH_LOCK_H
#define BLOCK_GRAPH_LOCK_H

#define GRAPH_RDLOCK
#define GRAPH_RDLOCK_PTR
#define GRAPH_WRLOCK
#define GRAPH_WRLOCK_PTR
#define GRAPH_UNLOCKED
#define GRAPH_UNLOCKED_PTR

#define GRAPH_RDLOCK_GUARD() \
    do {                     \
    } while (0)
#define GRAPH_RDLOCK_GUARD_MAINLOOP() GRAPH_RDLOCK_GUARD()
#define assume_graph_lock()           GRAPH_RDLOCK_GUARD()
#define assert_bdrv_graph_readable()  GRAPH_RDLOCK_GUARD()
#define assert_bdrv_graph_writable()  GRAPH_RDLOCK_GUARD()

#endif
