/* SPDX-License-Identifier: MIT */
/* pad2d.c: rows and columns around a map, or cut off it: torch.nn.ConstantPad2d, ReplicationPad2d, ReflectionPad2d and
 * circular padding. An item is a plane, lane by lane, so that it does not matter what they hold. */
#include "layers/shape/shape.h"
#include <math.h>

enum { LEFT, RIGHT, TOP, BOTTOM };

typedef struct pad2d {
    cn_layer base;
    int32_t padding[4], mode;
    float value;
} pad2d;

static const char *const modes[] = {"constant", "replicate", "reflect", "circular", NULL};

static const cn__attr attrs[] = {
    {"left", CN__ATTR_INT, offsetof(pad2d, padding[LEFT]), NULL, 0},
    {"right", CN__ATTR_INT, offsetof(pad2d, padding[RIGHT]), NULL, 0},
    {"top", CN__ATTR_INT, offsetof(pad2d, padding[TOP]), NULL, 0},
    {"bottom", CN__ATTR_INT, offsetof(pad2d, padding[BOTTOM]), NULL, 0},
    {"mode", CN__ATTR_ENUM, offsetof(pad2d, mode), modes, 0},
    {"value", CN__ATTR_FLOAT, offsetof(pad2d, value), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    const pad2d *p = (const pad2d *)layer;
    CN__TRY(cn__check_range("Pad2d", "mode", p->mode, CN_PADDING_ZEROS, CN_PADDING_CIRCULAR));
    bool constant = p->mode == CN_PADDING_ZEROS;
    for (int i = 0; i < 4; i++)
        CN__TRY(cn__check_range("Pad2d", attrs[i].name, p->padding[i], constant ? -CN__MAX_SIDE : 0, CN__MAX_SIDE));
    if (!isfinite(p->value) || (!constant && p->value != 0.0f))
        return cn__error(CN_ERR_ARGUMENT, "Pad2d: value is %g, wanted %s", (double)p->value,
                         constant ? "a finite number" : "0 where the border repeats pixels");
    return CN_OK;
}

/* What a border may be wide at most, and whether anything is left. */
static bool side_fits(const pad2d *p, int32_t before, int32_t after, int32_t size) {
    int32_t most = p->mode == CN_PADDING_REFLECT ? size - 1 : p->mode == CN_PADDING_CIRCULAR ? size : CN__MAX_SIDE;
    int64_t result = (int64_t)size + before + after;
    return before <= most && after <= most && result >= 1 && result <= CN__MAX_SIDE && -before < size && -after < size;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const pad2d *p = (const pad2d *)layer;
    const int32_t *pad = p->padding;
    (void)inputs;
    if (!side_fits(p, pad[LEFT], pad[RIGHT], in->width) || !side_fits(p, pad[TOP], pad[BOTTOM], in->height))
        return cn__error(CN_ERR_SHAPE,
                         "Pad2d '%s': %s padding %d left, %d right, %d top, %d bottom does not fit the "
                         "input, %d×%d",
                         name, modes[p->mode], pad[LEFT], pad[RIGHT], pad[TOP], pad[BOTTOM], in->height, in->width);
    *out = (cn__shape){in->channels, in->height + pad[TOP] + pad[BOTTOM], in->width + pad[LEFT] + pad[RIGHT]};
    return CN_OK;
}

/* ---- where rows and columns come from ---- */

/* The row of the input that row `i` of the output shows; -1: none. */
static int32_t source_row(const cn__op *op, int32_t i) {
    const pad2d *p = (const pad2d *)op->layer;
    return cn__border_source(i - p->padding[TOP], op->in[0]->shape.height, (cn_padding_mode)p->mode);
}

static int32_t source_column(const cn__op *op, int32_t i) {
    const pad2d *p = (const pad2d *)op->layer;
    return cn__border_source(i - p->padding[LEFT], op->in[0]->shape.width, (cn_padding_mode)p->mode);
}

/* The columns of the output that show columns of the input as they are, `first` … `end` - 1. */
typedef struct columns {
    int32_t first, end;
} columns;

static columns inside(const cn__op *op) {
    const pad2d *p = (const pad2d *)op->layer;
    int32_t left = p->padding[LEFT], end = op->in[0]->shape.width + left, width = op->out->shape.width;
    return (columns){left > 0 ? left : 0, end < width ? end : width};
}

static cn__plane from_pixel(cn__plane plane, int32_t row, int32_t column) {
    return (cn__plane){.data = plane.data + (size_t)row * plane.row + (size_t)column * CN__LANES, .row = plane.row};
}

/* ---- forward ---- */

static void fill(cn__plane to, int32_t row, int32_t first, int32_t end, float value) {
    float *line = from_pixel(to, row, first).data;
    for (size_t i = 0; i < (size_t)(end - first) * CN__LANES; i++)
        line[i] = value;
}

/* A column that is not inside, of a row that shows one of the input's. */
static void forward_pixel(const cn__op *op, cn__plane x, cn__plane y, int32_t source, int32_t row, int32_t i) {
    int32_t column = source_column(op, i);
    if (column < 0)
        fill(y, row, i, i + 1, ((const pad2d *)op->layer)->value);
    else
        op->kernels->copy(from_pixel(x, source, column), from_pixel(y, row, i), 1, 1, false);
}

static void forward_row(const cn__op *op, cn__plane x, cn__plane y, int32_t row) {
    int32_t source = source_row(op, row), width = op->out->shape.width;
    columns middle = inside(op);
    if (source < 0) {
        fill(y, row, 0, width, ((const pad2d *)op->layer)->value);
        return;
    }
    op->kernels->copy(from_pixel(x, source, source_column(op, middle.first)), from_pixel(y, row, middle.first), 1,
                      middle.end - middle.first, false);
    for (int32_t i = 0; i < middle.first; i++)
        forward_pixel(op, x, y, source, row, i);
    for (int32_t i = middle.end; i < width; i++)
        forward_pixel(op, x, y, source, row, i);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    for (int32_t row = 0; row < op->out->shape.height; row++)
        forward_row(op, cn__fmap_plane(op->in[0], at.block, at.outer), cn__fmap_plane(op->out, at.block, at.outer),
                    row);
    cn__fmap_border(op->out, at.block, at.outer);
}

/* ---- backward: each pixel gets the sum of what shows it, in the order of rows and columns ---- */

static void backward_pixel(const cn__op *op, cn__plane dy, cn__plane dx, int32_t source, int32_t row, int32_t i) {
    int32_t column = source_column(op, i);
    if (column >= 0)
        op->kernels->copy(from_pixel(dy, row, i), from_pixel(dx, source, column), 1, 1, true);
}

static void backward_row(const cn__op *op, cn__plane dy, cn__plane dx, int32_t row) {
    int32_t source = source_row(op, row), width = op->out->shape.width;
    columns middle = inside(op);
    if (source < 0)
        return;
    op->kernels->copy(from_pixel(dy, row, middle.first), from_pixel(dx, source, source_column(op, middle.first)), 1,
                      middle.end - middle.first, true);
    for (int32_t i = 0; i < middle.first; i++)
        backward_pixel(op, dy, dx, source, row, i);
    for (int32_t i = middle.end; i < width; i++)
        backward_pixel(op, dy, dx, source, row, i);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__plane dx = cn__fmap_plane(op->d_in[0], at.block, at.outer);
    (void)pass;
    if (!op->accumulate[0])
        cn__clear_plane(dx, op->in[0]->shape);
    for (int32_t row = 0; row < op->out->shape.height; row++)
        backward_row(op, cn__fmap_plane(op->d_out, at.block, at.outer), dx, row);
}

static const cn__layer_impl impl = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__pad2d_type = {
    .name = "Pad2d",
    .bytes = sizeof(pad2d),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_pad2d_new(cn_context *context, const int padding[4], cn_padding_mode mode, float value, cn_layer **layer) {
    CN__COMPUTES;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(padding);
    CN__TRY(cn__layer_alloc(context, &cn__pad2d_type, &made));
    pad2d *p = (pad2d *)made;
    for (int i = 0; i < 4; i++)
        p->padding[i] = padding[i];
    p->mode = (int32_t)mode;
    p->value = value;
    return cn__layer_finish(made, layer);
}
