/* SPDX-License-Identifier: MIT */
/* definition.c: takes a program's definition of a type of layer into the context. Types are a list to which is only
 * added, at its head, so that other threads may look for one meanwhile. */
#include "layers/custom/custom.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_OPTIONS       256
#define MAX_OPTIONS_BYTES 4096

/* ---- checks ---- */

bool cn__custom_name_is_good(const char *name, size_t bytes, const char *more) {
    static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length >= bytes)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!strchr(usual, name[i]) && !strchr(more, name[i]))
            return false;
    return true;
}

static cn_status wrong(const cn_layer_definition *d, const char *what) {
    return cn__error(CN_ERR_ARGUMENT, "cn_context_register_layer: type '%s': %s", d->type, what);
}

static cn_status wrong_option(const cn_layer_definition *d, int index, const char *what) {
    return cn__error(CN_ERR_ARGUMENT, "cn_context_register_layer: type '%s': option %d, '%.*s': %s", d->type, index,
                     CN__CUSTOM_NAME, d->options[index].name, what);
}

static cn_status check_option(const cn_layer_definition *d, int index) {
    const cn_layer_option *o = &d->options[index];
    if (!cn__custom_name_is_good(o->name, CN__CUSTOM_NAME, ""))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_context_register_layer: type '%s': option %d is called '%.*s', wanted 1 to %d letters, "
                         "digits and underscores",
                         d->type, index, CN__CUSTOM_NAME, o->name ? o->name : "(NULL)", CN__CUSTOM_NAME - 1);
    for (int i = 0; i < index; i++)
        if (strcmp(d->options[i].name, o->name) == 0)
            return wrong_option(d, index, "there is one of that name already");
    CN__TRY(cn__check_reserved("cn_layer_option", !o->reserved_pointer));
    if (o->kind != CN_OPTION_INT && o->kind != CN_OPTION_FLOAT)
        return wrong_option(d, index, "its kind is unknown");
    if (o->offset < 0 || o->offset % 4 != 0 || (uint64_t)o->offset + 4 > d->options_size)
        return wrong_option(d, index, "its offset is not that of a member of options_size bytes");
    if (!isfinite(o->least) || !isfinite(o->most) || !(o->least <= o->usual && o->usual <= o->most))
        return wrong_option(d, index, "wanted least <= usual <= most, all finite");
    double largest = o->kind == CN_OPTION_INT ? INT32_MAX : 3.4e38;
    if (o->least < -largest || o->most > largest || (o->kind == CN_OPTION_INT && o->usual != floor(o->usual)))
        return wrong_option(d, index, "its values go beyond its kind");
    return CN_OK;
}

static cn_status check_definition(const cn_layer_definition *d) {
    if (!cn__custom_name_is_good(d->type, CN__CUSTOM_NAME, "-."))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_context_register_layer: type is '%.*s', wanted 1 to %d letters, digits, underscores, "
                         "hyphens and dots",
                         CN__CUSTOM_NAME, d->type ? d->type : "(NULL)", CN__CUSTOM_NAME - 1);
    CN__TRY(cn__check_reserved("cn_layer_definition", d->reserved == 0 && !d->reserved_pointer));
    if (!d->forward || !d->backward)
        return wrong(d, d->forward ? "backward is NULL" : "forward is NULL");
    if (d->min_inputs < 1 || d->max_inputs < d->min_inputs || d->max_inputs > CN_MAX_LAYER_INPUTS)
        return wrong(d, "wanted 1 <= min_inputs <= max_inputs <= CN_MAX_LAYER_INPUTS");
    if (d->option_count < 0 || d->option_count > MAX_OPTIONS || (d->option_count > 0 && !d->options))
        return wrong(d, d->options ? "option_count is not 0 to 256" : "options is NULL, and option_count is not 0");
    if (d->options_size > MAX_OPTIONS_BYTES)
        return wrong(d, "options_size is above 4096");
    for (int i = 0; i < d->option_count; i++)
        CN__TRY(check_option(d, i));
    return CN_OK;
}

