/* custom_stages.c: computes layers of a program's own. A block's images are unpacked into plain arrays, the program's
 * functions compute these, and the results go back into the lanes. Each block has gradients of the parameters of its
 * own, which are added up in the blocks' order. */
#include "layers/custom/custom.h"
#include "layers/nchw16c/nchw16c.h"
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
    requirements->scratch_floats = array_floats(sizes, CN__LANES);
    requirements->saved_floats = sizes->training ? parameter_floats(cn__custom_layer_of(layer)) : 0;
}

/* ---- a call of the program's functions ---- */

typedef struct call {
    cn_layer_pass pass;
    float *arrays; /* scratch that is not given out yet */
    const float *inputs[CN_MAX_LAYER_INPUTS], *parameters[CN_MAX_LAYER_PARAMETERS];
    float *grad_inputs[CN_MAX_LAYER_INPUTS], *grad_parameters[CN_MAX_LAYER_PARAMETERS];
    int64_t input_shapes[CN_MAX_LAYER_INPUTS][3], output_shape[3];
} call;

static float *take(call *c, size_t floats) {
    float *array = c->arrays;
    c->arrays += cn__whole_lines(floats);
    return array;
}

/* An image's, also where channels lie in the lanes. */
static cn__shape image_shape(const cn__fmap *map) {
    cn__shape shape = map->shape;
    if (map->lane_channels)
        shape.channels = map->lane_channels;
    return shape;
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
static void begin(call *c, const cn__op *op, const cn__pass *pass, size_t block, int32_t images) {
    const cn_layer_definition *d = &cn__custom_type_of(op->layer)->definition;
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
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
        if (op->in[i]->lane_channels) {
            cn__nchw16c_unpack(op->in[i], array);
        } else {
            cn__fmap from = cn__fmap_block(op->in[i], block);
            cn__fmap_unpack(&from, array, images);
        }
        c->inputs[i] = array;
    }
    c->pass.output = take(c, map_floats(op->out, c));
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
    begin(&c, op, pass, at.block, cn__pass_lanes(pass, at.block));
    compute(&c, op);
    cn__fmap to = cn__fmap_block(op->out, at.block);
    cn__fmap_pack(&to, c.pass.output, (int32_t)c.pass.images);
    for (size_t channel = 0; channel < (size_t)to.shape.channels; channel++)
        cn__fmap_border(&to, 0, channel);
}

/* ---- backward ---- */

static void add_lanes(const cn__fmap *map, const float *images_nchw, int64_t images) {
    for (int64_t n = 0; n < images; n++)
        for (size_t c = 0; c < (size_t)map->shape.channels; c++) {
            float *plane = cn__fmap_plane(map, 0, c).data + n;
            for (int32_t y = 0; y < map->shape.height; y++)
                for (int32_t x = 0; x < map->shape.width; x++)
                    plane[(size_t)y * map->row + (size_t)x * CN__LANES] += *images_nchw++;
        }
}

static void give_gradient(const cn__op *op, size_t block, int32_t input, const call *c) {
    if (!op->d_in[input])
        return;
    cn__fmap to = cn__fmap_block(op->d_in[input], block);
    if (op->accumulate[input])
        add_lanes(&to, c->grad_inputs[input], c->pass.images);
    else
        cn__fmap_pack(&to, c->grad_inputs[input], (int32_t)c->pass.images);
}

/* Output and its gradient as they are, the others zero. */
static void begin_gradients(call *c, const cn__op *op, size_t block) {
    const cn__custom_layer *layer = cn__custom_layer_of(op->layer);
    int32_t images = (int32_t)c->pass.images;
    cn__fmap out = cn__fmap_block(op->out, block), d_out = cn__fmap_block(op->d_out, block);
    float *grad_output = take(c, map_floats(op->out, c)), *sums = op->saved ? cn__saved(op, block) : NULL;
    cn__fmap_unpack(&out, c->pass.output, images);
    cn__fmap_unpack(&d_out, grad_output, images);
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
    begin(&c, op, pass, at.block, cn__pass_lanes(pass, at.block));
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
    float *to = op->gradient[at.outer];
    for (size_t i = 0; i < at.outer; i++)
        offset += cn__whole_lines(parameter_count(&layer->parameters[i]));
    memcpy(to, cn__saved(op, 0) + offset, count * sizeof *to);
    for (size_t block = 1; block < (size_t)pass->blocks; block++)
        for (size_t i = 0; i < count; i++)
            to[i] += cn__saved(op, block)[offset + i];
}

const cn__layer_impl cn__custom_batch = {
    .requirements = requirements,
    .forward = {{one_item, forward, CN__SCOPE_LOCAL}},
    .backward = {{one_item, backward, CN__SCOPE_LOCAL}, {parameter_grid, sum_parameter, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
    .backward_reads_out = true,
};

/* ---- one image, with channels in the lanes ---- */

static void requirements_of_one(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    requirements->scratch_floats = array_floats(sizes, 1);
    requirements->packed_floats = parameter_floats(cn__custom_layer_of(layer));
}

/* A plan of this kind outlives the parameters. */
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

static void forward_one(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__shape shape = image_shape(op->out);
    call c;
    (void)at;
    begin(&c, op, pass, 0, 1);
    compute(&c, op);
    const float *from = c.pass.output;
    for (size_t channel = 0; channel < (size_t)shape.channels; channel++)
        for (size_t y = 0; y < (size_t)shape.height; y++) {
            float *row = cn__nchw16c_row(op->out, channel, y);
            for (size_t x = 0; x < (size_t)shape.width; x++)
                row[x * CN__LANES] = *from++;
        }
}

const cn__layer_impl cn__custom_nchw16c = {
    .infers_only = true,
    .requirements = requirements_of_one,
    .prepare = {one_item, pack, CN__SCOPE_DEFERRED},
    .forward = {{one_item, forward_one, CN__SCOPE_LOCAL},
                {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
};
