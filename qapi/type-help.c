/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts from type descriptions. */

#include "qemu/osdep.h"
#include "qapi/type-info.h"
#include "qobject/qtype.h"

/* How deep options within options are shown; nodes can lie on nodes without end. */
#define HELP_DEPTH_MAX 3
#define HELP_COLUMN    44

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

/* What a value of @type looks like on the command line; the caller's. */
static char *value_form(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_KIND_BOOL:
        return g_strdup("on|off");
    case QAPI_KIND_ENUM: {
        g_autofree const char **names = g_new0(const char *, type->lookup->size + 1);

        for (int i = 0; i < type->lookup->size; i++) {
            names[i] = type->lookup->array[i];
        }
        return g_strjoinv("|", (char **)names);
    }
    case QAPI_KIND_ALTERNATE:
        if (QTYPE_QSTRING < type->n_variants && type->variants[QTYPE_QSTRING]) {
            return value_form(type->variants[QTYPE_QSTRING]);
        }
        /* fall through */
    default:
        return g_strdup_printf("<%s>", type->name);
    }
}

/* Where the options that are being listed belong. */
typedef struct Place {
    const char *prefix;    /* of their names */
    const char *condition; /* "key=value" that they need, or NULL */
    bool optional;         /* what they belong to can be left out */
    int depth;
} Place;

static void list_options(GString *text, const QapiType *type, const Place *place);

static void list_line(GString *text, const char *name, const QapiMember *m, const Place *place)
{
    g_autofree char *value = value_form(m->type);
    g_autofree char *option = g_strdup_printf("  %s=%s", name, value);
    const char *space = strlen(option) < HELP_COLUMN ? "" : "\n";

    g_string_append_printf(text, "%s%s%*s", option, space,
                           *space ? HELP_COLUMN : (int)(HELP_COLUMN - strlen(option)), "");
    g_string_append(text, m->doc);
    if (place->condition) {
        g_string_append_printf(text, " (if %s)", place->condition);
    } else if (!m->optional && !place->optional) {
        g_string_append(text, " (required)");
    }
    g_string_append_c(text, '\n');
}

static void list_option(GString *text, const QapiMember *m, const Place *place)
{
    bool list = m->type->kind == QAPI_KIND_LIST;
    const QapiType *type = list ? m->type->element : m->type;
    g_autofree char *name = g_strdup_printf("%s%s%s", place->prefix, m->name, list ? ".0" : "");

    if (type->kind == QAPI_KIND_OBJECT) {
        g_autofree char *prefix = g_strdup_printf("%s.", name);
        Place inner = { prefix, place->condition, place->optional || m->optional,
                        place->depth + 1 };

        list_options(text, type, &inner);
    } else {
        QapiMember shown = *m;

        shown.type = type;
        list_line(text, name, &shown, place);
    }
}

static void list_own_options(GString *text, const QapiType *type, const Place *place)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        list_option(text, &type->members[i], place);
    }
}

static void list_options(GString *text, const QapiType *type, const Place *place)
{
    const QapiMember *tag = type->variants ? &type->members[type->tag] : NULL;

    if (place->depth > HELP_DEPTH_MAX) {
        return;
    }
    list_own_options(text, type, place);
    for (uint32_t i = 0; tag && i < type->n_variants; i++) {
        if (type->variants[i]) {
            g_autofree char *condition =
                g_strdup_printf("%s%s=%s", place->prefix, tag->name, tag->type->lookup->array[i]);
            Place inner = { place->prefix, condition, place->optional, place->depth };

            list_own_options(text, type->variants[i], &inner);
        }
    }
}

char *qapi_option_help(const QapiType *type, const char *tag_value)
{
    const QapiType *variant = find_variant(type, tag_value);
    GString *text = g_string_new(NULL);
    Place place = { "", NULL, false, 0 };

    if (variant) {
        list_own_options(text, type, &place);
        list_own_options(text, variant, &place);
    } else {
        list_options(text, type, &place);
    }
    return g_string_free(text, false);
}