/* ---- the list ---- */

static const cn__custom_type *type_at(const cn__attachment *attachment) {
    return (const cn__custom_type *)((const char *)attachment - offsetof(cn__custom_type, attachment));
}

static const cn__custom_type *find_from(const cn__attachment *first, const char *name) {
    for (const cn__attachment *a = first; a; a = a->next)
        if (strcmp(type_at(a)->name, name) == 0)
            return type_at(a);
    return NULL;
}

const cn__custom_type *cn__custom_type_find(const cn_context *ctx, const char *name) {
    return find_from(atomic_load(&ctx->attachments), name);
}

static void free_type(cn_context *ctx, cn__custom_type *made) {
    cn__free(ctx, made->options);
    cn__free(ctx, made->attrs);
    cn__free(ctx, made);
}

static void detach(cn_context *ctx, cn__attachment *attachment) {
    cn__custom_type *type = (cn__custom_type *)type_at(attachment);
    if (type->definition.release)
        type->definition.release(type->definition.user);
    free_type(ctx, type);
}

/* Unless there is one of that name. */
static bool attach(cn_context *ctx, cn__custom_type *made) {
    cn__attachment *first = atomic_load(&ctx->attachments);
    do {
        if (find_from(first, made->name))
            return false;
        made->attachment.next = first;
    } while (!atomic_compare_exchange_weak(&ctx->attachments, &first, &made->attachment));
    return true;
}

/* ---- a type ---- */

static void fill_type(cn__custom_type *made, const cn_layer_definition *d) {
    memcpy(made->name, d->type, strlen(d->type) + 1);
    made->definition = *d;
    made->definition.type = made->name;
    made->definition.options = NULL; /* the program's array may go */
    made->attachment.detach = detach;
    made->type = cn__custom_type_pattern;
    made->type.name = made->name;
    made->type.bytes = sizeof(cn__custom_layer) + (size_t)d->options_size;
    made->type.min_inputs = d->min_inputs;
    made->type.max_inputs = d->max_inputs;
    made->type.attrs = made->attrs;
    for (int i = 0; i < d->option_count; i++) {
        const cn_layer_option *o = &d->options[i];
        memcpy(made->options[i].name, o->name, strlen(o->name) + 1);
        made->options[i].least = o->least;
        made->options[i].most = o->most;
        made->attrs[i] = (cn__attr){.name = made->options[i].name,
                                    .kind = o->kind == CN_OPTION_INT ? CN__ATTR_INT : CN__ATTR_FLOAT,
                                    .offset = offsetof(cn__custom_layer, options) + (size_t)o->offset,
                                    .fallback = o->usual};
    }
}

cn_status cn_context_register_layer(cn_context *context, const cn_layer_definition *definition) {
    CN__COMPUTES;
    cn_layer_definition known = CN_LAYER_DEFINITION_INIT;
    CN__REQUIRE(context);
    CN__REQUIRE(definition);
    CN__TRY(CN__READ_OPTIONS(&known, cn_layer_definition, definition));
    CN__TRY(check_definition(&known));
    if (cn__layer_type_find(context, known.type))
        return wrong(&known, "there is a type of that name already");
    cn__custom_type *made = cn__alloc(context, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a type of layer");
    size_t count = (size_t)known.option_count;
    made->options = cn__alloc(context, count + 1, sizeof *made->options);
    made->attrs = cn__alloc(context, count + 1, sizeof *made->attrs); /* the last has no name */
    if (!made->options || !made->attrs) {
        free_type(context, made);
        return cn__no_memory("a type of layer");
    }
    fill_type(made, &known);
    if (attach(context, made))
        return CN_OK;
    free_type(context, made);
    return wrong(&known, "there is a type of that name already");
}
