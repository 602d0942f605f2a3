/* SPDX-License-Identifier: MIT */
/* custom_layer.c: a layer of a program's own type, as the rest of the library knows layers: options, parameters,
 * shapes. */
#include "layers/custom/custom.h"
#include <math.h>
#include <string.h>

/* ---- options ---- */

static double option_value(const cn_layer *layer, const cn__attr *attr) {
    const char *place = (const char *)layer + attr->offset;
    int32_t integer;
    float real;
    memcpy(&integer, place, sizeof integer);
    memcpy(&real, place, sizeof real);
    return attr->kind == CN__ATTR_INT ? (double)integer : (double)real;
}

static cn_status check_options(const cn_layer *layer) {
    const cn__custom_type *type = cn__custom_type_of(layer);
    for (size_t i = 0; type->attrs[i].name; i++) {
        const cn__custom_option *option = &type->options[i];
        double value = option_value(layer, &type->attrs[i]);
        if (!(value >= option->least && value <= option->most))
            return cn__error(CN_ERR_ARGUMENT, "%s: %s is %g, wanted %g to %g", type->name, option->name, value,
                             option->least, option->most);
    }
    return CN_OK;
}

/* ---- parameters ---- */

static cn_status check_parameter(const cn__custom_type *type, const cn_layer_parameter *p, int index) {
    if (!cn__custom_name_is_good(p->name, CN__CUSTOM_PARAMETER, ""))
        return cn__error(
            CN_ERR_ARGUMENT, "%s: parameter %d is called '%.*s', wanted 1 to %d letters, digits and underscores",
            type->name, index, CN__CUSTOM_PARAMETER, p->name ? p->name : "(NULL)", CN__CUSTOM_PARAMETER - 1);
    CN__TRY(cn__check_reserved("cn_layer_parameter", p->reserved == 0 && !p->reserved_pointer));
    if (p->dims < 1 || p->dims > 4)
        return cn__error(CN_ERR_ARGUMENT, "%s: parameter '%s' has %d dims, wanted 1 to 4", type->name, p->name,
                         p->dims);
    for (int i = 0; i < p->dims; i++)
        if (p->shape[i] < 1 || p->shape[i] > INT32_MAX)
            return cn__error(CN_ERR_ARGUMENT, "%s: parameter '%s' has %lld elements along dimension %d", type->name,
                             p->name, (long long)p->shape[i], i);
    if (!isfinite(p->value) || !isfinite(p->bound) || p->bound < 0.0f)
        return cn__error(CN_ERR_ARGUMENT, "%s: parameter '%s' begins with %g ± %g, wanted finite numbers", type->name,
                         p->name, (double)p->value, (double)p->bound);
    return CN_OK;
}

static cn_status take_parameter(const cn__custom_type *type, cn__custom_layer *layer, const cn_layer_parameter *p) {
    CN__TRY(check_parameter(type, p, layer->parameter_count));
    for (int i = 0; i < layer->parameter_count; i++)
        if (strcmp(layer->parameters[i].name, p->name) == 0)
            return cn__error(CN_ERR_ARGUMENT, "%s: two parameters are called '%s'", type->name, p->name);
    cn__custom_parameter *to = &layer->parameters[layer->parameter_count++];
    memcpy(to->name, p->name, strlen(p->name) + 1);
    to->dims = p->dims;
    memcpy(to->shape, p->shape, sizeof to->shape);
    to->value = p->value;
    to->bound = p->bound;
    return CN_OK;
}

static cn_status ask_parameters(cn__custom_layer *layer) {
    const cn__custom_type *type = cn__custom_type_of(&layer->base);
    const cn_layer_definition *d = &type->definition;
    cn_layer_parameter parameters[CN_MAX_LAYER_PARAMETERS] = {0};
    int count = d->parameters ? d->parameters(d->user, layer->options, parameters) : 0;
    if (count < 0 || count > CN_MAX_LAYER_PARAMETERS)
        return cn__error(CN_ERR_ARGUMENT, "%s: its parameters function returned %d, wanted 0 to %d", type->name, count,
                         CN_MAX_LAYER_PARAMETERS);
    for (int i = 0; i < count; i++)
        CN__TRY(take_parameter(type, layer, &parameters[i]));
    return CN_OK;
}

