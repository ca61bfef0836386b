/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answers that come on the back-end channel, and what they are answers to.
 *
 * Theory of operation: an answer names only the number of the message it answers, so what has been
 * asked is remembered in the order in which it was sent. Requests that somebody waits for are in a
 * list (VuAsk). Questions to the IOMMU, which queues send from any context, are in a ring; when it
 * is full a question is sent without asking for an acknowledgement, as it is when nobody reads the
 * channel. vu_channel_ready() reads what has come, without waiting and whatever else control is
 * doing: it ends requests, and notes refused questions. What a refusal brings about may take a
 * while; it is done by vu_act_on_answers(), between two messages of the main socket.
 *
 * Whatever is no answer to what was asked closes the channel: it cannot be told what the next bytes
 * are. The connection goes on, as with a front-end that never gave a channel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vu-internal.h"

/* So many answers are read before others have their turn. */
#define ANSWERS_AT_ONCE 64
/* Questions to the IOMMU whose acknowledgement is awaited. */
#define QUESTIONS_MAX 256

#define ANSWER_SIZE (VHOST_USER_HDR_SIZE + sizeof(uint64_t))

/* Counters never wrap back: differences count. Entries from settled to sent are in use. */
struct VuChannel {
    /* Control context. */
    VhostUserMsg answer; /* what has come of the next one */
    size_t have;         /* bytes of it */
    bool fits;           /* no more descriptors came than a message may have */
    bool refusals;       /* some question between settled and answered was refused */
    VuAsk *asks;         /* oldest first */

    /* Under backend_mutex. */
    unsigned int sent;
    unsigned int answered;
    unsigned int settled;
    VuQuestion question[QUESTIONS_MAX];
};

int vu_channel_init(VuDev *dev)
{
    dev->priv->channel = calloc(1, sizeof(*dev->priv->channel));
    if (!dev->priv->channel) {
        return -ENOMEM;
    }
    dev->priv->channel->fits = true;
    return 0;
}

void vu_channel_done(VuDev *dev)
{
    free(dev->priv->channel);
    dev->priv->channel = NULL;
}

bool vu_channel_watched(const VuDev *dev)
{
    return dev->priv->io->watch_channel;
}

/* ---- What is asked ---- */

void vu_channel_expect(VuDev *dev, VuAsk *ask)
{
    VuAsk **at = &dev->priv->channel->asks;

    while (*at) {
        at = &(*at)->next;
    }
    ask->next = NULL;
    *at = ask;
}

void vu_channel_forget(VuDev *dev, VuAsk *ask)
{
    for (VuAsk **at = &dev->priv->channel->asks; *at; at = &(*at)->next) {
        if (*at == ask) {
            *at = ask->next;
            return;
        }
    }
}

bool vu_channel_may_question(const VuDev *dev)
{
    const struct VuChannel *c = dev->priv->channel;

    return c->sent - c->settled < QUESTIONS_MAX;
}

void vu_channel_questioned(VuDev *dev, const VuQuestion *question)
{
    struct VuChannel *c = dev->priv->channel;

    c->question[c->sent++ % QUESTIONS_MAX] = *question;
}

/* ---- Answers ---- */

static void end_ask(VuDev *dev, VuAsk *ask, int rc)
{
    vu_channel_forget(dev, ask);
    ask->rc = rc;
    ask->done = true;
}

static int take_question_answer(VuDev *dev, bool yes)
{
    struct VuChannel *c = dev->priv->channel;
    int rc = 1;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    if (c->answered == c->sent) {
        rc = -EPROTO;
    } else {
        c->question[c->answered++ % QUESTIONS_MAX].refused = !yes;
        c->refusals |= !yes;
        if (!c->refusals) {
            c->settled = c->answered;
        }
    }
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return rc;
}

/* The answer is complete. 1, or -errno if nobody has asked for it. */
static int take_answer(VuDev *dev, VhostUserMsg *answer)
{
    bool yes = answer->payload.u64 == 0;
    VuAsk *ask = dev->priv->channel->asks;

    if (answer->request == VHOST_USER_BACKEND_IOTLB_MSG) {
        return take_question_answer(dev, yes);
    }
    while (ask && ask->msg->request != answer->request) {
        ask = ask->next;
    }
    if (!ask) {
        return -EPROTO;
    }
    if (yes) {
        ask->fd = vu_message_take_fd(answer, 0);
    }
    end_ask(dev, ask, yes);
    return 1;
}

