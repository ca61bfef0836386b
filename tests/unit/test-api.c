/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every name of api-names.txt is offered by its header, with its type, and can be linked.
 *
 * The compiler checks types in the files that scripts/api-test.py makes; the linker finds what they
 * hold the address of. What is left for run time is that no address is missing.
 */
#include "qemu/osdep.h"
#include "harness.h"
#include "api-headers.h"

typedef struct ApiHeader {
    const char *name;
    size_t (*count)(void);
    size_t wanted;
} ApiHeader;

static const ApiHeader api_headers[] = { API_HEADERS };

static void test_header(const void *data)
{
    const ApiHeader *header = data;

    g_assert_cmpuint(header->count(), ==, header->wanted);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(api_headers); i++) {
        g_autofree char *path =
            g_strdup_printf("/api/%s/offers_what_is_listed", api_headers[i].name);
        harness_add_data(path, &api_headers[i], test_header);
    }
    return harness_run();
}
