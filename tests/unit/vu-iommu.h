/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest behind an IOMMU, for tests: its device sees the guest's memory from IOVA_BASE on, page by
 * page, in the opposite order, so that nothing that is longer than a page is contiguous.
 */
#ifndef TESTS_UNIT_VU_IOMMU_H
#define TESTS_UNIT_VU_IOMMU_H

#include "vu-rig.h"

#define IOMMU_PAGE  4096ull
#define IOVA_BASE   0x70000000000ull
#define IOMMU_READ  1
#define IOMMU_WRITE 2
#define IOMMU_RW    3

typedef struct VuIommu {
    VuRig rig;
    VuClient view;       /* the guest's memory in the order in which the device sees it */
    VuGuestRing ring[2]; /* in the view */
    int channel;         /* the front-end's end */
} VuIommu;

/* Negotiated, memory and channel given; no ring is started. */
void vu_iommu_init(VuIommu *i, uint64_t features);
void vu_iommu_done(VuIommu *i);
/* Start ring @index, 0 or 1, of @num entries at @offset of the view. */
void vu_iommu_start(VuIommu *i, unsigned int index, unsigned int num, size_t offset);
uint64_t vu_iommu_iova(const VuIommu *i, const void *in_view);
/* Where the guest has what the device sees at @iova: physical, and the front-end's address. */
uint64_t vu_iommu_gpa(const VuIommu *i, uint64_t iova);
uint64_t vu_iommu_uaddr(const VuIommu *i, uint64_t iova);

/* Send message 22 and dispatch it; the answer is left to be read. */
void vu_iommu_send(VuIommu *i, unsigned int type, uint64_t iova, uint64_t size, uint64_t uaddr,
                   unsigned int perm);
/* The same; returns the answer. */
uint64_t vu_iommu_tell(VuIommu *i, unsigned int type, uint64_t iova, uint64_t size, uint64_t uaddr,
                       unsigned int perm);
/* Translate the page of @iova as this IOMMU does; must be acknowledged. */
void vu_iommu_map(VuIommu *i, uint64_t iova, unsigned int perm);
void vu_iommu_unmap(VuIommu *i, uint64_t iova, uint64_t size);
/* The next message on the channel, if there is one. */
bool vu_iommu_question(VuIommu *i, struct vhost_iotlb_msg *ret_miss);
/* Answer all that is asked, until nothing is; returns how many questions there were. */
unsigned int vu_iommu_serve(VuIommu *i);

#endif
