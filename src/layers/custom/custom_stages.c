/* SPDX-License-Identifier: MIT */
/* custom_stages.c: computes layers of a program's own. A block's images are unpacked into plain arrays, the program's
 * functions compute these, and the results go back into the lanes, whatever lies in those. Each block has gradients of
 * the parameters of its own, which are added up in the blocks' order. */
#include "layers/custom/custom.h"
#include "layers/tree.h"
#include <string.h>

/* ---- sizes ---- */

static size_t shape_floats(cn__shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

static size_t parameter_count(const cn__custom_parameter *p) {
    size_t count = 1;
    for (int i = 0; i < p->dims; i++)
        count *= (size_t)p->shape[i];
    return count;
}

/* Of all parameters, each from a line of its own. */
static size_t parameter_floats(const cn__custom_layer *layer) {
    size_t floats = 0;
    for (int i = 0; i < layer->parameter_count; i++)
        floats += cn__whole_lines(parameter_count(&layer->parameters[i]));
    return floats;
}

/* Arrays for so many images: inputs and output, and in training their gradients. */
static size_t array_floats(const cn__sizes *sizes, size_t images) {
    size_t floats = cn__whole_lines(images * shape_floats(sizes->out));
    for (int32_t i = 0; i < sizes->inputs; i++)
        floats += cn__whole_lines(images * shape_floats(sizes->in[i]));
    return sizes->training ? 2 * floats : floats;
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    size_t parameters = parameter_floats(cn__custom_layer_of(layer));
    requirements->scratch_floats = array_floats(sizes, sizes->nchw16c ? 1 : CN__LANES);
    requirements->saved_floats = sizes->training ? parameters : 0;
    requirements->packed_floats = sizes->nchw16c ? parameters : 0;
}

/* ---- a block of a map, as an array of images ---- */

static void read_block(const cn__fmap *map, size_t block, int32_t images, float *array) {
    cn__fmap from = cn__fmap_block(map, block);
    if (map->lane_channels)
        cn__nchw16c_unpack(map, block, array);
    else
        cn__fmap_unpack(&from, array, images);
}

static void write_block(const cn__fmap *map, size_t block, int32_t images, const float *array) {
    cn__fmap to = cn__fmap_block(map, block);
    if (map->lane_channels)
        cn__nchw16c_pack(map, block, array);
    else
        cn__fmap_pack(&to, array, images);
}

static int32_t images_of(const cn__op *op, const cn__pass *pass, size_t block) {
    return op->out->lane_channels ? 1 : cn__pass_lanes(pass, block);
}

/* ---- a call of the program's functions ---- */

typedef struct call {
    cn_layer_pass pass;
    float *arrays; /* scratch that is not given out yet */
    const float *inputs[CN_MAX_LAYER_INPUTS], *parameters[CN_MAX_LAYER_PARAMETERS];
    float *arrays_of_inputs[CN_MAX_LAYER_INPUTS]; /* the same */
    float *grad_inputs[CN_MAX_LAYER_INPUTS], *grad_parameters[CN_MAX_LAYER_PARAMETERS];
    int64_t input_shapes[CN_MAX_LAYER_INPUTS][3], output_shape[3];
} call;

static float *take(call *c, size_t floats) {
    float *array = c->arrays;
    c->arrays += cn__whole_lines(floats);
    return array;
}

static cn__shape image_shape(const cn__fmap *map) {
    return (cn__shape){cn__fmap_channels(map), map->shape.height, map->shape.width};
}

static size_t map_floats(const cn__fmap *map, const call *c) {
    return (size_t)c->pass.images * shape_floats(image_shape(map));
}

static void fill_shape(const cn__fmap *map, int64_t out[3]) {
    cn__shape shape = image_shape(map);
    out[0] = shape.channels;
    out[1] = shape.height;
    out[2] = shape.width;
}

/* All but gradients: inputs are there, the output is still to be computed. */
static void begin(call *c, const cn__op *op, const cn__pass *pass, size_t block) {
    const cn_layer_definition *d = &cn__custom_type_of(op->layer)->definition;
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
    int32_t images = images_of(op, pass, block);
    c->arrays = pass->scratch;
    c->pass = (cn_layer_pass){.size = sizeof c->pass,
                              .user = d->user,
                              .options = layer->options,
                              .images = images,
                              .training = pass->training && !op->frozen,
                              .input_count = op->input_count,
                              .input_shapes = (const int64_t(*)[3])c->input_shapes,
                              .output_shape = c->output_shape,
                              .inputs = c->inputs,
                              .parameters = c->parameters};
    fill_shape(op->out, c->output_shape);
    const float *packed = op->packed;
    for (int i = 0; i < layer->parameter_count; i++) {
        c->parameters[i] = packed ? packed : op->tensor[i];
        packed = packed ? packed + cn__whole_lines(parameter_count(&layer->parameters[i])) : NULL;
    }
    for (int32_t i = 0; i < op->input_count; i++) {
        float *array = take(c, map_floats(op->in[i], c));
        fill_shape(op->in[i], c->input_shapes[i]);
        read_block(op->in[i], block, images, array);
        c->inputs[i] = c->arrays_of_inputs[i] = array;
    }
    c->pass.output = take(c, map_floats(op->out, c));
}

static cn__grid packing(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){op->packed != NULL, 1};
}

