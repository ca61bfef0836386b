/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of requests; the header says how they are kept. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/timer.h"
#include "block/accounting.h"

/* Relaxed: a counter orders nothing. */
static inline uint64_t count(uint64_t *counter, uint64_t n)
{
    return __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

unsigned QEMU_NOINLINE block_thread_slot(void)
{
    static unsigned next;
    static __thread unsigned mine;

    if (!mine) {
        mine = 1 + qatomic_fetch_inc(&next) % BLOCK_ACCT_SLOTS;
    }
    return mine - 1;
}

void block_acct_init(BlockAcctStats *stats)
{
    memset(stats, 0, sizeof(*stats));
}

void block_acct_cleanup(BlockAcctStats *stats)
{
    memset(stats, 0, sizeof(*stats));
}

void block_acct_start(BlockAcctStats *stats, BlockAcctCookie *cookie, int64_t bytes,
                      enum BlockAcctType type)
{
    BlockAcctSlot *slot = &stats->slots[block_thread_slot()];
    uint64_t nr = count(&slot->started[type], 1);

    cookie->bytes = bytes;
    cookie->type = type;
    cookie->start_time_ns = 0;
    if (nr % BLOCK_ACCT_SAMPLE == 0) {
        cookie->start_time_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    }
}

static void account_time(BlockAcctStats *stats, BlockAcctSlot *slot, BlockAcctCookie *cookie)
{
    int64_t now;

    if (cookie->start_time_ns) {
        now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
        count(&slot->total_time_ns[cookie->type],
              MAX(now - cookie->start_time_ns, (int64_t)1) * BLOCK_ACCT_SAMPLE);
        qatomic_set(&stats->last_access_time_ns, now);
    }
}

void block_acct_done(BlockAcctStats *stats, BlockAcctCookie *cookie)
{
    BlockAcctSlot *slot = &stats->slots[block_thread_slot()];

    count(&slot->nr_bytes[cookie->type], cookie->bytes);
    count(&slot->nr_ops[cookie->type], 1);
    account_time(stats, slot, cookie);
}

void block_acct_failed(BlockAcctStats *stats, BlockAcctCookie *cookie)
{
    BlockAcctSlot *slot = &stats->slots[block_thread_slot()];

    count(&slot->failed_ops[cookie->type], 1);
    account_time(stats, slot, cookie);
}

void block_acct_add(BlockAcctStats *stats, enum BlockAcctType type, uint64_t n, uint64_t bytes,
                    uint64_t ns)
{
    BlockAcctSlot *slot = &stats->slots[block_thread_slot()];

    count(&slot->nr_ops[type], n);
    count(&slot->nr_bytes[type], bytes);
    count(&slot->total_time_ns[type], ns);
}

void block_acct_touch(BlockAcctStats *stats, int64_t now)
{
    qatomic_set(&stats->last_access_time_ns, now);
}

void block_acct_invalid(BlockAcctStats *stats, enum BlockAcctType type)
{
    count(&stats->slots[block_thread_slot()].invalid_ops[type], 1);
}

void block_acct_sum(BlockAcctStats *stats, BlockAcctTotals *totals)
{
    for (int s = 0; s < BLOCK_ACCT_SLOTS; s++) {
        BlockAcctSlot *slot = &stats->slots[s];

        for (int t = 0; t < BLOCK_MAX_IOTYPE; t++) {
            totals->nr_ops[t] += qatomic_read(&slot->nr_ops[t]);
            totals->nr_bytes[t] += qatomic_read(&slot->nr_bytes[t]);
            totals->total_time_ns[t] += qatomic_read(&slot->total_time_ns[t]);
            totals->failed_ops[t] += qatomic_read(&slot->failed_ops[t]);
            totals->invalid_ops[t] += qatomic_read(&slot->invalid_ops[t]);
        }
    }
}

int64_t block_acct_idle_time_ns(BlockAcctStats *stats)
{
    int64_t last = qatomic_read(&stats->last_access_time_ns);

    return last ? qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - last : 0;
}
