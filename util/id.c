/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of things: which are well-formed, and generated ones. */
#include "qemu/osdep.h"
#include "qemu/id.h"
#include "qemu/atomic.h"

bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(id[0])) {
        return false;
    }
    for (const char *p = id + 1; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p)) {
            return false;
        }
    }
    return true;
}

static const char *const id_subsys_names[] = {
    [ID_QDEV] = "qdev",
    [ID_BLOCK] = "block",
    [ID_CHR] = "chr",
    [ID_NET] = "net",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(id_subsys_names) != ID__MAX);

char *id_generate(IdSubSystems id)
{
    static unsigned counters[ID__MAX];

    assert(id < ID__MAX);
    /* The number alone keeps names apart; random digits keep scripts from relying on them. */
    return g_strdup_printf("#%s%u%02d", id_subsys_names[id], qatomic_fetch_inc(&counters[id]),
                           g_random_int_range(0, 100));
}