/* With channels in the lanes plans without a backward pass outlive the parameters. */
static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
    float *to = op->packed;
    (void)pass;
    (void)at;
    for (int i = 0; i < layer->parameter_count; i++) {
        size_t count = parameter_count(&layer->parameters[i]);
        memcpy(to, op->tensor[i], count * sizeof *to);
        to += cn__whole_lines(count);
    }
}

/* ---- forward ---- */

static cn__grid one_item(const cn__op *op, const cn__pass *pass) {
    (void)op;
    (void)pass;
    return (cn__grid){1, 1};
}

/* What failed gives zeros, so that what follows in this pass has numbers. */
static void compute(call *c, const cn__op *op) {
    cn_status status = CN_OK;
    if (!cn__op_failed(op))
        status = cn__callback_status(cn__custom_type_of(op->layer)->definition.forward(&c->pass));
    if (status != CN_OK)
        cn__op_fail(op, "forward", status);
    if (cn__op_failed(op))
        memset(c->pass.output, 0, map_floats(op->out, c) * sizeof *c->pass.output);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    call c;
    begin(&c, op, pass, at.block);
    compute(&c, op);
    write_block(op->out, at.block, (int32_t)c.pass.images, c.pass.output);
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++)
        cn__fmap_border(op->out, at.block, plane);
}

/* ---- backward ---- */

/* What is there already is added in an array that is needed no more. */
static void give_gradient(const cn__op *op, size_t block, int32_t input, const call *c) {
    const cn__fmap *to = op->d_in[input];
    float *gradient = c->grad_inputs[input], *before = c->arrays_of_inputs[input];
    int32_t images = (int32_t)c->pass.images;
    if (!to)
        return;
    if (op->accumulate[input]) {
        read_block(to, block, images, before);
        for (size_t i = 0; i < map_floats(to, c); i++)
            gradient[i] += before[i];
    }
    write_block(to, block, images, gradient);
}

/* Output and its gradient as they are, the others zero. */
static void begin_gradients(call *c, const cn__op *op, size_t block) {
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
    int32_t images = (int32_t)c->pass.images;
    float *grad_output = take(c, map_floats(op->out, c)), *sums = op->saved ? cn__saved(op, block) : NULL;
    read_block(op->out, block, images, c->pass.output);
    read_block(op->d_out, block, images, grad_output);
    for (int32_t i = 0; i < op->input_count; i++) {
        c->grad_inputs[i] = take(c, map_floats(op->in[i], c));
        memset(c->grad_inputs[i], 0, map_floats(op->in[i], c) * sizeof(float));
    }
    if (sums)
        memset(sums, 0, parameter_floats(layer) * sizeof *sums);
    for (int i = 0; i < layer->parameter_count; i++) {
        c->grad_parameters[i] = sums;
        sums += cn__whole_lines(parameter_count(&layer->parameters[i]));
    }
    c->pass.grad_output = grad_output;
    c->pass.grad_inputs = c->grad_inputs;
    c->pass.grad_parameters = c->grad_parameters;
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    call c;
    begin(&c, op, pass, at.block);
    begin_gradients(&c, op, at.block);
    if (!cn__op_failed(op)) {
        cn_status status = cn__callback_status(cn__custom_type_of(op->layer)->definition.backward(&c.pass));
        if (status != CN_OK)
            cn__op_fail(op, "backward", status);
    }
    for (int32_t i = 0; i < op->input_count; i++)
        give_gradient(op, at.block, i, &c);
}

/* An item is a parameter. */
static cn__grid parameter_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)cn__custom_layer_of(op->layer)->parameter_count, 1};
}

static void sum_parameter(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
    size_t offset = 0, count = parameter_count(&layer->parameters[at.outer]);
    for (size_t i = 0; i < at.outer; i++)
        offset += cn__whole_lines(parameter_count(&layer->parameters[i]));
    cn__sum_saved(op, pass, offset, (int)at.outer, 0, count);
}

const cn__layer_impl cn__custom_impl = {
    .requirements = requirements,
    .prepare = {packing, pack, CN__SCOPE_DEFERRED},
    .forward = {{one_item, forward, CN__SCOPE_LOCAL}},
    .backward = {{one_item, backward, CN__SCOPE_LOCAL}, {parameter_grid, sum_parameter, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
    .backward_reads_out = true,
};
