/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No memory for a request: it stays in the ring, and somebody looks at it again. */
#include "qemu/osdep.h"

#include "harness.h"
#include "no-memory.h"
#include "vu-iommu.h"

static unsigned int pauses;

static bool pause_queue(VuDev *dev, VuVirtq *vq, uint64_t ns)
{
    g_assert_cmpuint(ns, >, 0);
    g_assert_cmpuint(ns, <, 1000000000);
    pauses++;
    return true;
}

static const VuIoOps ops = { .pause = pause_queue };

static VuVirtq *queue(VuRig *rig)
{
    return vu_get_queue(&rig->dev, 0);
}

static VuVirtqElement *pop(VuRig *rig)
{
    return vu_queue_pop(&rig->dev, queue(rig), sizeof(VuVirtqElement));
}

static VuVirtqElement *pop_without_memory(VuRig *rig)
{
    VuVirtqElement *e;

    no_memory = true;
    e = pop(rig);
    no_memory = false;
    return e;
}

static void push(VuRig *rig, VuVirtqElement *e)
{
    vu_queue_push(&rig->dev, queue(rig), e, 0);
    free(e);
}

/* Once there is memory again, and the pause is over. */
static void assert_comes(VuRig *rig, unsigned int head)
{
    VuVirtqElement *e;

    g_assert_null(pop(rig));
    g_assert_false(vu_queue_poll(&rig->dev, queue(rig)));
    vu_queue_resume(&rig->dev, queue(rig));
    e = pop(rig);
    g_assert_nonnull(e);
    g_assert_cmpuint(e->index, ==, head);
    push(rig, e);
}

static void test_queue_is_paused(void)
{
    VuQueueStats stats;
    VuRig rig;

    pauses = 0;
    vu_rig_begin(&rig, 0, 16);
    vu_set_io_ops(&rig.dev, &ops);
    vu_rig_offer(&rig, 3, 8);
    for (unsigned int i = 1; i <= 3; i++) {
        g_assert_null(pop_without_memory(&rig));
        g_assert_cmpuint(pauses, ==, i);
        vu_queue_resume(&rig.dev, queue(&rig));
    }
    g_assert_null(pop_without_memory(&rig));
    assert_comes(&rig, 3);
    vu_rig_assert_used(&rig, 3, 0);
    /* The guest is not to blame. */
    vu_queue_get_stats(&rig.dev, queue(&rig), &stats);
    g_assert_cmpuint(stats.pauses, ==, 0);
    g_assert_cmpuint(stats.malformed, ==, 0);
    vu_rig_done(&rig);
}

/* What the device sees at @page of what lies behind the ring. */
static uint64_t data_iova(unsigned int page)
{
    return IOVA_BASE + VU_RIG_MEM / 2 + page * IOMMU_PAGE;
}

static void test_translation_without_memory_pauses_as_well(void)
{
    VuIommu i;

    pauses = 0;
    vu_iommu_init(&i, 0);
    vu_set_io_ops(&i.rig.dev, &ops);
    vu_iommu_start(&i, 0, 16, 0);
    vu_iommu_serve(&i);
    vu_iommu_map(&i, data_iova(0), IOMMU_RW);
    vu_ring_desc(&i.ring[0], 5, data_iova(0), 8, 0, 0);
    vu_ring_offer(&i.ring[0], 5);
    g_assert_null(pop_without_memory(&i.rig));
    g_assert_cmpuint(pauses, ==, 1);
    assert_comes(&i.rig, 5);
    g_assert_cmpuint(pauses, ==, 1);
    vu_iommu_done(&i);
}

static void test_without_pauses_the_next_element_brings_it(void)
{
    VuVirtqElement *first, *second;
    VuRig rig;
    int handled;

    vu_rig_begin(&rig, 0, 16);
    vu_rig_offer(&rig, 0, 8);
    vu_rig_offer(&rig, 1, 8);
    first = pop(&rig);
    g_assert_nonnull(first);
    g_assert_null(pop_without_memory(&rig));
    g_assert_false(vu_queue_poll(&rig.dev, queue(&rig)));
    handled = rig.handled[0];
    push(&rig, first);
    g_assert_cmpint(rig.handled[0], ==, handled + 1);
    second = pop(&rig);
    g_assert_nonnull(second);
    push(&rig, second);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/virtq-memory/queue_is_paused", test_queue_is_paused);
    harness_add("/virtq-memory/translation_without_memory_pauses_as_well",
                test_translation_without_memory_pauses_as_well);
    harness_add("/virtq-memory/without_pauses_the_next_element_brings_it",
                test_without_pauses_the_next_element_brings_it);
    return harness_run();
}
