/* SPDX-License-Identifier: MIT */
/* custom.h: layers whose type a program has defined. definition.c takes definitions in, custom_layer.c makes their
 * layers like any others, custom_stages.c computes them. */
#ifndef CN_CUSTOM_H
#define CN_CUSTOM_H

#include "layers/layers.h"
#include <stddef.h>

#define CN__CUSTOM_NAME      64 /* bytes of a type's or an option's name */
#define CN__CUSTOM_PARAMETER 32 /* of a parameter's */

/* An option beside its attribute. */
typedef struct cn__custom_option {
    char name[CN__CUSTOM_NAME];
    double least, most;
} cn__custom_option;

/* A registered type. Offsets of its attributes count from the beginning of a cn__custom_layer. */
typedef struct cn__custom_type {
    cn__layer_type type; /* all that a layer knows of it */
    cn__attachment attachment;
    cn_layer_definition definition;
    char name[CN__CUSTOM_NAME];
    cn__custom_option *options;
    cn__attr *attrs;
} cn__custom_type;

typedef struct cn__custom_parameter {
    char name[CN__CUSTOM_PARAMETER];
    int32_t dims;
    int64_t shape[4];
    float value, bound;
} cn__custom_parameter;

typedef struct cn__custom_layer {
    cn_layer base;
    int32_t parameter_count; /* asked for once, when the options were known */
    cn__custom_parameter parameters[CN_MAX_LAYER_PARAMETERS];
    _Alignas(CN__ALIGN) char options[]; /* the program's struct */
} cn__custom_layer;

static inline const cn__custom_type *cn__custom_type_of(const cn_layer *layer) {
    return (const cn__custom_type *)layer->type;
}

static inline const cn__custom_layer *cn__custom_layer_of(const cn_layer *layer) {
    return (const cn__custom_layer *)layer;
}

/* 1 to bytes - 1 letters, digits, underscores and those of `more`. */
bool cn__custom_name_is_good(const char *name, size_t bytes, const char *more);

/* NULL: no such type in this context. */
const cn__custom_type *cn__custom_type_find(const cn_context *ctx, const char *name);

/* What all types have in common: all but name, bytes, attributes and numbers of inputs (custom_layer.c). */
extern const cn__layer_type cn__custom_type_pattern;
extern const cn__layer_impl cn__custom_impl; /* custom_stages.c */

#endif
