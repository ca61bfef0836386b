/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What queues have asked the front-end to translate, and who goes on when it answers.
 *
 * Theory of operation: a queue that does not find an address writes down a question and sends it on
 * the back-end channel, unless another queue has asked about the same page already. From then on
 * the queue is starved: it pops nothing, whoever kicks it. An update on the main socket answers all
 * questions it covers; a queue whose last question was answered is looked at, and begins its chain
 * anew. A queue asks for all that a chain lacks, up to a limit, so that it waits once a chain and
 * not once a buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vu-iotlb.h"

/* Questions a queue may have open. */
#define MISSES_MAX 32
/* No IOMMU has smaller pages: questions about one page are answered by the same update. */
#define MISS_PAGE 4096

typedef struct VuMiss {
    uint64_t iova;
    uint32_t number; /* by which a refusal finds it */
    uint8_t access;
    bool open; /* no answer yet; else it was refused, and the chain has not heard of it */
    bool sent;
} VuMiss;

/* All of it under miss_mutex. */
struct VuMisses {
    VuMisses *next; /* in VuIotlb.waiting */
    VuVirtq *vq;
    unsigned int n;
    unsigned int open;
    VuMiss miss[MISSES_MAX];
};

static bool same_page(uint64_t a, uint64_t b)
{
    return a / MISS_PAGE == b / MISS_PAGE;
}

/* ---- Sending ---- */

/* 0 also if there is no channel: a front-end without one tells all it has to tell by itself. */
static int send_miss(VuDev *dev, const VuMiss *m)
{
    const VuQuestion question = { .iova = m->iova, .number = m->number, .access = m->access };
    VhostUserMsg msg = {
        .request = VHOST_USER_BACKEND_IOTLB_MSG,
        .size = sizeof(msg.payload.iotlb),
        .payload.iotlb = { .iova = m->iova, .perm = m->access, .type = VHOST_IOTLB_MISS },
    };
    int rc = vu_backend_question(dev, &msg, &question);

    vu_trace(dev, VU_TRACE_IOTLB_MISS, -1, 0, m->iova, NULL);
    return rc == -EAGAIN ? rc : 0;
}

/* Has a question been sent whose answer will do for @m? */
static bool is_sent(const struct VuIotlb *iotlb, const VuMiss *m)
{
    for (const VuMisses *s = iotlb->waiting; s; s = s->next) {
        for (unsigned int i = 0; i < s->n; i++) {
            const VuMiss *o = &s->miss[i];

            if (o->open && o->sent && same_page(o->iova, m->iova) &&
                (o->access & m->access) == m->access) {
                return true;
            }
        }
    }
    return false;
}

static void set_sent(struct VuIotlb *iotlb, VuMiss *m, bool sent)
{
    if (m->sent != sent) {
        m->sent = sent;
        __atomic_add_fetch(&iotlb->unsent, sent ? -1 : 1, __ATOMIC_RELAXED);
    }
}

/* ---- Asking (queue context) ---- */

static VuMisses *misses_of(VuVirtq *vq)
{
    if (!vq->misses) {
        vq->misses = calloc(1, sizeof(*vq->misses));
        if (vq->misses) {
            vq->misses->vq = vq;
        }
    }
    return vq->misses;
}

static VuMiss *find_miss(VuMisses *s, uint64_t iova, unsigned int access)
{
    for (unsigned int i = 0; i < s->n; i++) {
        VuMiss *m = &s->miss[i];

        if (m->iova == iova && (m->access & access) == access) {
            return m;
        }
    }
    return NULL;
}

/* Write question @ret_miss down; true: it has to be sent. Under the mutex. */
static bool add_miss(struct VuIotlb *iotlb, VuMisses *s, VuMiss *ret_miss)
{
    VuMiss m = { .iova = ret_miss->iova, .access = ret_miss->access, .open = true, .sent = true };
    bool send = !is_sent(iotlb, &m);

    m.number = ++iotlb->numbers;
    *ret_miss = m;
    if (!send) {
        set_sent(iotlb, &m, false);
    }
    if (s->open++ == 0) {
        s->next = iotlb->waiting;
        iotlb->waiting = s;
        __atomic_store_n(&s->vq->starved, true, __ATOMIC_RELEASE);
    }
    s->miss[s->n++] = m;
    return send;
}

int vu_miss_ask(VuXlate *x, uint64_t iova, unsigned int access)
{
    struct VuIotlb *iotlb = x->iotlb;
    VuMisses *s = misses_of(x->vq);
    VuMiss new = { .iova = iova, .access = access };
    bool send = false;
    int rc = -EAGAIN;
    VuMiss *m;

    if (!s) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&iotlb->miss_mutex);
    m = find_miss(s, iova, access);
    if (!m && s->n == MISSES_MAX && s->open == 0) {
        s->n = 0; /* refusals of a chain that is no longer what it was */
    }
    if (m && !m->open) {
        rc = -EFAULT;
    } else if (!m && s->n < MISSES_MAX) {
        send = add_miss(iotlb, s, &new);
    }
    pthread_mutex_unlock(&iotlb->miss_mutex);
    x->starved |= rc == -EAGAIN;
    if (send && send_miss(x->dev, &new) == -EAGAIN) {
        pthread_mutex_lock(&iotlb->miss_mutex);
        m = find_miss(s, iova, access);
        if (m && m->open) {
            set_sent(iotlb, m, false);
        }
        pthread_mutex_unlock(&iotlb->miss_mutex);
    }
    return rc;
}