static cn_status validate(cn_layer *layer) {
    CN__TRY(check_options(layer));
    return ask_parameters((cn__custom_layer *)layer);
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__custom_layer *own = cn__custom_layer_of(layer);
    for (int i = 0; i < own->parameter_count; i++) {
        const cn__custom_parameter *p = &own->parameters[i];
        specs[i] = (cn__tensor_spec){.name = p->name, .dtype = CN_DTYPE_FLOAT32, .dims = p->dims, .parameter = true};
        memcpy(specs[i].shape, p->shape, sizeof p->shape);
    }
    return own->parameter_count;
}

static void init(const cn_layer *layer, cn__initializer *from, void *const *tensor) {
    const cn__custom_layer *own = cn__custom_layer_of(layer);
    for (int i = 0; i < own->parameter_count; i++) {
        const cn__custom_parameter *p = &own->parameters[i];
        int64_t count = 1;
        for (int d = 0; d < p->dims; d++)
            count *= p->shape[d];
        if (p->bound > 0.0f)
            cn__init_uniform(from, tensor[i], count, p->value, p->bound);
        else
            cn__init_constant(tensor[i], count, p->value);
    }
}

/* ---- shapes ---- */

static void spread(const cn__shape *shape, int64_t out[3]) {
    out[0] = shape->channels;
    out[1] = shape->height;
    out[2] = shape->width;
}

static cn_status ask_shape(const cn_layer *layer, const char *name, int32_t inputs, const int64_t (*in)[3],
                           int64_t out[3]) {
    const cn_layer_definition *d = &cn__custom_type_of(layer)->definition;
    cn_status status = cn__callback_status(d->shape(d->user, cn__custom_layer_of(layer)->options, inputs, in, out));
    if (status != CN_OK)
        return cn__error(status, "%s '%s': its shape function refuses an input of %lld×%lld×%lld: %s", d->type, name,
                         (long long)in[0][0], (long long)in[0][1], (long long)in[0][2], cn_status_string(status));
    for (int i = 0; i < 3; i++)
        if (out[i] < 1 || out[i] > CN__MAX_SIDE)
            return cn__error(CN_ERR_SHAPE, "%s '%s': its shape function gives %lld×%lld×%lld, wanted sides of 1 to %d",
                             d->type, name, (long long)out[0], (long long)out[1], (long long)out[2], CN__MAX_SIDE);
    return CN_OK;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int64_t shapes[CN_MAX_LAYER_INPUTS][3], result[3] = {0, 0, 0};
    if (!cn__custom_type_of(layer)->definition.shape)
        return cn__infer_equal(layer, name, inputs, in, out);
    for (int32_t i = 0; i < inputs; i++)
        spread(&in[i], shapes[i]);
    CN__TRY(ask_shape(layer, name, inputs, (const int64_t(*)[3])shapes, result));
    *out = (cn__shape){(int32_t)result[0], (int32_t)result[1], (int32_t)result[2]};
    return CN_OK;
}

static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn_layer_definition *d = &cn__custom_type_of(layer)->definition;
    int64_t input[3], output[3];
    if (!d->multiply_adds)
        return 0;
    spread(&in, input);
    spread(&out, output);
    int64_t count = d->multiply_adds(d->user, cn__custom_layer_of(layer)->options, input, output);
    return count > 0 ? count : 0;
}

/* ---- the type ---- */

const cn__layer_type cn__custom_type_pattern = {
    .kind = CN__KIND_CUSTOM,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = init,
    .multiply_adds = multiply_adds,
    .batch = &cn__custom_impl,
    .nchw16c = &cn__custom_impl,
};

/* Only members that are options: others would be lost in a file. */
static void take_options(const cn__custom_type *type, cn_layer *layer, const void *options) {
    for (const cn__attr *attr = type->attrs; attr->name; attr++)
        memcpy((char *)layer + attr->offset,
               (const char *)options + (attr->offset - offsetof(cn__custom_layer, options)), sizeof(int32_t));
}

cn_status cn_custom_layer_new(cn_context *context, const char *type, const void *options, cn_layer **layer) {
    CN__COMPUTES;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(type);
    const cn__custom_type *found = cn__custom_type_find(context, type);
    if (!found)
        return cn__error(CN_ERR_NOT_FOUND, "cn_custom_layer_new: no type '%.*s' is registered with this context",
                         CN__CUSTOM_NAME, type);
    CN__TRY(cn__layer_alloc(context, &found->type, &made));
    if (options)
        take_options(found, made, options);
    return cn__layer_finish(made, layer);
}