static bool header_ok(const VhostUserMsg *answer)
{
    return answer->flags == (VHOST_USER_VERSION | VHOST_USER_REPLY_MASK) &&
           answer->size == sizeof(answer->payload.u64);
}

/* Is anything still to be answered? */
static bool expecting(VuDev *dev)
{
    struct VuChannel *c = dev->priv->channel;
    bool yes;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    yes = c->asks || c->have > 0 || c->answered != c->sent;
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return yes;
}

/* 1: some bytes came; 0: not now; -errno, -ESHUTDOWN for an end where it may be. */
static int receive_some(VuDev *dev)
{
    struct VuChannel *c = dev->priv->channel;
    size_t end = c->have < VHOST_USER_HDR_SIZE ? VHOST_USER_HDR_SIZE : ANSWER_SIZE;
    struct iovec iov = { .iov_base = (char *)&c->answer + c->have, .iov_len = end - c->have };
    ssize_t n = vu_message_receive(dev->backend_fd, &iov, &c->answer, MSG_DONTWAIT, &c->fits);

    if (n < 0 && errno != ECONNRESET) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    if (n <= 0) {
        return expecting(dev) ? -ECONNRESET : -ESHUTDOWN;
    }
    c->have += n;
    return !c->fits || (c->have >= VHOST_USER_HDR_SIZE && !header_ok(&c->answer)) ? -EPROTO : 1;
}

static void forget_answer(struct VuChannel *c)
{
    vu_message_done(&c->answer);
    memset(&c->answer, 0, sizeof(c->answer));
    c->have = 0;
    c->fits = true;
}

/* 1: an answer was taken; 0: none is complete now; -errno. */
static int next_answer(VuDev *dev)
{
    struct VuChannel *c = dev->priv->channel;
    int rc = 1;

    while (rc > 0 && c->have < ANSWER_SIZE) {
        rc = receive_some(dev);
    }
    if (rc > 0) {
        rc = take_answer(dev, &c->answer);
        forget_answer(c);
    }
    return rc;
}

void vu_channel_ready(VuDev *dev)
{
    int rc = 1;

    for (int i = 0; i < ANSWERS_AT_ONCE && rc > 0 && dev->backend_fd >= 0; i++) {
        rc = next_answer(dev);
    }
    if (rc == -ESHUTDOWN) {
        vu_channel_set(dev, -1);
    } else if (rc < 0) {
        vu_channel_drop(dev,
                        rc == -EPROTO ? "what came is no answer to what was asked" : strerror(-rc));
    }
}

/* ---- The descriptor ---- */

void vu_channel_set(VuDev *dev, int fd)
{
    struct VuChannel *c = dev->priv->channel;
    int old = dev->backend_fd;

    if (old >= 0 && vu_channel_watched(dev)) {
        dev->priv->io->watch_channel(dev, -1);
    }
    pthread_mutex_lock(&dev->priv->backend_mutex);
    dev->backend_fd = fd;
    c->sent = c->answered;
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    vu_close_fd(&old);
    forget_answer(c);
    while (c->asks) {
        end_ask(dev, c->asks, -EPIPE);
    }
    if (fd >= 0 && vu_channel_watched(dev)) {
        dev->priv->io->watch_channel(dev, fd);
    }
}

void vu_channel_drop(VuDev *dev, const char *why)
{
    if (dev->backend_fd >= 0) {
        vu_channel_set(dev, -1);
        vu_log_message(dev, "closed the back-end channel: %s", why);
    }
}

/* ---- Refused questions (control context, between two messages) ---- */

bool vu_has_answers(const VuDev *dev)
{
    return dev->priv->channel->refusals;
}

static bool next_refusal(VuDev *dev, VuQuestion *ret_question)
{
    struct VuChannel *c = dev->priv->channel;
    bool found = false;

    pthread_mutex_lock(&dev->priv->backend_mutex);
    while (!found && c->settled != c->answered) {
        *ret_question = c->question[c->settled++ % QUESTIONS_MAX];
        found = ret_question->refused;
    }
    c->refusals = found;
    pthread_mutex_unlock(&dev->priv->backend_mutex);
    return found;
}

void vu_act_on_answers(VuDev *dev)
{
    VuQuestion question;

    if (!vu_has_answers(dev)) {
        return;
    }
    while (next_refusal(dev, &question)) {
        vu_miss_denied(dev, &question);
    }
    vu_backend_retry(dev);
    vu_vrings_look(dev);
}