void vu_miss_settle(VuXlate *x)
{
    VuMisses *s = x->vq->misses;

    if (!s || x->starved) {
        return;
    }
    pthread_mutex_lock(&x->iotlb->miss_mutex);
    if (s->open == 0) {
        s->n = 0;
    }
    pthread_mutex_unlock(&x->iotlb->miss_mutex);
}

/* ---- Answers (control context) ---- */

/* Forget question @i of @s. */
static void remove_miss(struct VuIotlb *iotlb, VuMisses *s, unsigned int i)
{
    set_sent(iotlb, &s->miss[i], true);
    s->open -= s->miss[i].open;
    s->miss[i] = s->miss[--s->n];
}

/* What an answer is about. */
typedef struct Covered {
    uint64_t iova;
    uint64_t last;
    unsigned int perm;
    bool refused;               /* it is kept, for the chain that asked to come across */
    const VuQuestion *question; /* that was refused: not all within the range is meant */
} Covered;

/*
 * Question @m is refused if @q was. One about the same page that was not sent, for the sake of
 * another one, wants no less than that.
 */
static bool meant(const VuMiss *m, const VuQuestion *q)
{
    return !q || m->number == q->number || (!m->sent && (m->access & q->access) == q->access);
}

static void take_answer(struct VuIotlb *iotlb, VuMisses *s, const Covered *range, VuAnswer *answer)
{
    for (unsigned int i = s->n; i-- > 0;) {
        VuMiss *m = &s->miss[i];

        if (!m->open || m->iova < range->iova || m->iova > range->last ||
            !meant(m, range->question)) {
            continue;
        }
        answer->answered++;
        answer->ring |= s->vq->unmapped;
        if (m->access & ~range->perm) {
            answer->denied |= m->access & ~range->perm;
            answer->denied_at = m->iova;
        }
        if (range->refused) {
            set_sent(iotlb, m, true);
            m->open = false;
            s->open--;
        } else {
            remove_miss(iotlb, s, i);
        }
    }
}

static VuAnswer take_all(VuDev *dev, const Covered *range)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;
    VuMisses **at = &iotlb->waiting;
    VuAnswer answer = { 0 };

    pthread_mutex_lock(&iotlb->miss_mutex);
    while (*at) {
        VuMisses *s = *at;

        take_answer(iotlb, s, range, &answer);
        if (s->open > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        __atomic_store_n(&s->vq->starved, false, __ATOMIC_RELEASE);
        vu_kick_want_look(dev, s->vq);
    }
    pthread_mutex_unlock(&iotlb->miss_mutex);
    return answer;
}

VuAnswer vu_miss_answered(VuDev *dev, uint64_t iova, uint64_t last, unsigned int perm)
{
    return take_all(dev, &(Covered){ .iova = iova, .last = last, .perm = perm });
}

static void refuse(VuDev *dev, const Covered *range)
{
    VuAnswer answer = take_all(dev, range);

    if (answer.ring) {
        vu_iotlb_update_rings(dev);
    }
}

void vu_miss_refused(VuDev *dev, uint64_t iova, uint64_t last)
{
    refuse(dev, &(Covered){ .iova = iova, .last = last, .perm = VHOST_ACCESS_RW, .refused = true });
}

void vu_miss_denied(VuDev *dev, const VuQuestion *question)
{
    uint64_t page = question->iova & ~(uint64_t)(MISS_PAGE - 1);

    refuse(dev, &(Covered){ .iova = page,
                            .last = page + (MISS_PAGE - 1),
                            .perm = VHOST_ACCESS_RW,
                            .refused = true,
                            .question = question });
}

/* A question to be sent now, if there is one. Under the mutex. */
static VuMiss *next_unsent(struct VuIotlb *iotlb)
{
    for (VuMisses *s = iotlb->waiting; s; s = s->next) {
        for (unsigned int i = 0; i < s->n; i++) {
            VuMiss *m = &s->miss[i];

            if (m->open && !m->sent && !is_sent(iotlb, m)) {
                return m;
            }
        }
    }
    return NULL;
}

void vu_iotlb_retry(VuDev *dev)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;
    VuMiss *m;

    if (VU_LIKELY(__atomic_load_n(&iotlb->unsent, __ATOMIC_RELAXED) == 0)) {
        return;
    }
    pthread_mutex_lock(&iotlb->miss_mutex);
    while ((m = next_unsent(iotlb)) && send_miss(dev, m) == 0) {
        set_sent(iotlb, m, true);
    }
    pthread_mutex_unlock(&iotlb->miss_mutex);
}

void vu_iotlb_ask_anew(VuDev *dev)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;

    pthread_mutex_lock(&iotlb->miss_mutex);
    for (VuMisses *s = iotlb->waiting; s; s = s->next) {
        for (unsigned int i = 0; i < s->n; i++) {
            if (s->miss[i].open) {
                set_sent(iotlb, &s->miss[i], false);
            }
        }
    }
    pthread_mutex_unlock(&iotlb->miss_mutex);
}

/* ---- The end of a queue's run (queue context) ---- */

void vu_queue_forget_misses(VuDev *dev, VuVirtq *vq)
{
    struct VuIotlb *iotlb = dev->priv->iotlb;
    VuMisses *s = vq->misses;

    if (!s) {
        return;
    }
    pthread_mutex_lock(&iotlb->miss_mutex);
    while (s->n > 0) {
        remove_miss(iotlb, s, s->n - 1);
    }
    for (VuMisses **at = &iotlb->waiting; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    pthread_mutex_unlock(&iotlb->miss_mutex);
    __atomic_store_n(&vq->starved, false, __ATOMIC_RELEASE);
    vq->misses = NULL;
    free(s);
}
