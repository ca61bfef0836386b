/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts from type descriptions. */

#include "qemu/osdep.h"
#include "qapi/type-info.h"

static void add_members(GPtrArray *lines, const QapiType *type)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];

        g_ptr_array_add(lines, g_strdup_printf("  %s=<%s>\n", m->name, m->type->name));
    }
}

/* The type of the branch for the tag's value @tag_value; NULL if there is none. */
static const QapiType *find_variant(const QapiType *type, const char *tag_value)
{
    int tag;

    if (!type->variants || !tag_value) {
        return NULL;
    }
    tag = qapi_enum_parse(type->members[type->tag].type->lookup, tag_value, -1, NULL);
    return tag >= 0 && tag < type->n_variants ? type->variants[tag] : NULL;
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *qapi_type_help(const QapiType *type, const char *tag_value)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const QapiType *variant = find_variant(type, tag_value);

    add_members(lines, type);
    if (variant) {
        add_members(lines, variant);
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv(NULL, (char **)lines->pdata);
}
